"""LoRaWAN nodes as the agent hears them: by gateways over UDP, and through network servers."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import aiomqtt
import msgspec
import pytest

from gateway.sim.lorawan_node import LorawanNode
from gateway.sim.packet_forwarder import PacketForwarder, rxpk
from gateway.sim.sensors import LoraPacket
from tests.brokers import Mosquitto, free_port
from tests.scenarios.air import MODEM
from tests.scenarios.stage import OPEN_INTAKE, Setting, Stage
from tests.schema.published import Json

Play = Callable[..., None]

SITE: Final = Setting(plain=0, encrypted=0, ruuvi=0, lora=0, intake=OPEN_INTAKE)
DEV_ADDR: Final = "26011f22"
NETWORK, APPLICATION = bytes(range(16)), bytes(range(16, 32))
NODE: Final = "urn:dev:mac:70b3d57ed0001234"
SERVED: Final = "urn:dev:mac:70b3d57ed0005678"
STRANGER: Final = "70b3d57ed0009999"
TOPIC: Final = "application/1/device/70b3d57ed0005678/event/up"


def warm(tenths: int) -> bytes:
    """Return a temperature as Cayenne LPP has it."""
    return b"\1\x67" + tenths.to_bytes(2, "big", signed=True)


def abp(directory: Path) -> str:
    """Return the entry of a node whose keys are known here."""
    entry = '{address: "eui:70b3d57ed0001234", driver: cayenne-lpp, lorawan: {dev_addr: "26011f22"'
    for name, key in (("nwk_s_key", NETWORK), ("app_s_key", APPLICATION)):
        path = directory / name
        path.touch(mode=0o600)
        path.write_text(key.hex())
        entry += f", {name}: 'file:{path}'"
    return entry + "}}"


def configure(stage: Stage, transport: str, device: str) -> None:
    """Have the agent hear by one more transport, and list one more device."""
    text = stage.config.read_text().replace("devices: []", "devices:")
    for section, entry in (("transports:\n", transport), ("devices:\n", device)):
        assert text.count(section) == 1
        text = text.replace(section, f"{section}  - {entry}\n")
    stage.config.write_text(text)


def observed(stage: Stage) -> list[Json]:
    """Return what has arrived so far."""
    return [one for arrival in stage.read().arrivals for one in arrival.observations]


async def counted(stage: Stage, **wanted: int) -> None:
    """Return when the newest status tells these counters; those of refusals by their reason."""
    names = {name: name.replace("refused_", "refused.") for name in wanted}

    def told() -> bool:
        counters = stage.read().last["counters"]
        return all(counters.get(names[name], 0) == n for name, n in wanted.items())

    await stage.until(told)


def test_every_packet_of_gateways_over_udp_ends_in_its_counter(play: Play, tmp_path: Path) -> None:
    port = free_port()
    node = LorawanNode(DEV_ADDR, NETWORK, APPLICATION, counter=65_530)

    async def scenario(stage: Stage) -> None:
        transport = f"{{kind: semtech-udp, listen: 127.0.0.1:{port}}}"
        configure(stage, transport, abp(tmp_path))
        await stage.start_agent()
        async with (
            PacketForwarder(port) as gateway,
            PacketForwarder(port, eui="a84041ffff000002") as other,
        ):
            await gateway.pull()
            await stage.logged(f"transport semtech-udp:127.0.0.1:{port} is up")
            recorded = node.send(warm(200))
            await gateway.push(rxpk(recorded, datr="SF9BW125", freq=867.1, rssi=-90))
            await other.push(rxpk(recorded, rssi=-99))
            for tenths in range(201, 211):  # over the 16 bits that are on the air
                await gateway.push(rxpk(node.send(warm(tenths))))
            await gateway.push(rxpk(recorded))
            forged = LorawanNode(DEV_ADDR, APPLICATION, NETWORK, counter=70_000)
            await gateway.push(rxpk(forged.send(warm(999))))
            await gateway.push(rxpk(LorawanNode("26011f23", NETWORK, APPLICATION).send(b"")))
            await gateway.push(rxpk(node.send(b"\x02", 0)), rxpk(b"\0" * 23), rxpk(node.beat()))
            await stage.until(lambda: len(observed(stage)) == 11)
        await stage.end_agent()
        await counted(
            stage,
            heard=17,
            unlisted=1,
            duplicate=1,
            refused_replayed=1,
            refused_bad_mic=1,
            empty=2,
            decoded=11,
        )
        _judge_observations(observed(stage))

    play(scenario, SITE)


def _judge_observations(all_: list[Json]) -> None:
    assert {one["device"] for one in all_} == {NODE}
    assert [one["results"][0]["result"] * 10 for one in all_] == list(range(200, 211))
    assert [one["link"]["frameCounter"] for one in all_] == list(range(65_530, 65_541))
    assert all_[0]["link"] == {
        "medium": "lora",
        "rssi": -90,
        "snr": 5.25,
        "frameCounter": 65_530,
        "spreadingFactor": 9,
        "frequencyHz": 867_100_000,
    }
    assert [one["link"].get("copies", 1) for one in all_] == [1, 2] + 9 * [1]


def test_a_recording_is_refused_after_a_restart_too(play: Play, tmp_path: Path) -> None:
    port = free_port()
    node = LorawanNode(DEV_ADDR, NETWORK, APPLICATION, counter=500)

    async def scenario(stage: Stage) -> None:
        configure(stage, f"{{kind: semtech-udp, listen: 127.0.0.1:{port}}}", abp(tmp_path))
        recorded = [node.send(warm(tenths)) for tenths in (200, 201)]
        await stage.start_agent()
        async with PacketForwarder(port) as gateway:
            await _sent(gateway, *recorded)
            await stage.until(lambda: len(observed(stage)) == 2)
            await stage.end_agent()
            await stage.start_agent()
            await _sent(gateway, *recorded, node.send(warm(202)))
            await stage.until(lambda: len(observed(stage)) == 3)
            await stage.end_agent()
        await counted(stage, heard=3, refused_replayed=1, duplicate=1, decoded=1)
        assert "flags" not in observed(stage)[2]["results"][0]

    play(scenario, SITE)


async def _sent(gateway: PacketForwarder, *uplinks: bytes) -> None:
    """Send each on its own; the agent may still be about to listen."""
    gateway.answers.clear()
    while not gateway.answers:
        gateway.send(gateway.datagram(2, b""))
        await asyncio.sleep(0.01)
    for uplink in uplinks:
        await gateway.push(rxpk(uplink))


def test_what_a_node_said_while_the_broker_was_away_arrives_with_its_link(
    play: Play, tmp_path: Path
) -> None:
    port = free_port()
    node = LorawanNode(DEV_ADDR, NETWORK, APPLICATION)

    async def scenario(stage: Stage) -> None:
        configure(stage, f"{{kind: semtech-udp, listen: 127.0.0.1:{port}}}", abp(tmp_path))
        await stage.start_agent()
        async with PacketForwarder(port) as gateway:
            await _sent(gateway)
            stage.broker.stop()
            await _sent(gateway, *(node.send(warm(tenths)) for tenths in range(20)))
            stage.broker.start()
            await stage.until(lambda: len({o["seq"] for o in observed(stage)}) == 20)
        counters = sorted({one["link"]["frameCounter"] for one in observed(stage)})
        assert counters == list(range(20))
        await stage.end_agent()

    play(scenario, SITE)


# -------------------------------------------------------------------------------------- P2P modems
@pytest.mark.parametrize("kind", ["lora-e5", "rak-rui3", "rn2483"])
def test_a_modem_on_the_node_s_one_channel_hears_its_uplinks(
    play: Play, tmp_path: Path, kind: str
) -> None:
    node = LorawanNode(DEV_ADDR, NETWORK, APPLICATION, counter=500)
    stranger = LorawanNode("26011f23", NETWORK, APPLICATION)
    radio = "band: 868.1MHz, spreading_factor: 9, bandwidth: 125kHz, sync_word: 0x34"

    async def scenario(stage: Stage) -> None:
        text = stage.config.read_text().replace("devices: []", "devices:")
        assert text.count("sender: word") == 1
        stage.config.write_text(
            text.replace("sender: word", "sender: lorawan").replace(
                "devices:\n", f"devices:\n  - {abp(tmp_path)}\n"
            )
        )
        await stage.start_agent()
        first, second = node.send(warm(200)), node.send(warm(-5))
        forged = LorawanNode(DEV_ADDR, APPLICATION, NETWORK, counter=600).send(warm(999))
        for phy in (first, second, first, forged, stranger.send(warm(0)), b"\0" * 23):
            await _on_the_air(stage, phy)
        await stage.until(lambda: len(observed(stage)) == 2)
        await stage.end_agent()
        await counted(stage, heard=5, unlisted=1, refused_replayed=1, refused_bad_mic=1, decoded=2)
        assert [one["results"][0]["result"] * 10 for one in observed(stage)] == [200, -5]
        assert [one["link"]["frameCounter"] for one in observed(stage)] == [500, 501]
        assert {one["device"] for one in observed(stage)} == {NODE}

    play(scenario, SITE._replace(modem=kind, modem_settings=radio))


async def _on_the_air(stage: Stage, phy: bytes) -> None:
    """Send until the modem hears it: some hear nothing until they were told to go on."""
    # The simulator writes a node's number before the payload: here it is part of it.
    number, rest = int.from_bytes(phy[:2], "big"), phy[2:]
    packet = LoraPacket(address=number, payload=rest, rssi_dbm=-80, snr_db=5)
    await stage.until(lambda: stage.world.modems[MODEM].receive(packet))


# --------------------------------------------------------------------------------- network servers
def chirpstack(eui: str, counter: int, payload: str = "AWcBEA==") -> Mapping[str, Any]:
    """Return an event as ChirpStack v4 publishes it."""
    return {
        "deduplicationId": "3ac7e3c4-4401-4b8d-9386-a5c902f9202d",
        "time": "2001-01-01T00:00:00+00:00",
        "deviceInfo": {"deviceName": "bin", "devEui": eui},
        "devAddr": "00189440",
        "fCnt": counter,
        "fPort": 1,
        "data": payload,
        "rxInfo": [{"gatewayId": "0016c001f153a14c", "rssi": -36, "snr": 10.5}],
        "txInfo": {
            "frequency": 867100000,
            "modulation": {"lora": {"bandwidth": 125000, "spreadingFactor": 11}},
        },
    }


def things(eui: str, counter: int, payload: str = "AWcBEA==") -> Mapping[str, Any]:
    """Return a message as The Things Stack publishes it."""
    return {
        "end_device_ids": {"device_id": "bin", "dev_eui": eui.upper(), "dev_addr": "00BCB929"},
        "received_at": "2001-01-01T00:00:00Z",
        "uplink_message": {
            "f_cnt": counter,
            "f_port": 1,
            "frm_payload": payload,
            "rx_metadata": [{"gateway_ids": {"gateway_id": "g"}, "rssi": -36, "snr": 10.5}],
            "settings": {
                "data_rate": {"lora": {"bandwidth": 125000, "spreading_factor": 11}},
                "frequency": "867100000",
            },
        },
    }


@pytest.mark.parametrize(
    ("kind", "event", "topic"),
    [
        ("chirpstack", chirpstack, TOPIC),
        ("the-things-stack", things, "v3/app@tenant/devices/bin/up"),
    ],
)
def test_what_a_network_server_publishes_arrives_and_strangers_do_not(
    play: Play, tmp_path: Path, kind: str, event: Callable[..., Any], topic: str
) -> None:
    server = Mosquitto(tmp_path / "server")
    eui = SERVED.rpartition(":")[2]

    async def scenario(stage: Stage) -> None:
        transport = f"{{kind: {kind}, host: 127.0.0.1, port: {server.port}}}"
        configure(stage, transport, f'{{address: "eui:{eui}", driver: cayenne-lpp}}')
        await stage.start_agent()
        await stage.logged(f"transport {kind}:127.0.0.1 is up")
        async with aiomqtt.Client("127.0.0.1", server.port) as publisher:
            for said in (
                event(eui, 7),
                event(eui, 7),
                event(STRANGER, 8),
                {"no": "event"},
                event(eui, 8, "AWcBEQ=="),
                event(eui, 9, "AWc="),
                event(eui, 0, "AWcBEg=="),  # it has joined anew
            ):
                await publisher.publish(topic, msgspec.json.encode(said), qos=1)
        await stage.until(lambda: len(observed(stage)) == 3)
        server.kill()
        await stage.logged(f"transport {kind}:127.0.0.1 is down: 127.0.0.1:{server.port} refuses")
        await stage.end_agent()
        await counted(
            stage, heard=6, unlisted=1, duplicate=1, refused_truncated=1, decoded=3, empty=0
        )
        assert [one["results"][0]["result"] * 10 for one in observed(stage)] == [272, 273, 274]
        assert observed(stage)[2]["link"] == {
            "medium": "lora",
            "rssi": -36,
            "snr": 10.5,
            "frameCounter": 0,
            "spreadingFactor": 11,
            "frequencyHz": 867_100_000,
        }
        assert {one["device"] for one in observed(stage)} == {SERVED}
        spoken = b"".join(message.payload for message in stage.platform.messages).decode()
        assert STRANGER not in spoken + stage.agent.log

    server.start()
    try:
        play(scenario, SITE)
    finally:
        server.kill()
