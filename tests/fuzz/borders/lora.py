"""What comes by LoRa, and what those say who heard it: payloads, LoRaWAN, datagrams, events.

Promised: as of advertisements; nothing of a LoRaWAN frame is believed before its MIC fits; what a
forwarder or a network server says is refused under a counter, or becomes frames within the bounds
of a radio; no datagram and no event raises.
"""

import binascii
from collections.abc import Callable, Iterator
from functools import cache
from typing import Final

import msgspec
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC

from gateway.admission import Device
from gateway.codecs.output import MAX_VALUES, CodecError, flatten, understand
from gateway.codecs.rules import Rule, apply
from gateway.conformance import examples
from gateway.conformance.trial import faults
from gateway.core import refusal
from gateway.crypto import AesKey
from gateway.lorawan import Session, parse
from gateway.pipeline import Pipeline
from gateway.sim.lorawan_node import LorawanNode
from gateway.sim.packet_forwarder import rxpk
from gateway.transport.network_server.events import READERS, Event, Reader
from gateway.transport.refused import RefusedError
from gateway.transport.semtech import datagrams
from gateway.transport.serial.senders import SENDERS
from tests.fuzz.borders.advertisements import LIMITS, REGISTRY, Air
from tests.fuzz.target import JSON_WORDS, Target

EUI: Final = "eui:70b3d57ed0001234"
DEV_ADDR: Final = "26011f22"
KEYS: Final = (bytes(range(16)), bytes(range(16, 32)))
_WARM: Final = bytes.fromhex("01670110")


def device(*, node: bool = False, is_hex: bool = False) -> Device:
    """Return a listed LoRa device, with the keys of a LoRaWAN node or without."""
    session = Session(int(DEV_ADDR, 16), AesKey(KEYS[0]), AesKey(KEYS[1])) if node else None
    return Device(
        address=EUI,
        urn="ugw:kiel:node",
        driver=REGISTRY.by_model("cayenne-lpp"),
        session=session,
        payload_hex=is_hex,
        limits=LIMITS,
    )


# ---------------------------------------------------------------------------------------- payloads
@cache
def _intake() -> Pipeline:
    return Air(device(node=True)).pipeline


def payload(data: bytes) -> None:
    """Receive a packet of a node: `F` bit 0 hexadecimal, then the payload."""
    for sender in SENDERS.values():
        named = sender.read(data[1:], _intake())
        assert named is None or data[1:].endswith(named[1])
    first, again = (Air(device(is_hex=bool(int.from_bytes(data[:1]) & 1))) for _ in range(2))
    for air in (first, again):
        air.hear("lora", data[1:], payload=data[1:], snr_db=7.0)
    assert first.said() == again.said()


def _payload_seeds() -> Iterator[bytes]:
    document = examples.of_codec(REGISTRY.by_model("cayenne-lpp"))
    for digits in [one.payload for one in document.examples] + [
        one.payload for one in document.refused
    ]:
        yield b"\0" + bytes.fromhex(digits)
        yield b"\1" + digits.encode()


# ----------------------------------------------------------------------------------------- LoRaWAN
def uplink(data: bytes) -> None:
    """Receive a PHYPayload of anybody: `S` 1 has the node sign what follows, else it is as it is.

    Signed are `F` flags and `C` counter, the port, the payload: what only the node can send.
    """
    if data[:1] == b"\1":
        node = LorawanNode(DEV_ADDR, *KEYS, counter=int.from_bytes(data[1:3], "little"))
        phy = node.send(data[4:200], int.from_bytes(data[3:4]), confirmed=len(data) % 2 == 1)
    else:
        phy = data[1:]
    heard = parse(phy)
    if heard is None:
        return
    assert 12 <= len(phy) <= 255
    assert len(heard.message) + len(heard.mic) == len(phy)
    air = Air(device(node=True))
    air.hear("lora", phy, payload=phy, is_uplink=True)
    said = air.said()
    if any(_mic(phy, heard.low + (half << 16)) == phy[-4:] for half in range(32)):
        assert refusal.BAD_MIC not in said[-1]
    else:
        assert said == (repr([(refusal.BAD_MIC, 1)]),)


def _mic(phy: bytes, counter: int) -> bytes:
    """Return the MIC that it has to have, apart from the code under test (LoRaWAN 1.0.4, 4.4)."""
    message, address = phy[:-4], bytes.fromhex(DEV_ADDR)[::-1]
    block = b"\x49" + bytes(5) + address + counter.to_bytes(4, "little") + bytes((0, len(message)))
    mac = CMAC(AES(KEYS[0]))
    mac.update(block + message)
    return mac.finalize()[:4]


