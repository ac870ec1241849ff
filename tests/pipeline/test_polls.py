"""What a poll brings: a frame like any other to both laws, and a measurement of its own."""

import msgspec
import pytest

from gateway.admission import Limits
from gateway.core.gatt import uuid
from gateway.core.gatt_table import entry
from gateway.model import Frame, Level
from gateway.pipeline import BATCH_FRAMES
from tests.pipeline.bench import PLAIN, REGISTRY, SEALED, Bench


class PollBench(Bench):
    """The device in clear is polled, too."""

    def __init__(self, limits: Limits | None = None) -> None:
        super().__init__(limits)
        driver = REGISTRY.by_model("environmental-sensing")
        self.plain = msgspec.structs.replace(self.plain, poll=driver)
        self.pipeline.relist([self.plain, self.sealed, self.node])

    def answer(self, payload: bytes, *, at_once: bool = True) -> None:
        """Hand over what a poll has read, as the transport does."""
        at_ns = self.pipeline.admits(PLAIN, None, -80)
        if at_ns is not None:
            frame = Frame(
                medium="ble",
                source="ble:hci0",
                address=PLAIN,
                heard_at_ns=at_ns,
                content=None,
                payload=payload,
                polled=True,
                rssi_dbm=-80,
            )
            self.pipeline.hear(frame)
        assert self.health.frames_law() == 0
        if at_once:
            self.work()


def temperature(hundredths: int) -> bytes:
    return entry(uuid(0x2A6E), hundredths.to_bytes(2, "little"))


def test_what_was_read_becomes_an_observation_by_the_driver_that_polls() -> None:
    bench = PollBench()
    bench.answer(temperature(2134))
    (taken,) = bench.shelf.taken
    assert bench.values == [("air_temperature", 2134, 2)]
    assert (taken.link.medium, taken.link.rssi_dbm, taken.link.copies) == ("ble", -80, 1)
    (listing, *_) = bench.pipeline.listed()
    assert listing.model == "environmental-sensing"


def test_the_same_value_is_no_repeat_for_it_was_measured_anew() -> None:
    bench = PollBench()
    for _ in range(5):
        bench.answer(temperature(2134))
        bench.clock.pass_s(10)
    assert len(bench.shelf.taken) == 5
    assert bench.health.frames.duplicate == 0


def test_advertisements_around_it_stay_repeats_and_are_none_of_its_copies() -> None:
    bench = PollBench()
    for _ in range(3):
        bench.advertise("4002ca09")
        bench.answer(temperature(2134))
        bench.clock.pass_s(10)
    bench.advertise("4002cb09")
    copies = [taken.link.copies for taken in bench.shelf.taken]
    assert copies == [1, 1, 1, 1, 3]
    assert bench.health.frames.duplicate == 2


def test_a_poll_between_advertisements_nobody_reads_makes_them_no_copies() -> None:
    bench = PollBench()
    bench.advertise("4002ca")  # refused
    bench.answer(temperature(2134))
    for _ in range(3):
        bench.advertise("4002ca")
    bench.advertise("4002cb09")
    assert [taken.link.copies for taken in bench.shelf.taken] == [1, 1]


def test_while_the_pipeline_lags_no_advertisement_takes_its_place() -> None:
    bench = PollBench()
    bench.answer(temperature(2134), at_once=False)
    bench.hear(PLAIN, ((0x16, 0xFCD2, bytes.fromhex("4002ca09")),))
    bench.hear(PLAIN, ((0x16, 0xFCD2, bytes.fromhex("4002cb09")),))
    assert bench.health.frames.coalesced == 1
    bench.work()
    assert [value for _, value, _ in bench.values] == [2134, 2507]


def test_nothing_read_is_refused() -> None:
    bench = PollBench()
    bench.answer(b"")
    assert bench.health.frames.refused == {"bad_type": 1}
    assert not bench.shelf.taken


def test_the_answer_of_a_device_that_is_polled_no_more_is_unknown() -> None:
    bench = PollBench()
    bench.answer(temperature(2134), at_once=False)
    bench.pipeline.relist([msgspec.structs.replace(bench.plain, poll=None)])
    bench.work()
    assert bench.health.frames.unknown == 1


def test_it_takes_of_the_rate_like_any_frame() -> None:
    bench = PollBench(Limits(burst=2, per_second=0.1))
    for _ in range(3):
        bench.answer(temperature(2134))
    assert (len(bench.shelf.taken), bench.health.frames.limited) == (2, 1)


def test_a_poll_is_wanted_while_there_is_room_for_it() -> None:
    bench = PollBench()
    assert bench.pipeline.wants(PLAIN)
    assert not bench.pipeline.wants("DE:AD:BE:EF:00:01")
    bench.shelf.has_room = False
    assert not bench.pipeline.wants(PLAIN)
    bench.shelf.has_room = True
    for _ in range(BATCH_FRAMES):
        bench.receive(b"0167%04x" % bench.pipeline.waiting())
    assert not bench.pipeline.wants(PLAIN)


@pytest.mark.parametrize("level", [Level.ELEVATED, Level.CRITICAL, Level.FULL])
def test_no_poll_is_wanted_that_would_be_thinned(level: Level) -> None:
    bench = PollBench()
    bench.answer(temperature(2134))
    bench.health.enter(level)
    assert not bench.pipeline.wants(PLAIN)
    bench.clock.pass_s(601)
    assert bench.pipeline.wants(PLAIN)


def test_a_polled_device_is_heard_when_it_has_said_something() -> None:
    bench = PollBench()
    bench.advertise("4002", uuid=0xFFFF)
    assert bench.pipeline.last_heard(PLAIN) is None
    bench.advertise(b"\x40\x02\xca\x09", address=SEALED)
    assert bench.pipeline.last_heard(SEALED) == bench.clock.boot_ns()
    bench.answer(temperature(2134))
    assert bench.pipeline.last_heard(PLAIN) == bench.clock.boot_ns()
