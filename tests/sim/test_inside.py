"""The bench on the level `inside`: the whole agent on virtual time, under every kind of fault."""

import asyncio
import hashlib
import logging
from pathlib import Path

import pytest

from gateway.bulletin import Vigil
from gateway.errors import SimulatorError
from gateway.pipeline import Pipeline
from gateway.sim.bench import Bench, BenchOptions
from gateway.sim.benches import open_bench
from gateway.sim.emissions import LoraPacket
from gateway.sim.expectations import Judge
from gateway.sim.inside.bench import InsideBench
from gateway.sim.inside.clock import EPOCH_S
from gateway.sim.inside.loop import run
from gateway.sim.models import MODELS
from gateway.sim.modems import MODEMS
from gateway.sim.proxy import Line
from gateway.sim.sensors import SensorOptions
from tests.sim.insides import (
    HOUR_S,
    broker_away,
    events,
    nodes,
    observations,
    on_bench,
    options,
    promises_hold,
    statuses,
    tags,
)


# ------------------------------------------------------------------------------------ a normal run
def test_what_sensors_send_arrives_and_the_end_is_clean() -> None:
    async def act(bench: InsideBench) -> None:
        judge = Judge(bench)
        await bench.gateway.start()
        await bench.run(1200)
        assert await bench.gateway.stop() == 0
        assert not bench.gateway.running
        assert bench.air.ledger.sent_count == len(observations(bench)) > 50
        await promises_hold(bench, judge)
        assert statuses(bench)[-1]["state"] == "offline"
        assert statuses(bench)[-1]["clean"]
        assert "2026-01-01T00:20:00.055Z INFO gateway.app: stopped clean" in bench.gateway.log
        assert bench.at_s < 1201
        assert len(bench.messages_at_s) == len(bench.messages)

    on_bench(act, options())


def test_a_condition_that_never_holds_is_told_with_what_was_logged_last() -> None:
    async def act(bench: InsideBench) -> None:
        await bench.gateway.start()
        await bench.until(lambda: bool(statuses(bench)), within_s=1)
        with pytest.raises(TimeoutError, match=r"within 90 s; logged last: .*uplink up"):
            await bench.until(lambda: False, within_s=90)

    on_bench(act, options())


def test_a_bench_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    logger = logging.getLogger("gateway")
    before = (logger.level, list(logger.handlers))

    async def act(bench: InsideBench) -> None:
        await bench.gateway.start()
        assert bench.config.is_relative_to(tmp_path)
        await bench.run(60)

    on_bench(act, options())
    assert list(tmp_path.iterdir()) == []
    assert (logger.level, logger.handlers) == before


def test_it_is_opened_by_its_level_and_refuses_what_is_not_in_memory() -> None:
    bench: Bench = open_bench("inside", BenchOptions())
    assert bench.level == "inside"
    with pytest.raises(SimulatorError, match="mosquitto does not exist in memory"):
        open_bench("inside", BenchOptions(broker="mosquitto"))
    with pytest.raises(SimulatorError, match="another program"):
        open_bench("inside", BenchOptions(command=("theengs",)))


def test_a_configuration_that_cannot_be_used_ends_the_start_with_what_is_wrong() -> None:
    async def act(bench: InsideBench) -> None:
        with pytest.raises(SimulatorError, match=r"ended with code.*unknown key 'pas'") as caught:
            await bench.gateway.start()
        assert str(bench.gateway.code) in str(caught.value)
        bench.config.write_text(bench.config.read_text().replace("delivery: {pas: 1}", ""))
        await bench.gateway.start()
        assert bench.gateway.starts == 2

    on_bench(act, options(settings="delivery: {pas: 1}"))


@pytest.mark.parametrize("where", [(Pipeline, "_process"), (Vigil, "tick")], ids=lambda at: at[1])
def test_a_bug_in_the_agent_is_raised_where_somebody_waits(
    monkeypatch: pytest.MonkeyPatch, where: tuple[type, str]
) -> None:
    """In a callback as in a task."""

    async def act(bench: InsideBench) -> None:
        await bench.gateway.start()
        monkeypatch.setattr(*where, None)
        await bench.run(HOUR_S)

    with pytest.raises((TypeError, ExceptionGroup)) as caught:
        on_bench(act, options())
    assert isinstance(caught.value, TypeError) or caught.group_contains(TypeError)


