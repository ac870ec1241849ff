"""Delivery on an ESP32 keeps the Pi's promise: nothing lost, nothing invented."""

import asyncio
import errno
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gateway.bundle import Identity, Packer, Renderer, pack
from gateway.clock import ClockReading, ClockState
from gateway.core.refusal import DecodeError
from gateway.model import Entry, Link, Observation
from tests.esp32.delivery_desk import LIMITS, PACKET, ROOT, UNIX_MS, URN, Desk
from tests.esp32.machines import ROOT as HERE
from tests.esp32.machines import run_on
from ugw_flash.esp32.compile import cross_compile
from ugw_flash.esp32.folding import folded

if TYPE_CHECKING:
    from collections.abc import Callable

MS = 1_000_000
ON_THE_BOARD = {"ring", "delivery", "backlog", "segments", "inventory", "journal", "overlay"}


@pytest.fixture
def desk() -> Desk:
    desk = Desk()
    desk.clock.sync()
    desk.up()
    return desk


# ---------------------------------------------------------------------------------- pace and lanes
def test_after_a_quiet_moment_an_observation_goes_at_once(desk: Desk) -> None:
    desk.offer()
    assert desk.lanes() == [("live", "routine", [0])]


def test_what_follows_within_the_pace_travels_together(desk: Desk) -> None:
    for _ in range(4):
        desk.offer()
    desk.wait(19)
    assert len(desk.uplink.sent) == 1
    desk.wait(1)
    assert desk.lanes()[1:] == [("live", "routine", [1, 2, 3])]


def test_a_full_bundle_does_not_wait_for_the_pace(desk: Desk) -> None:
    for _ in range(4):
        desk.offer(size=400)
    assert desk.lanes() == [("live", "routine", [0]), ("live", "routine", [1, 2])]


def test_a_bundle_of_the_most_observations_fits_into_the_packet_without_another(
    desk: Desk,
) -> None:
    desk.offer()
    for _ in range(40):
        desk.offer(size=0)
    desk.wait(100)
    assert max(len(sent.text.encode()) for sent in desk.uplink.sent) <= PACKET - len(ROOT) - 20
    desk.acknowledge_all()
    desk.check()


def test_events_go_before_routine(desk: Desk) -> None:
    desk.uplink.busy = True
    desk.offer("routine")
    desk.offer("event")
    desk.uplink.busy = False
    desk.wait(0)
    assert [klass for _, klass, _ in desk.lanes()] == ["event", "routine"]


def test_what_is_older_than_the_live_lane_takes_travels_on_replay(desk: Desk) -> None:
    desk.offer("event", age_ms=1000)
    desk.clock.ms += 70_000
    desk.offer("event", age_ms=60_001)
    desk.offer("routine", age_ms=60_000)
    assert [lane for lane, _, _ in desk.lanes()] == ["live", "replay", "live"]


def test_the_window_is_never_exceeded(desk: Desk) -> None:
    for _ in range(12):
        desk.offer()
        desk.wait(20)
    assert len(desk.uplink.sent) == LIMITS["window"]
    desk.check()


def _with_backlog(batches: int) -> Desk:
    desk = Desk()
    for _ in range(batches):
        desk.offer(size=800)
        desk.wait(701)
    assert desk.delivery.in_memory() == 0
    return desk


def test_replay_takes_the_whole_window_while_live_is_quiet() -> None:
    desk = _with_backlog(20)
    desk.up()
    assert [lane for lane, _, _ in desk.lanes()] == ["replay"] * LIMITS["window"]


