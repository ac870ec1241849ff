"""What can be told of a driver without running it: by what it is found, what it can report."""

import ast
import inspect
import json
from pathlib import Path
from typing import Any, Final

import msgspec

from gateway.core import vocabulary
from gateway.driver import (
    LISTED_SERVICE,
    LOCAL_NAME,
    MANUFACTURER_DATA,
    SERVICE_DATA,
    LoadedDriver,
    LoadedModem,
    Match,
)

STRENGTHS: Final = (
    "0, nothing: the configuration must name the driver",
    "1, structure: lengths, versions, reserved values",
    "2, a checksum",
    "3, authentication",
)


_KINDS: Final = {
    MANUFACTURER_DATA: "manufacturer data of company",
    SERVICE_DATA: "service data of",
    LISTED_SERVICE: "the listed service",
}


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """One driver as `ugw drivers` shows it. `strength` and `match` are a codec's alone."""

    model: str
    medium: str  # ble, lora, or modem: a serial modem that LoRa packets come through
    strength: int | None
    match: str
    foreign: bool
    file: str


def of_codec(loaded: LoadedDriver) -> Facts:
    """Return what is known of a codec; one that matches nothing is for LoRa devices."""
    return Facts(
        model=loaded.model,
        medium="ble" if loaded.is_ble else "lora",
        strength=loaded.strength,
        match=recognised_by(loaded),
        foreign=loaded.foreign,
        file=loaded.file,
    )


def of_modem(loaded: LoadedModem) -> Facts:
    """Return what is known of a modem driver."""
    return Facts(
        model=loaded.model,
        medium="modem",
        strength=None,
        match=f"serial port, usually at {loaded.baud} baud",
        foreign=loaded.foreign,
        file=loaded.file,
    )


def recognised_by(loaded: LoadedDriver) -> str:
    """Say by what a codec is found."""
    if loaded.matches:
        return "; ".join(map(_recognised_by, loaded.matches))
    return "nothing: " + (
        "the device names it" if loaded.is_ble else "LoRa devices name their driver"
    )


def _recognised_by(match: Match) -> str:
    if match.ad_type == LOCAL_NAME:
        return f"a name that begins with {match.prefix.decode(errors='replace')}"
    prefix = f", beginning with {match.prefix.hex(' ')}" if match.prefix else ""
    return f"{_KINDS[match.ad_type]} 0x{match.identifier:04X}{prefix}"


def layout(file: str) -> tuple[str, str]:
    """Return what a driver's file opens with: a sentence, and the layout of its bytes."""
    docstring = ast.get_docstring(ast.parse(_source(file))) or ""
    summary, _, rest = inspect.cleandoc(docstring).partition("\n")
    return summary, rest.strip("\n")


def properties(file: str | Path) -> list[str]:
    """Return what a driver can report: the names of the vocabulary that stand in its file."""
    tree = ast.parse(_source(file))
    constants = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return sorted({c for c in constants if isinstance(c, str) and vocabulary.known(c)})


def examples(file: str) -> list[dict[str, Any]]:
    """Return the captured examples that stand beside a driver; a foreign one may have none."""
    path = Path(file).with_suffix(".json")
    if not path.is_file():
        return []
    found: list[dict[str, Any]] = json.loads(path.read_bytes()).get("examples", [])
    return found


def _source(file: str | Path) -> str:
    return Path(file).read_text(encoding="utf-8")
