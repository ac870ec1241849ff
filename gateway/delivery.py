"""Observation -> PUBACK: bundle, live lane, keep, replay lane, settle.

Write-behind with a deadline: the disk is touched only by what the broker has not taken in time.

An observation is *accepted* once the broker has acknowledged it or it is committed to the backlog.
Being in flight is no place in the books: a commit does not withdraw what is in flight, and an
acknowledgement during a commit settles at once.

Sending is synchronous: whoever makes it possible (an observation, a PUBACK, a connection, a timer)
calls `pump`, which sends what may be sent. The window is `Sender`'s, the order is `Lanes`', the
store is `Keeper`'s, the sums are in `Books`.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from gateway.books import Books, Parcel
from gateway.bundle import MAX_OBSERVATIONS, Packer, Renderer, pack, split
from gateway.core import policy, puback
from gateway.health import Health
from gateway.keeper import Keeper, KeepLimits
from gateway.lanes import Lanes
from gateway.losses import Losses
from gateway.model import Lane, Loss, LossDesk, Observation, Recovery, Stream
from gateway.rim import Rim
from gateway.sender import LOST, Ending, Sender, SendLimits

NS: Final = 1_000_000_000
SHUTDOWN_S: Final = 2.0  # to settle what is in flight at the end
DEFERRED: Final = 64  # refused rows leased beside the others, or four windows


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
        self._health = health
        self._streams = list(streams)
        # Events go first wherever both classes wait.
        self._packers = {
            stream.klass: Packer(stream.klass, rim.clock)
            for stream in sorted(self._streams, key=lambda stream: stream.klass)
        }
        self._books = Books(health.observations)
        self._losses = Losses(rim.clock)
        self._lanes = Lanes()
        self._next_publish_ns = 0
        self._pace_timer: asyncio.TimerHandle | None = None
        self._room = asyncio.Event()
        self._quiet = asyncio.Event()
        self._closing = False
        self.sender = Sender(limits.send, rim=rim, renderer=renderer, health=health)
        self.keeper = Keeper(
            limits.keep, rim=rim, books=self._books, losses=self._losses, health=health
        )
        self.sender.owner = self
        self.keeper.serve(self)
        health.in_memory = self.in_memory
        health.in_backlog = self.in_backlog

    def retune(self, limits: Limits) -> None:
        """Go on with other limits."""
        self._limits = limits
        self.sender.retune(limits.send)
        self.keeper.retune(limits.keep)

    # --------------------------------------------------------------------------------------- books
    def in_memory(self) -> int:
        """Observations unsettled and not committed."""
        return self._books.in_memory + sum(len(packer) for packer in self._packers.values())

    def in_backlog(self) -> int:
        """Observations committed and unsettled."""
        return self._books.in_backlog

    @property
    def losses(self) -> Sequence[Loss]:
        """The latest loss ranges, told or not, the newest last."""
        return self._losses.latest

    @property
    def loss_desk(self) -> LossDesk:
        """Where loss ranges are asked for that are still to be told."""
        return self._losses

    def settled_below(self, stream: Stream) -> int:
        """Return below which number all of a stream is settled, or lost and told."""
        packer = self._packers[stream.klass]
        unsettled = [stream.next_seq]
        if len(packer):
            unsettled.append(packer.first_seq)
        lowest = (
            self._books.lowest(stream.id),
            self.keeper.stock.floor(stream.id),
            self._losses.first_untold(stream.id),
        )
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
        """Take an observation over; from here on it is in the books. `flush` sends it."""
        packer = self._packers[observation.klass]
        entry = pack(observation)
        if not packer.fits(entry, self.sender.max_bundle_bytes):
            self._seal(packer)
        packer.add(observation, entry)
        if len(packer) >= MAX_OBSERVATIONS:
            self._seal(packer)
        self.keeper.offered()

    def flush(self) -> float:
        """Send what was offered, if it may go; return in how many s the next bundle may."""
        if self._pace_timer is None or self._lanes.waiting:  # else it is the timer's turn
            self.pump()
        return (self._next_publish_ns - self._clock.boot_ns()) / NS

    def _seal(self, packer: Packer) -> None:
        heard_at_ns = packer.heard_at_ns
        self._lanes.add_live(self._books.enter(packer.seal(), heard_at_ns))

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
        if (parcel is None or self._would_overtake_an_event(parcel)) and self._seal_open():
            parcel = self._first_fresh()
        if parcel is None:
            return False
        self._next_publish_ns = policy.next_publish_ns(self._clock.boot_ns(), self._limits.pace_ns)
        self._transmit(parcel, Lane.LIVE)
        return True

    def _first_fresh(self) -> Parcel | None:
        """Return the first that may travel live, events before routine."""
        for parcel in self._fresh_heads():
            if self._may_go(parcel):
                return parcel
        return None

    def _would_overtake_an_event(self, parcel: Parcel) -> bool:
        return parcel.bundle.klass == "routine" and len(self._packers["event"]) > 0

    def _fresh_heads(self) -> Sequence[Parcel]:
        """Return the heads of the live lane, and move to replay what has grown old."""
        heads = self._lanes.heads()
        for parcel in heads:
            if self._is_old(parcel):
                self._replay(self._lanes.take_while(self._is_old))
                return self._lanes.heads()
        return heads

    def _is_old(self, parcel: Parcel) -> bool:
        age_ns = self._clock.boot_ns() - parcel.heard_at_ns
        return policy.lane(age_ns, self._limits.live_max_age_ns) == policy.REPLAY

    def _may_go(self, parcel: Parcel) -> bool:
        if parcel.berth is None and self.keeper.commits_first:
            return False
        # What is being committed is one row: it is cut when it has it.
        return not (parcel.committing and self.sender.is_too_large(parcel))

    def _seal_open(self) -> bool:
        """Seal open bundles if the pace allows such that are not full; else come back then.

        All of them: with events in each, routine would wait until it is late and costs a write.
        """
        if self.keeper.commits_first:
            return False  # the commit does
        wait_ns = 0 if self._closing else self._next_publish_ns - self._clock.boot_ns()
        if wait_ns > 0 and self._pace_timer is not None:
            return False
        if not any(map(len, self._packers.values())):
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
        if not self._lanes.waiting or not self.sender.has_slot:
            return False
        fresh = self._first_fresh() is not None
        parcel = self._next_replay()
        if parcel is None or not self.sender.may_send(Lane.REPLAY, live_waiting=fresh):
            return False
        self._transmit(parcel, Lane.REPLAY)
        return True

    def _next_replay(self) -> Parcel | None:
        parcel = self._lanes.next_replay()
        return parcel if parcel is not None and self._may_go(parcel) else None

    def _transmit(self, parcel: Parcel, lane: Lane) -> None:
        """Send a parcel, or put its parts in its place: the next turn is theirs."""
        if self.sender.is_too_large(parcel):
            bundles = split(parcel.bundle, self.sender.max_bundle_bytes)
            self._lanes.replace(parcel, self._books.split(parcel, bundles))
            return
        self._lanes.remove(parcel)
        if not self.sender.send(parcel, lane):
            self.keeper.condemn(parcel, "larger than the broker's Maximum Packet Size")

    def on_up(self) -> None:
        """Hear that the broker is there."""
        self.sender.opened()
        self.pump()
        self.keeper.refill.wake()

    def on_down(self) -> None:
        """Hear that it is gone: rows go back to the backlog, memory waits as it is."""
        self._replay([*self._lanes.kept(), *self._lanes.replays()])

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
        """Let what is durable now travel live while it is fresh; leave the rest to the backlog."""
        live = self._uplink.connected and not self._closing
        live = live and not self.sender.is_blocked(Lane.LIVE)
        waiting = [each for each in parcels if not (each.in_flight or each.condemned)]
        self._replay([each for each in waiting if not live or not self._lanes.is_live(each)])
        self._replay(self._lanes.surplus(self.sender.window))
        self.pump()

    def dropped(self, parcel: Parcel) -> None:
        """Forget a parcel that was given up."""
        self._lanes.remove(parcel)

    def wanted_rows(self) -> int:
        """How many rows the replay lane could use.

        Refused ones do not keep it from others: that those are taken shows who is to blame. Such
        as are to be set aside do, while the store does not take them there.
        """
        if not self._uplink.connected or self._closing:
            return 0
        if len(self._books.condemned) > DEFERRED:
            return 0
        window = self.sender.window
        waiting = self._lanes.replaying - min(self._lanes.deferred, max(DEFERRED, 4 * window))
        return 2 * window - waiting if waiting <= window else 0

    def leased(self, parcels: Sequence[Parcel]) -> None:
        """Take parcels for the replay lane, unless the connection went meanwhile."""
        self._replay(parcels, go_back=not self._uplink.connected or self._closing)
        self.pump()

    def _replay(self, parcels: Sequence[Parcel], *, go_back: bool = True) -> None:
        """Leave parcels to the replay lane: by way of the backlog where it can take them back."""
        for parcel in parcels:
            self._lanes.remove(parcel)
        if go_back:
            ours = [parcel.berth for parcel in parcels if parcel.berth is not None]
            berths = [berth for berth in ours if berth.can_be_given_back]
            for berth in berths:
                self._lanes.remove_row(berth)
            self.keeper.refill.give_back(self._books.give_back(berths))
        self._lanes.put_replay([parcel for parcel in parcels if not parcel.over])

    # ------------------------------------------------------------------------------------ 8 settle
    def ended(self, parcel: Parcel, ending: Ending) -> None:
        """Settle a parcel, or put it where it waits again."""
        if parcel.over:
            pass  # dropped meanwhile: whether it arrived or not, it is declared lost
        elif ending.verdict in {puback.SETTLE, puback.SETTLE_UNHEARD}:
            self._books.settle(parcel)
            self._health.acknowledged_at_ns = self._clock.boot_ns()
            self.keeper.settled()
            self._room.set()
        elif ending.verdict == puback.SET_ASIDE:
            self.keeper.condemn(parcel, _reason(ending))
        else:
            self._wait_again(parcel, ending)
        if parcel.berth is not None or not self._lanes.replaying:
            self.keeper.refill.wake()
        if not self.sender.in_flight:
            self._quiet.set()

    def _wait_again(self, parcel: Parcel, ending: Ending) -> None:
        """Put a parcel back before those heard later.

        The last on the live lane counts as the newest: what was refused there travels on replay.
        """
        was_live = ending.lane is Lane.LIVE
        if ending.verdict == puback.KEEP:
            self._replay([parcel, *(self._lanes.kept() if was_live else ())], go_back=was_live)
        elif was_live and (parcel.berth is None or ending.verdict == puback.SPLIT):
            self._lanes.put_back_live([parcel])
        else:
            self._replay([parcel], go_back=ending.verdict == LOST)

    # ----------------------------------------------------------------------------------------- end
    async def run(self) -> None:
        """Run the two tasks that deal with the store, until `settle_rest`."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.keeper.keep(), name="keep")
            group.create_task(self.keeper.refill.run(), name="refill")

    def recover(self, recovery: Recovery) -> None:
        """Enter what the store held at start."""
        self._books.recover(recovery.observations)
        self._losses.recover(recovery.losses)

    async def settle_rest(self) -> None:
        """Send what is left, wait for acknowledgements within a bound, end the tasks."""
        self._closing = True
        self.seal_all()
        self._replay(self._lanes.replays())
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
        """Commit the rest and record a clean end, within a bound.

        Raises BacklogError when that cannot be had; then `run` may still wait for the store.
        """
        self.sender.close()
        if self._pace_timer is not None:
            self._pace_timer.cancel()
        await self.keeper.finish(self._streams)


def _reason(ending: Ending) -> str:
    if ending.reason_code is None:
        return "the broker disconnects: packet too large"
    return f"the broker refuses it: reason code 0x{ending.reason_code:02x}"
