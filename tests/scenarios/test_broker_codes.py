"""A broker with limits, moods and reason codes: nothing heard is lost, whatever it says.

The broker is scripted and strict: a message too many or too large would be a violation, and those
are judged with everything else.
"""

import json
from collections.abc import Callable
from typing import Any, Final

import pytest

from gateway.sim.broker import Answer, Offer, Publish
from tests.scenarios.agents import kept_rows
from tests.scenarios.stage import ROOT, Setting, Stage

Play = Callable[..., None]

OBSERVATIONS: Final = f"{ROOT}/obs/+"
QUICK: Final = "delivery: {ack_timeout: 2s, min_rate: 1MB}"
OUTAGE_S: Final = 3.0
# Refused again and again, a lane waits for up to a minute, with full jitter.
REFUSED_GUARD_S: Final = 150.0


def kinds(stage: Stage) -> set[str]:
    """Return what the broker has got messages of, by the level below the root."""
    return {one.topic.removeprefix(f"{ROOT}/").split("/")[0] for one in stage.scripted.received}


def bundles(stage: Stage, lane: str = "") -> list[Publish]:
    """Return the bundles that came on a lane, or on both, acknowledged or not."""
    return [one for one in stage.scripted.received if one.topic.startswith(f"{ROOT}/obs/{lane}")]


def first_seqs(published: list[Publish]) -> list[tuple[str, int]]:
    """Return what identifies bundles."""
    bodies = [json.loads(one.payload) for one in published]
    return [(body["stream"], body["observations"][0]["seq"]) for body in bodies]


def counter(stage: Stage, name: str) -> int:
    """Return one of the counters that the newest status tells."""
    count: Any = stage.read().last["counters"][name]
    return int(count)


async def outage(stage: Stage) -> None:
    """Let a few seconds' worth of observations go to the store."""
    await stage.scripted.stop()
    await stage.passed(OUTAGE_S)
    await stage.scripted.start()


# ------------------------------------------------------------------------------------------ limits
@pytest.mark.parametrize("window", [1, 2])
def test_where_one_or_two_messages_at_a_time_are_allowed_all_kinds_get_through(
    play: Play, window: int
) -> None:
    async def scenario(stage: Stage) -> None:
        stage.scripted.script.on("#", Answer(after_s=0.02))
        await stage.start_agent()
        async with stage.sending():
            await stage.arrived(40)
            await outage(stage)
            await stage.all_arrived()
            await stage.arrived(40)
        await stage.all_arrived()
        # States stand back as long as observations wait.
        await stage.until(lambda: {"obs", "status", "state", "meta"} <= kinds(stage))
        await stage.end_agent()
        assert bundles(stage, "replay")

    play(scenario, Setting(offer=Offer(receive_maximum=window)))


