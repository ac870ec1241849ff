"""Network servers behind a real mosquitto: their events read, their connection kept up."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiomqtt
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.clock import SystemClock
from gateway.dial import TlsSettings
from gateway.health import Health
from gateway.model import TransportState
from gateway.mqtt import MqttSettings
from gateway.transport.network_server import (
    READERS,
    NetworkServerSettings,
    NetworkServerTransport,
)
from gateway.transport.network_server.events import Event, chirpstack, the_things_stack
from gateway.transport.refused import RefusedError
from tests.authorities import Authority
from tests.brokers import Mosquitto, ServerTls, free_port, strict_run
from tests.transport.places import Listed, Place, stay, until

NODE = "eui:0101010101010101"

# As the documentation of ChirpStack v4 has it (Integrations, Event types, up), by two gateways.
CHIRPSTACK: dict[str, Any] = {
    "deduplicationId": "3ac7e3c4-4401-4b8d-9386-a5c902f9202d",
    "time": "2022-07-18T09:34:15.775023242+00:00",
    "deviceInfo": {
        "tenantId": "52f14cd4-c6f1-4fbd-8f87-4025e1d49242",
        "tenantName": "ChirpStack",
        "applicationId": "17c82e96-be03-4f38-aef3-f83d48582d97",
        "applicationName": "Test application",
        "deviceProfileId": "14855bf7-d10d-4aee-b618-ebfcb64dc7ad",
        "deviceProfileName": "Test device-profile",
        "deviceName": "Test device",
        "devEui": "0101010101010101",
        "tags": {"key": "value"},
    },
    "devAddr": "00189440",
    "dr": 1,
    "fCnt": 24,
    "fPort": 1,
    "data": "AWcBEA==",
    "object": {"temperatureSensor": {"1": 27.2}},
    "rxInfo": [
        {
            "gatewayId": "0016c001f153a14c",
            "uplinkId": 4217106255,
            "rssi": -106,
            "snr": -3.2,
            "context": "E3OWOQ==",
            "metadata": {"region_name": "eu868"},
        },
        {"gatewayId": "0016c001f153a14d", "uplinkId": 1, "rssi": -110, "snr": 7.8},
    ],
    "txInfo": {
        "frequency": 867100000,
        "modulation": {"lora": {"bandwidth": 125000, "spreadingFactor": 11, "codeRate": "CR_4_5"}},
    },
}

# As the documentation of The Things Stack has it (Data formats, Uplink messages).
THINGS: dict[str, Any] = {
    "end_device_ids": {
        "device_id": "dev1",
        "application_ids": {"application_id": "app1"},
        "dev_eui": "0004A30B001C0530",
        "join_eui": "800000000000000C",
        "dev_addr": "00BCB929",
    },
    "correlation_ids": ["as:up:01"],
    "received_at": "2020-02-12T15:15:45.787Z",
    "uplink_message": {
        "session_key_id": "AXA50",
        "f_cnt": 1,
        "f_port": 1,
        "frm_payload": "gkHe",
        "decoded_payload": {"temperature": 1.0},
        "rx_metadata": [
            {
                "gateway_ids": {"gateway_id": "gtw1", "eui": "9C5C8E00001A05C4"},
                "time": "2020-02-12T15:15:45.787Z",
                "timestamp": 2463457000,
                "rssi": -35,
                "channel_rssi": -35,
                "snr": 5,
                "uplink_token": "ChIKEA==",
            }
        ],
        "settings": {
            "data_rate": {"lora": {"bandwidth": 125000, "spreading_factor": 7}},
            "coding_rate": "4/6",
            "frequency": "868300000",
            "timestamp": 2463457000,
        },
        "received_at": "2020-02-12T15:15:45.787Z",
        "consumed_airtime": "0.056576s",
    },
}
WORD = "some-password"
UP = "application/17c82e96/device/0101010101010101/event/up"


def written(event: dict[str, Any], **changed: Any) -> bytes:  # noqa: ANN401 - whatever JSON has
    return msgspec.json.encode({**event, **changed})


# ----------------------------------------------------------------------------------------- events
def test_an_event_of_chirpstack_is_read_with_its_best_reception() -> None:
    assert chirpstack(written(CHIRPSTACK)) == Event(
        address=NODE,
        counter=24,
        port=1,
        payload=bytes.fromhex("01670110"),
        rssi_dbm=-110,
        snr_db=7.75,
        spreading_factor=11,
        frequency_hz=867_100_000,
    )


def test_an_event_of_the_things_stack_is_read() -> None:
    assert the_things_stack(written(THINGS)) == Event(
        address="eui:0004a30b001c0530",
        counter=1,
        port=1,
        payload=bytes.fromhex("8241de"),
        rssi_dbm=-35,
        snr_db=5.0,
        spreading_factor=7,
        frequency_hz=868_300_000,
    )


def test_what_is_0_or_empty_is_left_out_by_both() -> None:
    least = Event(address=NODE, counter=0, port=0, payload=b"")
    info = {"deviceInfo": {"devEui": "0101010101010101"}}
    ids = {"dev_eui": "0101010101010101"}

    assert chirpstack(msgspec.json.encode(info)) == least
    assert the_things_stack(written({}, end_device_ids=ids, uplink_message={})) == least


def test_nobody_s_payload_is_taken_that_is_still_encrypted_or_was_never_measured() -> None:
    session = {"sessionKeyId": "aa", "appSKey": None}
    sealed = {**THINGS["uplink_message"], "app_s_key": {"key": "aa", "kek_label": "bb"}}
    for reader, event, counter in (
        (chirpstack, written(CHIRPSTACK, joinServerContext=session), "encrypted_events"),
        (the_things_stack, written(THINGS, uplink_message=sealed), "encrypted_events"),
        (the_things_stack, written(THINGS, simulated=True), "simulated_events"),
    ):
        with pytest.raises(RefusedError, match=counter):
            reader(event)


@pytest.mark.parametrize(
    "changed",
    [
        {"deviceInfo": {}},
        {"deviceInfo": {"devEui": "01010101"}},
        {"deviceInfo": {"devEui": "010101010101010g"}},
        {"fCnt": -1},
        {"fCnt": 1 << 32},
        {"fPort": 256},
        {"data": "not base64"},
        {"data": "A" * 400},
        {"rxInfo": 7},
    ],
)
def test_what_is_no_event_of_chirpstack_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(RefusedError, match="bad_events"):
        chirpstack(written(CHIRPSTACK, **changed))


@pytest.mark.parametrize("reader", [chirpstack, the_things_stack])
def test_an_event_that_is_nested_beyond_all_measure_is_refused(
    reader: Callable[[bytes], Event],
) -> None:
    with pytest.raises(RefusedError, match="bad_events"):
        reader(b'{"object":' + b"[" * 30_000 + b"]" * 30_000 + b"}")


json = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(
    st.sampled_from([(chirpstack, CHIRPSTACK), (the_things_stack, THINGS)]),
    st.binary() | json.map(msgspec.json.encode),
    st.data(),
)
def test_whatever_comes_is_an_event_or_refused(
    server: tuple[Callable[[bytes], Event], dict[str, Any]], raw: bytes, data: st.DataObject
) -> None:
    reader, event = server
    key = data.draw(st.sampled_from(sorted(event)))
    for payload in (raw, written(event, **{key: data.draw(json)})):
        with contextlib.suppress(RefusedError):
            assert reader(payload).address.startswith("eui:")


# ---------------------------------------------------------------------------------------- brokers
class Server(Place):
    """A transport at a broker, one listed node."""

    def __init__(
        self,
        port: int,
        *,
        kind: str = "chirpstack",
        tls: TlsSettings | None = None,
        password: str | None = None,
    ) -> None:
        clock = SystemClock()
        health, intake = Health(clock), Listed(clock, NODE)
        broker = MqttSettings(
            host="localhost" if tls else "127.0.0.1",
            port=port,
            client_id="kiel-gw-1-ns",
            version="5" if kind == "chirpstack" else "3.1.1",
            tls=tls,
            connect_timeout_s=5.0,
            username=None if password is None else "city",
            password=password,
        )
        topics = ("application/+/device/+/event/up", "v3/+/devices/+/up")
        settings = NetworkServerSettings(
            name="ns",
            kind=kind,
            broker=broker,
            topics=topics,
            qos=1 if kind == "chirpstack" else 0,
            read=READERS[kind],
        )
        transport = NetworkServerTransport(settings, intake, health, chance=lambda: 0.01)
        super().__init__(health, intake, transport)
        self.port = port

    async def publishes(self, *payloads: bytes, topic: str = UP, retain: bool = False) -> None:
        """Be the network server."""
        async with aiomqtt.Client("127.0.0.1", self.port) as client:
            for payload in payloads:
                await client.publish(topic, payload, qos=1, retain=retain)


Start = Callable[..., Mosquitto]


def play(server: Server, scene: Callable[[], Awaitable[None]]) -> None:
    strict_run(stay(server, scene()))


def test_uplinks_published_by_chirpstack_are_handed_over_in_clear(mosquitto: Start) -> None:
    server = Server(mosquitto().port)

    async def scene() -> None:
        await server.is_(TransportState.UP)
        await server.publishes(written(CHIRPSTACK), b"{", written(CHIRPSTACK, fCnt=25))
        await server.publishes(b"{}", topic="application/1/device/2/event/stats")
        await until(lambda: len(server.intake.frames) == 2)
        first, second = server.intake.frames
        assert (first.address, first.payload, first.port) == (NODE, b"\x01\x67\x01\x10", 1)
        assert (first.counter, second.counter, first.is_uplink) == (24, 25, False)
        assert (first.rssi_dbm, first.snr_db, first.source) == (-110, 7.75, "ns")
        assert (first.spreading_factor, first.frequency_hz) == (11, 867_100_000)
        assert server.counters == {"subscribed": 1, "bad_events": 1}

    play(server, scene)


def test_uplinks_published_by_the_things_stack_are_handed_over(mosquitto: Start) -> None:
    server = Server(mosquitto().port, kind="the-things-stack")

    async def scene() -> None:
        await server.is_(TransportState.UP)
        ids = {**THINGS["end_device_ids"], "dev_eui": "0101010101010101"}
        up = "v3/app1@tenant1/devices/dev1/up"
        await server.publishes(written(THINGS), topic=up)
        await server.publishes(written(THINGS, end_device_ids=ids), topic=up)
        await until(lambda: server.intake.frames)
        assert server.intake.unlisted == 1
        assert server.intake.frames[0].payload == b"\x82\x41\xde"

    play(server, scene)


@pytest.mark.parametrize("kind", ["chirpstack", "the-things-stack"])
def test_what_the_broker_has_kept_is_not_heard_for_nobody_knows_how_old_it_is(
    mosquitto: Start, kind: str
) -> None:
    server = Server(mosquitto().port, kind=kind)
    event = written(CHIRPSTACK if kind == "chirpstack" else THINGS)

    async def run() -> None:
        await server.publishes(event, retain=True)
        await stay(server, scene())

    async def scene() -> None:
        await server.is_(TransportState.UP)
        await server.publishes(b"-")
        await server.counts("bad_events")
        assert not server.intake.frames
        assert not server.intake.unlisted

    strict_run(run())


def test_after_the_broker_was_away_uplinks_are_heard_again(mosquitto: Start) -> None:
    broker = mosquitto()
    server = Server(broker.port)

    async def scene() -> None:
        await server.is_(TransportState.UP)
        broker.kill()
        await server.is_(TransportState.DOWN, "the connection was lost")
        await server.is_(TransportState.DOWN, f"127.0.0.1:{broker.port} refuses connections")
        broker.start()
        await server.is_(TransportState.UP)
        await server.publishes(written(CHIRPSTACK))
        await until(lambda: server.intake.frames)

    play(server, scene)


def test_an_event_larger_than_any_is_not_sent_to_us_and_the_connection_stays(
    mosquitto: Start,
) -> None:
    server = Server(mosquitto().port)

    async def scene() -> None:
        await server.is_(TransportState.UP)
        await server.publishes(b"x" * 100_000, written(CHIRPSTACK))
        await until(lambda: server.intake.frames)
        assert server.counters == {"subscribed": 1}

    play(server, scene)


def test_many_events_at_once_are_all_heard(mosquitto: Start) -> None:
    server = Server(mosquitto().port)

    async def scene() -> None:
        await server.is_(TransportState.UP)
        await server.publishes(*(written(CHIRPSTACK, fCnt=number) for number in range(200)))
        await until(lambda: len(server.intake.frames) == 200)
        assert [frame.counter for frame in server.intake.frames] == list(range(200))

    play(server, scene)


def test_a_wrong_password_is_told_by_the_transport_s_own_keys(mosquitto: Start) -> None:
    server = Server(mosquitto(password=("city", WORD[::-1])).port, password=WORD)

    async def scene() -> None:
        await server.is_(TransportState.DOWN, "; check username and password")
        assert WORD not in server.record.cause

    play(server, scene)


def test_a_topic_that_may_not_be_read_is_told() -> None:
    """Mosquitto grants what an access list denies, so a broker that says no is played."""
    port = free_port()

    async def run() -> None:
        async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connect = await reader.readexactly(2)
            await reader.readexactly(connect[1])
            writer.write(bytes.fromhex("2003000000"))  # CONNACK, accepted
            head = await reader.readexactly(2)
            packet_id = (await reader.readexactly(head[1]))[:2]
            writer.write(b"\x90\x05" + packet_id + b"\x00\x01\x87")  # SUBACK
            with contextlib.suppress(ConnectionError):
                await reader.read()
            writer.close()

        broker = await asyncio.start_server(refuse, "127.0.0.1", port)
        server = Server(port)
        async with broker:
            await stay(server, refused(server))

    async def refused(server: Server) -> None:
        cause = "refuses the subscription of v3/+/devices/+/up: Not authorized"
        await server.is_(TransportState.DOWN, cause)

    strict_run(run())


def test_a_message_whose_topic_is_no_text_is_one_like_any_other() -> None:
    """Mosquitto lets none through, so a broker that does is played."""
    port = free_port()

    async def run() -> None:
        async def mumble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connect = await reader.readexactly(2)
            await reader.readexactly(connect[1])
            writer.write(bytes.fromhex("2003000000"))  # CONNACK, accepted
            head = await reader.readexactly(2)
            packet_id = (await reader.readexactly(head[1]))[:2]
            writer.write(b"\x90\x05" + packet_id + b"\x00\x01\x01")  # SUBACK, QoS 1 twice
            writer.write(bytes.fromhex("3006 0002 fffe 00 2d"))  # PUBLISH, "-"
            with contextlib.suppress(ConnectionError):
                await reader.read()
            writer.close()

        broker = await asyncio.start_server(mumble, "127.0.0.1", port)
        server = Server(port)
        async with broker:
            await stay(server, counted(server))

    async def counted(server: Server) -> None:
        await server.counts("bad_events")
        assert server.record.state is TransportState.UP

    strict_run(run())


def test_a_broker_with_tls_is_believed_by_its_authority_alone(
    mosquitto: Start, tmp_path: Path
) -> None:
    authority, other = Authority(tmp_path / "ca"), Authority(tmp_path / "other")
    cert, key = authority.issue("localhost")
    port = mosquitto(tls=ServerTls(cert, key)).port
    trusting = Server(port, tls=TlsSettings(ca=str(authority.pem)))
    wary = Server(port, tls=TlsSettings(ca=str(other.pem)))

    async def up() -> None:
        await trusting.is_(TransportState.UP)

    async def down() -> None:
        await wary.is_(TransportState.DOWN, "; tls.ca must name that authority")

    play(trusting, up)
    play(wary, down)
