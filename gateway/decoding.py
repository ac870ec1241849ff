"""Stop 3: a frame of a listed device into results, through the driver that reads it.

Nothing is handed on that has not proven to be the device's own: with a key a frame is opened
first, and one in clear is refused unless there is nothing in it: some devices greet like that.
"""

import binascii
from typing import Final, Protocol

import msgspec

from gateway.admission import Listed
from gateway.core import refusal
from gateway.core.context import Context
from gateway.core.judgement import judge
from gateway.core.refusal import DecodeError
from gateway.core.replay import REPLAY_POSSIBLE
from gateway.crypto import CcmKey
from gateway.driver import LoadedDriver, Outcome, Payload
from gateway.lorawan import parse
from gateway.model import Frame, Result, Sealed
from gateway.registry import Registry

_LORAWAN: Final = "lorawan"  # whose packet counter: the frame's, not one of a driver's


class Sender(Protocol):
    """Whose frames are decoded: Listed, or Once."""

    context: Context

    @property
    def key(self) -> CcmKey | None:
        """What its frames are encrypted with."""
        ...

    def open(self, sealed: Sealed) -> tuple[str, ...]:
        """Open a frame into the context; return its flags."""
        ...

    def number(self, model: str, counter: int, at: int) -> None:
        """Take note of the packet counter of a frame in clear."""
        ...


class Once:
    """A sender of one frame: nothing is remembered, so nothing is a repeat."""

    def __init__(
        self, address: bytes = b"", key: CcmKey | None = None, port: int | None = None
    ) -> None:
        self.context = Context(address, port=port)
        self.key = key
        self.sealed = False  # whether what came was encrypted

    def open(self, sealed: Sealed) -> tuple[str, ...]:
        """Open a frame into the context. Raises DecodeError (NO_KEY, BAD_MIC)."""
        self.sealed = True
        if self.key is None:
            raise DecodeError(refusal.NO_KEY)
        self.context.opened = self.key.open(sealed)
        return ()

    def number(self, model: str, counter: int, at: int) -> None:
        """Let it pass."""


def opened(frame: Frame, listed: Listed) -> Frame:
    """Return a LoRa frame with its payload, and what comes with that, in clear.

    Raises DecodeError, or RepeatError for a frame that was heard before.
    """
    if frame.is_uplink:
        frame = _opened(frame, listed)
    elif listed.device.session is not None:
        raise DecodeError(refusal.NOT_ENCRYPTED)
    elif frame.counter is not None:
        listed.number(_LORAWAN, frame.counter, frame.heard_at_ns)
    listed.context.port = frame.port
    return frame


def _opened(frame: Frame, listed: Listed) -> Frame:
    uplink = parse(frame.payload)
    if uplink is None:
        raise DecodeError(refusal.BAD_TYPE)
    payload, counter, flags = listed.admit(uplink)
    return msgspec.structs.replace(
        frame,
        payload=payload,
        port=uplink.port,
        counter=counter,
        flags=flags,
        is_uplink=False,
    )


def recognise(
    registry: Registry, frame: Frame, listed: Listed
) -> tuple[LoadedDriver | None, Payload]:
    """Return who reads a frame, and what of it. Raises DecodeError for bad hexadecimal."""
    device = listed.device
    if frame.medium == "lora":
        return device.driver, unhex(frame.payload) if device.payload_hex else frame.payload
    if frame.polled:
        return device.poll, frame.payload
    before, listed.structures = listed.structures, frame.structures
    return registry.recognise(frame.structures, device.driver, before)


def read(
    driver: LoadedDriver, payload: Payload, sender: Sender, at_ns: int = 0
) -> tuple[tuple[Result, ...], int | None]:
    """Open what is sealed, decode, judge; with the packet counter for the link.

    Raises DecodeError, or RepeatError for a frame that was heard before.
    """
    flags, counter = unseal(driver, payload, sender, at_ns)
    return judge(driver.decode(payload, sender.context), flags), counter


def conclude(driver: LoadedDriver, outcome: Outcome, context: Context) -> tuple[Result, ...]:
    """Decode and judge what was made of a payload elsewhere. Raises DecodeError."""
    if isinstance(outcome, DecodeError):
        raise outcome
    return judge(driver.decode(outcome, context), ())


def unseal(
    driver: LoadedDriver, payload: Payload, sender: Sender, at_ns: int = 0
) -> tuple[tuple[str, ...], int | None]:
    """Ready the context for `decode`; return flags and packet counter. Raises as `read`."""
    context, key = sender.context, sender.key
    context.opened = None
    context.key = key.reveal() if key is not None and driver.needs_key else None
    sealed = seal_of(driver, payload, context)
    counter = driver.packet_counter(payload) if driver.packet_counter else None
    # A library that opens frames itself keeps its counters to itself, and forgets them.
    flags: tuple[str, ...] = REPLAY_POSSIBLE if context.key is not None else ()
    if sealed is not None:
        flags = sender.open(sealed)
        if sealed.counter is not None:
            return flags, sealed.counter
    elif key is not None and not driver.needs_key and driver.decode(payload, context):
        raise DecodeError(refusal.NOT_ENCRYPTED)
    if counter is not None:
        sender.number(driver.model, counter, at_ns)
    return flags, counter


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
