"""The observed properties: units, types, plausible ranges, and whether a reading keeps to them.

Names and units never change meaning; a new meaning is a new name. A name that begins with `x_` is
outside: it may hold anything, in any range, with the unit "1". Comparisons are exact: decimals as
integers and powers of ten, never floats.
"""


def _line(name: str) -> str:
    """Return a property's line of the table, nothing for a name that is in none."""
    # It takes 7 kB of an ESP32's memory: there `source` is another, and this is never imported.
    from gateway.core.properties import TABLE  # noqa: PLC0415

    start = TABLE.find("\n" + name + " ") + 1
    return TABLE[start : TABLE.find("\n", start)] if start else ""


# Where a property's line comes from, in a list so that it can be another place: [function].
source = [_line]

# Where memory is dearer than time, a property is parsed each time and few bounds are remembered.
thrifty = [False]
_FEW = 16


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
        line = "" if " " in name else source[0](name)
        if not line:
            raise KeyError(name)
        found = Property(line)
        if not thrifty[0]:
            _properties[name] = found
    return found


def unit(name: str) -> str:
    """Return the property's unit (UCUM). Raises KeyError for a name that is not known."""
    return "1" if name.startswith("x_") else lookup(name).unit


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
    if thrifty[0] and len(_ranges) >= _FEW:
        _ranges.clear()
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
