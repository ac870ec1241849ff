"""`ugw run`: the configuration first, then the agent, and one line per event."""

import os
import pty
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.cli.exit_codes import ExitCode
from gateway.cli.main import main
from gateway.config import Settings
from gateway.errors import BacklogError
from gateway.registry import Registry

Run = Callable[[Settings, Registry], None]


@pytest.fixture
def agent(monkeypatch: pytest.MonkeyPatch) -> Callable[[Run], None]:
    """Put a function in the place of the agent, and leave the test's logging alone."""
    monkeypatch.setattr("gateway.cli.logs.configure", lambda _level: None)

    def replace(run: Run) -> None:
        stand_in = types.ModuleType("gateway.app")
        stand_in.run = run  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "gateway.app", stand_in)

    return replace


def end_of(*words: str) -> int | str | None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    return ended.value.code


def test_the_agent_is_handed_the_settings_and_the_drivers(
    agent: Callable[[Run], None], good: Path
) -> None:
    handed: list[tuple[Settings, Registry]] = []
    agent(lambda settings, registry: handed.append((settings, registry)))

    assert end_of("run", "--config", str(good)) == ExitCode.OK
    ((settings, registry),) = handed
    assert settings.gateway.id == "gw-1"
    assert "cayenne-lpp" in registry.models()


def test_with_a_faulty_configuration_the_agent_is_not_started(
    agent: Callable[[Run], None], bad: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    agent(lambda _settings, _registry: pytest.fail("started"))

    assert end_of("run", "--config", str(bad)) == ExitCode.CONFIGURATION
    assert "unknown key 'hpptp'" in capsys.readouterr().err


def test_an_agent_that_cannot_start_says_why_in_one_line(
    agent: Callable[[Run], None], good: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_settings: Settings, _registry: Registry) -> None:
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
    good.write_text(good.read_text() + "http: {}\n")
    agent(lambda _settings, _registry: None)

    end_of("run", "--config", str(good))
    assert any(record.getMessage().startswith("http: ") for record in caplog.records)


SPEAK = """
import logging
from gateway.cli import logs
logs.configure("info")
log = logging.getLogger("gateway.test")
log.info("up name=%s", "ble:hci0")
log.debug("not shown")
log.warning("two\\nlines \\x1b[31m")
"""


def test_an_event_is_one_line_without_time_for_the_journal() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SPEAK], capture_output=True, text=True, check=True
    )

    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        "INFO gateway.test: up name=ble:hci0",
        "WARNING gateway.test: two lines  [31m",
    ]


def test_a_terminal_is_told_the_time() -> None:
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "wb") as terminal:
        subprocess.run([sys.executable, "-c", SPEAK], stderr=terminal, check=True)
        first = os.read(ours, 4096).decode().splitlines()[0]
    os.close(ours)

    assert first.endswith(" INFO gateway.test: up name=ble:hci0")
    assert first.startswith("20")
