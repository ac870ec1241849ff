"""The drivers, indexed by what they match.

A module becomes a driver here, once, when the agent starts: its interface is checked and its MATCH
becomes an index, so recognising a frame costs the same with three drivers as with three hundred. A
driver of the user wins over a built-in, with a notice. One that cannot be used is set aside with
file, line and reason, and costs nobody else anything.

The interface is described in docs/reference/driver-interface.md.
"""

import importlib
import logging
import pkgutil
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from importlib.metadata import entry_points
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Final, Literal, ParamSpec, TypeVar

import msgspec

from gateway.core import refusal
from gateway.core.refusal import DecodeError
from gateway.driver import (
    MANUFACTURER_DATA,
    InterfaceError,
    LoadedDriver,
    LoadedModem,
    Match,
    Payload,
    codec,
    modem,
    parts,
)
from gateway.errors import DriverError
from gateway.model import Structure, Value

__all__ = ["LoadedDriver", "LoadedModem", "Quarantined", "Registry", "discover"]

HOST: Final = "drivers.host"  # the built-in drivers that give way to all others
BUILT_IN: Final = ("drivers.ble", "drivers.lora", "drivers.modem", HOST)
ENTRY_POINTS: Final = "gateway.drivers"

# What a foreign driver may return (docs/reference/driver-interface.md). A float among it, the
# likeliest mistake, would be found only when the message is written.
_Name = Annotated[str, msgspec.Meta(pattern="^[a-z][a-z0-9_]*$", max_length=64)]
_Scale = Annotated[int, msgspec.Meta(ge=-18, le=18)]
_Channel = Annotated[str, msgspec.Meta(pattern="^[a-z0-9-]*$", max_length=64)]
_READINGS: Final = Annotated[
    list[tuple[_Name, Value, _Scale, _Channel]], msgspec.Meta(max_length=64)
]
_Nonce = Annotated[bytes, msgspec.Meta(min_length=7, max_length=13)]  # RFC 3610, 2.1
_TagLength = Literal[4, 6, 8, 10, 12, 14, 16]  # the same
_Counter = Annotated[int, msgspec.Meta(ge=0)]
_SEALED: Final = tuple[_Nonce, bytes, _TagLength, bytes, _Counter] | None

Load = Callable[[], ModuleType]
P = ParamSpec("P")
T = TypeVar("T")

log = logging.getLogger(__name__)


class Quarantined(msgspec.Struct, frozen=True):
    """A driver that is not used, and why."""

    name: str
    file: str
    line: int
    reason: str


