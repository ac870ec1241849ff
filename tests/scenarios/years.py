"""A gateway in the field for years, on virtual time: what happens to it, and who keeps the books.

All that the agent says is judged on the day it says it, and then forgotten: both laws in every
status, every time that is called exact, every number of every stream. So the books of a year are
as small as those of a day, and what grows is the agent's.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from itertools import cycle
from typing import Final, Self

from gateway.sim.bench import BenchOptions
from gateway.sim.broker import Delivered
from gateway.sim.expectations import Judge, check_expectation
from gateway.sim.expectations.validator import Validator
from gateway.sim.inside.bench import InsideBench
from gateway.sim.inside.loop import run
from gateway.sim.sensors import SensorOptions
from gateway.sim.verbs import begin_fault
from tests.scenarios.belongings import belongings

MINUTE_S: Final = 60.0
HOUR_S: Final = 3600.0
DAY_S: Final = 24 * HOUR_S
YEAR_S: Final = 365 * DAY_S
MODEM: Final = "usb-lora"

_DRIFT_LOOK_S: Final = 5 * MINUTE_S  # whoever judges a drifting clock has to look at it often
_SETTLES_S: Final = 2 * HOUR_S  # after a fault: more than any wait of the agent's
_JUDGED_MESSAGES: Final = 20  # a day, held to the strict schema: each takes a millisecond
_SPENT: Final = Delivered("", b"", retain=False)
_EXPECTED: Final = (
    "declared_losses_only",
    "nothing_invented",
    "nothing_twice_under_two_keys",
    "order_kept",
    "laws_hold",
    "times_true",
    "no_crash",
)
# How long brokers and networks are away, from minutes to weeks.
LONGEST_AWAY_S: Final = 21 * DAY_S
_AWAY_S: Final = (MINUTE_S, 10 * MINUTE_S, HOUR_S, 6 * HOUR_S, DAY_S, 3 * DAY_S, LONGEST_AWAY_S)

Trouble = Callable[["Years"], Awaitable[None]]


def sensors(every_s: float) -> Sequence[SensorOptions]:
    """Return four Bluetooth sensors, of which one is encrypted, and two of LoRa."""
    key = bytes(range(16))
    models = (("bthome-v2", b""), ("bthome-v2", b""), ("ruuvi-rawv2", b""))
    tags = (*models, ("bthome-v2-encrypted", key))
    return [
        *(
            SensorOptions(model=model, address=f"C0:FF:EE:00:00:{n:02X}", every_s=every_s, key=key)
            for n, (model, key) in enumerate(tags, start=1)
        ),
        *(
            SensorOptions(model="cayenne-lpp", address=f"lora:{n}", every_s=every_s)
            for n in (1, 2)
        ),
    ]


class Years:
    """One gateway, from the day it is put up."""

    def __init__(self, bench: InsideBench) -> None:
        self.bench = bench
        self.judge = Judge(bench)
        self.connections = 0
        self.lengths_s = cycle(_AWAY_S)
        self.faults: list[str] = []  # of the schema
        self.look_s = DAY_S
        self._validator = Validator()
        self._read = 0

    async def pass_s(self, seconds: float) -> None:
        """Let time pass, and keep the books each day, or as often as it takes."""
        end_s = self.bench.at_s + seconds
        while self.bench.at_s < end_s:
            await self.bench.run(min(self.look_s, end_s - self.bench.at_s))
            self.keep_books()

    async def fault(self, name: str, lasts_s: float = 0.0, **arguments: object) -> None:
        """Play one fault of the catalogue, and let the agent settle."""
        async with begin_fault(self.bench, name, **arguments):
            await self.pass_s(lasts_s)
        await self.pass_s(_SETTLES_S)

    def keep_books(self) -> None:
        """Judge what was said since, and forget it."""
        self.judge.read()
        own = self.judge.own
        for message in own[:: 1 + len(own) // _JUDGED_MESSAGES]:
            found = self._validator.faults(message.topic, message.payload, retain=message.retain)
            self.faults += found
        own.clear()
        broker = self.bench.broker
        self.connections += len(broker.connects)
        spent = len(broker.delivered)
        broker.delivered[self._read :] = [_SPENT] * (spent - self._read)
        self._read = spent
        broker.received.clear()
        broker.connects.clear()
        self.judge.changes.clear()

    def belongings(self) -> Counter[str]:
        """Return what the agent and its store hold, in bytes by type."""
        agent = self.bench.gateway.agent
        assert agent is not None
        return belongings(agent, self.bench.disk.medium)

    def law(self) -> tuple[int, int]:
        """Return both laws, as the agent has them at this moment."""
        agent = self.bench.gateway.agent
        assert agent is not None
        return agent.health.frames_law(), agent.health.observations_law()

    async def close_books(self) -> None:
        """See that everything has arrived or was declared, number by number."""
        self.keep_books()
        for name in _EXPECTED:
            verdict = await check_expectation(self.judge, name)
            assert verdict.ok, (name, verdict.why, verdict.frames, self.bench.gateway.last_words())
        assert self.faults == []
        assert self.judge.missing_numbers() == []
        assert self.bench.broker.violations == []


def live(body: Callable[[Years], Awaitable[None]], options: BenchOptions) -> None:
    """Put a gateway up on virtual time, and let it live."""

    async def main() -> None:
        async with InsideBench(options) as bench:
            years = Years(bench)
            await bench.gateway.start()
            await body(years)

    run(main())


# --------------------------------------------------------------------------- what happens to it
def lasting(name: str, lasts_s: float, **arguments: object) -> Trouble:
    """Return a fault that always lasts as long."""
    return lambda years: years.fault(name, lasts_s, **arguments)


def away(name: str) -> Trouble:
    """Return a fault that lasts from minutes to weeks, by turns."""
    return lambda years: years.fault(name, next(years.lengths_s))


def drifting(lasts_s: float, ppm: float) -> Trouble:
    """Return a clock that runs too fast or too slow for so long."""

    async def act(years: Years) -> None:
        years.look_s = _DRIFT_LOOK_S
        await years.fault("clock.drift", lasts_s, ppm=ppm)
        years.look_s = DAY_S

    return act


def stepping(seconds: float, *, while_away: bool = False) -> Trouble:
    """Return a step of the clock by so much and, two days later, back."""

    async def act(years: Years) -> None:
        for step_s in (seconds, -seconds):
            years.bench.clock.step(step_s)
            if while_away:
                await years.fault("broker.down", DAY_S)
            await years.pass_s(DAY_S)

    return act


async def full_card(years: Years) -> None:
    """Fill the card while the broker is away: the oldest is given up, and declared."""
    async with begin_fault(years.bench, "broker.down"):
        await years.pass_s(2 * DAY_S)
        await years.fault("disk.full", DAY_S)
    await years.pass_s(_SETTLES_S)


async def asleep(years: Years) -> None:
    """Suspend the machine for half a day: boot time goes on, nothing runs."""
    await years.fault("proc.stall", DAY_S / 2)


async def starts_in_1970(years: Years) -> None:
    """Lose the power and come up in 1970, the broker away; the time is known two days later."""
    async with begin_fault(years.bench, "broker.down"):
        await years.pass_s(HOUR_S)
        async with begin_fault(years.bench, "clock.to_1970"):
            await years.fault("power.cut", HOUR_S)
            await years.pass_s(2 * DAY_S)
        await years.pass_s(HOUR_S)
    await years.pass_s(_SETTLES_S)


async def never_knows_the_time(years: Years) -> None:
    """Come up in 1970 and lose the power again before the time is known, the broker away."""
    async with begin_fault(years.bench, "broker.down"):
        async with begin_fault(years.bench, "clock.to_1970"):
            await years.fault("power.cut", MINUTE_S)
            await years.pass_s(DAY_S)
            years.bench.gateway.kill()
        await years.bench.gateway.start()
    await years.pass_s(_SETTLES_S)


UPLINK: Final[tuple[Trouble, ...]] = (
    away("broker.down"),
    away("net.down"),
    lasting("broker.auth_fail", 6 * HOUR_S),
    lasting("net.blackhole", 6 * HOUR_S),
    lasting("net.slow", 6 * HOUR_S),
    lasting("broker.receive_maximum", DAY_S),
    lasting("broker.reject", HOUR_S),
    lasting("broker.restart", 0.0),
    away("broker.down"),
    lasting("broker.half_open", HOUR_S),
)
CLOCK: Final[tuple[Trouble, ...]] = (
    stepping(HOUR_S),
    stepping(10 * YEAR_S),
    stepping(-10 * YEAR_S, while_away=True),
    lasting("clock.unsynced", 3 * DAY_S),
    drifting(2 * DAY_S, ppm=400),
    stepping(-1.0),  # a leap second that is stepped,
    drifting(DAY_S, ppm=-11.57),  # and one that is smeared
    asleep,
)
MACHINE: Final[tuple[Trouble, ...]] = (
    lasting("ble.crash", HOUR_S),
    lasting("ble.unplug", DAY_S),
    lasting("serial.unplug", DAY_S),
    lasting("disk.eio", HOUR_S),
    lasting("disk.readonly", HOUR_S),
    full_card,
    lasting("serial.reset", 0.0),
    lasting("ble.wedge", 0.0),
)
ENDS: Final[tuple[Trouble, ...]] = (
    lasting("proc.sigkill", MINUTE_S),
    starts_in_1970,
    lasting("proc.restart", 0.0),
    lasting("power.cut", DAY_S),
    never_knows_the_time,
    lasting("proc.sigterm", HOUR_S),
)


def by_turns(*families: Iterable[Trouble]) -> Iterable[Trouble]:
    """Yield one trouble of each family after the other, for ever."""
    endless = [cycle(family) for family in families]
    while True:
        for family in endless:
            yield next(family)


class Diary:
    """Troubles by turns, each with a quiet day before it."""

    def __init__(self, years: Years, *families: Iterable[Trouble]) -> None:
        self._years = years
        self._troubles = iter(by_turns(*families))

    async def until(self, day: float) -> Self:
        """Go on to that day, and a quiet day more."""
        while self._years.bench.at_s < day * DAY_S:
            await self._years.pass_s(DAY_S)
            await next(self._troubles)(self._years)
        await self._years.pass_s(DAY_S)
        return self
