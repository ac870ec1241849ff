"""What a kept observation costs: from bleak's callback to the broker's PUBACK, at 1,000 a second.

Rounds of the same advertisements alternate between bleak with an empty callback and the whole
agent behind it, with a real mosquitto. The difference is ours: admission, decoding, bundling,
MQTT both ways, settling. The agent stays connected through both kinds of round.
"""

import asyncio
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final

from gateway.transport.ble.scanner import Scanner
from tests.benchmarks.agents import Subject, agent_at
from tests.benchmarks.air import FRESH_DEVICES, Air, Order, simulated_air
from tests.benchmarks.bench_admission import Switch, empty, scanner
from tests.benchmarks.rows import Row, at_most
from tests.brokers import Mosquitto

LIMIT_RATIO: Final = 1.0
_PER_SECOND: Final = 1000.0


def measure(*, quick: bool) -> list[Row]:
    """Measure it."""
    with TemporaryDirectory() as directory, broker(Path(directory)) as port:
        work = _measure(Path(directory), port, rounds=3 if quick else 11, count=2000)
        return [asyncio.run(work)]


@contextmanager
def broker(directory: Path) -> Generator[int]:
    """Run a mosquitto; its port."""
    mosquitto = Mosquitto(directory / "broker")
    mosquitto.start()
    try:
        yield mosquitto.port
    finally:
        mosquitto.kill()


async def _measure(directory: Path, port: int, *, rounds: int, count: int) -> Row:
    switch = Switch()
    bleak_ns: list[float] = []
    whole_ns: list[float] = []
    async with (
        simulated_air() as air,
        agent_at(directory / "agent", port=port, devices=FRESH_DEVICES) as subject,
        scanner(switch),
    ):
        agent = subject.agent
        await subject.connected()
        # What the transport hands to bleak; there is no other way to call it as bleak does.
        ours = Scanner("hci0", "ble:hci0", agent.pipeline).on_advertisement
        for number in range(rounds + 1):
            switch.target = empty
            bleak_ns.append(await _round(air, switch, subject, 2 * number * count, count))
            switch.target = ours
            whole_ns.append(await _round(air, switch, subject, (2 * number + 1) * count, count))
        frames = agent.health.frames
        assert frames.decoded == frames.heard == (rounds + 1) * count, frames
        assert subject.backlog.commits == 0
    return _row(bleak_ns[1:], whole_ns[1:])  # the first of each only warms up


async def _round(air: Air, switch: Switch, subject: Subject, first: int, count: int) -> float:
    """Return this process's CPU time per advertisement, in ns, until all is settled."""
    health = subject.agent.health
    switch.expect(count)
    order = Order(kind="fresh", first=first, count=count, per_second=_PER_SECOND)
    before = time.process_time_ns()
    await air.send(order)
    await switch.complete()
    await subject.delivered(health.frames.heard)
    return (time.process_time_ns() - before) / count


def _row(bleak_ns: list[float], whole_ns: list[float]) -> Row:
    bleak = median(bleak_ns)
    ours = median(whole - alone for whole, alone in zip(whole_ns, bleak_ns, strict=True))
    note = f"ours {ours / 1000:.1f} us, bleak {bleak / 1000:.1f} us"
    title = "CPU from bleak's callback to PUBACK, at 1,000/s"
    return at_most(title, LIMIT_RATIO, ours / bleak, "x bleak's", note)
