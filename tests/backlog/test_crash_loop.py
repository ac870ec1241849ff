"""Starts that are killed, again and again: nothing is lost by them, and the card is not worn."""

import asyncio
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from gateway.backlog import MOST_PREVIOUS
from gateway.backlog.sqlite import SqliteBacklog
from tests.backlog.places import run_streams

HANG_S: Final = 120.0
VERSION_1: Final = Path(__file__).with_name("version_1.sql")
UNIT: Final = Path(__file__).parents[2] / "config/ugw.service"
MOST_BYTES_PER_START: Final = 32 * 1024
MOST_BYTES_PER_DAY: Final = 50_000_000


def starts(*words: str) -> list[int]:
    """Run tests/backlog/starts.py; the numbers it prints."""
    ended = subprocess.run(
        [sys.executable, "-m", "tests.backlog.starts", *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=HANG_S,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return [int(line) for line in ended.stdout.split()]


def old_store(tmp_path: Path) -> Path:
    """Return a store as version 1 has left it."""
    folder = tmp_path / "store"
    folder.mkdir()
    with closing(sqlite3.connect(folder / "backlog.db", isolation_level=None)) as store:
        store.executescript(VERSION_1.read_text())
    return folder


def test_killed_at_any_statement_of_an_upgrade_the_next_start_finds_all_there_was(
    tmp_path: Path,
) -> None:
    """It is wholly done, or wholly to be done."""
    (statements,) = starts(str(old_store(tmp_path)), "each")
    assert statements > 20


@pytest.mark.long
def test_killed_at_any_statement_of_a_start_the_next_one_finds_all_there_was(
    tmp_path: Path,
) -> None:
    folder = old_store(tmp_path)
    starts(str(folder), "loop", "1")
    (statements,) = starts(str(folder), "each")
    assert statements > 20


def test_a_crash_loop_writes_little_and_declares_the_run_that_kept_something(
    tmp_path: Path,
) -> None:
    folder = old_store(tmp_path)
    written = starts(str(folder), "loop", str(MOST_PREVIOUS))
    assert max(written[1:]) < MOST_BYTES_PER_START
    assert sum(path.stat().st_size for path in folder.iterdir()) < 2_000_000

    async def main() -> None:
        backlog = SqliteBacklog(folder)
        found = await backlog.open(run_streams("LAST"))
        await backlog.close((), {})
        kept = {one.id: one for one in found.previous if one.next_seq}
        assert (found.bundles, found.quarantined) == (5, "")
        assert len(found.previous) <= MOST_PREVIOUS
        assert any(not one.clean for one in kept.values()), "how the run ended that kept these"

    asyncio.run(main())


def test_systemd_waits_longer_and_longer_between_starts_that_fail() -> None:
    unit = UNIT.read_text()
    (most_s,) = re.findall(r"^RestartMaxDelaySec=(\d+)$", unit, re.MULTILINE)
    (steps,) = re.findall(r"^RestartSteps=(\d+)$", unit, re.MULTILINE)
    assert int(steps) > 1
    assert 86_400 / int(most_s) * MOST_BYTES_PER_START < MOST_BYTES_PER_DAY
