"""Stop 3: a frame of a listed device into results, through the driver that reads it.

Nothing is decoded that has not proven to be the device's own: with a key a frame is opened first,
and one in clear is refused.
"""

import binascii

from gateway.admission import Listed
from gateway.core import refusal
from gateway.core.context import Context
from gateway.core.refusal import DecodeError
from gateway.driver import LoadedDriver, Payload
from gateway.judgement import judge
from gateway.model import Frame, Result, Sealed
from gateway.registry import Registry


def recognise(
    registry: Registry, frame: Frame, listed: Listed
) -> tuple[LoadedDriver | None, Payload]:
    """Return who reads a frame, and what of it. Raises DecodeError for bad hexadecimal."""
    device = listed.device
    if frame.medium == "lora":
        return device.driver, unhex(frame.payload) if device.payload_hex else frame.payload
    before, listed.structures = listed.structures, frame.structures
    return registry.recognise(frame.structures, device.driver, before)


def read(
    driver: LoadedDriver, payload: Payload, listed: Listed, at_ns: int
) -> tuple[tuple[Result, ...], int | None]:
    """Open what is sealed, decode, judge; with the packet counter for the link.

    Raises DecodeError, or RepeatError for a frame that was heard before.
    """
    flags: tuple[str, ...] = ()
    context = listed.context
    context.opened = None
    key = listed.device.key
    context.key = key.reveal() if key is not None and driver.needs_key else None
    sealed = seal_of(driver, payload, context)
    counter = driver.packet_counter(payload) if driver.packet_counter else None
    if sealed is not None:
        counter, flags = sealed.counter, listed.open(sealed)
    elif key is not None and not driver.needs_key:
        raise DecodeError(refusal.NOT_ENCRYPTED)
    elif counter is not None:
        listed.number(driver.model, counter, at_ns)
    return judge(driver.decode(payload, context), flags), counter


def seal_of(driver: LoadedDriver, payload: Payload, context: Context) -> Sealed | None:
    """Return how a payload is to be opened, None when it is in clear. Raises DecodeError."""
    fields = driver.sealed(payload, context) if driver.sealed else None
    return None if fields is None else Sealed(*fields)


def unhex(payload: bytes) -> bytes:
    """Return what hexadecimal digits say. Raises DecodeError (BAD_HEX)."""
    try:
        return binascii.unhexlify(payload.strip())
    except binascii.Error:
        raise DecodeError(refusal.BAD_HEX) from None
