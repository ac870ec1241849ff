"""Captures of any origin, and lines for `ugw decode`: files from machines that are not ours.

Promised: frames within the bounds of the format, or a CaptureError that names the file; never
another error; what was read can be written and is read the same again; a line to be decoded has
exactly one answer, in JSON.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from itertools import islice
from pathlib import Path
from struct import pack
from tempfile import mkdtemp
from typing import Final

import msgspec

from gateway.cli.decode_answer import Decoder
from gateway.cli.decode_input import Line
from gateway.cli.decode_lines import answer
from gateway.conformance import examples
from gateway.errors import SimulatorError
from gateway.sim.capture import Header, Record, open_source
from gateway.sim.capture.format import header_line, parse, record_line
from gateway.sim.capture.survey import Survey
from tests.fuzz.borders.advertisements import REGISTRY, on_air
from tests.fuzz.target import JSON_WORDS, Target

_MOST: Final = 2_000  # frames looked at of one file
_STARTED_US: Final = 1_795_341_600_123_000
_ADDRESS: Final = "C0:FF:EE:12:34:56"


@cache
def _folder() -> Path:
    return Path(mkdtemp(prefix="ugw-fuzz-"))


def source(name: str, start: bytes, modem: str = "") -> Callable[[bytes], None]:
    """Return a target that has a file read which begins so."""

    def run(data: bytes) -> None:
        path = _folder() / name
        path.write_bytes(start + data)
        try:
            found = open_source(path, modem)
            heards = list(islice(found, _MOST))
        except SimulatorError as error:
            assert str(path) in str(error)
            assert len(str(error)) < 2_000 + len(str(path))
            return
        for heard in heards:
            _is_within(heard.record)
            assert heard.unix_us >= 0
        _can_be_surveyed(path, modem)
        assert all(note.isprintable() for note in found.notes)

    return run


def _is_within(record: Record) -> None:
    line = record_line(record)
    again = parse(line)
    assert isinstance(again, Record)
    assert record_line(again) == line
    json.loads(line)


def _can_be_surveyed(path: Path, modem: str) -> None:
    with suppress(SimulatorError):  # for a modem that nobody can simulate
        Survey(islice(open_source(path, modem), _MOST), REGISTRY)


# ------------------------------------------------------------------------------------------- seeds
def _capture_seeds() -> Iterator[bytes]:
    header = header_line(Header.at(_STARTED_US, gateway="gw-1", software="ugw fuzz"))
    structures = ((0x16, 0xFCD2, bytes.fromhex("40000102c409")), (0x09, 0, b"Lamp"))
    records = (
        Record(
            at_us=214_000,
            medium="ble",
            source="ble:hci0",
            address=_ADDRESS,
            address_type="random",
            structures=structures,
            rssi_dbm=-60,
        ),
        Record(
            at_us=300_000,
            medium="lora",
            source="serial:usb",
            address="lora:17",
            payload=b"\1\x67\1\x10",
            rssi_dbm=-99,
            snr_db=7.25,
        ),
        Record(
            at_us=400_000,
            medium="serial",
            source="serial:usb",
            modem="reyax-rylr998",
            payload=b"+RCV=17,4,01670110,-71,9\r\n",
        ),
    )
    lines = b"".join(map(record_line, records))
    for text in (header + lines, header + lines[:-20], header + lines[:50] + b"\n" + header):
        yield text[1:]  # the target puts the brace in front


def _meta(subevent: int, report: bytes) -> bytes:
    body = bytes((subevent, 1)) + report
    return bytes((0x3E, len(body))) + body


def _btsnoop_seeds() -> Iterator[bytes]:
    address = bytes.fromhex(_ADDRESS.replace(":", ""))[::-1]
    data = bytes.fromhex("0201060916d2fc40000102c409")
    legacy = _meta(2, bytes((3, 0)) + address + bytes((len(data),)) + data + b"\xc4")
    extended = _meta(
        13,
        pack("<HB6sBBBbbHB6s", 0, 1, address, 1, 2, 1, 127, -60, 0, 0, b"")
        + bytes((len(data),))
        + data,
    )
    for kind, flags, prefix in ((2001, 3, b""), (1002, 3, b"\4"), (1001, 3, b"")):
        out = pack(">II", 1, kind)
        for number, event in enumerate((legacy, extended, legacy)):
            packet = prefix + event
            at = 0x00E03AB44A676000 + 1_000_000 * number
            out += pack(">IIIIq", len(packet), len(packet), flags, 0, at) + packet
        yield out


def _log_seeds() -> Iterator[bytes]:
    for start in (
        b"2026-11-22T10:00:00.123Z ",
        b"[2026-11-22 10:00:00,123] ",
        b"1795341600.123 ",
        b"[  123.456] ",
        b"2026-11-22T10:00:00+01:00 ",
    ):
        yield start + b"+RCV=17,8,DEADBEEF,-71,9\n" + start + b"+OK\n\nno time\n"


def _hex_log_seeds() -> Iterator[bytes]:
    yield b"1795341600.123 C0 23 5A C0\n1795341600.200 c0:00:01:67:01:10:c0\nnothing\n"


# ------------------------------------------------------------------------------------- ugw decode
@cache
def _decoder() -> Decoder:
    return Decoder(REGISTRY)


def decode(data: bytes) -> None:
    """Have one line decoded."""
    if b".js" in data:  # a vendor's codec: a file of this machine, read by another border
        return
    said = answer(_decoder(), data)
    text = said.line()
    assert "\n" not in text
    json.loads(text)
    assert answer(_decoder(), data).line() == text


def _decode_seeds() -> Iterator[bytes]:
    for model in REGISTRY.models():
        driver = REGISTRY.by_model(model)
        sample = examples.of_codec(driver).examples[0]
        air = on_air(driver, sample) if driver.is_ble else None
        address = sample.address and bytes.fromhex(sample.address).hex(":")
        line = Line(
            address=address or None,
            advertisement=None if air is None else air.hex(),
            payload=sample.payload if air is None else None,
            driver=None if air is not None and driver.strength else model,
            key=sample.key or None,
        )
        yield msgspec.json.encode(line)
    yield msgspec.json.encode(
        {"manufacturer_data": {"0x0499": "05"}, "service_data": {"fcd2": "40"}, "name": "a"}
    )


_CAPTURE: Final = ("gateway.sim.capture",)
TARGETS: Final = (
    Target(
        "capture-file",
        "captures, ugw.capture/1",
        source("one.capture", b"{"),
        _capture_seeds,
        _CAPTURE,
        most_bytes=1200,
        words=(
            *JSON_WORDS,
            b'"t":',
            b'"m":"ble"',
            b'"ad":[[22,64722,"40"]]',
            b'"addr":',
            b'"src":',
        ),
    ),
    Target(
        "btsnoop-file",
        "btsnoop files of btmon and of phones",
        source("one.btsnoop", b"btsnoop\0"),
        _btsnoop_seeds,
        _CAPTURE,
        most_bytes=1200,
    ),
    Target(
        "serial-log",
        "logs of a serial port, in text",
        source("one.log", b"", "reyax-rylr998"),
        _log_seeds,
        _CAPTURE,
        most_bytes=400,
        words=(b"2026-11-22", b"T10:00:00", b".123", b"Z ", b"+01:00", b"[", b"] ", b"9999-12-31"),
    ),
    Target(
        "serial-log-hexadecimal",
        "logs of a serial port, in hexadecimal",
        source("hex.log", b"", "rnode"),
        _hex_log_seeds,
        _CAPTURE,
        most_bytes=400,
    ),
    Target(
        "decode-lines",
        "lines for `ugw decode`",
        decode,
        _decode_seeds,
        ("gateway.cli.decode_input", "gateway.cli.decode_answer", "gateway.core", "drivers.ble"),
        most_bytes=600,
        words=(
            *JSON_WORDS,
            b'"address":',
            b'"payload":',
            b'"port":',
            b'"key":',
            b'"driver":',
            b'"manufacturer_data":',
            b'"service_data":',
            b'"service_uuids":',
        ),
    ),
)
