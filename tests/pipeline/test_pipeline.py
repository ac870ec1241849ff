"""Frame -> Observation: every frame ends in exactly one counter, and means what it meant."""

import asyncio

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.admission import Device, Limits
from gateway.crypto import CcmKey
from gateway.model import Recovery, Structure
from gateway.pipeline import BATCH_FRAMES, LONG_S, QUEUE_FRAMES, TOGETHER_S
from tests.fakes import NS
from tests.pipeline.bench import KEY, PLAIN, SEALED, Bench, sealed


def test_a_reading_becomes_an_observation_with_its_link() -> None:
    bench = Bench()
    bench.advertise("4002ca0903bf13")
    (taken,) = bench.shelf.taken
    assert bench.values == [("air_temperature", 2506, 2), ("relative_humidity", 5055, 2)]
    assert (taken.device, taken.seq, taken.stream) == (
        "urn:dev:mac:c0ffeefffe000001",
        0,
        "STREAMROUTINE",
    )
    assert (taken.link.medium, taken.link.rssi_dbm, taken.link.copies) == ("ble", -71, 1)
    assert taken.heard_at_ns == bench.clock.boot_ns()
    assert bench.health.observations.observed == 1


def test_an_unlisted_device_is_counted_and_nothing_else() -> None:
    bench = Bench()
    bench.hear("DE:AD:BE:EF:00:01", ((0x16, 0xFCD2, b"\x40"),))
    assert bench.health.frames.unlisted == bench.health.frames.heard == 1
    assert "DE:AD" not in repr(vars(bench.pipeline))


def test_repeats_are_merged_and_counted_with_the_next_observation() -> None:
    bench = Bench()
    for _ in range(4):
        bench.advertise("4002ca09")
        bench.clock.pass_s(1)
    bench.advertise("4002cb09")
    assert [taken.link.copies for taken in bench.shelf.taken] == [1, 4]
    assert bench.health.frames.duplicate == 3


def test_an_unchanged_value_is_reported_again_after_the_window() -> None:
    bench = Bench()
    bench.advertise("4002ca09")
    bench.clock.pass_s(59.9)
    bench.advertise("4002ca09")
    assert len(bench.shelf.taken) == 1
    bench.clock.pass_s(0.2)
    bench.advertise("4002ca09")
    assert len(bench.shelf.taken) == 2


def test_the_same_packet_id_is_a_repeat_even_with_other_content() -> None:
    bench = Bench()
    bench.advertise("40000702ca09")
    bench.advertise("40000702cb09")
    assert len(bench.shelf.taken) == 1
    bench.advertise("40000802cb09")
    assert [taken.link.frame_counter for taken in bench.shelf.taken] == [7, 8]
    bench.clock.pass_s(61)
    bench.advertise("40000802cc09")
    assert len(bench.shelf.taken) == 3


def test_a_packet_id_that_stands_still_does_not_silence_its_device() -> None:
    bench = Bench()
    for value in range(20):
        bench.advertise(b"\x40\x00\x07\x02" + value.to_bytes(2, "little"))
        bench.clock.pass_s(10)
    assert [taken.link.copies for taken in bench.shelf.taken] == [1, 6, 6, 6]


@pytest.mark.parametrize("nothing", ["4002ca", "40", "60"], ids=["refused", "empty", "version"])
def test_repeats_of_what_became_no_observation_are_no_copies(nothing: str) -> None:
    bench = Bench()
    for _ in range(3):
        bench.advertise("4002ca09")
    for _ in range(5):
        bench.advertise(nothing)
    for _ in range(2):
        bench.advertise("4002cb09")
    bench.advertise("4002cc09")
    assert [taken.link.copies for taken in bench.shelf.taken] == [1, 3, 2]
    assert bench.health.frames.duplicate == 7


