"""What is remembered of each listed device: enough to tell a new, affordable, authentic frame.

One small record per listed device and nothing of any other: memory is bounded by the
configuration.
"""

import msgspec

from gateway.core import refusal
from gateway.core.context import Context
from gateway.core.refusal import DecodeError
from gateway.core.replay import REPLAY_POSSIBLE, Counted
from gateway.crypto import CcmKey
from gateway.lorawan import SPACE, Session, Uplink
from gateway.model import Observation, ObservationClass, Sealed, Structure
from gateway.registry import LoadedDriver

# What frames prove to be a device's own with, if anything; its replay counter belongs to it.
Secret = CcmKey | Session | None


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What admission lets through of one device."""

    repeat_window_ns: int = 60_000_000_000
    burst: int = 10
    per_second: float = 1.0


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """A listed device as configured, its driver and key looked up."""

    address: str
    urn: str
    name: str = ""
    klass: ObservationClass = "routine"
    driver: LoadedDriver | None = None  # None: found by what it sends
    poll: LoadedDriver | None = None  # reads what it is asked for, over a connection
    key: CcmKey | None = None
    session: Session | None = None  # of a LoRaWAN node that is heard without a network server
    payload_hex: bool = False
    limits: Limits = Limits()

    @property
    def secret(self) -> Secret:
        """What its frames prove to be its own with."""
        return self.key or self.session


class Listed(Counted):
    """A listed device between two frames. Times are boot time in nanoseconds."""

    __slots__ = (
        "_tokens",
        "_tokens_at_ns",
        "content",
        "content_until_ns",
        "context",
        "device",
        "heard_at_ns",
        "last",
        "merges",
        "model",
        "observations",
        "rssi_dbm",
        "structures",
    )

    def __init__(
        self, device: Device, counter: int | None, *, highest: int | None = None, restored: bool
    ) -> None:
        super().__init__(device.limits.repeat_window_ns)
        self.counter = counter
        self.highest = counter if highest is None else highest
        self.restored = restored
        self.device = device
        self.context = Context(_address_bytes(device.address))
        self.merges = True  # whether there is an observation that repeats are merged into
        self.content: object = None  # what the last frame let through said,
        self.content_until_ns = 0  # and until when the same is a repeat
        self.heard_at_ns: int | None = None  # the last frame, repeats too
        self.rssi_dbm: int | None = None  # its
        self.last: Observation | None = None
        self.observations = 0
        self.model = device.driver.model if device.driver else ""  # whose frames it sends
        self.structures: tuple[Structure, ...] = ()  # of the last advertisement decoded
        self._tokens = float(device.limits.burst)
        self._tokens_at_ns = 0

    @property
    def key(self) -> CcmKey | None:
        """What its frames are encrypted with."""
        return self.device.key

    def reconfigured(self, device: Device) -> "Listed":
        """Return what goes on being known of it when its configuration has changed.

        The replay counter belongs to the key. What else was made of its frames may be made
        otherwise now, so the next one is no repeat, and it is nobody's copy.
        """
        same_key = device.secret == self.device.secret
        counter, highest = (self.counter, self.highest) if same_key else (None, None)
        now = Listed(device, counter, highest=highest, restored=self.restored and same_key)
        now.heard_at_ns, now.rssi_dbm = self.heard_at_ns, self.rssi_dbm
        now.last, now.observations = self.last, self.observations
        now.model = now.model or self.model
        now._tokens = min(now._tokens, self._tokens)
        now._tokens_at_ns = self._tokens_at_ns
        return now

    def too_soon(self, interval_ns: int, at_ns: int) -> bool:
        """Whether its last observation is younger than the interval."""
        return self.last is not None and at_ns - self.last.heard_at_ns < interval_ns

    def spend(self, at_ns: int) -> bool:
        """Take one token of the device's rate, if it has one."""
        limits = self.device.limits
        earned = (at_ns - self._tokens_at_ns) * limits.per_second / 1e9
        self._tokens = min(float(limits.burst), self._tokens + earned)
        self._tokens_at_ns = at_ns
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def give_back(self) -> None:
        """Return the token of a frame that was not the device's own: it costs the device none."""
        self._tokens = min(float(self.device.limits.burst), self._tokens + 1)

    def renew(self, content: object, at_ns: int) -> None:
        """Remember what the frame let through said; an answer to a poll (None) stands alone."""
        if content is None:
            return
        self.content = content
        self.content_until_ns = at_ns + self.window

    def open(self, sealed: Sealed) -> tuple[str, ...]:
        """Open an encrypted frame into the context and return its flags.

        Raises DecodeError (NO_KEY, REPLAYED, BAD_MIC) or, for the last frame again, RepeatError.
        The counter moves only once the frame has proven authentic. Without one anything may be a
        recording.
        """
        if self.device.key is None:
            raise DecodeError(refusal.NO_KEY)
        counter = sealed.counter
        if counter is None:
            self.context.opened = self.device.key.open(sealed)
            return REPLAY_POSSIBLE
        self.refuse_replay(counter)
        self.context.opened = self.device.key.open(sealed)
        return self.advance(counter)

    def sent(self, uplink: Uplink) -> bool:
        """Whether a LoRaWAN uplink is this node's; nothing is remembered."""
        session = self.device.session
        return session is not None and session.find(uplink, self.counter) is not None

    def admit(self, uplink: Uplink) -> tuple[bytes, int, tuple[str, ...]]:
        """Return payload, whole frame counter and flags of a LoRaWAN uplink.

        Raises DecodeError (NO_KEY, BAD_MIC, REPLAYED) or, for the last uplink again, RepeatError.
        """
        session = self.device.session
        if session is None:
            raise DecodeError(refusal.NO_KEY)
        counter = session.find(uplink, self.counter)
        if counter is None:
            raise DecodeError(refusal.BAD_MIC)
        self.refuse_replay(counter)
        flags = self.advance(counter)
        return session.cipher(uplink.payload, uplink.port or 0, counter), counter, flags


def _address_bytes(address: str) -> bytes:
    if address.startswith("lora:"):
        return b""
    return bytes.fromhex(address.removeprefix(SPACE).replace(":", ""))
