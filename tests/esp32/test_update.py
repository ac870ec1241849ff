"""A release over the air, on CPython: what is believed, what is refused, what stays as it was."""

import asyncio
import hashlib
from collections import namedtuple
from pathlib import Path
from types import SimpleNamespace

import pytest

from gateway.esp32 import boot, offer, slots
from tests.esp32.upgraded import TOPIC, agent, board, whole, work
from tests.flash.releases import FILES, key, release
from ugw_flash.updates.release import Release, make
from ugw_flash.updates.signing import sign

NEXT = {**FILES, "gateway/esp32/main.mpy": b"main of version two" * 70, "gateway/new.mpy": b"new"}
STATVFS = namedtuple("STATVFS", "bsize frsize blocks bfree bavail")  # noqa: PYI024 - a tuple there


@pytest.fixture(autouse=True)
def _as_on_micropython(monkeypatch: pytest.MonkeyPatch) -> None:
    async def sleep_ms(_ms: int) -> None:
        await asyncio.sleep(0)

    monkeypatch.setattr(asyncio, "sleep_ms", sleep_ms, raising=False)


def test_a_release_is_fetched_checked_and_due_at_the_next_start(tmp_path: Path) -> None:
    board_ = board(tmp_path, release(1))
    offered = release(2, NEXT)
    board_.uplink.keep(offered)

    assert work(board_) == "installed"
    assert whole(tmp_path, "b") == NEXT
    state = slots.load(str(tmp_path))
    assert (state["slot"], state["release"]) == ("b", offered.digest)
    assert slots.software(str(tmp_path)) == (2, "ugw 0.2")
    assert board_.uplink.subscribed == []


def test_only_what_is_not_here_is_fetched(tmp_path: Path) -> None:
    board_ = board(tmp_path, release(1))
    offered = release(2, NEXT)
    board_.uplink.keep(offered)
    work(board_)

    fetched = {int(topic.rpartition("/")[2]) for topic in board_.uplink.asked}
    pieces = list(offered.pieces())
    changed = [NEXT["gateway/esp32/main.mpy"], NEXT["gateway/new.mpy"], offered.manifest]
    assert sum(len(pieces[number]) for number in fetched) == sum(map(len, changed))


def test_what_was_fetched_before_a_restart_is_not_fetched_again(tmp_path: Path) -> None:
    first = board(tmp_path, release(1, {"gateway/a.mpy": b"a"}))
    offered = release(2)
    first.uplink.keep(offered)
    lost = f"{TOPIC}{offered.digest}/9"
    kept = first.uplink.retained.pop(lost)
    assert work(first, turns=3) == "never"
    first.update["file"].close()  # as the end of the power does

    second = agent(tmp_path)
    second.uplink.keep(offered)
    assert second.uplink.retained[lost] == kept
    assert work(second) == "installed"
    assert whole(tmp_path, "b") == FILES
    assert len(second.uplink.asked) < len(first.uplink.asked)


def test_a_piece_that_never_came_is_asked_for_again(tmp_path: Path) -> None:
    board_ = board(tmp_path, release(1))
    board_.uplink.keep(release(2, NEXT))
    topic = f"{TOPIC}{release(2, NEXT).digest}/1"
    held = board_.uplink.retained.pop(topic)

    def later() -> None:
        board_.clock.ms.ms += 10_000
        if board_.uplink.asked.count(topic) == 3:
            board_.uplink.retained[topic] = held

    assert work(board_, between=later) == "installed"
    assert board_.uplink.asked.count(topic) == 4


def test_a_broker_without_the_piece_is_not_asked_for_ever(tmp_path: Path) -> None:
    board_ = board(tmp_path, release(1))
    board_.uplink.keep(release(2, NEXT))
    board_.uplink.retained.clear()

    def later() -> None:
        board_.clock.ms.ms += 10_000

    assert work(board_, between=later) == "update: the broker has no piece 0"
    assert board_.update is None


# --------------------------------------------------------------------------------- what is refused
def refused(tmp_path: Path, offered: Release) -> str:
    board_ = board(tmp_path, release(5))
    board_.uplink.keep(offered)
    before = slots.load(str(tmp_path))
    said = work(board_)
    assert slots.load(str(tmp_path)) == before
    assert not (tmp_path / "b" / "manifest").exists()
    return said


def test_an_older_release_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path, release(4)) == "update: the offer is older than what runs"


def test_what_runs_already_is_nothing_new(tmp_path: Path) -> None:
    assert refused(tmp_path, release(5)) == ""


def test_a_release_for_another_product_or_micropython_is_refused(tmp_path: Path) -> None:
    line = release(6).offer[384:]
    for old, new, said in (
        (b" esp32 ", b" esp8266 ", "another product"),
        (b" 6 6 ", b" 7 6 ", "another MicroPython"),
    ):
        assert line.count(old) == 1
        text = line.replace(old, new)
        forged = release(6)._replace(offer=sign(key(), text) + text)
        folder = tmp_path / said
        folder.mkdir()
        assert said in refused(folder, forged)


