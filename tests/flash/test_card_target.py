"""What a card is made on: looked at again before it is opened, and never what holds the image."""

import os
from pathlib import Path

import pytest

from tests.flash.lsblk_worlds import Looks
from tests.flash.test_disks_choice import CARD, OWN
from ugw_flash.card.target import disk_target, file_target, to_read
from ugw_flash.disks.model import Disk, Kind, Partition
from ugw_flash.outcome import NoDeviceError, RefusedError


def test_a_card_that_is_pulled_out_as_it_is_opened_is_said_to_be_gone() -> None:
    card = Disk(path="/dev/no-such-disk", size=CARD.size, kind=Kind.USB)
    source = Looks([OWN, card], [OWN])
    with (
        pytest.raises(NoDeviceError, match="is not there"),
        disk_target(card, source).open(0),
    ):
        pytest.fail("it was opened")


def test_what_lies_on_the_card_itself_is_known_through_links_and_mounts(tmp_path: Path) -> None:
    stick = tmp_path / "stick"
    stick.mkdir()
    (stick / "image").touch()
    (tmp_path / "link").symlink_to(stick / "image")
    part = Partition(path="/dev/sdb1", size=1, mounts=(str(stick),))
    disk = Disk(path="/dev/sdb", size=CARD.size, parts=(part,))
    target = disk_target(disk, Looks([disk]))

    assert target.holds(stick / "image")
    assert target.holds(tmp_path / "link")
    assert not target.holds(tmp_path / "elsewhere")
    assert not file_target(tmp_path / "card.img").holds(stick / "image")


@pytest.mark.parametrize("kind", ["link", "folder"])
def test_what_stands_where_an_attempt_would_be_kept_is_left_alone(
    tmp_path: Path, kind: str
) -> None:
    other, part = tmp_path / "of-somebody", tmp_path / "card.img.part"
    other.write_text("precious")
    if kind == "link":
        os.link(other, part)
    else:
        part.mkdir()
    with (
        pytest.raises(RefusedError, match=r"card\.img\.part"),
        file_target(tmp_path / "card.img").open(4096),
    ):
        pytest.fail("it was opened")
    assert other.read_text() == "precious"


def test_a_folder_is_no_place_for_a_card_and_is_not_to_be_deleted(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="is no file") as refused:
        file_target(tmp_path)
    assert "delete" not in refused.value.remedy
    assert "/dev/" in refused.value.remedy


def test_what_is_neither_card_nor_file_says_so(tmp_path: Path) -> None:
    with (
        pytest.raises(NoDeviceError, match="no card and no file"),
        to_read(str(tmp_path / "x"), Looks([])),
    ):
        pytest.fail("it was opened")
