"""`ugw decode`: what a frame says, by whom and why, or why not; and captures in bulk."""

import io
import json
import os
import pty
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import decode_lines
from gateway.cli.decode_answer import Decoder
from gateway.cli.decode_page import SAID
from gateway.conformance.claims import structure_of
from gateway.conformance.examples import Example, of_codec
from gateway.core import refusal
from gateway.driver import LISTED_SERVICE, LOCAL_NAME, SERVICE_DATA, LoadedDriver
from gateway.exit_codes import ExitCode
from gateway.registry import Registry, discover
from tests.brokers import HANG_S
from tests.cli.calling import end_of, read_until
from tests.cli.conftest import Command

RUUVI = "0512FC5394C37C0004FFFC040CAC364200CDCBB8334C884F"
ON_AIR = "0x0201061BFF9904" + RUUVI
BTHOME = "4002c40903bf13"
SEALED, KEY, SENDER = (  # the example of bthome.io/encryption
    "41a47266c95f730011223378237214",
    "231d39c1d7cc1ab1aee224cd096db932",
    "54:48:E6:8F:80:A5",
)
UUID = "0000fcd2-0000-1000-8000-00805f9b34fb"
WEAK = '''"""Weak: the same bytes as anybody."""
from gateway.core.fields import u8
API, MODEL, MATCH, STRENGTH = 1, "NAME", {"manufacturer_id": 0x4711}, 0
def decode(payload, context): return [("battery_level", u8(payload, 0), 0, "")]
'''


def answers(registry: Registry, *lines: object) -> list[dict[str, Any]]:
    """Return the answers to some lines, each a line of JSON."""
    text = b"\n".join(x if isinstance(x, bytes) else json.dumps(x).encode() for x in lines)
    with Decoder(registry) as decoder:
        given = list(decode_lines.answers(decoder, io.BytesIO(text)))
    assert not [line for line in given if "\n" in line]
    return [json.loads(line) for line in given]


def answer(line: object, registry: Registry | None = None) -> dict[str, Any]:
    """Return the answer to one line."""
    [only] = answers(registry or discover(), line)
    return only


def values(given: dict[str, Any]) -> dict[str, Any]:
    return {result["observedProperty"]: result["result"] for result in given["results"]}


def weak_drivers(folder: Path, *names: str) -> Registry:
    """Load drivers that are too weak to be chosen by what they match."""
    for name in names:
        text = WEAK.replace("NAME", name)
        # Two may not match the same: each has a longer beginning than the one before.
        prefix = f', "prefix": {bytes([7] * names.index(name))!r}}}'
        (folder / f"{name}.py").write_text(text.replace("0x4711}", "0x4711" + prefix))
    return discover(folder)


# ------------------------------------------------------------------------------------- for people
def test_an_advertisement_is_decoded_and_it_says_by_whom_and_why(ugw: Command) -> None:
    done = ugw("decode", ON_AIR)

    assert (done.returncode, done.stderr) == (ExitCode.OK, "")
    shown = " ".join(done.stdout.split())
    assert "driver ruuvi-rawv2" in shown
    assert "manufacturer data of company 0x0499, beginning with 05" in shown
    assert "air temperature 24.3 °C" in shown
    assert "counter 205" in shown


