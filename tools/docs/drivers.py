"""The catalogue of devices and the page of the built-in drivers, from the drivers themselves."""

import inspect
import json
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec

from gateway import driver
from gateway.cli.driver_facts import STRENGTHS, examples, properties, recognised_by
from gateway.config import SerialSettings
from gateway.core import vocabulary
from gateway.driver import LoadedDriver, LoadedModem
from gateway.registry import BUILT_IN
from tools.docs.markup import code, table
from tools.docs.markup import page as put_together

SOURCE = "the modules of drivers/ and the examples beside them"
INTRODUCTION = """\
The devices, formats and modems this version knows. A device is recognised by what it sends, where
the format says enough for that; otherwise `driver` in [the
configuration](configuration.md#devices) names it. `ugw drivers list TEXT` finds a device; [a
driver of your own](driver-interface.md#drivers-of-your-own) adds one.

**Strength** is what protects a frame from being taken for another; with 0 the configuration has
to name the driver. **Properties** are all that the driver can report. **Not read** is what the
format has beyond them."""
ON_CATALOGUE = "By driver; what they read and how stands below."
COLUMNS = ("device", "driver", "over", "strength")
SHOWN = 120  # characters of an example; a stream may be long


class Entry(msgspec.Struct, frozen=True):
    """A driver, the module it stands in, and whether it has parts of its own there."""

    loaded: LoadedDriver | LoadedModem
    module: ModuleType
    file: Path


def page() -> str:
    """Return the page."""
    return put_together("Drivers", SOURCE, _parts(list(_entries())))


def _entries() -> Iterator[Entry]:
    for package in map(import_module, BUILT_IN):
        for file in sorted(Path(package.__path__[0]).glob("[!_]*.py")):
            module = import_module(f"{package.__name__}.{file.stem}")
            if hasattr(module, "Modem"):
                yield Entry(driver.modem(module, foreign=False), module, file)
                continue
            for part in driver.parts(module):
                yield Entry(driver.codec(part, foreign=False), module, file)


def _parts(entries: list[Entry]) -> Iterator[str]:
    yield INTRODUCTION
    yield "## Devices"
    yield ON_CATALOGUE
    yield table(COLUMNS, [_row(entry.loaded) for entry in entries])
    for entry in entries:
        yield from _driver(entry)


def _row(loaded: LoadedDriver | LoadedModem) -> tuple[str, ...]:
    link = f"[{loaded.model}](#{loaded.model})"
    devices = ", ".join(loaded.devices) or loaded.model
    if isinstance(loaded, LoadedModem):
        return devices, link, "serial port", ""
    medium = "connection" if loaded.poll else "Bluetooth LE" if loaded.is_ble else "LoRa"
    return devices, link, medium, STRENGTHS[loaded.strength].split(":", maxsplit=1)[0]


def _driver(entry: Entry) -> Iterator[str]:
    loaded = entry.loaded
    summary, _, layout = inspect.cleandoc(entry.module.__doc__ or "").partition("\n")
    is_alone = not hasattr(entry.module, "DRIVERS")
    yield f"## {loaded.model}"
    yield summary
    rows = _modem(loaded) if isinstance(loaded, LoadedModem) else _codec(loaded, entry.file)
    yield table(("", ""), rows)
    if is_alone:
        yield code(layout.strip("\n"))
    captured = examples(str(entry.file), loaded.model)
    if captured:
        shown = _modem_example if isinstance(loaded, LoadedModem) else _codec_example
        yield f"An example, {captured[0]['name']}:"
        yield code("\n".join(shown(captured[0])))


def _codec(loaded: LoadedDriver, file: Path) -> Iterator[tuple[str, str]]:
    """Yield what the interface says of a codec."""
    yield "devices", ", ".join(loaded.devices) or "see above"
    yield "recognised by", recognised_by(loaded)
    yield "strength", STRENGTHS[loaded.strength]
    if loaded.poll:
        yield "polled", f"every {loaded.interval_s} s, unless configured otherwise"
    yield "encryption", _encryption(loaded)
    yield "packet counter", "yes: repeats are told by it" if loaded.packet_counter else "none"
    yield "properties", ", ".join(f"`{name}`" for name in properties(file))
    if loaded.unmapped:
        yield "not read", ", ".join(loaded.unmapped)


def _encryption(loaded: LoadedDriver) -> str:
    if loaded.needs_key:
        return "opened by the driver, with the device's `key`"
    return "AES-CCM, with the device's `key`" if loaded.sealed else "none"


def _codec_example(example: dict[str, Any]) -> Iterator[str]:
    yield example["payload"] or "(no bytes)"
    for name, value, *channel in example["readings"]:
        of = f", channel {channel[0]}" if channel else ""
        yield f"    {name}{of}: {json.dumps(value).strip(chr(34))} {vocabulary.unit(name)}"


def _modem(loaded: LoadedModem) -> Iterator[tuple[str, str]]:
    """Yield what the interface says of a modem."""
    yield "devices", ", ".join(loaded.devices) or "see above"
    yield "baud", f"{loaded.baud}, unless configured otherwise"
    if len(loaded.bauds) > 1:
        yield "found at", ", ".join(map(str, loaded.bauds))
    yield "can be set", ", ".join(f"`{key}`" for key in _keys(loaded.settings))
    yield "who sends", "it says" if loaded.addresses else "it does not say: set `sender`"


def _keys(settings: Iterable[str]) -> Iterator[str]:
    """Yield the configuration's names of a modem's settings, which bear a unit of their own."""
    known = {field.alias or name for name, field in SerialSettings.model_fields.items()}
    for name in settings:
        yield from known.intersection({name, name.rpartition("_")[0]})


def _modem_example(example: dict[str, Any]) -> Iterator[str]:
    stream = json.dumps(example["stream"])[1:-1]
    yield stream if len(stream) <= SHOWN else stream[:SHOWN] + "..."
    for address, payload, rssi_dbm, snr_db in example["frames"]:
        yield f"    {address or 'somebody'}: {payload}, {rssi_dbm} dBm, {snr_db} dB"
