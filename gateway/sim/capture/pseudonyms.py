"""Addresses that stand for addresses: the same for the same one, and no way back.

Each is made by a keyed hash whose key is drawn anew for each recording, kept in memory alone, and
gone with it. A device's own address is replaced in its payload as well, forwards and backwards,
down to its last three bytes; so are the ids that some formats carry, listed in PLACES, and the
digits of the address in a name. Not touched, for nobody can know them: what else identifies
somebody in a payload, such as a beacon's number or a name that a person has given.

What is encrypted was bound to the true address: nobody can decode it any more, nor check the MIC
of a LoRaWAN uplink.
"""

import hashlib
import re
import secrets
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import partial
from types import MappingProxyType
from typing import Final

import msgspec

from gateway.core.advertisement import MANUFACTURER, NAME, SERVICE_DATA
from gateway.errors import SimulatorError
from gateway.lorawan import parse
from gateway.model import Structure
from gateway.registry import Registry
from gateway.sim.capture.file import Heard
from gateway.sim.capture.format import Header, Record

ENCRYPTED: Final = (
    "what is encrypted is bound to the true address: nobody can decode it from a pseudonymised"
    " capture"
)
_KEY_BYTES: Final = 32
_MAC_BYTES: Final = 6
_EUI_BYTES: Final = 8
_DEV_ADDR: Final = slice(1, 5)  # in a PHYPayload, low byte first (LoRaWAN 1.0.4, 4)
_LOCAL: Final = 0x02  # IEEE 802: locally administered
_GROUP: Final = 0x01
_KIND: Final = 0xC0  # of a random address: static, resolvable, not (Core, Vol 6, Part B, 1.3.2)
_SHORTEST_TAIL: Final = 3  # bytes; two would be found in one frame of three thousand by chance
_LEAST_TELLING: Final = 2  # different bytes but zero: 00 00 01 is found everywhere
_SHORTEST_NAMED: Final = 4  # digits of the address at the end of a name: GVH5075_1A2B
_NODES: Final = 1 << 16
_MOST_NODES: Final = 1 << 15  # of our own numbers: beyond half of them a free one is hard to find

# Where formats carry an address of another radio, or less than three bytes of their own:
# (AD type, identifier or None, length of the data or None) -> what of the data.
_Place = tuple[int, int | None, int | None]
PLACES: Final[Mapping[_Place, slice]] = MappingProxyType(
    {
        (SERVICE_DATA, 0xFDCD, None): slice(2, 8),  # Qingping: of its Wi-Fi, where it has one
        (MANUFACTURER, 0x06D5, None): slice(2, 4),  # Sensirion: device id
        (MANUFACTURER, 0xEF88, 24): slice(0, 2),  # Govee H5121 to H5130: end of the address
    }
)
_BASES: Final = re.compile(rb"TP9[67]")  # ThermoPro's probes, by their name: address of the base
_BASE: Final = slice(-6, None)
_BASE_BYTES: Final = 11  # of manufacturer data with one in it


def known_names(registry: Registry, listed: Collection[str]) -> Callable[[Record], bool]:
    """Return what tells whether a frame's name stays: of a listed device, or of a sensor's kind.

    Any other name may be one that a person has given.
    """

    def is_known(record: Record) -> bool:
        if record.address in listed:
            return True
        return registry.recognise(record.structures, None)[0] is not None

    return is_known


