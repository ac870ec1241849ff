"""The desk of states: the last values of each device, retained, newest only.

At most once per device in ten seconds and 20 a second in all. They are for people who look on, so
they stand back: nothing is said while the store fills, or while observations wait for a slot.
"""

from collections.abc import Callable, Sequence
from typing import Final

from gateway.bulletin.courier import Ending, Letter
from gateway.bulletin.rota import Rota
from gateway.bulletin.seen import Seen
from gateway.clock import Clock, ClockState
from gateway.core import policy
from gateway.core.identity import topic_level
from gateway.health import Health
from gateway.model import Level, Observation, Result
from gateway.uplink import state
from gateway.uplink.state import Timing
from gateway.uplink.topics import Topics

EACH_NS: Final = 10_000_000_000
ALL_NS: Final = 50_000_000
STANDS_BACK_NS: Final = 1_000_000_000  # until it looks again whether there is room

_NS_PER_MS: Final = 1_000_000


class States:
    """What is to be told. `note` is what the pipeline calls with each observation.

    `on_property` is called when a device has said something for the first time; `congested` says
    whether observations wait for a slot of the uplink's window.
    """

    def __init__(self, topics: Topics, health: Health, congested: Callable[[], bool]) -> None:
        self.wake: Callable[[], None] = _nobody
        self.on_property: Callable[[Seen], None] = _unseen
        self._topics = topics
        self._health = health
        self._clock = health.clock
        self._congested = congested
        self._seen: dict[str, Seen] = {}
        self._rota = Rota[str](each_ns=EACH_NS, all_ns=ALL_NS)
        self._saying: str | None = None
        # What was heard before somebody set the clock is dated afterwards.
        self._believed_since_ns: int | None = None
        self._look_at_clock(0)

    def note(self, observation: Observation) -> None:
        """Take over what an observation says."""
        device = observation.device
        seen = self._seen.get(device)
        if seen is None:
            seen = self._seen[device] = Seen(device)
        if seen.note(observation):
            self.on_property(seen)
        if self._rota.want(device):
            self.wake()

    def newest(self, device: str) -> Sequence[Result]:
        """Return the newest result of each property a device has shown in this run."""
        seen = self._seen.get(device)
        return () if seen is None else tuple(seen.values.values())

    def configure(self, topics: Topics, listed: frozenset[str]) -> None:
        """Use these topics from now on, and forget the devices that are listed no longer."""
        self._topics = topics
        for device in self._seen.keys() - listed:
            del self._seen[device]
            self._rota.forget(device)

    # ------------------------------------------------------------------------------------ the desk
    def next(self, now_ns: int) -> Letter | None:
        """Return the state of the device whose turn it is."""
        self._look_at_clock(now_ns)
        if self._stands_back():
            return None
        self._saying = device = self._rota.take(now_ns)
        if device is None:
            return None
        seen = self._seen[device]
        payload = state.render(device, self._timing(seen.heard_at_ns), seen.rssi_dbm, seen.values)
        return Letter(self._topics.state(topic_level(device)), payload, retain=True)

    def ended(self, ending: Ending) -> None:
        """Let what did not arrive be told again, with what is newest then."""
        device, self._saying = self._saying, None
        if ending in {Ending.LOST, Ending.REFUSED} and device in self._seen:
            self._rota.want(device)

    def due_ns(self, now_ns: int) -> int | None:
        """Return when the next device has its turn."""
        due = self._rota.due_ns()
        if due is None:
            return None
        return max(due, now_ns + STANDS_BACK_NS) if self._stands_back() else due

    def _stands_back(self) -> bool:
        return self._health.level is not Level.NORMAL or self._congested()

    # ---------------------------------------------------------------------------------------- time
    def _look_at_clock(self, now_ns: int) -> None:
        believed = self._clock.reading().state is not ClockState.UNSYNCED
        if not believed:
            self._believed_since_ns = None
        elif self._believed_since_ns is None:
            self._believed_since_ns = now_ns

    def _timing(self, heard_at_ns: int) -> Timing:
        since_ns = self._believed_since_ns
        if since_ns is None:
            return Timing(policy.UNKNOWN)
        clock: Clock = self._clock
        synced = clock.reading().state is ClockState.SYNCED
        quality = "exact" if synced else "holdover"
        if heard_at_ns < since_ns:
            quality = policy.RECONSTRUCTED
        unix_ns = heard_at_ns + clock.wall_ns() - clock.boot_ns()
        return Timing(quality, unix_ns // _NS_PER_MS)


def _nobody() -> None:
    """Nobody has hung in yet."""


def _unseen(_seen: Seen) -> None:
    """Nobody has hung in yet."""
