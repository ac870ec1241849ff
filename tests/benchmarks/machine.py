"""Where the numbers were measured: without it they say nothing."""

import os
import platform
import shutil
import sqlite3
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import msgspec

_LIBRARIES = ("bleak", "dbus-fast", "aiomqtt", "paho-mqtt", "msgspec")


def resident_mb() -> float:
    """Return the resident memory of this process, in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / 1e6


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """A machine and the day, in words."""

    date: str
    processor: str
    cores: int
    memory_gb: float
    system: str
    python: str
    libraries: dict[str, str]

    def __str__(self) -> str:
        """Two lines for people."""
        libraries = ", ".join(f"{name} {number}" for name, number in self.libraries.items())
        return (
            f"{self.date}: {self.processor}, {self.cores} cores, {self.memory_gb:.0f} GB;"
            f" {self.system}; Python {self.python}\n{libraries}"
        )


def machine() -> Machine:
    """Describe this one."""
    libraries = {name: version(name) for name in _LIBRARIES}
    memory_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return Machine(
        date=datetime.now(UTC).date().isoformat(),
        processor=_processor(),
        cores=len(os.sched_getaffinity(0)),
        memory_gb=memory_bytes / 1e9,
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        libraries={**libraries, "sqlite": sqlite3.sqlite_version, "mosquitto": _mosquitto()},
    )


def _processor() -> str:
    """Return what Linux calls the first processor; a Raspberry Pi has no model name there."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def _mosquitto() -> str:
    """Return the version mosquitto tells with its help."""
    if shutil.which("mosquitto") is None:
        return "not installed"
    said = subprocess.run(["mosquitto", "-h"], capture_output=True, text=True, check=False)
    return said.stdout.split("\n", 1)[0].removeprefix("mosquitto version ")
