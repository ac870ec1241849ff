"""What the agent says beside observations; its form is judged in every scenario."""

import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, Final

from tests.brokers import Message
from tests.scenarios.stage import BLE, ROOT, SERIAL, Setting, Stage

Play = Callable[..., None]

LORA_1: Final = "ugw:kiel:gw-sim-lora-1"


def said(stage: Stage, topic: str) -> list[Any]:
    """Return what came on topics that begin so, in order; None for what was taken away."""
    return [
        json.loads(message.payload, parse_float=Decimal) if message.payload else None
        for message in _on(stage, topic)
    ]


def _on(stage: Stage, topic: str) -> Iterator[Message]:
    return (one for one in stage.platform.messages if one.topic.startswith(f"{ROOT}/{topic}"))


def events(stage: Stage, *kinds: str) -> list[Any]:
    return [one for one in said(stage, "event") if one["kind"] in kinds]


def _values(observation: Any) -> dict[str, Any]:  # noqa: ANN401 - an object of a message
    return {
        ".".join(filter(None, (one["observedProperty"], one.get("channel", "")))): one["result"]
        for one in observation["results"]
    }


def test_each_device_is_announced_and_its_state_says_what_an_observation_said(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.start_agent()
        devices = set[str]()
        async with stage.sending():
            await stage.until(lambda: len(set(_topics(stage, "state/"))) == 10)
            await stage.until(lambda: len(set(_topics(stage, "meta/"))) == 10)
        await stage.all_arrived()
        await stage.end_agent()
        observed = {
            (one["device"], one["phenomenonTime"]): _values(one)
            for arrival in stage.read().arrivals
            for one in arrival.observations
        }
        for state in said(stage, "state/"):
            device, time = state.pop("device"), state.pop("time")
            assert state.pop("timeQuality") == "exact"
            assert state.pop("rssi") < 0
            assert state == observed[device, time]
            devices.add(device)
        assert devices == {one["device"] for one in said(stage, "meta/")}
        [gateway] = [one for one in said(stage, "meta") if one["schema"] == "ugw.gateway/1"]
        assert gateway["devices"] == 10

    play(scenario)


def _topics(stage: Stage, start: str) -> list[str]:
    return [message.topic for message in _on(stage, start)]


def test_start_transports_and_refused_frames_are_told(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.start_agent()
        await stage.until(lambda: len(events(stage, "transport.up")) == 2)
        for _ in range(3):
            stage.world.lora(1, b"this is no hexadecimal text")
        await stage.until(lambda: bool(events(stage, "refused")))
        await stage.end_agent()
        assert [one["previous"] for one in events(stage, "agent.start")] == [[]]
        assert {one["name"] for one in events(stage, "transport.up")} == {BLE, SERIAL}
        assert not events(stage, "transport.down")
        [refused] = events(stage, "refused")
        assert (refused["device"], refused["reason"], refused["count"]) == (LORA_1, "bad_hex", 1)
        await stage.start_agent()
        await stage.until(lambda: len(events(stage, "agent.start")) == 2)
        previous = events(stage, "agent.start")[1]["previous"]
        assert [one["end"] for one in previous] == ["clean", "clean"]
        await stage.end_agent()

    play(scenario)


def test_a_device_removed_while_the_agent_was_off_leaves_nothing_behind(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        topics = {f"{ROOT}/{what}/gw-sim-lora-2" for what in ("meta", "state")}
        await stage.start_agent()
        async with stage.sending():
            await stage.until(
                lambda: topics <= {*_topics(stage, "state"), *_topics(stage, "meta")}
            )
        await stage.all_arrived()
        await stage.end_agent()
        lines = stage.config.read_text().splitlines(keepends=True)
        stage.config.write_text("".join(line for line in lines if '"lora:2"' not in line))
        await stage.start_agent()
        await stage.until(
            lambda: topics == {m.topic for m in stage.platform.messages if not m.payload}
        )
        await stage.end_agent()

    play(scenario, Setting(plain=1, encrypted=0, ruuvi=0))
