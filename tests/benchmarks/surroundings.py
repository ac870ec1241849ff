"""A site for the real command: a simulated world, a mosquitto, a platform that notes the time."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

import aiomqtt
import msgspec

from gateway.sim.agent_config import AgentOptions
from gateway.sim.sensors import Emission, SensorOptions
from gateway.sim.world import World
from tests.benchmarks.agents import AgentProcess, agent_process
from tests.benchmarks.bench_hot_path import broker
from tests.benchmarks.traffic import OPEN_INTAKE, address
from tests.benchmarks.waiting import until
from tests.brokers import free_port

MODEM: Final = "usb-lora"
_KEY: Final = bytes(range(16))
_POLL_S: Final = 0.001


def boot_ns() -> int:
    """Return CLOCK_BOOTTIME."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class TimedWorld(World):
    """A world that remembers when each frame went on the air: (address, serial) -> boot time."""

    def __init__(self) -> None:
        super().__init__(modems=[MODEM])
        self.sent_at_ns: dict[tuple[str, int], int] = {}

    def transmit(self, emission: Emission) -> bool:
        at_ns = boot_ns()
        taken = super().transmit(emission)
        if taken and emission.serial is not None:
            self.sent_at_ns[emission.address, emission.serial] = at_ns
        return taken


class Arrival(NamedTuple):
    """A message as the platform got it."""

    at_ns: int
    payload: bytes


class _Head(msgspec.Struct):
    """What names the run in a message."""

    stream: str


class Site:
    """Everything around an agent; each `agent` is a new process on the same store."""

    def __init__(self, world: TimedWorld, config: Path, page: str) -> None:
        self.world = world
        self.config = config
        self.page = page  # the URL of its status page
        self.arrivals: list[Arrival] = []
        self.streams: dict[str, int] = {}  # each run has its own -> when its first message came

    def agent(self) -> AbstractAsyncContextManager[AgentProcess]:
        """Run `ugw run`."""
        return agent_process(self.config, self.world.environment())

    async def hears(self) -> int:
        """Let the sensors send until a new run is heard; when its first message came."""
        before = set(self.streams)
        sending = asyncio.create_task(self.world.run(), name="world")
        try:
            await until(lambda: self.streams.keys() - before, poll_s=_POLL_S)
        finally:
            sending.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sending
        return min(self.streams[stream] for stream in self.streams.keys() - before)

    async def listen(self, port: int, subscribed: asyncio.Event) -> None:
        """Note what arrives on the live lane, for ever."""
        async with aiomqtt.Client("127.0.0.1", port, identifier="platform") as client:
            await client.subscribe("ugw/v1/+/+/obs/live", qos=1)
            subscribed.set()
            async for message in client.messages:
                assert isinstance(message.payload, bytes)
                arrival = Arrival(boot_ns(), message.payload)
                self.arrivals.append(arrival)
                stream = msgspec.json.decode(arrival.payload, type=_Head).stream
                self.streams.setdefault(stream, arrival.at_ns)


@asynccontextmanager
async def site(sensors: Iterable[SensorOptions]) -> AsyncGenerator[Site]:
    """Set a site up: one adapter, one modem, these sensors listed."""
    with TemporaryDirectory() as directory, broker(Path(directory)) as port:
        async with TimedWorld() as world, asyncio.TaskGroup() as group:
            for sensor in sensors:
                world.add_sensor(sensor)
            listen = f"127.0.0.1:{free_port()}"
            extra = f"clock: {{source: system}}\nhttp: {{listen: {listen}}}\n{OPEN_INTAKE}\n"
            options = AgentOptions(mqtt_port=port, extra=extra)
            config = world.agent_config(Path(directory) / "agent", options)
            made = Site(world, config, f"http://{listen}")
            subscribed = asyncio.Event()
            listening = group.create_task(made.listen(port, subscribed), name="platform")
            await subscribed.wait()
            yield made
            listening.cancel()


def thermometers(count: int, *, every_s: float, sealed: bool = False) -> list[SensorOptions]:
    """Return so many listed sensors, each with a key if they are to be `sealed`."""
    model, key = ("bthome-v2-encrypted", _KEY) if sealed else ("bthome-v2", b"")
    return [
        SensorOptions(model=model, address=address(number), every_s=every_s, key=key)
        for number in range(count)
    ]
