"""What a card is written a day: healthy, with an outage, and with the broker away all day.

The store does what the agent has it do: a commit each 0.7 s while the broker is away, rows settled
by the 256, counters saved each 15 minutes. Bytes are counted twice: as SQLite hands them over, and
as they reach a block device, with the file system's journal; without the right to make one, once.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from gateway.backlog.sqlite.connection import Connect, connect
from gateway.backlog.sqlite.database import Database
from gateway.backlog.sqlite.file import Limits
from gateway.keeper import DELETE_ROWS, NS, SAVE_COUNTERS_NS, KeepLimits
from tests.backlog.failing_disk import Disk, Operation, Sync, Write, connection
from tests.backlog.places import bundle, run_streams
from tests.benchmarks.rows import Row, at_most, cannot_run

DAY_S: Final = 86_400.0
COMMIT_S: Final = KeepLimits().commit_after_ns / NS
SAVES_A_DAY: Final = round(DAY_S * NS / SAVE_COUNTERS_NS)
PER_S: Final = 10
DEVICES: Final = 20  # whose counters change
CARD_BYTES: Final = 1_000_000_000
BUDGETS_MB: Final = {"healthy": 10.0, "an hour's outage": 200.0, "away all day": 3_000.0}
_SECTOR: Final = 512

Stat = Callable[[], int]  # bytes written so far


class Meter(Disk):
    """A disk that adds up what is written to it, and keeps nothing."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.total = 0
        self.syncs = 0

    def did(self, operation: Operation) -> None:
        """Count one operation."""
        if isinstance(operation, Write):
            self.total += len(operation.data)
        self.syncs += isinstance(operation, Sync)


class Medium(NamedTuple):
    """Where a store is written to, and how much that has been."""

    directory: Path
    connect: Connect
    written: Stat


class Costs(NamedTuple):
    """Bytes: of a start and an end, of a save of the counters, of a commit, of a row settled."""

    run: float
    save: float
    commit: float
    settled: float

    def day(self, *, commits: int = 0) -> float:
        """Return what a day costs: the formula of docs/reference/wear.md."""
        return self.run + SAVES_A_DAY * self.save + commits * (self.commit + self.settled)


# ------------------------------------------------------------------------------------------ media
@contextmanager
def counted_at_the_vfs(name: str) -> Generator[Medium]:
    """Count what SQLite hands over."""
    meter = Meter(f"wear-{name}")
    with tempfile.TemporaryDirectory() as directory:
        yield Medium(Path(directory), connection(meter), lambda: meter.total)


@contextmanager
def counted_at_the_block() -> Generator[Medium]:
    """Count what reaches a block device with an ext4 of its own.

    Raises OSError where none can be made.
    """
    with tempfile.TemporaryDirectory() as parent:
        image, place = Path(parent) / "card", Path(parent) / "mounted"
        place.mkdir()
        with image.open("wb") as file:
            file.truncate(CARD_BYTES)
        _call("mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0", str(image))
        device = _call("losetup", "--find", "--show", str(image)).strip()
        try:
            _call("mount", "-o", "noatime", device, str(place))
            try:
                stat = Path("/sys/block", Path(device).name, "stat")
                yield Medium(place, connect, lambda: _written(stat))
            finally:
                _call("umount", str(place))
        finally:
            _call("losetup", "--detach", device)


def _written(stat: Path) -> int:
    os.sync()
    return int(stat.read_text().split()[6]) * _SECTOR  # Documentation/block/stat.rst


def _call(program: str, *arguments: str) -> str:
    path = shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if path is None:
        cause = f"{program} is not installed"
        raise OSError(cause)
    done = subprocess.run([path, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        cause = f"{program}: {done.stderr.strip()}"
        raise OSError(cause)
    return done.stdout


# --------------------------------------------------------------------------------------- measuring
def costs(medium: Medium, commits: int) -> Costs:
    """Measure each part by itself, long enough for the checkpoints it brings."""
    streams = run_streams("A")
    store = Database(medium.directory, Limits(max_bytes=512_000_000), medium.connect)
    store.open(streams)
    store.close(streams, {})  # the file is made once in its life
    before = medium.written()
    store.open(run_streams("B"))
    store.close((), {})
    run = medium.written() - before
    store.open(streams)
    saves = 2 * SAVES_A_DAY
    save = _each(medium, saves, lambda number: store.save_counters(_counters(number)))
    count = round(PER_S * COMMIT_S)
    rows: list[int] = []
    commit = _each(
        medium, commits, lambda _: rows.extend(store.append([bundle(streams[0], count)], {}))
    )
    groups = [rows[at : at + DELETE_ROWS] for at in range(0, len(rows), DELETE_ROWS)]
    settled = _each(medium, len(groups), lambda number: store.settle(groups[number]))
    store.close(streams, {})
    return Costs(run, save, commit, settled * len(groups) / len(rows))


def _each(medium: Medium, times: int, act: Callable[[int], object]) -> float:
    before = medium.written()
    for number in range(times):
        act(number)
    return (medium.written() - before) / times


def _counters(number: int) -> dict[str, int]:
    return {f"C0:FF:EE:00:00:{device:02X}": number for device in range(DEVICES)}


def outage(medium: Medium, seconds: float) -> int:
    """Measure a run with an outage of so long in one piece: what the formula is held against."""
    streams = run_streams("A")
    store = Database(medium.directory, Limits(max_bytes=512_000_000), medium.connect)
    store.open(streams)
    store.close(streams, {})
    before = medium.written()
    store.open(streams)
    count, rows = round(PER_S * COMMIT_S), list[int]()
    for _ in range(round(seconds / COMMIT_S)):
        rows += store.append([bundle(streams[0], count)], {})
    for at in range(0, len(rows), DELETE_ROWS):
        store.settle(rows[at : at + DELETE_ROWS])
    store.close(streams, {})
    return medium.written() - before


def days(found: Costs) -> dict[str, float]:
    """Return the bytes of a day, by scenario."""
    an_hour, a_day = round(3600 / COMMIT_S), round(DAY_S / COMMIT_S)
    return {
        "healthy": found.day(),
        "an hour's outage": found.day(commits=an_hour),
        "away all day": found.day(commits=a_day),
    }


def measure(*, quick: bool) -> list[Row]:
    """Measure where the bytes count: at the block device, or else at SQLite's."""
    commits = 1_000 if quick else 4_000
    with counted_at_the_vfs("costs") as medium:
        at_vfs = costs(medium, commits)
    try:
        with counted_at_the_block() as medium:
            at_block = costs(medium, commits)
        with counted_at_the_block() as medium:
            whole = outage(medium, commits * COMMIT_S)
    except OSError as error:
        why = f"no block device of our own: {error}; SQLite wrote {_said(at_vfs)}"
        return [cannot_run(f"card, MB a day, {name}", why) for name in BUDGETS_MB]
    told = at_block.run + commits * (at_block.commit + at_block.settled)
    by_sqlite = days(at_vfs)
    return [
        at_most(
            f"card, MB a day, {name}",
            BUDGETS_MB[name],
            written / 1e6,
            "MB",
            f"SQLite wrote {by_sqlite[name] / 1e6:.1f} MB; {_said(at_block)};"
            f" the formula says {told / whole:.2f} of an outage measured in one piece",
        )
        for name, written in days(at_block).items()
    ]


def _said(found: Costs) -> str:
    return (
        f"start and end {found.run:,.0f} B, save of {DEVICES} counters {found.save:,.0f} B,"
        f" commit of {PER_S * COMMIT_S:g} observations {found.commit:,.0f} B,"
        f" row settled {found.settled:,.0f} B"
    )
