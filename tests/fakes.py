"""Stand-ins at the rim of the agent: a clock that tests set, a broker that tests play."""

from collections.abc import Callable, Sequence

import msgspec

from gateway.clock import ClockReading, ClockSource, ClockState
from gateway.model import Lane, Link, Observation, ObservationClass, Outcome, Stream

NS = 1_000_000_000
EPOCH_NS = 1_795_305_600 * NS  # 2026-11-22T00:00:00Z


class FakeClock:
    """A clock that stands still until it is told otherwise."""

    def __init__(self, state: ClockState = ClockState.SYNCED) -> None:
        self.source: ClockSource = "kernel"
        self.boot_id = "b0075eed-0000-4000-8000-000000000001"
        self.now_ns = 1_000 * NS
        self.epoch_ns = EPOCH_NS  # wall time at boot
        self.state = state
        self.max_error_ms: int | None = None

    def boot_ns(self) -> int:
        return self.now_ns

    def wall_ns(self) -> int:
        return self.epoch_ns + self.now_ns

    def reading(self) -> ClockReading:
        believed = self.state is not ClockState.UNSYNCED
        offset_ns = self.epoch_ns if believed else None
        return ClockReading(self.state, self.max_error_ms, offset_ns, self.epoch_ns)

    def pass_s(self, seconds: float) -> None:
        self.now_ns += int(seconds * NS)


class Sent(msgspec.Struct):
    """A PUBLISH as the broker got it."""

    lane: Lane
    payload: bytes
    done: Callable[[Outcome], None]

    @property
    def bundle(self) -> dict[str, object]:
        decoded: dict[str, object] = msgspec.json.decode(self.payload)
        return decoded

    @property
    def numbers(self) -> list[int]:
        observations = self.bundle["observations"]
        assert isinstance(observations, list)
        return [observation["seq"] for observation in observations]

    def acknowledge(self, reason_code: int = 0) -> None:
        self.done(Outcome(reason_code))


class FakeUplink:
    """A connection whose other end is the test."""

    def __init__(self, *, connected: bool = True) -> None:
        self.connected = connected
        self.receive_maximum = 65_535
        self.max_packet_bytes = 268_435_455
        self.sent: list[Sent] = []
        self.outstanding: list[Sent] = []
        self.dropped: list[str] = []
        self.other_bytes = 0  # status and the like, on its way on the same connection

    @property
    def outstanding_bytes(self) -> int:
        return self.other_bytes + sum(len(sent.payload) for sent in self.outstanding)

    def publish(self, lane: Lane, payload: bytes, done: Callable[[Outcome], None]) -> None:
        sent = Sent(lane, payload, done)
        self.sent.append(sent)
        self.outstanding.append(sent)

    def drop(self, cause: str) -> None:
        self.dropped.append(cause)
        self.lose()

    def acknowledge(self, reason_code: int = 0) -> int:
        """Acknowledge everything outstanding, what is sent meanwhile not included."""
        waiting, self.outstanding = self.outstanding, []
        for sent in waiting:
            sent.acknowledge(reason_code)
        return len(waiting)

    def lose(self, ended_with: int | None = None) -> None:
        """End the connection: nothing outstanding will be acknowledged."""
        self.connected = False
        waiting, self.outstanding = self.outstanding, []
        for sent in waiting:
            sent.done(Outcome(None, "gone", ended_with))


def streams() -> list[Stream]:
    """Return the two streams of a run."""
    return [Stream("STREAMROUTINE", "routine"), Stream("STREAMEVENT", "event")]


def observe(stream: Stream, clock: FakeClock, value: int = 2134, text: str = "") -> Observation:
    """One observation of a thermometer, heard now."""
    klass: ObservationClass = stream.klass
    return Observation(
        klass=klass,
        stream=stream.id,
        seq=stream.take(),
        device="urn:dev:mac:a4c138fffe1b2c3d",
        heard_at_ns=clock.boot_ns(),
        results=(("air_temperature", value, 2, text, "", ()),),
        link=Link("ble", -71),
    )


def numbers(sent: Sequence[Sent]) -> list[int]:
    """All sequence numbers, in the order sent."""
    return [number for message in sent for number in message.numbers]
