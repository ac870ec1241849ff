"""What can be told of a driver without running it: by what it is found, what it can report."""

import ast
import inspect
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from gateway.conformance.examples import documents
from gateway.core import terms, vocabulary
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

_ROOT: Final = Path(vocabulary.__file__).parents[2]
_TABLES: Final = ("gateway.core", "drivers.host")  # packages with what drivers share


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """One driver as `ugw drivers` shows it. `strength` and `match` are a codec's alone."""

    model: str
    medium: str  # ble, lora, or modem: a serial modem that LoRa packets come through
    strength: int | None
    match: str
    foreign: bool
    file: str
    devices: tuple[str, ...] = ()  # what people buy
    unmapped: tuple[str, ...] = ()  # what a codec's format has and no reading carries


def of_codec(loaded: LoadedDriver) -> Facts:
    """Return what is known of a codec; one that matches nothing is for LoRa devices."""
    return Facts(
        model=loaded.model,
        medium="ble" if loaded.is_ble else "lora",
        strength=loaded.strength,
        match=recognised_by(loaded),
        foreign=loaded.foreign,
        file=loaded.file,
        devices=loaded.devices,
        unmapped=loaded.unmapped,
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
        devices=loaded.devices,
    )


def recognised_by(loaded: LoadedDriver) -> str:
    """Say by what a codec is found."""
    if loaded.matches:
        return "; ".join(_grouped(loaded.matches))
    return "nothing: " + (
        "the device names it" if loaded.is_ble else "LoRa devices name their driver"
    )


def _grouped(matches: Iterable[Match]) -> Iterator[str]:
    """Say each kind of structure once, with all the beginnings that are looked for."""
    kinds: dict[tuple[int, int], list[str]] = {}
    for match in matches:
        kinds.setdefault(match.key, []).append(_beginning(match))
    for (ad_type, identifier), beginnings in kinds.items():
        listed = [beginning for beginning in beginnings if beginning]
        every = " or ".join(part for part in (", ".join(listed[:-1]), *listed[-1:]) if part)
        verb = " that begins with " if ad_type == LOCAL_NAME else ", beginning with "
        yield kind_text(ad_type, identifier) + (verb + every if every else "")


def _beginning(match: Match) -> str:
    if match.ad_type == LOCAL_NAME:
        return match.prefix.decode(errors="replace")
    return match.prefix.hex(" ")


def match_text(match: Match) -> str:
    """Say which structures of an advertisement a driver looks for."""
    return next(_grouped((match,)))


def kind_text(ad_type: int, identifier: int) -> str:
    """Say what kind of structure it is: `manufacturer data of company 0x0499`."""
    return "a name" if ad_type == LOCAL_NAME else f"{_KINDS[ad_type]} 0x{identifier:04X}"


def layout(file: str) -> tuple[str, str]:
    """Return what a driver's file opens with: a sentence, and the layout of its bytes."""
    docstring = ast.get_docstring(ast.parse(_source(file))) or ""
    summary, _, rest = inspect.cleandoc(docstring).partition("\n")
    return summary, rest.strip("\n")


def properties(file: str | Path) -> list[str]:
    """Return what a driver can report: the names of the vocabulary that stand in its file.

    What it imports of gateway.core or of its own folder, tables that several share, counts.
    """
    trees = [ast.parse(_source(path)) for path in _sources(Path(file))]
    constants = (
        node.value for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant)
    )
    return sorted({c for c in constants if isinstance(c, str) and terms.known(c)})


def _sources(file: Path) -> set[Path]:
    """Return a driver's file, and those of ours that it takes its tables from."""
    found: set[Path] = set()
    waiting = [file]
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found.add(path)
        for node in ast.walk(ast.parse(_source(path))):
            if isinstance(node, ast.ImportFrom) and node.module is not None:
                waiting += _shared(node.module, [alias.name for alias in node.names])
    return found


def _shared(module: str, names: list[str]) -> Iterator[Path]:
    """Yield the files of an import that may hold tables of formats."""
    package, _, last = module.rpartition(".")
    folder = _ROOT.joinpath(*module.split("."))
    if package in _TABLES and not _ROOT.joinpath(*package.split("."), last).is_dir():
        yield folder.with_suffix(".py")
    elif module in _TABLES:
        yield from (folder / f"{name}.py" for name in names if (folder / f"{name}.py").is_file())


def examples(file: str, model: str = "") -> list[dict[str, Any]]:
    """Return the captured examples that stand beside a driver; a foreign one may have none.

    Where its file holds several drivers, so does that of the examples.
    """
    path = Path(file).with_suffix(".json")
    if not path.is_file():
        return []
    every = documents(path.read_bytes())
    mine = [one for one in every if one.get("model") == model or len(every) == 1]
    found: list[dict[str, Any]] = mine[0].get("examples", []) if mine else []
    return found


def _source(file: str | Path) -> str:
    return Path(file).read_text(encoding="utf-8")