def _uplink_seeds() -> Iterator[bytes]:
    node = LorawanNode(DEV_ADDR, *KEYS)
    for phy in (node.send(_WARM), node.send(_WARM, 0), node.beat(), node.beat(b"\2")):
        yield b"\0" + phy
        yield b"\0" + phy[:-2] + bytes((phy[-2] ^ 1, phy[-1]))  # half of its MIC fits
    for sample in examples.of_codec(REGISTRY.by_model("cayenne-lpp")).examples:
        yield b"\1\7\0\1" + bytes.fromhex(sample.payload)


# ------------------------------------------------------------------------------- packet forwarders
def datagram(data: bytes) -> None:
    """Receive a datagram on the port of the packet forwarders."""
    try:
        read = datagrams.read(data)
        packets = list(datagrams.packets(read.body)) if read.kind == datagrams.PUSH_DATA else []
    except RefusedError as refused:
        assert refused.counter.isidentifier()
        return
    assert len(read.answer) == 4
    assert len(packets) <= datagrams.MOST_PACKETS
    air = Air(device(node=True))
    for packet in packets:
        if isinstance(packet, RefusedError):
            assert packet.counter.isidentifier()
            continue
        _is_measured(packet.rssi_dbm, packet.snr_db, packet.spreading_factor, packet.frequency_hz)
        if parse(packet.phy) is not None:
            air.hear(
                "lora",
                packet.phy,
                payload=packet.phy,
                is_uplink=True,
                snr_db=packet.snr_db,
                spreading_factor=packet.spreading_factor,
                frequency_hz=packet.frequency_hz,
            )
    air.said()


def _is_measured(
    rssi_dbm: int | None, snr_db: float | None, spreading_factor: int | None, hz: int | None
) -> None:
    assert rssi_dbm is None or -200 <= rssi_dbm <= 100
    assert snr_db is None or -200 <= snr_db <= 200
    assert spreading_factor is None or 5 <= spreading_factor <= 12
    assert hz is None or 0 < hz <= 10_000_000_000


def _datagram_seeds() -> Iterator[bytes]:
    phy = LorawanNode(DEV_ADDR, *KEYS).send(_WARM)
    eui = bytes.fromhex("a84041ffff1f2e3d")
    told: list[dict[str, object]] = [
        {"rxpk": [rxpk(phy)]},
        {"rxpk": [rxpk(phy, stat=-1), rxpk(phy, modu="FSK", datr=50000), rxpk(phy, size=3)]},
        {"rxpk": [rxpk(phy, rssi=None, lsnr=-1e300, freq=1e300)]},
        {"stat": {"rxnb": 2}},
    ]
    for body in told:
        yield b"\2\0\1\0" + eui + msgspec.json.encode(body)
    yield b"\2\0\1\2" + eui


# --------------------------------------------------------------------------------- network servers
def event(name: str) -> Callable[[bytes], None]:
    """Return what reads an event of one kind of network server."""
    reader: Reader = READERS[name]

    def run(data: bytes) -> None:
        try:
            found = reader(data)
        except RefusedError as refused:
            assert refused.counter.isidentifier()
            return
        _is_an_event(found)

    return run


def _is_an_event(found: Event) -> None:
    assert len(found.address) == len(EUI)
    assert 0 <= found.counter < 1 << 32
    assert 0 <= found.port <= 255
    assert len(found.payload) <= 255
    _is_measured(found.rssi_dbm, found.snr_db, found.spreading_factor, found.frequency_hz)
    air = Air(device())
    air.hear(
        "lora",
        (found.counter, found.port, found.payload),
        payload=found.payload,
        port=found.port,
        counter=found.counter,
        snr_db=found.snr_db,
        spreading_factor=found.spreading_factor,
        frequency_hz=found.frequency_hz,
    )
    air.said()


def _chirpstack_seeds() -> Iterator[bytes]:
    data = binascii.b2a_base64(_WARM, newline=False).decode()
    told: dict[str, object] = {
        "deviceInfo": {"devEui": "70b3d57ed0001234"},
        "fCnt": 7,
        "fPort": 1,
        "data": data,
        "rxInfo": [{"rssi": -97, "snr": 5.2}, {"rssi": -99}],
        "txInfo": {"frequency": 868300000, "modulation": {"lora": {"spreadingFactor": 7}}},
    }
    yield msgspec.json.encode(told)
    yield msgspec.json.encode({**told, "joinServerContext": {"sessionKeyId": "a"}})
    yield msgspec.json.encode({**told, "fPort": 0, "data": ""})


