"""Pseudonyms: the same for the same, nothing of the true address left, readings as they were."""

import json
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from gateway.errors import SimulatorError
from gateway.lorawan import parse
from gateway.sim.capture import Record, golden
from gateway.sim.capture.format import parse as parse_line
from gateway.sim.capture.format import record_line
from gateway.sim.capture.pseudonyms import Pseudonyms, known_names
from gateway.sim.capture.readings import drivers_in
from gateway.sim.lorawan_node import LorawanNode
from gateway.sim.models import MODELS
from gateway.sim.sensors import SensorOptions
from tests.sim.captures import KEY, LAMP, NODE, PARK, heard, records, written

BLE = [name for name, model in MODELS.items() if model.medium not in ("lora", "gatt")]
# One address for each; no end of one stands in another, nor in a payload by chance.
ADDRESSES = {name: f"A4:C1:38:9{at % 16:X}:{at:02X}:E{at % 7:X}" for at, name in zip(count(), BLE)}


def everything(_: Record) -> bool:
    return True


def others(key: bytes | None = b"one key") -> Pseudonyms:
    return Pseudonyms(everything, key)


def test_the_same_address_has_the_same_pseudonym_within_a_recording_and_no_other() -> None:
    here, there = others(None), others(None)
    for address in (LAMP, PARK, NODE, "eui:70b3d57ed0001234", "lorawan:26011bda"):
        assert here.address(address) == here.address(address) != address
        assert here.address(address) != there.address(address)
        assert here.address(address).partition(":")[0] == address.partition(":")[0] or address in (
            LAMP,
            PARK,
        )
    assert here.address(LAMP) != here.address(PARK)


@pytest.mark.parametrize(("address", "kind"), [("C0:01:02:03:04:05", 3), ("4F:01:02:03:04:05", 1)])
def test_it_is_locally_administered_and_a_random_one_stays_of_its_kind(
    address: str, kind: int
) -> None:
    public = bytes.fromhex(others().address(address)[:2])[0]
    assert public & 0b11 == 0b10
    random = bytes.fromhex(others().address(address, is_random=True)[:2])[0]
    assert random & 0b11 == 0b10
    assert random >> 6 == kind


def test_no_two_nodes_of_a_small_network_are_taken_for_one() -> None:
    pseudonyms = others()
    made = {pseudonyms.address(f"lora:{number}") for number in range(3000)}
    assert len(made) == 3000


# ------------------------------------------------------------------------------- within payloads
def frames() -> dict[str, list[Record]]:
    """Return what a sensor of each model sends, by model."""
    return {
        name: heard(
            SensorOptions(model=name, address=ADDRESSES[name], every_s=30.0, key=KEY), for_s=70
        )
        for name in BLE
    }


FRAMES = frames()


@pytest.mark.parametrize("model", BLE)
def test_nothing_of_the_true_address_is_left_in_a_frame(model: str) -> None:
    pseudonyms = others()
    tail = bytes.fromhex(ADDRESSES[model].replace(":", ""))[3:]
    assert FRAMES[model]
    for frame in FRAMES[model]:
        line = record_line(pseudonyms.record(frame)).decode()
        assert ADDRESSES[model] not in line
        assert tail.hex() not in line
        assert tail[::-1].hex() not in line
        for kind, _, data in pseudonyms.record(frame).structures:
            if kind == 0x09:
                assert tail[1:].hex() not in data.decode().lower()
            elif model in ("sensirion", "govee-event"):
                assert tail[1:] not in data
                assert tail[:0:-1] not in data


def listed(pseudonyms: Pseudonyms | None) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = []
    for name in BLE:
        address = ADDRESSES[name]
        entry = {"address": pseudonyms.address(address) if pseudonyms else address}
        if MODELS[name].named:
            entry["driver"] = MODELS[name].driver
        entries.append(entry)
    return entries


def test_what_is_not_encrypted_says_the_same_as_before(tmp_path: Path) -> None:
    pseudonyms = others()
    plain = [one for name in BLE if not MODELS[name].encrypted for one in FRAMES[name]]
    before = written(tmp_path / "before.jsonl", plain)
    after = written(tmp_path / "after.jsonl", map(pseudonyms.record, plain))
    said = golden(before, listed(None))
    assert len({one["device"] for one in said}) >= len(BLE) - 4
    again = golden(after, listed(pseudonyms))
    assert [one["results"] for one in again] == [one["results"] for one in said]
    assert not {one["device"] for one in again} & {one["device"] for one in said}


def test_an_uplink_no_longer_says_whose_it_is_and_its_payload_stays_closed() -> None:
    node = LorawanNode("26011bda", KEY, KEY)
    record = Record(
        at_us=0,
        medium="lora",
        source="serial:usb-FTDI_A50285BI-if00",
        address="eui:70b3d57ed0001234",
        payload=node.send(b"secret"),
        is_uplink=True,
    )
    made = others().record(record)
    before, after = parse(record.payload), parse(made.payload)
    assert before is not None
    assert after is not None
    assert after.dev_addr != before.dev_addr
    assert (after.payload, after.low) == (before.payload, before.low)
    assert "A50285BI" not in json.dumps(record_line(made).decode())


@given(records)
@settings(max_examples=50, deadline=None)
def test_whatever_was_heard_has_a_pseudonym_of_the_same_length(record: Record) -> None:
    if record.medium == "serial":
        return
    made = others().record(record)
    assert parse_line(record_line(made)) == made
    assert made.address != record.address
    assert len(made.payload) == len(record.payload)
    lengths = [len(data) for _, _, data in made.structures]
    assert lengths == [len(data) for _, _, data in record.structures]


def test_a_name_stays_where_it_is_a_sensors_or_a_listed_devices() -> None:
    registry = drivers_in(None)
    anna = Record(
        at_us=0,
        medium="ble",
        source="ble:hci0",
        address=LAMP,
        structures=((0x09, 0, b"Anna"), (0xFF, 0x4C, b"x")),
    )
    stranger = Pseudonyms(known_names(registry, [])).record(anna)
    assert stranger.structures == ((0xFF, 0x4C, b"x"),)
    own = Pseudonyms(known_names(registry, [LAMP])).record(anna)
    assert own.structures == anna.structures
    (probe, *_) = FRAMES["thermopro-tp3"]
    sensor = Pseudonyms(known_names(registry, [])).record(probe)
    assert [one[2][:5] for one in sensor.structures if one[0] == 0x09] == [b"TP357"]


def test_an_address_of_zeros_is_not_looked_for_in_what_is_measured() -> None:
    frame = Record(
        at_us=0,
        medium="ble",
        source="ble:hci0",
        address="C0:FF:EE:00:00:01",
        structures=((0xFF, 1, b"\x00\x00\x01\x00\x00\x00\x01"),),
    )
    assert others().record(frame).structures == frame.structures


def test_the_words_of_a_modem_are_refused() -> None:
    words = Record(at_us=0, medium="serial", source="serial:log", payload=b"x", modem="rnode")
    with pytest.raises(SimulatorError, match="cannot be pseudonymised"):
        others().record(words)