def test_a_device_gets_a_burst_and_then_its_rate() -> None:
    bench = Bench(Limits(burst=3, per_second=1))
    for value in range(10):
        bench.advertise(b"\x40\x02" + value.to_bytes(2, "little"))
    assert len(bench.shelf.taken) == 3
    assert bench.health.frames.limited == 7
    bench.clock.pass_s(2)
    for value in range(10, 20):
        bench.advertise(b"\x40\x02" + value.to_bytes(2, "little"))
    assert len(bench.shelf.taken) == 5


def test_what_was_limited_is_no_repeat_when_it_comes_again() -> None:
    bench = Bench(Limits(burst=1, per_second=1))
    bench.advertise("4002ca09")
    bench.advertise("4002cb09")
    bench.clock.pass_s(1)
    bench.advertise("4002cb09")
    assert bench.values[-1] == ("air_temperature", 2507, 2)


def test_while_the_pipeline_lags_the_newest_advertisement_of_a_device_wins() -> None:
    bench = Bench()
    for value in range(5):
        data = b"\x40\x02" + value.to_bytes(2, "little")
        bench.hear(PLAIN, ((0x16, 0xFCD2, data),))
    assert bench.pipeline.waiting() == 1
    bench.work()
    assert bench.values == [("air_temperature", 4, 2)]
    assert bench.health.frames.coalesced == 4


def test_what_an_event_device_says_gives_way_to_nothing() -> None:
    """A button pressed and let go while the pipeline lagged was pressed."""
    bench = Bench()
    bench.pipeline.relist([Device(address=PLAIN, urn="ugw:kiel:button", klass="event")])
    for payload in (b"\x44\x00\x21\x3a\x01", b"\x44\x00\x22\x3a\x00"):
        bench.hear(PLAIN, ((0x16, 0xFCD2, payload),))
    bench.work()
    assert bench.values == [("button_event", "press", 0)]
    assert (bench.health.frames.coalesced, bench.health.frames.empty) == (0, 1)


def test_lora_packets_are_never_coalesced_and_their_queue_is_bounded() -> None:
    bench = Bench(Limits(burst=10 * QUEUE_FRAMES))
    for value in range(QUEUE_FRAMES + 5):
        bench.receive(b"0067%04x" % value)
    assert bench.pipeline.waiting() == QUEUE_FRAMES
    assert bench.health.frames.limited == 5
    bench.work()
    assert len(bench.shelf.taken) == QUEUE_FRAMES


def test_a_lora_payload_is_unhexed_and_its_class_kept() -> None:
    bench = Bench()
    bench.receive(b"03670110")
    bench.work()
    (taken,) = bench.shelf.taken
    assert bench.values == [("air_temperature", 272, 1)]
    assert (taken.klass, taken.stream, taken.link.snr_db) == ("event", "STREAMEVENT", 7.0)


@pytest.mark.parametrize("payload", [b"0367011", b"03670x10", b"\xff\xfe", b"0367 0110 zz"])
def test_a_payload_that_is_not_hexadecimal_is_refused(payload: bytes) -> None:
    bench = Bench()
    bench.receive(payload)
    bench.work()
    assert bench.health.frames.refused == {"bad_hex": 1}


def test_a_frame_nobody_recognises_is_unknown() -> None:
    bench = Bench()
    bench.advertise("0102", uuid=0x1234)
    bench.hear(PLAIN, ())
    bench.work()
    assert bench.health.frames.unknown == 2


def test_a_frame_with_nothing_in_it_is_empty() -> None:
    bench = Bench()
    bench.advertise("40")
    assert bench.health.frames.empty == 1
    assert not bench.shelf.taken


def test_more_results_than_an_observation_holds_are_refused() -> None:
    bench = Bench()
    bench.advertise("40" + "0132" * 64)
    bench.advertise("40" + "0132" * 65)
    assert [len(taken.results) for taken in bench.shelf.taken] == [64]
    assert bench.health.frames.refused == {"bad_length": 1}


def test_an_implausible_value_is_kept_and_marked() -> None:
    bench = Bench()
    bench.advertise("4002ff7f")
    (taken,) = bench.shelf.taken
    assert taken.results == (("air_temperature", 32767, 2, "", "bad", ("out_of_range",)),)


