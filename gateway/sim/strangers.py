"""Who else is on the air: passers-by with phones and tags, and beacons, which no site lists.

As sensors do, each draws from a chance of its own. What phones say is of the right kind and length
for its maker and otherwise noise; it is nobody's, so no address of theirs may ever be published.
"""

import struct
from collections.abc import Callable, Mapping
from random import Random
from typing import Final

import msgspec

from gateway.sim.bluez_air import Advertisement, uuid_text
from gateway.sim.emissions import Emission
from gateway.sim.models.beacons import APPLE, EDDYSTONE, IBEACON

_SAMSUNG: Final = 0x0075
_MICROSOFT: Final = 0x0006
_FAST_PAIR: Final = 0xFE2C

_RESOLVABLE: Final = 0x40  # upper two bits of an address (Core, Vol 6, Part B, 1.3.2)
_STATIC: Final = 0xC0
_WITHOUT_KIND: Final = 0x3F

_EDDYSTONE_UID: Final = 0x00
_EDDYSTONE_URL: Final = 0x10
_EDDYSTONE_TLM: Final = 0x20
_HTTPS: Final = 0x03
_SHOP: Final = b"shop\x00"  # shop.com/
_POWER_AT_0M_DBM: Final = -18
_POWER_AT_1M_DBM: Final = -59


class _Said(msgspec.Struct, frozen=True):
    """What an advertisement of a kind says."""

    manufacturer: Mapping[int, bytes] = {}
    services: Mapping[str, bytes] = {}


class _Kind(msgspec.Struct, frozen=True):
    """A kind of thing that people carry: how many of a hundred have it, and what it says."""

    share: int
    says: Callable[[Random], _Said]
    address: int = _RESOLVABLE


def _nearby(chance: Random) -> _Said:
    """Say as an iPhone in use does: Continuity, Nearby Info (10)."""
    return _Said(manufacturer={APPLE: b"\x10\x06" + chance.randbytes(6)})


def _find_my(chance: Random) -> _Said:
    """Say as a lost tag does: Find My (12), a part of its public key."""
    return _Said(manufacturer={APPLE: b"\x12\x19" + chance.randbytes(25)})


def _galaxy(chance: Random) -> _Said:
    return _Said(manufacturer={_SAMSUNG: b"\x42\x04\x01\x80\x60" + chance.randbytes(19)})


def _windows(chance: Random) -> _Said:
    """Say as a Windows computer does: the Connected Devices Platform's beacon (MS-CDP, 2.2.2)."""
    return _Said(manufacturer={_MICROSOFT: b"\x01\x09\x20\x02" + chance.randbytes(23)})


def _fast_pair(chance: Random) -> _Said:
    """Say as paired headphones do: Fast Pair, a filter of account keys and its salt."""
    return _Said(
        services={
            uuid_text(_FAST_PAIR): b"\x00\x50"
            + chance.randbytes(5)
            + b"\x11"
            + chance.randbytes(1)
        }
    )


_CARRIED: Final = (
    _Kind(40, _nearby),
    _Kind(20, _find_my, _STATIC),
    _Kind(15, _galaxy),
    _Kind(10, _windows),
    _Kind(15, _fast_pair),
)


class Phone:
    """What a passer-by carries: unlisted, and with another address every `rotate` emissions."""

    def __init__(self, number: int, *, every_s: float, rotate: int, seed: int) -> None:
        self._chance = Random(f"{seed}/phone/{number}")  # noqa: S311 - has to be repeatable
        (self._kind,) = self._chance.choices(_CARRIED, [kind.share for kind in _CARRIED])
        self._every_s = every_s
        self._rotate = rotate
        self._emitted = 0
        self._address = ""

    def first_s(self) -> float:
        """Return some time within the first interval."""
        return self._chance.uniform(0, self._every_s)

    def gap_s(self) -> float:
        """Return between half and one and a half intervals."""
        return self._chance.uniform(0.5, 1.5) * self._every_s

    def emit(self) -> Emission:
        """Say something only its maker understands."""
        if self._emitted % self._rotate == 0:
            self._address = _random_address(self._chance, self._kind.address)
        self._emitted += 1
        said = self._kind.says(self._chance)
        report = Advertisement(
            address=self._address,
            address_type="random",
            rssi_dbm=self._chance.randint(-95, -55),
            manufacturer=said.manufacturer,
            services=said.services,
        )
        return Emission(address=self._address, serial=None, copies=(report,))


class Beacon:
    """A beacon that stays where it is: an iBeacon, or an Eddystone with identity and telemetry."""

    def __init__(self, number: int, *, every_s: float, seed: int) -> None:
        self._chance = Random(f"{seed}/beacon/{number}")  # noqa: S311 - has to be repeatable
        self._every_s = every_s
        self._address = _random_address(self._chance, _STATIC)
        self._rssi_dbm = self._chance.randint(-95, -60)
        self._identity = self._chance.randbytes(16)
        self._place = struct.pack(">HH", 1, number & 0xFFFF)
        self._is_apple = self._chance.random() < 1 / 2
        self._emitted = 0

    def first_s(self) -> float:
        """Return some time within the first interval."""
        return self._chance.uniform(0, self._every_s)

    def gap_s(self) -> float:
        """Return the interval and up to 10 ms, as a controller does (Core, Vol 6, B, 4.4.2.2)."""
        return self._every_s + self._chance.uniform(0, 0.01)

    def emit(self) -> Emission:
        """Say that it is there."""
        self._emitted += 1
        report = Advertisement(
            address=self._address,
            address_type="random",
            rssi_dbm=self._rssi_dbm + self._chance.randint(-4, 4),
            manufacturer={APPLE: self._ibeacon()} if self._is_apple else {},
            services={} if self._is_apple else {uuid_text(EDDYSTONE): self._eddystone()},
            uuids=() if self._is_apple else (uuid_text(EDDYSTONE),),
        )
        return Emission(address=self._address, serial=None, copies=(report,))

    def _ibeacon(self) -> bytes:
        return IBEACON + self._identity + self._place + struct.pack("b", _POWER_AT_1M_DBM)

    def _eddystone(self) -> bytes:
        """Take turns: identity, address of a page, telemetry."""
        turn = self._emitted % 3
        if turn == 0:
            return struct.pack("Bb", _EDDYSTONE_UID, _POWER_AT_0M_DBM) + self._identity + bytes(2)
        if turn == 1:
            return struct.pack("BbB", _EDDYSTONE_URL, _POWER_AT_0M_DBM, _HTTPS) + _SHOP
        tenths = int(self._emitted * self._every_s * 10) & 0xFFFFFFFF
        return struct.pack(">BBHhII", _EDDYSTONE_TLM, 0, 3000, 20 << 8, self._emitted, tenths)


def _random_address(chance: Random, kind: int) -> str:
    octets = bytearray(chance.randbytes(6))
    octets[0] = octets[0] & _WITHOUT_KIND | kind
    return octets.hex(":").upper()
