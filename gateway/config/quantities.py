"""Quantities as people write them: `20ms`, `15min`, `512MB`, `868.1MHz`.

A number without a unit is refused, for no reader can tell seconds from milliseconds. Values are
exact: what is no whole number of the smallest unit is refused, too. In Python a quantity is a
plain int whose name says its unit.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from gateway.config.section import fault

_WRITTEN = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?) ?([A-Za-z]*)")

_TIME: Final = {
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "min": 60 * 1_000_000_000,
    "h": 3600 * 1_000_000_000,
    "d": 86400 * 1_000_000_000,
}
_BYTES: Final = {
    "B": 1,
    "kB": 1_000,
    "KiB": 1 << 10,
    "MB": 1_000_000,
    "MiB": 1 << 20,
    "GB": 1_000_000_000,
    "GiB": 1 << 30,
}
_FREQUENCY: Final = {"Hz": 1, "kHz": 1_000, "MHz": 1_000_000}


class Quantity:
    """A quantity's units, bounds, reading and writing, for `Annotated[int, ...]`."""

    decimals = 0  # that may be written

    def __init__(self, units: Mapping[str, int], lowest: str, highest: str) -> None:
        self._units = units
        self._lowest, self._highest = self.parse(lowest), self.parse(highest)
        self._bounds = (lowest, highest)

    def parse(self, text: str) -> int:
        """Read a quantity in its smallest unit. Raises ValueError saying what is wrong."""
        written = _WRITTEN.fullmatch(text.strip())
        if written is None or written[2] not in self._units:
            wrong = "a unit is missing" if written and not written[2] else "not a quantity"
            message = f"{wrong}: write a number and one of {', '.join(self._units)}"
            raise ValueError(message)
        value = Decimal(written[1]) * self._units[written[2]]
        if value != int(value):
            message = "too many decimals"
            raise ValueError(message)
        return int(value)

    def text(self, value: int) -> str:
        """Write a quantity with the largest unit that needs no more decimals than are usual."""
        for unit, size in sorted(self._units.items(), key=_largest_first):
            if value >= size and value * 10**self.decimals % size == 0:
                return f"{(Decimal(value) / size).normalize():f}{unit}"
        small = Decimal(value) / self._units[self._smallest]
        return f"{small.normalize():f}{self._smallest}"

    @property
    def _smallest(self) -> str:
        return min(self._units, key=self._units.__getitem__)

    def validate(self, value: object) -> int:
        """Read what stands in the document, and check the bounds."""
        low, high = self._bounds
        if isinstance(value, bool) or not isinstance(value, (str, int, float)):
            message = f"a quantity is needed, from {low} to {high}"
            raise fault(message)
        try:
            number = self.parse(str(value))
        except ValueError as error:
            raise fault(str(error)) from None
        if not self._lowest <= number <= self._highest:
            message = f"must be from {low} to {high}"
            raise fault(message)
        return number

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        written = core_schema.plain_serializer_function_ser_schema(
            self.text, return_schema=core_schema.str_schema()
        )
        return core_schema.no_info_plain_validator_function(self.validate, serialization=written)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        units = "|".join(self._units)
        return {
            "type": "string",
            "pattern": rf"^[0-9]+(\.[0-9]+)? ?({units})$",
            "examples": list(self._bounds),
        }


def _largest_first(item: tuple[str, int]) -> tuple[bool, int]:
    """Sort 1000 before 1024, for people count in tens."""
    unit, size = item
    return (unit.endswith("iB"), -size)


class Duration(Quantity):
    """A time span; in Python nanoseconds."""

    def __init__(self, lowest: str, highest: str) -> None:
        super().__init__(_TIME, lowest, highest)


class Size(Quantity):
    """A number of bytes: kB is 1000, KiB 1024."""

    def __init__(self, lowest: str, highest: str) -> None:
        super().__init__(_BYTES, lowest, highest)


class Frequency(Quantity):
    """A frequency; in Python hertz."""

    decimals = 3

    def __init__(self, lowest: str, highest: str) -> None:
        super().__init__(_FREQUENCY, lowest, highest)


def duration_ns(text: str) -> int:
    """Return "20ms" and the like in nanoseconds."""
    return Duration("0ms", "1d").parse(text)


def size_bytes(text: str) -> int:
    """Return "512MB" and the like in bytes."""
    return Size("0B", "1GB").parse(text)
