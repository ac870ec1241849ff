"""btsnoop files: of btmon and of phones; btmon itself reads the ones we try it with."""

import shutil
import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.sim.capture import CaptureError, Heard, golden, open_source
from gateway.sim.capture.file import convert
from tests.sim.captures import LAMP, STARTED_US

HCI, H4, MONITOR = 1001, 1002, 2001
TO_2000_US = 0x00E03AB44A676000 - 946_684_800_000_000
BTHOME = bytes.fromhex("0201060916d2fc40000102c409")  # 25.00 degrees, packet 1
NAMED = bytes.fromhex("05094c616d70")  # Lamp
PUBLIC, RANDOM, ANONYMOUS = 0x00, 0x01, 0xFF
ADV_IND, NONCONN, SCAN_RSP = 0x00, 0x03, 0x04

Packet = tuple[int, bytes]  # microseconds since the first; an event, its code first


def octets(address: str) -> bytes:
    return bytes.fromhex(address.replace(":", ""))[::-1]


def meta(subevent: int, *reports: bytes) -> bytes:
    body = bytes((subevent, len(reports))) + b"".join(reports)
    return bytes((0x3E, len(body))) + body


def report(data: bytes, *, kind: int = NONCONN, of: str = LAMP, rssi: int = -60) -> bytes:
    head = bytes((kind, PUBLIC if of == LAMP else RANDOM)) + octets(of) + bytes((len(data),))
    return head + data + struct.pack("b", rssi)


def extended(
    data: bytes, *, kind: int = 0, of: str = LAMP, sid: int = 1, rssi: int = -60
) -> bytes:
    address = (RANDOM, octets(of))
    head = struct.pack("<HB6sBBBbbHB6s", kind, *address, 1, 2, sid, 127, rssi, 0, 0, b"")
    return head + bytes((len(data),)) + data


def legacy_event(*reports: bytes) -> bytes:
    return meta(0x02, *reports)


def extended_event(*reports: bytes) -> bytes:
    return meta(0x0D, *reports)


def btsnoop(packets: Sequence[Packet], kind: int = MONITOR) -> bytes:
    flags = {MONITOR: 3, H4: 0b11, HCI: 0b11}[kind]
    prefix = b"\x04" if kind == H4 else b""
    out = struct.pack(">8sII", b"btsnoop\0", 1, kind)
    for at_us, event in packets:
        data = prefix + event
        stamp = STARTED_US + at_us + TO_2000_US
        out += struct.pack(">IIIIq", len(data), len(data), flags, 0, stamp) + data
    return out


def dump(directory: Path, packets: Sequence[Packet], kind: int = MONITOR) -> Path:
    path = directory / "hci.btsnoop"
    path.write_bytes(btsnoop(packets, kind))
    return path


def heard(path: Path) -> list[Heard]:
    return list(open_source(path))


@pytest.mark.parametrize("kind", [MONITOR, H4, HCI])
def test_advertising_reports_become_records(tmp_path: Path, kind: int) -> None:
    event = legacy_event(report(BTHOME, rssi=-71))
    (one,) = heard(dump(tmp_path, [(250_000, event)], kind))
    record = one.record
    assert (record.address, record.address_type, record.rssi_dbm) == (LAMP, "public", -71)
    assert record.structures == ((0x16, 0xFCD2, bytes.fromhex("40000102c409")),)
    assert record.source == "ble:hci0"
    assert one.unix_us == STARTED_US + 250_000


def test_several_reports_in_one_event_and_extended_ones_are_read(tmp_path: Path) -> None:
    other = "D0:00:00:00:00:07"
    first = legacy_event(report(BTHOME), report(NAMED, of=other, rssi=127))
    second = extended_event(extended(BTHOME, of=other, rssi=-88))
    found = [one.record for one in heard(dump(tmp_path, [(0, first), (1, second)]))]
    assert [(one.address, one.address_type, one.rssi_dbm) for one in found] == [
        (LAMP, "public", -60),
        (other, "random", None),
        (other, "random", -88),
    ]


def test_a_scan_response_is_joined_to_its_advertisement_alone(tmp_path: Path) -> None:
    other = "D0:00:00:00:00:07"
    packets = [
        (0, legacy_event(report(BTHOME, kind=ADV_IND))),
        (9, legacy_event(report(NAMED, kind=SCAN_RSP))),
        (20, legacy_event(report(BTHOME, kind=ADV_IND, of=other))),
        (30, legacy_event(report(NAMED, kind=SCAN_RSP))),
    ]
    found = [one.record for one in heard(dump(tmp_path, packets))]
    kinds = [(one.address, [each[0] for each in one.structures], one.at_us) for one in found]
    assert kinds == [(LAMP, [0x16, 0x09], 0), (other, [0x16], 20), (LAMP, [0x09], 30)]


def test_a_long_advertisement_is_put_together_of_its_parts(tmp_path: Path) -> None:
    more, truncated = 0x20, 0x40
    packets = [
        (0, extended_event(extended(BTHOME[:8], kind=more))),
        (1, extended_event(extended(BTHOME, sid=2))),
        (2, extended_event(extended(BTHOME[8:]))),
        (3, extended_event(extended(BTHOME[:8], kind=truncated))),
    ]
    path = dump(tmp_path, packets)
    source = open_source(path)
    found = [one.record for one in source]
    assert [one.at_us for one in found] == [1, 2]
    assert found[0].structures == found[1].structures
    assert source.notes == ["1 malformed advertisements were left out"]


