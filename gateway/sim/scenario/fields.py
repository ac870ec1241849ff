"""What the keys of scenarios have in common: spans, names, probabilities."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Self, cast

import msgspec
from pydantic import (
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, core_schema

from gateway.config import Duration
from gateway.config.section import Number, Pattern, Slug, fault
from gateway.sim.bench import Level

LONGEST: Final = "90d"
NS_PER_S: Final = 1e9
_MOST_GATEWAYS: Final = 100

Span = Annotated[int, Duration("0ms", LONGEST)]
Probability = Annotated[Number, Field(ge=0, le=1)]
HexKey = Annotated[str, Pattern(r"[0-9a-fA-F]{32}", "a key is 32 hexadecimal digits")]


class Terms(msgspec.Struct, frozen=True):
    """What a file is read for. None: for either level."""

    level: Level | None = None

    @classmethod
    def of(cls, info: core_schema.ValidationInfo[Any]) -> Self:
        """Return the terms of a validation; without a context, none."""
        return info.context if isinstance(info.context, cls) else cls()


def _named(value: object) -> object:
    """Give names where there is only a number: gw-1, gw-2."""
    if isinstance(value, bool) or not isinstance(value, int):
        return value
    if not 1 <= value <= _MOST_GATEWAYS:
        why = f"from 1 to {_MOST_GATEWAYS} gateways; for more there is `ugw simulate fleet`"
        raise fault(why)
    return ["gw-sim"] if value == 1 else [f"gw-{number + 1}" for number in range(value)]


class NumberAs:
    """Lets a bare number stand for a mapping that has no more than this key."""

    def __init__(self, key: str) -> None:
        self._key = key

    def _widened(self, value: object) -> object:
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return {self._key: value} if is_number else value

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._widened, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"anyOf": [{"type": "number"}, handler(schema)]}


Gateways = Annotated[
    tuple[Slug, ...],
    BeforeValidator(_named),
    Field(min_length=1, max_length=_MOST_GATEWAYS),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": _MOST_GATEWAYS},
                {"type": "array", "items": {"type": "string", "pattern": "^[a-z0-9-]{1,64}$"}},
            ]
        }
    ),
]


def pairs(values: Mapping[str, object]) -> Mapping[str, Any]:
    """Return values with lists of two as tuples, as sensors take them."""
    return {
        name: tuple(cast("list[object]", one)) if isinstance(one, list) else one
        for name, one in values.items()
    }