# ------------------------------------------------------------------------------------------ radios
@pytest.mark.parametrize("scan", ["active", "passive"])
def test_every_model_of_sensor_is_heard(scan: str) -> None:
    plain = [
        SensorOptions(
            model=name,
            address=f"C0:FF:EE:00:01:{number:02X}" if model.medium != "lora" else f"lora:{number}",
            key=bytes(range(16)) if model.encrypted else b"",
            every_s=60,
        )
        for number, (name, model) in enumerate(MODELS.items(), start=1)
    ]

    async def act(bench: InsideBench) -> None:
        judge = Judge(bench)
        await bench.gateway.start()
        await bench.run(400)
        await promises_hold(bench, judge)
        heard = {one["device"] for one in observations(bench)}
        assert len(heard) == len(plain), sorted(heard)
        assert scan in bench.config.read_text()

    on_bench(act, options(sensors=plain, scan=scan, modems={"usb-lora": "reyax-rylr998"}))


@pytest.mark.parametrize("modem", sorted(MODEMS))
def test_every_modem_is_set_up_and_brings_packets(modem: str) -> None:
    async def act(bench: InsideBench) -> None:
        judge = Judge(bench)
        await bench.gateway.start()
        assert "transport serial:usb-lora is up" in bench.gateway.log
        await bench.run(600)
        await promises_hold(bench, judge)
        assert bench.air.packets > 5

    on_bench(act, options(sensors=nodes(), adapters=(), modems={"usb-lora": modem}))


def test_while_nobody_listens_nothing_counts_as_heard() -> None:
    async def act(bench: InsideBench) -> None:
        await bench.run(600)
        assert bench.air.ledger.sent_count == 0
        await bench.gateway.start()
        bench.air.bluez.unplug_adapter("hci0")
        bench.air.modems["usb-lora"].unplug()
        await bench.run(600)
        assert bench.air.ledger.sent_count == 0
        states = {one["name"]: one["state"] for one in statuses(bench)[-1]["transports"]}
        assert states == {"ble:hci0": "down", "serial:usb-lora": "down"}
        bench.air.bluez.plug_adapter("hci0")
        bench.air.modems["usb-lora"].plug()
        await bench.run(120)
        heard = bench.air.ledger.sent_count
        assert heard > 0
        bench.gateway.kill(power=False)
        await bench.run(600)
        assert bench.air.ledger.sent_count == heard

    on_bench(act, options(sensors=[*tags(), *nodes()], modems={"usb-lora": "reyax-rylr998"}))


def test_radios_that_go_and_come_are_heard_again_without_a_start() -> None:
    async def act(bench: InsideBench) -> None:
        judge = Judge(bench)
        bluez, modem = bench.air.bluez, bench.air.modems["usb-lora"]
        await bench.gateway.start()
        for breaking, mending in (
            (bluez.crash, bluez.start),
            (lambda: bluez.unplug_adapter("hci0"), lambda: bluez.plug_adapter("hci0")),
            (lambda: bluez.power("hci0", on=False), lambda: bluez.power("hci0", on=True)),
            (modem.unplug, modem.plug),
        ):
            for act in (breaking, mending):
                done = act()
                if done is not None:
                    await done
                await bench.run(120)
        await promises_hold(bench, judge)
        states = {one["state"] for one in statuses(bench)[-1]["transports"]}
        assert states == {"up"}
        log = bench.gateway.log
        assert "bluetoothd is not running: systemctl start bluetooth" in log
        assert "no adapter hci0: plug it in" in log
        assert "adapter hci0 is powered off" in log
        assert "/dev/serial/by-id/usb-lora was unplugged" in log

    on_bench(act, options(sensors=[*tags(), *nodes()], modems={"usb-lora": "reyax-rylr998"}))


def test_a_scan_that_ends_without_a_sign_is_found_out_and_begun_anew() -> None:
    async def act(bench: InsideBench) -> None:
        await bench.gateway.start()
        await bench.run(60)
        bench.air.bluez.wedge()
        heard = bench.air.ledger.sent_count
        await bench.run(80)
        assert bench.air.ledger.sent_count == heard
        await bench.run(120)
        assert bench.air.ledger.sent_count > heard
        assert "transport ble:hci0 is deaf: no advertisement for 90 s" in bench.gateway.log

    on_bench(act, options())


