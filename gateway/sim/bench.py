"""A test bench: one gateway and all that is around it, on one of two levels.

`inside`: the agent in this process, on virtual time; a month takes seconds, the same seed gives
the same bytes. `process`: the real `ugw run`, real bleak on a simulated BlueZ, real ptys, a real
broker's socket, real SQLite, in real time. Faults, expectations and fixtures are written once,
against the faces below; what only one level can do says so with SimulatorError.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal, Protocol, Self

import msgspec

from gateway.sim.air import Air
from gateway.sim.bluez import BluezOptions
from gateway.sim.broker import Delivered
from gateway.sim.broker_packets import Connect, Publish
from gateway.sim.broker_script import Offer, Script
from gateway.sim.proxy import Line
from gateway.sim.sensors import SensorOptions
from gateway.sim.troubles import DiskTrouble

Level = Literal["inside", "process"]


class Broker(Protocol):
    """A broker that does what it is told: `ScriptedBroker`, or the one in memory.

    `connects`, `received`, `delivered` and `violations` are what happened, in order;
    `delivered_at_s` is when, by `now_s()`.
    """

    offer: Offer
    script: Script
    connects: list[Connect]
    received: list[Publish]
    delivered: list[Delivered]
    delivered_at_s: list[float]
    violations: list[str]

    async def start(self) -> None:
        """Take connections, at the same address as before."""
        ...

    async def stop(self) -> None:
        """End all connections without a word, and take no more."""
        ...

    def disconnect(self, code: int) -> None:
        """End all connections with a reason code, which only version 5 is told."""
        ...

    def hang_up(self) -> None:
        """End all connections without a word."""
        ...

    def freeze(self) -> None:
        """Read no packet and answer none, while the connections stand."""
        ...

    def thaw(self) -> None:
        """Go on where it stood still."""
        ...


class Way(Protocol):
    """The way to the broker, as bad as one likes."""

    @property
    def line(self) -> Line:
        """What the line does, each way."""
        ...

    @line.setter
    def line(self, line: Line) -> None: ...

    @property
    def refused(self) -> bool:
        """Whether nothing listens there: every new connection is refused at once."""
        ...

    @refused.setter
    def refused(self, refused: bool) -> None: ...

    def cut(self) -> None:
        """Break all connections: both sides see a reset."""
        ...

    def forget_clients(self) -> None:
        """Break the agent's side of all connections; the broker's stays, half open and silent."""
        ...


class Clock(Protocol):
    """The gateway's wall clock. Its boot time only ever counts on."""

    watchers: list[Callable[[], None]]  # called before it is changed

    def step(self, seconds: float) -> None:
        """Jump, forward or back."""
        ...

    def show(self, unix_s: float) -> None:
        """Show this time from now on (0: 1970)."""
        ...

    def drift(self, ppm: float) -> None:
        """Run fast, or slow where it is negative, in parts per million; 0: right again."""
        ...

    def synced(self, *, is_synced: bool) -> None:
        """Have the kernel vouch for it, or not."""
        ...

    def heal(self) -> None:
        """Show the true time again, without drift, and have the kernel vouch for it."""
        ...

    def vouched_ns(self) -> int | None:
        """Return what it shows, in ns since 1970; None while nothing vouches for it."""
        ...


class Disk(Protocol):
    """The medium that the store lies on."""

    def trouble(self, kind: DiskTrouble, *, seconds: float = 0.0) -> None:
        """Misbehave from now on until `heal`; `seconds` is how long each write takes ("slow")."""
        ...

    def heal(self) -> None:
        """Behave again."""
        ...

    def damage(self) -> None:
        """Damage what lies there, as a bad cell would: one row that was committed."""
        ...


class Gateway(Protocol):
    """The agent under test: it can be started again and again on the same store."""

    starts: int

    @property
    def code(self) -> int | None:
        """With which the last run ended; None: it runs, or never did."""
        ...

    @property
    def running(self) -> bool:
        """Whether it runs."""
        ...

    @property
    def log(self) -> str:
        """All it has logged, of all its runs."""
        ...

    async def start(self) -> None:
        """Start it; return when its transports are up. Raises SimulatorError when it ends."""
        ...

    async def stop(self) -> int:
        """End it in order, as SIGTERM does; return its exit code."""
        ...

    def kill(self, *, power: bool = True) -> None:
        """End it as a power cut does: nothing more of it runs, what was not durable is gone.

        Not `power`: it alone is killed, and the next start is in the same boot.
        """
        ...

    def stall(self, *, is_stalled: bool) -> None:
        """Stop it from running at all (SIGSTOP), or let it go on."""
        ...

    def files(self) -> Mapping[str, bytes]:
        """Return what it has written to its store, by file name, for a search for leaks."""
        ...


class BenchOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What a bench begins with."""

    seed: int = 1
    org: str = "kiel"
    gateway: str = "gw-sim"
    adapters: Sequence[str] = ("hci0",)
    modems: Mapping[
        str, str
    ] = {}  # port name below serial/by-id -> model, as its driver is called
    sensors: Sequence[SensorOptions] = ()  # listed in the agent's configuration
    bluez: BluezOptions | None = None
    scan: str = "active"
    settings: str = ""  # more YAML of gateway.yaml, at its top level
    broker: Literal["scripted", "mosquitto"] = "scripted"  # mosquitto: process only
    offer: Offer | None = None
    directory: Path | None = None  # for logs, store, configuration; None: a temporary one
    command: Sequence[str] = ()  # process: another program than ours; {config} is replaced
    launcher: bool = False  # process: the agent's disk and clock can be told to fail


class Bench(Protocol):
    """An async context: entered, all but the agent runs; left, nothing remains.

    `at_s` is seconds since it was entered, on the level's own clock, which `asyncio.sleep` and
    `loop.time` follow on both levels.
    """

    @property
    def level(self) -> Level:
        """Inside, or as processes."""
        ...

    @property
    def options(self) -> BenchOptions:
        """What it began with."""
        ...

    @property
    def air(self) -> Air:
        """The sensors, what they sent, and the ledger."""
        ...

    @property
    def broker(self) -> Broker:
        """Where the agent sends; benches may share one."""
        ...

    @property
    def way(self) -> Way:
        """How it gets there."""
        ...

    @property
    def clock(self) -> Clock:
        """The clock it sees."""
        ...

    @property
    def disk(self) -> Disk:
        """What it stores on."""
        ...

    @property
    def gateway(self) -> Gateway:
        """The agent itself."""
        ...

    @property
    def config(self) -> Path:
        """The agent's gateway.yaml: may be rewritten between two runs."""
        ...

    @property
    def at_s(self) -> float:
        """Seconds since the bench was entered."""
        ...

    @property
    def messages(self) -> Sequence[Delivered]:
        """What a subscriber of everything got, in order."""
        ...

    @property
    def messages_at_s(self) -> Sequence[float]:
        """When each of `messages` came, by `at_s`."""
        ...

    async def until(self, condition: Callable[[], bool], *, within_s: float = 60.0) -> None:
        """Return as soon as it holds. Raises TimeoutError after so many seconds of its clock."""
        ...

    async def run(self, seconds: float) -> None:
        """Let the sensors send for a time; they go on from where they were."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *_: object) -> None: ...


def now_s() -> float:
    """Return the time of the bench's clock, of whichever level."""
    return asyncio.get_running_loop().time()


__all__ = [
    "Bench",
    "BenchOptions",
    "Broker",
    "Clock",
    "Delivered",
    "Disk",
    "DiskTrouble",
    "Gateway",
    "Level",
    "Way",
    "now_s",
]
