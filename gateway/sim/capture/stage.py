"""A world for a capture, and the configuration of an agent that hears it there.

Where a configuration is given, its devices, keys and limits are kept, and what would lead out of
the world is replaced: transports, broker, store, page. Else those devices are listed that a driver
recognises by what they send.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast

from gateway.config.document import read_document
from gateway.config.loading import read_file
from gateway.config.mqtt import is_loopback
from gateway.sim.capture.survey import Port, Survey
from gateway.sim.world import World

_GATEWAY: Final = {"org": "capture", "id": "replay"}
_REPEAT_WINDOW_MS: Final = 60_000
_MOST_WINDOW_MS: Final = 86_400_000  # that a configuration may have
_NO_LIMIT: Final = {"burst": 10_000, "per_second": 1000}
_STORE: Final = "64MB"


class Stage:
    """Where one capture is played: `world`, to be started, and `write_config` for an agent in it.

    `given` is a configuration that has been found to be valid. At another speed than 1 limits and
    the window of repeats are as much wider or shorter, for an agent counts by its own clock.
    """

    def __init__(self, survey: Survey, *, given: Path | None = None, speed: float = 1.0) -> None:
        self.world = World(modems={port.name: port.kind for port in survey.ports.values()})
        self._survey = survey
        self._given = given
        self._speed = speed

    def write_config(self, directory: Path, broker: tuple[str, int]) -> Path:
        """Write a configuration and an empty store; return its path. Raises OSError."""
        store = directory / "store"
        directory.mkdir(parents=True, exist_ok=True)
        store.mkdir(mode=0o700, exist_ok=True)
        path = directory / "gateway.yaml"
        path.write_text(json.dumps(self._document(store, broker), indent=1))
        return path

    def _document(self, store: Path, broker: tuple[str, int]) -> dict[str, Any]:
        listed = {"gateway": _GATEWAY, "devices": self._survey.listed()}
        ports = self._survey.ports.values()
        document = {
            **(listed if self._given is None else _base(self._given)),
            "config_version": 1,
            "mqtt": _mqtt(*broker),
            "store": {"path": str(store), "max_size": _STORE},
            "http": {"enabled": False},
            "clock": {"source": "system"},
            "transports": [
                *({"kind": "ble", "adapter": each} for each in self.world.adapters),
                *(_serial(self.world, port) for port in ports),
            ],
        }
        if self._speed != 1:
            document["intake"] = _intake(self._speed)
        return document


def _base(given: Path) -> Mapping[str, Any]:
    data = read_document(read_file(given), str(given)).data
    return cast("dict[str, Any]", data)


def _mqtt(host: str, port: int) -> dict[str, Any]:
    settings: dict[str, Any] = {"host": host, "port": port}
    if not is_loopback(host):
        settings["allow_cleartext"] = True
    return settings


def _serial(world: World, port: Port) -> dict[str, Any]:
    modem = world.modems[port.name]
    settings: dict[str, Any] = {
        "kind": "serial",
        "device": str(modem.uart.link),
        "modem": port.kind,
        "baud": modem.model.baud,
    }
    if port.sender:
        settings["sender"] = port.sender
    return settings


def _intake(speed: float) -> dict[str, Any]:
    window_ms = round(min(_REPEAT_WINDOW_MS / speed, _MOST_WINDOW_MS))
    return {"repeat_window": f"{window_ms}ms", **_NO_LIMIT}
