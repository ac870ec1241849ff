"""A card from blank to complete, and every way to leave it that is not complete."""

import errno
import hashlib
import random
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.errors import UgwError
from tests.flash import desks
from tests.flash.cards import (
    BOOT_AT,
    BOOT_BYTES,
    CARD_BYTES,
    IMAGE_BYTES,
    PACKAGE,
    ROOT_AT,
    FailingCard,
    MemoryCard,
    UnreadableCard,
    WornCard,
    pi_packed,
)
from ugw_flash.batch.row import Row, seed_of
from ugw_flash.card.image import CHUNK
from ugw_flash.card.journal import Journal
from ugw_flash.card.medium import FileMedium, Medium, Window
from ugw_flash.card.target import Target, file_target, to_read
from ugw_flash.card.work import CardOrder, CardResult, make_card, verify_card
from ugw_flash.disks.model import Disk
from ugw_flash.fat import BootPartition
from ugw_flash.outcome import BadMaterialError, NoDeviceError, NotWrittenError, RefusedError
from ugw_flash.progress import Silence
from ugw_flash.seed.plant import plant


class Listening(Silence):
    """Keeps what a person is told."""

    def __init__(self) -> None:
        self.phases = list[str]()
        self.said = list[str]()

    def phase(self, name: str, _total_bytes: int | None = None) -> None:
        self.phases.append(name)

    def say(self, text: str) -> None:
        self.said.append(text)


@pytest.fixture(scope="module")
def order(tmp_path_factory: pytest.TempPathFactory) -> CardOrder:
    folder = tmp_path_factory.mktemp("work")
    packed, sha256 = pi_packed()
    path = folder / "raspios.img.xz"
    path.write_bytes(packed)
    seed = seed_of(Row("gw-1"), desks.profile(folder, ugw_deb=PACKAGE), None, desks.desk())
    return CardOrder(path, sha256, seed)


def target(card: Medium, recheck: Callable[[], None] = lambda: None) -> Target:
    @contextmanager
    def opened(_size: int) -> Iterator[Medium]:
        yield card

    return Target("/dev/card", "serial 1", "1", opened, recheck)


@pytest.fixture(scope="module")
def made(order: CardOrder) -> MemoryCard:
    card = MemoryCard()
    make_card(order, target(card), Silence())
    return card


def test_a_card_is_made_read_back_and_told(order: CardOrder) -> None:
    card, listening = MemoryCard(), Listening()

    result = make_card(order, target(card), listening)

    assert listening.phases == ["check image", "check seed", "write", "verify", "seed"]
    assert (result.gateway, result.target, result.serial) == ("gw-1", "/dev/card", "1")
    assert (result.size, result.found_bytes) == (CARD_BYTES, 0)
    assert not any(card.content[IMAGE_BYTES:])
    facts = verify_card(card, Silence())
    assert facts.planted.gateway == "gw-1"
    assert facts.planted.image == result.image
    assert facts.compared


def test_the_file_system_of_a_finished_card_is_clean(made: MemoryCard, tmp_path: Path) -> None:
    boot = tmp_path / "boot"
    boot.write_bytes(made.content[BOOT_AT:][:BOOT_BYTES])
    subprocess.run(["/usr/sbin/fsck.vfat", "-n", str(boot)], check=True, capture_output=True)


def test_power_that_is_cut_at_any_write_leaves_a_card_that_is_called_bad(
    order: CardOrder, made: MemoryCard
) -> None:
    # Worst of all, a card that was in order and another gateway's before.
    card = MemoryCard(content=bytes(made.content))
    other = order._replace(seed=order.seed._replace(time_zone="Europe/Kiev"))
    make_card(other, target(card), Silence())
    assert len(card.writes) > 30

    cut = MemoryCard(content=bytes(made.content))
    for at, data in card.writes[:-1]:
        torn = len(data) // 2
        cut.write_at(at, data[:torn])
        _assert_bad(cut)
        cut.write_at(at + torn, data[torn:])
        _assert_bad(cut)
    at, data = card.writes[-1]
    cut.write_at(at, data[:-1])
    _assert_bad(cut)
    cut.write_at(at, data)
    assert cut.content == card.content
    verify_card(cut, Silence())


def test_power_that_is_cut_loses_writes_that_were_not_flushed_in_any_order(
    order: CardOrder, made: MemoryCard
) -> None:
    card = MemoryCard(content=bytes(made.content))
    make_card(order, target(card), Silence())
    chance = random.Random(3)  # noqa: S311 - no secret
    content = bytes(made.content)
    for begin, end in zip([0, *card.flushed], card.flushed, strict=False):
        if end in (0, len(card.writes)):
            continue
        cut = MemoryCard(content=content)
        done, lost = card.writes[:begin], card.writes[begin:end]
        kept = [each for each in lost if chance.random() < 0.5] if begin else lost[:1]
        for at, data in [*done, *kept]:
            cut.write_at(at, data)
        _assert_bad(cut)


def _assert_bad(card: MemoryCard) -> None:
    with pytest.raises((NotWrittenError, BadMaterialError)):
        verify_card(card, Silence())


