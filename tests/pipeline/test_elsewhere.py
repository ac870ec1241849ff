"""Frames decoded in another process wait until they are back, each for one counter, in order."""

import asyncio
from collections import deque

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from gateway import elsewhere, pipeline
from gateway.admission import Limits
from gateway.core.refusal import CODEC_LIMIT, DecodeError
from gateway.driver import Done, LoadedDriver
from gateway.model import Frame, Level, Reading
from tests.pipeline.bench import Bench
from tests.pipeline.test_uplinks import WARM, Air, device


class Far:
    """A driver that works elsewhere, at the test's pace."""

    def __init__(self) -> None:
        self.handed: deque[tuple[Frame, bytes, Done]] = deque()
        self.taken = asyncio.Event()
        self.driver = LoadedDriver(
            model="javascript",
            offload=self._take,
            decode=lambda outcome, _context: outcome,
            strength=0,
            file="test.js",
        )

    def _take(self, frame: Frame, payload: bytes, done: Done) -> None:
        self.handed.append((frame, payload, done))
        self.taken.set()

    def answer(self) -> None:
        """Send the oldest frame back with its first byte as count."""
        _, payload, done = self.handed.popleft()
        readings: list[Reading] = [("count", payload[0], 0, "")] if payload else []
        done(readings)

    def refuse(self) -> None:
        """Send the oldest frame back as one that could not be read."""
        self.handed.popleft()[2](DecodeError(CODEC_LIMIT))


class FarBench(Bench):
    """A bench whose LoRa node is decoded elsewhere."""

    def __init__(self, limits: Limits | None = None, klass: str = "event") -> None:
        super().__init__(limits)
        self.far = Far()
        self.node = msgspec.structs.replace(self.node, driver=self.far.driver, klass=klass)
        self.pipeline.relist([self.plain, self.sealed, self.node])

    def say(self, value: int) -> None:
        """Let the node send, and the pipeline work."""
        self.receive(b"%02x" % value)
        self.work()

    @property
    def counts(self) -> list[object]:
        """What the node's observations say, in their order."""
        return [value for name, value, _ in self.values if name == "count"]


def test_a_frame_decoded_elsewhere_waits_until_it_is_back() -> None:
    bench = FarBench()
    bench.say(7)
    assert (bench.pipeline.waiting(), bench.health.frames.decoded) == (1, 0)
    bench.far.answer()
    assert bench.health.frames_law() == 0
    assert bench.pipeline.waiting() == 1  # back, and nobody has taken it yet
    bench.work()
    assert (bench.pipeline.waiting(), bench.health.frames.decoded) == (0, 1)
    (taken,) = bench.shelf.taken
    assert (taken.results[0][:2], taken.link.rssi_dbm) == (("count", 7), -99)


def test_it_keeps_the_time_it_was_heard_at_and_others_do_not_wait_for_it() -> None:
    bench = FarBench()
    heard_at_ns = bench.clock.now_ns
    bench.say(7)
    bench.clock.pass_s(3)
    bench.advertise("4002ca09")
    bench.far.answer()
    bench.work()
    assert [taken.heard_at_ns for taken in bench.shelf.taken] == [bench.clock.now_ns, heard_at_ns]
    assert [taken.seq for taken in bench.shelf.taken] == [0, 0]  # each of its stream


def test_a_payload_in_bad_hexadecimal_is_refused_here() -> None:
    bench = FarBench()
    bench.receive(b"xyz")
    bench.work()
    assert bench.health.frames.refused == {"bad_hex": 1}
    assert not bench.far.handed


def test_what_could_not_be_read_elsewhere_is_refused_by_its_reason() -> None:
    bench = FarBench()
    told: list[str] = []
    bench.health.on_notice = lambda notice: told.append(notice.kind)
    bench.say(1)
    bench.far.refuse()
    bench.work()
    assert bench.health.frames.refused == {"codec_limit": 1}
    assert told == ["refused"]


def test_what_says_nothing_is_empty_and_what_nobody_knows_is_refused() -> None:
    bench = FarBench()
    bench.receive(b"")
    bench.work()
    bench.far.answer()
    bench.say(1)
    bench.far.handed.popleft()[2]([("colour_of_noise", 1, 0, "")])
    bench.work()
    assert bench.health.frames.empty == 1
    assert bench.health.frames.refused == {"unknown_property": 1}


