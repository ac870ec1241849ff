"""esptool as a program: which one is run, what of its words reaches a person, how it ends."""

import os
import sys
from pathlib import Path

import pytest

from gateway.errors import UgwError
from tests.flash.esptools import esptool
from ugw_flash.esp32 import chip, complaints
from ugw_flash.esp32 import esptool as tools
from ugw_flash.esp32.esptool import Esptool, EsptoolError, PassingError, find
from ugw_flash.outcome import BadMaterialError, NoDeviceError, NotWrittenError, RefusedError


def program(folder: Path, body: str) -> Path:
    """Write a program that stands for esptool."""
    path = folder / "esptool"
    path.write_text(f"#!{sys.executable}\nimport os, sys, time\n{body}\n")
    path.chmod(0o755)
    return path


def stand_in(folder: Path, body: str) -> Esptool:
    return Esptool(str(program(folder, body)), "5.6.0")


def test_the_real_one_is_found_and_says_its_version() -> None:
    assert find(esptool()).version.startswith("5.")


def test_the_one_that_is_named_counts_and_no_other(tmp_path: Path) -> None:
    named = program(tmp_path, "print('esptool v5.1.2')")
    assert find(named, {}) == Esptool(str(named), "5.1.2")
    assert find(None, {"UGW_ESPTOOL": str(named)}).path == str(named)
    with pytest.raises(EsptoolError, match="none is no esptool") as caught:
        find(tmp_path / "none", {"UGW_ESPTOOL": str(named)})
    assert "esptool>=5,<6" in caught.value.remedy


def test_one_on_the_path_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path, "print('esptool v5.0.0')")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "none/python"))
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "none"))
    assert find(None, {"PATH": str(tmp_path)}).path == str(tmp_path / "esptool")
    with pytest.raises(EsptoolError, match="esptool is not installed"):
        find(None, {"PATH": str(tmp_path / "empty")})


@pytest.mark.parametrize("said", ["esptool.py v4.8.1\\n4.8.1", "esptool v6.0.0"])
def test_another_version_is_refused_for_its_words_are_others(said: str, tmp_path: Path) -> None:
    with pytest.raises(EsptoolError, match="and version 5 is needed"):
        find(program(tmp_path, f"print('{said}')"), {})


def test_neither_its_variables_nor_its_settings_reach_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ESPTOOL_CHIP", "esp8266")
    monkeypatch.setenv("ESPTOOL_CFGFILE", "/etc/passwd")
    (tmp_path / "esptool.cfg").write_text("[esptool]\n")
    monkeypatch.chdir(tmp_path)
    body = "print([n for n in os.environ if n.startswith('ESPTOOL')], os.listdir('.'))"
    assert stand_in(tmp_path, body).run("p", ["flash-id"]) == ["[] []"]


def test_only_what_is_long_is_spoken_fast(tmp_path: Path) -> None:
    tool = stand_in(tmp_path, "print(sys.argv[1:])")
    asked = tool.run("p", ["flash-id"])[0]
    assert "'115200', '--after', 'no-reset'" in asked
    written = tool.run("p", ["write-flash"], starts=True)[0]
    assert "'460800', '--after', 'hard-reset'" in written


def test_lines_are_told_as_they_come_also_those_of_a_bar(tmp_path: Path) -> None:
    # The second line comes only when the first was heard.
    body = (
        "sys.stdout.write('one\\rtwo\\n'); sys.stdout.flush()\n"
        f"while not os.path.exists({str(tmp_path / 'heard')!r}): time.sleep(0.01)\n"
        "print('three')"
    )
    heard: list[str] = []

    def hear(line: str) -> None:
        heard.append(line)
        (tmp_path / "heard").touch()

    assert stand_in(tmp_path, body).run("p", ["x"], hear) == ["one", "two", "three"]
    assert heard == ["one", "two", "three"]


def test_one_that_falls_silent_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "_SILENT_S", 0.3)
    with pytest.raises(UgwError):
        stand_in(tmp_path, "print('Connecting...', flush=True); time.sleep(30)").run("p", ["x"])


