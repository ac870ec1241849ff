"""`ugw record` takes down what listed devices send, and of anybody else nothing."""

import asyncio
import io
import os
import signal
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.cli.record import unknown
from gateway.core.advertisement import NAME
from gateway.exit_codes import ExitCode
from gateway.sim.bluez_air import Advertisement
from gateway.sim.capture import CaptureFile, golden
from gateway.sim.emissions import Emission
from gateway.sim.lifeline import die_with_parent
from gateway.sim.world import World
from tests.brokers import HANG_S, POLL_S, strict_run
from tests.cli.calling import end_of
from tests.cli.places import Ended, configuration, radios, ugw
from tests.cli.test_radio import LAMP, NODE, PARK, a_world, sending

FRIEND = "C0:FF:EE:00:00:99"
BROKEN = "{kind: serial, device: /dev/none, modem: reyax-rylr998}"
LISTED = f"[{{address: '{LAMP}', name: Lamp}}, {NODE}]"


async def recording(
    world: World, directory: Path, *options: str, until: Callable[[], bool]
) -> Ended:
    """Record in a world until a condition holds, then press Ctrl-C."""
    async with sending(world):
        transports = radios(world).replace("[", f"[{BROKEN}, ", 1)
        path = configuration(directory, transports=transports, devices=LISTED)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway", "record", "--config", str(path), *options),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, **world.environment()},
            preexec_fn=die_with_parent,
        )
        while not until():
            assert process.returncode is None, (await process.communicate())[1].decode()
            await asyncio.sleep(POLL_S)
        process.send_signal(signal.SIGINT)
        out, err = await asyncio.wait_for(process.communicate(), HANG_S)
        assert process.returncode is not None
        return Ended(process.returncode, out.decode(), err.decode())


def test_listed_devices_are_recorded_until_it_is_told_to_end_and_nobody_else(
    tmp_path: Path,
) -> None:
    world = a_world(modems=("usb-lora",))
    file = tmp_path / "capture.jsonl"

    def has_both() -> bool:
        text = file.read_text() if file.exists() else ""
        return '"lora:17"' in text and LAMP in text

    ended = strict_run(recording(world, tmp_path, "--output", str(file), until=has_both))

    assert ended.code == ExitCode.OK, ended.err
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    capture = CaptureFile(file)
    frames = [one.record for one in capture]
    assert {frame.address for frame in frames} == {LAMP, "lora:17"}
    assert PARK not in file.read_text()
    assert not world.ledger.leaks([ended.out, ended.err, file.read_text()])
    assert world.ledger.strangers, "no stranger passed by"
    (header,) = {one.header for one in capture}
    assert (header.gateway, header.pseudonymised, header.everybody) == ("gw-1", False, False)
    assert f"{len(frames)} frames of 2 devices" in ended.out
    assert "not listed were counted and forgotten" in ended.err
    assert "serial:none heard nothing in the end: " in ended.err
    assert "ble:hci0 heard nothing" not in ended.err
    said = golden(file, [{"address": LAMP}, {"address": "lora:17", "driver": "cayenne-lpp"}])
    assert {one["device"] for one in said} == {
        "urn:dev:mac:c0ffeefffe000001",
        "ugw:capture:capture-lora-17",
    }


class Anna:
    """Somebody whose phone bears her name."""

    def first_s(self) -> float:
        return 0.0

    def gap_s(self) -> float:
        return 0.1

    def emit(self) -> Emission:
        """Say who passes by."""
        report = Advertisement(
            address="4F:00:00:00:00:07",
            address_type="random",
            name="Anna's phone",
            manufacturer={0x004C: os.urandom(8)},
        )
        return Emission(address=report.address, serial=None, copies=(report,))