def test_a_missing_value_is_told_as_missing() -> None:
    bench = Bench()
    ruuvi = bytes.fromhex("058000FFFFFFFF800080008000FFFFFFFFFFFFFFFFFFFFFF")
    bench.hear(PLAIN, ((0xFF, 0x0499, ruuvi),))
    bench.work()
    (taken,) = bench.shelf.taken
    assert {result[4] for result in taken.results} == {"missing"}


# -------------------------------------------------------------------------------------- encryption
def test_an_encrypted_frame_is_opened_and_its_counter_kept() -> None:
    bench = Bench()
    bench.advertise(sealed(1000), SEALED)
    assert bench.values == [("air_temperature", 2506, 2), ("relative_humidity", 5055, 2)]
    assert bench.shelf.taken[0].link.frame_counter == 1000
    assert bench.pipeline.counters() == {SEALED: 1000}


def test_a_replayed_frame_is_refused() -> None:
    bench = Bench()
    bench.advertise(sealed(1000), SEALED)
    bench.advertise(sealed(1001), SEALED)
    bench.clock.pass_s(120)
    bench.advertise(sealed(1000), SEALED)
    assert bench.health.frames.refused == {"replayed": 1}
    assert bench.pipeline.counters() == {SEALED: 1001}


def test_the_last_frame_again_is_a_duplicate_however_late() -> None:
    bench = Bench()
    bench.advertise(sealed(1000), SEALED)
    bench.clock.pass_s(120)
    bench.advertise(sealed(1000), SEALED)
    assert bench.health.frames.duplicate == 1
    assert not bench.health.frames.refused


def test_a_forged_frame_neither_passes_nor_moves_the_counter() -> None:
    bench = Bench()
    bench.advertise(sealed(1000), SEALED)
    forged = bytearray(sealed(5000))
    forged[2] ^= 1
    bench.advertise(bytes(forged), SEALED)
    assert bench.health.frames.refused == {"bad_mic": 1}
    bench.advertise(sealed(1001), SEALED)
    assert len(bench.shelf.taken) == 2


def test_clear_text_from_a_device_with_a_key_is_refused() -> None:
    bench = Bench()
    bench.advertise("4002ca09", SEALED)
    assert bench.health.frames.refused == {"not_encrypted": 1}


def test_a_greeting_in_clear_with_nothing_in_it_is_empty_where_there_is_a_key() -> None:
    """Xiaomi's sensors send such frames between their encrypted ones: nothing to be forged."""
    bench = Bench()
    bench.advertise("00505b0501", SEALED, uuid=0xFE95)
    assert bench.health.frames.refused == {}
    assert bench.health.frames.empty == 1


def test_an_encrypted_frame_without_a_key_is_refused() -> None:
    bench = Bench()
    bench.advertise(sealed(1), PLAIN)
    assert bench.health.frames.refused == {"no_key": 1}


def test_a_restarted_sensor_is_believed_and_flagged_until_it_says_what_it_never_said() -> None:
    """Whoever has recorded its first frame has most likely recorded those after it, too."""
    bench = Bench()
    bench.advertise(sealed(1000), SEALED)
    bench.advertise(sealed(3, "02cb09"), SEALED)
    assert bench.shelf.taken[1].results == (
        ("air_temperature", 2507, 2, "", "uncertain", ("replay_possible",)),
    )
    for counter in (4, 999, 1000, 1001):
        bench.advertise(sealed(counter, "02cc09"), SEALED)
    flags = [taken.results[0][5] for taken in bench.shelf.taken[2:]]
    assert flags == [("replay_possible",), ("replay_possible",), ("replay_possible",), ()]


def test_what_a_restarted_sensor_has_said_before_is_remembered_over_runs() -> None:
    before, after = Bench(), Bench()
    before.advertise(sealed(1000), SEALED)
    before.advertise(sealed(3), SEALED)
    after.pipeline.restore(Recovery(counters=before.pipeline.counters(), unclean=False))
    for counter in (4, 1001):
        after.advertise(sealed(counter), SEALED)
    assert [t.results[0][5] for t in after.shelf.taken] == [("replay_possible",), ()]
    assert after.pipeline.counters() == {SEALED: 1001}


