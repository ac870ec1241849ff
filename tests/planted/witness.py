"""Says of each test what became of it, at once, so that a run that is killed has said it too.

A plugin of pytest: `-p tests.planted.witness --witness FILE`. A line is a JSON object: a test that
begins, a phase of a test that ended, or a file that could not even be collected.
"""

import json
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import Final

import pytest
from hypothesis import Phase, settings

# A failure found is enough: to make it small takes minutes, and is for who mends it.
settings.register_profile(
    "planted", derandomize=True, phases=(Phase.explicit, Phase.reuse, Phase.generate)
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--witness", type=Path, required=True, help="where to say it")


def pytest_configure(config: pytest.Config) -> None:
    path = Path(str(config.getoption("witness")))
    config.pluginmanager.register(_Witness(path))


class _Witness:
    def __init__(self, path: Path) -> None:
        self._file: Final = path.open("w", encoding="utf-8", buffering=1)

    def _say(self, **line: object) -> None:
        print(json.dumps(line), file=self._file)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._say(test=nodeid, phase="start", outcome="begun")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        kinds = sorted(_kinds(call.excinfo.value)) if call.excinfo and report.failed else []
        said = f"{kinds[0]}: {_first_line(call)}" if kinds else ""
        self._say(
            test=item.nodeid,
            phase=report.when,
            outcome=report.outcome,
            kinds=" ".join(kinds),
            said=said,
            seconds=round(report.duration, 3),
        )
        return report

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._say(test=report.nodeid, outcome="uncollected", said=report.longreprtext[-500:])

    def pytest_unconfigure(self) -> None:
        self._file.close()


def _first_line(call: pytest.CallInfo[None]) -> str:
    text = str(call.excinfo.value) if call.excinfo else ""
    return text.strip().partition("\n")[0][:200]


def _kinds(error: BaseException) -> Iterator[str]:
    """Name what was raised, also by the tasks of a group."""
    within: Iterable[BaseException] = getattr(error, "exceptions", ())
    yield from (kind for one in within for kind in _kinds(one))
    if not within:
        yield type(error).__name__
