"""A check of the suite: its name, what it asserts in a sentence, and what it finds."""

import traceback
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, Final, Generic, TypeVar

import msgspec

from gateway.core.refusal import DecodeError

MOST: Final = 20  # findings of one check; more would say nothing new

S = TypeVar("S")
T = TypeVar("T")


class Finding(msgspec.Struct, frozen=True):
    """One thing that is not as it should be, and with what it can be seen again."""

    example: str  # its name; "" where it is about the driver as a whole
    data: str  # the bytes, in hexadecimal
    what: str

    def __str__(self) -> str:
        shown = f" [{self.data}]" if self.data else ""
        return f"{self.example or 'the driver'}{shown}: {self.what}"


class LeftOutError(Exception):
    """A check does not apply, or what it needs is not here; the text says which."""


class MisbehavedError(Exception):
    """A driver did what no driver may do; the text says what."""


class Check(msgspec.Struct, Generic[S], frozen=True):
    """What is asserted of a driver. `look` yields what is wrong, or raises LeftOutError."""

    name: str
    sentence: str
    look: Callable[[S], Iterable[Finding]]


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How one check ended."""

    model: str
    check: str
    sentence: str
    findings: tuple[Finding, ...] = ()
    left_out: str = ""  # why it was not done

    @property
    def is_good(self) -> bool:
        """Whether nothing was found."""
        return not self.findings


def run(model: str, check: Check[S], subject: S) -> Outcome:
    """Do one check."""
    findings: list[Finding] = []
    left_out = ""
    try:
        called(lambda: findings.extend(islice(check.look(subject), MOST)), "")
    except LeftOutError as error:
        left_out = str(error)
    except (MisbehavedError, DecodeError) as error:  # where nobody counted on it
        findings.append(Finding("", "", str(error)))
    return Outcome(
        model=model,
        check=check.name,
        sentence=check.sentence,
        findings=tuple(findings),
        left_out=left_out,
    )


def called(what: Callable[[], T], file: str) -> T:
    """Call a driver. Raises MisbehavedError for all that it may not raise."""
    try:
        return what()
    except (DecodeError, LeftOutError, MisbehavedError):
        raise
    except Exception as error:  # noqa: BLE001 - whatever a driver raises is what is looked for
        raise MisbehavedError(_place_of(error, file)) from None


def _place_of(error: BaseException, file: str) -> str:
    """Say what was raised, and where: in a driver's file, if it is on the way, else at its end."""
    frames = traceback.extract_tb(error.__traceback__)
    places = [frame for frame in frames if frame.filename == file] or frames[-1:]
    where = "".join(f" at {frame.filename}:{frame.lineno}" for frame in places[-1:])
    return f"raised {error!r}{where}"


def first_difference(
    got: Iterable[object], wanted: Iterable[object], told: Callable[[Any], str] = str
) -> Iterator[str]:
    """Say where two sequences begin to differ."""
    got, wanted = list(got), list(wanted)
    for mine, theirs in zip(got, wanted, strict=False):
        if mine != theirs:
            yield f"got {told(mine)}, expected {told(theirs)}"
            return
    if len(got) > len(wanted):
        yield f"got {told(got[len(wanted)])} beyond what is expected"
    elif len(wanted) > len(got):
        yield f"{told(wanted[len(got)])} is missing"