def test_pseudonymised_nobody_is_named_and_sensors_still_speak(tmp_path: Path) -> None:
    world = a_world()
    world.noise.append(Anna())
    file = tmp_path / "public.jsonl"

    async def scene() -> Ended:
        async with sending(world):
            path = configuration(tmp_path, transports=radios(world), devices=LISTED)
            options = ("--all", "--yes", "--pseudonymise", "--max-size", "9kB")
            words = ("record", "-o", str(file), "-c", str(path), *options)
            return await ugw(*words, environ=world.environment())

    ended = strict_run(scene())
    assert ended.code == ExitCode.OK, ended.err
    assert "passers-by" in ended.err
    assert "--max-size allows more" in ended.err
    text = file.read_text()
    assert file.stat().st_size <= 9000
    for address in (LAMP, PARK, *world.ledger.strangers):
        assert address not in text
        digits = address.replace(":", "").lower()
        assert digits not in text
        assert bytes.fromhex(digits)[::-1].hex() not in text
    names = [s[2] for one in CaptureFile(file) for s in one.record.structures if s[0] == NAME]
    assert not [name for name in names if b"Anna" in name]
    assert "4F:00:00:00:00:07" in world.ledger.strangers
    (header,) = {one.header for one in CaptureFile(file)}
    assert (header.gateway, header.pseudonymised, header.everybody) == ("", True, True)
    frames = [one.record for one in CaptureFile(file)]
    assert {"random", "public"} <= {frame.address_type for frame in frames}  # BlueZ was asked
    (park,) = {
        frame.address for frame in frames for one in frame.structures if one[:2] == (0xFF, 1177)
    }
    assert golden(file, [{"address": park}])


# ------------------------------------------------------------------------------ without a radio
def test_everybody_is_not_recorded_unless_somebody_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    file = tmp_path / "all.jsonl"
    assert end_of("record", "-o", str(file), "--all") == ExitCode.FAILED
    told = capsys.readouterr().err
    assert "personal data" in told
    assert "say --yes" in told
    assert not file.exists()


def test_a_file_that_is_there_is_left_as_it_is(
    good: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = good.with_name("letter.txt")
    file.write_text("Dear diary")
    words = ("record", "-o", str(file), "--config", str(good))
    assert end_of(*words) == ExitCode.FAILED
    assert "is there already" in capsys.readouterr().err
    assert end_of(*words, "--append") == ExitCode.FAILED
    assert "no capture" in capsys.readouterr().err
    assert file.read_text() == "Dear diary"


def test_without_a_radio_it_says_why_and_leaves_no_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = configuration(tmp_path, transports=f"[{BROKEN}]", devices=LISTED)
    file = tmp_path / "none.jsonl"
    ended = end_of("record", "-o", str(file), "-c", str(path), "--for", "300ms")
    assert ended == ExitCode.FAILED
    assert "no radio can be used" in capsys.readouterr().err
    assert not file.exists()


def test_where_nobody_is_listed_it_does_not_listen_for_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = configuration(tmp_path, transports=f"[{BROKEN}]")
    assert end_of("record", "-o", str(tmp_path / "a"), "-c", str(path)) == ExitCode.FAILED
    told = capsys.readouterr().err
    assert "lists no device" in told
    assert "--all" in told


def test_bluez_is_asked_of_addresses_it_may_know_until_then_unknown_and_not_of_too_many() -> None:
    known = {f"C0:00:00:00:00:{number:02X}": "ble:hci0" for number in range(5)}
    heard = known | {"lora:17": "serial:a", LAMP: "ble:hci0", PARK: "ble:hci1", FRIEND: "ble:hci0"}
    assert unknown(heard, known, 2) == {"hci0": [LAMP], "hci1": [PARK]}


@pytest.mark.parametrize(
    ("option", "value"), [("--for", "10"), ("--for", "0s"), ("--max-size", "much")]
)
def test_an_option_that_makes_no_sense_is_refused(
    option: str, value: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert end_of("record", "-o", str(tmp_path / "a"), option, value) == ExitCode.USAGE
    assert option in capsys.readouterr().err
