"""PropertiesChanged of a device, marshalled by hand: the one message sent for each advertisement.

All of it but what changed is prepared once for a device. The bytes are those that dbus-fast would
send of the same message; whatever else bluetoothd says, dbus-fast marshals.
(D-Bus Specification: Marshaling, Message Protocol; everything here is little-endian.)
"""

import struct
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache

from dbus_fast import Message, MessageType

from gateway.sim import bluez_names as names

_U32 = struct.Struct("<I")
_TWO_U32 = struct.Struct("<II")
_I16 = struct.Struct("<h")
_AFTER_FLAGS = 4  # where the body's length stands in a header, and the serial after it
_AFTER_SERIAL = 12
_EMPTY_ARRAYS = 12  # the end of a body whose two arrays are empty: length, padding, length
_NOTHING_GONE = bytes(4)  # the length of the array of invalidated properties
_TO_8 = [bytes(-length % 8) for length in range(8)]
_TO_4 = [bytes(-length % 4) for length in range(4)]
_UUIDS_KEPT = 1024


class ChangedSignal:
    """The PropertiesChanged signals of one device."""

    __slots__ = ("_from_serial", "_to_flags")

    def __init__(self, path: str) -> None:
        message = Message(
            message_type=MessageType.SIGNAL,
            path=path,
            interface=names.PROPERTIES,
            member="PropertiesChanged",
            signature="sa{sv}as",
            body=[names.DEVICE, {}, []],
            serial=1,
        )
        # The one way to a message's bytes; dbus-fast's own writer takes it too.
        template = message._marshall(negotiate_unix_fd=False)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        self._to_flags = bytes(template[:_AFTER_FLAGS])
        self._from_serial = bytes(template[_AFTER_SERIAL:-_EMPTY_ARRAYS])

    def marshalled(self, serial: int, changed: Iterable[bytes]) -> bytes:
        """Return a signal of what changed: at least one of what `rssi` and its like return."""
        entries = _aligned(changed)
        end = _TO_4[len(entries) % 4] + _NOTHING_GONE
        body_bytes = _BEFORE_ENTRIES + len(entries) + len(end)
        return b"".join(
            (
                self._to_flags,
                _TWO_U32.pack(body_bytes, serial),
                self._from_serial,
                _TWO_U32.pack(len(entries), 0),  # and padding
                entries,
                end,
            )
        )


def _aligned(entries: Iterable[bytes]) -> bytes:
    """Join dictionary entries; each begins at a multiple of 8, and none is padded at its end."""
    joined = b""
    for entry in entries:
        joined += _TO_8[len(joined) % 8] + entry
    return joined


def _text(text: str) -> bytes:
    data = text.encode()
    return _U32.pack(len(data)) + data + b"\0"


def _signature(signature: str) -> bytes:
    return bytes([len(signature)]) + signature.encode() + b"\0"


def _property(name: str, signature: str, align: int) -> bytes:
    """Return an entry of a{sv} up to the value, which begins at a multiple of `align`."""
    head = _text(name) + _signature(signature)
    return head + bytes(-len(head) % align)


_BEFORE_ENTRIES = len(_text(names.DEVICE)) + -len(_text(names.DEVICE)) % 4 + 8
_RSSI = _property("RSSI", "n", 2)
_MANUFACTURER_DATA = _property("ManufacturerData", "a{qv}", 4)
_SERVICE_DATA = _property("ServiceData", "a{sv}", 4)
_BYTES = _signature("ay")


@cache
def rssi(dbm: int) -> bytes:
    """Return the entry of a signal strength."""
    return _RSSI + _I16.pack(dbm)


def manufacturer_data(content: Mapping[int, bytes]) -> bytes:
    """Return the entry of manufacturer data by company id."""
    data = [_company(company) + _U32.pack(len(data)) + data for company, data in content.items()]
    return _array(_MANUFACTURER_DATA, data)


def service_data(content: Mapping[str, bytes]) -> bytes:
    """Return the entry of service data by UUID."""
    data = [_uuid(uuid) + _U32.pack(len(data)) + data for uuid, data in content.items()]
    return _array(_SERVICE_DATA, data)


def _array(head: bytes, entries: list[bytes]) -> bytes:
    joined = entries[0] if len(entries) == 1 else _aligned(entries)
    return head + _U32.pack(len(joined)) + _TO_8[(len(head) + 4) % 8] + joined


@cache
def _company(company: int) -> bytes:
    head = company.to_bytes(2, "little") + _BYTES
    return head + bytes(-len(head) % 4)


@lru_cache(_UUIDS_KEPT)
def _uuid(uuid: str) -> bytes:
    head = _text(uuid) + _BYTES
    return head + bytes(-len(head) % 4)
