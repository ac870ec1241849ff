"""What is in the air: advertisements and connectable devices, whether or not anybody listens."""

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Self

import msgspec

from gateway.model import Structure

_BASE_UUID = "-0000-1000-8000-00805f9b34fb"  # Bluetooth Core, Vol 3, Part B, 2.5.1
_SHORT_UUID_BITS = 32
AD_FLAGS = 0x01  # Bluetooth Assigned Numbers, 2.3
AD_UUIDS_16 = 0x03
AD_LOCAL_NAME = 0x09
AD_SERVICE_DATA_16 = 0x16
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

    @classmethod
    def of(cls, address: str, structures: Iterable[Structure], *, rssi_dbm: int = -60) -> Self:
        """Make one of the structures that a transport hands over: the way back."""
        found = list(structures)
        names = [data.decode(errors="replace") for kind, _, data in found if kind == AD_LOCAL_NAME]
        return cls(
            address=address,
            rssi_dbm=rssi_dbm,
            manufacturer={number: data for kind, number, data in found if kind == AD_MANUFACTURER},
            services={uuid_text(n): data for kind, n, data in found if kind == AD_SERVICE_DATA_16},
            uuids=tuple(uuid_text(n) for kind, n, _ in found if kind == AD_UUIDS_16),
            name=names[0] if names else None,
        )

    def ad_structures(self) -> list[tuple[int, bytes]]:
        """Return (AD type, content) as an advertisement monitor's pattern sees them."""
        found = [(AD_FLAGS, b"\x06")]  # LE General Discoverable, no BR/EDR
        for company, data in self.manufacturer.items():
            found.append((AD_MANUFACTURER, company.to_bytes(2, "little") + data))
        for uuid, data in self.services.items():
            if uuid.endswith(_BASE_UUID) and uuid.startswith("0000"):
                found.append((AD_SERVICE_DATA_16, bytes.fromhex(uuid[4:8])[::-1] + data))
        if self.name is not None:
            found.append((AD_LOCAL_NAME, self.name.encode()))
        return found


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
