"""Frame -> Observation: admit, recognise, decode, observe.

Admission is done at once, inside the transport's call, and is cheap. What is admitted waits in a
bounded place: a Bluetooth device has one slot, in which its newest advertisement wins; LoRa
packets stand in a short queue. One task empties both, and pauses while delivery has no room: there
overload becomes `coalesced` instead of memory. Every frame ends in exactly one counter.
"""

import asyncio
import binascii
from collections import OrderedDict, deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Protocol

from gateway.admission import Device, Listed, RepeatError
from gateway.core import refusal, vocabulary
from gateway.core.refusal import DecodeError
from gateway.health import Health
from gateway.model import (
    Frame,
    Link,
    Observation,
    ObservationClass,
    Reading,
    Recovery,
    Result,
    Sealed,
    Stream,
)
from gateway.registry import LoadedDriver, Registry

QUEUE_FRAMES: Final = 1_000  # LoRa packets waiting: minutes of traffic of the fastest modem
BATCH_FRAMES: Final = 64  # decoded before the event loop gets its turn

_NOTHING: Final = Recovery()


class Sink(Protocol):
    """Where observations go: delivery."""

    @property
    def has_room(self) -> bool:
        """Whether another observation may be offered."""
        ...

    async def room(self) -> None:
        """Wait for room."""
        ...

    def offer(self, observation: Observation) -> None:
        """Take an observation over."""
        ...


