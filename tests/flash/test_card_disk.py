"""Real block devices: opened alone, read past every cache, written in whole sectors."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from io import FileIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.flash.cards import MB, loop_device, noise
from ugw_flash.card import raw_macos
from ugw_flash.card.raw import open_disk
from ugw_flash.card.raw_linux import open_device
from ugw_flash.card.sectors import Sectors
from ugw_flash.disks.model import Disk, Kind, Partition
from ugw_flash.outcome import NoDeviceError, RefusedError

SIZE = 8 * MB
BUFFER = 4 * MB

linux = pytest.mark.skipif(sys.platform != "linux", reason="loop devices are Linux's")


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[Disk]:
    """Attach a loop device to a file full of noise."""
    (tmp_path / "card").write_bytes(noise(SIZE))
    with loop_device(tmp_path / "card") as path:
        yield Disk(path=path, size=SIZE, kind=Kind.LOOP)


@linux
def test_a_disk_is_written_and_read_at_any_place(loop: Disk) -> None:
    expected = bytearray(noise(SIZE))
    with open_disk(loop, writable=True) as card:
        assert card.size == SIZE
        for at, data in ((0, b"first"), (BUFFER - 3, b"across"), (SIZE - 700, b"x" * 700)):
            card.write_at(at, data)
            expected[at : at + len(data)] = data
        card.flush()
        assert card.read_at(0, SIZE + 1) == expected
        assert card.read_at(BUFFER - 5, 11) == expected[BUFFER - 5 : BUFFER + 6]
    assert Path(loop.path).read_bytes() == expected


@linux
def test_what_is_read_is_what_the_card_has_now_and_not_what_it_had(
    loop: Disk, tmp_path: Path
) -> None:
    with open_disk(loop) as card:
        Path(loop.path).read_bytes()  # the page cache knows all of it from now on
        with (tmp_path / "card").open("r+b") as file:
            file.write(b"changed below")
        assert card.read_at(0, 13) == b"changed below"


@linux
def test_two_cannot_write_one_card_at_the_same_time(loop: Disk) -> None:
    with open_disk(loop, writable=True):
        with (
            pytest.raises(RefusedError, match="something uses it"),
            open_disk(loop, writable=True),
        ):
            pytest.fail("it is open twice")
        with open_disk(loop):
            pass  # to look is fine


@linux
def test_a_card_that_is_mounted_is_unmounted_first(loop: Disk, tmp_path: Path) -> None:
    subprocess.run(["/usr/sbin/mkfs.ext4", "-q", loop.path], check=True, capture_output=True)
    place = tmp_path / "mounted"
    place.mkdir()
    mounted = subprocess.run(["mount", loop.path, str(place)], check=False, capture_output=True)
    if mounted.returncode:
        pytest.skip("this machine lets nobody mount")
    with pytest.raises(RefusedError, match="something uses it"), open_disk(loop, writable=True):
        pytest.fail("it was opened while it is mounted")  # for nobody said that it is

    known = Disk(path=loop.path, size=SIZE, kind=Kind.LOOP, mounts=(str(place),))
    try:
        with open_disk(known, writable=True):
            assert not place.is_mount()
    finally:
        subprocess.run(["umount", "--quiet", str(place)], check=False, capture_output=True)


@linux
def test_a_card_whose_files_are_open_is_refused(loop: Disk) -> None:
    disk = Disk(
        path=loop.path, size=SIZE, parts=(Partition(path=loop.path, size=1, mounts=("/m",)),)
    )
    said = list[list[str]]()

    def run(command: Sequence[str]) -> str:
        said.append(list(command))
        return "target is busy"

    with pytest.raises(RefusedError, match=r"/m on .* cannot be unmounted: target is busy"):
        open_device(disk, writable=True, run=run)
    assert said == [
        ["umount", "--", "/m"],
        ["udisksctl", "unmount", "--no-user-interaction", "-b", loop.path],
    ]
    before = Path(loop.path).read_bytes()
    assert before == noise(SIZE)


@linux
def test_swap_is_never_switched_off_for_a_card(loop: Disk) -> None:
    disk = Disk(path=loop.path, size=SIZE, mounts=("[SWAP]",))
    with pytest.raises(RefusedError, match="in use"), open_disk(disk, writable=True):
        pytest.fail("it was opened")


def test_a_card_that_is_not_there_and_a_file_that_is_no_disk_say_so(tmp_path: Path) -> None:
    with (
        pytest.raises(NoDeviceError, match="not there"),
        open_disk(Disk(path="/dev/nope", size=1)),
    ):
        pytest.fail("it was opened")
    (tmp_path / "file").write_bytes(bytes(4096))
    disk = Disk(path=str(tmp_path / "file"), size=4096)
    with pytest.raises(RefusedError, match="it is no disk"), open_disk(disk):
        pytest.fail("it was opened")


@linux
def test_a_card_this_user_may_not_open_names_the_way(tmp_path: Path) -> None:
    (tmp_path / "card").touch(mode=0)
    was = os.geteuid()
    if not was:
        os.seteuid(65_534)  # root may open everything; nobody may not even look into this folder
    try:
        with (
            pytest.raises(RefusedError, match="may not open it") as caught,
            open_disk(Disk(path=str(tmp_path / "card"), size=4096)),
        ):
            pytest.fail("it was opened")
    finally:
        os.seteuid(was)
    assert "sudo" in caught.value.remedy


def test_on_a_mac_the_volumes_are_unmounted_and_the_raw_device_is_opened(tmp_path: Path) -> None:
    """Shown on a file: nobody has tried it on a Mac yet."""
    (tmp_path / "disk4").write_bytes(noise(SIZE))
    disk, said = Disk(path=str(tmp_path / "disk4"), size=SIZE), list[list[str]]()

    def run(command: Sequence[str]) -> str:
        said.append(list(command))
        return ""

    device = raw_macos.open_device(disk, writable=True, run=run)
    device.medium.write_at(5, b"written")
    device.medium.flush()
    device.finish()
    device.close()

    assert said == [["diskutil", "unmountDisk", disk.path], ["diskutil", "eject", disk.path]]
    assert (tmp_path / "disk4").read_bytes()[5:12] == b"written"
    with pytest.raises(OSError, match="rdisk4"):
        raw_macos.open_device(Disk(path="/dev/disk4", size=SIZE), writable=False, run=run)
    with pytest.raises(RefusedError, match="in use by Finder"):
        raw_macos.open_device(disk, writable=True, run=lambda _: "in use by Finder")


class Strict(FileIO):
    """A file that is as particular as a raw device: whole sectors only, and often less at once."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        assert offset % 512 == 0
        return super().seek(offset, whence)

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        assert len(buffer) % 512 == 0
        return super().readinto(buffer[: max(512, len(buffer) // 1024 * 512)]) or 0

    def write(self, data: memoryview, /) -> int:  # type: ignore[override]
        assert len(data) % 512 == 0
        return super().write(data[: max(512, len(data) // 1024 * 512)]) or 0


@given(
    st.lists(
        st.tuples(
            st.sampled_from([0, 512, BUFFER]), st.integers(0, 600), st.binary(max_size=1500)
        ),
        max_size=6,
    )
)
@settings(max_examples=50, deadline=None)
def test_any_reads_and_writes_become_whole_sectors(
    tmp_path_factory: pytest.TempPathFactory, writes: list[tuple[int, int, bytes]]
) -> None:
    path = tmp_path_factory.mktemp("strict") / "card"
    size = BUFFER + 4096
    path.write_bytes(noise(size))
    expected = bytearray(noise(size))
    with Strict(path, "r+b") as file:
        card = Sectors(file, size, 512, lambda _: None)
        for base, more, data in writes:
            card.write_at(base + more, data)
            expected[base + more : base + more + len(data)] = data
            assert card.read_at(base, 3000) == expected[base : base + 3000]
        with pytest.raises(OSError, match="not within"):
            card.write_at(size - 1, b"ab")
    assert path.read_bytes() == expected


def test_a_device_that_takes_and_gives_only_a_part_at_once_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "card"
    path.write_bytes(noise(SIZE))
    with Strict(path, "r+b") as file:
        card = Sectors(file, SIZE, 512, lambda _: None)
        assert card.read_at(0, SIZE) == noise(SIZE)
        card.write_at(0, noise(SIZE)[::-1])
    assert path.read_bytes() == noise(SIZE)[::-1]


def test_a_device_that_ends_early_is_an_error_and_no_zeros(tmp_path: Path) -> None:
    path = tmp_path / "card"
    path.write_bytes(bytes(1024))
    with Strict(path, "rb") as file, pytest.raises(OSError, match="the card ends at 1024"):
        Sectors(file, SIZE, 512, lambda _: None).read_at(0, 4096)
