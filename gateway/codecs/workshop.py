"""This process's end of the worker: frames in, answers out, in order; dead workers replaced.

The worker is started with the first frame of such a device. It does one thing at a time, and has a
deadline for each; a worker that misses one is killed, one that dies is replaced, with back-off
where that happens again and again, and a frame over which two are lost is refused. A codec that
met a limit rests, longer each time, and what its devices send meanwhile is refused at once: it
cannot keep the worker from the others.

Nothing here waits but the one task, `run`. What the worker says is checked like what a stranger
says, for by then it may be one.
"""

import asyncio
import contextlib
import hashlib
import logging
import sys
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol

import msgspec

from gateway.clock import Clock
from gateway.codecs.output import MAX_BYTES, CodecError, Flat, Output, flatten, understand
from gateway.core import backoff, refusal
from gateway.model import Frame
from gateway.vitals import Pulse

WORKER: Final = Path(__file__).with_name("worker.py")
START_S: Final = 30.0  # until it says that it is ready: a slow card, a busy processor
ANSWER_S: Final = 10.0  # of wall time; the worker's own limits, in processor time, are below
REST_S: Final = 1.0  # of a codec after it met a limit; doubled each time
REST_MOST_S: Final = 600.0
_MAX_DOUBLINGS: Final = 10
_HEAD: Final = 4  # bytes of a length
_SHOWN: Final = 200  # characters of a codec's own words
_NS: Final = 1_000_000_000

Outcome = Flat | CodecError  # what a codec returned, or why it did not
Done = Callable[[Outcome], None]

log = logging.getLogger(__name__)


class Codec(msgspec.Struct, frozen=True):
    """A vendor's codec: the text of a file that is what somebody has looked at."""

    name: str  # for people: its file
    source: str
    variables: Mapping[str, str] = {}
    port: int = 1  # where a frame names none

    key: str = ""  # what tells device types apart: equal text, equal context

    def __post_init__(self) -> None:
        digest = hashlib.sha256(self.source.encode()).hexdigest()
        msgspec.structs.force_setattr(self, "key", digest)


class Input(msgspec.Struct, frozen=True):
    """What a codec is given (TS013, Uplink Decode, inputs)."""

    bytes: list[int]
    fPort: int  # noqa: N815 - as TS013 has it
    recvTime: str  # noqa: N815 - as TS013 has it
    variables: Mapping[str, str]


class _Request(msgspec.Struct, frozen=True):
    codec: str
    source: str | None
    input: Input


