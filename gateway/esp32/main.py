"""The agent on an ESP32: its tasks, and what they tell each other.

    Frame -> Observation -> bundle -> PUBACK        the Pi's stops, policy, drivers and messages

Whatever ends a task is a bug or a want of memory: what waits is put on the flash, the cause is
said, and the board starts anew.
"""

import asyncio
import gc
import sys

from gateway.esp32 import console, overlay

TYPE_CHECKING = False  # MicroPython has no typing; the build leaves all of this out
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Iterator
    from typing import Any

    from gateway.esp32.ble import Scanner
    from gateway.esp32.clock import Clock
    from gateway.esp32.delivery import Delivery
    from gateway.esp32.devices import Device
    from gateway.esp32.link import Link
    from gateway.esp32.losses import Losses
    from gateway.esp32.pipeline import Counts, Intake
    from gateway.esp32.settings import Site
    from gateway.esp32.uart import Port
    from gateway.esp32.uplink import Uplink
    from gateway.esp32.vitals import Vitals

_ROUND_MS = 1_000
_LOOK_MS = 10_000
_HEARTBEAT_MS = 60_000
_JITTER = 6_000
_SYNC_MS = 1_024_000  # between two askings of a time server that answered
_SYNC_AGAIN_MS = 4_000  # without an answer; twice as long each time (RFC 4330, 10)
_STEP_MS = 1_000  # a clock that is corrected by more has stepped
_KEEP_MS = 900_000  # between two writings of replay counters
_MOST_EVENTS = 16
_MOST_REFUSALS = 16
_WRITABLE = 40  # looks, of 50 ms
_LITTER = 4096  # bytes made between two collections: what lives stands close together then
_STAY = (2, 3)  # of what runs, at the end: network and uplink


