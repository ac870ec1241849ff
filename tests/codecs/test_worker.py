"""The worker process: every form of codec runs in it, and what one does nobody else notices."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.codecs import workshop
from gateway.codecs.output import CodecError, Flat, flatten
from gateway.codecs.workshop import Codec, Input, Worker, WorkerLostError
from tests.codecs.vendors import CLIMATE, FATAL, FORMS, HARMFUL, POLLUTER

GUARD_S = 60.0
POLL_S = 0.01
HEARD = Input([1, 2, 3], 7, "2026-11-22T10:00:00.123456789Z", {"model": "x"})
GOOD = Codec("good.js", CLIMATE)
GOOD_INPUT = Input([0x00, 0xD6, 0x6D, 0x01], 85, HEARD.recvTime, {})


def codec(source: str) -> Codec:
    return Codec("test.js", source)


@asynccontextmanager
async def working() -> AsyncGenerator[Worker]:
    """Have a worker, seen to its end."""
    async with asyncio.timeout(GUARD_S):
        worker = await Worker.start()
        try:
            yield worker
        finally:
            await worker.end()


def run(body: Callable[[Worker], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        async with working() as worker:
            await body(worker)

    asyncio.run(main())


async def said(worker: Worker, source: str, given: Input = HEARD) -> Flat:
    return flatten((await worker.ask(codec(source), given)).data)


async def refused(worker: Worker, source: str) -> str:
    with pytest.raises(CodecError) as caught:
        await said(worker, source)
    return caught.value.reason


# ----------------------------------------------------------------------------------------- service
@pytest.mark.parametrize("form", FORMS)
def test_every_published_form_of_codec_is_called_as_it_expects(form: str) -> None:
    async def body(worker: Worker) -> None:
        assert await said(worker, FORMS[form]) == {"bytes": 3, "port": 7}

    run(body)


def test_a_codec_says_the_same_whenever_it_is_asked() -> None:
    async def body(worker: Worker) -> None:
        for _ in range(20):
            output = await worker.ask(GOOD, GOOD_INPUT)
            assert bytes(output.data) == (
                b'{"temperature":21.400000000000002,"air":{"humidity":54.5},'
                b'"battery":3601,"door":"open"}'
            )

    run(body)


def test_errors_and_warnings_are_told_apart() -> None:
    async def body(worker: Worker) -> None:
        low = Input([0, 0, 0, 101], 85, HEARD.recvTime, {})
        assert (await worker.ask(GOOD, low)).warnings == ["battery low"]
        with pytest.raises(CodecError) as caught:
            await worker.ask(GOOD, HEARD)
        assert (caught.value.reason, caught.value.cause) == ("codec_error", "unknown port 7")

    run(body)


def test_the_moment_is_the_text_and_answers_like_a_date_in_utc() -> None:
    source = """
    function decodeUplink({recvTime}) {
      return {data: {
        text: `${recvTime}`, joined: "at " + recvTime, cut: recvTime.slice(0, 10),
        again: new Date(recvTime).toISOString(), ms: recvTime.getTime(), hour: recvTime.getHours(),
        iso: recvTime.toISOString(), plain: recvTime, zone: new Date().getTimezoneOffset(),
      }};
    }"""

    async def body(worker: Worker) -> None:
        assert await said(worker, source) == {
            "text": HEARD.recvTime,
            "joined": "at " + HEARD.recvTime,
            "cut": "2026-11-22",
            "again": "2026-11-22T10:00:00.123Z",
            "ms": 1_795_341_600_123,
            "hour": 10,
            "iso": "2026-11-22T10:00:00.123Z",
            "plain": HEARD.recvTime,
            "zone": 0,
        }

    run(body)


def test_variables_reach_both_forms_that_know_them() -> None:
    async def body(worker: Worker) -> None:
        new = "function decodeUplink(i) { return {data: i.variables} }"
        old = "function Decode(fPort, bytes, variables) { return variables }"
        assert await said(worker, new) == await said(worker, old) == {"model": "x"}

    run(body)


BUFFERS = {
    "Buffer.from([1, 2]).toString('hex')": "0102",
    "Buffer.from('0aFF', 'hex').toString('base64')": "Cv8=",
    "Buffer.from('Cv8=', 'base64').toString('hex')": "0aff",
    "Buffer.from('Käse').toString('hex')": "4bc3a47365",
    "Buffer.from([0x4b, 0xc3, 0xa4]).toString()": "Kä",
    "Buffer.from([0x41, 0x42, 0x43]).toString('ascii', 1)": "BC",
    "Buffer.from([0xff, 0xfe]).readInt16LE(0)": -257,
    "Buffer.from([0xff, 0xfe]).readUInt16BE()": 65534,
    "Buffer.from([0xff, 0xfe]).readUint16BE()": 65534,
    "Buffer.from([0x80]).readInt8(0)": -128,
    "Buffer.from([0, 0, 0xc8, 0x41]).readFloatLE(0)": 25,
    "Buffer.from([0x80, 0, 1]).readIntBE(0, 3)": -8388607,
    "Buffer.from([1, 0, 0x80]).readIntLE(0, 3)": -8388607,
    "Buffer.from([1, 2, 3]).readUIntLE(0, 3)": 197121,
    "Buffer.concat([Buffer.from([1]), Buffer.alloc(1, 7)]).toString('hex')": "0107",
    "Buffer.from([1, 2, 3]).slice(1).length": 2,
    "Buffer.isBuffer(Buffer.alloc(1)) && !Buffer.isBuffer([1])": True,
    "(() => { const b = Buffer.alloc(4); b.writeUInt32BE(1, 0); return b.readUInt32LE(0) })()": (
        16777216
    ),
    "Buffer.from([1]).equals(Buffer.from([1]))": True,
}


def test_buffer_is_as_node_has_it() -> None:
    async def body(worker: Worker) -> None:
        for expression, value in BUFFERS.items():
            source = f"function Decoder() {{ return {{value: {expression}}} }}"
            assert await said(worker, source) == {"value": value}, expression
        beyond = "function Decoder() { return {value: Buffer.from([1]).readUInt16BE(0)} }"
        assert await refused(worker, beyond) == "codec_error"

    run(body)


# ------------------------------------------------------------------------------------------- harm
def test_harm_costs_one_frame_and_no_other_codec_anything() -> None:
    async def body(worker: Worker) -> None:
        expected = await worker.ask(GOOD, GOOD_INPUT)
        for what, (source, reason) in HARMFUL.items():
            assert await refused(worker, source) in reason, what
            assert await worker.ask(GOOD, GOOD_INPUT) == expected, what

    run(body)


def test_what_one_codec_does_to_the_language_no_other_sees() -> None:
    async def body(worker: Worker) -> None:
        expected = await worker.ask(GOOD, GOOD_INPUT)
        assert await said(worker, POLLUTER) == {"own": 1}
        fresh = Codec("other.js", CLIMATE + "// another text, so another context")
        assert await worker.ask(fresh, GOOD_INPUT) == expected
        assert await worker.ask(GOOD, GOOD_INPUT) == expected

    run(body)


def test_a_codec_that_met_a_limit_begins_anew() -> None:
    source = """
    var calls = 0;
    function decodeUplink() { if (++calls == 3) for (;;) {} return {data: {calls}} }"""

    async def body(worker: Worker) -> None:
        assert await said(worker, source) == {"calls": 1}
        assert await said(worker, source) == {"calls": 2}
        assert await refused(worker, source) == "codec_limit"
        assert await said(worker, source) == {"calls": 1}

    run(body)


def test_codecs_that_hoard_and_more_codecs_than_are_kept_leave_room_for_others() -> None:
    source = """
    var kept = [];
    function decodeUplink() { kept.push(new Uint8Array(3e6)); return {data: {n: kept.length}} }"""

    async def body(worker: Worker) -> None:
        for number in range(30):
            hoard = f"{source} // {number}"
            assert await said(worker, hoard) == await said(worker, hoard) == {"n": 1}
        assert (await worker.ask(GOOD, GOOD_INPUT)).errors == []

    run(body)


def test_a_codec_that_takes_the_worker_down_costs_the_worker_alone() -> None:
    async def body(worker: Worker) -> None:
        with pytest.raises(WorkerLostError):
            await worker.ask(codec(FATAL), HEARD)

    run(body)


def test_a_worker_that_says_nothing_in_time_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workshop, "ANSWER_S", 0.5)

    async def body(worker: Worker) -> None:
        os.kill(worker.pid, signal.SIGSTOP)
        with pytest.raises(WorkerLostError, match="no answer"):
            await worker.ask(GOOD, GOOD_INPUT)
        with pytest.raises(ProcessLookupError):
            os.kill(worker.pid, 0)

    run(body)


@pytest.mark.parametrize(
    "reply",
    [b"", b"\0\0\0\5hello", b"\0\0\0\2[]", b'\0\0\0\x0b{"code": 1}', b"\xff\xff\xff\xff"],
)
def test_a_worker_that_speaks_nonsense_is_given_up(
    reply: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "worker.py"
    ready = b'\0\0\0\x0b{"ready":1}'
    script.write_text(
        "import sys\n"
        f"sys.stdout.buffer.write({ready!r}); sys.stdout.flush()\n"
        "sys.stdin.buffer.read(4)\n"
        f"sys.stdout.buffer.write({reply!r})\n"
    )
    monkeypatch.setattr(workshop, "WORKER", script)

    async def body(worker: Worker) -> None:
        with pytest.raises(WorkerLostError):
            await worker.ask(GOOD, GOOD_INPUT)

    run(body)


def test_a_worker_that_cannot_be_confined_does_not_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "worker.py"
    whole = workshop.WORKER.read_text()
    script.write_text(whole.replace("resource.RLIMIT_NOFILE, 0)", "resource.RLIMIT_NOFILE, -7)"))
    (tmp_path / "harness.js").write_text(workshop.WORKER.with_name("harness.js").read_text())
    monkeypatch.setattr(workshop, "WORKER", script)

    async def main() -> None:
        with pytest.raises(WorkerLostError, match="cannot be confined"):
            await Worker.start()

    asyncio.run(main())


def test_a_worker_that_cannot_start_is_said_to_be_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workshop, "WORKER", tmp_path / "absent.py")

    async def main() -> None:
        with pytest.raises(WorkerLostError):
            await Worker.start()

    asyncio.run(main())


# ------------------------------------------------------------------------------------- confinement
def test_the_worker_has_given_up_all_that_a_process_can() -> None:
    async def body(worker: Worker) -> None:
        proc = Path(f"/proc/{worker.pid}")
        limits = {
            line[:26].strip(): line[26:].split()[0]
            for line in (proc / "limits").read_text().splitlines()
        }
        assert limits["Max open files"] == "0"
        assert limits["Max processes"] == "0"
        assert limits["Max file size"] == "0"
        assert limits["Max core file size"] == "0"
        assert int(limits["Max address space"]) < 256 << 20
        await worker.ask(GOOD, GOOD_INPUT)
        limits = {
            line[:26].strip(): line[26:].split()[0]
            for line in (proc / "limits").read_text().splitlines()
        }
        assert int(limits["Max cpu time"]) < 10
        status = dict(line.split(":", 1) for line in (proc / "status").read_text().splitlines())
        assert status["NoNewPrivs"].strip() == "1"
        assert (proc / "environ").read_bytes() == b"TZ=UTC\0"
        assert len(list((proc / "fd").iterdir())) == 3  # in, out, /dev/null

    run(body)


def test_the_worker_dies_with_whoever_started_it() -> None:
    program = (
        "import asyncio, os, signal\n"
        "from gateway.codecs.workshop import Worker\n"
        "async def main():\n"
        "    worker = await Worker.start()\n"
        "    print(worker.pid, flush=True)\n"
        "    os.kill(worker.pid, signal.SIGSTOP)  # the end of the pipe alone is not it\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(main())\n"
    )

    agent = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, check=False)
    stat = Path(f"/proc/{int(agent.stdout)}/stat")
    until = time.monotonic() + GUARD_S
    while stat.exists() and stat.read_text().rsplit(")", 1)[1].split()[0] not in "ZX":
        assert time.monotonic() < until, "it lives on"
        time.sleep(POLL_S)  # processes set no event
