"""Observation -> PUBACK: bundle, live lane, keep, replay lane, settle.

Write-behind with a deadline: the disk is touched only by what the broker has not taken in time.

An observation is *accepted* once the broker has acknowledged it or it is committed to the backlog.
Being in flight is no place in the books: a commit does not withdraw what is in flight, and an
acknowledgement during a commit settles at once.

Sending is synchronous: whoever makes it possible (an observation, a PUBACK, a connection, a timer)
calls `pump`, which sends what may be sent. The window is `Sender`'s, the store is `Keeper`'s, the
sums are in `Books`.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from gateway.books import Books, Loss, Parcel
from gateway.bundle import MAX_OBSERVATIONS, Packer, Renderer, pack
from gateway.core import policy
from gateway.health import Health
from gateway.keeper import Keeper, KeepLimits
from gateway.model import Lane, Observation, Recovery, Stream
from gateway.rim import Rim
from gateway.sender import Sender, SendLimits

NS: Final = 1_000_000_000
SHUTDOWN_S: Final = 2.0  # to settle what is in flight at the end


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers of docs/explanation/delivery.md."""

    pace_ns: int = 20_000_000
    live_max_age_ns: int = 60 * NS
    send: SendLimits = SendLimits()
    keep: KeepLimits = KeepLimits()