class Pseudonyms:
    """One recording's. Names of frames that are not `known` are left out.

    `key` is for tests alone: without it one is drawn and told to nobody.
    """

    def __init__(self, known: Callable[[Record], bool], key: bytes | None = None) -> None:
        self._known = known
        self._key = secrets.token_bytes(_KEY_BYTES) if key is None else key
        self._nodes: dict[str, int] = {}
        self._taken: set[int] = set()

    def record(self, record: Record) -> Record:
        """Return a frame with other addresses in it. A modem's own words cannot be made so."""
        if record.medium == "serial":
            cause = "the words of a modem cannot be pseudonymised"
            raise SimulatorError(cause, "record frames with ugw record --pseudonymise")
        address = self.address(record.address, is_random=record.address_type == "random")
        payload = record.payload
        structures = self._structures(record)
        if record.medium == "ble":
            swap = _Swap(_octets(record.address), _octets(address))
            structures = tuple(self._structure(one, structures, swap) for one in structures)
            payload = swap.data(payload)
        elif record.is_uplink:
            payload = self._uplink(payload)
        return msgspec.structs.replace(
            record,
            source=self.source(record.source),
            address=address,
            structures=structures,
            payload=payload,
        )

    def session(self, header: Header) -> Header:
        """Return a header that does not say where this was."""
        return msgspec.structs.replace(header, gateway="", pseudonymised=True)

    def all(self, heards: Iterable[Heard]) -> Iterator[Heard]:
        """Yield all with other addresses. Raises SimulatorError, as `record`."""
        before = after = None
        for heard in heards:
            if after is None or heard.header is not before:
                before, after = heard.header, self.session(heard.header)
            yield Heard(after, self.record(heard.record))

    def address(self, address: str, *, is_random: bool = False) -> str:
        """Return what stands for an address, in its own form."""
        scheme, _, rest = address.partition(":")
        if scheme == "lora":
            return f"lora:{self._node(rest)}"
        if scheme == "eui":
            return f"eui:{_local(self._hash(address, _EUI_BYTES)).hex()}"
        if scheme == "lorawan":
            return f"lorawan:{self._dev_addr(bytes.fromhex(rest)).hex()}"
        made = self._hash(address, _MAC_BYTES)
        if is_random:  # what kind of random address it is, is told by its two highest bits
            kind = _octets(address)[0] & _KIND
            made = bytes((made[0] & ~_KIND & 0xFF | kind,)) + made[1:]
        return _local(made).hex(":").upper()

    def source(self, source: str) -> str:
        """Return a transport's name, but for the serial number or the host that is part of it."""
        if re.fullmatch(r"ble:hci[0-9]{1,3}", source):
            return source
        found = re.match(r"[a-z-]{1,20}:", source)
        kind = found[0] if found is not None else "radio:"
        return kind + self._hash(source, 4).hex()

    # ----------------------------------------------------------------------------------- the hash
    def _hash(self, what: str | bytes, size: int) -> bytes:
        data = what.encode() if isinstance(what, str) else what
        return hashlib.blake2b(data, key=self._key, digest_size=size).digest()

    def _node(self, number: str) -> int:
        """Return a node's other number. Numbers are few: each is given to one node only."""
        if number not in self._nodes:
            if len(self._taken) >= _MOST_NODES:
                cause = f"more than {_MOST_NODES} LoRa nodes cannot be pseudonymised"
                raise SimulatorError(cause)
            tried = 0
            while (free := self._numbered(number, tried)) in self._taken:
                tried += 1
            self._taken.add(free)
            self._nodes[number] = free
        return self._nodes[number]

    def _numbered(self, number: str, tried: int) -> int:
        return int.from_bytes(self._hash(f"node {number}/{tried}", 4)) % _NODES

    def _dev_addr(self, address: bytes) -> bytes:
        return self._hash(b"dev_addr " + address, len(address))

    # ------------------------------------------------------------------------------- the payloads
    def _uplink(self, payload: bytes) -> bytes:
        if parse(payload) is None:
            return payload
        made = bytearray(payload)
        made[_DEV_ADDR] = self._dev_addr(payload[_DEV_ADDR][::-1])[::-1]
        return bytes(made)

    def _structures(self, record: Record) -> tuple[Structure, ...]:
        """Return what is kept of an advertisement."""
        found = record.structures
        if all(kind != NAME for kind, _, _ in found) or self._known(record):
            return found
        return tuple(each for each in found if each[0] != NAME)

    def _structure(
        self, structure: Structure, among: tuple[Structure, ...], swap: "_Swap"
    ) -> Structure:
        kind, identifier, data = structure
        if kind == NAME:
            return (kind, identifier, swap.name(data))
        place = self._place(structure, among)
        if place is not None and not swap.has(data[place]):
            made = bytearray(data)
            made[place] = self._hash(b"id " + data[place], len(data[place]))
            return (kind, identifier, swap.data(bytes(made)))
        return (kind, identifier, swap.data(data))

    @staticmethod
    def _place(structure: Structure, among: tuple[Structure, ...]) -> slice | None:
        """Return where in a structure an id of one of the listed formats stands."""
        kind, identifier, data = structure
        for size in (None, len(data)):
            found = PLACES.get((kind, identifier, size))
            if found is not None and data[found]:
                return found
        names = [name for other, _, name in among if other == NAME]
        if kind == MANUFACTURER and any(map(_BASES.match, names)) and len(data) >= _BASE_BYTES:
            return _BASE
        return None


class _Swap:
    """Two addresses, one of which is put in place of the other wherever it is found."""

    def __init__(self, old: bytes, new: bytes) -> None:
        self._whole = (old, old[::-1])
        self._pairs = [
            (old[start:][::step], new[start:][::step])
            for start in range(len(old) - _SHORTEST_TAIL + 1)
            for step in (1, -1)
            if not start or len(set(old[start:]) - {0}) >= _LEAST_TELLING
        ]
        digits, others = old.hex(), new.hex()
        self._names = [
            (re.compile(digits[-size:].encode(), re.IGNORECASE), others[-size:])
            for size in range(len(digits), _SHORTEST_NAMED - 1, -1)
        ]

    def has(self, data: bytes) -> bool:
        """Whether it is the whole address, which `data` replaces."""
        return data in self._whole

    def data(self, data: bytes) -> bytes:
        """Replace the address and ends of it, the longest first, in either direction."""
        for old, new in self._pairs:
            data = data.replace(old, new)
        return data

    def name(self, data: bytes) -> bytes:
        """Replace the end of the address where its digits stand in a name."""
        for ending, other in self._names:
            data = ending.sub(partial(_in_case_of, other), data)
        return self.data(data)


def _in_case_of(other: str, found: re.Match[bytes]) -> bytes:
    """Return digits written as those that were found."""
    is_lower = found[0] != found[0].upper()
    return (other if is_lower else other.upper()).encode()


def _local(octets: bytes) -> bytes:
    """Return an address marked as nobody's: locally administered, of a single device."""
    return bytes((octets[0] & ~_GROUP & 0xFF | _LOCAL,)) + octets[1:]


def _octets(address: str) -> bytes:
    return bytes.fromhex(address.replace(":", ""))