class Registry:
    """The drivers that can be used, and those that cannot."""

    def __init__(self) -> None:
        self.quarantined: list[Quarantined] = []
        self._drivers: dict[str, LoadedDriver] = {}
        self._modems: dict[str, LoadedModem] = {}
        self._modest: set[str] = set()  # MODELs of drivers that give way
        self._index: dict[tuple[int, int], dict[bytes, LoadedDriver]] = {}
        self._lengths: dict[tuple[int, int], tuple[int, ...]] = {}  # of prefixes, longest first

    def for_structure(self, ad_type: int, identifier: int, data: bytes) -> LoadedDriver | None:
        """Return the driver that reads this structure: the one with the longest prefix."""
        lengths = self._lengths.get((ad_type, identifier))
        if lengths is None:
            return None
        drivers = self._index[ad_type, identifier]
        for length in lengths:
            driver = drivers.get(data[:length])
            if driver is not None:
                return driver
        return None

    def recognise(
        self,
        structures: tuple[Structure, ...],
        named: LoadedDriver | None,
        before: tuple[Structure, ...] = (),
    ) -> tuple[LoadedDriver | None, Payload]:
        """Return who reads an advertisement, and what of it: `named` if it does, where one is.

        `before` are the structures of the device's last one: BlueZ hands on old ones with new.
        """
        for structure in structures:
            if named is None:
                found = self.for_structure(*structure)
            else:
                found = named if named.reads(structure) else None
            if found is not None:
                return found, payload_of(found, structure, structures, before)
        return None, b""

    def by_model(self, name: str) -> LoadedDriver:
        """Return a codec by its MODEL. Raises DriverError when there is none."""
        if name not in self._drivers:
            cause = f"there is no driver {name!r}"
            raise DriverError(cause, remedy="known are " + ", ".join(self.models()))
        return self._drivers[name]

    def modem(self, name: str) -> LoadedModem:
        """Return a modem driver by its MODEL. Raises DriverError when there is none."""
        if name not in self._modems:
            cause = f"there is no modem driver {name!r}"
            raise DriverError(cause, remedy="known are " + ", ".join(self.modems()))
        return self._modems[name]

    def models(self) -> tuple[str, ...]:
        """Return the MODELs of all codecs, in alphabetical order."""
        return tuple(sorted(self._drivers))

    def modems(self) -> tuple[str, ...]:
        """Return the MODELs of all modem drivers, in alphabetical order."""
        return tuple(sorted(self._modems))

    def patterns(self, named: Iterable[LoadedDriver] = ()) -> tuple[tuple[int, int, bytes], ...]:
        """Return (AD type, start, content) of all that can be recognised, for a passive scan.

        Drivers too weak to be chosen by what they match are left out, unless `named`: those the
        configuration names. One of these that a passive scan cannot find leaves none: scan active.
        """
        wanted = {match for driver in named for match in driver.matches}
        if None in {match.pattern for match in wanted}:
            return ()
        indexed = {Match(*key, prefix) for key in self._index for prefix in self._index[key]}
        return tuple(sorted({m.pattern for m in wanted | indexed if m.pattern is not None}))

    def add(self, module: ModuleType, *, foreign: bool = False, gives_way: bool = False) -> None:
        """Take the drivers of a module. Raises InterfaceError when it has none, or no place.

        One that gives way leaves its place in the index to whoever has it or comes for it.
        """
        if hasattr(module, "Modem"):
            self._add_modem(modem(module, foreign=foreign), module)
            return
        for part in parts(module):
            self._add_codec(_guarded(codec(part, foreign=foreign)), module, gives_way=gives_way)

    def _add_codec(self, driver: LoadedDriver, module: ModuleType, *, gives_way: bool) -> None:
        before = self._drivers.get(driver.model)
        _give_way(before, driver, module, "MODEL")
        places = list(driver.places)
        for match in driver.places:
            rival = self._index.get(match.key, {}).get(match.prefix)
            if rival is None or rival is before or rival.model in self._modest:
                continue
            if gives_way:
                places.remove(match)
            else:
                _give_way(rival, driver, module, "MATCH")
        self._drivers[driver.model] = driver
        self._modest.discard(driver.model)
        if gives_way:
            self._modest.add(driver.model)
        self._withdraw(before)
        for match in places:
            self._index.setdefault(match.key, {})[match.prefix] = driver
            self._measure(match.key)

    def quarantine(self, name: str, error: BaseException) -> None:
        """Set a driver aside, with the place where it failed."""
        file, line = _place(error)
        reason = str(error) if isinstance(error, DriverError) else repr(error)
        self.quarantined.append(Quarantined(name, file, line, reason))
        log.error("driver %s is not used: %s:%d: %s", name, file, line, reason)

    def _add_modem(self, driver: LoadedModem, module: ModuleType) -> None:
        _give_way(self._modems.get(driver.model), driver, module, "MODEL")
        self._modems[driver.model] = driver

    def _withdraw(self, driver: LoadedDriver | None) -> None:
        """Take a driver out of the index, where no other already stands in its place."""
        for match in driver.places if driver is not None else ():
            if self._index.get(match.key, {}).get(match.prefix) is driver:
                del self._index[match.key][match.prefix]
                self._measure(match.key)

    def _measure(self, key: tuple[int, int]) -> None:
        lengths = {len(prefix) for prefix in self._index[key]}
        self._lengths[key] = tuple(sorted(lengths, reverse=True))