class Delivery:
    """Stops 5 to 8. To the pipeline it is the Sink."""

    def __init__(
        self,
        limits: Limits,
        *,
        rim: Rim,
        health: Health,
        renderer: Renderer,
        streams: Iterable[Stream],
    ) -> None:
        self._limits = limits
        self._clock = rim.clock
        self._uplink = rim.uplink
        self._streams = list(streams)
        # Events go first wherever both classes wait.
        self._packers = {
            stream.klass: Packer(stream.klass, rim.clock)
            for stream in sorted(self._streams, key=lambda stream: stream.klass)
        }
        self._books = Books(health.observations)
        self._live: OrderedDict[tuple[str, int], Parcel] = OrderedDict()
        self._replay: deque[Parcel] = deque()
        self._next_publish_ns = 0
        self._pace_timer: asyncio.TimerHandle | None = None
        self._room = asyncio.Event()
        self._quiet = asyncio.Event()
        self._closing = False
        self.sender = Sender(limits.send, rim=rim, renderer=renderer, health=health)
        self.keeper = Keeper(limits.keep, rim=rim, books=self._books)
        self.sender.owner = self
        self.keeper.desk = self
        health.in_memory = self.in_memory
        health.in_backlog = self.in_backlog

    # --------------------------------------------------------------------------------------- books
    def in_memory(self) -> int:
        """Observations unsettled and not committed."""
        return self._books.in_memory + sum(len(packer) for packer in self._packers.values())

    def in_backlog(self) -> int:
        """Observations committed and unsettled."""
        return self._books.in_backlog

    @property
    def losses(self) -> Sequence[Loss]:
        """The latest loss ranges."""
        return tuple(self._books.losses)

    def settled_below(self, stream: Stream) -> int:
        """Return below which number all of the stream is settled or in a loss range."""
        packer = self._packers[stream.klass]
        unsettled = [stream.next_seq]
        if len(packer):
            unsettled.append(packer.first_seq)
        lowest = (self._books.lowest(stream.id), self.keeper.floor(stream.id))
        return min(unsettled + [number for number in lowest if number is not None])

    # ------------------------------------------------------------------------------------ 5 bundle
    @property
    def has_room(self) -> bool:
        """Whether another observation may be offered."""
        return self.keeper.has_room

    async def room(self) -> None:
        """Wait until there is room: a commit or PUBACKs make it."""
        while not self.has_room:
            self._room.clear()
            await self._room.wait()

    def relieved(self) -> None:
        """Hear that there may be room again."""
        self._room.set()

    def offer(self, observation: Observation) -> None:
        """Take an observation over; from here on it is in the books."""
        packer = self._packers[observation.klass]
        entry = pack(observation)
        if not packer.fits(entry, self.sender.max_bundle_bytes):
            self._seal(packer)
        packer.add(observation, entry)
        if len(packer) >= MAX_OBSERVATIONS:
            self._seal(packer)
        self.pump()
        self.keeper.offered()

    def _seal(self, packer: Packer) -> None:
        parcel = self._books.enter(packer.seal())
        self._live[parcel.bundle.key] = parcel

    # -------------------------------------------------------------------------------------- 6 send
    def pump(self) -> None:
        """Send what may be sent: live first, then replay, but for the slot that is replay's."""
        while self._send_live() or self._send_replay():
            pass

    def _send_live(self) -> bool:
        if not self.sender.may_send(Lane.LIVE, live_waiting=True):
            return False
        if self._next_replay() is not None and self.sender.replays_turn():
            return False
        parcel = self._first_fresh()
        if parcel is None and self._seal_open():
            parcel = self._first_fresh()
        if parcel is None:
            return False
        del self._live[parcel.bundle.key]
        self._next_publish_ns = policy.next_publish_ns(self._clock.boot_ns(), self._limits.pace_ns)
        self.sender.send(parcel, Lane.LIVE)
        return True

    def _first_fresh(self) -> Parcel | None:
        for parcel in self._live.values():
            if not self._is_old(parcel):
                return parcel
        return None

    def _is_old(self, parcel: Parcel) -> bool:
        age_ns = self._clock.boot_ns() - parcel.bundle.entries[0].heard_at_ns
        return policy.lane(age_ns, self._limits.live_max_age_ns) == policy.REPLAY

    def _seal_open(self) -> bool:
        """Seal open bundles if the pace allows such that are not full; else come back then.

        All of them: with events in each, routine would wait until it is late and costs a write.
        """
        wait_ns = 0 if self._closing else self._next_publish_ns - self._clock.boot_ns()
        if wait_ns > 0 and self._pace_timer is not None:
            return False
        if self.oldest_open_ns() is None:
            return False
        if wait_ns > 0:
            loop = asyncio.get_running_loop()
            self._pace_timer = loop.call_later(wait_ns / NS, self._paced)
            return False
        self.seal_all()
        return True

    def _paced(self) -> None:
        self._pace_timer = None
        self.pump()

    def _send_replay(self) -> bool:
        parcel = self._next_replay()
        if parcel is None:
            return False
        fresh = self._first_fresh() is not None
        if not self.sender.may_send(Lane.REPLAY, live_waiting=fresh):
            return False
        if self._live.pop(parcel.bundle.key, None) is None:
            self._replay.popleft()
        self.sender.send(parcel, Lane.REPLAY)
        return True

    def _next_replay(self) -> Parcel | None:
        """Return what grew old in memory, which is sorted by age, else what the backlog gave."""
        if self._live:
            oldest = next(iter(self._live.values()))
            if self._is_old(oldest):
                return oldest
        return self._replay[0] if self._replay else None

    def on_up(self) -> None:
        """Hear that the broker is there."""
        self.sender.opened()
        self.pump()
        self.keeper.replay_ready()

    def on_down(self) -> None:
        """Hear that it is gone: rows go back to the backlog, memory waits as it is."""
        self.keeper.give_back(self._replay)
        self._replay.clear()

    # ------------------------------------------------------------------------------- 7 keep (desk)
    def oldest_open_ns(self) -> int | None:
        """When the oldest observation of an open bundle was heard."""
        return min((p.heard_at_ns for p in self._packers.values() if len(p)), default=None)

    def seal_all(self) -> None:
        """Close open bundles and enter them into the books."""
        for packer in self._packers.values():
            if len(packer):
                self._seal(packer)

    def committed(self, parcels: Sequence[Parcel]) -> None:
        """Leave what is durable now to the replay lane."""
        for parcel in parcels:
            self._live.pop(parcel.bundle.key, None)

    def dropped(self, parcel: Parcel) -> None:
        """Forget a parcel that was given up."""
        self._live.pop(parcel.bundle.key, None)

    def wanted_rows(self) -> int:
        """How many rows the replay lane could use."""
        if not self._uplink.connected or self._closing:
            return 0
        waiting = len(self._replay)
        return 2 * self.sender.window - waiting if waiting <= self.sender.window else 0

    def leased(self, parcels: Sequence[Parcel]) -> None:
        """Take parcels for the replay lane, unless the connection went meanwhile."""
        if self._uplink.connected and not self._closing:
            self._replay.extend(parcels)
            self.pump()
        else:
            self.keeper.give_back(parcels)

    # ------------------------------------------------------------------------------------ 8 settle
    def ended(self, parcel: Parcel, *, acknowledged: bool) -> None:
        """Settle a parcel, or put it back where it was."""
        if acknowledged:
            self._books.settle(parcel)
            self.keeper.settled()
            self._room.set()
        elif parcel.row is None:
            self._wait_again(parcel)
        else:
            self.keeper.give_back([parcel])
        if parcel.row is not None or not self._replay:
            self.keeper.replay_ready()
        if not self.sender.in_flight:
            self._quiet.set()

    def _wait_again(self, parcel: Parcel) -> None:
        """Put a parcel back before those heard later: the last live one counts as the newest."""
        self._live[parcel.bundle.key] = parcel
        self._live = OrderedDict(sorted(self._live.items(), key=_heard_first))

    # ----------------------------------------------------------------------------------------- end
    async def run(self) -> None:
        """Run the two tasks that deal with the store, until `settle_rest`."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.keeper.keep(), name="keep")
            group.create_task(self.keeper.refill(), name="refill")

    def recover(self, recovery: Recovery) -> None:
        """Enter what the store held at start."""
        self._books.recover(recovery.observations)

    async def settle_rest(self) -> None:
        """Send what is left, wait for acknowledgements within a bound, end the tasks."""
        self._closing = True
        self.seal_all()
        self.keeper.give_back(self._replay)
        self._replay.clear()
        self.pump()
        try:
            async with asyncio.timeout(SHUTDOWN_S):
                while self.sender.in_flight:
                    self._quiet.clear()
                    await self._quiet.wait()
        except TimeoutError:
            pass  # what is left is committed by `finish`
        self.keeper.stop()

    async def finish(self) -> None:
        """Commit the rest and record a clean end; raises BacklogError when that cannot be had."""
        self.sender.close()
        if self._pace_timer is not None:
            self._pace_timer.cancel()
        await self.keeper.finish(self._streams)


def _heard_first(item: tuple[tuple[str, int], Parcel]) -> tuple[int, int]:
    bundle = item[1].bundle
    return bundle.entries[0].heard_at_ns, bundle.first_seq
