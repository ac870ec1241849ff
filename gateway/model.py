"""The records handed from stop to stop, and the protocols of what stands at the rim.

Records are frozen: a stop makes a new one, it never edits what it was handed. Times are
CLOCK_BOOTTIME in nanoseconds; wall time exists only in what is rendered for the platform.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Literal, Protocol

import msgspec

from gateway.core.context import Context

Medium = Literal["ble", "lora"]
ObservationClass = Literal["routine", "event"]
CLASSES: tuple[ObservationClass, ...] = ("routine", "event")

# (AD type, identifier, data): (0xFF, company id, bytes after it), (0x16, service UUID, bytes after
# it; a 128-bit UUID that is no short one is its 128-bit integer), (0x09, 0, local name), (0x03,
# UUID of a service it lists, nothing). What bleak and MicroPython both deliver.
Structure = tuple[int, int, bytes]

# What a value is before it is rendered: a decimal's mantissa, a state, a text, or nothing (the
# sensor says so).
Value = int | bool | str | None

# (observed property, value, scale, channel): a number is value * 10**-scale, exactly. Channel ""
# is the first.
Reading = tuple[str, Value, int, str]

# A reading judged: (observed property, value, scale, channel, quality, flags). Quality "" means
# good.
Result = tuple[str, Value, int, str, str, tuple[str, ...]]


# ------------------------------------------------------------------------------------------ 1 hear
class Frame(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One advertisement or one LoRa packet as it was heard, nothing interpreted."""

    medium: Medium
    source: str  # name of the transport, e.g. "ble:hci0"
    address: str  # "C0:FF:EE:00:00:01" (upper case), "lora:17" or "eui:70b3d57ed0001234"
    heard_at_ns: int
    content: object  # what a repeat of it has too: compared, never read; None: it is no repeat
    structures: tuple[Structure, ...] = ()  # BLE, an advertisement
    payload: bytes = b""  # LoRa; BLE: what a poll has read
    polled: bool = False  # BLE: the answer to a poll, not an advertisement
    rssi_dbm: int | None = None
    snr_db: float | None = None  # quarters of a dB at most
    spreading_factor: int | None = None
    frequency_hz: int | None = None
    is_uplink: bool = False  # the payload is a LoRaWAN PHYPayload, still to be opened
    port: int | None = None  # LoRaWAN: of a payload that came in clear, with its
    counter: int | None = None  # frame counter, 32 bits
    flags: tuple[str, ...] = ()  # of all that it says, found when it was opened

    @property
    def says_nothing(self) -> bool:
        """Whether it is a LoRaWAN frame that is not for us: without payload, or MAC commands."""
        return self.counter is not None and not self.port


class Intake(Protocol):
    """Where a transport hands over what it hears. No call blocks, waits or raises."""

    def lists(self, address: str) -> bool:
        """Whether a device is listed; nothing is counted."""
        ...

    def admits(self, address: str, content: object, rssi_dbm: int | None = None) -> int | None:
        """Count one heard frame. Returns when that was, or None: forget it, it is counted.

        It is asked before anything is made of a frame. `content` is whatever equals that of the
        frame before exactly when the device says the same again.
        """
        ...

    def sender(self, uplink: bytes) -> str:
        """Return the address whose LoRaWAN uplink this is, to be asked `admits` about.

        `uplink` is a PHYPayload that gateway.lorawan.parse can read. Nothing is counted.
        """
        ...

    def wants(self, address: str) -> bool:
        """Whether a poll of a device would be of use now; nothing is counted."""
        ...

    def hear(self, frame: Frame) -> None:
        """Take a frame that was admitted at its `heard_at_ns`. It ends in exactly one counter."""
        ...


class Level(StrEnum):
    """How full the backlog is; each level thins routine devices more than the one before."""

    NORMAL = "normal"
    ELEVATED = "elevated"
    CRITICAL = "critical"
    FULL = "full"


class TransportState(StrEnum):
    """`up` only while frames come or silence is known to be right."""

    UP = "up"
    DOWN = "down"
    DEAF = "deaf"


class Transport(Protocol):
    """A source of frames that repairs itself: `run` ends only by cancellation."""

    name: str
    kind: str

    async def run(self) -> None:
        """Hear for ever. Trouble is reported to health and retried with back-off, never raised."""
        ...


# ---------------------------------------------------------------------------------------- 3 decode
class Sealed(msgspec.Struct, frozen=True, gc=False):
    """How to open an encrypted frame: said by its driver, done by the gateway (AES-CCM)."""

    nonce: bytes
    ciphertext: bytes  # with the tag at its end
    tag_length: int
    associated_data: bytes
    counter: int | None  # None: the frame has none long enough to tell a replay


class Driver(Protocol):
    """A plain module, as docs/reference/driver-interface.md describes it in full."""

    API: int
    MODEL: str
    MATCH: Mapping[str, int | bytes]
    STRENGTH: int

    def decode(self, payload: bytes, context: Context) -> Sequence[Reading]:
        """Return the readings of one payload, or raise DecodeError and nothing else."""
        ...


# --------------------------------------------------------------------------------------- 4 observe
class Link(msgspec.Struct, frozen=True, gc=False):
    """How an observation reached the gateway."""

    medium: Medium
    rssi_dbm: int | None = None
    snr_db: float | None = None
    frame_counter: int | None = None
    copies: int = 1
    spreading_factor: int | None = None
    frequency_hz: int | None = None