@pytest.mark.parametrize(
    "written",
    [
        ON_AIR,
        ON_AIR.lower(),
        " ".join(ON_AIR[2:][at : at + 2] for at in range(0, len(ON_AIR) - 2, 2)),
        ", ".join("0x" + ON_AIR[2:][at : at + 2] for at in range(0, len(ON_AIR) - 2, 2)),
    ],
)
def test_hexadecimal_may_be_written_as_apps_write_it(
    written: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert end_of("decode", written, "--json") == ExitCode.OK
    assert values(json.loads(capsys.readouterr().out))["air_temperature"] == 24.3


@pytest.mark.parametrize(
    "words",
    [
        ("--manufacturer", "0x0499", RUUVI),
        ("--manufacturer", "1177", RUUVI),
        ("--driver", "ruuvi-rawv2", RUUVI),
        ("--driver", "ruuvi-rawv2", ON_AIR),
        ("--example", "ruuvi-rawv2"),
    ],
)
def test_a_payload_alone_is_told_from_an_advertisement(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert end_of("decode", *words, "--json") == ExitCode.OK
    given = json.loads(capsys.readouterr().out)
    assert given["driver"] == "ruuvi-rawv2"
    assert values(given)["air_temperature"] == 24.3


def test_a_payload_without_a_word_on_what_it_is_is_not_guessed_at(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert end_of("decode", BTHOME) == ExitCode.USAGE
    assert "--service" in capsys.readouterr().err


def test_what_nobody_recognises_is_told_with_who_is_near(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert end_of("decode", "--manufacturer", "0x0499", "77") == ExitCode.FAILED
    shown = " ".join(capsys.readouterr().out.split())
    assert "unknown no driver recognises it" in shown
    assert "beginning with 05; this begins with 77" in shown


def test_a_wrong_option_is_a_fault_of_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert end_of("decode") == ExitCode.USAGE
    assert end_of("decode", "--service", "0xfcd2", "4") == ExitCode.USAGE
    assert "half a byte" in capsys.readouterr().err
    assert end_of("decode", "--driver", "nobody", "00") == ExitCode.FAILED
    assert "there is no driver 'nobody'" in capsys.readouterr().err


def test_each_reason_to_refuse_a_frame_has_its_words() -> None:
    reasons = {value for name, value in vars(refusal).items() if name.isupper()}
    assert reasons <= set(SAID)


# ------------------------------------------------------------------------------------------- keys
def test_a_key_comes_by_reference_and_is_not_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "key"
    file.write_text(KEY)
    file.chmod(0o600)
    monkeypatch.setenv("A_KEY", KEY)
    for reference in (f"file:{file}", "env:A_KEY"):
        words = ("--service", "fcd2", SEALED, "--address", SENDER, "--key", reference)
        assert end_of("decode", *words) == ExitCode.OK
        said = capsys.readouterr()
        assert "25.06 °C" in said.out
        assert "opened with the key" in said.out
        assert KEY not in said.out + said.err
        assert said.err == ""


def test_a_key_on_the_command_line_is_taken_and_warned_of(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ("--service", "fcd2", SEALED, "--address", SENDER, "--key", KEY)
    assert end_of("decode", *words) == ExitCode.OK
    said = capsys.readouterr()
    assert "history" in said.err
    assert KEY not in said.out + said.err


def test_a_wrong_key_is_not_repeated(capsys: pytest.CaptureFixture[str]) -> None:
    for key in ("not-a-key", KEY[:-2]):
        words = ("--service", "fcd2", SEALED, "--address", SENDER, "--key", key)
        assert end_of("decode", *words) == ExitCode.USAGE
        said = capsys.readouterr()
        assert key not in said.out + said.err
    assert end_of("decode", "--service", "fcd2", SEALED, "--key", KEY) == ExitCode.FAILED
    assert "no --address was given" in " ".join(capsys.readouterr().out.split())


def test_without_a_terminal_nobody_is_asked_for_a_key(ugw: Command) -> None:
    done = ugw("decode", "--service", "fcd2", SEALED, "--key", "ask")
    assert done.returncode == ExitCode.FAILED
    assert "no terminal" in done.stderr


def test_on_a_terminal_the_key_is_asked_for_and_not_echoed() -> None:
    master, slave = pty.openpty()
    words = ("decode", "--service", "fcd2", SEALED, "--address", SENDER, "--key", "ask")
    with subprocess.Popen(
        [sys.executable, "-m", "gateway", *words],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    ) as process:
        os.close(slave)
        read_until(master, "not shown")
        os.write(master, KEY.encode() + b"\n")
        shown = read_until(master, "relative humidity")
        assert process.wait(60) == ExitCode.OK
    os.close(master)
    assert "25.06" in shown
    assert KEY not in shown


# ---------------------------------------------------------------------------------------- in bulk
def test_each_line_is_answered_with_one_line_whatever_stands_in_it() -> None:
    lines: tuple[object, ...] = (
        {"manufacturer_data": {"1177": RUUVI}},
        b"",
        b"nonsense",
        b"\xff\xfe",
        b"[" * 100_000,
        [1],
        {},
        {"manufacturer_data": None, "service_data": None},
        {"manufacturer_data": {"65536": "00"}},
        {"manufacturer_data": {"-1": "00"}},
        {"service_data": {"fcd": "00"}},
        {"payload": "0g"},
        {"payload": 7},
        {"payload": "00", "port": 256},
        {"payload": "00", "driver": "nobody"},
        {"payload": "00", "codec": "/nowhere/codec.js"},
        {"service_data": {UUID: BTHOME}, "key": "00"},
        {"service_data": {UUID: BTHOME}},
    )
    given = answers(discover(), *lines)

    assert len(given) == len(lines)
    assert all(set(one) >= {"driver", "results", "decoded", "refused"} for one in given)
    assert [one["driver"] for one in (given[0], given[-1])] == ["ruuvi-rawv2", "bthome-v2"]
    assert given[1]["refused"] == "bad_input: the line is empty"
    for one in given[1:-1]:
        assert one["driver"] is None
        assert one["results"] == []
        assert one["refused"].startswith("bad_input: ")


def test_the_mark_that_windows_puts_before_a_file_is_no_part_of_its_first_line() -> None:
    line = json.dumps({"manufacturer_data": {"1177": RUUVI}}).encode()
    (given,) = answers(discover(), b"\xef\xbb\xbf" + line)
    assert given["driver"] == "ruuvi-rawv2"


def test_an_advertisement_as_captures_have_it_is_decoded_to_the_digit() -> None:
    given = answer(
        {
            "address": "C0:FF:EE:00:00:01",
            "name": "Ruuvi",
            "rssi": -60,
            "manufacturer_data": {"1177": RUUVI},
            "service_data": {},
            "service_uuids": [],
            "key": None,
            "tx_power": 4,
        }
    )
    assert given["refused"] is None
    assert given["decoded"] is None
    assert given["results"][0] == {
        "observedProperty": "air_temperature",
        "result": 24.3,
        "unit": "Cel",
    }
    assert given["results"][3] == {
        "observedProperty": "acceleration",
        "channel": "x",
        "result": 0.0392266,
        "unit": "m/s2",
    }


@pytest.mark.parametrize("uuid", [UUID, UUID.upper(), "fcd2", "FCD2", "0xfcd2", "0000fcd2"])
def test_a_uuid_may_be_short_or_in_full(uuid: str) -> None:
    assert answer({"service_data": {uuid: BTHOME}})["driver"] == "bthome-v2"


def test_an_encrypted_one_needs_its_key_and_its_address() -> None:
    line = {"address": SENDER, "service_data": {UUID: SEALED}, "key": KEY}
    assert values(answer(line)) == {"air_temperature": 25.06, "relative_humidity": 50.55}
    assert answer({**line, "key": None})["refused"] == refusal.NO_KEY
    assert answer({**line, "address": "54:48:E6:8F:80:A6"})["refused"] == refusal.BAD_MIC
    assert answer({**line, "address": None})["refused"] == refusal.BAD_MIC
    assert answer({**line, "service_data": {UUID: BTHOME}})["refused"] == refusal.NOT_ENCRYPTED


@pytest.mark.parametrize(
    ("uuid", "sent"),
    [
        ("fe95", "5020aa01da219335342d580d1004fe004802"),
        ("181a", "a4c1380283f400e02d490b2c2e"),
    ],
)
def test_what_is_in_clear_needs_no_address_though_it_holds_one(uuid: str, sent: str) -> None:
    given = answer({"service_data": {uuid: sent}})
    assert given["refused"] is None
    assert given["results"]


@pytest.mark.parametrize(
    ("uuid", "sealed"),
    [
        ("fcd2", SEALED),
        ("fe95", "58588b09a38e3d95ca05a1fbf9a1d7f7d5000011223344"),
        ("181a", "11d603fbfa7b6dfb1e26fd"),
        ("181e", "fba435e4d3c312fb0011223357d90a99"),
    ],
)
def test_a_nonce_made_without_an_address_opens_nothing(uuid: str, sealed: str) -> None:
    line = {"service_data": {uuid: sealed}}
    assert answer(line)["refused"] == refusal.NO_KEY
    assert answer({**line, "key": KEY})["refused"] == refusal.BAD_MIC


def test_a_lora_payload_names_its_codec() -> None:
    given = answer({"payload": "03670110056700ff", "port": 2, "codec": "cayenne-lpp"})
    assert given["driver"] == "cayenne-lpp"
    assert [(one["channel"], one["result"]) for one in given["results"]] == [
        ("3", 27.2),
        ("5", 25.5),
    ]
    assert "weak" not in given


def test_what_is_out_of_range_and_what_is_missing_are_marked() -> None:
    given = answer({"payload": "00670bb8", "driver": "cayenne-lpp"})  # 300 Cel
    [result] = given["results"]
    assert (result["quality"], result["flags"]) == ("bad", ["out_of_range"])
    missing = RUUVI.replace("12FC", "8000")
    [first, *_] = answer({"manufacturer_data": {"0x0499": missing}})["results"]
    assert (first["result"], first["quality"]) == (None, "missing")


def test_one_weak_driver_answers_and_is_marked_as_a_guess(tmp_path: Path) -> None:
    registry = weak_drivers(tmp_path, "one")
    line = {"manufacturer_data": {"0x4711": "0763"}}
    given = answer(line, registry)
    assert (given["driver"], given["weak"]) == ("one", True)
    assert values(given) == {"battery_level": 7}
    named = answer({**line, "driver": "one"}, registry)
    assert values(named) == {"battery_level": 7}
    assert "weak" not in named


def test_of_several_weak_drivers_none_answers(tmp_path: Path) -> None:
    registry = weak_drivers(tmp_path, "one", "two")
    given = answer({"manufacturer_data": {"0x4711": "0763"}}, registry)
    assert (given["driver"], given["refused"]) == (None, "ambiguous")
    assert given["candidates"] == ["one", "two"]


def test_a_driver_with_a_bug_ends_no_stream(tmp_path: Path) -> None:
    text = WEAK.replace("NAME", "buggy").replace("0}", "0}").replace("}, 0", "}, 1")
    (tmp_path / "buggy.py").write_text(text.replace("u8(payload, 0)", "payload[9]"))
    registry = discover(tmp_path)
    first, second = answers(
        registry, {"manufacturer_data": {"18193": "07"}}, {"service_data": {"fcd2": BTHOME}}
    )
    assert first["refused"] == refusal.DRIVER_FAULT
    assert second["driver"] == "bthome-v2"


def test_a_bug_of_a_driver_of_ours_ends_no_stream_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drivers.ble.bthome_v2.decode", lambda _payload, _context: 1 / 0)
    assert answer({"service_data": {"fcd2": BTHOME}})["refused"] == refusal.DRIVER_FAULT


def test_a_line_without_end_is_answered_and_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode_lines, "MOST_BYTES", 100)
    long, next_one = answers(discover(), b" " * 1000, {"service_data": {"fcd2": BTHOME}})
    assert "at most 100 bytes" in long["refused"]
    assert next_one["driver"] == "bthome-v2"


def test_lines_are_answered_as_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    with subprocess.Popen(
        [sys.executable, "-m", "gateway", "decode", "--json"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        guard = threading.Timer(HANG_S, process.kill)
        guard.start()
        for _ in range(3):  # each answer is there before the next line is
            process.stdin.write(json.dumps({"service_data": {"fcd2": BTHOME}}).encode() + b"\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["driver"] == "bthome-v2"
        process.stdin.close()
        assert process.wait(HANG_S) == ExitCode.OK
        guard.cancel()


def test_who_reads_the_answers_may_leave() -> None:
    line = json.dumps({"service_data": {"fcd2": BTHOME}})
    done = subprocess.run(  # noqa: S602 - a pipe as people type it
        f"yes '{line}' | {sys.executable} -m gateway decode --json | head -n 2",
        shell=True,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert len(done.stdout.splitlines()) == 2
    assert done.stderr == ""


# -------------------------------------------------------------------------------- vendors' codecs
def test_a_vendors_codec_says_all_and_what_it_means_is_only_proposed(tmp_path: Path) -> None:
    pytest.importorskip("quickjs")
    codec = tmp_path / "codec.js"
    codec.write_text(
        "function decodeUplink(input) {"
        " return {data: {temperature: input.bytes[0] / 10, port: input.fPort, odd: {thing: 1}}}; }"
    )
    given = answer({"payload": "d5", "port": 7, "codec": str(codec)})
    assert given["decoded"] == {"temperature": 21.3, "port": 7, "odd": {"thing": 1}}
    assert values(given) == {"air_temperature": 21.3}
    assert given["proposed"] == {"temperature": "air_temperature"}
    assert "odd.thing" in given["unmapped"]
    assert given["refused"] is None


def test_a_codec_that_fails_costs_its_line(tmp_path: Path) -> None:
    pytest.importorskip("quickjs")
    codec = tmp_path / "codec.js"
    codec.write_text("function decodeUplink(input) { throw new Error('no'); }")
    given = answer({"payload": "d5", "codec": str(codec)})
    assert given["refused"] == refusal.CODEC_ERROR
    assert "no" in given["cause"]


# ------------------------------------------------------------------------------------- all of it
EVERY = discover()


def as_captured(driver: LoadedDriver, example: Example) -> dict[str, Any]:
    """Write an example as a capture has it."""
    line: dict[str, Any] = {"address": example.address or None, "key": example.key or None}
    if not driver.is_ble:
        return {"payload": example.payload, "port": example.port, "codec": driver.model}
    if driver.poll is not None:
        return {**line, "payload": example.payload, "driver": driver.model}
    structure = structure_of(driver, example)
    assert structure is not None
    ad_type, identifier, data = structure
    if driver.payload == "manufacturer":
        company = int.from_bytes(bytes.fromhex(example.payload[:4]), "little")
        line["manufacturer_data"] = {str(company): example.payload[4:]}
    if ad_type == LOCAL_NAME:
        line["name"] = data.decode()
    elif ad_type == LISTED_SERVICE:
        line["service_uuids"] = [uuid_text(identifier)]
    elif ad_type == SERVICE_DATA:
        line["service_data"] = {uuid_text(identifier): example.payload}
    elif driver.payload == "structure":
        line["manufacturer_data"] = {hex(identifier): example.payload}
    return line


def uuid_text(number: int) -> str:
    digits = f"{number:032x}" if number >> 32 else f"{number:08x}00001000800000805f9b34fb"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


@pytest.mark.parametrize("model", EVERY.models())
def test_each_example_of_a_driver_comes_out_of_a_capture_as_it_stands_there(model: str) -> None:
    driver = EVERY.by_model(model)
    if driver.payload == "advertisement":
        pytest.skip("what it reads is whole advertisements: those of tests/differential")
    examples = of_codec(driver).examples
    text = "\n".join(json.dumps(as_captured(driver, example)) for example in examples)
    with Decoder(EVERY) as decoder:
        lines = list(decode_lines.answers(decoder, io.BytesIO(text.encode())))

    assert len(lines) == len(examples)
    for example, line in zip(examples, lines, strict=True):
        given = json.loads(line, parse_float=str, parse_int=str)
        assert given["driver"] == model, example.name
        assert given["refused"] is None, example.name
        said = [
            tuple(one[key] for key in ("observedProperty", "result", "channel") if key in one)
            for one in given["results"]
        ]
        assert said == [tuple(reading) for reading in example.readings], example.name
