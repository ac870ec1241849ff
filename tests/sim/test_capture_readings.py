"""A capture decodes to what the gateway would have published, each time the same."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.config.findings import InvalidConfigError
from gateway.sim.capture import CaptureFile, Header, Heard, Record, Writer, golden
from gateway.sim.capture.readings import Listener, drivers_in, listing
from gateway.sim.sensors import SensorOptions
from tests.sim.captures import HEADER, KEY, LAMP, NODE, STARTED_US, heard, records, written

MINUTE_US = 60_000_000
WARM = bytes.fromhex("40000102c409")  # BTHome: packet 1, 25.00 degrees


def lamp(at_us: int, content: bytes = WARM) -> Record:
    return Record(
        at_us=at_us,
        medium="ble",
        source="ble:hci0",
        address=LAMP,
        structures=((0x16, 0xFCD2, content),),
        rssi_dbm=-71,
    )


def listened(path: Path, devices: Sequence[dict[str, Any]]) -> Listener:
    listener = Listener(listing(devices), drivers_in(None))
    list(listener.listen(CaptureFile(path)))
    return listener


def test_golden_observations_are_those_that_would_be_published(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", [lamp(250_000)])
    assert golden(path, [{"address": LAMP, "id": "lamp-1"}]) == [
        {
            "seq": 0,
            "device": "ugw:capture:lamp-1",
            "phenomenonTime": "2026-11-22T10:00:00.373Z",
            "timeQuality": "exact",
            "results": [{"observedProperty": "air_temperature", "result": 25, "unit": "Cel"}],
            "link": {"medium": "ble", "rssi": -71, "frameCounter": 1},
        }
    ]


def test_repeats_within_a_minute_are_copies_and_after_it_they_are_not(tmp_path: Path) -> None:
    later = lamp(MINUTE_US * 3, WARM[:-1] + b"\x0a")
    path = written(tmp_path / "a.jsonl", [lamp(0), lamp(1), lamp(2), later, lamp(MINUTE_US * 6)])
    said = golden(path, [{"address": LAMP}])
    assert [one["link"].get("copies", 1) for one in said] == [1, 3, 1]


def test_every_frame_ends_in_one_counter(tmp_path: Path) -> None:
    damaged = [lamp(at * 1000, WARM[:4] + bytes((at,))) for at in range(30)]
    stranger = msgspec.structs.replace(lamp(0), address="D0:00:00:00:00:01")
    unknown = msgspec.structs.replace(lamp(0), structures=((0xFF, 0xFFFF, b""),))
    path = written(tmp_path / "a.jsonl", [lamp(0), lamp(0), stranger, unknown, *damaged])
    frames = listened(path, [{"address": LAMP}]).frames
    ends = frames.duplicate + frames.unlisted + frames.limited + frames.unknown + frames.decoded
    assert frames.heard == 34 == ends + sum(frames.refused.values()) + frames.empty
    assert (frames.unlisted, frames.unknown) == (1, 1)
    assert frames.duplicate > 0
    assert frames.limited > 0


def test_with_its_key_an_encrypted_device_is_read_and_a_recording_of_it_is_marked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sensor = SensorOptions(model="bthome-v2-encrypted", address=LAMP, every_s=5.0, key=KEY)
    path = written(tmp_path / "a.jsonl", heard(sensor, for_s=20))
    with Writer(path, Header.at(STARTED_US + 10 * MINUTE_US), append=True) as writer:
        writer.write(heard(sensor, for_s=10))
    assert golden(path, [{"address": LAMP}]) == []
    monkeypatch.setenv("LAMP_KEY", KEY.hex())
    device = {"address": LAMP, "key": "env:LAMP_KEY"}
    said = golden(path, [device])
    flags = [one["results"][0].get("flags", []) for one in said]
    true, recorded = len(heard(sensor, for_s=20)), len(heard(sensor, for_s=10))
    assert flags == [[]] * true + [["replay_possible"]] * recorded


def test_a_session_that_claims_to_be_earlier_keeps_its_times_and_ends_nothing(
    tmp_path: Path,
) -> None:
    path = written(tmp_path / "a.jsonl", [lamp(0)])
    with Writer(path, Header.at(0, clock="unsynced"), append=True) as writer:
        writer.write([lamp(5000), lamp(2 * MINUTE_US)])
    first, second = golden(path, [{"address": LAMP}])
    assert first["timeQuality"] == "exact"
    assert (second["timeQuality"], second["uptimeMs"]) == ("unknown", 120_000)
    assert second["link"]["copies"] == 2


def test_a_node_is_read_by_the_driver_that_is_named_for_it(tmp_path: Path) -> None:
    sensor = SensorOptions(model="cayenne-lpp", address=NODE, every_s=10.0)
    path = written(tmp_path / "a.jsonl", heard(sensor, for_s=30))
    said = golden(path, [{"address": NODE, "driver": "cayenne-lpp"}])
    assert len(said) == len(heard(sensor, for_s=30))
    assert said == golden(path, [{"address": NODE, "driver": "cayenne-lpp"}])


def test_a_configuration_lists_devices_as_well(tmp_path: Path) -> None:
    config = tmp_path / "gateway.yaml"
    config.write_text(
        "config_version: 1\n"
        "gateway: {org: kiel, id: gw-1}\n"
        "mqtt: {host: localhost}\n"
        f"devices: [{{address: '{LAMP}', id: lamp-1}}]\n"
    )
    (said,) = golden(written(tmp_path / "a.jsonl", [lamp(0)]), config)
    assert said["device"] == "ugw:kiel:lamp-1"


def test_devices_that_cannot_be_listed_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", [lamp(0)])
    with pytest.raises(InvalidConfigError) as refused:
        golden(path, [{"address": "nobody"}])
    assert any("an address is needed" in each.message for each in refused.value.findings)


def test_a_codec_of_a_vendor_answers_in_the_order_of_the_frames(tmp_path: Path) -> None:
    pytest.importorskip("quickjs")
    codec = tmp_path / "codec.js"
    codec.write_text(
        "function decodeUplink(input) { return {data: {temperature: input.bytes[0]}}; }"
    )
    uplinks = [
        Record(
            at_us=number * MINUTE_US,
            medium="lora",
            source="chirpstack:lns",
            address="eui:70b3d57ed0001234",
            payload=bytes((number,)),
            port=2,
            counter=number,
        )
        for number in (20, 21, 22)
    ]
    path = written(tmp_path / "a.jsonl", uplinks)
    device = {
        "address": "eui:70b3d57ed0001234",
        "codec": {
            "file": str(codec),
            "sha256": hashlib.sha256(codec.read_bytes()).hexdigest(),
            "map": {"temperature": "air_temperature"},
        },
    }
    said = golden(path, [device])
    assert [one["results"][0]["result"] for one in said] == [20, 21, 22]
    assert [one["link"]["frameCounter"] for one in said] == [20, 21, 22]


@given(st.lists(records, max_size=8))
@settings(max_examples=40, deadline=None)
def test_whatever_was_recorded_it_is_counted_and_ends_nothing(found: list[Record]) -> None:
    devices: dict[str, dict[str, Any]] = {}
    for one in found:
        if one.address and not one.address.startswith("lorawan:"):
            named = {"driver": "cayenne-lpp"} if one.medium == "lora" else {}
            devices[one.address] = {"address": one.address, **named}
    listener = Listener(listing(list(devices.values())), drivers_in(None))
    list(listener.listen(Heard(HEADER, one) for one in found))
    frames = listener.frames
    early = frames.unlisted + frames.duplicate + frames.limited + frames.coalesced
    late = frames.unknown + frames.empty + frames.decoded + sum(frames.refused.values())
    assert frames.heard == early + late


def test_a_folder_with_drivers_of_ones_own_counts(tmp_path: Path) -> None:
    (tmp_path / "ours.py").write_text(
        "API = 1\nMODEL = 'ours'\nMATCH = {'service_uuid': 0xFCD2, 'prefix': b'\\x40'}\n"
        "STRENGTH = 1\n\n"
        "def decode(payload, context):\n    return [('air_temperature', 1, 0, '')]\n"
    )
    path = written(tmp_path / "a.jsonl", [lamp(0)])
    (said,) = golden(path, [{"address": LAMP, "driver": "ours"}], drivers=tmp_path)
    assert said["results"][0]["result"] == 1
    assert HEADER.gateway not in said["device"]
