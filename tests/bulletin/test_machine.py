"""Whatever the connection does: one at a time, the newest at last, and no loss untold."""

from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gateway.model import Loss
from tests.bulletin.board import EVENT, ROOT, Board, Said, settings, temperature

DEVICES = ("a", "b", "c")
STREAMS = ("STREAMROUTINE0001", "STREAMEVENT000001")
DESKS = (EVENT, f"{ROOT}/meta", f"{ROOT}/state")


class BulletinMachine(RuleBasedStateMachine):
    """A bulletin, a connection that comes and goes, and a platform that keeps what arrives."""

    def __init__(self) -> None:
        super().__init__()
        self.board = Board(settings(*DEVICES))
        self.read = 0  # messages of the broker that the platform has
        self.retained: dict[str, bytes] = {}
        self.told: set[tuple[str, int]] = set()  # stream and number
        self.order: list[int] = []
        self.lost: set[tuple[str, int]] = set()
        self.next = dict.fromkeys(STREAMS, 0)
        self.notices = 0
        self.values: dict[str, int] = {}

    def arrive(self, said: list[Said]) -> None:
        """Let messages arrive; a broker may have them though their PUBACK is lost."""
        for one in said:
            if one.retain:
                self.retained[one.topic] = one.payload
                continue
            event = one.json()
            if event["kind"] == "loss":
                numbers = range(event["from"], event["to"] + 1)
                self.told |= {(event["stream"], number) for number in numbers}
            else:
                self.order.append(event["byMs"])

    @rule(device=st.sampled_from(DEVICES), value=st.integers(-999, 999))
    def hear(self, device: str, value: int) -> None:
        self.values[device] = value
        self.board.hear(f"ugw:kiel:{device}", temperature(value))

    @rule()
    def notice(self) -> None:
        self.notices += 1
        self.board.health.notify("clock.step", ("byMs", self.notices))

    @rule(stream=st.sampled_from(STREAMS), gap=st.integers(0, 2), count=st.integers(1, 3))
    def lose_numbers(self, stream: str, gap: int, count: int) -> None:
        first = self.next[stream] + gap
        self.next[stream] = first + count
        self.lost |= {(stream, number) for number in range(first, first + count)}
        self.board.losses.drop(stream, first, first + count - 1, self.board.clock)

    @rule(seconds=st.sampled_from([0.05, 1.0, 11.0, 61.0]))
    def pass_time(self, seconds: float) -> None:
        self.board.clock.pass_s(seconds)

    @rule()
    def pump(self) -> None:
        self.board.bulletin.pump()

    @rule(reason_code=st.sampled_from([0, 0, 0x10, 0x87, 0x97]))
    def acknowledge(self, reason_code: int) -> None:
        ended = self.board.voice.acknowledge(reason_code)
        if reason_code < 0x80:
            self.arrive(ended)

    @rule(arrived=st.booleans())
    def disconnect(self, *, arrived: bool) -> None:
        if arrived:
            self.arrive(self.board.voice.outstanding)
        self.board.voice.lose()

    @rule()
    def connect(self) -> None:
        if not self.board.voice.connected:
            self.board.voice.connected = True
            self.board.bulletin.opened()

    @invariant()
    def one_of_each_desk_is_under_way(self) -> None:
        under_way = [one.topic for one in self.board.voice.outstanding]
        for desk in DESKS:
            assert sum(topic.startswith(desk) for topic in under_way) <= 1

    @invariant()
    def a_loss_is_told_or_still_owed(self) -> None:
        owed = {number for loss in self.board.losses.ranges for number in _numbers(loss)}
        assert self.lost <= self.told | owed

    def teardown(self) -> None:
        """With a connection that lasts everything comes, the newest, and nothing invented."""
        self.connect()
        self.arrive(self.board.voice.acknowledge())
        self.arrive(self.board.settle_all(200, 1.0))
        assert self.told == self.lost
        assert not self.board.losses.ranges
        assert list(dict.fromkeys(self.order)) == list(range(1, self.notices + 1))
        assert len(self.retained) == 1 + len(DEVICES) + len(self.values)
        for device, value in self.values.items():
            shown = self.retained[f"{ROOT}/state/{device}"].decode()
            assert f'"air_temperature":{_decimal(value)}' in shown


def _numbers(loss: Loss) -> set[tuple[str, int]]:
    return {(loss.stream, number) for number in range(loss.first, loss.last + 1)}


def _decimal(hundredths: int) -> str:
    return f"{hundredths / 100:.2f}".rstrip("0").rstrip(".").replace("-0}", "0")


TestBulletin = BulletinMachine.TestCase
TestBulletin.settings = hypothesis_settings(max_examples=60, stateful_step_count=40, deadline=None)
