"""Captures: what is written is read again, what is torn is tolerated, what is damaged is named."""

import json
import stat
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.model import Frame
from gateway.sim.capture import CaptureError, CaptureFile, Header, Record, Writer, read
from gateway.sim.capture.file import convert, shifted
from gateway.sim.capture.format import LineError, header_line, parse, record_line
from gateway.sim.sensors import SensorOptions
from tests.schema.published import OPEN, STRICT, schema_faults
from tests.sim.captures import HEADER, LAMP, STARTED, STARTED_US, heard, records, written

SENSOR = SensorOptions(model="ruuvi-rawv2", address=LAMP, every_s=1.0)
FRAMES = heard(SENSOR, for_s=6)


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    return written(tmp_path / "capture.jsonl", FRAMES)


# -------------------------------------------------------------------------------------- round trip
@given(records)
@settings(max_examples=40, deadline=None)
def test_every_record_is_read_as_it_was_written_and_fits_the_schema(record: Record) -> None:
    line = record_line(record)
    assert parse(line) == record
    for form in (OPEN, STRICT):
        assert not list(schema_faults(form, "capture", json.loads(line)))


@pytest.mark.parametrize("at_us", [0, 1, 8_290_001, 2_146_624_321, 66_355_058_851])
def test_a_time_is_kept_to_the_microsecond(at_us: int) -> None:
    record = Record(at_us=at_us, medium="ble", source="ble:hci0", address=LAMP)
    assert parse(record_line(record)) == record


def test_a_signal_that_cannot_be_is_not_kept_and_the_frame_is() -> None:
    frame = Frame(
        medium="lora",
        source="serial:Funkgerät",
        address="lora:17",
        heard_at_ns=1,
        content=b"x",
        payload=b"x",
        rssi_dbm=-32768,
        snr_db=1e9,
    )
    record = Record.of(frame, 5)
    assert (record.rssi_dbm, record.snr_db) == (None, None)
    assert parse(record_line(record)) == record


def test_a_header_is_read_as_it_was_written_and_fits_the_schema() -> None:
    header = Header.at(STARTED_US, gateway="gw-1", clock="holdover", everybody=True)
    line = header_line(header)
    assert parse(line) == header
    assert (header.started, header.started_us) == (STARTED, STARTED_US)
    assert not list(schema_faults(STRICT, "capture", json.loads(line)))


def test_a_field_of_a_later_version_is_passed_over() -> None:
    line = {**json.loads(record_line(FRAMES[0])), "later": {"a": 1}}
    assert parse(json.dumps(line).encode()) == FRAMES[0]


def test_what_was_heard_is_read_in_its_order(capture: Path) -> None:
    assert len(FRAMES) > 3
    assert list(read(capture)) == FRAMES
    file = CaptureFile(capture)
    assert [each.record for each in file] == [each.record for each in file]
    assert (file.sessions, file.torn, file.notes) == (1, 0, [])


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"[]",
        b"\xff\xfe",
        b'{"t":-1,"m":"ble","src":"ble:hci0","addr":"C0:FF:EE:00:00:01"}',
        b'{"t":1e300,"m":"ble","src":"ble:hci0","addr":"C0:FF:EE:00:00:01"}',
        b'{"t":1,"m":"ble","src":"ble:hci0","addr":"lora:17"}',
        b'{"t":1,"m":"lora","src":"serial:a","addr":"C0:FF:EE:00:00:01"}',
        b'{"t":1,"m":"lora","src":"serial:a","addr":"lora:65536"}',
        b'{"t":1,"m":"lora","src":"serial:a"}',
        b'{"t":1,"m":"serial","src":"serial:a","data":"00"}',
        b'{"t":1,"m":"serial","src":"serial:a","addr":"lora:1","modem":"rnode"}',
        b'{"t":1,"m":"ble","src":"ble:\\u001b[2J","addr":"C0:FF:EE:00:00:01"}',
        b'{"t":1,"m":"ble","src":"ble:hci0","addr":"C0:FF:EE:00:00:01","ad":[[256,0,""]]}',
        b'{"t":1,"m":"ble","src":"ble:hci0","addr":"C0:FF:EE:00:00:01","ad":[[255,0,"0"]]}',
        b'{"t":1,"m":"ble","src":"ble:hci0","addr":"C0:FF:EE:00:00:01","ad":[[255,65536,""]]}',
        b'{"t":1,"m":"ble","src":"ble:hci0","addr":"C0:FF:EE:00:00:01\\n"}',
        b'{"t":1,"m":"ble","src":"ble:hci0","addr":"C0:FF:EE:00:00:01","ad":[[9,0,"00\\n"]]}',
        b'{"schema":"ugw.capture/1","started":"2026-11-22T10:00:00.000Z","gateway":"\\u001b["}',
        b'{"schema":"ugw.capture/2","started":"2026-11-22T10:00:00.000Z"}',
        b'{"schema":"ugw.capture/1","started":"today"}',
        b'{"schema":"ugw.capture/1","started":"2026-11-22T10:00:00"}',
        b'{"schema":"ugw.capture/1"}',
        b'{"schema":"ugw.capture/1","started":"0001-01-01T00:00:00+14:00"}',
        b'{"schema":"ugw.capture/1","started":"9999-12-31T23:59:59Z"}',
        b'{"t":' + b"[" * 5000,
    ],
)
def test_a_line_that_says_what_cannot_be_is_refused(line: bytes) -> None:
    with pytest.raises(LineError):
        parse(line)


