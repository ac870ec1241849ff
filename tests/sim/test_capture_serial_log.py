"""Logs of serial ports: whatever way the times are written, the modem's words come out."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.errors import SimulatorError
from gateway.sim.capture import CaptureError, Heard, golden, open_source, read
from gateway.sim.capture.file import convert
from tests.sim.captures import NODE, STARTED_US

MODEM = "reyax-rylr998"
WORDS = "+RCV=17,16,03670110056700FF,-71,9"
DEVICES = [{"address": NODE, "driver": "cayenne-lpp"}]


def log(directory: Path, *lines: str) -> Path:
    path = directory / "screen.log"
    path.write_text("".join(f"{line}\n" for line in lines), encoding="latin-1")
    return path


def heard(path: Path, modem: str = MODEM) -> list[Heard]:
    return list(open_source(path, modem))


@pytest.mark.parametrize(
    "time",
    [
        "2026-11-22T10:00:00.123Z",
        "2026-11-22 10:00:00.123456",
        "2026-11-22T11:00:00,123+01:00",
        "2026-11-22T11:00:00.123+0100",
        "[2026-11-22 10:00:00.123]",
        "[2026-11-22T10:00:00.123Z]:",
        "1795341600.123",
        "[1795341600.123]",
    ],
)
def test_a_time_of_day_is_read_however_it_is_written(tmp_path: Path, time: str) -> None:
    (one,) = heard(log(tmp_path, f"{time} {WORDS}"))
    assert one.unix_us // 1000 == STARTED_US // 1000
    assert one.record.payload == WORDS.encode() + b"\r\n"
    assert (one.record.medium, one.record.modem) == ("serial", MODEM)


def test_seconds_since_something_count_from_the_first_line(tmp_path: Path) -> None:
    path = log(tmp_path, f"[  12.500] {WORDS}", f"[  72.750000] {WORDS}")
    found = heard(path)
    assert [one.record.at_us for one in found] == [0, 60_250_000]
    assert found[0].header.clock == "unsynced"
    assert golden(path, DEVICES, modem=MODEM)[1]["uptimeMs"] == 60_250


def test_a_line_of_any_length_is_read_again_from_the_capture_it_became(tmp_path: Path) -> None:
    path = log(tmp_path, f"1.0 {'A' * 5000}", f"2.0 {WORDS}")
    assert convert(open_source(path, MODEM), tmp_path / "out.jsonl") == 2
    (_, last) = read(tmp_path / "out.jsonl")
    assert last.payload == WORDS.encode() + b"\r\n"


def test_time_never_goes_back(tmp_path: Path) -> None:
    path = log(tmp_path, f"[5.0] {WORDS}", f"[4.0] {WORDS}", f"[6.0] {WORDS}")
    assert [one.record.at_us for one in heard(path)] == [0, 0, 1_000_000]


@pytest.mark.parametrize("lines", [("[5.0]", "2026-11-22 10:00:00"), ("1795341600.0", "[6.0]")])
def test_a_time_that_counts_from_elsewhere_than_the_first_is_none(
    tmp_path: Path, lines: tuple[str, str]
) -> None:
    source = open_source(log(tmp_path, *(f"{line} {WORDS}" for line in lines)), MODEM)
    assert len(list(source)) == 1
    assert source.notes == ["1 lines without a time were left out"]


def test_times_from_1970_to_2100_are_read_again_from_the_capture_they_became(
    tmp_path: Path,
) -> None:
    lines = (f"{year}-01-01 00:00:00 {WORDS}" for year in (1970, 2099))
    assert convert(open_source(log(tmp_path, *lines), MODEM), tmp_path / "out.jsonl") == 2
    first, last = read(tmp_path / "out.jsonl")
    assert last.at_us - first.at_us == 4_070_908_800_000_000


def test_lines_without_a_time_or_words_are_left_out_and_counted(tmp_path: Path) -> None:
    path = log(tmp_path, "--- picocom", f"[5.0] {WORDS}", "[6.0]   ", "", "AT+ADDRESS?")
    source = open_source(path, MODEM)
    assert len(list(source)) == 1
    assert source.notes == ["2 lines without a time were left out"]


def test_the_driver_of_the_modem_reads_what_it_said(tmp_path: Path) -> None:
    path = log(tmp_path, f"2026-11-22T10:00:00.123Z {WORDS}")
    (said,) = golden(path, DEVICES, modem=MODEM)
    results = [(one["channel"], one["result"]) for one in said["results"]]
    assert results == [("3", 27.2), ("5", 25.5)]
    assert said["link"] == {"medium": "lora", "rssi": -71, "snr": 9}


def test_of_a_modem_that_does_not_say_it_the_packet_says_who_sent_it(tmp_path: Path) -> None:
    first = "radio_rx  0011" + b"03670110056700FF".hex().upper()
    second = "radio_rx  0011" + b"03670111056700FF".hex().upper()
    path = log(tmp_path, f"[1.0] {first}", f"[61.0] {second}")
    said = golden(path, DEVICES, modem="rn2483")
    assert {one["device"] for one in said} == {"ugw:capture:capture-lora-17"}
    assert [one["uptimeMs"] for one in said] == [0, 60_000]


def test_of_a_modem_that_sends_bytes_digits_are_read_and_all_else_is_named(tmp_path: Path) -> None:
    (one,) = heard(log(tmp_path, "[1.0] C0 00 a5:ff"), "rnode")
    assert one.record.payload == b"\xc0\x00\xa5\xff"
    path = log(tmp_path, "[1.0] C0", "[2.0] C0F")
    with pytest.raises(CaptureError, match="byte 9: rnode sends bytes"):
        heard(path, "rnode")


def test_a_file_that_is_none_of_all_is_refused(tmp_path: Path) -> None:
    path = log(tmp_path, "Dear diary")
    with pytest.raises(CaptureError, match="no line begins with a time"):
        heard(path)
    with pytest.raises(CaptureError, match="neither a capture") as refused:
        heard(path, "")
    assert "--modem" in refused.value.remedy
    with pytest.raises(SimulatorError, match="there is no modem 'modern'"):
        heard(path, "modern")
    with pytest.raises(CaptureError, match="there is no"):
        heard(tmp_path / "none")
    with pytest.raises(CaptureError, match="is no file"):
        heard(tmp_path)


@given(content=st.binary(max_size=200), start=st.sampled_from((b"", b"[1.0] ", b"2026-11-22T")))
@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_whatever_stands_in_it_nothing_but_a_capture_error_comes(
    tmp_path: Path, content: bytes, start: bytes
) -> None:
    path = tmp_path / "noise.log"
    path.write_bytes(start + content)
    try:
        assert all(one.record.payload for one in heard(path))
    except CaptureError as error:
        assert str(path) in str(error)
