"""`ugw flash list` and `ugw flash doctor`; how every command of `ugw flash` answers."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import typer

from gateway.cli.terminal import show
from gateway.errors import UgwError
from gateway.exit_codes import ExitCode
from tests.flash.lsblk_worlds import GB, Looks
from tests.flash.test_files import end_of
from ugw_flash.commands import listing
from ugw_flash.commands.answers import answer, answering, asking, leaving
from ugw_flash.desk import Check, Desk, State, examine
from ugw_flash.disks.model import Disk, DiskSource, Kind, Partition
from ugw_flash.disks.policy import judge
from ugw_flash.esp32.ports import Port
from ugw_flash.outcome import NoDeviceError, RefusedError

OWN = Disk(path="/dev/nvme0n1", size=512 * GB, kind=Kind.NVME, of_system="/ is on it")
CARD = Disk(
    path="/dev/sdb",
    size=32 * GB,
    kind=Kind.USB,
    model="Card reader",
    serial="00012345",
    parts=(Partition(path="/dev/sdb1", size=GB, filesystem="vfat", label="bootfs\x1b[2J"),),
)
EMPTY = Disk(path="/dev/sdc", size=0, kind=Kind.USB)
BOARD = Port(path="/dev/ttyUSB0", chip_hint="an ESP32", vid_pid="10c4:ea60")
MODEM = Port(path="/dev/ttyS0", reason="it is not at USB")


def test_the_list_says_of_each_disk_and_board_whether_it_may_be_written_and_why(
    capsys: pytest.CaptureFixture[str],
) -> None:
    disks = [(disk, judge(disk)) for disk in (OWN, CARD, EMPTY)]
    show(listing.page(disks, [BOARD, MODEM]))
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line}
    assert "forbidden" in lines[OWN.path]
    assert "/ is on it" in lines[OWN.path]
    assert "usable" in lines[CARD.path]
    assert "00012345" in lines[CARD.path]
    assert "bootfs" in lines[CARD.path]
    assert "no card is in it" in lines[EMPTY.path]
    assert "usable" in lines[BOARD.path]
    assert "unusual" in lines[MODEM.path]
    assert "not at USB" in lines[MODEM.path]


def test_the_label_of_a_card_cannot_drive_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    show(listing.page([(CARD, judge(CARD))], []))
    assert "\x1b" not in capsys.readouterr().out


def test_the_list_for_programs_has_grade_and_reasons() -> None:
    disks = [(disk, judge(disk)) for disk in (OWN, CARD)]
    found = json.loads(json.dumps(listing.facts(disks, [BOARD])))
    grades = {disk["path"]: (disk["grade"], len(disk["reasons"])) for disk in found["disks"]}
    assert grades == {OWN.path: ("forbidden", 1), CARD.path: ("usable", 0)}
    assert found["disks"][0]["ofSystem"] == "/ is on it"
    assert found["disks"][0]["sizeBytes"] == 512 * GB
    assert found["disks"][1]["parts"][0]["filesystem"] == "vfat"
    assert found["boards"][0]["vidPid"] == "10c4:ea60"


@pytest.mark.parametrize("command", ["list", "doctor"])
def test_a_program_finds_one_object_on_standard_output(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code = end_of(monkeypatch, command, "--json")
    said = json.loads(capsys.readouterr().out)
    assert said["ok"] is (code == ExitCode.OK)


def test_a_desk_that_lacks_something_ends_with_1_and_one_object(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("UGW_ESPTOOL", str(tmp_path / "none"))
    assert end_of(monkeypatch, "doctor", "--json") == ExitCode.FAILED
    said = json.loads(capsys.readouterr().out)
    states = {check["name"]: check["state"] for check in said["checks"]}
    assert (said["ok"], states["esptool"]) == (False, "bad")


def test_people_are_told_about_this_desk(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert end_of(monkeypatch, "doctor") in (ExitCode.OK, ExitCode.FAILED)
    said = capsys.readouterr().out
    for name in ("disks", "esptool", "libraries", "space", "clock"):
        assert f"\n{name} " in said


def test_an_error_becomes_one_object_for_a_program_and_its_exit_code(
    capsys: pytest.CaptureFixture[str],
) -> None:
    cause, remedy = "a disk of this system", "insert a card"
    with pytest.raises(typer.Exit) as ended, answering(as_json=True):
        raise RefusedError(cause, remedy)
    assert ended.value.exit_code == ExitCode.REFUSED
    assert json.loads(capsys.readouterr().out) == {
        "ok": False,
        "error": cause,
        "remedy": remedy,
        "exitCode": 5,
    }


def test_an_error_is_left_to_ugw_for_a_person(capsys: pytest.CaptureFixture[str]) -> None:
    cause = "a disk of this system"
    with pytest.raises(RefusedError), answering(as_json=False):
        raise RefusedError(cause)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("as_json", [True, False])
def test_ctrl_c_says_what_state_the_card_is_in(
    as_json: bool,  # noqa: FBT001 - a parameter of the test
    capsys: pytest.CaptureFixture[str],
) -> None:
    state = "The card does not boot; the same command goes on with it."
    with (
        pytest.raises(KeyboardInterrupt),
        answering(as_json=as_json),
        leaving(lambda: state),
    ):
        raise KeyboardInterrupt
    told = capsys.readouterr()
    assert state in told.err
    assert (json.loads(told.out) if as_json else told.out) == (
        {"ok": False, "error": state, "remedy": "", "exitCode": 130} if as_json else ""
    )


def test_an_answer_is_sentences_for_a_person_and_an_object_for_a_program(
    capsys: pytest.CaptureFixture[str],
) -> None:
    answer({"card": "1"}, as_json=False, text="It is done.\nTake it out.")
    assert capsys.readouterr().out == "It is done.\nTake it out.\n"
    answer({"card": "1"}, as_json=True, text="It is done.")
    assert json.loads(capsys.readouterr().out) == {"ok": True, "card": "1"}


def test_without_a_terminal_nobody_is_asked() -> None:
    assert asking(yes=True) is None
    with pytest.raises(UgwError, match="no terminal"):
        asking(yes=False)


def fine(root: Path) -> Desk:
    """Return a desk with everything on it."""
    return Desk(
        disks=lambda: Looks([OWN, CARD]),
        root=root,
        may_write=lambda _: True,
        is_admin=lambda: False,
        has_module=lambda _: True,
        esptool=lambda: "version 5.6.0",
        mpy_cross=lambda: "mpy v6.3",
        free_bytes=lambda: 9 * GB,
        now_s=lambda: 9e9,
        ask=lambda _: "yes\n",
    )


def checked(desk: Desk) -> dict[str, Check]:
    return {check.name: check for check in examine(desk)}


def no_disks() -> DiskSource:
    cause, remedy = "there is no lsblk here", "install util-linux"
    raise NoDeviceError(cause, remedy)


def no_esptool() -> str:
    cause, remedy = "esptool is version 4.8", "pip install 'esptool>=5,<6'"
    raise UgwError(cause, remedy)


def unsynchronised(_command: Sequence[str]) -> str:
    return "no\n"


def test_a_desk_with_everything_on_it_is_good(tmp_path: Path) -> None:
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/ttyUSB0").touch()
    states = {check.state for check in examine(fine(tmp_path))}
    assert states == {State.GOOD}


@pytest.mark.parametrize(
    ("changes", "name", "state", "remedy"),
    [
        ({"disks": no_disks}, "disks", State.BAD, "util-linux"),
        ({"may_write": lambda _: False}, "rights: cards", State.WARNING, "sudo"),
        ({"may_write": lambda _: False}, "rights: ports", State.BAD, "dialout"),
        ({"esptool": no_esptool}, "esptool", State.BAD, "esptool>=5"),
        ({"mpy_cross": no_esptool}, "mpy-cross", State.BAD, "esptool"),
        ({"has_module": lambda _: False}, "libraries", State.BAD, "urban-gateway[flash]"),
        ({"free_bytes": lambda: GB // 2}, "space", State.WARNING, "TMPDIR"),
        ({"free_bytes": lambda: GB // 100}, "space", State.BAD, "TMPDIR"),
        ({"now_s": lambda: 0.0}, "clock", State.BAD, "time"),
        ({"ask": unsynchronised}, "clock", State.WARNING, "set-ntp"),
    ],
)
def test_what_is_missing_on_a_desk_has_a_remedy(
    tmp_path: Path, changes: dict[str, object], name: str, state: State, remedy: str
) -> None:
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/ttyUSB0").touch()
    desk = fine(tmp_path)._replace(**changes)  # type: ignore[arg-type]
    found = checked(desk)[name]
    assert found.state is state
    assert remedy in found.remedy
    assert found.says


def test_an_administrator_may_write_cards_whatever_their_files_say(tmp_path: Path) -> None:
    desk = fine(tmp_path)._replace(may_write=lambda _: False, is_admin=lambda: True)
    assert checked(desk)["rights: cards"].state is State.GOOD


def test_a_braille_service_that_takes_the_ports_of_boards_is_told(tmp_path: Path) -> None:
    rules = tmp_path / "usr/lib/udev/rules.d"
    rules.mkdir(parents=True)
    (rules / "85-brltty.rules").touch()
    assert "brltty" in checked(fine(tmp_path))["braille"].remedy