def payload_of(
    driver: LoadedDriver,
    found: Structure,
    structures: tuple[Structure, ...],
    before: tuple[Structure, ...] = (),
) -> Payload:
    """Return what of an advertisement a driver reads that was found by one of its structures.

    Of several manufacturer data it is the last that is not as before: makers that keep values in
    the company id leave one structure for each value, and BlueZ collects them.
    """
    if driver.payload == "structure":
        return found[2]
    if driver.payload == "advertisement":
        return structures
    makers = [one for one in structures if one[0] == MANUFACTURER_DATA]
    fresh = [one for one in makers if one not in before] or makers
    return fresh[-1][1].to_bytes(2, "little") + fresh[-1][2] if fresh else b""


def discover(folder: Path | None = None) -> Registry:
    """Load the built-in drivers, those of installed packages, and those in the user's folder."""
    registry = Registry()
    for name in _built_in():
        load = partial(importlib.import_module, name)
        _load(registry, name, load, foreign=False, gives_way=name.startswith(HOST))
    for entry_point in entry_points(group=ENTRY_POINTS):
        _load(registry, entry_point.name, entry_point.load, foreign=True)
    for file in sorted(folder.glob("[!_]*.py")) if folder is not None else ():
        _load(registry, file.stem, partial(_from_file, file), foreign=True)
    return registry


# ------------------------------------------------------------------------------- foreign code
def _guarded(driver: LoadedDriver) -> LoadedDriver:
    """Keep the agent alive through a foreign driver's bugs; one of ours would end it."""
    if not driver.foreign:
        return driver
    return msgspec.structs.replace(
        driver,
        decode=_guard(driver.decode, _READINGS, driver),
        sealed=_guard(driver.sealed, _SEALED, driver) if driver.sealed else None,
        packet_counter=_guard(driver.packet_counter, int | None, driver)
        if driver.packet_counter
        else None,
    )


def _guard(
    function: Callable[P, T],
    returned: Any,  # noqa: ANN401 - a type, and one of several forms
    driver: LoadedDriver,
) -> Callable[P, T]:
    told = False

    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        nonlocal told
        try:
            checked: T = msgspec.convert(function(*args, **kwargs), returned)
        except DecodeError:
            raise
        except Exception as error:  # noqa: BLE001 - somebody else's code, and they are told
            is_wrong_answer = isinstance(error, msgspec.ValidationError)
            file, line = (driver.file, 1) if is_wrong_answer else _place(error)
            if not told:  # each frame of that device will do it again
                told = True
                line_of_log = "driver %s has a fault: %s:%d: %r"
                log.error(line_of_log, driver.model, file, line, error)  # noqa: TRY400 - its place, not ours
            raise DecodeError(refusal.DRIVER_FAULT) from None
        return checked

    return call


# ----------------------------------------------------------------------------------------- loading
def _built_in() -> Iterator[str]:
    for package in BUILT_IN:
        paths = importlib.import_module(package).__path__
        for module in pkgutil.iter_modules(paths, package + "."):
            yield module.name


def _load(
    registry: Registry, name: str, load: Load, *, foreign: bool, gives_way: bool = False
) -> None:
    try:
        registry.add(load(), foreign=foreign, gives_way=gives_way)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - importing runs somebody else's code
        registry.quarantine(name, error)


def _from_file(file: Path) -> ModuleType:
    name = f"ugw_user_drivers.{file.stem}"
    spec = spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        message = f"{file} cannot be imported"
        raise DriverError(message)
    module = module_from_spec(spec)
    sys.modules[name] = module  # what the module defines is found by its name
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _place(error: BaseException) -> tuple[str, int]:
    """Return file and line an error is about."""
    if isinstance(error, InterfaceError):
        return error.file, error.line
    if isinstance(error, SyntaxError):
        return error.filename or "", error.lineno or 0
    last = traceback.extract_tb(error.__traceback__)[-1]
    return last.filename, last.lineno or 0


def _give_way(
    before: LoadedDriver | LoadedModem | None,
    after: LoadedDriver | LoadedModem,
    module: ModuleType,
    attribute: str,
) -> None:
    """Let a driver of the user take the place of a built-in one, and nobody else's."""
    if before is None:
        return
    if before.foreign or not after.foreign:
        raise InterfaceError(module, attribute, f"the same as in {before.file}")
    log.warning("driver %s of %s replaces %s", after.model, after.file, before.file)
