"""Bluetooth advertising data into structures (AD type, identifier, data), as bleak gives them too.

    LL TT DD..  length of type and data, type, data     Core Specification, Vol 3, Part C, 11
    FF ii II    manufacturer data: company id, low byte first; (0xFF, company id, rest)
    16 ss SS    service data of a 16-bit UUID; 20: of a 32-bit, 21: of a 128-bit UUID, low byte
                first; all (0x16, UUID, rest), a UUID on the Bluetooth base as its short number
    09, 08      complete, shortened local name; both (0x09, 0, UTF-8)
    03, 02      complete, incomplete list of 16-bit UUIDs; 05, 04: of 32-bit, 07, 06: of 128-bit;
                each UUID of them (0x03, UUID, nothing)

Every other type is left out. Assigned Numbers, 2.3, has them all.
"""

from gateway.core.fields import take, u8

MANUFACTURER = 0xFF
SERVICE_DATA = 0x16
NAME = 0x09
LISTED_SERVICE = 0x03

_LISTS = {0x02: 2, 0x03: 2, 0x04: 4, 0x05: 4, 0x06: 16, 0x07: 16}  # type -> bytes of a UUID
_SHORTENED_NAME = 0x08
_UUID_SIZES = {SERVICE_DATA: 2, 0x20: 4, 0x21: 16}  # service data: type -> bytes of the UUID
SERVICE_DATA_TYPES = frozenset(_UUID_SIZES)  # on the air; structures have SERVICE_DATA for all
_COMPANY_SIZE = 2
_BASE_UUID = 0x00000000_0000_1000_8000_00805F9B34FB  # Core Specification, Vol 3, Part B, 2.5.1
_BASE_BITS = 96


def structures(data: bytes) -> tuple[tuple[int, int, bytes], ...]:
    """Return the structures of one advertisement, in its order; a length of 0 ends it early.

    Raises DecodeError(TRUNCATED) when a structure ends after the data or before its identifier.
    """
    found: list[tuple[int, int, bytes]] = []
    offset = 0
    while offset < len(data):
        size = u8(data, offset)
        if size == 0:
            break
        content = take(data, offset + 1, size)
        if content[0] in _LISTS:
            found += _listed(content)
        else:
            structure = _structure(content)
            if structure is not None:
                found.append(structure)
        offset += 1 + size
    return tuple(found)


def uuid_number(text: str) -> int:
    """Return a UUID, written as `0000fcd2-0000-1000-8000-00805f9b34fb`, as structures carry it."""
    return _short(int(text.replace("-", ""), 16))


def _structure(content: bytes) -> tuple[int, int, bytes] | None:
    kind = content[0]
    if kind == MANUFACTURER:
        return (MANUFACTURER, _identifier(content, _COMPANY_SIZE), content[1 + _COMPANY_SIZE :])
    if kind in _UUID_SIZES:
        size = _UUID_SIZES[kind]
        return (SERVICE_DATA, _short(_identifier(content, size)), content[1 + size :])
    if kind in (NAME, _SHORTENED_NAME):
        return (NAME, 0, content[1:])
    return None


def _listed(content: bytes) -> list[tuple[int, int, bytes]]:
    """Return the services of a list; UUIDs of 16, 32 and 128 bits alike."""
    size = _LISTS[content[0]]
    uuids = [content[at - 1 : at + size] for at in range(1, len(content), size)]
    return [(LISTED_SERVICE, _short(_identifier(uuid, size)), b"") for uuid in uuids]


def _identifier(content: bytes, size: int) -> int:
    number = 0
    for byte in reversed(take(content, 1, size)):
        number = number << 8 | byte
    return number


def _short(uuid: int) -> int:
    """Reduce a 128-bit UUID on the Bluetooth base; any other stays what it is."""
    on_base = uuid & ((1 << _BASE_BITS) - 1) == _BASE_UUID
    return uuid >> _BASE_BITS if on_base else uuid
