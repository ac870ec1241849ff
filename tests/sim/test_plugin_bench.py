"""A whole gateway in the hands of a plain test, as a stranger writes it."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from gateway.config import InvalidConfigError
from gateway.errors import SimulatorError
from gateway.sim.fixtures import open_sim
from gateway.sim.fixtures.reference import FIXTURES
from tests.sim.suites import Suite

ROOT: Final = Path(__file__).parents[2]
# Made of the fixtures' own texts; and a package of its own, for tests/docs.
ELSEWHERE: Final = ("simulator.md", "broken-world.md")
USES: Final = re.compile(rf"def test_\w+\([^)]*\b({'|'.join(FIXTURES)})\b|open_sim|perform\(")


@pytest.mark.parametrize(
    "name", [name for name, one in FIXTURES.items() if one.example and one.stands == "bench"]
)
def test_the_example_of_a_fixture_works(suite: Suite, name: str) -> None:
    suite(FIXTURES[name].example).assert_outcomes(passed=1)


def pages() -> Iterator[tuple[str, str]]:
    """Yield each page with tests that use the fixtures, and those tests."""
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))):
        blocks = re.findall(r"^```python\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)
        shown = [block for block in blocks if USES.search(block)]
        if shown and page.name not in ELSEWHERE:
            yield str(page.relative_to(ROOT)), "\n\n".join(shown)


@pytest.mark.parametrize(("page", "shown"), [pytest.param(*one, id=one[0]) for one in pages()])
def test_what_a_page_shows_works(suite: Suite, page: str, shown: str) -> None:
    result = suite(shown)
    outcomes = result.parseoutcomes()
    assert outcomes.keys() == {"passed"}, page


# --------------------------------------------------------------------------------- at level inside
def test_sensors_may_come_while_the_test_goes_on(suite: Suite) -> None:
    result = suite("""
        def media(sim):
            return {one["link"]["medium"] for one in sim.observations}

        @pytest.mark.sim(settings={"intake": {"repeat_window": "5s"}})
        def test_theirs(sim, gateway, ble, lora):
            ble.sensor("ruuvi-rawv2", every="10s")
            gateway.start()
            sim.run("1min")
            assert media(sim) == {"ble"}
            lora.sensor("cayenne-lpp", every="10s")
            gateway.restart()
            sim.run("1min")
            assert media(sim) == {"ble", "lora"}
            sim.expect("every_accepted_observation_delivered", within="1min")
            assert "repeat_window: 5s" in sim.bench.config.read_text()
        """)
    result.assert_outcomes(passed=1)


def test_an_async_test_runs_on_virtual_time_without_another_plugin(suite: Suite) -> None:
    result = suite("""
        @pytest.mark.sim(sensors=["ruuvi-rawv2"], settings="log: {level: debug}")
        async def test_theirs(sim):
            assert "log: {level: debug}" in sim.bench.config.read_text()
            before = asyncio.get_running_loop().time()
            await sim.bench.gateway.start()
            await sim.bench.run(3600)
            await asyncio.sleep(3600)
            assert asyncio.get_running_loop().time() - before >= 7200
            sim.broker.hang_up()  # does not wait: also from here
            await sim.bench.until(lambda: len(sim.broker.connects) == 2)
        """)
    result.assert_outcomes(passed=1)


def test_another_plugins_loop_is_told_from_the_benchs_own(suite: Suite) -> None:
    result = suite("""
        @pytest.fixture
        def anyio_backend():
            return "asyncio"

        @pytest.mark.anyio
        @pytest.mark.sim(sensors=["ruuvi-rawv2"])
        async def test_theirs(sim):
            sim.gateway.start()
            await asyncio.to_thread(sim.run, "10min")
            assert sim.observations
            with pytest.raises(Exception, match="another loop than the bench"):
                await asyncio.wait_for(sim.bench.run(60), 10)
        """)
    result.assert_outcomes(passed=1)


def test_the_same_seed_says_the_same_bytes_and_another_seed_others(suite: Suite) -> None:
    result = suite("""
        def said(sim):
            sim.gateway.start()
            sim.run("10min")
            return sim.messages

        SAID = {}

        @pytest.mark.sim(sensors=["ruuvi-rawv2", "bthome-v2"])
        class TestTheirs:
            @pytest.mark.sim(seed=7)
            def test_once(self, sim):
                SAID["once"] = said(sim)

            @pytest.mark.sim(seed=7)
            def test_again(self, sim):
                assert said(sim) == SAID["once"]

            @pytest.mark.sim(seed=8)
            def test_another(self, sim):
                assert said(sim) != SAID["once"]
        """)
    result.assert_outcomes(passed=3)


def test_a_fault_ends_with_its_block_or_with_the_test(suite: Suite) -> None:
    result = suite("""
        NOTES = []

        @pytest.mark.sim(sensors=[{"model": "bthome-v2", "every": "10s"}])
        def test_theirs(sim):
            sim.gateway.start()
            with sim.fault("broker.down"):
                before = len(sim.messages)
                sim.run("10min")
                assert len(sim.messages) == before
            sim.expect("every_accepted_observation_delivered", within="10min")
            sim.fault("net.blackhole")  # and the test ends
            NOTES.append(sim.stage.notes)

        def test_afterwards():
            *_, begun, ended = NOTES[0]
            assert (begun.what, ended.what) == ("net.blackhole", "net.blackhole is over")
        """)
    result.assert_outcomes(passed=2)


def test_what_does_not_hold_is_told_with_what_happened_and_how_to_see_it_again(
    suite: Suite,
) -> None:
    result = suite(
        """
        @pytest.mark.sim(sensors=[{"model": "bthome-v2", "every": "10s"}])
        def test_theirs(sim):
            sim.gateway.start()
            sim.run("1min")
            sim.fault("broker.down")
            sim.run("1min")
            sim.expect("every_accepted_observation_delivered", within="5s")
        """,
        "--sim-seed=5",
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "E * every_accepted_observation_delivered: * did not arrive",
            "*- simulator -*",
            "level inside, seed 5",
            "* 0.000 s  the gateway is started",
            "* 60.0?? s  broker.down",
            "* messages, * frames sent; the last:",
            "  ugw/v1/kiel/gw-sim/*",
            "again: pytest test_theirs.py::test_theirs --sim-seed=5 --sim-level=inside",
        ]
    )
    result.stdout.no_fnmatch_line("*gateway/sim/fixtures/handle.py*")


def test_a_fault_that_is_none_is_told_with_the_one_that_was_meant(suite: Suite) -> None:
    result = suite("""
        def test_theirs(sim):
            sim.fault("broker.dwn")
        """)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*there is no fault 'broker.dwn', did you mean 'broker.down'?", "remedy: *list faults*"]
    )


def test_gateways_of_a_fleet_are_told_apart(suite: Suite) -> None:
    result = suite("""
        @pytest.mark.sim(sensors=["ruuvi-rawv2"])
        def test_theirs(fleet):
            city = fleet(3)
            city.start()
            city.run("5min")
            city.expect("every_accepted_observation_delivered", within="1min")
            devices = [{one["device"] for one in sim.observations} for sim in city.gateways]
            assert [len(one) for one in devices] == [1, 1, 1]
            assert len(set.union(*devices)) == 3
            city.gateways[1].gateway.kill()
            city.run("5min")
            city.expect("status_says", state="online")
        """)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E *of 1 of 3 gateways: gw-sim-002: status_says: *"])


# -------------------------------------------------------------------------------- at level process
def test_the_same_test_runs_with_the_real_programs(suite: Suite) -> None:
    result = suite(
        """
        @pytest.mark.sim(sensors=[{"model": "bthome-v2", "every": "100ms"}])
        def test_theirs(sim, gateway, broker):
            gateway.start()
            sim.run("500ms")
            gateway.kill()
            gateway.start()
            with sim.fault("broker.down"):
                sim.run("500ms")
            sim.expect("every_accepted_observation_delivered", within="60s")
            assert gateway.stop() == 0
            assert broker.port
            assert {one.topic.split("/")[3] for one in sim.messages} == {"gw-sim"}
        """,
        "--sim-level=process",
    )
    result.assert_outcomes(passed=1)


# ---------------------------------------------------------------------------------- without pytest
def test_a_bench_is_opened_and_closed_without_a_fixture() -> None:
    with open_sim(sensors=["ruuvi-rawv2"], seed=3) as sim:
        sim.gateway.start()
        sim.run("2min")
        sim.expect("every_accepted_observation_delivered", within="10s")
    with pytest.raises(SimulatorError, match="is over, with the test or the block"):
        sim.run("1s")


def test_what_is_wrong_with_an_opened_one_is_told_at_once() -> None:
    with pytest.raises(InvalidConfigError, match="did you mean 'ruuvi-rawv2'"):
        open_sim(sensors=["ruuvi-rawv3"]).__enter__()
