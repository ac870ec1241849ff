"""A day without trouble: all that is heard arrives, and nothing is written."""

from collections.abc import Callable

import pytest

from gateway.sim.sensors import Phone
from tests.scenarios.agents import fingerprint
from tests.scenarios.air import Stranger
from tests.scenarios.stage import BLE, LORA_STRANGER, SERIAL, Setting, Stage

Play = Callable[..., None]

CITY = Setting(plain=8, encrypted=6, ruuvi=6, lora=5, every_s=0.5)


def strangers(stage: Stage) -> None:
    for number in range(5):
        stage.air.noise.append(Phone(number, every_s=0.2, rotate=5, seed=3))
    stage.air.noise.append(Stranger("bthome-v2", "D0:11:22:33:44:55"))
    stage.air.noise.append(Stranger("ruuvi-rawv2", "D0:11:22:33:44:66"))


async def end_and_start_again(stage: Stage) -> None:
    """Play a clean end and what the next run tells of it."""
    await stage.start_agent()
    async with stage.sending():
        await stage.arrived(20)
        await stage.end_agent()
    first = stage.read().last
    assert (first["state"], first["clean"]) == ("offline", True)
    assert {one["name"]: one["state"] for one in first["transports"]} == {
        BLE: "up",
        SERIAL: "up",
    }
    await stage.start_agent()
    await stage.until(lambda: stage.read().last["state"] == "online")
    birth = next(s for s in stage.read().statuses if s["session"] > first["session"])
    assert {(p["stream"], p["end"], p["nextSeq"]) for p in birth["previous"]} == {
        (s["stream"], "clean", s["nextSeq"]) for s in first["streams"]
    }
    # On a machine that is short of time the end does not wait for the last PUBACK: it is kept.
    assert birth["counters"]["recovered"] <= first["backlog"]["observations"]
    await stage.end_agent()


@pytest.mark.parametrize("scan", ["passive", "active"])
def test_all_that_listed_sensors_say_arrives_to_the_last_digit_and_nobody_elses(
    play: Play, scan: str
) -> None:
    async def scenario(stage: Stage) -> None:
        strangers(stage)
        await stage.start_agent()
        async with stage.sending():
            await stage.arrived(150)
            stage.world.lora(LORA_STRANGER, b"01670110")
            await stage.arrived(50)
        await stage.all_heard()
        await stage.end_agent()
        counters = stage.read().last["counters"]
        assert counters["heard"] == stage.world.audible
        assert counters["unlisted"] > (40 if scan == "active" else 10)
        assert counters["decoded"] == stage.ledger.sent_count
        assert counters["delivered"] == counters["observed"] == stage.ledger.sent_count
        assert {arrival.lane for arrival in stage.read().arrivals} == {"obs/live"}
        assert not stage.read().repeated

    play(scenario, CITY._replace(scan=scan))


def test_a_clean_end_is_told_and_the_next_run_says_so(play: Play) -> None:
    play(end_and_start_again)


def test_while_the_broker_keeps_up_nothing_is_written_to_the_store(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.start_agent()
        async with stage.sending():
            await stage.arrived(40)
            before = fingerprint(stage.store)
            await stage.arrived(300)
            assert fingerprint(stage.store) == before
        await stage.all_arrived()
        await stage.end_agent()
        assert fingerprint(stage.store) != before, "the clean end is written: it would be seen"

    # A machine that stalls for a moment is not the agent's doing.
    play(scenario, CITY._replace(delivery="delivery: {commit_after: 2s}"))
