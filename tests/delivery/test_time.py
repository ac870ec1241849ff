"""Whatever the clock does, a time that is published is right, or it is not published.

The machine is a gateway without a battery behind its clock: daemons set it right or stop doing so,
people set it wrong, the agent and the gateway are started again. Bundles go through the store's
encoding. The judge knows the true time, and when the kernel vouched for the clock's.
"""

import json
from datetime import UTC, datetime
from typing import Final, NamedTuple

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gateway.bundle import MAX_BYTES, Identity, Packer, Renderer, pack
from gateway.clock import ClockState, SystemClock
from gateway.clock_watch import LOOK_EVERY_S, ClockWatch
from gateway.health import Health
from gateway.model import Bundle, Link, Observation
from tests.fakes import EPOCH_NS, NS
from tests.hosts import FakeHost

MAX_ERROR_MS: Final = 50
STEADY_MS: Final = 10  # offsets this close count as one: there was no step
ROUNDED_MS: Final = 1
CACHED_NS: Final = int(LOOK_EVERY_S * NS) + NS  # the oldest a reading can be, and one look
YEAR_NS: Final = 365 * 86_400 * NS
RANK: Final = ("exact", "holdover", "reconstructed", "unknown")


class Span(NamedTuple):
    """While the kernel vouched for the clock; `to_ns` is 0 for now."""

    from_ns: int
    to_ns: int


class Heard(NamedTuple):
    """What the judge knows of an observation."""

    boot: int
    run: int
    at_ns: int
    taken_ns: int  # when it left the pipeline


