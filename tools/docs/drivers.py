"""The page of the built-in drivers, from their docstrings, tables and captured examples."""

import inspect
import json
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from gateway import driver
from gateway.cli.driver_facts import STRENGTHS, properties, recognised_by
from gateway.config import SerialSettings
from gateway.core import vocabulary
from gateway.driver import LoadedDriver, LoadedModem
from gateway.registry import BUILT_IN
from tools.docs.markup import code, table
from tools.docs.markup import page as put_together

SOURCE = "the modules of drivers/ and the examples beside them"
INTRODUCTION = """\
The formats and modems this version knows. A device is recognised by what it sends, where the
format says enough for that; otherwise `driver` in [the configuration](configuration.md#devices)
names it. How to write one of your own: [the driver interface](driver-interface.md).

**Strength** is what protects a frame from being taken for another. **Properties** are all that
the driver can report: what a format has beyond them is not read."""


def page() -> str:
    """Return the page."""
    return put_together("Drivers", SOURCE, _parts())


def _parts() -> Iterator[str]:
    yield INTRODUCTION
    for package in map(import_module, BUILT_IN):
        for file in sorted(Path(package.__path__[0]).glob("[!_]*.py")):
            yield from _driver(import_module(f"{package.__name__}.{file.stem}"), file)


def _driver(module: ModuleType, file: Path) -> Iterator[str]:
    summary, _, layout = inspect.cleandoc(module.__doc__ or "").partition("\n")
    example = json.loads(file.with_suffix(".json").read_bytes())["examples"][0]
    yield f"## {module.MODEL}"
    yield summary
    if hasattr(module, "Modem"):
        yield table(("", ""), _modem(driver.modem(module, foreign=False)))
        shown = _modem_example(example)
    else:
        yield table(("", ""), _codec(driver.codec(module, foreign=False), file))
        shown = _codec_example(example)
    yield code(layout.strip("\n"))
    yield f"An example, {example['name']}:"
    yield code("\n".join(shown))


def _codec(loaded: LoadedDriver, file: Path) -> Iterator[tuple[str, str]]:
    """Yield what the interface says of a codec."""
    yield "recognised by", recognised_by(loaded)
    yield "strength", STRENGTHS[loaded.strength]
    yield "encryption", "AES-CCM, with the device's `key`" if loaded.sealed else "none"
    yield "packet counter", "yes: repeats are told by it" if loaded.packet_counter else "none"
    yield "properties", ", ".join(f"`{name}`" for name in properties(file))


def _codec_example(example: dict[str, Any]) -> Iterator[str]:
    yield example["payload"] or "(no bytes)"
    for name, value, *channel in example["readings"]:
        of = f", channel {channel[0]}" if channel else ""
        yield f"    {name}{of}: {json.dumps(value).strip(chr(34))} {vocabulary.unit(name)}"


def _modem(loaded: LoadedModem) -> Iterator[tuple[str, str]]:
    """Yield what the interface says of a modem."""
    yield "baud", f"{loaded.baud}, unless configured otherwise"
    yield "can be set", ", ".join(f"`{key}`" for key in _keys(loaded.settings))


def _keys(settings: Iterable[str]) -> Iterator[str]:
    """Yield the configuration's names of a modem's settings, which bear a unit of their own."""
    known = {field.alias or name for name, field in SerialSettings.model_fields.items()}
    for name in settings:
        yield from known.intersection({name, name.rpartition("_")[0]})


def _modem_example(example: dict[str, Any]) -> Iterator[str]:
    yield json.dumps(example["stream"])[1:-1]
    for address, payload, rssi_dbm, snr_db in example["frames"]:
        yield f"    {address}: {payload}, {rssi_dbm} dBm, {snr_db} dB"
