"""What is seen of work that takes long: the phase, how much is done, how fast, how long still.

On a terminal a bar, otherwise a line every ten seconds, for programs a JSON object a second; all
of it on standard error, for standard output is for results.
"""

import json
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final, Protocol, TextIO

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.text import Text

_LINE_EVERY_S: Final = 10.0
_OBJECT_EVERY_S: Final = 1.0
_MB: Final = 1_000_000


class Watcher(Protocol):
    """Who is told how work goes on."""

    def phase(self, name: str, total_bytes: int | None = None) -> None:
        """Begin a phase ("write", "verify", "seed"); None: how long it is nobody knows."""

    def done(self, done_bytes: int) -> None:
        """Note that so many bytes of this phase are done."""

    def say(self, text: str) -> None:
        """Tell a person something, in a sentence."""


class Silence:
    """Nobody watches."""

    def phase(self, name: str, total_bytes: int | None = None) -> None:
        """Tell nobody."""

    def done(self, done_bytes: int) -> None:
        """Tell nobody."""

    def say(self, text: str) -> None:
        """Tell nobody."""


@contextmanager
def watching(*, as_json: bool = False, about: str = "") -> Generator[Watcher]:
    """Show progress as it suits whoever reads standard error; `about` tells one device of many."""
    if as_json:
        yield Objects(sys.stderr, about)
    elif sys.stderr.isatty():
        with _bars() as bars:
            yield _Bar(bars, about)
    else:
        yield Lines(sys.stderr, about)


def _bars() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        *map(_OfKnownLength, (BarColumn(), DownloadColumn())),
        *map(_OfKnownLength, (TransferSpeedColumn(), TimeRemainingColumn())),
        console=Console(stderr=True, highlight=False),
    )


class _OfKnownLength(ProgressColumn):
    """A column of what says how long it is; of the rest only the name is known."""

    def __init__(self, column: ProgressColumn) -> None:
        super().__init__()
        self._column = column

    def render(self, task: Task) -> RenderableType:
        """Return what the column says."""
        return Text() if task.total is None else self._column.render(task)


class _Bar:
    """A bar for each phase; those that are over stay."""

    def __init__(self, bars: Progress, about: str) -> None:
        self._bars = bars
        self._about = f"{about} " if about else ""
        self._task: TaskID | None = None

    def phase(self, name: str, total_bytes: int | None = None) -> None:
        self._task = self._bars.add_task(self._about + name, total=total_bytes)

    def done(self, done_bytes: int) -> None:
        if self._task is not None:
            self._bars.update(self._task, completed=done_bytes)

    def say(self, text: str) -> None:
        self._bars.console.print(text, markup=False, soft_wrap=True)


class _Timed:
    """What lines and objects have in common: when to speak again, how fast it went."""

    def __init__(self, out: TextIO, about: str, every_s: float) -> None:
        self._out = out
        self._about = about
        self._every_s = every_s
        self._name = ""
        self._total: int | None = None
        self._began_s = self._spoke_s = 0.0

    def phase(self, name: str, total_bytes: int | None = None) -> None:
        self._name, self._total = name, total_bytes
        self._began_s = self._spoke_s = time.monotonic()
        self._tell(0, 0.0)

    def done(self, done_bytes: int) -> None:
        now_s = time.monotonic()
        if done_bytes != self._total and now_s - self._spoke_s < self._every_s:
            return
        self._spoke_s = now_s
        self._tell(done_bytes, now_s - self._began_s)

    def _tell(self, done_bytes: int, took_s: float) -> None:
        raise NotImplementedError

    def _left_s(self, done_bytes: int, rate: float) -> float | None:
        return (self._total - done_bytes) / rate if self._total and rate else None


class Lines(_Timed):
    """A line now and then, for logs."""

    def __init__(self, out: TextIO, about: str = "") -> None:
        super().__init__(out, f"{about}: " if about else "", _LINE_EVERY_S)

    def say(self, text: str) -> None:
        """Print it."""
        print(self._about + text, file=self._out, flush=True)

    def _tell(self, done_bytes: int, took_s: float) -> None:
        if not took_s:
            self.say(self._name)
            return
        rate = done_bytes / took_s
        share = f" of {self._total / _MB:.1f}" if self._total else ""
        left_s = self._left_s(done_bytes, rate)
        left = f", {left_s:.0f} s left" if left_s else ""
        self.say(f"{self._name}: {done_bytes / _MB:.1f}{share} MB, {rate / _MB:.1f} MB/s{left}")


class Objects(_Timed):
    """A JSON object a second, for programs."""

    def __init__(self, out: TextIO, about: str = "") -> None:
        super().__init__(out, about, _OBJECT_EVERY_S)

    def say(self, text: str) -> None:
        """Print it."""
        self._print({"said": text})

    def _tell(self, done_bytes: int, took_s: float) -> None:
        rate = done_bytes / took_s if took_s else 0.0
        left_s = self._left_s(done_bytes, rate)
        self._print(
            {
                "phase": self._name,
                "doneBytes": done_bytes,
                "totalBytes": self._total,
                "bytesPerS": round(rate),
                "remainingS": None if left_s is None else round(left_s, 1),
            }
        )

    def _print(self, fields: dict[str, object]) -> None:
        about = {"about": self._about} if self._about else {}
        print(json.dumps({**about, **fields}, ensure_ascii=False), file=self._out, flush=True)