class Gateway(RuleBasedStateMachine):
    """One gateway, boot after boot, run after run."""

    def __init__(self) -> None:
        super().__init__()
        self.boot = self.run = self.seq = 0
        self.kept: list[bytes] = []
        self.heard: dict[int, Heard] = {}
        self.published: dict[int, tuple[str, str]] = {}
        self.vouched: list[tuple[int, int, Span]] = []  # boot, run
        self.truths: list[tuple[int, int, int]] = []  # boot, since when, wall time minus boot time
        self._boot()

    # --------------------------------------------------------------------------------- the machine
    def _boot(self) -> None:
        self.boot += 1
        self.host = FakeHost(self.boot, true_offset_ns=EPOCH_NS + self.boot * 86_400 * NS)
        self.host.max_error_ms = MAX_ERROR_MS
        self.truths.append((self.boot, 0, self.host.true_offset_ns))
        self.since_ns: int | None = None
        self._run()

    def _run(self) -> None:
        self.run += 1
        if self.since_ns is not None:
            self._note_vouched(self.run - 1)
            self.since_ns = self.host.now_ns
        self.waiting: list[int] = []  # in the pipeline
        self.clock = SystemClock(host=self.host)
        self.watch = ClockWatch(self.clock, Health(self.clock))
        self.packer = Packer("routine", self.clock)
        self.renderer = Renderer(Identity("kiel", "gw-1"), self.clock)

    def _note_vouched(self, run: int) -> None:
        assert self.since_ns is not None
        self.vouched.append((self.boot, run, Span(self.since_ns, self.host.now_ns)))

    def _follow(self) -> None:
        """Note whether the kernel vouches for the clock from now on."""
        if self.since_ns is not None:
            self._note_vouched(self.run)
        self.since_ns = self.host.now_ns if self.host.synced else None

    def _spans(self, boot: int, run: int | None = None) -> list[Span]:
        spans = [s for b, r, s in self.vouched if b == boot and run in {None, r}]
        if boot == self.boot and self.since_ns is not None and run in {None, self.run}:
            spans.append(Span(self.since_ns, self.host.now_ns))
        return spans

    # ---------------------------------------------------------------------------------------- acts
    @rule(seconds=st.sampled_from([0.01, 0.3, 1, 5, 20]))
    def let_time_pass(self, seconds: float) -> None:
        while seconds > 0:
            self.host.pass_s(min(seconds, LOOK_EVERY_S))
            seconds -= LOOK_EVERY_S
            self.watch.look()

    @rule(error_ms=st.integers(-MAX_ERROR_MS, MAX_ERROR_MS))
    def a_daemon_sets_the_clock_right(self, error_ms: int) -> None:
        self.host.set_right(error_ms * 1_000_000)
        self._follow()

    @rule(by_ns=st.sampled_from([3_600 * NS, -3_600 * NS, 2 * NS, -2 * NS]))
    def a_daemon_finds_that_all_clocks_were_wrong(self, by_ns: int) -> None:
        """Step the clock while it is synchronised: truth is what the kernel vouches for."""
        self.host.true_offset_ns += by_ns
        self.truths.append((self.boot, self.host.now_ns, self.host.true_offset_ns))
        self.a_daemon_sets_the_clock_right(0)

    @property
    def _was_seen(self) -> bool:
        """Whether the agent has seen the clock as it is: a correction takes a second to count."""
        return not self.host.synced or self.clock.reading().offset_ns == self.host.offset_ns

    @precondition(lambda self: self.host.synced and self._was_seen)
    @rule()
    def the_daemon_loses_its_servers(self) -> None:
        self.host.synced = False
        self._follow()

    @precondition(lambda self: self._was_seen)
    @rule(by_ns=st.sampled_from([3_600 * NS, -3_600 * NS, 2 * NS, -2 * NS, YEAR_NS, -YEAR_NS]))
    def somebody_sets_the_clock_by_hand(self, by_ns: int) -> None:
        self.host.step(by_ns)
        self._follow()

    @rule(count=st.sampled_from([1, 1, 3]))
    def hear(self, count: int) -> None:
        self.waiting += [self.host.now_ns] * count

    @rule()
    def hear_and_take(self) -> None:
        self.hear(1)
        self.take()

    @precondition(lambda self: self.waiting)
    @rule()
    def take(self) -> None:
        for at_ns in self.waiting:
            self._take(at_ns)
        self.waiting = []

    def _take(self, at_ns: int) -> None:
        observation = Observation(
            klass="routine",
            stream=f"RUN{self.run}",
            seq=self.seq,
            device="urn:dev:mac:a4c138fffe1b2c3d",
            heard_at_ns=at_ns,
            results=(("air_temperature", self.seq, 0, "", "", ()),),
            link=Link("ble", -71),
        )
        entry = pack(observation)
        if not self.packer.fits(entry, MAX_BYTES):
            self.seal()
        self.packer.add(observation, entry)
        self.heard[self.seq] = Heard(self.boot, self.run, at_ns, self.host.now_ns)
        self.seq += 1

    @precondition(lambda self: len(self.packer) > 0)
    @rule()
    def seal(self) -> None:
        self.kept.append(msgspec.msgpack.encode(self.packer.seal()))

    @rule()
    def send(self) -> None:
        for row in self.kept:
            self._publish(self.renderer.render(msgspec.msgpack.decode(row, type=Bundle)))

    @rule()
    def the_agent_is_started_again(self) -> None:
        self._end()
        self._run()

    @rule()
    def the_gateway_is_started_again(self) -> None:
        self._end()
        if self.since_ns is not None:
            self._note_vouched(self.run)
        self._boot()

    def _end(self) -> None:
        if len(self.packer):
            self.seal()

    # --------------------------------------------------------------------------------------- judge
    def _publish(self, payload: bytes) -> None:
        message = json.loads(payload)
        for one in message["observations"]:
            seq, quality = one["seq"], one["timeQuality"]
            heard = self.heard[seq]
            assert ("phenomenonTime" in one) == (quality != "unknown")
            if quality == "unknown":
                self._judge_order(one, heard)
            else:
                until_ns = self.host.now_ns if quality == "reconstructed" else heard.taken_ns
                self._judge_time(one["phenomenonTime"], heard, until_ns)
                getattr(self, f"_judge_{quality}")(heard)
            self._judge_again(seq, quality, one.get("phenomenonTime", ""))

    def _judge_order(self, one: dict[str, object], heard: Heard) -> None:
        assert one["boot"] == FakeHost(heard.boot).boot_id
        assert one["uptimeMs"] == heard.at_ns // 1_000_000

    def _judge_time(self, time: str, heard: Heard, until_ns: int) -> None:
        told_ms = round((datetime.fromisoformat(time) - _1970).total_seconds() * 1_000)
        true_ms = [
            (heard.at_ns + offset_ns) // 1_000_000
            for offset_ns in self._true_offsets(heard.boot, heard.at_ns - CACHED_NS, until_ns)
        ]
        assert min(abs(told_ms - ms) for ms in true_ms) <= MAX_ERROR_MS + STEADY_MS + ROUNDED_MS

    def _true_offsets(self, boot: int, from_ns: int, to_ns: int) -> list[int]:
        """Return what was true at any moment of a time."""
        of_boot = [(since, offset) for b, since, offset in self.truths if b == boot]
        ends = [since for since, _ in of_boot[1:]] + [to_ns + 1]
        return [
            offset
            for (since, offset), end in zip(of_boot, ends, strict=True)
            if since <= to_ns and end >= from_ns
        ]

    def _judge_exact(self, heard: Heard) -> None:
        spans = self._spans(heard.boot, heard.run)
        assert any(
            span.from_ns <= heard.at_ns and heard.at_ns - CACHED_NS <= span.to_ns for span in spans
        ), "the kernel did not vouch for it when it was heard"

    def _judge_holdover(self, heard: Heard) -> None:
        spans = self._spans(heard.boot, heard.run)
        assert any(span.from_ns <= heard.at_ns for span in spans)

    def _judge_reconstructed(self, heard: Heard) -> None:
        assert heard.boot == self.boot
        assert self._spans(self.boot, self.run)

    def _judge_again(self, seq: int, quality: str, time: str) -> None:
        """Hold a re-send to be as good as the first, and the same where that was dated."""
        before, before_time = self.published.get(seq, (quality, time))
        assert RANK.index(quality) <= RANK.index(before) or before == "reconstructed"
        if before in {"exact", "holdover"}:
            assert (quality, time) == (before, before_time)
        self.published[seq] = (quality, time)

    @invariant()
    def status_dates_this_boot_as_it_is(self) -> None:
        if self.clock.reading().state is not ClockState.UNSYNCED:
            told_ns = self.clock.wall_ns() - self.host.now_ns
            now_ns = self.host.now_ns
            true_ns = self._true_offsets(self.boot, now_ns - CACHED_NS, now_ns)
            assert min(abs(told_ns - each) for each in true_ns) <= MAX_ERROR_MS * 1_000_000

    def teardown(self) -> None:
        """Two sends of everything, the second with a clock that is right."""
        self._end()
        self.send()
        self.a_daemon_sets_the_clock_right(0)
        self.let_time_pass(2)
        self.send()
        of_this_boot = [
            q for s, (q, _) in self.published.items() if self.heard[s].boot == self.boot
        ]
        assert "unknown" not in of_this_boot


_1970: Final = datetime.fromtimestamp(0, UTC)

Gateway.TestCase.settings = settings(max_examples=600, stateful_step_count=30, deadline=None)
TestGateway = Gateway.TestCase
