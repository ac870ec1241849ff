"""The observed properties: units, types, plausible ranges, and whether a reading keeps to them.

Names and units never change meaning; a new meaning is a new name. A name that begins with `x_` is
outside: it may hold anything, in any range, with the unit "1". Comparisons are exact: decimals as
integers and powers of ten, never floats.
"""

from gateway.core.properties import TABLE

_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789_"
_MAX_NAME = 64


class Property:
    """One line of the vocabulary. Limits are decimals as (mantissa, scale), None where open."""

    __slots__ = ("id", "maximum", "minimum", "type", "unit")

    def __init__(self, line: str) -> None:
        _, number, self.unit, self.type, minimum, maximum = line.split(" ")
        self.id = int(number)
        self.minimum = _limit(minimum)
        self.maximum = _limit(maximum)

    def bounds(self, scale: int) -> "tuple[int | None, int | None]":
        """Return the lowest and the highest plausible mantissa of a value of this scale."""
        return (
            _scaled(self.minimum, scale, rounding=-1),
            _scaled(self.maximum, scale, rounding=1),
        )


# Parsed at first use: an ESP32 pays only for what its devices measure. Never more than TABLE has.
_properties: dict[str, Property] = {}
# By name and scale, of which few occur: the bounds. All that judging a reading looks at.
_ranges: dict[tuple[str, int], tuple[int | None, int | None]] = {}


def lookup(name: str) -> Property:
    """Return a property of the vocabulary. Raises KeyError for any other name, an `x_` one too."""
    found = _properties.get(name)
    if found is None:
        start = TABLE.find("\n" + name + " ") + 1
        if not start or " " in name:
            raise KeyError(name)
        found = _properties[name] = Property(TABLE[start : TABLE.find("\n", start)])
    return found


def known(name: str) -> bool:
    """Whether results may carry this name: one of the vocabulary, or a well-formed `x_` name."""
    if name.startswith("x_"):
        return len("x_") < len(name) <= _MAX_NAME and not name.strip(_LETTERS)
    try:
        lookup(name)
    except KeyError:
        return False
    return True


def unit(name: str) -> str:
    """Return the property's unit (UCUM). Raises KeyError for a name that is not known."""
    return "1" if name.startswith("x_") else lookup(name).unit


def fits(name: str, value: int | str | None, scale: int) -> bool:
    """Whether a reading's value is of the property's type; None, the sensor's "no value", always.

    Raises KeyError for a name that is not known.
    """
    if value is None or name.startswith("x_"):
        return True
    wanted = lookup(name).type
    if isinstance(value, bool):
        return wanted == "boolean"
    if isinstance(value, str):
        return wanted == "string"
    return wanted == "number" or (wanted == "integer" and (scale <= 0 or value % _ten(scale) == 0))


def in_range(name: str, value: int | str | None, scale: int) -> bool:
    """Whether value * 10**-scale is plausible; what is no number or has no limits always is.

    Raises KeyError for a name that is not known.
    """
    if type(value) is not int:  # a bool is an int too, on CPython only
        return True
    lowest, highest = _ranges.get((name, scale)) or _range(name, scale)
    return (lowest is None or value >= lowest) and (highest is None or value <= highest)


def _range(name: str, scale: int) -> "tuple[int | None, int | None]":
    if name.startswith("x_"):
        return (None, None)
    found = _ranges[name, scale] = lookup(name).bounds(scale)
    return found


def _scaled(limit: "tuple[int, int] | None", scale: int, *, rounding: int) -> "int | None":
    """Return a limit as a mantissa of this scale; between two of them the one within the range."""
    if limit is None:
        return None
    mantissa, places = limit
    if places <= scale:
        return mantissa * _ten(scale - places)
    return rounding * (rounding * mantissa // _ten(places - scale))


def _ten(power: int) -> int:
    raised: int = 10**power
    return raised


def _limit(text: str) -> tuple[int, int] | None:
    if text == "-":
        return None
    whole, _, fraction = text.partition(".")
    return int(whole + fraction), len(fraction)
