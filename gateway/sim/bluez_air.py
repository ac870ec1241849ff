"""What is in the air: advertisements and connectable devices, whether or not anybody listens."""

from collections.abc import Callable, Iterable, Mapping
from functools import cache, lru_cache
from types import MappingProxyType
from typing import Self

import msgspec

from gateway.model import Structure

_BASE_UUID = "-0000-1000-8000-00805f9b34fb"  # Bluetooth Core, Vol 3, Part B, 2.5.1
_SHORT_UUID_BITS = 32
_UUIDS_KEPT = 1024
GENERAL_DISCOVERABLE = 0x06  # and no BR/EDR, as sensors have it
AD_FLAGS = 0x01  # Bluetooth Assigned Numbers, 2.3
AD_UUIDS_16 = 0x03
AD_UUIDS_32 = 0x05
AD_UUIDS_128 = 0x07
AD_LOCAL_NAME = 0x09
AD_TX_POWER = 0x0A
AD_SERVICE_DATA_16 = 0x16
AD_SERVICE_DATA_32 = 0x20
AD_SERVICE_DATA_128 = 0x21
AD_MANUFACTURER = 0xFF


@cache
def uuid_text(uuid: int) -> str:
    """Return a UUID as BlueZ writes it, from its 16-bit, 32-bit or 128-bit number."""
    if uuid < 1 << _SHORT_UUID_BITS:
        return f"{uuid:08x}{_BASE_UUID}"
    text = f"{uuid:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


class Advertisement(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One advertising report as it arrives at the adapter, scan response included."""

    address: str  # "C0:FF:EE:00:00:01"
    rssi_dbm: int = -60
    manufacturer: Mapping[int, bytes] = {}  # company id -> data after it
    services: Mapping[str, bytes] = {}  # service UUID as `uuid_text` writes it -> data after it
    uuids: tuple[str, ...] = ()
    name: str | None = None
    tx_power_dbm: int | None = None
    address_type: str = "public"  # as BlueZ has it: or "random"
    flags: int = GENERAL_DISCOVERABLE  # 0: the advertisement has none
    connectable: bool = True

    @classmethod
    def of(cls, address: str, structures: Iterable[Structure], *, rssi_dbm: int = -60) -> Self:
        """Make one of the structures that a transport hands over: the way back.

        A transport has none for flags and transmit power; from a capture they may come too.
        """
        found = list(structures)
        flags = [data[0] for kind, _, data in found if kind == AD_FLAGS and data]
        powers = [data for kind, _, data in found if kind == AD_TX_POWER and data]
        names = [_name(data) for kind, _, data in found if kind == AD_LOCAL_NAME]
        return cls(
            address=address,
            rssi_dbm=rssi_dbm,
            manufacturer={number: data for kind, number, data in found if kind == AD_MANUFACTURER},
            services={uuid_text(n): data for kind, n, data in found if kind == AD_SERVICE_DATA_16},
            uuids=tuple(uuid_text(n) for kind, n, _ in found if kind == AD_UUIDS_16),
            name=names[0] if names and names[0] else None,
            tx_power_dbm=int.from_bytes(powers[0][:1], signed=True) if powers else None,
            flags=flags[0] if flags else GENERAL_DISCOVERABLE,
        )

    def ad_structures(self) -> list[tuple[int, bytes]]:
        """Return (AD type, content) as they are on the air."""
        found = [(AD_FLAGS, bytes([self.flags]))] if self.flags else []
        for company, data in self.manufacturer.items():
            found.append((AD_MANUFACTURER, company.to_bytes(2, "little") + data))
        for uuid, data in self.services.items():
            octets = _little(uuid)
            found.append((_SERVICE_DATA[len(octets)], octets + data))
        if self.uuids:
            found += _lists([_little(uuid) for uuid in self.uuids])
        if self.tx_power_dbm is not None:
            found.append((AD_TX_POWER, self.tx_power_dbm.to_bytes(1, "little", signed=True)))
        if self.name is not None:
            found.append((AD_LOCAL_NAME, self.name.encode()))
        return found


def _lists(uuids: list[bytes]) -> list[tuple[int, bytes]]:
    """Return a list for each length that some of these UUIDs have."""
    by_size = ((kind, [one for one in uuids if len(one) == size]) for size, kind in _LISTS.items())
    return [(kind, b"".join(listed)) for kind, listed in by_size if listed]


def _name(data: bytes) -> str:
    """Return a name as BlueZ shows it: up to a NUL, without space around it (src/eir.c)."""
    return data.split(b"\0")[0].decode(errors="replace").strip()


# Bytes of a UUID -> AD type of service data, and of a list, with one that long.
_SERVICE_DATA: Mapping[int, int] = MappingProxyType(
    {2: AD_SERVICE_DATA_16, 4: AD_SERVICE_DATA_32, 16: AD_SERVICE_DATA_128}
)
_LISTS: Mapping[int, int] = MappingProxyType({2: AD_UUIDS_16, 4: AD_UUIDS_32, 16: AD_UUIDS_128})


@lru_cache(_UUIDS_KEPT)
def _little(uuid: str) -> bytes:
    """Return a UUID as it stands on the air: as short as it can be, the low byte first."""
    digits = uuid.removesuffix(_BASE_UUID)
    if digits != uuid:
        digits = digits.removeprefix("0000")
    return bytes.fromhex(digits.replace("-", ""))[::-1]


class Characteristic(msgspec.Struct, kw_only=True, eq=False):
    """One GATT characteristic; `on_read` and `on_write` stand in for the device's firmware."""

    uuid: str
    flags: tuple[str, ...] = (
        "read",
    )  # as in org.bluez.GattCharacteristic1: read, write, notify, ...
    value: bytes = b""
    on_read: Callable[[], bytes] | None = None
    on_write: Callable[[bytes], None] | None = None


class Service(msgspec.Struct, kw_only=True, eq=False):
    """One primary GATT service."""

    uuid: str
    characteristics: tuple[Characteristic, ...] = ()


class Peripheral(msgspec.Struct, kw_only=True, eq=False):
    """A device that accepts connections. What it advertises is sent apart from it."""

    address: str
    services: tuple[Service, ...] = ()
    mtu: int = 247
    connect_s: float = 0.0  # from Connect to Connected
    resolve_s: float = 0.0  # from Connected to ServicesResolved
    aborts: int = (
        0  # so many connections are dropped while they are made ("le-connection-abort-by-local")
    )


class Counters(msgspec.Struct):
    """What became of the advertising reports."""

    offered: int = 0  # reports given to `advertise`, once per adapter that could hear them
    signalled: int = 0  # ... that became a signal
    unwanted: int = 0  # ... while nobody scanned for them
    overrun: int = 0  # ... dropped, for the bus took less than was offered
    unheard: int = 0  # ... by an adapter that is deaf
