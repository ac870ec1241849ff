"""A board is made with the real esptool on a simulated chip: whole, or it says that it is not."""

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from gateway.errors import UgwError
from gateway.exit_codes import ExitCode
from gateway.sim.esp32 import Parts
from gateway.sim.esp_rom import nvs as as_the_chip_reads
from gateway.sim.esp_rom.application import MicroPythonOnFlash
from gateway.sim.esp_rom.cable import Plugged
from gateway.sim.esp_rom.faults import Faults
from gateway.sim.esp_rom.firmware_image import PLAIN, Recipe
from gateway.sim.esp_rom.protocol import Command
from tests.brokers import Mosquitto
from tests.esp32.boards import programs
from tests.flash.boards import CONFIGURATION, NUMBER, PASSWORD, Watched, bench, chip, order
from ugw_flash.esp32 import board_work, firmware, partitions
from ugw_flash.esp32.board_work import (
    HALF_WRITTEN,
    MANIFEST,
    Bench,
    BoardOrder,
    BoardResult,
    NotReadyError,
    check_material,
    make_board,
    plan_of,
    prepare,
    wait_for_ready,
)
from ugw_flash.esp32.esptool import Esptool, PassingError
from ugw_flash.esp32.filesystem import read as files_of
from ugw_flash.esp32.verify import Compared, compare, verify_board, written_of
from ugw_flash.outcome import BadMaterialError, NoDeviceError, NotWrittenError, RefusedError

MB = 1 << 20
S3: dict[str, Any] = {"kind": "esp32s3", "flash_bytes": 8 * MB}
OF_S3 = Recipe(chip="esp32s3", flash_mb=8)
MAC = "24:0a:c4:a1:b2:c3"


def files_on(plug: Plugged) -> dict[str, bytes]:
    """Return the files of a chip, as its partition table has them."""
    flash = plug.chip.flash
    table = partitions.parse(flash.read(0x8000, 0xC00))
    region = partitions.files(table, plug.chip.silicon.flash_bytes)
    return files_of(flash.read(region.offset, region.size))


def everything(plug: Plugged) -> bytes:
    return plug.chip.flash.read(0, plug.chip.silicon.flash_bytes)


def test_a_board_gets_firmware_files_and_secrets_each_in_its_place(tmp_path: Path) -> None:
    made = order(tmp_path)
    watcher = Watched()
    with chip() as plug:
        result = make_board(made, bench(plug), watcher)
        files, flash = files_on(plug), everything(plug)
    content = made.firmware.read_bytes()
    assert flash[0x1000:0x9000] == content[:0x8000]
    assert flash[0xF000 : 0x1000 + len(content)] == content[0xE000:]
    assert as_the_chip_reads.read(flash[0x9000:0xF000]) == {"ugw": made.board.secrets}
    assert files["site/site.json"] == made.board.files["site/site.json"]
    assert files["a/gateway/esp32/main.mpy"][:2] == b"M\x06"
    assert PASSWORD.encode() not in b"".join(files.values())
    assert result == BoardResult(
        gateway="gw-1",
        mac=MAC,
        chip="ESP32-D0WD-V3 (revision v3.0)",
        flash_bytes=4 * MB,
        firmware="v1.27.0",
        firmware_sha256=made.sha256,
        software=made.software,
        digest=hashlib.sha256(files[MANIFEST]).hexdigest(),
        ready=False,
        seconds=result.seconds,
    )
    assert [name for name, _ in watcher.phases] == ["ask the board", "erase", "write and verify"]
    assert watcher.steps == sorted(watcher.steps)
    assert watcher.steps[-1] == watcher.phases[-1][1]
    assert len(watcher.steps) > 5


def test_a_chip_of_the_other_kind_is_written_from_its_first_address_and_erased_if_asked_for(
    tmp_path: Path,
) -> None:
    made = order(tmp_path, OF_S3)._replace(erase=True)
    last = 8 * MB - 4096
    with chip(**S3) as plug:
        plug.chip.flash.load(last, b"old")
        result = make_board(made, bench(plug), Watched())
        assert plug.chip.flash.read(0, 0x9000) == made.firmware.read_bytes()[:0x9000]
        assert "main.py" in files_on(plug)
        assert plug.chip.flash.read(last, 3) == b"\xff\xff\xff"
    assert result.chip.startswith("ESP32-S3")


