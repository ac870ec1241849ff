"""Frame -> Observation: admit, recognise, decode, observe.

Admission is done at once, inside the transport's call, and is cheap. What is admitted waits in a
bounded place: a Bluetooth device has one slot, where its newest advertisement wins as soon as more
wait than the next turn decodes; LoRa packets, and all that a device of class event says, stand in
a short queue. One task empties both, and pauses while delivery has no room: there overload becomes
`coalesced` instead of memory. Every frame ends in exactly one counter.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, Protocol

from gateway.admission import Device, Listed
from gateway.core import refusal
from gateway.core.judgement import mark
from gateway.core.policy import thinning_ns
from gateway.core.refusal import DecodeError
from gateway.core.replay import RepeatError
from gateway.decoding import conclude, opened, read, recognise
from gateway.driver import LoadedDriver, Payload
from gateway.elsewhere import Back, Elsewhere
from gateway.health import Health
from gateway.model import (
    Frame,
    Level,
    Link,
    Observation,
    ObservationClass,
    Recovery,
    Result,
    Stream,
)
from gateway.registry import Registry
from gateway.roster import Listing, Roster

QUEUE_FRAMES: Final = 1_000  # LoRa packets waiting: minutes of traffic of the fastest modem
BATCH_FRAMES: Final = 64  # decoded before the event loop gets its turn
# After a quiet moment a frame is decoded at once; while they keep coming, those of so long, or
# until the sink lets more go, go together: one by one each finds cold caches and costs far more.
TOGETHER_S: Final = 0.005
LONG_S: Final = 0.02  # at most
PARTING_S: Final = 1.0  # for what is decoded elsewhere when the agent ends
PATIENCE_S: Final = 5.0  # between two signs of life while delivery has no room


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
        """Take an observation over; it need not go before `flush`."""
        ...

    def flush(self) -> float:
        """Let go what was offered; return in how many s more will be let go, 0 or less for now."""
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
        self.on_observation: Callable[[Observation], None] = _ignore
        self._registry = registry
        self._streams = streams
        self._sink = sink
        self._health = health
        self._frames = health.frames
        self._boot_ns = health.clock.boot_ns
        self._slots: OrderedDict[str, Frame] = OrderedDict()
        self._queue: deque[Frame] = deque()
        self._elsewhere = Elsewhere(self._go_on)
        self._loop: asyncio.AbstractEventLoop | None = None  # while `run` runs
        self._due: asyncio.Handle | None = None  # the turn to come
        self._next_turn_s = 0.0  # the event loop's time before which it only comes for many
        self._full = asyncio.Event()
        self._pulse = health.vitals.pulse("pipeline", self._full.set)
        self._roster = Roster(devices)
        self._listed = self._roster.by_address
        health.waiting = self.waiting

    # ------------------------------------------------------------------------------ listed devices
    def restore(self, recovery: Recovery) -> None:
        """Take the replay counters up where the store has them; before anything is heard."""
        self._roster.restore(recovery)

    def relist(self, devices: Iterable[Device]) -> None:
        """List other devices from now on; of those listed before and after nothing is lost.

        What waits of a device no longer listed was heard, and now it is nobody's: `unlisted`.
        """
        gone = self._roster.relist(devices)
        waited = self.waiting()
        self._queue = deque(frame for frame in self._queue if frame.address in self._listed)
        for address in gone:
            self._slots.pop(address, None)
        self._frames.unlisted += waited - self.waiting()

    def counters(self) -> dict[str, int]:
        """Return all replay counters worth keeping; what a store has besides may go."""
        return self._roster.counters()

    def to_keep(self) -> dict[str, int]:
        """Return these, and under which keys they were counted."""
        return self._roster.to_keep()

    def last_heard(self, address: str) -> int | None:
        """Return when a listed device was last heard (boot time, ns), repeats too; or None."""
        return self._roster.last_heard(address)

    def listed(self) -> Iterator[Listing]:
        """Yield every listed device, in the order of the configuration."""
        return self._roster.listings()

    # ------------------------------------------------------------------------------------- 2 admit
    def lists(self, address: str) -> bool:
        """Whether a device is listed; nothing is counted."""
        return address in self._listed

    def admits(self, address: str, content: object, rssi_dbm: int | None = None) -> int | None:
        """Count one heard frame; when that was if it may be handed over, None to forget it."""
        frames = self._frames  # most frames end here, unlisted or a repeat: this is for them
        frames.heard += 1
        listed = self._listed.get(address)
        if listed is None:
            frames.unlisted += 1
            return None
        listed.heard_at_ns = at_ns = self._boot_ns()
        listed.rssi_dbm = rssi_dbm
        if content == listed.content and at_ns < listed.content_until_ns:
            listed.copies += listed.merges
            frames.duplicate += 1
            return None
        return at_ns if self._affords(listed, at_ns) else None

    def wants(self, address: str) -> bool:
        """Whether a poll would be of use now: there is room for what it brings."""
        listed = self._listed.get(address)
        if listed is None or not self._sink.has_room or self.waiting() >= BATCH_FRAMES:
            return False
        return not self._thins(listed, self._boot_ns())

    def _affords(self, listed: Listed, at_ns: int) -> bool:
        if self._thins(listed, at_ns):
            self._frames.thinned += 1
            return False
        if not listed.spend(at_ns):
            self._frames.limited += 1
            return False
        return True

    def _thins(self, listed: Listed, at_ns: int) -> bool:
        """Whether the backlog is too full for another observation of this device so soon."""
        level = self._health.level
        if level is Level.NORMAL or listed.device.klass != "routine":
            return False
        return listed.too_soon(thinning_ns(level), at_ns)

    def sender(self, uplink: bytes) -> str:
        """Return the address whose LoRaWAN uplink this is; nothing is counted."""
        return self._roster.sender(uplink)

    def hear(self, frame: Frame) -> None:
        """Let an admitted frame wait for its turn."""
        listed = self._listed[frame.address]
        if not self._wait(frame, listed.device):
            return
        listed.renew(frame.content, frame.heard_at_ns)
        self._go_on()

    def _go_on(self) -> None:
        """See that what waits gets its turn, while there are turns."""
        if self._loop is not None:
            self._come(self._loop)

    def _come(self, loop: asyncio.AbstractEventLoop) -> None:
        """See that a turn is to come: at once after a quiet moment, or when many wait."""
        if self._due is None:
            self._due = loop.call_at(self._next_turn_s, self._turn)
        elif self._ready() == BATCH_FRAMES:
            self._due.cancel()
            self._due = loop.call_soon(self._turn)

    def _wait(self, frame: Frame, device: Device) -> bool:
        if frame.medium == "ble" and not frame.polled and device.klass != "event":
            if frame.address in self._slots:
                self._give_way(self._slots[frame.address])
            self._slots[frame.address] = frame
            return True
        if len(self._queue) < QUEUE_FRAMES:
            self._queue.append(frame)
            return True
        self._frames.limited += 1
        return False

    def _give_way(self, older: Frame) -> None:
        """Clear a slot: what waits for its turn alone, and has a place in that, goes there too."""
        if self._due is not None and self._ready() < BATCH_FRAMES and self._sink.has_room:
            self._queue.append(older)
        else:
            self._frames.coalesced += 1

    def waiting(self) -> int:
        """Frames admitted and not yet decoded."""
        return len(self._slots) + len(self._queue) + len(self._elsewhere)

    def _ready(self) -> int:
        """Of those waiting, the ones that wait for nothing but their turn."""
        return len(self._slots) + len(self._queue) + len(self._elsewhere.back)

    # ------------------------------------------------------------------------------------ the task
    async def run(self) -> None:
        """Decode what waits, for ever, while delivery has room."""
        self._loop = asyncio.get_running_loop()
        try:
            self._turn()
            while True:
                self._pulse.beat()
                await self._full.wait()
                self._full.clear()
                await self._room()
                self._turn()
        finally:
            self._loop = None

    async def _room(self) -> None:
        """Wait for room; it may take as long as the broker and the disk want, and is in order."""
        while not self._sink.has_room:
            self._pulse.beat()
            try:
                async with asyncio.timeout(PATIENCE_S):
                    await self._sink.room()
            except TimeoutError:
                pass  # a sign of life is due

    def _turn(self) -> None:
        """Decode a batch, and the next one after transports and the uplink had their turn."""
        # A callback and no task: on a quiet gateway it comes for nearly every frame, and a task
        # would cost as much as decoding one.
        if self._due is not None:
            self._due.cancel()
            self._due = None
        if self._loop is None:  # `run` has ended
            return
        if not self._sink.has_room:
            self._full.set()
            return
        self.work(BATCH_FRAMES)
        self._next_turn_s = self._loop.time() + min(max(TOGETHER_S, self._sink.flush()), LONG_S)
        if self._ready():
            self._due = self._loop.call_soon(self._turn)

    def work(self, most: int) -> None:
        """Decode up to `most` waiting frames; LoRa and polls first, for these come once."""
        for _ in range(min(most, self._ready())):
            if self._elsewhere.back:
                self._take_back(self._elsewhere.back.popleft())
                continue
            frame = self._queue.popleft() if self._queue else self._slots.popitem(last=False)[1]
            (self._answer if frame.polled else self._process)(frame)

    async def finish(self) -> None:
        """After `run` has ended: decode what waits, and take back what comes in a moment.

        What does not come back in it is `limited`: there was no more time for it.
        """
        self.work(self.waiting())
        await self._elsewhere.all_back(PARTING_S)
        self.work(self.waiting())
        self._frames.limited += self._elsewhere.give_up()

    # ------------------------------------------------------------------------------------ 3 decode
    def _answer(self, frame: Frame) -> None:
        """Process what a poll brought: no copy of the advertisements around it, nor they of it."""
        listed = self._listed[frame.address]
        before = (listed.copies, listed.merges)
        listed.copies = 1
        self._process(frame)
        listed.copies, listed.merges = before

    def _process(self, frame: Frame) -> None:
        listed = self._listed[frame.address]
        if self._thins(listed, frame.heard_at_ns):  # meanwhile the level rose, or one came
            self._frames.thinned += 1
            listed.merges = False
            return
        try:
            self._decode(opened(frame, listed) if frame.medium == "lora" else frame, listed)
        except DecodeError as error:
            self._refuse(listed, error)
        except RepeatError:
            self._frames.duplicate += 1

    def _decode(self, frame: Frame, listed: Listed) -> None:
        """Decode a frame here, or have it done elsewhere. Raises DecodeError, RepeatError."""
        if frame.says_nothing:
            self._observe(frame, listed, (), frame.counter)
            return
        driver, payload = recognise(self._registry, frame, listed)
        if driver is None:
            self._frames.unknown += 1
            listed.merges = False
        elif driver.offload is not None:
            self._hand_out(driver, frame, payload, listed)
        else:
            results, counter = read(driver, payload, listed, frame.heard_at_ns)
            listed.model = driver.model
            self._observe(frame, listed, results, counter)

    def _refuse(self, listed: Listed, error: DecodeError) -> None:
        if error.reason == refusal.BAD_MIC:
            listed.give_back()
        self._frames.refuse(error.reason)
        self._health.notify("refused", ("device", listed.device.urn), ("reason", error.reason))
        listed.merges = False

    def _hand_out(
        self, driver: LoadedDriver, frame: Frame, payload: Payload, listed: Listed
    ) -> None:
        """Have a payload decoded elsewhere, where there is room for another."""
        if isinstance(payload, bytes) and self._elsewhere.hand_out(driver, frame, payload):
            return
        self._frames.limited += 1
        listed.merges, listed.content = False, None  # the same again is no repeat of anything

    def _take_back(self, back: Back) -> None:
        """Go on with a frame that was decoded elsewhere; its device may have changed meanwhile."""
        frame, driver = back.frame, back.driver
        listed = self._listed.get(frame.address)
        if listed is None:
            self._frames.unlisted += 1
        elif self._thins(listed, frame.heard_at_ns):
            self._frames.thinned += 1
            listed.merges = False
        else:
            try:
                results = conclude(driver, back.outcome, listed.context)
            except DecodeError as error:
                self._refuse(listed, error)
            else:
                listed.model = driver.model
                self._observe(frame, listed, results, None)

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
        link = Link(
            medium=frame.medium,
            rssi_dbm=frame.rssi_dbm,
            snr_db=frame.snr_db,
            frame_counter=counter if frame.counter is None else frame.counter,
            copies=listed.copies,
            spreading_factor=frame.spreading_factor,
            frequency_hz=frame.frequency_hz,
        )
        listed.copies = 1
        observation = Observation(
            klass=device.klass,
            stream=stream.id,
            seq=stream.take(),
            device=device.urn,
            heard_at_ns=frame.heard_at_ns,
            results=mark(results, frame.flags),
            link=link,
        )
        listed.last = observation
        listed.observations += 1
        self._health.observations.observed += 1
        self._sink.offer(observation)
        self.on_observation(observation)


def _ignore(_observation: Observation) -> None:
    """Nobody has hung in yet."""
