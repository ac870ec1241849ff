"""What a fault is: its name, where it works, what it takes, and how it begins and ends.

A fault is an async context on a bench: entering it breaks something, leaving it makes that whole
again, also when what ran in between has failed. Some have no end: they are over at once, and it
is the agent's business to get over them.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, TypeVar

import msgspec

from gateway.config import Section
from gateway.sim.bench import Bench, Level

BOTH: Final[frozenset[Level]] = frozenset({"inside", "process"})
PROCESS: Final[frozenset[Level]] = frozenset({"process"})
SHORT_S: Final = 1.0  # how long a fault of the hardware lasts where nothing else is said
LONG_S: Final = 60.0  # and one of anything else

Arguments = TypeVar("Arguments", bound=Section)
Begin = Callable[[Bench, Arguments], AbstractAsyncContextManager[None]]


class Nothing(Section):
    """A fault that needs no more than its name."""


class Verb(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of fault. `part` is what it breaks: of a part there is one fault at a time.

    `part` empty: it is over at once and disturbs no other. `scripted`: it is the broker's doing,
    and only the scripted one does it.
    """

    name: str
    title: str  # one sentence
    doc: str
    Arguments: type[Section]
    begin: Callable[[Bench, Any], AbstractAsyncContextManager[None]]
    part: str
    levels: frozenset[Level] = BOTH
    lasting: bool = True
    usual_s: float = LONG_S  # how long, where nothing is said
    scripted: bool = False
    shared: bool = False  # of a broker that several gateways have: it happens once for all
    aliases: tuple[str, ...] = ()


def verb(  # noqa: PLR0913 - a verb is what it is
    name: str,
    arguments: type[Arguments],
    begin: Begin[Arguments],
    *,
    part: str = "",
    levels: frozenset[Level] = BOTH,
    lasting: bool = True,
    usual_s: float = LONG_S,
    scripted: bool = False,
    shared: bool = False,
    aliases: tuple[str, ...] = (),
) -> Verb:
    """Describe a fault by what it does: its docstring's first paragraph is the title."""
    doc = begin.__doc__ or ""
    return Verb(
        name=name,
        title=doc.partition("\n\n")[0].replace("\n    ", " ").strip(),
        doc=doc,
        Arguments=arguments,
        begin=begin,
        part=part,
        levels=levels,
        lasting=lasting,
        usual_s=usual_s,
        scripted=scripted,
        shared=shared,
        aliases=aliases,
    )