def test_what_is_written_fits_the_flash_that_is_there_not_the_one_in_the_header(
    tmp_path: Path,
) -> None:
    made = order(tmp_path)  # whose header says 4 MB; MicroPython asks the chip
    read = firmware.read(made.firmware, made.sha256)
    free = plan_of(made, read, 16 * MB).free_bytes - plan_of(made, read, 4 * MB).free_bytes
    assert free == 12 * MB


# ------------------------------------------------------------------------------ refused beforehand
def refused(
    made: BoardOrder,
    error: type[UgwError],
    **silicon: Any,  # noqa: ANN401 - fields of Silicon
) -> UgwError:
    """Return why a board is refused, having seen that nothing was written to it."""
    with chip(**silicon) as plug:
        plug.chip.flash.load(0x1000, b"\xe9 what it had")
        before = everything(plug)
        with pytest.raises(error) as caught:
            make_board(made, bench(plug), Watched())
        assert everything(plug) == before
        asked = {Command.FLASH_DATA, Command.FLASH_DEFL_DATA, Command.ERASE_REGION}
        assert not asked & {*plug.chip.commands}
    assert type(caught.value) is error
    assert caught.value.remedy
    return caught.value


def test_a_board_with_another_chip_than_the_firmware_is_for_is_refused(tmp_path: Path) -> None:
    error = refused(order(tmp_path), BadMaterialError, **S3)
    assert "the board is an ESP32-S3" in str(error)
    assert "made for esp32" in str(error)


def test_a_board_with_less_flash_than_the_firmware_is_for_is_refused(tmp_path: Path) -> None:
    error = refused(order(tmp_path, Recipe(flash_mb=8)), BadMaterialError)
    assert "4 MB of flash, and the firmware is made for 8 MB" in str(error)


@pytest.mark.parametrize(
    ("silicon", "why"),
    [
        ({"secure_boot": 1}, "secure boot"),
        ({"secure_boot": 2}, "secure boot"),
        ({"flash_encryption": True}, "encrypted flash"),
        ({"kind": "esp32s3", "secure_boot": 2}, "secure boot"),
        ({"kind": "esp32s3", "flash_encryption": True}, "encrypted flash"),
        ({"kind": "esp32s3", "download": "secure"}, "secure download mode"),
    ],
)
def test_a_locked_board_is_refused(silicon: dict[str, Any], why: str, tmp_path: Path) -> None:
    made = order(tmp_path, OF_S3 if "kind" in silicon else PLAIN)
    assert why in str(refused(made, RefusedError, **silicon))


def test_a_board_that_is_not_the_one_of_the_sheet_is_refused(tmp_path: Path) -> None:
    made = order(tmp_path)._replace(mac="AA:BB:CC:DD:EE:FF")
    assert "and gw-1 is aa:bb:cc:dd:ee:ff" in str(refused(made, RefusedError))


def test_a_firmware_with_or_without_an_agent_is_not_taken_for_the_other(tmp_path: Path) -> None:
    with_agent = order(tmp_path, Recipe(frozen=True))
    read = firmware.read(with_agent.firmware, with_agent.sha256)
    with pytest.raises(BadMaterialError, match="would run instead"):
        check_material(with_agent, read)
    without = order(tmp_path)._replace(frozen=True)
    with pytest.raises(BadMaterialError, match="has no agent in it"):
        check_material(without, firmware.read(without.firmware, without.sha256))


def test_a_store_for_which_there_is_no_room_is_refused(tmp_path: Path) -> None:
    made = order(tmp_path, text=CONFIGURATION.replace("esp32: {", "esp32: {store: 1900KiB, "))
    with pytest.raises(BadMaterialError, match="no room for the agent, its store") as caught:
        plan_of(made, firmware.read(made.firmware, made.sha256), 4 * MB)
    assert "esp32.store" in caught.value.remedy