@pytest.mark.parametrize(
    "event",
    [legacy_event(report(BTHOME)), extended_event(extended(BTHOME))],
    ids=["legacy", "extended"],
)
def test_a_report_that_claims_to_be_longer_than_its_event_is_left_out(
    tmp_path: Path, event: bytes
) -> None:
    size = event.index(BTHOME) - 1
    longer = event[:size] + bytes((event[size] + 2,)) + event[size + 1 :]
    source = open_source(dump(tmp_path, [(0, longer)]))
    assert list(source) == []
    assert source.notes == ["1 malformed advertisements were left out"]


def test_what_is_no_advertisement_is_passed_over(tmp_path: Path) -> None:
    anonymous = extended_event(extended(BTHOME).replace(bytes((RANDOM,)), bytes((ANONYMOUS,)), 1))
    packets = [(0, b"\x0e\x04\x01\x0c\x20\x00"), (1, b"\x3e\x01\x0b"), (2, b""), (3, anonymous)]
    source = open_source(dump(tmp_path, packets))
    assert list(source) == []
    assert source.notes == ["1 advertisements without an address were left out"]


def test_it_decodes_to_what_the_sensor_said_and_converts_to_a_capture(tmp_path: Path) -> None:
    path = dump(tmp_path, [(0, legacy_event(report(BTHOME))), (5, b"\x0e\x00")])
    (said,) = golden(path, [{"address": LAMP}])
    assert said["phenomenonTime"] == "2026-11-22T10:00:00.123Z"
    assert said["results"][0]["result"] == 25
    converted = tmp_path / "converted.jsonl"
    assert convert(open_source(path), converted) == 1
    assert golden(converted, [{"address": LAMP}]) == [said]


# ------------------------------------------------------------------------------------------ damage
EVENTS = [
    (0, legacy_event(report(BTHOME, kind=ADV_IND))),
    (1000, legacy_event(report(NAMED, kind=SCAN_RSP), report(BTHOME, of="D0:00:00:00:00:07"))),
    (2000, extended_event(extended(BTHOME), extended(NAMED))),
]


def test_cut_off_anywhere_it_gives_what_was_whole_and_says_so(tmp_path: Path) -> None:
    whole = btsnoop(EVENTS)
    all_of_it = heard(dump(tmp_path, EVENTS))
    cut = tmp_path / "cut.btsnoop"
    ends = {16, *(16 + len(btsnoop(EVENTS[: n + 1])) - 16 for n in range(len(EVENTS)))}
    for size in range(16, len(whole)):
        cut.write_bytes(whole[:size])
        source = open_source(cut)
        found = [one.record.address for one in source]
        assert found == [one.record.address for one in all_of_it][: len(found)]
        assert bool(source.notes) == (size not in ends)


@pytest.mark.parametrize(
    ("at", "value", "said"),
    [
        (0x08, b"\0\0\0\2", "byte 8: version 2"),
        (0x0C, b"\0\0\3\xeb", "byte 8: .*kind 1003"),
        (0x14, b"\xff\xff\xff\xff", "byte 16: damaged: a packet of 4294967295 bytes"),
        (0x20, b"\xff\xff\xff\xff", "byte 16: damaged: a time before 1970"),
    ],
)
def test_damage_is_named_with_its_offset(tmp_path: Path, at: int, value: bytes, said: str) -> None:
    content = bytearray(btsnoop(EVENTS))
    content[at : at + len(value)] = value
    path = tmp_path / "damaged.btsnoop"
    path.write_bytes(content)
    with pytest.raises(CaptureError, match=said):
        heard(path)


@given(data=st.data())
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_whatever_is_damaged_nothing_but_a_capture_error_comes(
    tmp_path: Path, data: st.DataObject
) -> None:
    content = bytearray(btsnoop(EVENTS, data.draw(st.sampled_from((HCI, H4, MONITOR)))))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(8, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    path = tmp_path / "damaged.btsnoop"
    path.write_bytes(content)
    try:
        assert len(heard(path)) <= 600
    except CaptureError as error:
        assert str(path) in str(error)


# --------------------------------------------------------------------------------------- the judge
@pytest.mark.skipif(shutil.which("btmon") is None, reason="btmon is not installed (package bluez)")
@pytest.mark.parametrize("kind", [MONITOR, H4])
def test_btmon_reads_the_same_in_these_files(tmp_path: Path, kind: int) -> None:
    path = dump(tmp_path, EVENTS, kind)
    read = subprocess.run(
        ["btmon", "-r", str(path)], capture_output=True, text=True, timeout=60, check=True
    ).stdout
    lines = map(str.split, read.splitlines())
    addresses = [words[1] for words in lines if words[:1] == ["Address:"]]
    assert addresses == [LAMP, LAMP, "D0:00:00:00:00:07", LAMP, LAMP]
    assert read.count("RSSI: -60 dBm") == len(addresses)
    assert [one.record.address for one in heard(path)] == addresses[1:]  # two of them are one
