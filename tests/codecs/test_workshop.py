"""The workshop: in order, one at a time, whatever becomes of workers and codecs."""

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import pytest

from gateway.codecs import workshop
from gateway.codecs.output import CodecError
from gateway.codecs.workshop import Codec, Desk, Worker, WorkerLostError, Workshop
from gateway.health import Health
from gateway.model import Frame
from tests.codecs.vendors import CLIMATE, FATAL
from tests.fakes import NS, FakeClock

GUARD_S = 60.0
CLIMATE_CODEC = Codec("climate.js", CLIMATE)
LOOP = Codec("loop.js", "function decodeUplink() { for (;;) {} }")
TIME = Codec(
    "time.js",
    "function decodeUplink(i) { return {port: i.fPort, at: i.recvTime, of: i.variables}; }",
    {"a": "b"},
    9,
)


class Bench:
    """A workshop and what it has answered."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.health = Health(self.clock)
        self.workshop = Workshop(self.clock, chance=lambda: 0.0, pulse=self.health.vitals.pulse)
        self.answers: list[tuple[object, object]] = []
        self.outcomes: list[object] = []
        self.answered = asyncio.Event()

    def hand_in(
        self,
        codec: Codec,
        name: object,
        payload: bytes = b"\0\xd6\x6d\1",
        heard_at_ns: int | None = None,
    ) -> None:
        """Hand a frame in, as the pipeline does."""
        frame = Frame(
            medium="lora",
            source="serial:usb",
            address="lora:17",
            heard_at_ns=self.clock.boot_ns() if heard_at_ns is None else heard_at_ns,
            content=payload,
            port=85 if codec is CLIMATE_CODEC else None,
        )
        Desk(self.workshop, codec)(frame, payload, lambda outcome: self._take(name, outcome))

    def _take(self, name: object, outcome: object) -> None:
        said = outcome.reason if isinstance(outcome, CodecError) else "ok"
        self.outcomes.append(outcome)
        self.answers.append((name, said))
        self.answered.set()

    async def until(self, count: int) -> list[tuple[object, object]]:
        """Return the answers, when there are so many."""
        async with asyncio.timeout(GUARD_S):
            while len(self.answers) < count:
                self.answered.clear()
                await self.answered.wait()
        return self.answers

    @property
    def worker_pid(self) -> int:
        """The process that works."""
        pid = self.workshop.worker_pid
        assert pid is not None
        return pid


def run(body: Callable[[Bench], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        bench = Bench()
        task = asyncio.create_task(bench.workshop.run())
        try:
            await body(bench)
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        if bench.workshop.worker_pid is not None:
            with pytest.raises(ProcessLookupError):
                os.kill(bench.worker_pid, 0)

    asyncio.run(main())


def test_answers_come_in_the_order_of_the_frames() -> None:
    async def body(bench: Bench) -> None:
        for number in range(50):
            bench.hand_in(CLIMATE_CODEC if number % 3 else TIME, number)
        assert await bench.until(50) == [(number, "ok") for number in range(50)]

    run(body)


def test_no_process_is_started_before_there_is_a_frame() -> None:
    async def body(bench: Bench) -> None:
        await asyncio.sleep(0)
        assert bench.workshop.worker_pid is None

    run(body)


def test_a_codec_is_told_the_moment_the_frame_was_heard_and_a_port_it_can_rely_on() -> None:
    async def body(bench: Bench) -> None:
        heard_at_ns = bench.clock.now_ns
        bench.clock.pass_s(5)
        bench.hand_in(TIME, "late", heard_at_ns=heard_at_ns)
        bench.hand_in(TIME, "now")
        await bench.until(2)
        assert bench.outcomes == [
            {"port": 9, "at": "2026-11-22T00:16:40.000Z", "of.a": "b"},
            {"port": 9, "at": "2026-11-22T00:16:45.000Z", "of.a": "b"},
        ]

    run(body)


def test_a_number_beyond_any_double_is_no_value_and_the_work_goes_on() -> None:
    beyond = "function decodeUplink() { return {data: {n: JSON.rawJSON('1e9999999')}} }"

    async def body(bench: Bench) -> None:
        bench.hand_in(Codec("beyond.js", beyond), "beyond")
        bench.hand_in(CLIMATE_CODEC, "good")
        assert await bench.until(2) == [("beyond", "ok"), ("good", "ok")]
        assert bench.outcomes[0] == {"n": None}

    run(body)


def test_a_worker_killed_by_others_is_replaced_and_no_codec_blamed() -> None:
    async def body(bench: Bench) -> None:
        bench.hand_in(CLIMATE_CODEC, 1)
        await bench.until(1)
        os.kill(bench.worker_pid, signal.SIGKILL)
        bench.hand_in(CLIMATE_CODEC, 2)
        bench.hand_in(CLIMATE_CODEC, 3)
        assert await bench.until(3) == [(1, "ok"), (2, "ok"), (3, "ok")]

    run(body)


def test_a_codec_that_kills_the_worker_is_refused_and_the_next_frame_is_read() -> None:
    async def body(bench: Bench) -> None:
        bench.hand_in(Codec("fatal.js", FATAL), "fatal")
        bench.hand_in(CLIMATE_CODEC, "good")
        assert await bench.until(2) == [("fatal", "codec_limit"), ("good", "ok")]

    run(body)


def test_a_codec_that_met_a_limit_rests_longer_each_time_and_is_forgiven() -> None:
    async def body(bench: Bench) -> None:
        calls = 0
        whole = Worker.ask

        async def counted(worker: Worker, codec: Codec, given: workshop.Input) -> Any:  # noqa: ANN401
            nonlocal calls
            calls += 1
            return await whole(worker, codec, given)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Worker, "ask", counted)
            asked = []
            for number in range(16):
                bench.hand_in(LOOP, number)
                await bench.until(number + 1)
                asked.append(calls)
                bench.clock.pass_s(1)
        assert asked == [1, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4, 5]
        assert {said for _, said in bench.answers} == {"codec_limit"}

    run(body)


def test_no_codec_waits_for_one_that_rests() -> None:
    async def body(bench: Bench) -> None:
        for number in range(10):
            bench.hand_in(LOOP, number)
        bench.hand_in(CLIMATE_CODEC, "good")
        answers = await bench.until(11)
        assert answers[-1] == ("good", "ok")

    run(body)


def test_frames_wait_for_a_worker_that_cannot_be_started_yet(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    start, tries = Worker.start, 0

    async def unwilling() -> Worker:
        nonlocal tries
        tries += 1
        if tries < 5:
            message = "there is no memory"
            raise WorkerLostError(message)
        return await start()

    monkeypatch.setattr(Worker, "start", unwilling)

    async def body(bench: Bench) -> None:
        bench.hand_in(CLIMATE_CODEC, 1)
        bench.hand_in(CLIMATE_CODEC, 2)
        assert await bench.until(2) == [(1, "ok"), (2, "ok")]

    run(body)


def test_a_codec_that_fails_is_told_of_once_and_that_it_works_again_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    moody = Codec(
        "moody.js",
        "function Decoder(b) {"
        "  if (b[0]) throw new Error('bad\\n\\u001b[31m day');"
        "  return {a: 1} }",
    )

    async def body(bench: Bench) -> None:
        for number, payload in enumerate((b"\1", b"\1", b"\0", b"\0", b"\1")):
            bench.hand_in(moody, number, payload)
        await bench.until(5)

    run(body)
    told = [record.getMessage() for record in caplog.records]
    fails = "codec fails file=moody.js reason=codec_error cause='Error: bad\\n\\x1b[31m day'"
    assert told == [fails, "codec works again file=moody.js", fails]


def test_the_task_gives_signs_of_life_while_nothing_is_to_do() -> None:
    async def body(bench: Bench) -> None:
        await asyncio.sleep(0)
        bench.health.vitals.ask_all()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert bench.health.vitals.ask_again() == []
        assert bench.clock.boot_ns() == 1_000 * NS

    run(body)
