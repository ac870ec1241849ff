"""What came of a play: verdicts, what happened, and how to see it again.

A report of a failure has the seed, what happened around it and the one command that plays it
again; times are those of the scenario, from the moment when the sensors begin to send.
"""

import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from gateway.sim.bench import Level
from gateway.sim.expectations import Verdict

_BEFORE: Final = 6  # events that are shown before a failure, and between its frames
_AFTER: Final = 2
_FRAMES: Final = 10


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened; `gateway` empty: to all."""

    at_s: float
    what: str
    gateway: str = ""


class SensorLook(NamedTuple):
    """One sensor at a glance."""

    name: str
    sent: int  # frames that the agent's hardware was given
    delivered: int


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """One gateway at a glance, for who watches."""

    at_s: float
    gateway: str
    running: bool
    sent: int  # frames that its hardware was given
    delivered: int  # of those, what arrived
    missing: int
    backlog: int
    state: str  # of the newest status: online, offline; empty: none came
    store_state: str
    laws_hold: bool
    latency_p50_s: float | None
    latency_p99_s: float | None
    sensors: Sequence[SensorLook]


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one play."""

    name: str
    ok: bool
    verdicts: tuple[Verdict, ...]
    timeline: tuple[Event, ...]
    seed: int
    level: Level
    duration_s: float  # by the clock of the bench
    took_s: float
    sent: int
    delivered: int
    file: Path | None = None
    gateways: int = 1
    changed: str = ""  # options of the command line, of what is not played as the file says

    def report(self) -> str:
        """Return it for people."""
        return "\n".join(_report(self))

    @property
    def replay(self) -> str:
        """The command that plays it again."""
        return replay_command(self.file, self.level, self.seed, self.changed)


def replay_command(file: Path | None, level: Level, seed: int, changed: str = "") -> str:
    """Return the command that plays a scenario again, the same way."""
    what = shlex.quote(str(file)) if file is not None else "FILE"
    return f"ugw simulate {what} --level {level} --seed {seed} {changed}".rstrip()


def _report(outcome: Outcome) -> Iterable[str]:
    failed = [one for one in outcome.verdicts if not one.ok]
    for verdict in outcome.verdicts:
        yield f"{'ok  ' if verdict.ok else 'FAIL'}  {_called(verdict, outcome)}"
        if not verdict.ok:
            yield f"      {verdict.why}"
            yield from (f"        {frame}" for frame in verdict.frames[:_FRAMES])
    if failed:
        yield ""
        yield "what happened around it:"
        yield from (event_line(event) for event in around(outcome.timeline, failed))
        yield ""
        yield f"seed {outcome.seed}; to see it again:"
        yield f"  {outcome.replay}"
        yield ""
    yield _summary(outcome, len(failed))


def _called(verdict: Verdict, outcome: Outcome) -> str:
    return f"{verdict.name} ({verdict.gateway})" if outcome.gateways > 1 else verdict.name


def _summary(outcome: Outcome, failed: int) -> str:
    count = len(outcome.verdicts)
    came = f"{failed} of {count} expectations failed" if failed else f"{count} expectations hold"
    return (
        f"{outcome.name}: {came}; {outcome.sent} frames reached the agent, "
        f"{outcome.delivered} arrived; {span(outcome.duration_s)} on level {outcome.level} "
        f"in {outcome.took_s:.1f} s, seed {outcome.seed}"
    )


def event_line(event: Event) -> str:
    """Write an event in a line."""
    return f"{event.at_s:12.3f} s  {event.gateway:12s}  {event.what}".rstrip()


def span(seconds: float) -> str:
    """Write a span as people do, to three digits or so."""
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"


def around(timeline: Sequence[Event], failed: Sequence[Verdict]) -> list[Event]:
    """Return the few events that may have to do with failures: before each, and at its frames."""
    shown: set[int] = set()
    for verdict in failed:
        first_s, last_s = min((verdict.at_s, *verdict.about_s)), max(verdict.about_s or (0.0,))
        before = [index for index, one in enumerate(timeline) if one.at_s <= first_s]
        between = [index for index, one in enumerate(timeline) if first_s < one.at_s <= last_s]
        after = [index for index, one in enumerate(timeline) if last_s < one.at_s > first_s]
        shown.update((*before[-_BEFORE:], *between[:_BEFORE], *after[:_AFTER]))
    return [timeline[index] for index in sorted(shown)]