def test_no_message_is_larger_than_the_broker_takes(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.start_agent()
        async with stage.sending():
            await stage.arrived(20)
            await outage(stage)
            await stage.all_arrived()
        await stage.end_agent()
        assert bundles(stage, "replay")

    play(scenario, Setting(every_s=0.1, offer=Offer(maximum_packet_size=4000)))


def test_what_was_kept_for_a_broker_that_took_more_is_split_for_one_that_takes_less(
    play: Play,
) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.start_agent()
        async with stage.sending():
            await stage.arrived(20)
            stage.scripted.offer = Offer(maximum_packet_size=2000)
            await outage(stage)
            await stage.all_arrived()
        await stage.end_agent()

    play(scenario, Setting(every_s=0.1, offer=Offer()))


def test_a_broker_that_hangs_up_over_large_messages_without_having_said_so_gets_small_ones(
    play: Play,
) -> None:
    async def scenario(stage: Stage) -> None:
        large = Answer(disconnect=0x95)
        stage.scripted.script.on("#", large, where=lambda message: message.size > 2000)
        await stage.start_agent()
        async with stage.sending():
            await stage.arrived(5)
            stage.scripted.freeze()  # so that what waits is packed into large ones
            await stage.sent(100)
            stage.scripted.thaw()
        await stage.all_arrived(guard_s=REFUSED_GUARD_S)
        await stage.end_agent()
        assert any(one.size > 2000 for one in bundles(stage))

    play(scenario, Setting(every_s=0.1, offer=Offer()))


# --------------------------------------------------------------------------------- acknowledgement
def test_acknowledgements_late_twice_and_of_nothing_cost_nothing(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        script = stage.scripted.script
        await stage.start_agent()
        async with stage.sending():
            await stage.arrived(20)
            script.on(OBSERVATIONS, Answer(after_s=1.0), times=20)
            await stage.arrived(40)
            script.on("#", Answer(times=2, strays=(1, 60_000)))
            await stage.arrived(40)
        await stage.all_arrived()
        await stage.end_agent()
        assert not stage.read().repeated, "late is not lost"

    play(scenario, Setting(offer=Offer()))


@pytest.mark.parametrize("answer", [Answer(times=0), Answer(times=0, strays=(60_000,))])
def test_acknowledgements_lost_or_for_another_message_end_the_connection_and_nothing_else(
    play: Play, answer: Answer
) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.start_agent()
        async with stage.sending():
            await stage.arrived(20)
            stage.scripted.script.on(OBSERVATIONS, answer, times=2)
            await stage.logged("not acknowledged in time")
            await stage.arrived(40)
        await stage.all_arrived()
        await stage.end_agent()
        assert stage.read().repeated, "what was not acknowledged was sent again"

    play(scenario, Setting(delivery=QUICK, offer=Offer()))


# ------------------------------------------------------------------------------------ reason codes
@pytest.mark.parametrize("code", [0x80, 0x97])
def test_what_the_broker_does_not_want_now_is_kept_and_sent_when_it_does(
    play: Play, code: int
) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.start_agent()
        async with stage.sending():
            await stage.arrived(20)
            stage.scripted.script.on(OBSERVATIONS, Answer(reason_code=code), times=4)
            await stage.logged(f"reason_code=0x{code:02x}")
            await stage.sent(40)
            await stage.all_arrived(guard_s=REFUSED_GUARD_S)
        await stage.all_arrived(guard_s=REFUSED_GUARD_S)
        await stage.end_agent()
        assert not stage.read().repeated, "what is refused was not taken"
        assert counter(stage, "setAside") == 0

    play(scenario, Setting(offer=Offer()))


def test_a_bundle_that_is_refused_for_what_it_is_is_set_aside_and_holds_up_nothing(
    play: Play,
) -> None:
    """The platform gets it here all the same, so that the judge knows what was in it."""

    async def scenario(stage: Stage) -> None:
        refused = Answer(reason_code=0x99, hands_out=True)
        await stage.start_agent()
        async with stage.sending():
            await stage.arrived(20)
            before = len(bundles(stage))
            stage.scripted.script.on(OBSERVATIONS, refused, times=1)
            await stage.arrived(40)
        await stage.all_arrived()
        await stage.end_agent()
        aside = bundles(stage)[before]
        assert first_seqs(bundles(stage)).count(*first_seqs([aside])) == 1, "it was not sent again"
        assert counter(stage, "setAside") == len(json.loads(aside.payload)["observations"])
        assert stage.read().last["setAside"]["bundles"] == 1

    play(scenario, Setting(offer=Offer()))


def test_what_nobody_subscribes_to_counts_as_unheard(play: Play) -> None:
    """The platform gets it here all the same, so that the judge knows what was in it."""

    async def scenario(stage: Stage) -> None:
        unheard = Answer(reason_code=0x10, hands_out=True)
        await stage.start_agent()
        async with stage.sending():
            await stage.arrived(20)
            stage.scripted.script.on(OBSERVATIONS, unheard, times=5)
            await stage.arrived(40)
        await stage.all_arrived()
        await stage.end_agent()
        assert counter(stage, "unheard") >= 5
        assert not stage.read().repeated
        alarms = [one for one in stage.read().events if one["kind"] == "uplink.refused"]
        assert [one["reasonCode"] for one in alarms] == [0x10]

    play(scenario, Setting(offer=Offer()))


def test_where_a_subscriber_is_required_what_nobody_subscribes_to_waits_for_one(
    play: Play,
) -> None:
    async def scenario(stage: Stage) -> None:
        stage.environment = {"UGW__MQTT__REQUIRE_SUBSCRIBER": "true"}
        await stage.start_agent()
        async with stage.sending():
            await stage.arrived(20)
            stage.scripted.script.on(OBSERVATIONS, Answer(reason_code=0x10))
            before = len(stage.read().arrivals)
            await stage.sent(60)
            assert len(stage.read().arrivals) == before
            stage.scripted.script.clear()
            await stage.all_arrived(guard_s=REFUSED_GUARD_S)
        await stage.all_arrived(guard_s=REFUSED_GUARD_S)
        await stage.end_agent()
        assert not kept_rows(stage.store)
        assert not stage.read().repeated

    play(scenario, Setting(offer=Offer()))


# ------------------------------------------------------------------------------------- the version
def test_a_broker_that_speaks_3_1_1_only_gets_that_and_status_says_what_it_is_worth(
    play: Play,
) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.start_agent()
        async with stage.sending():
            await stage.arrived(20)
            await outage(stage)
            await stage.all_arrived()
        await stage.all_arrived()
        await stage.end_agent()
        assert {one["guarantee"] for one in stage.read().statuses} == {"reduced"}

    play(scenario, Setting(offer=Offer(versions=(4,))))


def test_a_broker_that_has_spoken_5_is_not_believed_to_speak_3_1_1_only_also_after_a_restart(
    play: Play,
) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.start_agent()
        async with stage.sending():
            await stage.arrived(20)
            await stage.all_arrived()
        await stage.end_agent()
        stage.scripted.offer = Offer(versions=(4,))
        with stage.unheard():
            await stage.start_agent()
        async with stage.sending():
            await stage.logged(
                "MQTT 5 has worked there before",
                "was the broker downgraded? then set mqtt.version to 3.1.1",
            )
            await stage.sent(20)
        stage.agent.terminate()
        await stage.until(lambda: stage.agent.code is not None)
        stage.environment = {"UGW__MQTT__VERSION": "3.1.1"}
        with stage.unheard():
            await stage.start_agent()
        await stage.all_arrived()
        await stage.end_agent()
        assert {one.version for one in stage.scripted.connects[-1:]} == {4}
        assert stage.read().last["guarantee"] == "reduced"

    play(scenario, Setting(offer=Offer()))
