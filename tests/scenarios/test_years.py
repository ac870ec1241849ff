"""Deployed for years: 400 days of virtual time, at whose end the books are exact."""

from collections import Counter

import pytest

from gateway.sim.bench import BenchOptions
from gateway.sim.verbs import begin_fault
from tests.scenarios.belongings import grown
from tests.scenarios.years import (
    CLOCK,
    ENDS,
    LONGEST_AWAY_S,
    MACHINE,
    MINUTE_S,
    MODEM,
    UPLINK,
    Diary,
    Years,
    lasting,
    live,
    sensors,
    starts_in_1970,
)

HOUR_S = 3600.0
NS = 10**9
KEPT_BYTES = 8_000  # of hundreds of connections
FLAT_BYTES = 32_000  # what is remembered up to a bound, of 300 kB


def gateway(every_s: float) -> BenchOptions:
    """Return a gateway with six sensors."""
    return BenchOptions(sensors=sensors(every_s), modems={MODEM: "reyax-rylr998"})


async def restless(years: Years, days: float) -> None:
    """Live for so many days with everything that can happen, ends and starts included."""
    await Diary(years, UPLINK, ENDS, CLOCK, MACHINE).until(days)
    assert years.law() == (0, 0)
    assert await years.bench.gateway.stop() == 0
    await years.close_books()


async def one_run(years: Years, warm: float, days: float) -> None:
    """Live in one run and one boot; what it holds then is what it held when it was warm.

    A dictionary that was once full keeps its size: the longest outage of all comes first.
    """
    await years.fault("broker.down", LONGEST_AWAY_S)
    diary = await Diary(years, UPLINK, CLOCK, MACHINE).until(warm)
    before = years.belongings()
    await diary.until(days)
    after = years.belongings()
    assert years.bench.gateway.starts == 1
    assert years.bench.clock.boot_ns() > days * 86_400 * NS
    assert years.law() == (0, 0)
    assert after.total() < before.total() + FLAT_BYTES, grown(before, after)
    await years.close_books()


# ---------------------------------------------------------------------------------- in the gate
def test_days_with_ends_and_starts_and_outages_are_accounted_for_to_the_last_number() -> None:
    async def body(years: Years) -> None:
        for trouble in (starts_in_1970, lasting("proc.sigkill", MINUTE_S)):
            await trouble(years)
        assert years.law() == (0, 0)
        assert await years.bench.gateway.stop() == 0
        await years.close_books()
        assert years.bench.gateway.starts == 3

    live(body, gateway(HOUR_S))


def test_hundreds_of_connections_leave_nothing_behind() -> None:
    """Of connections, adapters and modems that came and went, the agent keeps no trace."""

    async def body(years: Years) -> None:
        sizes = list[Counter[str]]()
        for _ in range(2):
            for _ in range(100):
                years.bench.broker.hang_up()
                await years.pass_s(MINUTE_S / 3)
            for name in ("ble.crash", "ble.unplug", "serial.unplug"):
                async with begin_fault(years.bench, name):
                    await years.pass_s(MINUTE_S)
                await years.pass_s(MINUTE_S)
            sizes.append(years.belongings())
        assert years.connections > 80
        assert sizes[1].total() < sizes[0].total() + KEPT_BYTES, grown(sizes[0], sizes[1])
        await years.close_books()

    live(body, gateway(60.0))


# ------------------------------------------------------------------------------------- make soak
@pytest.mark.long
def test_400_days_with_ends_and_starts_are_accounted_for_to_the_last_number() -> None:
    live(lambda years: restless(years, 400), gateway(HOUR_S))


@pytest.mark.long
def test_400_days_in_one_run_leave_nothing_behind_in_memory() -> None:
    """More milliseconds of uptime than 32 bits hold; packet numbers of a byte begin 37 times."""
    live(lambda years: one_run(years, 40, 400), gateway(HOUR_S))