# ------------------------------------------------------------------------------------------ damage
def test_cut_off_anywhere_it_gives_what_was_whole_and_counts_the_torn_line(
    capture: Path, tmp_path: Path
) -> None:
    whole = capture.read_bytes()
    head = whole.index(b"\n") + 1
    cut = tmp_path / "cut.jsonl"
    for size in range(head, len(whole) + 1, 7):
        cut.write_bytes(whole[:size])
        file = CaptureFile(cut)
        found = [each.record for each in file]
        complete = whole[:size].count(b"\n") - 1
        assert found[:complete] == FRAMES[:complete]
        # Only the last brace and the line's end can be missing from a line that is whole.
        assert file.torn + len(found) == complete + (not whole[:size].endswith(b"\n"))


def test_after_a_torn_line_another_session_is_appended_and_both_are_read(capture: Path) -> None:
    capture.write_bytes(capture.read_bytes()[:-9])
    with Writer(capture, HEADER, append=True) as writer:
        writer.write(FRAMES[:2])
    file = CaptureFile(capture)
    assert [each.record for each in file] == [*FRAMES[:-1], *FRAMES[:2]]
    assert (file.sessions, file.torn) == (2, 1)
    assert "1 torn" in file.notes[0]


@pytest.mark.parametrize("number", [2, 3])
def test_a_damaged_line_is_named_with_its_offset(capture: Path, number: int) -> None:
    lines = capture.read_bytes().splitlines(keepends=True)
    offset = sum(map(len, lines[: number - 1]))
    lines[number - 1] = b'{"t":' + b"\n"
    capture.write_bytes(b"".join(lines))
    with pytest.raises(CaptureError, match=f"{capture.name}:{number}: byte {offset}: "):
        list(read(capture))


def test_a_damaged_last_line_is_no_torn_one(capture: Path) -> None:
    with capture.open("ab") as file:
        file.write(b"nonsense\n")
    with pytest.raises(CaptureError, match="byte"):
        list(read(capture))


def test_a_frame_before_any_header_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "headless.jsonl"
    path.write_bytes(record_line(FRAMES[0]))
    with pytest.raises(CaptureError, match="begins with a header"):
        list(read(path))


@given(data=st.data())
@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_whatever_is_damaged_nothing_but_a_capture_error_comes(
    tmp_path: Path, data: st.DataObject
) -> None:
    lines = [header_line(HEADER), *map(record_line, FRAMES[:3])]
    content = bytearray(b"".join(lines))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
    path = tmp_path / "damaged.jsonl"
    path.write_bytes(content)
    try:
        for one in CaptureFile(path):
            assert one.unix_us >= 0 or one.header.started_us < 0
            record_line(one.record)
    except CaptureError as error:
        assert str(path) in str(error)


# ----------------------------------------------------------------------------------------- writing
def test_nobody_else_may_read_it_and_nothing_is_overwritten(capture: Path) -> None:
    assert stat.S_IMODE(capture.stat().st_mode) == 0o600
    before = capture.read_bytes()
    with pytest.raises(CaptureError, match="is there already"):
        Writer(capture, HEADER)
    assert capture.read_bytes() == before


