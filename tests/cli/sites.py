"""A site for the doctor: a machine out of files, an agent that answers as a test wants."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from gateway.cli.doctor.machine import Medium, ThisMachine
from gateway.cli.local_agent import Sensor, Status
from tests.cli.test_status import some_status

GB = 1_000_000_000


class FakeMachine(ThisMachine):
    """Files below a folder of the test's, programs that say what it wants, a medium of its own."""

    def __init__(
        self,
        root: Path,
        files: Mapping[str, str] | None = None,
        programs: Mapping[tuple[str, ...], str] | None = None,
        medium: Medium | None = None,
    ) -> None:
        super().__init__(root)
        self._programs = programs or {}
        self._medium = medium or Medium(read_only=False, free_bytes=8 * GB)
        for name, text in (files or {}).items():
            path = root / name.lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def run(self, *words: str) -> str | None:
        """Return what the test has a program say; others are not installed."""
        return self._programs.get(words)

    def medium(self, path: Path) -> Medium | None:
        """Return the test's."""
        del path
        return self._medium


def ip(
    interfaces: list[dict[str, Any]], routes: list[dict[str, Any]]
) -> dict[tuple[str, ...], str]:
    """Return what `ip` says of a network."""
    return {
        ("ip", "-json", "address"): json.dumps(interfaces),
        ("ip", "-json", "route", "show", "default"): json.dumps(routes),
        ("ip", "-json", "-6", "route", "show", "default"): "",
    }


LO = {"ifname": "lo", "flags": ["LOOPBACK", "UP", "LOWER_UP"], "addr_info": []}


def interface(name: str, *addresses: str, link: bool = True) -> dict[str, Any]:
    """Return one as `ip -json address` shows it."""
    told = [{"family": "inet", "local": each, "scope": "global"} for each in addresses]
    flags = ["BROADCAST", "UP", *(["LOWER_UP"] if link else [])]
    return {"ifname": name, "flags": flags, "addr_info": told}


ROUTE = {"dst": "default", "gateway": "10.0.0.1", "dev": "eth0"}
ON_THE_NETWORK = ip([LO, interface("eth0", "10.0.0.7")], [ROUTE])


def status(**parts: Any) -> Status:  # noqa: ANN401 - whatever a test wants otherwise
    """Return what an agent answers that is well, and has just got an acknowledgement."""
    return msgspec.convert(some_status(**parts), Status)


def sensor(**parts: Any) -> Sensor:  # noqa: ANN401 - whatever a test wants otherwise
    """Return a sensor that is heard well."""
    answer = {
        "device": "urn:dev:mac:c0ffeefffe000001",
        "name": "Lamp",
        "address": "C0:FF:EE:00:00:01",
        "driver": "bthome-v2",
        "medium": "ble",
        "class": "routine",
        "expectedIntervalS": 60,
        "lastHeardAgoS": 3,
        "silent": False,
        "rssi": -70,
        "snr": None,
        "observations": 9,
        "values": [],
    }
    return msgspec.convert({**answer, **parts}, Sensor)