class Pipeline:
    """Stops 2 to 4. To the transports it is the Intake."""

    def __init__(
        self,
        devices: Iterable[Device],
        *,
        registry: Registry,
        streams: Mapping[ObservationClass, Stream],
        sink: Sink,
        health: Health,
    ) -> None:
        self._devices = list(devices)
        self._registry = registry
        self._streams = streams
        self._sink = sink
        self._health = health
        self._frames = health.frames
        self._slots: OrderedDict[str, Frame] = OrderedDict()
        self._queue: deque[Frame] = deque()
        self._wake = asyncio.Event()
        health.waiting = self.waiting
        self._listed: dict[str, Listed] = {}
        self.restore(_NOTHING)

    # ----------------------------------------------------------------------------- replay counters
    def restore(self, recovery: Recovery) -> None:
        """Take the replay counters up where the store has them."""
        self._listed = {
            device.address: Listed(
                device, recovery.counters.get(device.address), restored=recovery.unclean
            )
            for device in self._devices
        }

    def counters(self) -> dict[str, int]:
        """Replay counter of each device that has one, for the store."""
        return {a: d.counter for a, d in self._listed.items() if d.counter is not None}

    # ------------------------------------------------------------------------------------- 2 admit
    def admits(self, address: str) -> bool:
        """Count one heard frame; False: not listed, forget it."""
        self._frames.heard += 1
        if address in self._listed:
            return True
        self._frames.unlisted += 1
        return False

    def hear(self, frame: Frame) -> None:
        """Let a frame of a listed device wait for its turn, or count why not."""
        listed = self._listed[frame.address]
        content = frame.structures or frame.payload
        at_ns = frame.heard_at_ns
        if listed.repeats(content, at_ns):
            self._frames.duplicate += 1
        elif not listed.spend(at_ns):
            self._frames.limited += 1
        elif self._wait(frame):
            listed.renew(content, at_ns)
            self._wake.set()

    def _wait(self, frame: Frame) -> bool:
        if frame.medium == "ble":
            self._frames.coalesced += frame.address in self._slots
            self._slots[frame.address] = frame
            return True
        if len(self._queue) < QUEUE_FRAMES:
            self._queue.append(frame)
            return True
        self._frames.limited += 1
        return False

    def waiting(self) -> int:
        """Frames admitted and not yet decoded."""
        return len(self._slots) + len(self._queue)

    # ------------------------------------------------------------------------------------ the task
    async def run(self) -> None:
        """Decode what waits, for ever, while delivery has room."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self.waiting():
                if not self._sink.has_room:
                    await self._sink.room()
                self.work(BATCH_FRAMES)
                if self.waiting():
                    await asyncio.sleep(0)  # transports and the uplink take their turn

    def work(self, most: int) -> None:
        """Decode up to `most` waiting frames; LoRa first, for its packets come once."""
        for _ in range(min(most, self.waiting())):
            self._process(self._queue.popleft() if self._queue else self._oldest_slot())

    def _oldest_slot(self) -> Frame:
        return self._slots.popitem(last=False)[1]

    # ------------------------------------------------------------------------------------ 3 decode
    def _process(self, frame: Frame) -> None:
        listed = self._listed[frame.address]
        try:
            driver, payload = self._recognise(frame, listed.device)
            if driver is None:
                self._frames.unknown += 1
                listed.merges = False
                return
            results, counter = _read(driver, payload, listed, frame.heard_at_ns)
        except DecodeError as error:
            self._frames.refuse(error.reason)
            listed.merges = False
        except RepeatError:
            self._frames.duplicate += 1
        else:
            self._observe(frame, listed, results, counter)

    def _recognise(self, frame: Frame, device: Device) -> tuple[LoadedDriver | None, bytes]:
        driver = device.driver
        if frame.medium == "lora":
            return driver, _unhex(frame.payload) if device.payload_hex else frame.payload
        for structure in frame.structures:
            if driver is None:
                found = self._registry.for_structure(*structure)
            else:
                found = driver if driver.claims(*structure) else None
            if found is not None:
                return found, structure[2]
        return None, b""

    # ----------------------------------------------------------------------------------- 4 observe
    def _observe(
        self, frame: Frame, listed: Listed, results: tuple[Result, ...], counter: int | None
    ) -> None:
        listed.merges = bool(results)
        if not results:
            self._frames.empty += 1
            return
        self._frames.decoded += 1
        device = listed.device
        stream = self._streams[device.klass]
        link = Link(frame.medium, frame.rssi_dbm, frame.snr_db, counter, listed.copies)
        listed.copies = 1
        observation = Observation(
            klass=device.klass,
            stream=stream.id,
            seq=stream.take(),
            device=device.urn,
            heard_at_ns=frame.heard_at_ns,
            results=results,
            link=link,
        )
        self._health.observations.observed += 1
        self._sink.offer(observation)


def _read(
    driver: LoadedDriver, payload: bytes, listed: Listed, at_ns: int
) -> tuple[tuple[Result, ...], int | None]:
    """Open what is sealed, decode, judge; with the packet counter for the link."""
    flags: tuple[str, ...] = ()
    context = listed.context
    context.opened = None
    sealed = driver.sealed(payload, context) if driver.sealed else None
    counter = driver.packet_counter(payload) if driver.packet_counter else None
    if sealed is not None:
        frame = Sealed(*sealed)
        counter, flags = frame.counter, listed.open(frame)
    elif listed.device.key is not None:
        raise DecodeError(refusal.NOT_ENCRYPTED)
    elif counter is not None:
        listed.number(driver.model, counter, at_ns)
    return judge(driver.decode(payload, context), flags), counter


def judge(readings: Sequence[Reading], flags: tuple[str, ...]) -> tuple[Result, ...]:
    """Give each reading its quality (docs/reference/schema.md): marked, never dropped."""
    try:
        return tuple([_judge(reading, flags) for reading in readings])
    except KeyError:  # what a foreign driver calls a property, and the vocabulary does not
        raise DecodeError(refusal.UNKNOWN_PROPERTY) from None


def _judge(reading: Reading, flags: tuple[str, ...]) -> Result:
    name, value, scale, channel = reading
    if value is None:
        return (name, None, 0, channel, "missing", flags)
    if not vocabulary.in_range(name, value, scale):
        return (name, value, scale, channel, "bad", ("out_of_range", *flags))
    return (name, value, scale, channel, "uncertain" if flags else "", flags)


def _unhex(payload: bytes) -> bytes:
    try:
        return binascii.unhexlify(payload.strip())
    except binascii.Error:
        raise DecodeError(refusal.BAD_HEX) from None
