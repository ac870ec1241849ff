"""Expectations as a scenario writes them: what, and from when on; the rest is each one's own."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Self, cast

from pydantic import (
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    model_validator,
)
from pydantic_core import CoreSchema, core_schema

from gateway.config import Section
from gateway.config.explain import did_you_mean
from gateway.config.findings import quoted
from gateway.config.section import Fault, refuse
from gateway.sim.expectations import EXPECTATIONS, Expectation
from gateway.sim.scenario.fields import Span, Terms
from gateway.sim.scenario.sections import either, section
from gateway.sim.verbs import ALIASES, VERBS


class ExpectScenario(Section):
    """Something that is expected; without `at` and `after` it is judged at the end."""

    that: str
    """What is expected."""
    at_ns: Span | None = Field(default=None, alias="at")
    """From when on, from the start."""
    after: str | None = None
    """From the end of each fault of this name on."""
    gateway: str | None = None
    """The gateway it is expected of; without it, of each."""

    @model_validator(mode="after")
    def _check_when(self) -> Self:
        refuse(self._misplaced())
        return self

    def _misplaced(self) -> Iterator[Fault]:
        if self.at_ns is not None and self.after is not None:
            yield ("after",), "there is an `at` already: either of them"
        if self.after is not None and ALIASES.get(self.after, self.after) not in VERBS:
            why = f"there is no fault {quoted(self.after)}{did_you_mean(self.after, VERBS)}"
            yield ("after",), why

    @property
    def expectation(self) -> Expectation:
        """What it is."""
        return EXPECTATIONS[self.that]

    @property
    def is_of_the_end(self) -> bool:
        """Whether it is judged at the end."""
        return self.at_ns is None and self.after is None


def _known(value: object, info: core_schema.ValidationInfo[Any]) -> object:
    """Refuse a name that is none, or that cannot be told on the level the file is read for."""
    given = {"that": value} if isinstance(value, str) else value
    if isinstance(given, dict):
        name = cast("dict[str, object]", given).get("that")
        if isinstance(name, str):
            refuse([(("that",), why) for why in _unfit(name, Terms.of(info))])
    return given  # pyright: ignore[reportUnknownVariableType] - whatever it is


def _unfit(name: str, terms: Terms) -> Iterator[str]:
    found = EXPECTATIONS.get(name)
    if found is None:
        yield f"there is no expectation {quoted(name)}{did_you_mean(name, EXPECTATIONS)}"
    elif terms.level is not None and terms.level not in found.levels:
        yield f"{name} is for the level {', '.join(found.levels)} only, not {terms.level}"


def _section(expected: Expectation) -> type[Section]:
    bases = (expected.Arguments, ExpectScenario)
    return section("that", (expected.name,), expected.title, of=bases)


class _OrName:
    """Lets the name alone stand for an expectation without arguments."""

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.with_info_before_validator_function(_known, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"anyOf": [{"enum": sorted(EXPECTATIONS)}, handler(schema)]}


if TYPE_CHECKING:
    AnyExpectation = ExpectScenario
else:
    AnyExpectation = Annotated[
        either(_section(one) for one in EXPECTATIONS.values()),
        Field(discriminator="that"),
        _OrName(),
    ]
