"""Readings, time spans and sizes as people read them: 21.34 °C, 3 min, 1.2 MB."""

from typing import Final

from gateway.config.findings import printable
from gateway.core import vocabulary, wire
from gateway.model import Result

_UNITS: Final = {
    "Cel": "°C",
    "W/m2": "W/m²",
    "[ppb]": "ppb",
    "[ppm]": "ppm",
    "dB[SPL]": "dB",
    "dB{mW}": "dBm",
    "deg": "°",
    "deg/s": "°/s",
    "kW.h": "kWh",
    "m/s2": "m/s²",
    "m3": "m³",
    "m3/h": "m³/h",
    "uS/cm": "µS/cm",
    "ug/m3": "µg/m³",
    "{NTU}": "NTU",
    "{rev}/min": "1/min",
}
_PLAIN_UNITS: Final = ("1", "", "[pH]")  # need not be written
_SPANS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"))
_SIZES: Final = (("GB", 1e9), ("MB", 1e6), ("kB", 1e3))
_FEW: Final = 10  # below so many seconds, tenths are told


def value_text(value: str, unit: str) -> str:
    """Return a value with its unit, as people write it."""
    return value if unit in _PLAIN_UNITS else f"{value} {_UNITS.get(unit, unit)}"


def result_text(result: Result) -> str:
    """Return what was measured and how much: `air temperature: 21.34 °C`."""
    name, _, _, channel, quality, _ = result
    return labelled(name, channel, shown_value(result), quality)


def shown_value(result: Result) -> str:
    """Return how much it was, with its unit."""
    name, value, scale, *_ = result
    if value is None:
        return "no value"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return value_text(wire.decimal(value, scale), vocabulary.unit(name))
    return printable(value)


def labelled(name: str, channel: str, shown: str, quality: str) -> str:
    """Put a name before a value, and behind it what is wrong with it."""
    which = f"{name.replace('_', ' ')} {channel}".rstrip()
    doubt = "" if quality in ("", "good", "missing") else f" ({quality})"
    return f"{which}: {shown}{doubt}"


def span(seconds: float) -> str:
    """Return a time span in the largest unit that says enough: 4.5 s, 90 s, 12 min, 3 h."""
    for size, unit in _SPANS:
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    tenths = f"{seconds:.1f}" if seconds < _FEW else f"{seconds:.0f}"
    return f"{tenths.removesuffix('.0')} s"


def size(size_bytes: float) -> str:
    """Return a number of bytes: 512 B, 1.2 kB, 3.4 MB."""
    for unit, bytes_each in _SIZES:
        if size_bytes >= bytes_each:
            return f"{size_bytes / bytes_each:.1f} {unit}"
    return f"{size_bytes:.0f} B"
