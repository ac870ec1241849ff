"""The boot partition, written by us and judged by others: mtools, fsck.vfat, a failing medium."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.flash.cards import MemoryCard
from tests.flash.seeds import MB, boot_content, fsck, ran
from ugw_flash.card.medium import FileMedium
from ugw_flash.fat import BootPartition
from ugw_flash.outcome import BadMaterialError
from ugw_flash.seed.flavour import Flavour

BIG = bytes(range(256)) * 12_000  # over many clusters, and no multiple of any


@pytest.fixture(params=[16, 32], ids=["FAT16", "FAT32"])
def image(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return a partition with the files of a Pi, those of its firmware in capitals."""
    path = tmp_path / "boot.img"
    with path.open("wb") as file:
        file.truncate({16: 16 * MB, 32: 36 * MB}[request.param])  # FAT32 begins at 65,525 clusters
    clusters = ["-s", "1"] if request.param == 32 else []
    ran("/usr/sbin/mkfs.vfat", "-F", str(request.param), *clusters, str(path))
    for name in ("cmdline.txt", "CONFIG.TXT"):
        (tmp_path / name).write_text("as it came\n")
        ran("mcopy", "-i", str(path), str(tmp_path / name), f"::{name}")
    return path


def listed(image: Path, folder: str = "") -> list[str]:
    lines = ran("mdir", "-b", "-i", str(image), f"::{folder}").splitlines()
    return sorted(line.rpartition("::/")[2].removeprefix(f"{folder}/") for line in lines)


def test_what_it_writes_others_read_and_find_in_order(image: Path) -> None:
    files = {"user-data": b"#cloud-config\n", "ugw/etc/keys/2": b"k", "ugw/a_1.0+deb13.deb": BIG}
    with FileMedium(image, writable=True) as medium, BootPartition(medium) as made:
        for name, content in files.items():
            made.write(name, content)
    fsck(image)
    assert listed(image) == ["CONFIG.TXT", "cmdline.txt", "ugw/", "user-data"]
    for name, content in files.items():
        target = image.with_name("read")
        ran("mcopy", "-o", "-i", str(image), f"::{name}", str(target))
        assert target.read_bytes() == content


def test_it_reads_what_others_wrote(image: Path) -> None:
    big = image.with_name("big")
    big.write_bytes(BIG)
    ran("mmd", "-i", str(image), "::folder")
    ran("mcopy", "-i", str(image), str(big), "::folder/Big File.bin")
    with FileMedium(image) as medium, BootPartition(medium) as made:
        assert made.read("folder/Big File.bin") == BIG
        assert made.read("CMDLINE.TXT") == b"as it came\n"
        assert made.listdir() == ["cmdline.txt", "CONFIG.TXT", "folder"]
        assert [*made.walk("")] == [
            ("cmdline.txt", False),
            ("CONFIG.TXT", False),
            ("folder/Big File.bin", False),
            ("folder", True),
        ]


def test_a_file_keeps_its_name_whatever_capitals_it_is_written_with(image: Path) -> None:
    with FileMedium(image, writable=True) as medium, BootPartition(medium) as made:
        made.write("config.txt", b"new\n")
        made.write("CMDLINE.TXT", b"")
    assert listed(image) == ["CONFIG.TXT", "cmdline.txt"]
    assert ran("mtype", "-i", str(image), "::config.txt") == "new\n"
    assert ran("mtype", "-i", str(image), "::cmdline.txt") == ""


def test_what_is_replaced_or_removed_gives_its_room_back(image: Path) -> None:
    with FileMedium(image, writable=True) as medium, BootPartition(medium) as made:
        before = made.free()
        made.write("big", BIG)
        made.flush()
        assert made.free() == before - made.room_for(len(BIG)) == before - made.size_of("big")
        made.write("big", b"small")
        made.remove("big")
        made.flush()
        assert made.free() == before
    fsck(image)


def test_it_counts_free_room_as_others_do(image: Path) -> None:
    with FileMedium(image) as medium, BootPartition(medium) as made:
        free = made.free()
    said = ran("mdir", "-i", str(image)).splitlines()[-2]
    assert said.replace(" ", "").removesuffix("bytesfree") == str(free)


def test_a_file_that_does_not_fit_is_refused(image: Path) -> None:
    with (
        FileMedium(image, writable=True) as medium,
        pytest.raises(BadMaterialError, match="does not fit"),
        BootPartition(medium) as made,
    ):
        made.write("too-big", bytes(medium.size))


def test_names_that_not_every_system_reads_alike_are_refused(image: Path) -> None:
    with (
        FileMedium(image, writable=True) as medium,
        pytest.raises(BadMaterialError, match="accents"),
        BootPartition(medium) as made,
    ):
        made.write("schlüssel", b"")


def test_a_file_that_is_not_there_is_an_error_of_ours(image: Path) -> None:
    with FileMedium(image) as medium, BootPartition(medium) as made:
        for attempt in (made.read, made.remove, made.listdir):
            with pytest.raises(BadMaterialError, match="none/such cannot be used"):
                attempt("none/such")
        assert not made.exists("none/such")


def card() -> MemoryCard:
    content = boot_content(Flavour.FIRSTRUN)
    return MemoryCard(len(content), content)