def _the_things_stack_seeds() -> Iterator[bytes]:
    data = binascii.b2a_base64(_WARM, newline=False).decode()
    told: dict[str, object] = {
        "f_cnt": 7,
        "f_port": 1,
        "frm_payload": data,
        "rx_metadata": [{"rssi": -97, "snr": 5.2}],
        "settings": {"data_rate": {"lora": {"spreading_factor": 7}}, "frequency": "868300000"},
    }
    ids = {"dev_eui": "70B3D57ED0001234"}
    yield msgspec.json.encode({"end_device_ids": ids, "uplink_message": told})
    yield msgspec.json.encode({"end_device_ids": ids, "uplink_message": told, "simulated": True})
    yield msgspec.json.encode(
        {"end_device_ids": ids, "uplink_message": {**told, "app_s_key": {"key": "a"}}}
    )


# ------------------------------------------------------------------------------------------ codecs
@cache
def _rules() -> dict[str, Rule]:
    return {
        "temperature": Rule("air_temperature"),
        "air.temperature": Rule("air_temperature", channel="air"),
        "battery": Rule("battery_voltage"),
        "open": Rule("opening_open"),
        "state": Rule("x_state", values={"on": True, "1": "one"}),
        "count": Rule("x_count"),
        "probes[0]": Rule("soil_moisture"),
        "version": Rule("firmware_version"),
    }


def codec(data: bytes) -> None:
    """Take what a vendor's codec has returned."""
    try:
        flat = flatten(understand(data).data)
    except CodecError as error:
        assert error.reason in {refusal.CODEC_ERROR, refusal.CODEC_LIMIT}
        return
    assert len(flat) <= MAX_VALUES
    assert not list(faults(apply(_rules(), flat)))


def _codec_seeds() -> Iterator[bytes]:
    values = {
        "temperature": 21.400000000000002,
        "air": {"temperature": "-7.5"},
        "battery": 3.3,
        "open": 1,
        "state": "on",
        "count": 1e308,
        "probes": [20, None],
        "version": "1.0",
    }
    yield msgspec.json.encode({"data": values, "warnings": [], "errors": []})
    yield msgspec.json.encode({"data": None, "errors": ["bad port"]})
    yield b'{"data":{"count":1e999,"open":true,"temperature":-0.0}}'


TARGETS: Final = (
    Target(
        "lora-payloads",
        "payloads of LoRa nodes",
        payload,
        _payload_seeds,
        ("gateway.core", "gateway.decoding", "gateway.pipeline", "drivers.lora"),
        most_bytes=256,
    ),
    Target(
        "lorawan-uplinks",
        "LoRaWAN frames, the node's own and anybody's",
        uplink,
        _uplink_seeds,
        ("gateway.lorawan", "gateway.admission", "gateway.decoding", "drivers.lora"),
        most_bytes=260,
    ),
    Target(
        "packet-forwarder",
        "datagrams of LoRaWAN gateways (Semtech UDP)",
        datagram,
        _datagram_seeds,
        ("gateway.transport.semtech", "gateway.transport.radio", "gateway.lorawan"),
        most_bytes=1200,
        words=(
            *JSON_WORDS,
            b'"rxpk"',
            b'"stat"',
            b'"modu"',
            b'"datr"',
            b'"size"',
            b'"data"',
            b'"lsnr"',
        ),
    ),
    Target(
        "chirpstack-events",
        "uplink events of ChirpStack over MQTT",
        event("chirpstack"),
        _chirpstack_seeds,
        ("gateway.transport.network_server", "gateway.transport.radio"),
        most_bytes=800,
        words=JSON_WORDS,
    ),
    Target(
        "things-stack-events",
        "uplink messages of The Things Stack over MQTT",
        event("the-things-stack"),
        _the_things_stack_seeds,
        ("gateway.transport.network_server", "gateway.transport.radio"),
        most_bytes=800,
        words=JSON_WORDS,
    ),
    Target(
        "codec-output",
        "what a vendor's JavaScript codec returns",
        codec,
        _codec_seeds,
        ("gateway.codecs.output", "gateway.codecs.rules", "gateway.core"),
        most_bytes=600,
        words=JSON_WORDS,
    ),
)