class Reply(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the worker says to a request."""

    output: str = ""
    limit: str = ""
    error: str = ""
    wanted: bool = False
    ready: int = 0


class WorkerLostError(Exception):
    """The worker has died, was killed for its silence, or speaks nonsense."""


def output_of(reply: Reply) -> Output:
    """Return what a codec returned. Raises CodecError."""
    if reply.limit or reply.error:
        reason = refusal.CODEC_LIMIT if reply.limit else refusal.CODEC_ERROR
        raise CodecError(reason, reply.limit or reply.error)
    return understand(reply.output)


class Hand(Protocol):
    """Who runs codecs: a `Worker`, or a simulated one."""

    @property
    def pid(self) -> int:
        """Its process."""
        ...

    async def ask(self, codec: Codec, given: Input) -> Output:
        """Run a codec once. Raises CodecError, or WorkerLostError; then the worker has ended."""
        ...

    async def end(self) -> None:
        """Kill it, and see it gone."""
        ...


Hire = Callable[[], Awaitable[Hand]]  # raises WorkerLostError


class Worker:
    """One worker process, from start to end."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        requests: asyncio.StreamWriter,
        replies: asyncio.StreamReader,
    ) -> None:
        self._process = process
        self._requests = requests
        self._replies = replies

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    @classmethod
    async def start(cls) -> "Worker":
        """Start one. Raises WorkerLostError when it does not come."""
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-I",
                str(WORKER),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                cwd="/",
                env={"TZ": "UTC"},
                start_new_session=True,  # what is typed at a terminal ends us first, and we it
            )
        except OSError as error:
            raise WorkerLostError(str(error)) from error
        if process.stdin is None or process.stdout is None:
            raise AssertionError  # they were asked for
        worker = cls(process, process.stdin, process.stdout)
        try:
            async with asyncio.timeout(START_S):
                hello = await worker._read()
            if not hello.ready:
                raise WorkerLostError(hello.error)  # noqa: TRY301 - it is ended below
        except BaseException as error:
            await worker.end()
            if isinstance(error, TimeoutError):
                message = f"it was not ready within {START_S:.0f} s"
                raise WorkerLostError(message) from None
            raise
        return worker

    async def ask(self, codec: Codec, given: Input) -> Output:
        """Run a codec once. Raises CodecError, or WorkerLostError; then the worker has ended."""
        try:
            async with asyncio.timeout(ANSWER_S):
                reply = await self._exchange(_Request(codec.key, None, given))
                if reply.wanted:
                    reply = await self._exchange(_Request(codec.key, codec.source, given))
        except TimeoutError:
            await self.end()
            message = f"no answer within {ANSWER_S:.0f} s"
            raise WorkerLostError(message) from None
        except WorkerLostError:
            await self.end()
            raise
        return output_of(reply)

    async def end(self) -> None:
        """Kill it, and see it gone."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.communicate()

    async def _exchange(self, request: _Request) -> Reply:
        body = msgspec.json.encode(request)
        try:
            self._requests.write(len(body).to_bytes(_HEAD, "big") + body)
            await self._requests.drain()
        except ConnectionError as error:
            message = "it has ended"
            raise WorkerLostError(message) from error
        return await self._read()

    async def _read(self) -> Reply:
        try:
            size = int.from_bytes(await self._replies.readexactly(_HEAD), "big")
            return _REPLY.decode(await self._replies.readexactly(min(size, MAX_BYTES)))
        except (EOFError, ConnectionError) as error:
            message = "it has ended"
            raise WorkerLostError(message) from error
        except msgspec.DecodeError as error:
            message = "it speaks nonsense"
            raise WorkerLostError(message) from error


_REPLY: Final = msgspec.json.Decoder(Reply)


class Desk(msgspec.Struct, frozen=True):
    """Where frames of one codec's devices are handed in: the `offload` of their driver."""

    workshop: "Workshop"
    codec: Codec

    def __call__(self, frame: Frame, payload: bytes, done: Done) -> None:
        """Have a payload decoded; `done` is called once, from the event loop, never in here."""
        self.workshop.order(self.codec, frame, payload, done)


class _Order(msgspec.Struct):
    codec: Codec
    given: Input
    done: Done
    lost: int = 0  # workers, over it


class _Rest(msgspec.Struct):
    """How often in a row a codec met a limit, and until when it is left alone."""

    times: int = 0
    until_ns: int = 0