def test_beyond_the_bound_frames_are_limited() -> None:
    bench = FarBench()
    for value in range(elsewhere.MAX_FRAMES + 5):
        bench.say(value)
    assert bench.health.frames.limited == 5
    assert bench.pipeline.waiting() == len(bench.far.handed) == elsewhere.MAX_FRAMES
    bench.far.answer()
    bench.work()
    bench.say(elsewhere.MAX_FRAMES + 4)  # the same again, and nothing came of it before
    assert (bench.health.frames.limited, bench.health.frames.duplicate) == (5, 0)
    assert bench.pipeline.waiting() == elsewhere.MAX_FRAMES


def test_a_device_taken_off_the_list_meanwhile_is_nobodys() -> None:
    bench = FarBench()
    bench.say(1)
    bench.pipeline.relist([bench.plain])
    assert bench.health.frames_law() == 0
    bench.far.answer()
    bench.work()
    assert (bench.health.frames.unlisted, bench.shelf.taken) == (1, [])


def test_the_level_that_rose_meanwhile_thins_it() -> None:
    bench = FarBench(klass="routine")
    for value in (1, 2, 3):
        bench.say(value)
    bench.health.level = Level.FULL
    for _ in range(3):
        bench.far.answer()
    bench.work()
    assert bench.counts == [1]
    assert bench.health.frames.thinned == 2


def test_an_answer_is_taken_in_a_turn_of_its_own_and_only_where_there_is_room() -> None:
    async def main() -> None:
        bench = FarBench()
        task = asyncio.create_task(bench.pipeline.run())
        await asyncio.sleep(0)
        bench.receive(b"07")
        async with asyncio.timeout(30):
            await bench.far.taken.wait()
        bench.shelf.has_room = False
        bench.far.answer()
        assert bench.counts == []  # never within the call
        async with asyncio.timeout(30):
            await bench.shelf.asked.wait()
        assert bench.counts == []
        bench.shelf.has_room = True
        bench.shelf.opened.set()
        async with asyncio.timeout(30):
            await bench.shelf.offered.wait()
        assert bench.counts == [7]
        task.cancel()

    asyncio.run(main())


def test_at_the_end_what_comes_back_in_a_moment_is_taken_and_the_rest_is_limited() -> None:
    async def main() -> None:
        bench = FarBench()
        for value in (1, 2, 3):
            bench.say(value)
        late = bench.far.handed[2][2]
        loop = asyncio.get_running_loop()
        loop.call_soon(bench.far.answer)
        loop.call_soon(bench.far.answer)
        await bench.pipeline.finish()
        assert bench.counts == [1, 2]
        assert (bench.health.frames.limited, bench.pipeline.waiting()) == (1, 0)
        late([("count", 3, 0, "")])  # too late to mean anything
        bench.work()
        assert bench.counts == [1, 2]

    asyncio.run(main())


def test_the_end_does_not_wait_where_nothing_is_away() -> None:
    async def main() -> None:
        bench = FarBench()
        bench.say(1)
        bench.far.answer()
        before = asyncio.get_running_loop().time()
        await bench.pipeline.finish()
        assert bench.counts == [1]
        assert asyncio.get_running_loop().time() - before < pipeline.PARTING_S

    asyncio.run(main())


@given(st.lists(st.sampled_from("saarxwl"), max_size=60))
def test_whatever_the_order_each_frame_ends_in_one_counter_and_a_devices_frames_in_theirs(
    steps: list[str],
) -> None:
    bench, said = FarBench(), 0
    for step in steps:
        if step == "s":
            said += 1
            bench.receive(b"%02x" % said)
        elif step == "a" and bench.far.handed:
            bench.far.answer()
        elif step == "r" and bench.far.handed:
            bench.far.refuse()
        elif step == "w":
            bench.work()
        elif step == "l":
            bench.pipeline.relist([bench.plain, bench.node])
        bench.advertise(b"\x40\x09" + bytes([said]))
        assert bench.health.frames_law() == 0
    bench.work()
    while bench.far.handed:
        bench.far.answer()
    bench.work()
    assert bench.pipeline.waiting() == 0
    assert bench.health.frames_law() == 0
    values = [taken.results[0][1] for taken in bench.shelf.taken if taken.device == bench.node.urn]
    assert values == sorted(values)  # type: ignore[type-var]


def test_a_lorawan_uplink_is_opened_here_and_decoded_there_with_its_port_and_counter() -> None:
    far = Far()
    air = Air(msgspec.structs.replace(device(), driver=far.driver))
    first = air.node.send(WARM, 85)
    air.hear(first)
    frame, payload, _ = far.handed[0]
    assert (payload, frame.port, frame.counter) == (WARM, 85, 0)
    air.clock.pass_s(100)
    air.hear(first)  # its counter has moved already
    assert air.ended == {"duplicate": 1}
    far.answer()
    air.pipeline.work(1)
    assert (air.counted, air.ended) == ([0], {"decoded": 1, "duplicate": 1})