def test_what_is_no_capture_is_not_added_to(tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear diary\n")
    with pytest.raises(CaptureError, match="no capture"):
        Writer(path, HEADER, append=True)
    assert path.read_text() == "Dear diary\n"


def test_true_addresses_are_not_added_to_pseudonyms(tmp_path: Path) -> None:
    path = tmp_path / "public.jsonl"
    public = msgspec.structs.replace(HEADER, pseudonymised=True)
    Writer(path, public).close()
    Writer(path, public, append=True).close()
    with pytest.raises(CaptureError, match="is pseudonymised"):
        Writer(path, HEADER, append=True)
    assert path.read_bytes() == 2 * header_line(public)


def test_two_do_not_write_at_once(capture: Path) -> None:
    with (
        Writer(capture, HEADER, append=True),
        pytest.raises(CaptureError, match="somebody else"),
    ):
        Writer(capture, HEADER, append=True)


def test_it_does_not_outgrow_its_bound_and_ends_with_a_whole_line(tmp_path: Path) -> None:
    path = tmp_path / "small.jsonl"
    with Writer(path, HEADER, max_bytes=500) as writer:
        kept = writer.write(FRAMES)
        assert writer.full
        assert writer.write(FRAMES) == 0
    assert path.stat().st_size <= 500
    assert 0 < kept < len(FRAMES)
    assert writer.frames == kept
    assert writer.devices == {frame.address for frame in FRAMES[:kept]}
    assert list(read(path)) == FRAMES[:kept]


@pytest.mark.parametrize("append", [False, True])
def test_where_there_is_no_room_for_a_session_none_is_begun(tmp_path: Path, append: bool) -> None:  # noqa: FBT001
    path = tmp_path / "small.jsonl"
    if append:
        Writer(path, HEADER).close()
    before = path.read_bytes() if append else b""
    with Writer(path, HEADER, append=append, max_bytes=len(before) + 10) as writer:
        assert writer.full
        assert writer.write(FRAMES) == 0
    assert path.read_bytes() == before


def test_nobody_else_may_read_what_was_added_to_either(capture: Path) -> None:
    capture.chmod(0o644)
    Writer(capture, HEADER, append=True).close()
    assert stat.S_IMODE(capture.stat().st_mode) == 0o600


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="No such file"):
        Writer(tmp_path / "none" / "a.jsonl", HEADER)


# ---------------------------------------------------------------------------------------- changing
def test_shifted_it_begins_when_it_is_told_to_and_sessions_keep_their_distance(
    capture: Path,
) -> None:
    later = Header.at(STARTED_US + 3_600_000_000)
    with Writer(capture, later, append=True) as writer:
        writer.write(FRAMES[:1])
    start_us = STARTED_US + 10**12
    moved = list(shifted(CaptureFile(capture), start_us))
    assert moved[0].header.started_us == start_us
    assert moved[-1].header.started_us == start_us + 3_600_000_000
    assert [each.record for each in moved] == [*FRAMES, *FRAMES[:1]]


def test_converted_it_says_the_same_session_by_session(capture: Path, tmp_path: Path) -> None:
    later = Header.at(STARTED_US + 3_600_000_000, pseudonymised=True)
    with Writer(capture, later, append=True) as writer:
        writer.write(FRAMES[:1])
    copy = tmp_path / "copy.jsonl"
    assert convert(CaptureFile(capture), copy) == len(FRAMES) + 1
    assert list(CaptureFile(copy)) == list(CaptureFile(capture))


def test_of_half_a_file_no_capture_is_made(capture: Path, tmp_path: Path) -> None:
    capture.write_bytes(capture.read_bytes() + b"}{\n")
    with pytest.raises(CaptureError, match="no line of a capture"):
        convert(CaptureFile(capture), tmp_path / "copy.jsonl")
    assert not (tmp_path / "copy.jsonl").exists()


def test_of_nothing_no_capture_is_made(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="nothing was heard"):
        convert([], tmp_path / "copy.jsonl")
    assert not (tmp_path / "copy.jsonl").exists()