@pytest.mark.parametrize("at", [600, BOOT_AT - 1, BOOT_AT + BOOT_BYTES])
def test_one_changed_bit_outside_of_the_boot_partition_is_found(made: MemoryCard, at: int) -> None:
    card = MemoryCard(content=bytes(made.content))
    card.content[at] ^= 1
    with pytest.raises(NotWrittenError, match="is not what was written"):
        verify_card(card, Silence())


def test_one_changed_bit_of_what_the_image_has_on_the_boot_partition_is_found(
    made: MemoryCard,
) -> None:
    card = MemoryCard(content=bytes(made.content))
    card.content[card.content.index(b"kernelkernel")] ^= 1
    with pytest.raises(NotWrittenError):
        verify_card(card, Silence())


@pytest.mark.parametrize("at", [0, BOOT_AT, ROOT_AT])
@pytest.mark.parametrize(
    ("number", "error", "text"),
    [
        (errno.EIO, NotWrittenError, "cannot be read: Input/output error"),
        (errno.ENXIO, NoDeviceError, "went away while it was read"),
    ],
)
def test_a_card_that_cannot_be_read_says_so(
    made: MemoryCard, at: int, number: int, error: type[UgwError], text: str
) -> None:
    card = UnreadableCard(made, at, number)
    with pytest.raises(error, match=text):
        verify_card(card, Silence())


def test_a_card_that_has_booted_is_not_compared_and_says_how_far_it_came(
    made: MemoryCard,
) -> None:
    card = MemoryCard(content=bytes(made.content))
    with BootPartition(Window(card, BOOT_AT, BOOT_BYTES)) as boot:
        boot.write("ugw/first-boot.state", b'{"step": "package", "ok": false, "cause": "broken"}')
        boot.flush()
    card.content[ROOT_AT] ^= 1  # as every start does

    facts = verify_card(card, Silence())

    assert not facts.compared
    assert str(facts.planted.first_boot) == "its first boot came to the step 'package': broken"


def test_a_card_that_was_seeded_anew_after_it_had_booted_is_not_compared(
    order: CardOrder, made: MemoryCard
) -> None:
    card = MemoryCard(content=bytes(made.content))
    window = Window(card, BOOT_AT, BOOT_BYTES)
    image = verify_card(card, Silence()).planted.image
    plant(window, order.seed, image._replace(system_sha256=""), Silence())
    card.content[ROOT_AT] ^= 1

    assert not verify_card(card, Silence()).compared


def test_an_image_that_is_not_the_one_is_refused_before_the_card_is_opened(
    order: CardOrder,
) -> None:
    card = MemoryCard()
    with pytest.raises(BadMaterialError, match="SHA-256"):
        make_card(order._replace(sha256="0" * 64), target(card), Silence())
    assert not card.writes


def test_a_card_that_is_not_the_one_any_more_is_not_written(order: CardOrder) -> None:
    def another() -> None:
        cause = "it is another disk"
        raise RefusedError(cause)

    card, listening = MemoryCard(), Listening()
    with pytest.raises(RefusedError, match="another disk"):
        make_card(order, target(card, another), listening)
    assert not card.writes
    assert listening.said == ["nothing was written to /dev/card"]


def test_the_card_of_a_gateway_is_not_replaced_unless_that_is_meant(
    order: CardOrder, made: MemoryCard
) -> None:
    card, asked = MemoryCard(content=bytes(made.content)), list[str]()

    def no(gateway: str) -> bool:
        asked.append(gateway)
        return False

    with pytest.raises(RefusedError, match="this card is that of gw-1"):
        make_card(order, target(card), Silence(), may_replace=no)
    assert asked == ["gw-1"]
    assert not card.writes
    make_card(order, target(MemoryCard()), Silence(), may_replace=no)


def test_the_card_of_a_gateway_that_has_run_is_one_though_somebody_edited_its_seed(
    order: CardOrder, made: MemoryCard
) -> None:
    card = MemoryCard(content=bytes(made.content))
    with BootPartition(Window(card, BOOT_AT, BOOT_BYTES)) as boot:
        boot.write("user-data", b"#cloud-config\n# by hand\n")
    edited = bytes(card.content)
    with BootPartition(Window(card, BOOT_AT, BOOT_BYTES)) as boot:
        boot.write("ugw/first-boot.state", b'{"step": "done", "ok": true}')
    card.writes.clear()

    with pytest.raises(RefusedError, match="this card is that of gw-1"):
        make_card(order, target(card), Silence(), may_replace=lambda _: False)
    assert not card.writes
    # One that never ran has nothing to lose.
    never_ran = MemoryCard(content=edited)
    make_card(order, target(never_ran), Silence(), may_replace=lambda _: False)