def test_nothing_is_on_the_medium_before_it_is_flushed_and_all_is_after() -> None:
    medium = card()
    with BootPartition(medium) as made:
        made.write("first", b"1")
        assert medium.writes == []
        made.flush()
        assert medium.flushed == [len(medium.writes)] != [0]
        made.write("second", b"2")
    assert medium.flushed[-1] == len(medium.writes)
    with BootPartition(medium) as read:
        assert read.read("first") + read.read("second") == b"12"


def test_who_only_reads_writes_nothing() -> None:
    medium = card()
    with BootPartition(medium) as made:
        made.read("cmdline.txt")
        made.free()
    assert (medium.writes, medium.flushed) == ([], [])


def test_an_error_inside_leaves_the_medium_as_it_was() -> None:
    medium = card()

    def write(*names: str) -> None:
        with BootPartition(medium) as made:
            for name in names:
                made.write(name, b"1")

    with pytest.raises(BadMaterialError):
        write("good", "schlüssel")
    assert medium.writes == []


class FailingCard(MemoryCard):
    """A card whose n-th access fails, and all that follow."""

    def __init__(self, content: bytes, good: int) -> None:
        super().__init__(len(content), content)
        self.good = good

    def _count(self) -> None:
        self.good -= 1
        if self.good < 0:
            raise OSError(5, "Input/output error")

    def read_at(self, offset: int, count: int) -> bytes:
        self._count()
        return super().read_at(offset, count)

    def write_at(self, offset: int, data: bytes) -> None:
        self._count()
        super().write_at(offset, data)

    def flush(self) -> None:
        self._count()
        super().flush()


def _work(medium: MemoryCard) -> None:
    with BootPartition(medium) as made:
        made.write("ugw/big", BIG)
        made.flush()
        assert made.read("ugw/big") == BIG
        made.free()
        made.remove("ugw/big")


def test_a_medium_that_fails_at_any_access_is_an_error_and_never_a_success() -> None:
    content = bytes(card().content)
    good = 0
    while True:
        medium = FailingCard(content, good)
        try:
            _work(medium)
        except OSError as error:
            assert error.errno == 5
        else:
            break
        good += 1
    assert good > 10
    assert medium.good == 0


@pytest.mark.parametrize(
    "spoil",
    [
        lambda _: b"",
        lambda content: bytes(len(content)),
        lambda content: content[: len(content) // 2],
        lambda content: content[:11] + b"\x00\x10" + content[13:],
        lambda content: content[:13] + b"\x00" + content[14:],
        lambda content: b"\xeb\x3c" + bytes(508) + b"\x55\xaa" + content[512:],
    ],
    ids=["nothing", "zeros", "half", "sectors of 4096", "no clusters", "no fields"],
)
def test_what_is_no_boot_partition_is_refused(spoil: Callable[[bytes], bytes]) -> None:
    content = spoil(bytes(card().content))
    with pytest.raises(BadMaterialError, match="no boot partition"):
        BootPartition(MemoryCard(len(content), content))


@settings(max_examples=60, deadline=None)
@given(damage=st.lists(st.tuples(st.integers(0, 80_000), st.integers(0, 255)), max_size=12))
def test_a_damaged_file_system_is_read_or_refused(damage: list[tuple[int, int]]) -> None:
    medium = card()
    for offset, value in damage:
        medium.content[offset] = value
    try:
        with BootPartition(medium) as made:
            for name, is_folder in made.walk(""):
                if not is_folder:
                    made.read(name)
    except BadMaterialError as error:
        assert error.remedy


def test_a_folder_that_lies_within_itself_has_an_end() -> None:
    medium = card()
    with BootPartition(medium) as made:
        made.write("around/and/around/x", b"")
    first, second = (
        medium.content.index(name) for name in (b"AROUND     \x10", b"AND        \x10")
    )
    medium.content[second + 26 : second + 28] = medium.content[first + 26 : first + 28]
    with BootPartition(medium) as made, pytest.raises(BadMaterialError, match="without end"):
        list(made.walk(""))


def test_a_name_that_is_no_text_is_no_file() -> None:
    medium = card()
    at = medium.content.index(b"CMDLINE TXT")
    medium.content[at : at + 8] = b"\xff\xfe\x80\xc3\x28    "[:8]
    with BootPartition(medium) as made, pytest.raises(BadMaterialError):
        made.read("cmdline.txt")


def test_more_is_read_than_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ugw_flash.fat._MOST_BLOCKS", 3)
    medium = card()
    with BootPartition(medium) as made:
        for name in ("a", "ugw/b", "c"):
            made.write(name, BIG + name.encode())
        assert made.read("a") == BIG + b"a"
    with BootPartition(medium) as made:
        for name in ("a", "ugw/b", "c"):
            assert made.read(name) == BIG + name.encode()


def test_a_batch_of_bad_cards_leaves_room_for_a_good_one() -> None:
    good = card()
    bad = MemoryCard(good.size, bytes(good.content))
    bad.content[54:62] = bytes(8)  # what FatFs looks for, and our own look does not
    bad.content[0] = 1
    for _ in range(15):
        with pytest.raises(BadMaterialError):
            BootPartition(bad)
    with BootPartition(good) as made:
        assert made.exists("cmdline.txt")


def test_without_the_library_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fatfs", None)
    with pytest.raises(BadMaterialError, match="fatfs-ng") as caught:
        BootPartition(card())
    assert "urban-gateway[flash]" in caught.value.remedy
