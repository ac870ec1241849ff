"""A polled sensor as a table: which characteristics it has, and what their bytes mean.

`poll` reads what of the table a device has; `decode` makes readings of that. A row is one field:

    (service, characteristic, length, offset, read, multiply, scale, property, channel)

    length   bytes of the whole value, 0 where it varies
    read     `integer(...)`, `medfloat16` or `text`, from `offset` on
    value    what was read * multiply / 10**scale; a text is as it is

Rows of one characteristic stand together, and a characteristic stands in one service only. Where a
device has several of one UUID, the second is channel "2", or "x-2" where the row has channel "x".

The payload says of what each value is, one after the other:

    SS UU... LL VV...

    S  bytes of the UUID: 02 for one of the Bluetooth SIG's short ones, 10 (hex) for any other
    U  the UUID as it is written                  L  bytes of the value            V  the value
"""

from gateway.core import gatt
from gateway.core.fields import take, u8, u16le
from gateway.core.refusal import BAD_LENGTH, BAD_TYPE, BAD_VALUE, DecodeError

MOST_ALIKE = 8  # characteristics of one UUID that are read
_LONGEST = 255  # bytes of a value, for its length stands in one byte
_NO_NUMBER = 0x7FE  # SFLOAT: from here on a mantissa, whatever its sign, means something else
_PRINTABLE = range(0x20, 0x7F)  # of ASCII
_SHORT = gatt.uuid(0)[8:]  # what follows the number in a UUID of the Bluetooth SIG


# ------------------------------------------------------------------------------------------- poll
def poll(table: "tuple[gatt.Row, ...]") -> "gatt.Poll":
    """Read all of a table that a device has; the payload is empty when that is nothing."""
    found: list[bytes] = []
    asked = ("", "")
    for row in table:
        service, characteristic = row[0], row[1]
        if (service, characteristic) == asked:
            continue
        asked = (service, characteristic)
        for number in range(MOST_ALIKE):
            value = yield gatt.read(service, characteristic, number)
            if value is None:
                break
            found.append(entry(characteristic, value))
    return b"".join(found)


def entry(characteristic: str, value: bytes) -> bytes:
    """Return how a value stands in a payload. Raises DecodeError when it is absurdly long."""
    if len(value) > _LONGEST:
        raise DecodeError(BAD_LENGTH)
    identity = _identity(characteristic)
    return bytes((len(identity),)) + identity + bytes((len(value),)) + value


def _identity(characteristic: str) -> bytes:
    if characteristic.startswith("0000") and characteristic.endswith(_SHORT):
        return bytes.fromhex(characteristic[4:8])
    return bytes.fromhex(characteristic.replace("-", ""))


# ----------------------------------------------------------------------------------------- decode
def decode(
    table: "tuple[gatt.Row, ...]", payload: bytes
) -> list[tuple[str, int | str | None, int, str]]:
    """Return the readings of all values in a payload, in its order.

    An empty one is refused (BAD_TYPE): the device has nothing of the table. So is what the table
    does not have, and a value of another length than the table says (BAD_LENGTH).
    """
    if not payload:
        raise DecodeError(BAD_TYPE)
    readings: list[tuple[str, int | str | None, int, str]] = []
    alike: dict[bytes, int] = {}
    offset = 0
    while offset < len(payload):
        size = u8(payload, offset)
        identity = take(payload, offset + 1, size)
        value = take(payload, offset + size + 2, u8(payload, offset + size + 1))
        offset += size + 2 + len(value)
        number = alike[identity] = alike.get(identity, 0) + 1
        if number > MOST_ALIKE:
            raise DecodeError(BAD_VALUE)
        readings += _readings(table, identity, value, number)
    return readings


def _readings(
    table: "tuple[gatt.Row, ...]", identity: bytes, value: bytes, number: int
) -> list[tuple[str, int | str | None, int, str]]:
    rows = [row for row in table if _identity(row[1]) == identity]
    if not rows:
        raise DecodeError(BAD_TYPE)
    return [_reading(row, value, number) for row in rows]


def _reading(row: "gatt.Row", value: bytes, number: int) -> tuple[str, int | str | None, int, str]:
    _, _, length, offset, read, multiply, scale, name, channel = row
    if length and len(value) != length:
        raise DecodeError(BAD_LENGTH)
    if number > 1:
        channel = f"{channel}-{number}" if channel else str(number)
    found, exponent = read(value, offset)
    if found is None or isinstance(found, str):
        return (name, found, 0, channel)
    scale -= exponent
    if scale < 0:
        return (name, found * multiply * 10**-scale, 0, channel)
    return (name, found * multiply, scale, channel)


# ------------------------------------------------------------------------------------------ fields
def integer(read: "gatt.Integer", absent: int | None = None) -> "gatt.Read":
    """Return how a whole number is read; `absent` is the one that says there is no value."""

    def number(data: bytes, offset: int) -> tuple[int | str | None, int]:
        found = read(data, offset)
        return (None if found == absent else found, 0)

    return number


def medfloat16(data: bytes, offset: int) -> tuple[int | str | None, int]:
    """Read 4 bits of exponent to base 10 and 12 of mantissa, both signed: IEEE 11073-20601 SFLOAT.

    Five mantissas beside exponent 0 are no number: infinite, out of range, not measured.
    """
    raw = u16le(data, offset)
    mantissa, exponent = _signed(raw & 0xFFF, 0x800), _signed(raw >> 12, 0x8)
    if exponent == 0 and abs(mantissa) >= _NO_NUMBER:
        return (None, 0)
    return (mantissa, exponent)


def text(data: bytes, offset: int) -> tuple[int | str | None, int]:
    """Read printable ASCII to the end. Raises DecodeError (BAD_VALUE) for anything else."""
    rest = take(data, offset, max(0, len(data) - offset))
    if not rest or not all(byte in _PRINTABLE for byte in rest):
        raise DecodeError(BAD_VALUE)
    return (rest.decode(), 0)


def _signed(value: int, sign_bit: int) -> int:
    return (value ^ sign_bit) - sign_bit