def test_replay_takes_half_the_window_while_live_has_traffic() -> None:
    desk = _with_backlog(20)
    desk.uplink.up = True
    desk.offer()
    desk.wait(0)
    lanes = [lane for lane, _, _ in desk.lanes()]
    assert lanes == ["live"] + ["replay"] * (LIMITS["window"] // 2)


def test_live_that_could_fill_the_window_does_not_starve_replay() -> None:
    desk = _with_backlog(3)
    desk.uplink.up = True
    for _ in range(60):
        desk.offer(size=500)
        if len(desk.uplink.open) == LIMITS["window"]:
            desk.acknowledge(next(iter(desk.uplink.open.values())))
        desk.clock.ms += 20
    replayed = [seqs for lane, _, seqs in desk.lanes() if lane == "replay"]
    assert [0] in replayed
    assert [1] in replayed
    desk.check()


def test_at_a_window_of_one_live_and_replay_take_turns() -> None:
    desk = Desk(window=1)
    for _ in range(6):
        desk.offer(size=800)
        desk.wait(701)
    desk.uplink.up = True
    for _ in range(3):
        desk.offer(size=600)
    for _ in range(4):
        desk.acknowledge(next(iter(desk.uplink.open.values())))
    assert [lane for lane, _, _ in desk.lanes()][:4] == ["live", "replay"] * 2


# -------------------------------------------------------------------------------- acknowledgements
def test_an_observation_stays_until_its_puback(desk: Desk) -> None:
    desk.offer()
    assert (desk.delivery.in_memory(), desk.counts.delivered) == (1, 0)
    assert desk.delivery.settled_below("routine") == 0
    assert desk.acknowledge(desk.uplink.sent[0])
    assert (desk.delivery.in_memory(), desk.counts.delivered) == (0, 1)
    assert desk.delivery.settled_below("routine") == 1


def test_pubacks_out_of_order_twice_and_of_strangers_do_no_harm(desk: Desk) -> None:
    for _ in range(5):
        desk.offer()
        desk.wait(20)
    for at in (3, 1, 4):
        assert desk.acknowledge(desk.uplink.sent[at])
        assert not desk.acknowledge(desk.uplink.sent[at])
        desk.check()
    assert not desk.delivery.acknowledged(4711)
    assert desk.delivery.in_memory() == 2
    assert desk.delivery.settled_below("routine") == 0
    assert desk.acknowledge(desk.uplink.sent[0])
    assert desk.delivery.settled_below("routine") == 2
    desk.check()


def test_a_connection_on_which_an_acknowledgement_is_overdue_is_given_up(desk: Desk) -> None:
    desk.offer(size=600)
    size = desk.delivery.flights[0][4]
    desk.wait(10_000 + 2 * size - 21)
    assert desk.uplink.up
    desk.wait(60)
    assert desk.uplink.cause == "not acknowledged in time"


# ----------------------------------------------------------------------------------- sending again
def test_what_a_connection_took_along_is_sent_again_first_as_it_was(desk: Desk) -> None:
    for klass in ("routine", "event", "routine"):
        for _ in range(3):
            desk.offer(klass)
        desk.wait(20)
    desk.down()
    desk.offer()
    desk.up()
    desk.wait(20)
    before, again, new = desk.uplink.sent[:6], desk.uplink.sent[6:12], desk.uplink.sent[12:]
    assert [sent.dup for sent in again] == [True] * 6
    assert max(len(sent.seqs) for sent in again) > 1
    assert [sent.pid for sent in again] == [sent.pid for sent in before]
    assert [sent.text for sent in again] == [sent.text for sent in before]
    assert [(sent.dup, sent.seqs) for sent in new] == [(False, [6])]
    assert desk.counts.resent == 9
    desk.check()


def test_what_was_stored_meanwhile_is_sent_again_under_its_packet_id(desk: Desk) -> None:
    desk.offer()
    desk.wait(20)
    desk.offer()
    desk.down()
    desk.wait(1000)
    assert (desk.delivery.in_memory(), desk.delivery.in_backlog()) == (0, 2)
    desk.up()
    first, again = desk.uplink.sent[0], desk.uplink.sent[2]
    assert (again.dup, again.pid, again.text) == (True, first.pid, first.text)
    desk.acknowledge_all()
    assert desk.delivery.in_backlog() == 0
    assert len(desk.uplink.sent) == 4
    desk.check()


# ------------------------------------------------------------------------------------------- store
def test_a_healthy_link_never_touches_the_store(desk: Desk) -> None:
    for _ in range(50):
        desk.offer()
        desk.wait(30)
        desk.acknowledge_all()
    assert desk.flash.next_key == 0


def test_keeping_withdraws_nothing_that_is_in_flight(desk: Desk) -> None:
    desk.offer()
    desk.wait(701)
    assert (desk.delivery.in_memory(), desk.delivery.in_backlog()) == (0, 1)
    desk.wait(5000)
    assert len(desk.uplink.sent) == 1
    assert desk.acknowledge(desk.uplink.sent[0])
    assert (desk.counts.delivered, desk.delivery.in_backlog()) == (1, 0)
    desk.check()


def _hear(desk: Desk, seconds: int) -> None:
    """Let one more be heard every five seconds: four stay below what fills memory in 20 s."""
    for _ in range(0, seconds, 5):
        desk.offer()
        desk.wait(5000)


def test_a_long_outage_spares_the_flash_and_a_short_one_does_not(desk: Desk) -> None:
    desk.down()
    _hear(desk, 90)
    assert desk.flash.next_key == 18
    _hear(desk, 600)
    assert desk.flash.next_key == 18 + 600 // 20
    assert desk.delivery.in_memory() <= 4
    desk.check()


def test_in_a_long_outage_what_fills_memory_is_kept_at_once(desk: Desk) -> None:
    desk.down()
    desk.wait(100_000)
    for _ in range(40):
        desk.offer(size=800)
        desk.wait(100)
        assert desk.delivery.has_room
    assert desk.counts.dropped == 0


def test_whatever_is_acknowledged_ends_an_outage(desk: Desk) -> None:
    desk.down()
    desk.wait(100_000)
    assert not desk.delivery.acknowledged(1)  # a heartbeat's
    desk.offer()
    desk.wait(701)
    assert desk.delivery.in_backlog() == 1


def test_memory_that_is_nearly_full_is_kept_at_once() -> None:
    desk = Desk()
    offered = 0
    while desk.delivery.has_room:
        desk.offer(size=330)
        offered += 1
    assert desk.delivery.in_memory() == offered
    desk.wait(0)
    assert desk.delivery.in_backlog() == offered
    desk.offer()


def test_memory_without_room_is_emptied_into_the_store() -> None:
    desk = Desk()
    for _ in range(30):
        desk.offer(size=400)
        desk.check()
    assert desk.counts.dropped == 0


def test_an_observation_larger_than_memory_is_refused() -> None:
    desk = Desk()
    with pytest.raises(DecodeError, match="bad_length"):
        desk.offer("event", size=1600)
    desk.offer("event", size=1400)
    desk.offer("event", size=1400)
    assert desk.delivery.next_seq("event") == 2
    desk.up()
    desk.drain()


def test_a_full_store_gives_up_the_oldest_routine_and_declares_it() -> None:
    desk = Desk(cap=6)
    desk.offer("event")
    for _ in range(12):
        desk.offer(size=800)
        desk.wait(701)
        desk.check()
    assert set(desk.lost.values()) == {"full"}
    assert {stream for stream, _ in desk.lost} == {desk.streams["routine"]}
    assert min(seq for _, seq in desk.lost) == 0
    assert desk.delivery.level == "full"
    desk.drain()
    desk.wait(61_000)
    assert desk.delivery.level == "normal"


def test_a_puback_for_what_was_given_up_counts_as_dropped_and_not_as_delivered(desk: Desk) -> None:
    desk.flash.cap = 3
    desk.offer()
    desk.wait(701)
    for _ in range(3):
        desk.offer(size=1500)
        desk.wait(701)
    assert desk.counts.dropped
    desk.check()
    assert desk.acknowledge(desk.uplink.sent[0])
    assert desk.counts.delivered == 0
    desk.check()


def test_what_was_given_up_is_not_sent_again(desk: Desk) -> None:
    desk.flash.cap = 3
    desk.offer()
    desk.down()
    for _ in range(4):
        desk.wait(701)
        desk.offer(size=1500)
    assert (desk.streams["routine"], 0) in desk.lost
    desk.up()
    assert not any(sent.dup for sent in desk.uplink.sent)
    assert 0 not in [flight[2] for flight in desk.delivery.flights]
    desk.check()


@pytest.mark.parametrize("error", [OSError(errno.EIO, "broken"), MemoryError()])
def test_a_store_that_fails_loses_nothing_and_is_tried_again(error: Exception) -> None:
    desk = Desk()
    desk.flash.broken, desk.flash.error = True, error
    desk.offer()
    desk.wait(2000)
    assert desk.store_state == "memory-only"
    assert desk.delivery.in_memory() == 1
    desk.check()
    desk.flash.broken = False
    desk.wait(60_000)
    assert desk.store_state == "ok"
    assert desk.delivery.in_backlog() == 1
    desk.check()


def test_a_store_that_could_not_be_opened_is_tried_again_without_anything_new() -> None:
    desk = Desk()
    desk.offer()
    desk.wait(701)
    desk.flash.broken = True
    desk.power_cut()
    assert (desk.store_state, desk.counts.recovered) == ("memory-only", 0)
    desk.flash.broken = False
    desk.up()
    desk.wait(2000)
    assert (desk.store_state, desk.counts.recovered) == ("ok", 1)
    assert desk.lanes() == [("replay", "routine", [0])]


def test_while_the_store_fails_memory_is_the_bound_and_the_oldest_go() -> None:
    desk = Desk()
    desk.flash.broken = True
    for _ in range(30):
        desk.offer(size=330)
        desk.wait(10)
        desk.check()
    assert set(desk.lost.values()) == {"store"}
    assert desk.delivery.has_room
    assert desk.delivery.level in {"critical", "full"}


def test_what_an_earlier_run_left_is_recovered_and_delivered(desk: Desk) -> None:
    desk.down()
    for klass in ("routine", "event", "routine"):
        desk.offer(klass)
    desk.wait(701)
    desk.power_cut()
    assert desk.counts.recovered == 3
    desk.up()
    assert [(lane, klass) for lane, klass, _ in desk.lanes()] == [
        ("replay", "event"),
        ("replay", "routine"),
    ]
    desk.acknowledge_all()
    assert desk.counts.delivered == 3
    desk.check()


def test_delivery_lets_go_of_the_store_when_there_is_no_use_for_it(desk: Desk) -> None:
    desk.offer()
    desk.wait(701)
    assert desk.delivery.store is not None
    desk.acknowledge_all()
    desk.wait(9_000)
    assert desk.delivery.store is not None
    desk.wait(2_000)
    assert desk.delivery.store is None


def test_a_store_that_was_empty_at_the_start_leaves_memory_at_once(desk: Desk) -> None:
    desk.wait(1)
    assert desk.delivery.store is None


# --------------------------------------------------------------------------------------------- end
def test_an_orderly_stop_keeps_what_is_not_acknowledged(desk: Desk) -> None:
    desk.offer("event")
    desk.offer()
    desk.down()
    assert asyncio.run(desk.delivery.close())
    assert (desk.delivery.in_memory(), desk.delivery.in_backlog()) == (0, 2)
    desk.check()


def test_an_orderly_stop_says_when_something_could_not_be_kept(desk: Desk) -> None:
    desk.flash.broken = True
    desk.offer("event")
    desk.down()
    assert not asyncio.run(desk.delivery.close())


def test_an_orderly_stop_waits_for_acknowledgements_and_then_writes_nothing(desk: Desk) -> None:
    async def stop() -> bool:
        desk.offer()
        desk.offer()
        closing = asyncio.create_task(desk.delivery.close())
        while desk.delivery.flights or desk.delivery.congested():
            desk.clock.ms += 20
            await asyncio.sleep(0)
            desk.acknowledge_all()
        return await closing

    assert asyncio.run(stop())
    assert desk.flash.next_key == 0
    assert desk.counts.delivered == 2


# -------------------------------------------------------------------------------------------- time
def test_a_change_of_the_clock_ends_a_bundle() -> None:
    desk = Desk()
    turns: list[Callable[[], object]] = [
        desk.clock.now,
        desk.clock.sync,
        desk.clock.hold,
        desk.clock.sync,
    ]
    for turn in turns:
        desk.clock.ms += 5
        turn()
        desk.offer("event", size=2)
        desk.offer("event", size=2)
    desk.clock.sync(UNIX_MS + 50)
    desk.offer("event", size=2)
    desk.up()
    qualities = [sent.observations[0]["timeQuality"] for sent in desk.uplink.sent]
    assert [seqs for _, _, seqs in desk.lanes()[:4]] == [[0, 1], [2, 3], [4, 5], [6, 7]]
    assert qualities[:4] == ["reconstructed", "exact", "holdover", "exact"]
    desk.check()


def test_what_was_heard_before_the_time_was_known_is_reconstructed_in_its_boot_alone() -> None:
    desk = Desk()
    desk.clock.ms += 100
    desk.clock.sync()
    desk.offer(age_ms=1)
    desk.offer(age_ms=0)
    desk.wait(701)
    desk.power_cut()
    desk.clock.sync()
    desk.up()
    qualities = [sent.observations[0]["timeQuality"] for sent in desk.uplink.sent]
    assert qualities == ["unknown", "exact"]
    desk.check()
    desk.offer(age_ms=1)
    assert desk.uplink.sent[-1].observations[0]["timeQuality"] == "reconstructed"
    desk.check()


class PiClock:
    """The Pi's view of a clock on the desk."""

    source = "kernel"

    def __init__(self, desk: Desk) -> None:
        self._clock = desk.clock
        self.boot_id = desk.clock.boot

    def boot_ns(self) -> int:
        return self._clock.ms * MS

    def reading(self) -> ClockReading:
        clock = self._clock
        offset = None if clock.offset_ms is None else clock.offset_ms * MS
        state = ClockState(clock.state())
        return ClockReading(state, clock.max_error_ms(), offset, 0, clock.since_ms * MS)


@pytest.mark.parametrize("quality", ["exact", "holdover", "reconstructed", "unknown"])
def test_a_bundle_is_rendered_to_the_byte_as_on_the_pi(quality: str) -> None:
    desk = Desk()
    if quality in {"exact", "holdover"}:
        desk.clock.sync()
    if quality == "holdover":
        desk.clock.hold()
    desk.clock.ms += 1000
    clock = PiClock(desk)
    packer = Packer("routine", clock)  # type: ignore[arg-type]
    heard_ms = desk.clock.ms
    for seq in range(3):
        observation = Observation(
            stream=desk.streams["routine"],
            seq=seq,
            klass="routine",
            device=URN,
            heard_at_ns=(heard_ms + seq) * MS,
            results=(("air_temperature", 2145, 2, "", "", ()),),
            link=Link("ble", rssi_dbm=-70),
        )
        entry: Entry = pack(observation)
        packer.add(observation, entry)
        desk.clock.ms = heard_ms + seq
        desk.delivery.offer("routine", URN, heard_ms + seq, entry.tail)
    if quality == "reconstructed":
        desk.clock.sync()
    sent: list[str] = []
    desk.uplink.up = True
    desk.uplink.add = sent.append  # type: ignore[method-assign,assignment]
    desk.uplink.send = lambda *_: 1  # type: ignore[method-assign]
    desk.delivery.on_up()
    rendered = Renderer(Identity("acme", "site-1"), clock).render(packer.seal())  # type: ignore[arg-type]
    assert "".join(sent).encode() == rendered
    bundle = msgspec.json.decode(rendered)
    assert {each["timeQuality"] for each in bundle["observations"]} == {quality}


# -------------------------------------------------------------------------------- whatever happens
class Whatever(RuleBasedStateMachine):
    """Anything in any order: the laws hold at every step, and in the end all has arrived."""

    desk: Desk

    @initialize(window=st.sampled_from([1, 2, 8]), cap=st.sampled_from([4, 12, 1000]))
    def begin(self, window: int, cap: int) -> None:
        self.desk = Desk(window=window, cap=cap)

    @rule(
        klass=st.sampled_from(["routine", "event"]),
        size=st.sampled_from([0, 90, 300, 700]),
        age_ms=st.sampled_from([0, 0, 5, 800, 61_000]),
        times=st.integers(1, 6),
    )
    def offer(self, klass: str, size: int, age_ms: int, times: int) -> None:
        for _ in range(times):
            self.desk.offer(klass, size=size, age_ms=age_ms)

    @precondition(lambda self: self.desk.uplink.open and self.desk.uplink.up)
    @rule(data=st.data())
    def acknowledge(self, data: st.DataObject) -> None:
        pid = data.draw(st.sampled_from(sorted(self.desk.uplink.open)))
        self.desk.acknowledge(self.desk.uplink.open[pid])

    @precondition(lambda self: self.desk.uplink.sent)
    @rule(data=st.data())
    def acknowledge_what_is_not_open(self, data: st.DataObject) -> None:
        sent = data.draw(st.sampled_from(self.desk.uplink.sent))
        if sent.pid not in self.desk.uplink.open:
            assert not self.desk.acknowledge(sent)

    @rule(ms=st.sampled_from([1, 19, 250, 701, 3000]))
    def wait(self, ms: int) -> None:
        self.desk.wait(ms)

    @rule()
    def up(self) -> None:
        self.desk.up()

    @rule()
    def down(self) -> None:
        self.desk.down()

    @rule()
    def stall(self) -> None:
        self.desk.uplink.busy = not self.desk.uplink.busy

    @rule()
    def break_or_mend_the_store(self) -> None:
        self.desk.flash.broken = not self.desk.flash.broken

    @rule(offset_ms=st.sampled_from([UNIX_MS, UNIX_MS + 9, UNIX_MS + 4000]))
    def synchronise(self, offset_ms: int) -> None:
        self.desk.clock.sync(offset_ms)

    @rule()
    def lose_the_time(self) -> None:
        self.desk.clock.hold()

    @rule()
    def cut_the_power(self) -> None:
        self.desk.power_cut()

    @invariant()
    def the_laws_hold(self) -> None:
        if hasattr(self, "desk"):
            self.desk.check()

    def teardown(self) -> None:
        if hasattr(self, "desk"):
            self.desk.drain()
            self.desk.check()
            missing = set(self.desk.offered) - self.desk.acknowledged - set(self.desk.lost)
            assert missing <= self.desk.cut


TestWhatever = Whatever.TestCase
TestWhatever.settings = settings(
    max_examples=75,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


# ------------------------------------------------------------------------------------------ memory
def test_a_long_history_takes_no_more_memory_than_a_short_one(tmp_path: Path) -> None:
    code, flash = tmp_path / "code", tmp_path / "flash"
    for folder in ("store", "state"):
        (flash / folder).mkdir(parents=True)
    ended = run_on(
        "32", "tests/esp32/vm_delivery.py", str(flash), heap="56k", folders=(_compiled(code),)
    )
    assert ended.code == 0, ended.text


def _compiled(target: Path) -> Path:
    for file in [*(HERE / "gateway/core").glob("*.py"), *(HERE / "gateway/esp32").glob("*.py")]:
        if file.stem in ON_THE_BOARD or file.parent.name == "core":
            out = (target / file.relative_to(HERE)).with_suffix(".mpy")
            out.parent.mkdir(parents=True, exist_ok=True)
            cross_compile(folded(file.read_text(encoding="utf-8"), ()), file.stem, out)
    return target
