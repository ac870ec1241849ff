"""LoRaWAN gateways on real sockets: what they say, who may say it, and when they are missed."""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.clock import Clock
from gateway.health import Health
from gateway.model import TransportState
from gateway.sim.lorawan_node import LorawanNode
from gateway.sim.packet_forwarder import PacketForwarder, rxpk
from gateway.transport.refused import RefusedError
from gateway.transport.semtech import ForwarderSettings, ForwarderTransport, datagrams
from gateway.transport.semtech.forwarder import BURST, FORGOTTEN_S, MOST_GATEWAYS, SILENT_S
from tests.brokers import free_port, strict_run
from tests.transport.places import HandClock, Listed, Place, stay, until

NODE = "lorawan:26011f22"
EUI = "a84041ffff1f2e3d"
JOIN = bytes.fromhex("0039363463336913AA05693574323831330489C65B1304")

Scene = Callable[["Roof", PacketForwarder], Awaitable[None]]


class Roof(Place):
    """A transport on a free port, one listed device address."""

    def __init__(self, clock: Clock, **allowed: Any) -> None:  # noqa: ANN401 - of ForwarderSettings
        self.port = free_port()
        self.node = LorawanNode("26011f22", bytes(16), bytes(16))
        health, intake = Health(clock), Listed(clock, NODE)
        settings = ForwarderSettings(name="semtech-udp", host="127.0.0.1", port=self.port)
        settings = msgspec.structs.replace(settings, **allowed)
        super().__init__(health, intake, ForwarderTransport(settings, intake, health))


@pytest.fixture
def clock() -> HandClock:
    """Return a clock that the test puts forward."""
    return HandClock()


def play(scene: Scene, clock: Clock, **allowed: Any) -> None:  # noqa: ANN401 - of ForwarderSettings
    """Run a scene with one gateway, the transport running."""

    async def run() -> None:
        roof = Roof(clock, **allowed)
        await stay(roof, _with_gateway(roof, scene))

    strict_run(run())


async def _with_gateway(roof: Roof, scene: Scene) -> None:
    async with PacketForwarder(roof.port, eui=EUI) as gateway:
        await _called(gateway)
        await scene(roof, gateway)


async def _called(gateway: PacketForwarder) -> None:
    """Call until somebody listens: nobody does before the transport has its socket."""
    while not gateway.answers:
        gateway.send(gateway.datagram(2, b""))
        await asyncio.sleep(0.005)


def test_an_uplink_is_acknowledged_and_handed_over_as_it_was_received(clock: HandClock) -> None:
    async def scene(roof: Roof, gateway: PacketForwarder) -> None:
        phy = roof.node.send(b"27")
        await gateway.push(rxpk(phy, datr="SF9BW125", rssi=-111, lsnr=-7.8, freq=867.1))
        (frame,) = roof.intake.frames
        assert (frame.medium, frame.source, frame.address) == ("lora", "semtech-udp", NODE)
        assert (frame.is_uplink, frame.payload, frame.content) == (True, phy, phy)
        assert (frame.rssi_dbm, frame.snr_db) == (-111, -7.75)
        assert (frame.spreading_factor, frame.frequency_hz) == (9, 867_100_000)

    play(scene, clock)


def test_downlinks_are_asked_for_in_vain_and_statistics_are_acknowledged(clock: HandClock) -> None:
    async def scene(roof: Roof, gateway: PacketForwarder) -> None:
        await gateway.pull()
        await gateway.tell({"time": "2026-11-22 02:40:00 GMT", "rxnb": 2, "ackr": 100.0})
        assert roof.counters["pushes"] == 1
        assert roof.counters["pulls"] >= 1
        assert not roof.intake.frames
        assert all(len(answer) == 4 for answer in gateway.answers)

    play(scene, clock)