# -------------------------------------------------------------------------------------- the broker
def test_hours_without_a_broker_are_made_up_for_in_full() -> None:
    """A day of it is in test_inside_long.py."""
    on_bench(lambda bench: broker_away(bench, 3 * HOUR_S), options(sensors=tags(3, every_s=300)))


def test_a_line_like_that_of_a_cellar_delivers_all_the_same() -> None:
    async def act(bench: InsideBench) -> None:
        judge = Judge(bench)
        bench.way.line = Line(up_bytes_per_s=600, down_bytes_per_s=600, latency_s=1.5)
        await bench.gateway.start()
        await bench.run(1200)
        await promises_hold(bench, judge)
        assert len(bench.broker.connects) == 1

    on_bench(act, options())


def test_a_black_hole_is_found_out_and_gone_around() -> None:
    async def act(bench: InsideBench) -> None:
        judge = Judge(bench)
        await bench.gateway.start()
        await bench.run(100)
        bench.way.line = Line(swallows=True)
        await bench.run(120)
        bench.way.line = Line()
        await bench.run(120)
        await promises_hold(bench, judge)
        assert "uplink down cause='127.0.0.1:1883 does not answer'" in bench.gateway.log

    on_bench(act, options())


# ------------------------------------------------------------------------------ kills, power, time
def test_a_kill_loses_nothing_that_was_accepted_and_the_boot_goes_on() -> None:
    async def act(bench: InsideBench) -> None:
        judge = Judge(bench)
        await bench.gateway.start()
        await bench.run(100)
        await bench.broker.stop()
        for _ in range(4):
            await bench.run(33.3)
            bench.gateway.kill(power=False)
            assert bench.gateway.code == -9
            await bench.run(5)
            await bench.gateway.start()
        await bench.broker.start()
        await bench.run(300)
        await promises_hold(bench, judge)
        boots = {one["boot"] for one in statuses(bench) if one["state"] == "online"}
        assert len(boots) == 1
        assert bench.gateway.starts == 5

    on_bench(act, options(sensors=tags(2, every_s=3)))


def test_after_a_power_cut_it_is_another_boot_whose_clock_begins_anew() -> None:
    async def act(bench: InsideBench) -> None:
        judge = Judge(bench)
        await bench.gateway.start()
        await bench.run(600)
        bench.gateway.kill()
        await bench.run(60)
        await bench.gateway.start()
        assert bench.clock.boot_ns() < 100e9
        await bench.run(600)
        await promises_hold(bench, judge)
        said = [one for one in statuses(bench) if one["state"] == "online"]
        assert len({one["boot"] for one in said}) == 2
        first, second = (one["previous"] for one in events(bench, "agent.start"))
        assert first == []
        assert [one["class"] for one in second] == ["event", "routine"]

    on_bench(act, options(modems={"usb-lora": "reyax-rylr998"}))


def test_an_operation_that_a_cut_meets_is_done_or_not_by_the_seed() -> None:
    def kept(seed: int) -> int:
        found: list[int] = []

        async def act(bench: InsideBench) -> None:
            await bench.broker.stop()
            await bench.gateway.start()
            bench.disk.trouble("slow", seconds=5)
            await bench.run(4)  # the commit has begun, and takes longer
            bench.gateway.kill()
            bench.disk.heal()
            await bench.gateway.start()
            found.append(len(bench.disk.medium.rows))

        on_bench(act, options(seed=seed, sensors=tags(1, every_s=1.0)))
        return found[0]

    outcomes = [kept(seed) for seed in range(1, 7)]
    assert outcomes[:2] == [kept(1), kept(2)]
    assert set(outcomes) >= {0}
    assert max(outcomes) > 0


def error_ns(bench: InsideBench) -> int:
    """Return by how much the gateway's clock is wrong."""
    return bench.clock.wall_ns() - int(EPOCH_S) * 10**9 - round(bench.at_s * 1e6) * 1000


def test_a_clock_that_steps_moves_no_observation_and_is_told() -> None:
    async def act(bench: InsideBench) -> None:
        await bench.gateway.start()
        await bench.run(600)
        bench.clock.step(3 * HOUR_S)
        await bench.run(600)
        bench.clock.step(-3 * HOUR_S)
        await bench.run(600)
        steps = [round(one["byMs"] / 1000) for one in events(bench, "clock.step")]
        assert steps == [3 * HOUR_S, -3 * HOUR_S]
        assert error_ns(bench) == 0

    on_bench(act, options())