@pytest.mark.parametrize("at", [0, 200, 383, 384, 400, -1])
def test_an_offer_with_any_other_byte_is_refused(tmp_path: Path, at: int) -> None:
    offer = bytearray(release(6).offer)
    offer[at] ^= 1
    forged = release(6)._replace(offer=bytes(offer))
    assert refused(tmp_path, forged) == "update: the offer is not signed by who may"


@pytest.mark.parametrize("offer", [b"", b"x", bytes(384), bytes(900), b"\xff" * 600])
def test_rubbish_is_refused(tmp_path: Path, offer: bytes) -> None:
    assert "not signed" in refused(tmp_path, release(6)._replace(offer=offer))


@pytest.mark.parametrize("path", sorted(FILES))
def test_a_file_with_any_other_byte_is_refused(tmp_path: Path, path: str) -> None:
    files = {name: b"6" + content for name, content in FILES.items()}
    honest = release(6, files)
    forged = honest._replace(files={**files, path: b"7" + FILES[path]})
    relabelled = _under_the_name_of(honest, forged)
    assert refused(tmp_path, relabelled) == f"update: {path} is not what was signed"


def test_another_manifest_is_refused(tmp_path: Path) -> None:
    honest = release(6)
    forged = honest._replace(manifest=honest.manifest.replace(b"0.6", b"0.7"))
    assert refused(tmp_path, forged) == "update: manifest.new is not what was signed"


def _under_the_name_of(honest: Release, forged: Release) -> Release:
    assert honest.digest == forged.digest
    assert honest.manifest == forged.manifest
    return forged


def test_a_release_without_a_driver_of_this_board_is_refused(tmp_path: Path) -> None:
    files = {name: content for name, content in FILES.items() if "acme" not in name}
    assert "lacks drivers/ble/acme.mpy" in refused(tmp_path, release(6, files))


@pytest.mark.parametrize("path", ["../x.mpy", "/etc/x", "a/../../x", "manifest", "A.mpy"])
def test_a_path_out_of_its_slot_is_refused(tmp_path: Path, path: str) -> None:
    assert "the manifest names" in refused(tmp_path, release(6, {**FILES, path: b"x"}))


def test_a_flash_without_room_is_told_before_a_piece_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.statvfs", lambda _: STATVFS(4096, 4096, 512, 12, 12))
    assert "49152 bytes of the flash are free" in refused(tmp_path, release(6))


def test_a_release_that_failed_is_not_tried_again_and_the_next_one_is(tmp_path: Path) -> None:
    board_ = board(tmp_path, release(1))
    board_.uplink.keep(release(2, NEXT))
    assert work(board_) == "installed"
    boot.store(str(tmp_path), boot.fallen_back(boot.load(str(tmp_path))))

    again = agent(tmp_path)
    again.uplink.keep(release(2, NEXT))
    assert work(again) == "update: the offer was tried and failed"
    again.uplink.keep(release(3, NEXT))
    assert work(again) == "installed"


def test_while_a_release_is_on_trial_no_other_one_is_begun(tmp_path: Path) -> None:
    board_ = board(tmp_path, release(1))
    board_.uplink.keep(release(2, NEXT))
    work(board_)
    board_.uplink.keep(release(3, NEXT))
    assert work(board_) == "update: what runs has to prove itself first"
    assert slots.load(str(tmp_path))["slot"] == "b"


def test_while_a_slot_is_written_there_is_no_version_in_it(tmp_path: Path) -> None:
    board_ = board(tmp_path, release(1))
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "manifest").write_bytes(release(1).manifest)
    assert boot.is_whole(str(tmp_path), "b")
    board_.uplink.keep(release(2, NEXT))
    board_.uplink.retained.clear()
    assert work(board_, turns=2) == "never"
    assert not boot.is_whole(str(tmp_path), "b")
    board_.update["file"].close()


def test_a_piece_nobody_asked_for_is_forgotten(tmp_path: Path) -> None:
    board_ = board(tmp_path, release(1))
    board_.mail[False] = (b"ugw/v1/kiel/_software/x/0", b"x")
    assert work(board_) == ""
    assert board_.mail == {}


def test_a_newer_offer_takes_the_place_of_one_under_way(tmp_path: Path) -> None:
    board_ = board(tmp_path, release(1))
    board_.uplink.keep(release(2, NEXT))
    board_.uplink.retained.pop(f"{TOPIC}{release(2, NEXT).digest}/0")
    assert work(board_, turns=3) == "never"
    board_.uplink.keep(release(3, NEXT))
    assert work(board_) == "installed"
    assert slots.software(str(tmp_path)) == (3, "ugw 0.3")
    assert board_.uplink.subscribed == []


def test_the_state_under_way_is_small_and_holds_no_code() -> None:
    state = offer._begun(  # noqa: SLF001 - what stays in memory between two turns
        SimpleNamespace(root="/nowhere", update=None, site=SimpleNamespace(root="a/b")),  # type: ignore[arg-type]
        make(FILES, 2, "ugw 0.2", key()).offer[384:].decode().split(" ", 7),
        "0" * 32,
        "a",
    )
    assert all(type(value) in (int, str, type(None)) for value in state.values())


def test_what_the_offer_names_is_the_manifest() -> None:
    made = release(2)
    assert made.offer[384:].decode().split(" ")[6] == hashlib.sha256(made.manifest).hexdigest()