def test_another_key_begins_anew_also_when_it_was_changed_while_the_agent_was_stopped() -> None:
    before, same, other = Bench(), Bench(), Bench()
    before.advertise(sealed(1000), SEALED)
    kept = before.pipeline.to_keep()
    assert KEY not in [value.to_bytes(16, "big") for value in kept.values()]
    for bench, key in ((same, KEY), (other, bytes(16))):
        device = msgspec.structs.replace(bench.sealed, key=CcmKey(key))
        bench.pipeline.relist([device])
        bench.pipeline.restore(Recovery(counters=kept, unclean=False))
    assert same.pipeline.to_keep() == kept
    assert other.pipeline.to_keep() == {}
    same.advertise(sealed(500), SEALED)
    assert same.health.frames.refused == {"replayed": 1}


def test_forged_frames_take_nothing_of_a_device_s_rate() -> None:
    bench = Bench(Limits(burst=3, per_second=0))
    forged = bytearray(sealed(5000))
    for number in range(20):
        forged[2] = number
        bench.advertise(bytes(forged), SEALED)
    bench.advertise(sealed(1000), SEALED)
    assert bench.health.frames.refused == {"bad_mic": 20}
    assert len(bench.shelf.taken) == 1


@pytest.mark.parametrize(("unclean", "flags"), [(True, ("replay_possible",)), (False, ())])
def test_after_an_unclean_end_the_first_frame_is_flagged(
    unclean: bool,  # noqa: FBT001 - a parameter of the table
    flags: tuple[str, ...],
) -> None:
    bench = Bench()
    bench.pipeline.restore(Recovery(counters={SEALED: 1000}, unclean=unclean))
    bench.advertise(sealed(1000), SEALED)
    assert bench.health.frames.duplicate == 1
    bench.advertise(sealed(1001), SEALED)
    bench.advertise(sealed(1002), SEALED)
    assert [taken.results[0][5] for taken in bench.shelf.taken] == [flags, ()]


# --------------------------------------------------------------------------------------- the task
def test_the_task_decodes_what_waits_and_pauses_without_room() -> None:
    async def scene() -> None:
        bench = Bench()
        bench.shelf.has_room = False
        task = asyncio.create_task(bench.pipeline.run(), name="pipeline")
        bench.hear(PLAIN, ((0x16, 0xFCD2, bytes.fromhex("4002ca09")),))
        for _ in range(5):
            await asyncio.sleep(0)
        assert not bench.shelf.taken
        bench.hear(PLAIN, ((0x16, 0xFCD2, bytes.fromhex("4002cb09")),))
        bench.shelf.has_room = True
        bench.shelf.opened.set()
        async with asyncio.timeout(10):
            await bench.shelf.offered.wait()
        assert bench.values == [("air_temperature", 2507, 2)]
        assert bench.health.frames.coalesced == 1
        task.cancel()

    asyncio.run(scene())


@given(
    st.lists(
        st.tuples(
            st.sampled_from([PLAIN, SEALED, "DE:AD:BE:EF:00:01"]),
            st.sampled_from([0xFCD2, 0x0499, 0x1234]),
            st.binary(max_size=24) | st.binary(max_size=20).map(lambda tail: b"\x40" + tail),
            st.booleans(),
        ),
        max_size=30,
    )
)
def test_whatever_is_heard_every_frame_ends_in_one_counter(
    heard: list[tuple[str, int, bytes, bool]],
) -> None:
    bench = Bench(Limits(burst=5, per_second=1))
    for address, identifier, data, work in heard:
        kind = 0xFF if identifier == 0x0499 else 0x16
        bench.hear(address, ((kind, identifier, data),))
        bench.clock.now_ns += NS // 10
        if work:
            bench.work()
    bench.work()
    assert bench.health.frames.heard == len(heard)