class Observation(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What one device said at one moment, in the vocabulary's words."""

    klass: ObservationClass
    stream: str
    seq: int
    device: str  # urn:dev:mac:... or ugw:org:id
    heard_at_ns: int
    results: tuple[Result, ...]
    link: Link


class Stream(msgspec.Struct):
    """One class of one run of the agent; its numbers are contiguous from 0."""

    id: str
    klass: ObservationClass
    next_seq: int = 0

    def take(self) -> int:
        """Return the next sequence number."""
        seq = self.next_seq
        self.next_seq = seq + 1
        return seq


# ---------------------------------------------------------------------------------------- 5 bundle
class Entry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One observation, rendered but for its time: wire.observation_head, wire.observation_tail."""

    heard_at_ns: int
    head: str
    tail: str


class Bundle(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Contiguous observations of one stream, as stored; the message is rendered when it is sent.

    `wall_offset_ns` is wall time minus boot time as known when its first observation came, None
    while the clock was not synchronised; `quality` is then `exact` or `holdover`, else empty.
    """

    stream: str
    klass: ObservationClass
    first_seq: int
    boot: str
    wall_offset_ns: int | None
    quality: str
    entries: tuple[Entry, ...]
    size: int  # rendered bytes, an upper bound

    @property
    def key(self) -> tuple[str, int]:
        """What identifies it: stream and first sequence number."""
        return (self.stream, self.first_seq)


# ------------------------------------------------------------------------------------------ 6 send
class Lane(StrEnum):
    """Each transmission uses one; a re-send may use the other."""

    LIVE = "live"
    REPLAY = "replay"


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """How a PUBLISH ended: the PUBACK's reason code, or None when the connection ended first.

    `ended_with` is then the reason code of the broker's DISCONNECT, where it sent one.
    """

    reason_code: int | None
    cause: str = ""
    ended_with: int | None = None


class Uplink(Protocol):
    """Bundles out. It never queues: bytes go to the connection, or the connection is lost."""

    @property
    def connected(self) -> bool:
        """Whether a PUBLISH can be sent now."""
        ...

    @property
    def receive_maximum(self) -> int:
        """How many unacknowledged PUBLISHes the broker allows (MQTT 5, 3.2.2.3.3)."""
        ...

    @property
    def max_packet_bytes(self) -> int:
        """The broker's Maximum Packet Size (MQTT 5, 3.2.2.3.6)."""
        ...

    @property
    def outstanding_bytes(self) -> int:
        """What the connection was given and the broker has not acknowledged, whoever sent it."""
        ...

    def publish(self, lane: Lane, payload: bytes, done: Callable[[Outcome], None]) -> None:
        """Send with QoS 1; `done` is called once, from the event loop, never within this call."""
        ...

    def drop(self, cause: str) -> None:
        """Give this connection up: outstanding ones end without a code, then reconnect."""
        ...


# ------------------------------------------------------------------------------------------ 7 keep
class Kept(msgspec.Struct, frozen=True, gc=False):
    """A bundle in the backlog and the row it stands in."""

    row: int
    bundle: Bundle


class Moment(msgspec.Struct, frozen=True, gc=False):
    """A moment as it can be told later, also after a restart.

    `wall_offset_ns` is wall time minus boot time as known then, None while nobody knew.
    """

    boot: str
    at_ns: int
    wall_offset_ns: int | None = None


class Loss(msgspec.Struct, frozen=True):
    """Numbers of a stream that will never come: `first` to `last`, both included.

    Reasons: `full` (the store had no room), `store` (it could not be used, and memory had no
    room), `damaged` (a row could not be read any more), `aside` (set aside, and then there was no
    room for it), `purged` (somebody deleted it).
    """

    stream: str
    first: int
    last: int
    reason: str
    at: Moment


class LossDesk(Protocol):
    """Where loss ranges are asked for that the platform has not heard of yet: `Delivery.desk`."""

    on_loss: Callable[[], None]
    """Called, from the event loop, when there is another one."""

    def untold(self) -> Sequence[Loss]:
        """Return those without a PUBACK yet, oldest first; one that grew is told again."""
        ...

    def told(self, losses: Sequence[Loss]) -> None:
        """Hear which of them the broker has acknowledged, as they were returned."""
        ...


class Row(msgspec.Struct, frozen=True, gc=False):
    """A row of the backlog without its content."""

    row: int
    stream: str
    klass: ObservationClass
    first_seq: int
    count: int


class Aside(msgspec.Struct, frozen=True):
    """A bundle the broker will never take, and why. `row`: where it stood in the backlog."""

    bundle: Bundle
    reason: str
    row: int | None = None


class PreviousStream(msgspec.Struct, frozen=True):
    """How a stream of an earlier run ended.

    After an unclean end `next_seq` is one past the highest number that was ever kept.
    """

    id: str
    klass: ObservationClass
    clean: bool
    next_seq: int


class Recovery(msgspec.Struct, frozen=True, kw_only=True):
    """What the store held when it was opened."""

    bundles: int = 0
    observations: int = 0
    session: int = 0  # no connection of this installation had a number this high
    previous: tuple[PreviousStream, ...] = ()
    counters: Mapping[str, int] = msgspec.field(
        default_factory=dict[str, int]
    )  # address -> last counter
    unclean: bool = False  # the run before did not end orderly
    quarantined: str = ""  # where a damaged store was put, if one was found
    losses: tuple[Loss, ...] = ()  # not yet acknowledged by the broker
    memories: Mapping[str, str] = msgspec.field(default_factory=dict[str, str])  # `remember`