def test_several_packets_of_one_datagram_each_count_for_themselves(clock: HandClock) -> None:
    async def scene(roof: Roof, gateway: PacketForwarder) -> None:
        good = roof.node.send(b"27")
        await gateway.push(
            rxpk(good, stat=-1),
            rxpk(good, stat=0),
            rxpk(good, stat=None),
            rxpk(good, modu="FSK", datr=50000),
            rxpk(JOIN),
            rxpk(good, size=3),
            rxpk(good, data="not base64!"),
            rxpk(good, data=7),
            rxpk(good, data=None),
            rxpk(b"\x40\x01", size=2),
            rxpk(LorawanNode("26011f23", bytes(16), bytes(16)).send(b"27")),
            rxpk(good),
        )
        assert len(roof.intake.frames) == 1
        assert roof.intake.unlisted == 1
        assert _trouble(roof) == {
            "crc_errors": 3,
            "other_modulation": 1,
            "no_uplinks": 2,
            "bad_packets": 4,
        }

    play(scene, clock)


def _trouble(roof: Roof) -> dict[str, int]:
    return {k: v for k, v in roof.counters.items() if k not in {"pulls", "pushes"}}


def test_base64_is_read_in_either_alphabet_padded_or_not() -> None:
    # Both forms stand in the examples of PROTOCOL.TXT.
    data = "-DS4CGaDCdG+48eJNM3Vai-zDpsR71Pn9CPA9uCON84"
    forms = (data, data + "=", data.replace("-", "+"), data.translate({43: "-", 47: "_"}))
    entries = [{"stat": 1, "size": 32, "data": form} for form in forms]
    told = msgspec.json.encode({"rxpk": entries})
    found = list(datagrams.packets(told))

    assert {packet.phy for packet in found if isinstance(packet, datagrams.Packet)} == {
        bytes.fromhex("f834b8086683 09d1bee3c78934cdd56a2fb30e9b11ef53e7f423c0f6e08e37ce")
    }
    assert len(found) == 4


def test_what_no_radio_can_have_measured_is_left_out() -> None:
    told = rxpk(b"\x40" * 12, rssi=-1e9, lsnr=1e9, freq=-1, datr="SF99BW125")
    (packet,) = datagrams.packets(msgspec.json.encode({"rxpk": [told]}))

    assert isinstance(packet, datagrams.Packet)
    assert packet == datagrams.Packet(b"\x40" * 12, None, None, None, None)


@pytest.mark.parametrize(
    ("datagram", "counter"),
    [
        (b"\x02", "bad_datagrams"),
        (b"\x02\0\1\0" + bytes(7), "bad_datagrams"),
        (b"\x03\0\1\0" + bytes(8), "bad_datagrams"),
        (b"\x02\0\1\5" + bytes(8), "bad_datagrams"),
        (b"\x02\0\1\0" + bytes(8) + b"{}" + b" " * 40_000, "oversized"),
    ],
)
def test_what_no_forwarder_sends_is_counted_and_not_answered(
    clock: HandClock, datagram: bytes, counter: str
) -> None:
    async def scene(roof: Roof, gateway: PacketForwarder) -> None:
        answers = len(gateway.answers)
        gateway.send(datagram)
        await roof.counts(counter)
        assert len(gateway.answers) == answers

    play(scene, clock)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'{"rxpk":7}',
        b'{"rxpk":{}}',
        b"\xff\xfe",
        b'{"rxpk":[{"data"',
        b'{"rxpk":' + b"[" * 30_000,
        b'{"rxpk":[' + b"{}," * 255 + b"{}]}",
        b'{"stat":' + b"[" * 15_000 + b"]" * 15_000 + b"}",
    ],
)
def test_json_that_is_none_or_beyond_all_measure_is_counted(clock: HandClock, body: bytes) -> None:
    async def scene(roof: Roof, gateway: PacketForwarder) -> None:
        gateway.send(gateway.datagram(0, body))
        await roof.counts("bad_json")
        await gateway.push(rxpk(roof.node.send(b"27")))
        assert len(roof.intake.frames) == 1

    play(scene, clock)


@given(st.binary(max_size=200))
def test_whatever_comes_is_a_datagram_or_refused(data: bytes) -> None:
    for datagram in (data, b"\x02\0\1\0" + bytes(8) + data, b"\x02\0\1\2" + data):
        with contextlib.suppress(RefusedError):
            list(datagrams.packets(datagrams.read(datagram).body))


