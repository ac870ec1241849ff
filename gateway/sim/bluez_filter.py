"""What discovery sessions ask for, and what comes of all of them together (BlueZ src/adapter.c).

A filter that BlueZ would not take is refused, whatever is wrong with it, with one and the same
error; nothing of it is kept.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Self

import msgspec
from dbus_fast import Variant

from gateway.sim.bluez_air import Advertisement, uuid_text

# parsers[] of src/adapter.c, in its order: what GetDiscoveryFilters answers.
NAMES: Final = (
    "UUIDs",
    "RSSI",
    "Pathloss",
    "Transport",
    "DuplicateData",
    "Discoverable",
    "Pattern",
    "AutoConnect",
)
_WEAKEST_DBM: Final = -127
_STRONGEST_DBM: Final = 20
_MOST_PATHLOSS_DB: Final = 137  # PATHLOSS_MAX
_UUID: Final = re.compile(
    r"(0x)?[0-9a-f]{4}([0-9a-f]{4})?|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
)
_LONG_UUID: Final = 36


class InvalidFilterError(ValueError):
    """bluetoothd would answer InvalidArguments."""


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """What one SetDiscoveryFilter asked for."""

    uuids: frozenset[str] = frozenset()
    rssi_dbm: int | None = None
    pathloss_db: int | None = None
    transport: str = "auto"
    duplicates: bool = False
    pattern: str | None = None

    @classmethod
    def parse(cls, asked: Mapping[str, Variant]) -> Self | None:
        """Return what is asked for; nothing asked is no filter. Raises InvalidFilterError."""
        if not asked:
            return None
        for name, value in asked.items():
            if name not in _SIGNATURES or value.signature != _SIGNATURES[name]:
                raise InvalidFilterError(name)
        values = {name: value.value for name, value in asked.items()}
        one = cls(
            uuids=frozenset(_long_uuid(uuid) for uuid in values.get("UUIDs", ())),
            rssi_dbm=_within(values.get("RSSI"), _WEAKEST_DBM, _STRONGEST_DBM),
            pathloss_db=_within(values.get("Pathloss"), 0, _MOST_PATHLOSS_DB),
            transport=_transport(values.get("Transport", "auto")),
            duplicates=values.get("DuplicateData", False),
            pattern=values.get("Pattern"),
        )
        if one.rssi_dbm is not None and one.pathloss_db is not None:
            cause = "RSSI and Pathloss"
            raise InvalidFilterError(cause)
        return one

    @property
    def by_strength(self) -> bool:
        """Whether it asks for RSSI or path loss."""
        return self.rssi_dbm is not None or self.pathloss_db is not None

    @property
    def regular(self) -> bool:
        """Whether it asks for nothing that needs another scan (merge_discovery_filters)."""
        return self == Filter()


_SIGNATURES: Final = {
    "UUIDs": "as",
    "RSSI": "n",
    "Pathloss": "q",
    "Transport": "s",
    "DuplicateData": "b",
    "Discoverable": "b",
    "Pattern": "s",
    "AutoConnect": "b",
}


def _within(value: int | None, least: int, most: int) -> int | None:
    if value is not None and not least <= value <= most:
        raise InvalidFilterError(value)
    return value


def _transport(name: str) -> str:
    if name not in {"auto", "le", "bredr"}:
        raise InvalidFilterError(name)
    return name


def _long_uuid(uuid: str) -> str:
    """Return a UUID of any length as bt_string_to_uuid and bt_uuid_to_uuid128 leave it."""
    uuid = uuid.lower()
    if not _UUID.fullmatch(uuid):
        raise InvalidFilterError(uuid)
    return uuid if len(uuid) == _LONG_UUID else uuid_text(int(uuid, 16))


class Scan(msgspec.Struct, frozen=True, kw_only=True):
    """All sessions of one adapter together, as they decide what becomes of a report."""

    active: bool = False
    filtered: bool = False  # some filter needs more than a regular scan
    duplicates: bool = False
    by_strength: bool = False
    wants: Callable[[Advertisement], bool] = msgspec.field(default=lambda _: False)

    @classmethod
    def of(cls, sessions: Sequence[Filter | None]) -> Self:
        """Merge the filters of the sessions that discover; None is a session without one."""
        filters = [one for one in sessions if one is not None]
        special = [one for one in filters if not one.regular]
        return cls(
            active=bool(sessions),
            filtered=bool(special),
            duplicates=any(one.duplicates for one in filters),
            by_strength=any(one.by_strength for one in filters),
            wants=_wanting(sessions, filters, special),
        )


def _wanting(
    sessions: Sequence[Filter | None], filters: list[Filter], special: list[Filter]
) -> Callable[[Advertisement], bool]:
    """Return what decides on one report, with no test in it that passes all of them."""
    if not sessions:
        return lambda _: False
    regular = len(special) < len(sessions)
    tests: list[Callable[[Advertisement], bool]] = []
    if not regular and all(one.transport == "bredr" for one in special):
        return lambda _: False
    # The kernel's filter: the weakest of the strengths asked for, unless somebody asked for none.
    strengths = [one.rssi_dbm for one in special if one.rssi_dbm is not None]
    if not regular and len(strengths) == len(special):
        weakest = min(strengths)
        tests.append(lambda report: report.rssi_dbm >= weakest)
    # BlueZ's own: is_filter_match. It passes any strength; that is left to the kernel.
    if special and not regular and all(one.uuids for one in special):
        uuids = frozenset[str]().union(*(one.uuids for one in special))
        tests.append(lambda report: not uuids.isdisjoint(report.uuids))
    # device_is_discoverable: once any session has a pattern, all of them get what matches one.
    patterns = [one.pattern for one in filters if one.pattern is not None]
    if patterns:
        tests.append(lambda report: any(_matches(pattern, report) for pattern in patterns))
    if not tests:
        return lambda _: True
    return lambda report: all(test(report) for test in tests)


def _matches(pattern: str, report: Advertisement) -> bool:
    """Whether it begins the address, in any case of letters, or the name."""
    address = report.address.upper().startswith(pattern.upper())
    return address or (report.name or "").startswith(pattern)