def test_a_card_that_stops_taking_anything_keeps_no_earlier_seed_for_a_new_one(
    order: CardOrder, made: MemoryCard, tmp_path: Path
) -> None:
    image = tmp_path / "of-a-card.img"  # an image of a card that has a seed
    image.write_bytes(made.content[:IMAGE_BYTES])
    sha256 = hashlib.sha256(image.read_bytes()).hexdigest()
    seed = order.seed._replace(time_zone="Europe/Kiev")
    listening = Listening()

    class Deaf(MemoryCard):
        def write_at(self, offset: int, data: bytes) -> None:
            if "seed" not in listening.phases:
                super().write_at(offset, data)

    with pytest.raises(NotWrittenError, match="it has the earlier one"):
        make_card(CardOrder(image, sha256, seed), target(Deaf()), listening)


def test_an_image_that_lies_on_the_card_itself_is_refused(order: CardOrder) -> None:
    for path in (order.image, order.seed.package):
        card = MemoryCard()
        holding = target(card)._replace(holds=path.__eq__)
        with pytest.raises(RefusedError, match=f"{path.name} lies on /dev/card itself"):
            make_card(order, holding, Silence())
        assert not card.writes


NOT_COMPLETE = "/dev/card is not complete and does not boot"


@pytest.mark.parametrize(
    ("number", "error", "text"),
    [
        (errno.EIO, NotWrittenError, "Input/output error; " + NOT_COMPLETE),
        (errno.ENODEV, NoDeviceError, "the card went away; " + NOT_COMPLETE),
    ],
)
def test_a_card_that_fails_says_why_and_what_state_it_is_in(
    order: CardOrder, number: int, error: type[UgwError], text: str
) -> None:
    card = FailingCard(4, lambda: OSError(number, "Input/output error"))
    with pytest.raises(error, match=text):
        make_card(order, target(card), Silence())


def test_a_card_with_a_wrong_bit_says_what_state_it_is_in(order: CardOrder) -> None:
    with pytest.raises(NotWrittenError, match="reads back differently; " + NOT_COMPLETE):
        make_card(order, target(WornCard(BOOT_AT + 1)), Silence())


def test_after_ctrl_c_the_same_command_goes_on_where_it_was(
    order: CardOrder, made: MemoryCard, tmp_path: Path
) -> None:
    journal = Journal(tmp_path, now_s=0.0)
    for at, least in ((ROOT_AT, ROOT_AT - 2 * CHUNK), (0, IMAGE_BYTES - 2 * CHUNK)):
        # While the image is being written, and when all but the table is.
        writes = [each for each, (offset, _) in enumerate(made.writes) if offset == at]
        card = FailingCard(writes[-1], KeyboardInterrupt)
        with pytest.raises(KeyboardInterrupt) as caught:
            make_card(order, target(card), Silence(), journal=journal)
        assert NOT_COMPLETE in caught.value.__notes__[0]
        _assert_bad(card)

        again = MemoryCard(content=bytes(card.content))
        result = make_card(order, target(again), Silence(), journal=journal)
        verify_card(again, Silence())
        assert result.found_bytes >= least - BOOT_AT
        assert list(tmp_path.iterdir()) == []


def test_a_seed_that_is_wrong_or_does_not_fit_is_refused_before_the_card_is_opened(
    order: CardOrder, tmp_path: Path
) -> None:
    card, large = MemoryCard(), tmp_path / "large.deb"
    large.write_bytes(PACKAGE + bytes(20 << 20))
    for seed in (
        order.seed._replace(configuration="config_version: 7\n"),
        order.seed._replace(package=large),
    ):
        with pytest.raises(BadMaterialError):
            make_card(order._replace(seed=seed), target(card), Silence())
    assert not card.writes


class NoDisks:
    """A computer without any."""

    def disks(self) -> list[Disk]:
        return []


def made_file(order: CardOrder, path: Path) -> CardResult:
    return make_card(order, file_target(path), Silence(), journal=None)


def test_a_file_is_a_card_once_it_is_complete(order: CardOrder, tmp_path: Path) -> None:
    path = tmp_path / "card.img"
    path.with_name("card.img.part").touch(0o644)  # of an attempt, with another umask
    made_file(order, path)

    assert [each.name for each in tmp_path.iterdir()] == ["card.img"]
    assert path.stat().st_mode & 0o777 == 0o600
    with to_read(str(path), NoDisks()) as card:
        assert verify_card(card, Silence()).planted.gateway == "gw-1"


def test_a_file_that_is_there_is_never_replaced(order: CardOrder, tmp_path: Path) -> None:
    path = tmp_path / "card.img"
    path.write_text("of somebody")
    with pytest.raises(RefusedError, match="exists"):
        made_file(order, path)
    assert path.read_text() == "of somebody"


def test_a_file_that_is_not_complete_does_not_bear_its_name(
    order: CardOrder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = FileMedium.write_at

    def fails(self: FileMedium, at: int, data: bytes) -> None:
        if self.path.name == "card.img.part":
            raise OSError(errno.ENOSPC, "No space left on device")
        write(self, at, data)

    with monkeypatch.context() as patch:
        patch.setattr(FileMedium, "write_at", fails)
        with pytest.raises(NotWrittenError, match="No space left"):
            made_file(order, tmp_path / "card.img")
    assert not (tmp_path / "card.img").exists()
    made_file(order, tmp_path / "card.img")