# --------------------------------------------------------------------------------------- who may
def test_a_network_that_is_not_allowed_is_counted_and_not_answered(clock: HandClock) -> None:
    async def run() -> None:
        roof = Roof(clock, networks=("10.1.2.0/24",))

        async def scene() -> None:
            async with PacketForwarder(roof.port, eui=EUI) as gateway:
                while not roof.counters.get("not_allowed"):
                    gateway.send(gateway.datagram(0, _push(roof)))
                    await asyncio.sleep(0.005)
                assert not gateway.answers
                assert not roof.intake.frames
                clock.forward(SILENT_S + 1)
                await roof.is_(TransportState.DEAF, "127.0.0.1 called, and allow does not name it")

        await stay(roof, scene())

    strict_run(run())


def _push(roof: Roof, packets: int = 1) -> bytes:
    return msgspec.json.encode({"rxpk": [rxpk(roof.node.send(b"27"))] * packets})


def test_gateways_are_allowed_by_network_by_eui_and_by_both(clock: HandClock) -> None:
    async def scene(roof: Roof, gateway: PacketForwarder) -> None:
        await gateway.push(rxpk(roof.node.send(b"27")))
        assert len(roof.intake.frames) == 1
        async with PacketForwarder(roof.port, eui="a84041ffff000000") as stranger:
            stranger.send(stranger.datagram(0, _push(roof)))
            await roof.counts("not_allowed")
            assert not stranger.answers
        assert len(roof.intake.frames) == 1

    play(scene, clock, networks=("10.0.0.0/8", "127.0.0.0/8"), gateways=frozenset({EUI}))


def test_an_ipv4_gateway_on_a_socket_for_both_is_known_by_its_ipv4_address(
    clock: HandClock,
) -> None:
    async def scene(roof: Roof, gateway: PacketForwarder) -> None:
        await gateway.push(rxpk(roof.node.send(b"27")))
        assert len(roof.intake.frames) == 1

    play(scene, clock, host="::", networks=("127.0.0.0/8",))


def test_more_gateways_than_can_be_kept_apart_are_refused_until_one_is_silent(
    clock: HandClock,
) -> None:
    async def scene(roof: Roof, gateway: PacketForwarder) -> None:
        for number in range(MOST_GATEWAYS):
            gateway.send(bytes((2, 0, 1, 2)) + number.to_bytes(8, "big"))
        await roof.counts("too_many_gateways")
        await gateway.push(rxpk(roof.node.send(b"27")))
        clock.forward(SILENT_S + 1)
        async with PacketForwarder(roof.port, eui="a84041ffff000002") as late:
            await _called(late)

    play(scene, clock)


def test_a_flood_is_cut_off_unread_and_ends_when_it_ends(clock: HandClock) -> None:
    async def scene(roof: Roof, gateway: PacketForwarder) -> None:
        datagram = gateway.datagram(2, b"")

        def flooded() -> bool:
            for _ in range(50):
                gateway.send(datagram)
            return "flooded" in roof.counters

        await until(flooded)
        assert roof.counters["pulls"] <= BURST
        clock.forward(60)
        await gateway.push(rxpk(roof.node.send(b"27")))
        assert len(roof.intake.frames) == 1

    play(scene, clock)


