"""`ugw flash seed`, as somebody calls it who has a card with something wrong on it."""

import errno
import json
from pathlib import Path

import pytest

from gateway.exit_codes import ExitCode
from tests.flash import desks
from tests.flash.cards import (
    BOOT_AT,
    BOOT_BYTES,
    CARD_BYTES,
    PACKAGE,
    loop_device,
    pi_image,
    pi_packed,
)
from tests.flash.seeds import fsck
from tests.flash.test_card_command import Captured, Ugw, ugw
from ugw_flash.card.medium import FileMedium, Window
from ugw_flash.fat import BootPartition

__all__ = ["ugw"]

WIFI = 'network: {kind: wifi, ssid: Stadt, country: DE, password: "file:psk"}\n'


@pytest.fixture(scope="module")
def profiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a profile for a cable, and one for a radio."""
    folder = tmp_path_factory.mktemp("profiles")
    packed, sha256 = pi_packed()
    (folder / "raspios.img.xz").write_bytes(packed)
    image = str(folder / "raspios.img.xz")
    text = desks.PI.replace("pi.img", image).replace(desks.SHA256, sha256)
    for name, more in {"cable": "", "radio": WIFI}.items():
        (folder / name).mkdir()
        given = {"ugw_deb": PACKAGE, "psk": b"correct horse\n"}
        opened = desks.profile(folder / name, text + more, **given)
        assert opened.path.parent == folder / name
    return folder


@pytest.fixture(scope="module")
def made(profiles: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return a card of gw-1, made once for all tests."""
    card = tmp_path_factory.mktemp("made") / "card.img"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(card.parent))
        patch.setattr("gateway.cli.main.entry_points", lambda group: [_Entry()] * bool(group))
        words = ("--profile", profiles / "cable", "--gateway", "gw-1", "--to", card)
        assert Ugw()("pi", *words) == 0
    return card.read_bytes()


class _Entry:
    name = "flash"

    def load(self) -> object:
        from ugw_flash import commands  # noqa: PLC0415 - as the entry point does

        return commands


@pytest.fixture
def card(made: bytes, tmp_path: Path) -> Path:
    path = tmp_path / "card.img"
    path.write_bytes(made)
    return path


def partition(card: Path) -> dict[str, bytes]:
    with FileMedium(card) as medium, BootPartition(Window(medium, BOOT_AT, BOOT_BYTES)) as boot:
        return {name: boot.read(name) for name, is_folder in boot.walk("") if not is_folder}


def boot(card: Path) -> None:
    """Do to a card what a first boot does to it."""
    with (
        FileMedium(card, writable=True) as medium,
        BootPartition(Window(medium, BOOT_AT, BOOT_BYTES)) as fat,
    ):
        fat.write("ugw/first-boot.state", b'{"step": "done", "ok": true, "cause": ""}')
        fat.remove("ugw/gateway.yaml")
    content = bytearray(card.read_bytes())
    content[BOOT_AT + BOOT_BYTES + 4096] ^= 1
    card.write_bytes(content)


def test_a_card_gets_another_network_and_keeps_its_image(
    ugw: Ugw, profiles: Path, card: Path, made: bytes, capsys: Captured
) -> None:
    assert b"wlan0" not in partition(card)["network-config"]
    words = ("seed", card, "--profile", profiles / "radio", "--gateway", "gw-1")
    assert ugw(*words, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["ok"], told["gateway"], told["target"]) == (True, "gw-1", str(card))
    assert b"wlan0" in partition(card)["network-config"]
    now = card.read_bytes()
    assert now[:BOOT_AT] == made[:BOOT_AT]
    assert now[BOOT_AT + BOOT_BYTES :] == made[BOOT_AT + BOOT_BYTES :]
    alone = card.with_suffix(".boot")
    alone.write_bytes(now[BOOT_AT : BOOT_AT + BOOT_BYTES])
    fsck(alone)
    assert ugw("verify", card, "--json") == 0
    assert json.loads(capsys.readouterr().out)["compared"]


def test_a_rehearsal_says_what_it_would_do_and_does_nothing(
    ugw: Ugw, profiles: Path, card: Path, made: bytes, capsys: Captured
) -> None:
    words = ("seed", card, "--profile", profiles / "radio", "--gateway", "gw-1", "--dry-run")
    assert ugw(*words) == 0
    assert "Nothing was written" in capsys.readouterr().out
    assert card.read_bytes() == made


def test_the_card_of_another_gateway_is_refused_unless_it_is_meant(
    ugw: Ugw, profiles: Path, card: Path, made: bytes, capsys: Captured
) -> None:
    etc = profiles / "cable" / "etc"
    (etc / "gw-2").mkdir(exist_ok=True)
    for each in (etc / "gw-1").iterdir():
        (etc / "gw-2" / each.name).write_bytes(each.read_bytes())
        (etc / "gw-2" / each.name).chmod(0o600)
    words = ("seed", card, "--profile", profiles / "cable", "--gateway", "gw-2")
    assert ugw(*words, "--json") == ExitCode.REFUSED
    told = json.loads(capsys.readouterr().out)
    assert told["error"] == "it is the card of gw-1; nothing was written"
    assert "--again" in told["remedy"]
    assert card.read_bytes() == made
    assert ugw(*words, "--again") == 0
    assert b"gw-2" in partition(card)["user-data"]