class Workshop:
    """All codecs' work, one piece after the other; `pause` waits, giving signs of life."""

    def __init__(
        self,
        clock: Clock,
        *,
        chance: Callable[[], float],
        pulse: Callable[[str, Callable[[], None]], Pulse],
        hire: Hire = Worker.start,
    ) -> None:
        self._clock = clock
        self._chance = chance
        self._orders: deque[_Order] = deque()  # as many as the pipeline lets be away
        self._come = asyncio.Event()
        self._pulse = pulse("codecs", self._come.set)
        self._pause: Callable[[float], Awaitable[None]] = self._pulse.pause
        self._hire = hire
        self._worker: Hand | None = None
        self._lost = 0  # workers in a row
        self._rests: dict[str, _Rest] = {}  # by codec that met one
        self._failing: set[str] = set()  # codecs of which was told that they fail

    @property
    def worker_pid(self) -> int | None:
        """The process that works; None before there was work, and while there is none to do it."""
        return None if self._worker is None else self._worker.pid

    def order(self, codec: Codec, frame: Frame, payload: bytes, done: Done) -> None:
        """Have a payload decoded; `done` is called once, from the event loop, never in here."""
        given = Input(
            bytes=list(payload),
            fPort=codec.port if frame.port is None else frame.port,
            recvTime=self._moment(frame.heard_at_ns),
            variables=codec.variables,
        )
        self._orders.append(_Order(codec, given, done))
        self._come.set()

    def _moment(self, heard_at_ns: int) -> str:
        wall_ns = self._clock.wall_ns() - (self._clock.boot_ns() - heard_at_ns)
        moment = datetime.fromtimestamp(wall_ns // _NS, UTC)
        return f"{moment:%Y-%m-%dT%H:%M:%S}.{wall_ns % _NS // 1_000_000:03}Z"

    async def run(self) -> None:
        """Work for ever."""
        try:
            while True:
                self._pulse.beat()
                await self._come.wait()
                self._come.clear()
                while self._orders:
                    self._pulse.beat()
                    await self._serve(self._orders[0])
        finally:
            if self._worker is not None:
                await self._worker.end()

    async def _serve(self, order: _Order) -> None:
        """Answer the first order, or leave it the first until there is a worker."""
        rest = self._rests.get(order.codec.key)
        if rest is not None and self._clock.boot_ns() < rest.until_ns:
            outcome: Outcome = CodecError(refusal.CODEC_LIMIT, "it met a limit before, and rests")
        else:
            asked = await self._ask(order) if await self._has_worker() else None
            if asked is None:
                return
            outcome = asked
            self._judge(order.codec, outcome)
        self._orders.popleft()
        order.done(outcome)

    async def _has_worker(self) -> bool:
        if self._worker is None:
            try:
                self._worker = await self._hire()
            except WorkerLostError as error:
                await self._back_off(error)
        return self._worker is not None

    async def _ask(self, order: _Order) -> Outcome | None:
        """Return what came of an order; None to try again, where the worker was lost over it.

        Once: a worker may be killed by whom memory is too short for. Twice is the codec's doing.
        """
        if self._worker is None:
            return None
        try:
            output = await self._worker.ask(order.codec, order.given)
            outcome: Outcome = flatten(output.data)
        except CodecError as error:
            outcome = error
        except WorkerLostError as error:
            self._worker = None
            await self._back_off(error)
            order.lost += 1
            if order.lost == 1:
                return None
            return CodecError(refusal.CODEC_LIMIT, f"the worker was lost over it: {error}")
        self._lost = 0
        return outcome

    async def _back_off(self, error: WorkerLostError) -> None:
        """Wait before the next worker, unless this was the first in a row to be lost."""
        if not self._lost:
            log.warning("codec worker lost, another is started cause=%r", str(error))
        self._lost += 1
        if self._lost > 1:
            await self._pause(
                backoff.delay_s(
                    self._lost - 2,
                    self._chance(),
                    first_s=backoff.FIRST_S,
                    most_s=backoff.MOST_S,
                )
            )

    def _judge(self, codec: Codec, outcome: Outcome) -> None:
        """Let a codec rest that met a limit; tell once that it fails, once that it works again."""
        if isinstance(outcome, CodecError) and outcome.reason == refusal.CODEC_LIMIT:
            rest = self._rests.setdefault(codec.key, _Rest())
            rest_s = min(REST_MOST_S, REST_S * (1 << min(rest.times, _MAX_DOUBLINGS)))
            rest.times += 1
            rest.until_ns = self._clock.boot_ns() + int(rest_s * _NS)
        elif not isinstance(outcome, CodecError):
            self._rests.pop(codec.key, None)
        self._tell(codec, outcome)

    def _tell(self, codec: Codec, outcome: Outcome) -> None:
        if isinstance(outcome, CodecError):
            if codec.key not in self._failing:
                self._failing.add(codec.key)
                line = "codec fails file=%s reason=%s cause=%r"
                log.warning(line, codec.name, outcome.reason, outcome.cause[:_SHOWN])
        elif codec.key in self._failing:
            self._failing.discard(codec.key)
            log.info("codec works again file=%s", codec.name)