def test_a_flood_in_few_datagrams_is_cut_off_as_well(clock: HandClock) -> None:
    async def scene(roof: Roof, gateway: PacketForwarder) -> None:
        together = gateway.datagram(0, _push(roof, 100))
        for _ in range(BURST // 100 + 1):
            gateway.send(together)
        await roof.counts("flooded")
        assert len(roof.intake.frames) <= BURST

    play(scene, clock)


def test_a_flood_of_strangers_takes_nothing_from_those_who_may_send(clock: HandClock) -> None:
    async def scene(roof: Roof, gateway: PacketForwarder) -> None:
        async with PacketForwarder(roof.port, eui="a84041ffff000000") as stranger:
            datagram = stranger.datagram(2, b"")

            def flooded() -> bool:
                for _ in range(50):
                    stranger.send(datagram)
                return roof.counters.get("not_allowed", 0) > BURST

            await until(flooded)
        await gateway.push(rxpk(roof.node.send(b"27")))
        assert len(roof.intake.frames) == 1

    play(scene, clock, gateways=frozenset({EUI}))


# --------------------------------------------------------------------------------------- how it is
def test_it_is_up_while_gateways_call_and_deaf_when_none_has_for_long(clock: HandClock) -> None:
    async def scene(roof: Roof, gateway: PacketForwarder) -> None:
        await roof.is_(TransportState.UP)
        clock.forward(SILENT_S + 1)
        await roof.is_(TransportState.DEAF, f"serv_port_down {roof.port}")
        await gateway.pull()
        await roof.is_(TransportState.UP)

    play(scene, clock)


def test_one_gateway_of_two_that_is_missed_is_named(clock: HandClock) -> None:
    async def scene(roof: Roof, gateway: PacketForwarder) -> None:
        async with PacketForwarder(roof.port, eui="a84041ffff000002") as other:
            await other.pull()
            clock.forward(SILENT_S + 1)
            await gateway.pull()
            await roof.is_(TransportState.UP, "not heard for 120 s: a84041ffff000002")
            await other.pull()
            await until(lambda: not roof.record.cause)

    play(scene, clock)


def test_a_gateway_that_was_taken_down_is_missed_for_a_day(clock: HandClock) -> None:
    async def scene(roof: Roof, gateway: PacketForwarder) -> None:
        async with PacketForwarder(roof.port, eui="a84041ffff000002") as other:
            await other.pull()
        clock.forward(FORGOTTEN_S - 1)
        await gateway.pull()
        await roof.is_(TransportState.UP, "not heard for 120 s: a84041ffff000002")
        clock.forward(2)
        await gateway.pull()
        await until(lambda: not roof.record.cause)

    play(scene, clock)


def test_a_port_that_is_taken_is_told_and_tried_again(clock: HandClock) -> None:
    async def run() -> None:
        roof = Roof(clock)
        loop = asyncio.get_running_loop()
        holder, _ = await loop.create_datagram_endpoint(
            asyncio.DatagramProtocol, local_addr=("127.0.0.1", roof.port)
        )

        async def scene() -> None:
            await roof.is_(TransportState.DOWN, f"cannot listen on 127.0.0.1:{roof.port}")
            holder.abort()
            async with PacketForwarder(roof.port) as gateway:
                await _called(gateway)
                await roof.is_(TransportState.UP)

        await stay(roof, scene())

    strict_run(run())


def test_an_address_that_is_none_is_told(clock: HandClock) -> None:
    async def run() -> None:
        for host in ("gw.invalid", f"{'a' * 64}.invalid"):
            roof = Roof(clock, host=host)
            await stay(roof, roof.is_(TransportState.DOWN, f"cannot listen on {host}"))

    strict_run(run())


def test_of_many_strangers_one_is_named_so_that_they_fill_no_log(clock: HandClock) -> None:
    async def run() -> None:
        roof = Roof(clock, gateways=frozenset({EUI}))

        async def scene() -> None:
            async with PacketForwarder(roof.port) as forwarder:
                for number in range(10):
                    while roof.counters.get("not_allowed", 0) <= number:
                        forwarder.send(bytes((2, 0, 1, 2)) + number.to_bytes(8, "big"))
                        await asyncio.sleep(0.005)
                clock.forward(SILENT_S + 1)
                await roof.is_(TransportState.DEAF, "gateway 0000000000000000 at 127.0.0.1 called")

        await stay(roof, scene())

    strict_run(run())


def test_once_it_has_ended_the_port_is_free_at_once(clock: HandClock) -> None:
    async def run() -> None:
        roof = Roof(clock)

        async def scene() -> None:
            async with PacketForwarder(roof.port) as gateway:
                await _called(gateway)

        await stay(roof, scene())
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as next_one:
            next_one.bind(("127.0.0.1", roof.port))

    strict_run(run())