def test_the_rom_s_part_is_written_last(tmp_path: Path) -> None:
    made = order(tmp_path)
    plan = plan_of(made, firmware.read(made.firmware, made.sha256), 4 * MB)
    assert plan.pieces[-1].offset == 0x1000
    assert {piece.offset for piece in plan.pieces} >= {0x9000, 0xF000, 0x200000}


# ----------------------------------------------------------------------------------- faults midway
def failed(
    tmp_path: Path, faults: Faults, kind: type[UgwError], after: Callable[[Plugged], None]
) -> UgwError:
    """Return how making a board ends; `after` looks at the chip."""
    with chip(faults) as plug:
        plug.chip.flash.load(0x1000, b"\xe9 a firmware from before")
        with pytest.raises(kind) as caught:
            make_board(order(tmp_path), bench(plug), Watched())
        after(plug)
    assert type(caught.value) is kind
    assert HALF_WRITTEN in str(caught.value)
    return caught.value


def does_not_start(plug: Plugged) -> None:
    """See that the ROM finds nothing to start."""
    assert plug.chip.flash.read(0x1000, 1) != b"\xe9"


def test_a_worn_cell_is_found_by_its_digest_and_verify_says_so_too(tmp_path: Path) -> None:
    def is_bad(plug: Plugged) -> None:
        does_not_start(plug)
        plug.reset(boot_held=True)
        with pytest.raises(BadMaterialError, match="partition table is missing"):
            verify_board(plug.port, bench(plug).esptool, Watched())

    worn = Faults(worn=frozenset({0x10123}))
    error = failed(tmp_path, worn, NotWrittenError, is_bad)
    assert "what was read back is not what was written" in str(error)
    assert error.exit_code == ExitCode.NOT_WRITTEN


@pytest.mark.parametrize("blocks", [1, 12])
def test_a_board_that_is_pulled_out_midway_does_not_start(blocks: int, tmp_path: Path) -> None:
    out = Faults(unplugged_after_blocks=blocks)
    error = failed(tmp_path, out, NoDeviceError, does_not_start)
    assert error.exit_code == ExitCode.NO_DEVICE


def test_a_lost_reply_is_got_over_by_writing_all_of_it_once_more(tmp_path: Path) -> None:
    watcher = Watched()
    with chip(Faults(lost_replies={Command.SPI_FLASH_MD5: 1})) as plug:
        with_rest = bench(plug)
        make_board(order(tmp_path), with_rest, watcher)
        assert "main.py" in files_on(plug)
    assert any("the same again, slowly" in text for text in watcher.said)


def test_a_port_that_is_not_there_is_told_by_its_name(tmp_path: Path) -> None:
    made = order(tmp_path)
    with chip() as plug:
        gone = bench(plug)._replace(port="/dev/ttyUSB99")
    with pytest.raises(NoDeviceError, match="there is no port /dev/ttyUSB99"):
        make_board(made, gone, Watched())


def test_a_reply_that_is_lost_before_anything_is_written_is_asked_for_again(
    tmp_path: Path,
) -> None:
    made = order(tmp_path)
    read = firmware.read(made.firmware, made.sha256)._replace(version="v1.40.0")
    asked: list[str] = []

    class Deaf:
        def run(self, _: str, words: list[str], **_how: object) -> list[str]:
            asked.append(words[0])
            cause = "the board stopped answering"
            raise PassingError(cause, "try again")

    watcher = Watched()
    with pytest.raises(NoDeviceError, match="stopped answering"):
        prepare(made, read, Bench("p", cast("Esptool", Deaf())), watcher)
    assert asked == ["flash-id", "flash-id", "read-mac"]
    assert watcher.said == ["Nobody has tried the agent on MicroPython v1.40.0 yet."]


def another_board(folder: Path, said: str) -> Esptool:
    """Return an esptool that says this."""
    path = folder / "esptool"
    path.write_text(
        f"#!{sys.executable}\nimport time\nprint({said!r}, flush=True)\ntime.sleep(60)\n"
    )
    path.chmod(0o755)
    return Esptool(str(path), "5.6.0")


