"""One frame tried on one codec, as the gateway would do it."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import msgspec

from gateway.conformance.checks import MisbehavedError, called
from gateway.conformance.examples import Sample, payload_of
from gateway.core import refusal, terms, vocabulary, wire
from gateway.core.refusal import DecodeError
from gateway.crypto import CcmKey
from gateway.decoding import Once, unseal
from gateway.driver import LoadedDriver, Payload
from gateway.foreign import READINGS
from gateway.model import Reading

REASONS: Final = frozenset(
    value for name, value in vars(refusal).items() if name.isupper() and isinstance(value, str)
)
_KINDS: Final = {"number": "a number", "integer": "a whole number", "string": "a text"}
MOST_READINGS: Final = 64  # docs/reference/schema.md, results


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a frame: readings and a counter, or a reason."""

    readings: Sequence[Reading] = ()
    counter: int | None = None
    reason: str = ""


def sender_of(driver: LoadedDriver, sample: Sample) -> Once:
    """Return who sends an example. Without its key it is decoded unopened."""
    key = CcmKey.from_text(sample.key) if sample.key else None
    # A driver that is for LoRa knows no address.
    address = bytes.fromhex(sample.address) if sample.address else b""
    return Once(address or (bytes(6) if driver.is_ble else b""), key, sample.port)


def attempt(driver: LoadedDriver, data: bytes, sample: Sample) -> Tried:
    """Open and decode. Raises MisbehavedError for anything but readings or a known reason."""
    return _tried(driver, lambda: _attempt(driver, data, sample))


def attempt_opened(driver: LoadedDriver, data: bytes, sample: Sample, clear: bytes) -> Tried:
    """Decode a frame whose clear text is given: who has the key can seal anything."""
    sender = sender_of(driver, sample)
    sender.context.opened = clear
    return _tried(
        driver, lambda: Tried(readings=_decoded(driver, payload_of(driver, data), sender))
    )


def _tried(driver: LoadedDriver, what: Callable[[], Tried]) -> Tried:
    try:
        return called(what, driver.file)
    except DecodeError as error:
        if error.reason not in REASONS:
            why = f"refused with {error.reason!r}, which is no reason of gateway.core.refusal"
            raise MisbehavedError(why) from None
        return Tried(reason=error.reason)


def _attempt(driver: LoadedDriver, data: bytes, sample: Sample) -> Tried:
    payload = payload_of(driver, data)
    _count(driver, payload)
    sender = sender_of(driver, sample)
    try:
        _, counter = unseal(driver, payload, sender)
    except DecodeError as error:
        if error.reason != refusal.NOT_ENCRYPTED:
            raise
        counter = None  # the gateway refuses it; the driver has to cope all the same
    return Tried(readings=_decoded(driver, payload, sender), counter=counter)


def _count(driver: LoadedDriver, payload: Payload) -> None:
    """Count a frame. Raises MisbehavedError, for a counter that raises anything, too."""
    count = driver.packet_counter
    if count is None:
        return
    try:
        counter = called(lambda: count(payload), driver.file)
    except DecodeError as error:
        what = f"packet_counter raised {error!r}, and may not raise"
        raise MisbehavedError(what) from None
    if counter is not None and (type(counter) is not int or counter < 0):
        what = f"packet_counter returned {counter!r}"
        raise MisbehavedError(what)


def _decoded(driver: LoadedDriver, payload: Payload, sender: Once) -> Sequence[Reading]:
    readings = driver.decode(payload, sender.context)
    for fault in faults(readings):
        raise MisbehavedError(fault)
    return readings


def faults(readings: Any) -> Iterator[str]:  # noqa: ANN401 - what a driver returned
    """Yield what is wrong with readings, whatever the frame was."""
    try:
        listed = msgspec.convert(readings, READINGS)
    except msgspec.ValidationError as error:
        yield f"returned {readings!r:.200}: {error}"
        return
    for name, value, scale, _ in listed:
        if not terms.known(name):
            yield f"{name!r} is no property of the vocabulary"
        elif not terms.fits(name, value, scale):
            kind = vocabulary.lookup(name).type
            yield f"{name} is {value!r} with scale {scale}, and has to be {_KINDS.get(kind, kind)}"
    keys = [(name, channel) for name, _, _, channel in listed]
    for name, channel in {key for key in keys if keys.count(key) > 1}:
        yield f"{name} {channel}".rstrip() + " stands in a frame twice: use channels"


def written(reading: Reading) -> tuple[Any, ...]:
    """Return a reading in the form of the file."""
    name, value, scale, channel = reading
    if isinstance(value, int) and not isinstance(value, bool):
        value = wire.decimal(value, scale)
    return (name, value, channel) if channel else (name, value)
