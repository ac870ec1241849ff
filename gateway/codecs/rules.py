"""The map of one device: which of a codec's values is which property, in our units, exactly.

What the map does not name is not published. A value that is none of its property's type (a text
where a number belongs, an unknown state) is the sensor's "no value": null, quality missing.
Numbers are decimals from the text on, multiplied and shifted without rounding.
"""

import re
from collections.abc import Mapping, Sequence
from decimal import Context, Decimal
from fractions import Fraction
from typing import Final

import msgspec

from gateway.codecs.output import Flat, Scalar
from gateway.core import terms, vocabulary
from gateway.model import Reading, Value

_PLACES: Final = 18  # as many as a reading may have
_EXACT: Final = Context(prec=80)
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,15}(\.[0-9]{1,15})?")
_TEN: Final = Decimal(10)

# Units that convert into each other (UCUM): how many of the first of the line each one is.
_KINDS: Final[tuple[Mapping[str, str], ...]] = (
    {"m": "1", "mm": "0.001", "cm": "0.01", "dm": "0.1", "km": "1000"},
    {"V": "1", "mV": "0.001", "uV": "0.000001", "kV": "1000"},
    {"A": "1", "mA": "0.001", "uA": "0.000001"},
    {"W": "1", "mW": "0.001", "kW": "1000", "MW": "1000000"},
    {"kW.h": "1", "W.h": "0.001", "MW.h": "1000"},
    {"hPa": "1", "Pa": "0.01", "kPa": "10", "mbar": "1", "bar": "1000", "MPa": "10000"},
    {"kg": "1", "g": "0.001", "mg": "0.000001", "t": "1000"},
    {"s": "1", "ms": "0.001", "min": "60", "h": "3600", "d": "86400"},
    {"m3": "1", "L": "0.001", "l": "0.001", "mL": "0.000001", "dm3": "0.001"},
    {
        "m3/h": "1",
        "L/h": "0.001",
        "l/h": "0.001",
        "L/min": "0.06",
        "l/min": "0.06",
        "m3/s": "3600",
    },
    {"km/h": "1", "m/s": "3.6"},
    {"Hz": "1", "kHz": "1000", "MHz": "1000000"},
    {"[ppm]": "1", "[ppb]": "0.001"},
    {"ug/m3": "1", "mg/m3": "1000"},
    {"mg/L": "1", "mg/l": "1", "g/L": "1000", "ug/L": "0.001"},
    {"uS/cm": "1", "mS/cm": "1000", "dS/m": "1000", "S/m": "10000"},
    {"%": "1", "1": "100"},
    {"lx": "1", "klx": "1000"},
    {"m/s2": "1", "[g]": "9.80665"},
    {"Ohm": "1", "kOhm": "1000"},
    {"uT": "1", "mT": "1000"},
    {"Bq/m3": "1", "kBq/m3": "1000"},
    {"uSv/h": "1", "nSv/h": "0.001", "mSv/h": "1000"},
)
_SHIFTS: Final = {("K", "Cel"): Decimal("-273.15")}


class Rule(msgspec.Struct, frozen=True):
    """What becomes of the value at one path: value * factor + offset, or what `values` says."""

    property: str
    channel: str = ""
    factor: Decimal = Decimal(1)
    offset: Decimal = Decimal(0)
    values: Mapping[str, bool | str | Decimal] | None = None


class UnitError(ValueError):
    """A unit that does not convert exactly into the property's."""


def conversion(unit: str, wanted: str) -> tuple[Decimal, Decimal]:
    """Return (factor, offset) from one unit to another. Raises UnitError."""
    if unit == wanted:
        return Decimal(1), Decimal(0)
    if (unit, wanted) in _SHIFTS:
        return Decimal(1), _SHIFTS[unit, wanted]
    for kind in _KINDS:
        if unit in kind and wanted in kind:
            factor = _terminating(Fraction(kind[unit]) / Fraction(kind[wanted]))
            if factor is not None:
                return factor, Decimal(0)
    raise UnitError(", ".join(units_for(wanted)))


def units_for(wanted: str) -> Sequence[str]:
    """Return the units that convert exactly into this one, itself first."""
    found = [wanted, *(unit for unit, to in _SHIFTS if to == wanted)]
    for kind in _KINDS:
        if wanted in kind:
            shares = ((unit, Fraction(kind[unit]) / Fraction(kind[wanted])) for unit in kind)
            found += [u for u, share in shares if _terminating(share) is not None and u != wanted]
    return found


def _terminating(share: Fraction) -> Decimal | None:
    """Return a fraction as a decimal, None where it has no end."""
    decimal = _EXACT.divide(Decimal(share.numerator), Decimal(share.denominator))
    return decimal if Fraction(decimal) == share else None


def apply(rules: Mapping[str, Rule], flat: Flat) -> list[Reading]:
    """Return the readings of what is named, in the order of the codec."""
    return [_reading(rules[path], value) for path, value in flat.items() if path in rules]


def _reading(rule: Rule, value: Scalar) -> Reading:
    if rule.values is not None and value is not None:
        value = rule.values.get(_key(value))
    meant, scale = _meant(rule, value)
    if not terms.fits(rule.property, meant, scale):
        meant, scale = None, 0
    return rule.property, meant, scale, rule.channel


def _key(value: Scalar) -> str:
    """Return how a value is written in the keys of `values`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)


def _meant(rule: Rule, value: Scalar) -> tuple[Value, int]:
    """Return value and scale as the property's type would have them, where that can be done."""
    wanted = "" if rule.property.startswith("x_") else vocabulary.lookup(rule.property).type
    if isinstance(value, str) and wanted in ("number", "integer") and _NUMBER.fullmatch(value):
        value = Decimal(value)
    if isinstance(value, Decimal):
        if wanted == "boolean":
            return (value == 1, 0) if value in (0, 1) else (None, 0)
        return _exact(_EXACT.fma(value, rule.factor, rule.offset))
    return value, 0


def _exact(value: Decimal) -> tuple[int | None, int]:
    """Return mantissa and scale; nothing for what no sensor measures."""
    if not value.is_finite() or value.adjusted() >= _PLACES:
        return None, 0
    value = value.quantize(_TEN**-_PLACES, context=_EXACT).normalize(_EXACT)
    sign, digits, exponent = value.as_tuple()
    scale = max(0, -int(exponent))
    mantissa = int("".join(map(str, digits))) * 10 ** (int(exponent) + scale)
    return -mantissa if sign else mantissa, scale