def test_a_board_that_is_exchanged_between_two_steps_is_not_written(tmp_path: Path) -> None:
    made = order(tmp_path)
    plan = plan_of(made, firmware.read(made.firmware, made.sha256), 4 * MB)
    tool = another_board(tmp_path, "MAC:                aa:bb:cc:dd:ee:ff")
    with pytest.raises(RefusedError, match="exchanged for aa:bb:cc:dd:ee:ff, which was not"):
        board_work.write(plan, made, Bench("p", tool, mac=MAC), Watched())


def test_esptool_does_not_go_on_with_whatever_board_comes_next(tmp_path: Path) -> None:
    # Its own way after an unplug: a second later it would, in the middle of a write.
    tool = another_board(tmp_path, "\nLost connection, retrying...")
    with pytest.raises(NoDeviceError, match="went away"):
        tool.run("p", ["write-flash"])


def test_ctrl_c_says_what_state_the_board_is_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Impatient(Watched):
        def phase(self, name: str, total_bytes: int | None = None) -> None:
            if name == self.until:
                raise KeyboardInterrupt
            super().phase(name, total_bytes)

        until = ""

    made, watcher = order(tmp_path), Impatient()
    states = {"erase": HALF_WRITTEN, "wait for READY": "nobody waited for its READY"}
    for watcher.until, state in states.items():
        with chip() as plug, pytest.raises(KeyboardInterrupt) as caught:
            make_board(made, bench(plug, wait_s=1), watcher)
        assert state in " ".join(caught.value.__notes__)
        monkeypatch.setattr(board_work, "write", lambda *_: None)


# ------------------------------------------------------------------------------------- read back
def test_a_board_is_verified_later_without_anything_but_itself(tmp_path: Path) -> None:
    small = CONFIGURATION.replace("esp32: {", "esp32: {store: 32KiB, ")
    recipe = Recipe(frozen=True, vfs_bytes=MB // 4)
    made = order(tmp_path, recipe, small)._replace(frozen=True)
    with chip() as plug:
        make_board(made, bench(plug), Watched())
        files = files_on(plug)
        assert {*files} == {"site/site.json", "site/devices.jsonl", MANIFEST}
        plug.reset(boot_held=True)
        found = verify_board(plug.port, bench(plug).esptool, Watched())
        assert (found.gateway, found.mac, found.files, found.updated) == ("gw-1", MAC, 2, False)

        plug.chip.flash.load(0x10500, b"\0")
        plug.reset(boot_held=True)
        with pytest.raises(NotWrittenError, match=rf"{MAC} is not whole: the firmware at 0xf000"):
            verify_board(plug.port, bench(plug).esptool, Watched())


@pytest.fixture
def files(tmp_path: Path) -> dict[str, bytes]:
    """Return the files of a board that was made."""
    made = order(tmp_path)
    plan = plan_of(made, firmware.read(made.firmware, made.sha256), 4 * MB)
    flash = bytearray(b"\xff" * 4 * MB)
    for piece in plan.pieces:
        flash[piece.offset : piece.end] = piece.content
    return files_of(bytes(flash[2 * MB :]))


def compared(files: dict[str, bytes]) -> Compared:
    return compare(files, written_of(files))


def test_what_a_board_writes_itself_is_none_of_verify_s_business(files: dict[str, bytes]) -> None:
    found = compared(files | {"store/7": b"x", "state/journal": b"y"})
    assert (found.faults, found.updated) == ([], False)
    assert found.files == len(files) - 3  # ugw.json, slots.json, a/manifest
    assert found.software.startswith("ugw ")


@pytest.mark.parametrize("path", ["site/site.json", "main.py", "a/gateway/esp32/main.mpy"])
def test_a_file_that_is_another_or_missing_is_found(path: str, files: dict[str, bytes]) -> None:
    assert compared(files | {path: files[path] + b" "}).faults == [f"{path} is another"]
    del files[path]
    assert compared(files).faults == [f"{path} is missing"]


def test_a_manifest_that_is_another_is_found(files: dict[str, bytes]) -> None:
    changed = files["a/manifest"].replace(b"ruuvi_rawv2", b"ruuvi_other")
    assert "a/manifest is another" in compared(files | {"a/manifest": changed}).faults
    assert compared(files | {"a/manifest": b""}).faults[0] == "a/manifest is missing"


def test_a_board_that_was_updated_over_the_air_is_whole_by_its_new_manifest(
    files: dict[str, bytes],
) -> None:
    content = b"M\x06 new"
    digest = hashlib.sha256(content).hexdigest()
    listed = f"{digest} {len(content)} gateway/esp32/main.mpy\n"
    files["b/gateway/esp32/main.mpy"] = content
    files["b/manifest"] = f"ugw-release 1 {NUMBER + 1} ugw 0.2 of May\n{listed}".encode()
    files["slots.json"] = b'{"slot": "b"}\n'
    del files["a/manifest"]  # as a board does before it fetches the next
    found = compared(files)
    assert (found.software, found.updated, found.faults) == ("ugw 0.2 of May", True, [])
    files["b/gateway/esp32/main.mpy"] = b"M\x06 old"
    assert compared(files).faults == ["b/gateway/esp32/main.mpy is another"]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "no ugw.json"),
        (b"{", "cannot be read"),
        (b'{"schema": 1}', "cannot be read"),
        (b'"text"', "cannot be read"),
    ],
)
def test_a_board_that_ugw_did_not_make_is_told_so(
    content: bytes | None, why: str, files: dict[str, bytes]
) -> None:
    del files[MANIFEST]
    with pytest.raises(NotWrittenError, match=why):
        written_of(files if content is None else files | {MANIFEST: content})


