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
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from importlib.metadata import entry_points
from importlib.util import module_from_spec, spec_from_file_location
from operator import itemgetter
from pathlib import Path
from types import ModuleType
from typing import Final

import msgspec

from gateway.core.recognition import payload_of
from gateway.driver import (
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
from gateway.foreign import guarded, place_of
from gateway.model import Structure

__all__ = ["LoadedDriver", "LoadedModem", "Quarantined", "Registry", "discover"]

HOST: Final = "drivers.host"  # the built-in drivers that give way to all others
BUILT_IN: Final = ("drivers.ble", "drivers.lora", "drivers.modem", HOST)
ENTRY_POINTS: Final = "gateway.drivers"

_AD_TYPE: Final = itemgetter(0)
_GIVING_WAY: Final = 0x100  # as an AD type it would come behind all there are

Load = Callable[[], ModuleType]

log = logging.getLogger(__name__)


class Quarantined(msgspec.Struct, frozen=True):
    """A driver that is not used, and why."""

    name: str
    file: str
    line: int
    reason: str


class _Place:
    """The drivers of one AD type and identifier, by the prefix of the data that each reads.

    What begins like none of them, as most names do, is looked up once, however many they are.
    """

    __slots__ = ("_least", "_lengths", "drivers")

    def __init__(self) -> None:
        self.drivers: dict[bytes, LoadedDriver] = {}
        self._least = 0  # length of the shortest prefix
        self._lengths: dict[bytes, tuple[int, ...]] = {}  # by so much of it: all, longest first

    def find(self, data: bytes) -> LoadedDriver | None:
        """Return the driver with the longest prefix that fits."""
        for length in self._lengths.get(data[: self._least], ()):
            driver = self.drivers.get(data[:length])
            if driver is not None:
                return driver
        return None

    def measure(self) -> None:
        """Take notice of other drivers."""
        self._least = min(map(len, self.drivers), default=0)
        self._lengths = {}
        for prefix in sorted(self.drivers, key=len, reverse=True):
            start, length = prefix[: self._least], len(prefix)
            before = self._lengths.get(start, ())
            if length not in before:
                self._lengths[start] = (*before, length)


class Registry:
    """The drivers that can be used, and those that cannot."""

    def __init__(self) -> None:
        self.quarantined: list[Quarantined] = []
        self.missing: dict[str, str] = {}  # MODEL of what needs what is not installed: remedy
        self.replaced: list[str] = []  # what a driver of the user took the place of, in words
        self._drivers: dict[str, LoadedDriver] = {}
        self._modems: dict[str, LoadedModem] = {}
        self._modest: set[str] = set()  # MODELs of drivers that give way
        self._index: dict[tuple[int, int], _Place] = {}

    def for_structure(self, ad_type: int, identifier: int, data: bytes) -> LoadedDriver | None:
        """Return the driver that reads this structure: the one with the longest prefix."""
        place = self._index.get((ad_type, identifier))
        return None if place is None else place.find(data)

    def recognise(
        self,
        structures: tuple[Structure, ...],
        named: LoadedDriver | None,
        before: tuple[Structure, ...] = (),
    ) -> tuple[LoadedDriver | None, Payload]:
        """Return who reads an advertisement, and what of it: `named` if it does, where one is.

        `before` are the structures of the device's last one: BlueZ hands on old ones with new.
        Listed services and names, whose AD types are the lowest, come before what is sent beside
        them: makers add beacons of others' formats. Who gives way does so to any other.
        """
        if named is None:
            return self._found(structures, before)
        structure = _read_by(named, structures)
        if structure is None:
            return None, b""
        return named, payload_of(named.payload, structure, structures, before)

    def _found(
        self, structures: tuple[Structure, ...], before: tuple[Structure, ...]
    ) -> tuple[LoadedDriver | None, Payload]:
        """Return the driver that is found by what it matches, and what it reads.

        Names are anybody's: a device that bears one and has no manufacturer data is another's.
        Nothing is sorted and little is called: every frame of a listed device comes by here.
        """
        found: tuple[LoadedDriver | None, Payload] = (None, b"")
        rank = 2 * _GIVING_WAY
        for structure in structures:
            place = self._index.get(structure[:2])
            driver = None if place is None else place.find(structure[2])
            if driver is not None:
                own = structure[0] + (_GIVING_WAY if driver.model in self._modest else 0)
                if own < rank:
                    payload = payload_of(driver.payload, structure, structures, before)
                    if payload or driver.payload != "manufacturer":
                        found, rank = (driver, payload), own
        return found

    def by_model(self, name: str) -> LoadedDriver:
        """Return a codec by its MODEL. Raises DriverError when there is none."""
        if name in self.missing and name not in self._drivers:
            cause = f"the driver {name!r} needs what is not installed"
            raise DriverError(cause, remedy=self.missing[name])
        if name not in self._drivers:
            cause = f"there is no driver {name!r}"
            raise DriverError(cause, remedy="known are " + ", ".join(self.models()))
        return self._drivers[name]

    def gives_way(self, name: str) -> bool:
        """Whether a codec leaves what it matches to whoever else knows it."""
        return name in self._modest

    def modem(self, name: str) -> LoadedModem:
        """Return a modem driver by its MODEL. Raises DriverError when there is none."""
        if name not in self._modems:
            cause = f"there is no modem driver {name!r}"
            raise DriverError(cause, remedy="known are " + ", ".join(self.modems()))
        return self._modems[name]

    def models(self) -> tuple[str, ...]:
        """Return the MODELs of all codecs, in alphabetical order."""
        return tuple(sorted(self._drivers))

    def pollers(self) -> tuple[str, ...]:
        """Return the MODELs of those that connect to a device, in alphabetical order."""
        return tuple(name for name in self.models() if self._drivers[name].poll is not None)

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
        indexed = {
            Match(*key, prefix) for key, place in self._index.items() for prefix in place.drivers
        }
        return tuple(sorted({m.pattern for m in wanted | indexed if m.pattern is not None}))

    def add(self, module: ModuleType, *, foreign: bool = False, gives_way: bool = False) -> None:
        """Take the drivers of a module. Raises InterfaceError when it has none, or no place.

        One that gives way leaves its place in the index to whoever has it or comes for it.
        """
        if hasattr(module, "Modem"):
            self._add_modem(modem(module, foreign=foreign), module)
            return
        for part in parts(module):
            driver = codec(part, foreign=foreign)
            remedy = getattr(part, "MISSING", "")
            if remedy:
                self.missing[driver.model] = remedy
                continue
            checked = guarded(driver) if foreign or gives_way else driver
            self._add_codec(checked, module, gives_way=gives_way)

    def _add_codec(self, driver: LoadedDriver, module: ModuleType, *, gives_way: bool) -> None:
        before = self._drivers.get(driver.model)
        self._give_way(before, driver, module, "MODEL")
        places = list(driver.places)
        for match in driver.places:
            rival = self._at(match)
            if rival is None or rival is before or rival.model in self._modest:
                continue
            if gives_way:
                places.remove(match)
            else:
                self._give_way(rival, driver, module, "MATCH")
        self._drivers[driver.model] = driver
        self._modest.discard(driver.model)
        if gives_way:
            self._modest.add(driver.model)
        self._withdraw(before)
        for match in places:
            place = self._index.setdefault(match.key, _Place())
            place.drivers[match.prefix] = driver
            place.measure()

    def quarantine(self, name: str, error: BaseException) -> None:
        """Set a driver aside, with the place where it failed."""
        file, line = place_of(error)
        reason = str(error) if isinstance(error, DriverError) else repr(error)
        self.quarantined.append(Quarantined(name, file, line, reason))
        log.error("driver %s is not used: %s:%d: %s", name, file, line, reason)

    def _add_modem(self, driver: LoadedModem, module: ModuleType) -> None:
        self._give_way(self._modems.get(driver.model), driver, module, "MODEL")
        self._modems[driver.model] = driver

    def _give_way(
        self,
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
        self.replaced.append(f"driver {after.model} of {after.file} replaces {before.file}")
        log.warning("driver %s of %s replaces %s", after.model, after.file, before.file)

    def _withdraw(self, driver: LoadedDriver | None) -> None:
        """Take a driver out of the index, where no other already stands in its place."""
        for match in driver.places if driver is not None else ():
            if self._at(match) is driver:
                place = self._index[match.key]
                del place.drivers[match.prefix]
                place.measure()

    def _at(self, match: Match) -> LoadedDriver | None:
        place = self._index.get(match.key)
        return None if place is None else place.drivers.get(match.prefix)


def _read_by(named: LoadedDriver, structures: tuple[Structure, ...]) -> Structure | None:
    for structure in sorted(structures, key=_AD_TYPE):
        if named.reads(structure):
            return structure
    return None


def discover(folder: Path | None = None) -> Registry:
    """Load the built-in drivers, those of installed packages, and those in the user's folder."""
    registry = Registry()
    for name in _built_in():
        load = partial(importlib.import_module, name)
        _load(registry, name, load, foreign=False, gives_way=name.startswith(HOST))
    for entry_point in entry_points(group=ENTRY_POINTS):
        _load(registry, entry_point.name, entry_point.load, foreign=True)
    for file in sorted(folder.glob("[!_]*.py")) if folder is not None else ():
        _load(registry, file.stem, partial(_from_folder, file), foreign=True)
    return registry


def add_file(registry: Registry, file: Path) -> None:
    """Add the drivers of one file of the user's; what is wrong with it is in `quarantined`."""
    _load(registry, file.stem, partial(_from_file, file), foreign=True)


# ----------------------------------------------------------------------------------------- loading
def _built_in() -> Iterator[str]:
    for package in BUILT_IN:
        paths = importlib.import_module(package).__path__
        for module in pkgutil.iter_modules(paths):
            if not module.name.startswith("_"):  # a part of its neighbours, no driver
                yield f"{package}.{module.name}"


def _load(
    registry: Registry, name: str, load: Load, *, foreign: bool, gives_way: bool = False
) -> None:
    try:
        registry.add(load(), foreign=foreign, gives_way=gives_way)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - importing runs somebody else's code
        registry.quarantine(name, error)


def _from_folder(file: Path) -> ModuleType:
    """Import a file of the user's folder: one that anybody could have put there is not run."""
    if file.stat().st_mode & stat.S_IWOTH:
        module = ModuleType(file.stem)
        module.__file__ = str(file)
        raise InterfaceError(module, "mode", "everybody may write to it: chmod o-w")
    return _from_file(file)


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
    except BaseException as error:
        del sys.modules[name]
        if isinstance(error, SyntaxError):  # of what is no text at all it names no file
            error.filename, error.lineno = error.filename or str(file), error.lineno or 1
        raise
    return module
