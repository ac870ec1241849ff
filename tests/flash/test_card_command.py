"""`ugw flash pi` and `ugw flash verify`, as whoever installs gateways calls them."""

import json
import subprocess
from pathlib import Path

import pytest

from gateway.cli import main as entry
from gateway.exit_codes import ExitCode
from tests.flash import desks
from tests.flash.cards import BOOT_AT, BOOT_BYTES, CARD_BYTES, PACKAGE, loop_device, pi_packed
from ugw_flash import commands
from ugw_flash.bundle.contents import NAME, SCHEMA, SHEET, Contents, Material, digests


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("desk")
    packed, sha256 = pi_packed()
    (folder / "raspios.img.xz").write_bytes(packed)
    text = desks.PI.replace("pi.img", "raspios.img.xz").replace(desks.SHA256, sha256)
    desks.profile(folder, text, ugw_deb=PACKAGE)
    return folder


@pytest.fixture
def ugw(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> "Ugw":
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(entry, "entry_points", lambda group: [_Entry()] * (group == entry.GROUP))
    return Ugw()


class Ugw:
    """The command."""

    def __call__(self, *words: object) -> int:
        with pytest.raises(SystemExit) as ended:
            entry.main(("flash", *map(str, words)))
        code = ended.value.code
        return ExitCode.OK if code is None else int(code)


class _Entry:
    name = "flash"

    def load(self) -> object:
        return commands


Captured = pytest.CaptureFixture[str]


def test_a_card_is_made_as_a_file_and_verified(
    ugw: Ugw, desk: Path, tmp_path: Path, capsys: Captured
) -> None:
    card = tmp_path / "card.img"

    assert ugw("pi", "--profile", desk, "--gateway", "gw-1", "--to", card, "--json") == 0
    made = json.loads(capsys.readouterr().out)
    assert (made["ok"], made["gateway"], made["foundBytes"]) == (True, "gw-1", 0)

    assert ugw("verify", card, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["gateway"], found["imageSha256"]) == ("gw-1", made["imageSha256"])
    assert found["compared"]
    assert found["firstBoot"] is None
    assert ugw("verify", card) == 0
    assert "is complete, and 26 MB of it are what was written" in capsys.readouterr().out


def test_a_card_that_was_changed_or_cut_short_ends_with_6(
    ugw: Ugw, desk: Path, tmp_path: Path, capsys: Captured
) -> None:
    card = tmp_path / "card.img"
    ugw("pi", "--profile", desk, "--gateway", "gw-1", "--to", card)
    whole = card.read_bytes()
    at = BOOT_AT + BOOT_BYTES + 7
    card.write_bytes(whole[:at] + b"\x00\x01" + whole[at + 2 :])
    capsys.readouterr()

    assert ugw("verify", card) == ExitCode.NOT_WRITTEN
    assert "is not what was written" in capsys.readouterr().err
    card.write_bytes(bytes(512) + whole[512:])
    assert ugw("verify", card, "--json") == ExitCode.NOT_WRITTEN
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is False
    assert told["exitCode"] == ExitCode.NOT_WRITTEN
    assert "never completed" in told["error"]


def test_a_rehearsal_checks_everything_and_writes_nothing(
    ugw: Ugw, desk: Path, tmp_path: Path, capsys: Captured
) -> None:
    words = ("pi", "--profile", desk, "--gateway", "gw-1", "--to", tmp_path / "card.img")
    assert ugw(*words, "--dry-run") == 0
    assert "Nothing was written" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_an_image_that_is_not_the_published_one_ends_with_8(
    ugw: Ugw, desk: Path, tmp_path: Path, capsys: Captured
) -> None:
    other = tmp_path / "desk"
    other.mkdir()
    text = desks.PI.replace("pi.img", str(desk / "raspios.img.xz"))
    desks.profile(other, text, ugw_deb=PACKAGE)
    words = ("pi", "--profile", other, "--gateway", "gw-1", "--to", tmp_path / "card.img")
    assert ugw(*words, "--json") == ExitCode.BAD_MATERIAL
    assert "is not the image it should be" in json.loads(capsys.readouterr().out)["error"]


def test_a_file_that_is_there_is_refused_before_anything_is_read(
    ugw: Ugw, desk: Path, tmp_path: Path, capsys: Captured
) -> None:
    (tmp_path / "card.img").write_text("of somebody")
    words = ("pi", "--profile", desk, "--gateway", "gw-1", "--to", tmp_path / "card.img")
    assert ugw(*words) == ExitCode.REFUSED
    said = capsys.readouterr().err
    assert "no file is ever replaced" in said
    assert "check image" not in said


def test_a_disk_is_written_once_it_was_named_twice_and_not_over_a_gateway(
    ugw: Ugw, desk: Path, tmp_path: Path, capsys: Captured
) -> None:
    with (tmp_path / "disk").open("wb") as file:
        file.truncate(CARD_BYTES)
    with loop_device(tmp_path / "disk") as path:
        words = ["pi", "--profile", desk, "--gateway", "gw-1", "--to", path, "--yes"]
        assert ugw(*words) == ExitCode.REFUSED
        assert "is not clearly a card" in capsys.readouterr().err
        words += ["--allow-disk", path, "--i-know"]
        assert ugw(*words) == 0
        assert ugw("verify", path) == 0
        assert ugw(*words) == ExitCode.REFUSED
        assert "this card is that of gw-1" in capsys.readouterr().err
        assert ugw(*words, "--again") == 0
        boot = tmp_path / "boot"
        boot.write_bytes(Path(path).read_bytes()[BOOT_AT : BOOT_AT + BOOT_BYTES])
    subprocess.run(["/usr/sbin/fsck.vfat", "-n", str(boot)], check=True, capture_output=True)
    assert list((tmp_path / "state" / "ugw" / "cards").iterdir()) == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "no terminal to ask at"),
        # --yes would not help it: what cannot be helped is told first.
        (["--to", "/dev/no-such-disk"], "/dev/no-such-disk"),
    ],
)
def test_without_a_terminal_nobody_is_asked(
    ugw: Ugw, desk: Path, words: list[str], told: str, capsys: Captured
) -> None:
    code = ugw("pi", "--profile", desk, "--gateway", "gw-1", *words)
    assert code == (ExitCode.NO_DEVICE if words else ExitCode.FAILED)
    said = capsys.readouterr().err
    assert told in said
    assert "check image" not in said, "which takes long"