def test_it_does_not_outlive_who_is_interrupted(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    body = (
        f"open({str(pid)!r}, 'w').write(str(os.getpid()))\nprint('.', flush=True)\ntime.sleep(600)"
    )

    def interrupt(_: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stand_in(tmp_path, body).run("p", ["x"], interrupt)
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


# What esptool 5.6 prints, captured, with the port as it was.
SAID = [
    (
        (
            "Could not open /dev/ttyUSB9, the port is busy or doesn't exist.\n"
            "([Errno 2] could not open port /dev/ttyUSB9: [Errno 2] No such file or "
            "directory: '/dev/ttyUSB9')"
        ),
        NoDeviceError,
        "there is no port /dev/ttyUSB9",
        "data",
    ),
    (
        (
            "Could not open /dev/ttyUSB9, the port is busy or doesn't exist.\n"
            "([Errno 13] could not open port /dev/ttyUSB9: [Errno 13] Permission denied: "
            "'/dev/ttyUSB9')"
        ),
        NoDeviceError,
        "not for you",
        "dialout",
    ),
    (
        (
            "Could not open /dev/ttyUSB9, the port is busy or doesn't exist.\n"
            "([Errno 11] Could not exclusively lock port /dev/ttyUSB9: [Errno 11] Resource "
            "temporarily unavailable)"
        ),
        NoDeviceError,
        "used by another program",
        "serial monitor",
    ),
    (
        (
            "Could not open COM3, the port is busy or doesn't exist.\n"
            "(could not open port 'COM3': PermissionError(13, 'Access is denied.', None, "
            "5))"
        ),
        NoDeviceError,
        "used by another program",
        "serial monitor",
    ),
    (
        (
            "Failed to connect to Espressif device: Wrong boot mode detected (0x13)! The "
            "chip needs to be in download mode."
        ),
        NoDeviceError,
        "boot:0x13",
        "hold BOOT, tap RESET",
    ),
    (
        (
            "Failed to connect to ESP32: Download mode successfully detected, but getting "
            "no sync reply: The serial TX path seems to be down."
        ),
        NoDeviceError,
        "does not hear",
        "RX",
    ),
    (
        "Failed to connect to Espressif device: No serial data received.",
        NoDeviceError,
        "nothing answers at /dev/ttyUSB9",
        "hold BOOT",
    ),
    (
        "This chip is ESP32-S2, not ESP32. Wrong chip argument?",
        BadMaterialError,
        "an ESP32-S2, and not an ESP32",
        "firmware for this chip",
    ),
    (
        (
            "Secure Boot V1 detected, writing to flash regions < 0x8000 is disabled to "
            "protect the bootloader."
        ),
        RefusedError,
        "signed",
        "another board",
    ),
    (
        "Detected flash encryption and secure download mode enabled.",
        RefusedError,
        "encrypted",
        "another board",
    ),
    (
        "MD5 of file does not match data in flash!",
        NotWrittenError,
        "read back",
        "worn",
    ),
    (
        (
            "device reports readiness to read but returned no data (device disconnected or "
            "multiple access on port?)"
        ),
        NoDeviceError,
        "went away",
        "firmly",
    ),
    (
        "write failed: [Errno 5] Input/output error",
        NoDeviceError,
        "went away",
        "firmly",
    ),
    (
        "Could not open port rfc2217://127.0.0.1:4000: [Errno 111] Connection refused",
        NoDeviceError,
        "went away",
        "firmly",
    ),
    (
        "Failed to set baud rate 921600. The driver may not",
        NoDeviceError,
        "not go so fast",
        "115",
    ),
    (
        "The 'flash-id' command is not available in Secure Download Mode.",
        RefusedError,
        "secure download mode",
        "another board",
    ),
]


@pytest.mark.parametrize(("said", "kind", "cause", "remedy"), SAID)
def test_what_it_complains_of_is_said_in_words_with_a_remedy(
    said: str, kind: type[UgwError], cause: str, remedy: str
) -> None:
    complaint = f"ERROR: A fatal error occurred: {said}"
    lines = ["esptool v5.6.0", "Uploading stub flasher...", *complaint.split("\n")]
    found = complaints.understood(lines, "/dev/ttyUSB9")
    assert type(found.error) is kind
    assert cause in str(found.error)
    assert remedy in found.error.remedy
    assert not found.passing


@pytest.mark.parametrize(
    "said",
    [
        "Failed to write compressed data to flash after seq 3 (result was 0109: )",
        "Serial data stream stopped: Possible serial noise or corruption.",
        "Packet content transfer stopped",
        "Failed to start stub flasher. There was no response.",
        "Timed out waiting for packet header",
    ],
)
def test_a_lost_reply_may_be_tried_once_more(said: str) -> None:
    found = complaints.understood([f"A fatal error occurred: {said}"], "p")
    assert found.passing
    assert isinstance(found.error, NotWrittenError)


def test_what_nobody_knows_is_passed_on() -> None:
    found = complaints.understood(["esptool v5.9", "ERROR: the moon is full\x1b"], "p")
    assert "the moon is full" in str(found.error)
    assert not found.passing
    assert "nothing" in str(complaints.understood([], "p").error)


def test_a_passing_complaint_can_be_told_from_others(tmp_path: Path) -> None:
    with pytest.raises(PassingError):
        stand_in(tmp_path, "sys.exit('ERROR: Timed out waiting')").run("p", ["x"])
    with pytest.raises(NoDeviceError):
        stand_in(tmp_path, "sys.exit('ERROR: No serial data received.')").run("p", ["x"])


FLASH_ID = """\
Connected to ESP32-S3 on /dev/ttyACM0:
Chip type:          ESP32-S3 (QFN56) (revision v0.2)
Features:           Wi-Fi, BT 5 (LE), Dual Core + LP Core, 240MHz, Embedded PSRAM 8MB (AP_3v3)
MAC:                f4:12:fa:01:02:03
Detected flash size: 16MB""".splitlines()


def test_what_a_board_says_of_itself_is_read() -> None:
    found = chip.parse(FLASH_ID)
    assert found.name == "esp32s3"
    assert found.description == "ESP32-S3 (QFN56) (revision v0.2)"
    assert found.mac == "f4:12:fa:01:02:03"
    assert found.flash_bytes == 16 << 20
    assert "PSRAM" in found.features


def test_a_board_that_does_not_tell_its_flash_is_not_written() -> None:
    lines = [*FLASH_ID[:-1], "Detected flash size: Unknown"]
    with pytest.raises(NoDeviceError, match="f4:12:fa:01:02:03 does not tell its size"):
        chip.parse(lines)
    with pytest.raises(NoDeviceError, match="did not say which chip"):
        chip.parse(["esptool v5.6.0"])


def test_a_board_in_secure_download_mode_is_refused() -> None:
    with pytest.raises(RefusedError, match="secure download mode"):
        chip.parse(["Chip type:          ESP32-S3 in Secure Download Mode"])


def words(*, word0: int = 0, word6: int = 0) -> tuple[int, ...]:
    return (word0, 0, 0, 0, 0, 0, word6)


@pytest.mark.parametrize(
    ("efuses", "locks"),
    [
        (words(), 0),
        (words(word6=1 << 4), 1),
        (words(word6=1 << 5), 1),
        (words(word0=1 << 20), 1),
        (words(word0=0b11 << 20), 0),  # switched on, and off again
        (words(word0=0b111 << 20, word6=1 << 5), 2),
    ],
)
def test_the_locks_of_a_classic_esp32_are_read_from_its_efuses(
    efuses: tuple[int, ...], locks: int
) -> None:
    assert len(chip.locks_of_efuses(efuses)) == locks


def test_a_report_that_says_nothing_of_locks_is_not_taken_for_an_open_board() -> None:
    assert chip.locks_of_report(["Secure Boot: Disabled", "Flash Encryption: Disabled"]) == []
    assert len(chip.locks_of_report(["Secure Boot: Enabled", "Flash Encryption: Enabled"])) == 2
    with pytest.raises(NoDeviceError, match="does not say whether it is locked"):
        chip.locks_of_report(["esptool v5.6.0"])


def test_how_far_it_is_stands_in_its_lines() -> None:
    line = "Writing at 0x00005000 ━━━╸              5.5% 16.00kB/292.97kB [0s] "
    assert tools.progress(line) == tools.Step(0x5000, 5.5)
    assert tools.progress("Wrote 300000 bytes at 0x00001000 in 0.3 seconds") is None