def test_a_clock_that_runs_fast_is_seen_to_and_put_right() -> None:
    async def act(bench: InsideBench) -> None:
        await bench.gateway.start()
        bench.clock.drift(100.0)
        await bench.run(1000)
        assert error_ns(bench) == 100_000_000
        bench.clock.heal()
        assert error_ns(bench) == 0
        assert events(bench, "clock.step") == []

    on_bench(act, options())


def test_before_the_time_is_known_observations_bear_none_and_get_it_later() -> None:
    async def act(bench: InsideBench) -> None:
        judge = Judge(bench)
        bench.clock.show(0)
        bench.clock.synced(is_synced=False)
        await bench.gateway.start()
        await bench.run(600)
        assert statuses(bench)[-1]["clock"]["state"] == "unsynced"
        bench.clock.heal()
        await bench.run(600)
        assert statuses(bench)[-1]["clock"]["state"] == "synced"
        await promises_hold(bench, judge)

    on_bench(act, options())


def test_a_stalled_agent_does_nothing_and_makes_up_for_it_afterwards() -> None:
    async def act(bench: InsideBench) -> None:
        judge = Judge(bench)
        await bench.gateway.start()
        await bench.run(120)
        bench.gateway.stall(is_stalled=True)
        said, logged = len(bench.messages), bench.gateway.log
        bench.air.bluez.power("hci0", on=False)
        bench.air.bluez.power("hci0", on=True)
        bench.way.cut()
        await bench.run(120)
        assert bench.gateway.log == logged
        assert len(bench.messages) == said + 1, "nothing but its will"
        bench.gateway.stall(is_stalled=False)
        await bench.run(300)
        await promises_hold(bench, judge)
        assert len(observations(bench)) == bench.air.ledger.sent_count

    on_bench(act, options())


# --------------------------------------------------------------------------------- several of them
def test_gateways_beside_each_other_share_a_broker_and_nothing_else() -> None:
    async def main() -> None:
        first = InsideBench(options(gateway="gw-1"))
        async with first, InsideBench(options(gateway="gw-2", seed=2), beside=first) as second:
            judges = Judge(first), Judge(second)
            await first.gateway.start()
            await second.gateway.start()
            second.way.line = Line(swallows=True)
            second.air.bluez.unplug_adapter("hci0")
            second.gateway.kill()
            await asyncio.gather(first.run(600), second.run(600))
            await second.gateway.start()
            second.way.line = Line()
            second.air.bluez.plug_adapter("hci0")
            await asyncio.gather(first.run(600), second.run(600))
            assert first.broker is second.broker
            for bench, judge in zip((first, second), judges, strict=True):
                await promises_hold(bench, judge)
            assert "no adapter" not in first.gateway.log
            assert first.gateway.log.count("started version") == 1
            assert second.gateway.log.count("started version") == 2

    run(main())


def test_sensors_added_to_an_entered_bench_are_listed_at_the_next_start() -> None:
    async def act(bench: InsideBench) -> None:
        judge = Judge(bench)
        for sensor in tags(3):
            bench.air.add_sensor(sensor)
        bench.air.agent_config(bench.config.parent)
        await bench.gateway.start()
        await bench.run(300)
        await promises_hold(bench, judge)
        assert len({one["device"] for one in observations(bench)}) == 3

    on_bench(act, options(sensors=()))


def test_a_vendors_codec_is_run_in_this_process(tmp_path: Path) -> None:
    codec = tmp_path / "codec.js"
    codec.write_text("function decodeUplink(i) { return {data: {size: i.bytes.length}}; }")
    digest = hashlib.sha256(codec.read_bytes()).hexdigest()
    settings = f"""
devices:
  - address: 'lora:9'
    payload: raw
    codec: {{file: {codec}, sha256: {digest}, map: {{size: {{property: count}}}}}}
"""

    async def act(bench: InsideBench) -> None:
        text, _, _ = bench.config.read_text().partition("devices:")
        bench.config.write_text(text + settings)
        await bench.gateway.start()
        bench.air.receive(LoraPacket(address=9, payload=b"abc", rssi_dbm=-70, snr_db=8))
        await bench.run(5)
        assert [one["results"][0]["result"] for one in observations(bench)] == [3]

    on_bench(act, options(sensors=(), modems={"usb-lora": "reyax-rylr998"}))