def test_a_board_made_by_another_ugw_is_not_misread(files: dict[str, bytes]) -> None:
    changed = files[MANIFEST].replace(b"ugw.board/1", b"ugw.board/9")
    with pytest.raises(NotWrittenError, match=r"is ugw\.board/9, and this ugw reads ugw.board/1"):
        written_of(files | {MANIFEST: changed})


def test_no_digest_of_a_secret_lies_on_a_board(tmp_path: Path) -> None:
    made = order(tmp_path)
    read = firmware.read(made.firmware, made.sha256)
    one = plan_of(made, read, 4 * MB)
    board = made.board._replace(secrets={"wifi_psk": b"another-one"})
    other = plan_of(made._replace(board=board), read, 4 * MB)
    assert one.digest == other.digest
    assert repr(one) + repr(made) == repr(other) + repr(made._replace(board=board))


# ---------------------------------------------------------------------------------- the real thing
CITY = """\
config_version: 1
gateway: {{org: kiel, id: gw-1}}
mqtt: {{host: 127.0.0.1, port: {port}}}
clock: {{source: system}}
transports: [{{kind: ble}}]
devices: [{{address: "C0:FF:EE:00:00:01", driver: ruuvi-rawv2}}]
esp32: {{wifi: {{ssid: city, password: "env:SECRET"}}, time_servers: [127.0.0.1]}}
"""


@pytest.mark.slow
def test_the_real_micropython_starts_the_agent_from_the_flash_until_the_broker_has_heard_it(
    tmp_path: Path,
) -> None:
    class Presses(Watched):
        """Taps RESET when the board was written: a pty cannot."""

        def phase(self, name: str, total_bytes: int | None = None) -> None:
            super().phase(name, total_bytes)
            if name == "wait for READY":
                plug.reset(boot_held=False)

    broker = Mosquitto(tmp_path / "broker")
    broker.start()
    application = MicroPythonOnFlash(tmp_path / "chip", Parts(programs=programs()))
    watcher = Presses()
    made = order(tmp_path, text=CITY.format(port=broker.port))
    try:
        with chip(runs=application) as plug:
            result = make_board(made, bench(plug, wait_s=60), watcher)
            assert result.ready
            assert any("broker connected" in text for text in watcher.said)
            assert any("READY gateway=gw-1" in text for text in watcher.said)

            broker.kill()
            with pytest.raises(NotReadyError) as caught:
                wait_for_ready(result, bench(plug, wait_s=2), Watched())
            error = caught.value
            assert "written and verified, but not ready after 2 s: " in str(error)
            assert "The broker 127.0.0.1" in str(error)
            assert error.exit_code == ExitCode.FAILED
            assert error.result == msgspec.structs.replace(result)
    finally:
        broker.kill()