def test_ctrl_c_before_a_card_is_asked_for_says_that_none_was_written(
    ugw: Ugw, desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ugw_flash.commands.pi.rehearse", interrupted)
    words = ("pi", "--profile", desk, "--gateway", "gw-1", "--yes", "--json")
    assert ugw(*words) == ExitCode.INTERRUPTED
    assert json.loads(capsys.readouterr().out)["error"] == "Nothing was written."


def test_a_gateway_that_cannot_be_one_is_a_mistake_of_the_command_line(
    ugw: Ugw, desk: Path, capsys: Captured
) -> None:
    assert ugw("pi", "--profile", desk, "--gateway", "GW_17", "--yes") == ExitCode.USAGE
    assert "--gateway" in capsys.readouterr().err


def test_a_disk_that_is_not_there_ends_with_7_before_anything_is_read(
    ugw: Ugw, desk: Path, capsys: Captured
) -> None:
    words = ("pi", "--profile", desk, "--gateway", "gw-1", "--to", "/dev/no-such-disk")
    for how in ("--yes", "--dry-run"):
        assert ugw(*words, how) == ExitCode.NO_DEVICE
        assert "check image" not in capsys.readouterr().err
    assert ugw("verify", "/dev/no-such-disk") == ExitCode.NO_DEVICE


def test_a_bundle_that_was_altered_ends_with_8(ugw: Ugw, tmp_path: Path, capsys: Captured) -> None:
    sheet = {SHEET: b"gateway\ngw-1\n"}
    contents = Contents(
        schema=SCHEMA,
        made_by="ugw",
        made_at_s=0,
        expires_s=4_102_444_800,
        gateways=("gw-1",),
        materials=(Material(name="raspios.img.xz", sha256="0" * 64, profile="kiel"),),
        files=digests(sheet),
    )
    desks.write(tmp_path / "bundle", {NAME: contents.render(), **sheet})

    assert ugw("verify", tmp_path / "bundle") == 0
    said = capsys.readouterr().out
    assert "is what was packed: 1 gateways. Nobody says by whom" in said
    assert f"put raspios.img.xz into {tmp_path / 'bundle' / 'materials'}" in said
    desks.write(tmp_path / "bundle", {SHEET: b"gateway\ngw-2\n"})
    assert ugw("verify", tmp_path / "bundle", "--json") == ExitCode.BAD_MATERIAL
    assert "was altered" in json.loads(capsys.readouterr().out)["error"]


def test_a_signature_is_asked_of_a_bundle_alone(ugw: Ugw, tmp_path: Path) -> None:
    words = ("verify", tmp_path / "card.img", "--signed-by", tmp_path / "key.pub")
    assert ugw(*words) == ExitCode.USAGE
