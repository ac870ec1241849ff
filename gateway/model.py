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
# it; a 128-bit UUID that is no short one is its 128-bit integer), (0x09, 0, local name). What
# bleak and MicroPython both deliver.
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
    address: str  # "C0:FF:EE:00:00:01" (upper case) or "lora:17"
    heard_at_ns: int
    structures: tuple[Structure, ...] = ()  # BLE
    payload: bytes = b""  # LoRa
    rssi_dbm: int | None = None
    snr_db: float | None = None  # quarters of a dB at most


class Intake(Protocol):
    """Where a transport hands over what it hears. Neither call blocks, waits or raises."""

    def admits(self, address: str) -> bool:
        """Count one heard frame; False: not listed, forget it before anything is made of it."""
        ...

    def hear(self, frame: Frame) -> None:
        """Take a frame whose address was admitted. It ends in exactly one counter."""
        ...


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
    counter: int


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

    `wall_offset_ns` is wall time minus boot time as known when the bundle was sealed, None while
    the clock was not synchronised; `quality` is then `exact` or `holdover`, else empty.
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
    """How a PUBLISH ended: the PUBACK's reason code, or None when the connection ended first."""

    reason_code: int | None
    cause: str = ""


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


class PreviousStream(msgspec.Struct, frozen=True):
    """How a stream of an earlier run ended.

    After an unclean end `next_seq` is one past the highest number kept.
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


class Backlog(Protocol):
    """Observations kept until the broker has acknowledged them.

    One caller at a time: every coroutine is awaited before the next is started. What `append`
    returned for is durable (power cut, SIGKILL). A row is handed out by `lease` to one holder
    until it is settled or released; leases live in memory only, so a restart leases everything
    again. Oldest first. Any coroutine may raise BacklogError: then nothing it was asked to do is
    known to be durable.
    """

    @property
    def bundles(self) -> int:
        """Rows committed and not settled, leased or not."""
        ...

    @property
    def observations(self) -> int:
        """Observations in those rows."""
        ...

    @property
    def bytes_used(self) -> int:
        """Bytes the store takes on the medium."""
        ...

    @property
    def unleased(self) -> int:
        """Rows that `lease` could hand out."""
        ...

    async def open(self, streams: Sequence[Stream]) -> Recovery:
        """Open or create the store, record the streams of this run, say what was there."""
        ...

    async def append(
        self, bundles: Sequence[Bundle], counters: Mapping[str, int]
    ) -> Sequence[int]:
        """Commit bundles and replay counters in one transaction.

        Returns the bundles' rows, in their order, leased to the caller.
        """
        ...

    async def lease(self, limit: int) -> Sequence[Kept]:
        """Hand out up to `limit` rows, oldest first."""
        ...

    def release(self, rows: Sequence[int]) -> None:
        """Give leased rows back."""
        ...

    async def settle(self, rows: Sequence[int]) -> None:
        """Delete acknowledged rows in one transaction."""
        ...

    async def oldest(self) -> Bundle | None:
        """Return the oldest bundle kept, for its age."""
        ...

    async def first_unsettled(self, stream: str) -> int | None:
        """Return the lowest sequence number kept of a stream of this run, None for none."""
        ...

    async def save_counters(self, counters: Mapping[str, int]) -> None:
        """Commit replay counters alone (every 15 minutes at most)."""
        ...

    async def reserve_sessions(self) -> int:
        """Reserve the next block of session numbers; its first. A run owns one from its start."""
        ...

    async def forget_previous(self) -> None:
        """Delete the records of earlier runs: their end has been published."""
        ...

    async def close(self, streams: Sequence[Stream], counters: Mapping[str, int]) -> None:
        """Record a clean end of this run and close."""
        ...