def test_a_card_that_has_booted_takes_a_seed_and_is_not_compared_with_its_image(
    ugw: Ugw, profiles: Path, card: Path, capsys: Captured
) -> None:
    boot(card)
    words = ("seed", card, "--profile", profiles / "radio", "--gateway", "gw-1")
    for _ in range(2):
        assert ugw(*words) == 0
        files = partition(card)
        assert "ugw/first-boot.state" not in files
        assert "ugw/gateway.yaml" in files
        capsys.readouterr()
        assert ugw("verify", card) == 0
        said = capsys.readouterr().out
        assert "is in order; it was given after the card had booted." in said


def test_a_card_whose_kernel_is_damaged_takes_no_seed_that_would_call_it_good(
    ugw: Ugw, profiles: Path, card: Path, capsys: Captured
) -> None:
    with FileMedium(card, writable=True) as medium:
        window = Window(medium, BOOT_AT, BOOT_BYTES)
        with BootPartition(window) as fat:
            fat.write("kernel8.img", b"damaged")
    before = card.read_bytes()
    words = ("seed", card, "--profile", profiles / "radio", "--gateway", "gw-1")
    assert ugw(*words) == ExitCode.NOT_WRITTEN
    said = capsys.readouterr().err
    assert "kernel8.img is not what was written" in said
    assert "ugw flash pi" in said
    assert card.read_bytes() == before


def test_a_card_that_takes_nothing_and_says_nothing_is_not_called_good(
    ugw: Ugw,
    profiles: Path,
    card: Path,
    capsys: Captured,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # So do cards that are worn out: the earlier seed stays, complete and right in itself.
    monkeypatch.setattr(FileMedium, "write_at", lambda *_: None)
    words = ("seed", card, "--profile", profiles / "radio", "--gateway", "gw-1", "--json")
    assert ugw(*words) == ExitCode.NOT_WRITTEN
    told = json.loads(capsys.readouterr().out)
    assert "the earlier one" in told["error"]
    assert "another card" in told["remedy"]


@pytest.mark.parametrize(
    ("where", "state"), [("rehearse", "Nothing was written."), ("plant", "has no seed now")]
)
def test_ctrl_c_says_what_state_the_card_is_in(  # noqa: PLR0913, PLR0917 - fixtures
    ugw: Ugw,
    profiles: Path,
    card: Path,
    where: str,
    state: str,
    capsys: Captured,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(f"ugw_flash.commands.seed.{where}", interrupted)
    words = ("seed", card, "--profile", profiles / "radio", "--gateway", "gw-1")
    assert ugw(*words) == ExitCode.INTERRUPTED
    assert state in capsys.readouterr().err


@pytest.mark.parametrize(
    ("number", "code"), [(errno.EIO, ExitCode.NOT_WRITTEN), (errno.ENODEV, ExitCode.NO_DEVICE)]
)
def test_a_card_that_fails_says_what_state_it_is_in(  # noqa: PLR0913, PLR0917 - fixtures
    ugw: Ugw,
    profiles: Path,
    card: Path,
    number: int,
    code: ExitCode,
    capsys: Captured,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fails(*_: object) -> None:
        raise OSError(number, "the system's words")

    monkeypatch.setattr(FileMedium, "write_at", fails)
    words = ("seed", card, "--profile", profiles / "radio", "--gateway", "gw-1")
    assert ugw(*words) == code
    assert "has no seed now" in capsys.readouterr().err


def test_a_card_without_a_seed_is_refused(
    ugw: Ugw, profiles: Path, tmp_path: Path, capsys: Captured
) -> None:
    image = pi_image(tmp_path / "image.img")
    words = ("seed", image, "--profile", profiles / "cable", "--gateway", "gw-1")
    assert ugw(*words) == ExitCode.BAD_MATERIAL
    said = capsys.readouterr().err
    assert "there is no seed on this card" in said
    assert "ugw flash pi" in said


def test_what_is_wrong_with_the_profile_leaves_the_card_alone(
    ugw: Ugw, profiles: Path, card: Path, made: bytes, capsys: Captured
) -> None:
    other = card.with_name("profile")
    other.mkdir()
    text = (profiles / "cable" / "profile.yaml").read_text()
    desks.profile(other, text, ugw_deb=b"no package")
    assert ugw("seed", card, "--profile", other, "--gateway", "gw-1") == ExitCode.BAD_MATERIAL
    assert "is no Debian package" in capsys.readouterr().err
    assert card.read_bytes() == made


@pytest.mark.parametrize("what", ["/dev/none", "none.img"])
def test_what_is_no_card_is_said(
    ugw: Ugw, profiles: Path, what: str, tmp_path: Path, capsys: Captured
) -> None:
    words = ("seed", tmp_path / what, "--profile", profiles / "cable", "--gateway", "gw-1")
    assert ugw(*words) == ExitCode.NO_DEVICE
    assert ugw(*words, "--dry-run") == ExitCode.NO_DEVICE
    assert "ugw flash list" in capsys.readouterr().err


def test_a_disk_takes_a_seed_once_it_was_named_twice(
    ugw: Ugw, profiles: Path, made: bytes, tmp_path: Path, capsys: Captured
) -> None:
    disk = tmp_path / "disk"
    disk.write_bytes(made.ljust(CARD_BYTES, b"\0"))
    with loop_device(disk) as path:
        words = ["seed", path, "--profile", profiles / "radio", "--gateway", "gw-1"]
        assert ugw(*words) == ExitCode.REFUSED
        assert "is not clearly a card" in capsys.readouterr().err
        assert ugw(*words, "--allow-disk", path, "--i-know") == 0
        assert ugw("verify", path) == 0
    assert b"wlan0" in partition(disk)["network-config"]
