"""The radios of a configuration as a board has them: its Bluetooth, and modems on its UARTs."""

from pathlib import Path
from typing import Any, Final

from gateway.config import BleSettings, SerialSettings, Settings
from gateway.config.findings import Path as Place
from gateway.registry import Registry
from ugw_flash.esp32.compile import module_of

Faults = list[tuple[Place, str]]

_SCAN_WINDOW_MS: Final = 10_000  # one scan; the radio listens all the while
_MOST_BAUD: Final = 921_600
_WORDS: Final = {
    "semtech-udp": "an ESP32 takes in no packets of forwarders",
    "chirpstack": "an ESP32 asks no network servers",
    "the-things-stack": "an ESP32 asks no network servers",
}


def ble(settings: Settings, faults: Faults) -> dict[str, Any] | None:
    """Return how Bluetooth is scanned; None where it is not."""
    found = [
        (number, transport)
        for number, transport in enumerate(settings.transports)
        if isinstance(transport, BleSettings)
    ]
    for number, _ in found[1:]:
        faults.append((("transports", number, "adapter"), "an ESP32 has one Bluetooth adapter"))
    if not found:
        return None
    return {"name": found[0][1].name, "scan": found[0][1].scan, "window_ms": _SCAN_WINDOW_MS}


def uarts(
    settings: Settings, registry: Registry, faults: Faults
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the modems with their pins, and the modules of their drivers."""
    pins = {} if settings.esp32 is None else {each.device: each for each in settings.esp32.uarts}
    ports: list[dict[str, Any]] = []
    modules: list[str] = []
    for number, transport in enumerate(settings.transports):
        place: Place = ("transports", number)
        if not isinstance(transport, SerialSettings):
            if not isinstance(transport, BleSettings):
                faults.append(((*place, "kind"), _WORDS[transport.kind]))
            continue
        module = _modem(transport, registry, place, faults)
        wired = pins.pop(transport.device, None)
        if wired is None:
            why = "esp32.uarts does not say which UART and pins it is connected to"
            faults.append(((*place, "device"), why))
        if (transport.baud or 0) > _MOST_BAUD:
            faults.append(((*place, "baud"), f"an ESP32 takes up to {_MOST_BAUD}"))
        if module is None or wired is None:
            continue
        loaded = registry.modem(transport.modem)
        port: dict[str, Any] = {
            "name": transport.name,
            "modem": module,
            "uart": wired.uart,
            "tx": wired.tx,
            "rx": wired.rx,
            "baud": transport.baud or loaded.baud,
            "settings": transport.modem_settings,
        }
        if transport.sender is not None:
            port["sender"] = transport.sender
        ports.append(port)
        modules.append(module)
    _unused(settings, list(pins), faults)
    return ports, modules


def _modem(
    transport: SerialSettings, registry: Registry, place: Place, faults: Faults
) -> str | None:
    if transport.sender == "lorawan":
        faults.append(((*place, "sender"), "an ESP32 cannot open LoRaWAN uplinks"))
    if transport.password is not None:
        why = "an ESP32 keeps no password of a modem: set it on the modem itself"
        faults.append(((*place, "password"), why))
    if transport.modem not in registry.modems():
        known = ", ".join(registry.modems())
        faults.append(((*place, "modem"), f"there is no such modem driver; there are: {known}"))
        return None
    loaded = registry.modem(transport.modem)
    module = module_of(Path(loaded.file))
    if module is None or loaded.foreign:
        faults.append(((*place, "modem"), "only modem drivers that come with ugw run there"))
        return None
    settings = {**transport.modem_settings}
    settings.pop("password", None)  # there is none on a board
    try:
        loaded.check(settings, transport.sender)
    except ValueError as error:
        key, _, why = str(error).partition(": ")
        faults.append(((*place, key if why else "modem"), why or key))
    return module.removeprefix("modem.")


def _unused(settings: Settings, left: list[Path], faults: Faults) -> None:
    board = settings.esp32
    for number, each in enumerate(() if board is None else board.uarts):
        if each.device in left:
            why = "no serial transport has this device"
            faults.append((("esp32", "uarts", number, "device"), why))
