"""The air, in a process of its own, so that what the benchmark's process uses is the agent's.

`Air` starts it and gives orders; run as a module it is the process: a world with one adapter that
sends what it is ordered to, and says when all of it has left.
"""

import asyncio
import os
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Literal

import msgspec

from gateway.sim import lifeline
from gateway.sim.bluez import BluezOptions
from gateway.sim.bluez_air import Advertisement, uuid_text
from gateway.sim.models.bthome import BTHOME_UUID
from gateway.sim.world import World
from tests.benchmarks import traffic

ROOT: Final = Path(__file__).resolve().parents[2]
STEADY_DEVICES: Final = 50
FRESH_DEVICES: Final = 100
SYSTEM_BUS: Final = "DBUS_SYSTEM_BUS_ADDRESS"
_APPLE: Final = 0x004C
_END_S: Final = 5.0
SAYINGS: Final = 5

# steady: STEADY_DEVICES that repeat themselves; fresh: FRESH_DEVICES with something new each time;
# strange: a device of its own each time; passing: one that says something new SAYINGS times.
Kind = Literal["steady", "fresh", "strange", "passing"]


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """Send so many, at this rate, `burst` of them at once."""

    kind: Kind
    count: int
    per_second: float
    burst: int = 1
    first: int = 0


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """An order carried out: how many made a signal, how many devices bluetoothd now shows.

    The processor's time is that of the simulator and of its D-Bus daemon since they started.
    """

    signalled: int
    devices: int
    simulator_cpu_s: float
    daemon_cpu_s: float


def advertisement(kind: Kind, number: int) -> Advertisement:
    """Return the `number`th advertisement of a kind."""
    if kind in {"strange", "passing"}:
        who = number if kind == "strange" else number // SAYINGS
        octets = (0x40000000_0000 + who).to_bytes(6, "big")
        return Advertisement(
            address=octets.hex(":").upper(), manufacturer={_APPLE: number.to_bytes(12, "big")}
        )
    devices = STEADY_DEVICES if kind == "steady" else FRESH_DEVICES
    said = traffic.payload(1 if kind == "steady" else number // devices)
    return Advertisement(
        address=traffic.address(number % devices),
        rssi_dbm=traffic.RSSI_DBM,
        services={uuid_text(BTHOME_UUID): said},
    )


class Air:
    """A world in another process, at the other end of two pipes."""

    def __init__(self, orders: asyncio.StreamWriter, answers: asyncio.StreamReader) -> None:
        self._orders = orders
        self._answers = answers

    async def send(self, order: Order) -> Done:
        """Have it sent; return when the last has left the simulator."""
        self._orders.write(msgspec.json.encode(order) + b"\n")
        return msgspec.json.decode(await self.line(), type=Done)

    async def line(self) -> bytes:
        """Return the next thing it says."""
        line = await self._answers.readline()
        assert line, "the simulated air has ended"
        return line.strip()


@asynccontextmanager
async def simulated_air(*, temporary_timeout_s: float = 0.0) -> AsyncGenerator[Air]:
    """Start it; while it runs, this process's D-Bus system bus is in it."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.benchmarks.air", str(temporary_timeout_s)),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        preexec_fn=lifeline.die_with_parent,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    air = Air(process.stdin, process.stdout)
    try:
        os.environ[SYSTEM_BUS] = (await air.line()).decode()
        yield air
    finally:
        os.environ.pop(SYSTEM_BUS, None)
        await lifeline.end(process, limit_s=_END_S)


# ------------------------------------------------------------------------------------ the process
async def _serve(temporary_timeout_s: float) -> None:
    orders = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    options = BluezOptions(temporary_timeout_s=temporary_timeout_s)
    async with World(bluez=options) as world:
        _say(world.bus.address.encode())
        while line := await orders.readline():
            await _carry_out(world, msgspec.json.decode(line, type=Order))
            _say(msgspec.json.encode(_done(world)))


def _done(world: World) -> Done:
    return Done(
        signalled=world.bluez.counters.signalled,
        devices=world.bluez.device_count,
        simulator_cpu_s=time.process_time(),
        daemon_cpu_s=_cpu_s(world.bus.pid),
    )


def _cpu_s(pid: int | None) -> float:
    # Its first number is the time on a processor in ns (Documentation/scheduler/sched-stats).
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


async def _carry_out(world: World, order: Order) -> None:
    """Send on a schedule; what is late is sent at once, and the bus is never overrun."""
    loop = asyncio.get_running_loop()
    start_s = loop.time()
    sent = 0
    while sent < order.count:
        await asyncio.sleep(max(0.0, start_s + sent / order.per_second - loop.time()))
        for _ in range(min(order.burst, order.count - sent)):
            if world.bluez.congested:
                await world.bluez.drain()
            world.advertise(advertisement(order.kind, order.first + sent))
            sent += 1
    await world.bluez.drain()


def _say(line: bytes) -> None:
    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    asyncio.run(_serve(float(sys.argv[1])))