class Agent:
    """The parts, as assemble.py makes them, and what overlays look at."""

    site: "Site"
    clock: "Clock"
    counts: "Counts"
    link: "Link"
    uplink: "Uplink"
    delivery: "Delivery"
    intake: "Intake"
    vitals: "Vitals"
    radios: "list[Scanner | Port]"
    runs: "list[Callable[[], Coroutine[Any, Any, None]]]"
    tasks: "list[asyncio.Task[None]]"
    streams: dict[str, str]
    session: int
    session_end: int  # sessions from here on are not reserved
    previous: "list[tuple[str, str, bool, int]]"
    losses: "Losses"
    update: "dict[str, Any] | None" = None  # a new version that is being fetched
    meta_due = True
    previous_due = True  # whether the next run is still to tell `previous`
    ready: bool | None = False  # whether a message was acknowledged; None: and that was said
    believed_since_ms = status_ms = looked_ms = sync_ms = 0
    keep_ms = _KEEP_MS
    unsynced_ms = _SYNC_AGAIN_MS
    fault = ""

    def __init__(self, root: str) -> None:
        self.root = root
        self.events: list[tuple[str, int, tuple[object, ...]]] = []
        self.letters: dict[int, tuple[Any, ...]] = {}  # on their way: packet id -> what it tells
        self.told_at: dict[str, int] = {}  # stream -> when a loss range of it was told
        self.told_up: dict[str, bool] = {}
        self.listening: dict[str, int] = {}
        self.refusals: dict[tuple[str, str], tuple[int, int]] = {}
        self.mail: dict[object, tuple[bytes, bytes]] = {}
        self.wake = asyncio.Event()

    # ----------------------------------------------------------------------------- what there is
    def transports(self) -> "Iterable[Scanner | Port]":
        """Return the sources of frames."""
        return self.radios

    def devices(self) -> "Iterable[Device]":
        """Return the listed devices."""
        return self.intake.devices.values()

    def beats(self, number: int) -> "Callable[[], None]":
        """Return what a task calls to show that it lives."""
        return lambda: self.vitals.beat(number)

    def counters(self) -> "list[tuple[str, int]]":
        """Return the terms of both laws of one moment: the radio interrupts."""
        while True:
            heard = self.counts.heard
            terms = list(self._terms())
            if heard == self.counts.heard:
                return terms

    def _terms(self) -> "Iterator[tuple[str, int]]":
        counts, delivery = self.counts, self.delivery
        waiting = self.intake.waiting
        for radio in self.radios:
            waiting += radio.waiting()
        for name in ("heard", "unlisted", "duplicate", "limited", "coalesced", "thinned"):
            yield name, getattr(counts, name)
        yield "unknown", counts.unknown
        for reason in sorted(counts.refused):
            yield "refused." + reason, counts.refused[reason]
        yield "empty", counts.empty
        yield "waiting", waiting
        for name in ("decoded", "recovered", "observed", "delivered"):
            yield name, getattr(counts, name)
        yield "setAside", 0
        yield "dropped", counts.dropped
        yield "inMemory", delivery.in_memory()
        yield "inBacklog", delivery.in_backlog()
        yield "unheard", 0

    # -------------------------------------------------------------------------------- what happens
    def notify(self, kind: str, *fields: object) -> None:
        """Have an event told; of too many the oldest goes."""
        if len(self.events) >= _MOST_EVENTS:
            self.events.pop(0)
        self.events.append((kind, self.clock.now(), fields))

    def refused(self, urn: str, reason: str) -> None:
        """Hear of a refused frame: the first is told at once, then how many."""
        pair = (urn, reason)
        if pair not in self.refusals and len(self.refusals) == _MOST_REFUSALS:
            return
        count, until = self.refusals.get(pair, (0, 0))
        self.refusals[pair] = (count + 1, until)

    def up(self) -> None:
        """Hear that there is a connection."""
        console.say("broker connected", session=self.session)
        self.status_ms = 0
        self.wake.set()
        self.delivery.on_up()

    def down(self) -> None:
        """Hear that it is gone: what was not acknowledged is due again."""
        console.say("broker gone", cause=self.uplink.cause)
        self.delivery.on_down()
        for letter in self.letters.values():
            self._again(*letter)
        self.letters.clear()
        self.session += 1
        self.renew_will()

    def _again(self, what: str, subject: "Any" = None) -> None:  # noqa: ANN401 - by what it is
        if what == "event":
            self.events.insert(0, subject)
        elif what == "loss":
            self.told_at.pop(subject[0], None)
        elif what == "state":
            subject.state_due = True
        elif what == "announcement":
            subject.meta_due = True
        elif what == "meta":
            self.meta_due = True

    def acknowledged(self, pid: int) -> None:
        """Hear of a PUBACK."""
        if self.ready is False:
            self.ready = True
        if self.delivery.acknowledged(pid):
            self.intake.work()
            return
        if pid in self.letters:
            self._arrived(*self.letters.pop(pid))

    def _arrived(self, what: str, subject: "Any" = None) -> None:  # noqa: ANN401 - by what it is
        if what == "loss":
            self.losses.told(subject)
        try:
            if what == "status" and self.previous_due:
                self.previous_due = False
                overlay.run("journal", "forget_previous", self.root)
        except OSError:
            pass  # the flash cannot be written: it will be told once more

    def heard(self, topic: bytes, payload: bytes) -> None:
        """Take a message of the broker's: an offer of another version, or a piece of it."""
        self.mail[topic.endswith(b"/update")] = (topic, payload)

    async def writable(self) -> bool:
        """Wait a little until a packet may be begun; whether it may."""
        for _ in range(_WRITABLE):
            if self.uplink.can_send or not self.uplink.up:
                break
            await asyncio.sleep_ms(50)
        return self.uplink.can_send

    # ----------------------------------------------------------------------------------- the tasks
    async def deliver(self) -> None:
        """Let delivery do what falls due."""
        while True:
            self.vitals.beat(0)
            pause = self.delivery.tick()
            if self.intake.waiting:
                self.intake.work()
            await asyncio.sleep_ms(pause)

    async def look_after(self) -> None:
        """Do what is done now and then, each in an overlay of its own."""
        trial = True
        while True:
            self.vitals.beat(1)
            self.vitals.flashes = self._flashes()
            await self._synchronise()
            now = self.clock.now()
            if now - self.looked_ms >= _LOOK_MS:
                await overlay.arun("vigil", "look", self)
            if self.uplink.up:
                await self._tell(now)
            if self._is_poll_due(now):
                await overlay.arun("poll", "work", self)
            self.losses.write()
            if now >= self.keep_ms:
                self._keep_counters(now)
            trial = trial and self._judge_trial()
            if self.update is not None or self.mail:
                await self._update()
            self.wake.clear()
            try:
                await asyncio.wait_for_ms(self.wake.wait(), _ROUND_MS)
            except asyncio.TimeoutError:  # noqa: UP041 - MicroPython's is another
                pass  # a round is due

    def _is_poll_due(self, now: int) -> bool:
        for device in self.devices():  # noqa: SIM110 - a generator takes more
            if device.poll_s and now >= device.poll_ms:
                return True
        return False

    def _flashes(self) -> int:
        if not self.link.up:
            return 1
        if not self.uplink.up:
            return 2
        troubled = [radio for radio in self.radios if radio.state != "up"]
        return 3 if troubled or self.delivery.store_state != "ok" else 0

    async def _synchronise(self) -> None:
        clock, asked = self.clock, self.site.time
        if not self.link.up or clock.now() < self.sync_ms:
            return
        before, was = clock.offset_ms or 0, clock.state()
        whom, port, dns = asked["servers"], asked["port"], self.link.dns()
        synced = await overlay.arun("sntp", "query", whom, port, clock, dns)
        if not synced:
            self.sync_ms = clock.now() + self.unsynced_ms
            self.unsynced_ms = min(2 * self.unsynced_ms, _SYNC_MS)
            return
        self.unsynced_ms = _SYNC_AGAIN_MS
        self.sync_ms = clock.now() + _SYNC_MS
        if was == "unsynced":
            self.believed_since_ms = clock.now()
            console.say("time is known")
        step = (clock.offset_ms or 0) - before
        if before and abs(step) > _STEP_MS:
            self.notify("clock.step", "byMs", step)

    async def _tell(self, now: int) -> None:
        if now >= self.status_ms and await self.writable():
            self.letters[overlay.run("status", "publish", self, True)] = ("status",)
            self.status_ms = now + _HEARTBEAT_MS - now % _JITTER
        if self._has_news(now):
            try:
                await overlay.arun("bulletin", "work", self)
            except MemoryError:
                pass  # it is due still, and observations go first
        if self.ready:
            self.ready = None  # said once
            console.say(
                "READY",
                gateway=self.site.gateway,
                session=self.session,
                software=self.site.software,
            )

    def _has_news(self, now: int) -> bool:
        if self.events or self.losses.untold or self.meta_due:
            return True
        for device in () if self.delivery.congested() else self.devices():
            if device.has_news(now):
                return True
        return False

    def _keep_counters(self, now: int) -> None:
        self.keep_ms = now + _KEEP_MS
        counters = overlay.run("roster", "kept", self.devices())
        try:
            if counters:
                overlay.run("journal", "keep_counters", self.root, counters)
        except OSError:
            pass  # the flash cannot be written: those kept before are still there

    async def _update(self) -> None:
        said = await overlay.arun("offer" if True in self.mail else "update", "work", self)
        if said == "installed":
            self.fault = "another version is to be tried"
        elif said:
            console.say(said)

    def _judge_trial(self) -> bool:
        verdict = overlay.run(
            "slots", "judge", self.root, self.ready is not False, self.clock.now()
        )
        if verdict == "failed":
            self.fault = "the new version reached no broker"
        return verdict == "trial"

    # ------------------------------------------------------------------------------------ its end
    async def _guard(self, number: int, task: "Coroutine[Any, Any, None]") -> None:
        try:
            await task
        except Exception as error:  # noqa: BLE001 - whatever it is, the board starts anew
            sys.print_exception(error)
            self.fault = f"{self.vitals.names[number]}: {error!r}"

    async def run(self) -> None:
        """Run until something is wrong, then end in order."""
        from gateway.esp32.assemble import build

        build(self)
        del build, sys.modules["gateway.esp32.assemble"], sys.modules["gateway.esp32"].assemble
        self.renew_will()
        self.tasks = [
            asyncio.create_task(self._guard(number, run()))
            for number, run in enumerate(self.runs)  # in the order of assemble.py
        ]
        self.tasks.append(asyncio.create_task(console.run(self)))
        self.tasks.append(asyncio.create_task(self.vitals.run()))
        while not self.fault:
            gc.collect()
            await asyncio.sleep_ms(500)
        await self.restart(self.fault)

    def renew_will(self) -> None:
        """Have the broker given what it is to say when the connection to come is lost."""
        if self.session >= self.session_end:
            try:
                self.session = overlay.run("journal", "reserve", self.root)
            except OSError:
                pass  # better numbers that may come again than no connection
            self.session_end = self.session + 100
        will = overlay.run("status", "will", self, self.session)
        self.uplink.set_last_will(self.site.root + "/status", will, True, 1)

    async def restart(self, cause: str) -> None:
        """Keep what waits, say farewell, start anew; first of all, see that there is memory."""
        import machine

        for number in range(len(self.runs)):
            if number not in _STAY:
                self.tasks[number].cancel()
        self.mail, self.update = {}, None
        gc.collect()
        try:
            if await self.close() and await self.writable():
                overlay.run("status", "publish", self, False)
                await self.uplink.close()  # with DISCONNECT: else the will would take its place
            overlay.run("restart", "note", cause)
        finally:
            machine.reset()

    async def close(self) -> bool:
        """Keep what waits; False: something is lost, so streams end as after a crash."""
        is_kept = await self.delivery.close()
        self.losses.write(True)
        counters = overlay.run("roster", "kept", self.devices())
        self.intake.devices = {}  # what a PUBACK makes room for would come behind the end
        ends = {stream: self.delivery.next_seq(klass) for klass, stream in self.streams.items()}
        try:
            if is_kept:
                overlay.run("journal", "close", self.root, ends, counters)
            else:
                overlay.run("journal", "keep_counters", self.root, counters)
        except OSError:
            return False
        return is_kept


def run(root: str = "") -> None:
    """Run the agent on the files below `root`; it ends by a reset, or by Ctrl-C at the console."""
    gc.threshold(_LITTER)
    asyncio.run(Agent(root).run())
