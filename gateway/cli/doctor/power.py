"""Whether the supply holds: what a Raspberry Pi's firmware says of its voltage and its heat.

Other machines do not know their supply, and that is said, not guessed.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from gateway.cli.doctor.finding import Finding, Light, Link
from gateway.cli.doctor.machine import Machine

# The Raspberry Pi's own kernels show the firmware's word there: hexadecimal, without 0x.
_WORDS: Final = ("/sys/devices/platform/soc*/*firmware/get_throttled",)
_MONITORS: Final = "/sys/class/hwmon/hwmon*/name"
_MONITOR: Final = "rpi_volt"

# Bits of `vcgencmd get_throttled` (Raspberry Pi documentation, vcgencmd).
_LOW_NOW: Final = 1 << 0
_SLOWED_NOW: Final = 1 << 1 | 1 << 2
_HOT_NOW: Final = 1 << 3
_LOW_SINCE_BOOT: Final = 1 << 16


class Supply(msgspec.Struct, frozen=True):
    """What is known of it: nothing (None), or whether it fails now, and has since the start."""

    low_now: bool
    low_since_boot: bool = False
    hot_now: bool = False


def look(machine: Machine) -> Iterator[Finding]:
    """Say how the supply is."""
    yield judge(read(machine))


def read(machine: Machine) -> Supply | None:
    """Ask the firmware, and the kernel's own monitor of it."""
    alarm = _alarm(machine)
    word = _word(machine)
    if word is None:
        return None if alarm is None else Supply(low_now=alarm)
    return Supply(
        low_now=bool(word & _LOW_NOW) or bool(alarm),
        low_since_boot=bool(word & _LOW_SINCE_BOOT),
        hot_now=bool(word & (_HOT_NOW | _SLOWED_NOW)) and not word & _LOW_NOW,
    )


def judge(supply: Supply | None) -> Finding:
    """Say it."""
    if supply is None:
        return Finding(link=Link.POWER, light=Light.UNKNOWN, id="power.unknown")
    for holds, name in (
        (supply.low_now, "power.low"),
        (supply.low_since_boot, "power.was_low"),
        (supply.hot_now, "power.hot"),
    ):
        if holds:
            return Finding(link=Link.POWER, light=Light.YELLOW, id=name)
    return Finding(link=Link.POWER, light=Light.GREEN, id="power.good")


def _alarm(machine: Machine) -> bool | None:
    for path in machine.paths(_MONITORS):
        if machine.read(path) == _MONITOR:
            said = machine.read(path.replace("/name", "/in0_lcrit_alarm"))
            return None if said is None else said == "1"
    return None


def _word(machine: Machine) -> int | None:
    found = [path for pattern in _WORDS for path in machine.paths(pattern)]
    said = machine.read(found[0]) if found else machine.run("vcgencmd", "get_throttled")
    try:
        return int((said or "").rpartition("=")[2], 16)
    except ValueError:
        return None
