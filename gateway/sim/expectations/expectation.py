"""What an expectation is, and how it is checked: at once, or as soon as it holds.

Of what must never be, each moment counts; what may take its time is waited for on the bench's
clock, `within` a span, and then a failure says what was still missing.
"""

import asyncio
from collections.abc import Callable
from importlib.util import find_spec
from typing import Annotated, Any, Final, NamedTuple, TypeVar

import msgspec
from pydantic import Field

from gateway.config import Duration, Section
from gateway.errors import SimulatorError
from gateway.sim.bench import Level
from gateway.sim.expectations.judge import Judge

BOTH: Final[frozenset[Level]] = frozenset({"inside", "process"})
PROCESS: Final[frozenset[Level]] = frozenset({"process"})

_NS_PER_S: Final = 1e9
_USUAL_S: Final = {"inside": 600.0, "process": 60.0}  # how long is waited, where nothing is said
_FIRST_STEP_S: Final = 0.02
_LAST_STEP_S: Final = {"inside": 5.0, "process": 0.2}


class Wrong(NamedTuple):
    """What is wrong; nothing, where `why` is empty. `frames`: those it is about, and when."""

    why: str = ""
    frames: tuple[str, ...] = ()
    about_s: tuple[float, ...] = ()  # by the bench's clock


FINE: Final = Wrong()


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """How an expectation came out."""

    name: str
    ok: bool
    why: str = ""
    frames: tuple[str, ...] = ()
    at_s: float = 0.0  # when it was decided, from when the sensors began
    about_s: tuple[float, ...] = ()  # when that was, which it is about
    gateway: str = ""


class NoMore(Section):
    """Nothing but its name."""


class Waits(Section):
    """Something that may become true."""

    within_ns: Annotated[int, Duration("1ms", "90d")] | None = Field(default=None, alias="within")
    """How long it may take; by default 10min inside, 1min in real time."""


Given = TypeVar("Given", bound=Section)
Check = Callable[[Judge, Given, float], Wrong]  # the last: since when, by the bench's clock


class Expectation(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that can be expected. `waits`: it may become true, and has `within`."""

    name: str
    title: str  # one sentence
    doc: str
    Arguments: type[Section]
    check: Callable[[Judge, Any, float], Wrong]
    levels: frozenset[Level] = BOTH
    needs: str = ""  # an optional library

    @property
    def waits(self) -> bool:
        """Whether it may take its time."""
        return issubclass(self.Arguments, Waits)


def expectation(
    name: str,
    arguments: type[Given],
    check: Check[Given],
    *,
    levels: frozenset[Level] = BOTH,
    needs: str = "",
) -> Expectation:
    """Describe an expectation by its check, whose docstring begins with "Expect that"."""
    doc = (check.__doc__ or "").removeprefix("Expect that ")
    doc = doc[:1].upper() + doc[1:]
    title = doc.partition("\n\n")[0].replace("\n    ", " ").strip()
    return Expectation(
        name=name,
        title=title,
        doc=doc,
        Arguments=arguments,
        check=check,
        levels=levels,
        needs=needs,
    )


def check_needs(expected: Expectation) -> None:
    """Refuse to expect what cannot be judged here. Raises SimulatorError."""
    if expected.needs and find_spec(expected.needs) is None:
        cause = f"{expected.name} needs the library {expected.needs}, which is not installed"
        raise SimulatorError(cause, "pip install 'urban-gateway[sim]'")


async def decide(
    judge: Judge,
    expected: Expectation,
    arguments: Section,
    *,
    since_s: float,
    waits_from_s: float | None = None,
) -> Verdict:
    """Check an expectation, waiting for it as long as it may take.

    `within` begins at `waits_from_s`, where it is another time than the one it is about.
    """
    judge.read()
    wrong = expected.check(judge, arguments, since_s)
    if wrong.why and isinstance(arguments, Waits):
        wrong = await _wait(judge, expected, arguments, (since_s, waits_from_s or since_s))
    return Verdict(
        name=expected.name,
        ok=not wrong.why,
        why=wrong.why,
        frames=wrong.frames,
        at_s=judge.shown_s(judge.bench.at_s),
        about_s=tuple(judge.shown_s(at_s) for at_s in wrong.about_s),
        gateway=judge.bench.options.gateway,
    )


async def _wait(
    judge: Judge, expected: Expectation, arguments: Waits, when_s: tuple[float, float]
) -> Wrong:
    bench, step_s = judge.bench, _FIRST_STEP_S
    since_s, from_s = when_s
    within = arguments.within_ns
    within_s = _USUAL_S[bench.level] if within is None else within / _NS_PER_S
    end_s = (bench.at_s if within is None else from_s) + within_s
    while True:
        judge.read()
        wrong = expected.check(judge, arguments, since_s)
        left_s = end_s - bench.at_s
        if not wrong.why or left_s <= 0:
            return wrong
        await asyncio.sleep(min(step_s, left_s))
        step_s = min(2 * step_s, _LAST_STEP_S[bench.level])
