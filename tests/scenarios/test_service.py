"""The agent as a service: watched, reloaded under traffic, looked at, ended in order.

The service manager is a stand-in that speaks systemd's protocol over a real socket.
"""

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any, Final

from gateway.sim.agent_config import AgentOptions, device_name
from gateway.sim.sensors import SensorOptions
from tests.brokers import free_port
from tests.managers import manager_on_a_path
from tests.scenarios.stage import BLE, Setting, Stage

Play = Callable[..., None]

CALM: Final = Setting(plain=4, encrypted=2, ruuvi=2, lora=2, every_s=0.3)
WATCHDOG_S: Final = 3.0
RELOADED: Final = "configuration reloaded changed="


def get(port: int, path: str) -> Any:  # noqa: ANN401 - whatever it answers
    """Ask the agent, as any program on the machine would."""
    url = f"http://127.0.0.1:{port}{path}"
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            body = answer.read()
    except urllib.error.HTTPError as error:
        body = error.read()
    return json.loads(body)


def rewrite(stage: Stage, before: str, after: str) -> None:
    """Change one place of the configuration."""
    text = stage.config.read_text()
    assert text.count(before) == 1, text
    stage.config.write_text(text.replace(before, after))


def test_the_manager_is_told_of_start_life_reload_and_end(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        with manager_on_a_path() as manager:
            stage.environment = {
                "NOTIFY_SOCKET": manager.address,
                "WATCHDOG_USEC": str(int(WATCHDOG_S * 1e6)),
            }
            await stage.start_agent()
            async with stage.sending():
                await stage.until(lambda: manager.count("READY=1") == 1)
                await stage.until(lambda: manager.count("WATCHDOG=1") >= 3)
                await stage.until(
                    lambda: "STATUS=broker connected; 2 of 2 transports up" in manager.heard
                )
                stage.agent.hang_up()
                await stage.until(lambda: manager.count("READY=1") == 2)
                await stage.arrived(10)
            await stage.all_arrived()
            await stage.end_agent()
            kinds = [message.split("=")[0] for message in manager.heard]
            assert kinds[0] == "READY", "told before the store was open and the radios heard"
            assert kinds.index("RELOADING") < len(kinds) - kinds[::-1].index("READY") - 1
            assert manager.count("STOPPING=1") == 1

    play(scenario, CALM)


EDITS: Final = (
    ("burst: 10000", "burst: 9999", "intake.burst"),
    ("devices:\n", 'devices:\n  - {address: "C0:FF:EE:00:00:77"}\n', "devices"),
    ("http: {enabled: false}", "http: {enabled: false}\nlog: {level: debug}", "log.level"),
)


def test_reloads_under_traffic_lose_nothing_and_make_no_gap(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.start_agent()
        await stage.logged("uplink up")
        before = stage.agent.log.count("transport "), stage.agent.log.count("uplink ")
        async with stage.sending():
            for was, becomes, key in EDITS:
                await stage.arrived(20)
                rewrite(stage, was, becomes)
                stage.agent.hang_up()
                await stage.logged(f"{RELOADED}{key}")
            await stage.arrived(20)
        await stage.all_arrived()
        after = stage.agent.log.count("transport "), stage.agent.log.count("uplink ")
        assert after == before, "a radio or the broker was left for a change that is not theirs"
        await stage.end_agent()
        counters = stage.read().last["counters"]
        assert counters["delivered"] == counters["observed"] == stage.ledger.sent_count

    play(scenario, CALM)


def test_another_way_to_the_broker_is_taken_under_traffic_and_nothing_is_lost(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.start_agent()
        await stage.logged("uplink up")
        async with stage.sending():
            await stage.arrived(20)
            rewrite(stage, "mqtt: {", "mqtt: {keepalive: 20s, ")
            stage.agent.hang_up()
            await stage.logged("configuration reloaded changed=mqtt.keepalive")
            await stage.until(lambda: stage.agent.log.count("uplink up") == 2)
            await stage.arrived(20)
        await stage.all_arrived()
        await stage.end_agent()

    play(scenario, CALM)


def test_a_device_that_is_added_is_heard_from_now_on(play: Play) -> None:
    new = SensorOptions(model="ruuvi-rawv2", address="CB:B8:33:4C:99:01", every_s=0.3)

    async def scenario(stage: Stage) -> None:
        await stage.start_agent()
        async with stage.sending():
            await stage.arrived(10)
            rewrite(stage, "devices:\n", f'devices:\n  - {{address: "{new.address}"}}\n')
            stage.agent.hang_up()
            await stage.logged("configuration reloaded changed=devices")
        sensor = stage.world.add_sensor(new)
        assert sensor.place is not None
        stage.spoken.listen(device_name(new, AgentOptions()), new, sensor.place)
        async with stage.sending():
            await stage.arrived(20)
        await stage.all_arrived()
        last = stage.read().last
        assert last["counters"]["unknown"] == 0
        await stage.end_agent()

    play(scenario, CALM)


def test_a_broken_file_changes_nothing_and_is_said_everywhere(play: Play) -> None:
    port = free_port()

    async def scenario(stage: Stage) -> None:
        with manager_on_a_path() as manager:
            stage.environment = {"NOTIFY_SOCKET": manager.address}
            await stage.start_agent()
            good = stage.config.read_text()
            async with stage.sending():
                await stage.arrived(10)
                stage.config.write_text(good + "devicse: []\n")
                stage.agent.hang_up()
                await stage.logged("nothing has changed", "unknown key 'devicse'")
                await stage.until(
                    lambda: any("not reloaded" in message for message in manager.heard)
                )
                told = await asyncio.to_thread(get, port, "/status")
                last = told["configuration"]["lastReload"]
                assert not last["ok"]
                assert "devicse" in last["cause"]
                ready = await asyncio.to_thread(get, port, "/readyz")
                assert [reason["what"] for reason in ready["reasons"]] == ["configuration"]
                await stage.arrived(10)
                stage.config.write_text(good)
                stage.agent.hang_up()
                await stage.logged("configuration reloaded changed=nothing")
                assert (await asyncio.to_thread(get, port, "/readyz"))["ok"]
            await stage.all_arrived()
            await stage.end_agent()

    play(scenario, CALM._replace(http=f'http: {{listen: "127.0.0.1:{port}"}}'))


def test_what_the_agent_shows_is_what_the_platform_hears(play: Play) -> None:
    port = free_port()

    async def scenario(stage: Stage) -> None:
        await stage.start_agent()
        async with stage.sending():
            await stage.arrived(40)
        await stage.all_arrived()
        sensors = (await asyncio.to_thread(get, port, "/sensors"))["sensors"]
        assert sum(each["observations"] for each in sensors) == stage.ledger.sent_count
        assert all(each["values"] and each["lastHeardAgoS"] is not None for each in sensors)
        told = await asyncio.to_thread(get, port, "/status")
        assert told["laws"] == {"frames": 0, "observations": 0}
        assert told["uplink"]["connected"]
        assert {each["name"]: each["state"] for each in told["transports"]}[BLE] == "up"
        assert (await asyncio.to_thread(get, port, "/healthz"))["ok"]
        assert (await asyncio.to_thread(get, port, "/readyz"))["ok"]
        await stage.end_agent()
        last, shown = stage.read().last["counters"], told["status"]["counters"]
        assert {name: shown[name] for name in ("observed", "delivered", "decoded")} == {
            name: last[name] for name in ("observed", "delivered", "decoded")
        }

    play(scenario, CALM._replace(http=f'http: {{listen: "127.0.0.1:{port}"}}'))
