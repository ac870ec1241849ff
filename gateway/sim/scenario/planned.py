"""Faults as a scenario plans them: when, for how long, how often; the rest is the verb's own.

Each verb has a section of its own, made of its arguments and of what all have in common, so that
schema, messages and reference come from one description.
"""

from collections.abc import Iterator
from random import Random
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, Self, cast

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import core_schema

from gateway.config import Duration, Section
from gateway.config.explain import did_you_mean
from gateway.config.findings import quoted
from gateway.config.section import Fault, refuse
from gateway.sim.scenario.fields import LONGEST, NS_PER_S, Probability, Span, Terms
from gateway.sim.scenario.sections import either, section
from gateway.sim.verbs import ALIASES, VERBS, Verb

_MOST_TIMES = 100_000


class Occurrence(NamedTuple):
    """One time that a fault is there, from the start of the scenario on."""

    at_ns: int
    end_ns: int


class FaultScenario(Section):
    """Something that breaks."""

    do: str
    """What happens."""
    at_ns: Span | None = Field(default=None, alias="at")
    """When, from the start on; of one that repeats the first time."""
    for_ns: Span | None = Field(default=None, alias="for")
    """How long it lasts, where it does."""
    every_ns: Annotated[int, Duration("100ms", LONGEST)] | None = Field(
        default=None, alias="every"
    )
    """How often it comes again."""
    until_ns: Span | None = Field(default=None, alias="until")
    """Of one that repeats: when it comes no more."""
    chance: Probability = 1.0
    """Of each time: how likely it is to happen at all, by the seed."""
    gateway: str | None = None
    """The gateway it happens to; without it, to all."""

    @model_validator(mode="after")
    def _check_times(self) -> Self:
        refuse(self._mistimed())
        return self

    def _mistimed(self) -> Iterator[Fault]:
        if self.for_ns is not None and not self.verb.lasting:
            yield ("for",), f"{self.do} is over at once"
        if self.every_ns is None and self.at_ns is None:
            yield (), "the key 'at' is missing, or 'every' for one that repeats"
        if self.until_ns is not None and self.every_ns is None:
            yield ("until",), "is for a fault that repeats: every is missing"
        if self.every_ns is not None and self.lasts_ns >= self.every_ns:
            yield ("every",), "it is to last longer than until it comes again"
        if self.gateway is not None and self.verb.shared:
            yield ("gateway",), "all gateways have one broker"

    @property
    def verb(self) -> Verb:
        """What it is."""
        return VERBS[ALIASES.get(self.do, self.do)]

    @property
    def target(self) -> str | None:
        """What it is on, where it was said."""
        return cast("str | None", getattr(self, "on", None))

    @property
    def lasts_ns(self) -> int:
        """How long it lasts each time."""
        if not self.verb.lasting:
            return 0
        usual_ns = round(self.verb.usual_s * NS_PER_S)
        return usual_ns if self.for_ns is None else self.for_ns

    @property
    def starts_ns(self) -> int:
        """When it comes for the first time."""
        return self.at_ns if self.at_ns is not None else self.every_ns or 0

    @property
    def end_ns(self) -> int:
        """When the first time is over."""
        return self.starts_ns + self.lasts_ns

    def occurrences(self, chance: Random, duration_ns: int | None) -> Iterator[Occurrence]:
        """Yield when it happens, within the duration; `chance` says whether it does."""
        at_ns, last_ns = self.starts_ns, self._last_ns(duration_ns)
        for _ in range(_MOST_TIMES if self.every_ns else 1):
            if last_ns is not None and at_ns >= last_ns:
                return
            if chance.random() < self.chance:
                yield Occurrence(at_ns, at_ns + self.lasts_ns)
            at_ns += self.every_ns or 0

    def _last_ns(self, duration_ns: int | None) -> int | None:
        ends = [one for one in (self.until_ns, duration_ns) if one is not None]
        return min(ends) if ends else None


def _known(value: object, info: core_schema.ValidationInfo[Any]) -> object:
    """Refuse a name that is none, or that does not work on the level the file is read for."""
    if isinstance(value, dict):
        name = cast("dict[str, object]", value).get("do")
        if isinstance(name, str):
            refuse([(("do",), why) for why in _unfit(name, Terms.of(info))])
    return value  # pyright: ignore[reportUnknownVariableType] - whatever it is


def _unfit(name: str, terms: Terms) -> Iterator[str]:
    verb = VERBS.get(ALIASES.get(name, name))
    if verb is None:
        yield f"there is no fault {quoted(name)}{did_you_mean(name, VERBS)}"
    elif terms.level is not None and terms.level not in verb.levels:
        yield f"{name} works on the level {', '.join(verb.levels)} only, not {terms.level}"


def _section(verb: Verb) -> type[Section]:
    names = (verb.name, *verb.aliases)
    return section("do", names, verb.title, of=(verb.Arguments, FaultScenario))


if TYPE_CHECKING:
    AnyFault = FaultScenario
else:
    AnyFault = Annotated[
        either(_section(verb) for verb in VERBS.values()),
        Field(discriminator="do"),
        BeforeValidator(_known),
    ]