class StandingLoop(asyncio.SelectorEventLoop):
    """An event loop whose time passes only when the test says so."""

    now_s = 1_000.0

    def time(self) -> float:
        return self.now_s


async def turns() -> None:
    """Let the event loop come round a few times."""
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.mark.parametrize(("sink_s", "together_s"), [(0.012, 0.012), (10.0, LONG_S)])
def test_what_the_sink_would_hold_back_anyway_is_decoded_together(
    sink_s: float, together_s: float
) -> None:
    loop = StandingLoop()

    async def scene() -> None:
        bench = Bench()
        bench.shelf.wait_s = sink_s
        task = asyncio.create_task(bench.pipeline.run(), name="pipeline")
        await turns()
        loop.now_s += together_s
        bench.receive(b"00670000")
        await turns()
        for value in (1, 2):
            bench.receive(b"0067%04x" % value)
        loop.now_s += together_s - 0.001
        await turns()
        assert len(bench.shelf.taken) == 1
        loop.now_s += 0.001
        await turns()
        assert len(bench.shelf.taken) == 3
        task.cancel()

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(scene())


def advertisement(value: int) -> tuple[Structure, ...]:
    """Return a temperature in BTHome."""
    return ((0x16, 0xFCD2, b"\x40\x02" + value.to_bytes(2, "little")),)


def test_what_a_device_says_while_its_last_word_waits_for_its_turn_overtakes_nothing() -> None:
    """A turn that is held back, so that more go together, is no lag."""
    loop = StandingLoop()

    async def scene() -> None:
        bench = Bench()
        bench.shelf.wait_s = LONG_S
        task = asyncio.create_task(bench.pipeline.run(), name="pipeline")
        await turns()
        for value in (1, 2, 3):
            bench.hear(PLAIN, advertisement(value))
            loop.now_s += LONG_S / 4
            await turns()
        assert not bench.values
        loop.now_s += LONG_S
        await turns()
        assert [value for _, value, _ in bench.values] == [1, 2, 3]
        task.cancel()

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(scene())


def test_of_more_than_the_next_turn_decodes_the_newest_of_each_device_wins() -> None:
    async def scene() -> None:
        bench = Bench(Limits(burst=10 * BATCH_FRAMES))
        task = asyncio.create_task(bench.pipeline.run(), name="pipeline")
        await turns()
        for value in range(2 * BATCH_FRAMES):
            bench.hear(PLAIN, advertisement(value))
            assert bench.pipeline.waiting() <= BATCH_FRAMES
        await turns()
        read = [value for _, value, _ in bench.values]
        assert read == [*range(BATCH_FRAMES - 1), 2 * BATCH_FRAMES - 1]
        assert bench.health.frames.coalesced == BATCH_FRAMES
        task.cancel()

    asyncio.run(scene())


def test_the_first_frame_is_decoded_at_once_and_those_that_follow_together() -> None:
    loop = StandingLoop()

    async def scene() -> None:
        bench = Bench(Limits(burst=10 * BATCH_FRAMES))
        task = asyncio.create_task(bench.pipeline.run(), name="pipeline")
        await turns()
        loop.now_s += TOGETHER_S
        bench.receive(b"00670000")
        await turns()
        assert len(bench.shelf.taken) == 1
        for value in range(1, BATCH_FRAMES):
            bench.receive(b"0067%04x" % value)
            await turns()
        assert len(bench.shelf.taken) == 1
        loop.now_s += TOGETHER_S
        await turns()
        assert len(bench.shelf.taken) == BATCH_FRAMES
        for value in range(BATCH_FRAMES):
            bench.receive(b"0067%04x" % value)
            assert bench.pipeline.waiting() == value + 1
        await turns()  # so many need not wait for their time
        assert len(bench.shelf.taken) == 2 * BATCH_FRAMES
        task.cancel()
        bench.receive(b"0067ffff")
        loop.now_s += TOGETHER_S
        await turns()
        assert bench.pipeline.waiting() == 1, "after its end nobody works"

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(scene())
