"""The devices of a configuration as a board reads them: one line each, and the drivers they need.

A board holds only drivers it was given. Which one reads a device is written down, for what it will
send cannot be known here: either the device names its driver, or `esp32.drivers` lists those among
which it is found by what it sends.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from gateway.config import DeviceSettings, Settings
from gateway.config.explain import did_you_mean
from gateway.config.findings import Path as Place
from gateway.config.findings import quoted
from gateway.driver import LoadedDriver
from gateway.registry import Registry
from gateway.uplink import meta
from ugw_flash.esp32.compile import module_of

_S: Final = 1_000_000_000
_SHORTEST_POLL_S: Final = 10
_MOST: Final = 64  # for which a board has memory


class DeviceLines:
    """What a board is told of its devices; `faults` says what it cannot be told."""

    def __init__(self, settings: Settings, registry: Registry) -> None:
        self.faults: list[tuple[Place, str]] = []
        self.keys: dict[str, bytes] = {}  # by their name in NVS
        self.modules: set[str] = set()
        self._settings = settings
        self._registry = registry
        self._found = list(self._drivers_to_find())
        lines = [self._line(number, each) for number, each in enumerate(settings.devices)]
        self.content = "".join(f"{_json(line)}\n" for line in lines).encode()
        if len(lines) > _MOST:
            self.faults.append((("devices",), f"an ESP32 has memory for {_MOST} devices"))

    def _line(self, number: int, device: DeviceSettings) -> dict[str, Any]:
        place: Place = ("devices", number)
        self.faults += [((*place, *below), why) for below, why in _not_on_a_board(device)]
        about, properties = meta.device_parts(device)
        line: dict[str, Any] = {
            "address": device.address,
            "urn": self._settings.urn(device),
            "class": device.klass,
            "about": about,
        }
        if properties:
            line["properties"] = properties
        if device.name is not None:
            line["name"] = device.name
        if device.payload == "hex":
            line["hex"] = True
        if device.expected_interval_ns is not None:
            line["expected_interval_s"] = max(1, device.expected_interval_ns // _S)
        if device.key is not None:
            line["key"] = f"k{number}"
            self.keys[f"k{number}"] = device.key.key_bytes
        return {**line, **self._polled_by(place, device), **self._decoded_by(place, device)}

    def _polled_by(self, place: Place, device: DeviceSettings) -> dict[str, Any]:
        if device.poll is None:
            return {}
        module = self._module((*place, "poll", "driver"), device.poll.driver)
        if not module:
            return {}
        every_ns = device.poll.every_ns
        if every_ns is None:
            every_s = self._registry.by_model(device.poll.driver).interval_s
        else:
            every_s = every_ns // _S
        return {"poll": module, "poll_s": max(_SHORTEST_POLL_S, every_s)}

    def _decoded_by(self, place: Place, device: DeviceSettings) -> dict[str, Any]:
        if device.driver is not None:
            module = self._module((*place, "driver"), device.driver)
            return {"driver": module}
        if device.poll is not None and not self._found:
            return {}  # what it advertises is read by nobody
        if device.space == "ble" and not self._found:
            why = (
                "an ESP32 has only drivers it was given: name the device's driver here,"
                " or in esp32.drivers those by which it may be found"
            )
            self.faults.append(((*place, "driver"), why))
        return {"drivers": self._found}

    def _drivers_to_find(self) -> Iterator[str]:
        board = self._settings.esp32
        for number, name in enumerate(() if board is None else board.drivers):
            place: Place = ("esp32", "drivers", number)
            module = self._module(place, name)
            if module and not self._registry.by_model(name).places:
                why = "no device is found by it: name it as driver of its device"
                self.faults.append((place, why))
            if module:
                yield module

    def _module(self, place: Place, name: str) -> str:
        """Return a driver's module, and put it on the board."""
        known = self._registry.models()
        if name not in known:
            why = f"there is no driver {quoted(name)}{did_you_mean(name, known)}"
            self.faults.append((place, why))
            return ""
        module = _on_a_board(self._registry.by_model(name))
        if module is None:
            why = "it needs what MicroPython lacks: only drivers that come with ugw run there"
            self.faults.append((place, why))
            return ""
        self.modules.add(module)
        return module


def _on_a_board(driver: LoadedDriver) -> str | None:
    return None if driver.foreign else module_of(Path(driver.file))


def _not_on_a_board(device: DeviceSettings) -> Iterator[tuple[Place, str]]:
    if device.space == "eui":
        yield ("address",), "an ESP32 hears no LoRaWAN: it neither opens uplinks nor asks servers"
    if device.codec is not None:
        yield ("codec",), "an ESP32 runs no JavaScript: a driver is needed"
    if device.lorawan is not None:
        yield ("lorawan",), "an ESP32 cannot open LoRaWAN uplinks"
    for key in ("burst", "per_second"):
        if getattr(device.rate, key) is not None:
            yield ("rate", key), "an ESP32 has one limit for all devices: intake"


def _json(line: dict[str, Any]) -> str:
    return json.dumps(line, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
