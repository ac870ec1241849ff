"""Signs for what people take in at a glance: a light, a signal's strength, a law that holds."""

from collections.abc import Mapping
from typing import Final

from rich.text import Text

_BARS: Final = "▁▂▃▄▅▆▇█"
_WEAKEST_DBM, _STRONGEST_DBM = -110, -50
_GOOD, _FAIR = 0.5, 0.2  # of the way from the weakest signal to the strongest


def light(*, up: bool) -> Text:
    """Return a light: filled and green, or empty and red, for who sees no colours."""
    return Text.assemble(("● ", "green") if up else ("○ ", "red"))


def signal(rssi_dbm: int | None) -> Text:
    """Return a bar and the number; nothing for what nobody told."""
    if rssi_dbm is None:
        return Text("")
    share = (rssi_dbm - _WEAKEST_DBM) / (_STRONGEST_DBM - _WEAKEST_DBM)
    bar = _BARS[min(len(_BARS) - 1, max(0, int(share * len(_BARS))))]
    colour = "green" if share > _GOOD else "yellow" if share > _FAIR else "red"
    return Text.assemble((bar, colour), f" {rssi_dbm} dBm")


def law(whole: str, parts: Mapping[str, int], remainder: int) -> Text:
    """Write a sum without its zeros, and what is missing in it."""
    said = " + ".join(f"{name} {value}" for name, value in parts.items() if value)
    if remainder == 0:
        return Text.assemble(("✓ ", "green"), f"{whole} = {said or 0}")
    return Text.assemble((f"✗ off by {remainder}: ", "bold red"), f"{whole} = {said or 0}")
