"""What is seen of work that takes long: share, rate and remaining time, as the reader needs it."""

import io
import json
import os
import pty
import subprocess
import sys
import textwrap
from collections.abc import Iterator

import pytest

from ugw_flash.progress import Lines, Objects, watching

MB = 1_000_000


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return a clock that stands still until it is set."""
    now = [100.0]
    monkeypatch.setattr("ugw_flash.progress.time.monotonic", lambda: now[0])
    return now


def objects(out: io.StringIO) -> Iterator[dict[str, object]]:
    yield from map(json.loads, out.getvalue().splitlines())


def test_a_program_gets_an_object_a_second_with_rate_and_remaining_time(
    clock: list[float],
) -> None:
    out = io.StringIO()
    told = Objects(out, "gw-1")
    told.phase("write", 100 * MB)
    for tenth in range(1, 31):
        clock[0] = 100 + tenth / 10
        told.done(tenth * MB)
    told.say("half an hour more")

    first, *moments, last = objects(out)
    assert (first["phase"], first["doneBytes"], first["remainingS"]) == ("write", 0, None)
    assert [each["doneBytes"] for each in moments] == [10 * MB, 20 * MB, 30 * MB]
    assert {each["bytesPerS"] for each in moments} == {10 * MB}
    assert [each["remainingS"] for each in moments] == [9.0, 8.0, 7.0]
    assert last == {"about": "gw-1", "said": "half an hour more"}


def test_a_log_gets_a_line_now_and_then_and_always_the_end(clock: list[float]) -> None:
    out = io.StringIO()
    told = Lines(out, "gw-1")
    told.phase("verify", 50 * MB)
    for second in range(1, 26):
        clock[0] = 100.0 + second
        told.done(second * 2 * MB)

    assert out.getvalue().splitlines() == [
        "gw-1: verify",
        "gw-1: verify: 20.0 of 50.0 MB, 2.0 MB/s, 15 s left",
        "gw-1: verify: 40.0 of 50.0 MB, 2.0 MB/s, 5 s left",
        "gw-1: verify: 50.0 of 50.0 MB, 2.0 MB/s",
    ]


def test_of_what_nobody_knows_the_length_neither_share_nor_end_is_told(
    clock: list[float],
) -> None:
    out = io.StringIO()
    told = Objects(out)
    told.phase("wait")
    clock[0] = 105.0
    told.done(MB)

    assert list(objects(out))[-1] == {
        "phase": "wait",
        "doneBytes": MB,
        "totalBytes": None,
        "bytesPerS": 200_000,
        "remainingS": None,
    }


def test_on_a_terminal_there_is_a_bar_and_elsewhere_none() -> None:
    script = textwrap.dedent(
        """
        from ugw_flash.progress import watching
        with watching(about="gw-1") as watcher:
            watcher.phase("write", 4_000_000)
            watcher.done(4_000_000)
            watcher.say("[bold]as it is[/bold]")
            watcher.phase("wait for READY")
        """
    )
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as screen:
        done = subprocess.Popen(
            [sys.executable, "-c", script],
            stderr=theirs,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TERM": "xterm"},
        )
        os.close(theirs)
        shown = b"".join(_until_closed(screen))
        assert done.wait(60) == 0
    assert "gw-1 write" in shown.decode()
    assert "4.0/4.0 MB" in shown.decode()
    assert "[bold]as it is[/bold]" in shown.decode()
    assert "gw-1 wait for READY" in shown.decode()
    assert "/?" not in shown.decode(), "of a phase without length only its name is known"


def _until_closed(screen: io.FileIO) -> Iterator[bytes]:
    while True:
        try:
            some = screen.read(4096)
        except OSError:  # how Linux says that nobody has the other end any more
            return
        if not some:
            return
        yield some


def test_programs_are_spoken_to_as_such(capsys: pytest.CaptureFixture[str]) -> None:
    with watching(as_json=True, about="gw-1") as watcher:
        watcher.phase("erase")
    with watching() as watcher:
        watcher.phase("erase")

    said, line = capsys.readouterr().err.splitlines()
    assert json.loads(said)["about"] == "gw-1"
    assert line == "erase"
