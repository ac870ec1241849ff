"""`ugw run`: the configuration first, then the agent, and one line per event."""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.errors import BacklogError
from gateway.exit_codes import ExitCode
from gateway.service import Launch
from tests.cli.calling import end_of

Run = Callable[[Launch], None]


@pytest.fixture
def agent(monkeypatch: pytest.MonkeyPatch) -> Callable[[Run], None]:
    """Put a function in the place of the agent, and leave the test's logging alone."""
    monkeypatch.setattr("gateway.cli.logs.configure", lambda _level: None)

    def replace(run: Run) -> None:
        monkeypatch.setattr("gateway.service.run", run)

    return replace


def test_the_agent_is_handed_the_settings_and_the_drivers(
    agent: Callable[[Run], None], good: Path
) -> None:
    handed: list[Launch] = []
    agent(handed.append)

    assert end_of("run", "--config", str(good)) == ExitCode.OK
    (launch,) = handed
    assert launch.settings.gateway.id == "gw-1"
    assert "cayenne-lpp" in launch.registry.models()
    assert launch.path == good
    assert launch.load() == launch.settings


def test_with_a_faulty_configuration_the_agent_is_not_started(
    agent: Callable[[Run], None], bad: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    agent(lambda _launch: pytest.fail("started"))

    assert end_of("run", "--config", str(bad)) == ExitCode.CONFIGURATION
    assert "unknown key 'hpptp'" in capsys.readouterr().err


def test_an_agent_that_cannot_start_says_why_in_one_line(
    agent: Callable[[Run], None], good: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_launch: Launch) -> None:
        cause = "/var/lib/ugw is not writable"
        raise BacklogError(cause, "chown it to the agent's user")

    agent(fail)
    assert end_of("run", "--config", str(good)) == ExitCode.CANNOT_START
    assert [record.getMessage() for record in caplog.records] == [
        "cannot start: /var/lib/ugw is not writable; chown it to the agent's user"
    ]


def test_notes_are_logged_at_the_start(
    agent: Callable[[Run], None], good: Path, caplog: pytest.LogCaptureFixture
) -> None:
    good.write_text(good.read_text() + "delivery: {durability: strict}\n")
    agent(lambda _launch: None)

    end_of("run", "--config", str(good))
    assert any(
        record.getMessage().startswith("delivery.durability: ") for record in caplog.records
    )


TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}"
SPEAK = """
import logging
from gateway.cli import logs
logs.configure("info")
log = logging.getLogger("gateway.test")
log.info("up name=%s", "ble:hci0")
log.debug("not shown")
log.warning("two\\nlines \\x1b[31m")
try:
    1 / 0
except ZeroDivisionError:
    log.critical("a bug", exc_info=True)
"""


def said(**environ: str) -> list[str]:
    """Return the lines that SPEAK writes to a file; {} stands for that file's device:inode."""
    with tempfile.TemporaryFile("w+") as stderr:
        status = os.fstat(stderr.fileno())
        name = f"{status.st_dev}:{status.st_ino}"
        surroundings = {key: value.replace("{}", name) for key, value in environ.items()}
        outside = {key: value for key, value in os.environ.items() if key != "JOURNAL_STREAM"}
        done = subprocess.run(
            [sys.executable, "-c", SPEAK],
            stdout=subprocess.PIPE,
            stderr=stderr,
            env={**outside, **surroundings},
            check=True,
        )
        assert done.stdout == b""
        stderr.seek(0)
        return stderr.read().splitlines()


def test_an_event_is_one_line_with_its_priority_and_no_time_in_the_journal() -> None:
    up, lines, bug, *traceback = said(JOURNAL_STREAM="{}")
    assert up == "<6>INFO gateway.test: up name=ble:hci0"
    assert lines == "<4>WARNING gateway.test: two lines  [31m"
    assert bug == "<2>CRITICAL gateway.test: a bug"
    assert traceback[-1] == "<2>ZeroDivisionError: division by zero"
    assert all(line.startswith("<2>") for line in traceback)


@pytest.mark.parametrize("inherited", [{}, {"JOURNAL_STREAM": "8:12345"}])
def test_a_log_that_is_not_the_journal_tells_the_time(inherited: dict[str, str]) -> None:
    first, second, *_ = said(**inherited)
    assert re.fullmatch(rf"{TIME} INFO gateway.test: up name=ble:hci0", first)
    assert re.fullmatch(rf"{TIME} WARNING gateway.test: two lines  \[31m", second)
