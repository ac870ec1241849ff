"""Choosing the disk to write: the card that appears, or the one that was named and confirmed."""

import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import UgwError
from tests.flash.lsblk_worlds import GB, Looks, World, worlds
from ugw_flash.disks.choice import Wanted, choose, choose_next, recheck
from ugw_flash.disks.model import Disk, Kind, Partition
from ugw_flash.disks.policy import Grade, judge, name
from ugw_flash.outcome import NoDeviceError, RefusedError

OWN = Disk(path="/dev/nvme0n1", size=512 * GB, kind=Kind.NVME, mounts=("/",))
CARD = Disk(
    path="/dev/sdb",
    size=32 * GB,
    kind=Kind.USB,
    vendor="Generic",
    model="Card reader",
    serial="00012345",
    number="8:16 #4",
    port="usb1/1-1",
    parts=(Partition(path="/dev/sdb1", size=GB, filesystem="vfat", label="bootfs"),),
)
EMPTY = msgspec.structs.replace(CARD, size=0, number="8:16 #3", parts=())
NEXT = msgspec.structs.replace(CARD, number="8:16 #5", parts=())
RAID = Disk(path="/dev/sdc", size=12_000 * GB, kind=Kind.USB, serial="R-1", number="8:32")
SD = msgspec.structs.replace(CARD, path="/dev/mmcblk0", kind=Kind.SD, serial="0xcafe", port="mmc0")


class Told:
    """A watcher that remembers what a person is told."""

    def __init__(self) -> None:
        self.said = ""

    def phase(self, name: str, total_bytes: int | None = None) -> None:
        """Begin a phase."""

    def done(self, done_bytes: int) -> None:
        """Note progress."""

    def say(self, text: str) -> None:
        self.said += text + "\n"


class EndlessError(Exception):
    """It was waited for longer than anything in these tests takes."""


def patience(pauses: int = 10) -> Callable[[], None]:
    """Return a pause that takes no time, and loses patience."""
    left = iter(range(pauses))

    def pause() -> None:
        if next(left, None) is None:
            raise EndlessError

    return pause


def types(answer: str) -> Callable[[str], str]:
    return lambda _: answer + "\n"


def chosen(
    looks: Looks,
    wanted: Wanted = Wanted(),  # noqa: B008 - immutable
    answer: str | None = "2345",
    watcher: Told | None = None,
    needed: int = 0,
) -> Disk:
    return choose(
        looks,
        wanted,
        needed_bytes=needed,
        ask=None if answer is None else types(answer),
        watcher=watcher or Told(),
        pause=patience(),
    )


def test_the_card_that_appears_after_it_was_asked_for_is_chosen() -> None:
    assert chosen(Looks([OWN], [OWN], [OWN, CARD])) == CARD


def test_a_card_put_into_an_empty_reader_is_chosen() -> None:
    assert chosen(Looks([OWN, EMPTY], [OWN, CARD])) == CARD


def test_the_only_card_that_is_there_already_is_not_chosen() -> None:
    with pytest.raises(EndlessError):
        chosen(Looks([OWN, CARD]))


def test_a_card_that_is_pulled_out_and_put_in_again_is_chosen() -> None:
    plain = msgspec.structs.replace(CARD, number="8:16")  # a kernel that does not count media
    assert chosen(Looks([OWN, plain], [OWN], [OWN, plain])) == plain


def test_a_card_that_is_swapped_between_two_looks_is_chosen() -> None:
    assert chosen(Looks([OWN, CARD], [OWN, NEXT])) == NEXT


def test_it_is_waited_until_the_partitions_of_the_card_are_known() -> None:
    bare = msgspec.structs.replace(CARD, parts=())
    assert chosen(Looks([OWN], [OWN, bare], [OWN, CARD])) == CARD


def test_a_luks_stick_that_shows_its_signature_late_is_refused() -> None:
    locked = Partition(path="/dev/sdb1", size=GB, filesystem="crypto_LUKS")
    late = msgspec.structs.replace(CARD, parts=(locked,))
    bare = msgspec.structs.replace(CARD, parts=())
    with pytest.raises(RefusedError, match="LUKS"):
        chosen(Looks([OWN], [OWN, bare], [OWN, late]))


def test_two_cards_that_appear_at_once_are_refused() -> None:
    other = msgspec.structs.replace(CARD, path="/dev/sdd")
    with pytest.raises(RefusedError, match=r"several disks.*/dev/sdb, /dev/sdd"):
        chosen(Looks([OWN], [OWN, CARD, other]))


def test_a_raid_that_appears_is_refused_and_the_way_to_insist_is_told() -> None:
    with pytest.raises(RefusedError, match=r"larger than cards") as refused:
        chosen(Looks([OWN], [OWN, RAID]))
    assert "--to /dev/sdc --allow-disk R-1 --i-know" in refused.value.remedy


def test_waiting_has_an_end() -> None:
    with pytest.raises(NoDeviceError, match="no card was inserted"):
        choose(
            Looks([OWN]),
            Wanted(),
            needed_bytes=0,
            ask=None,
            watcher=Told(),
            pause=lambda: None,
        )


def test_only_the_reader_that_was_named_counts() -> None:
    elsewhere = msgspec.structs.replace(CARD, path="/dev/sdd", port="usb3/3-1")
    looks = Looks([OWN], [OWN, elsewhere], [OWN, elsewhere, CARD])
    assert chosen(looks, Wanted(port=CARD.port)) == CARD


def test_a_person_is_shown_which_disk_it_is_and_what_is_lost() -> None:
    told = Told()
    chosen(Looks([OWN], [CARD]), watcher=told)
    for shown in ("Generic Card reader", "32.0 GB", "00012345", "bootfs", "vfat"):
        assert shown in told.said


@pytest.mark.parametrize("answer", ["", "y", "yes", "1234", "sdb"])
def test_without_the_end_of_the_serial_typed_nothing_is_chosen(answer: str) -> None:
    with pytest.raises(RefusedError, match="not confirmed"):
        chosen(Looks([OWN], [CARD]), answer=answer)


@pytest.mark.parametrize("answer", ["32.0 GB", "32.0gb", " 32,0 GB "])
def test_a_disk_without_a_serial_is_confirmed_by_its_size(answer: str) -> None:
    nameless = msgspec.structs.replace(CARD, serial="")
    assert chosen(Looks([OWN], [nameless]), answer=answer) == nameless


def test_a_card_that_is_too_small_is_refused() -> None:
    with pytest.raises(RefusedError, match="too small"):
        chosen(Looks([OWN], [CARD]), needed=64 * GB)


def test_a_card_is_named_by_its_path_and_confirmed() -> None:
    assert chosen(Looks([OWN, CARD]), Wanted(path="/dev/sdb")) == CARD


def test_a_link_to_a_disk_names_it(tmp_path: Path) -> None:
    target = tmp_path / "sdb"
    target.touch()
    (tmp_path / "by-id").symlink_to(target)
    disk = msgspec.structs.replace(CARD, path=os.path.realpath(target))
    assert chosen(Looks([disk]), Wanted(path=str(tmp_path / "by-id"))) == disk


def test_yes_is_enough_for_a_card_that_appears() -> None:
    assert chosen(Looks([OWN], [CARD]), answer=None) == CARD


def test_yes_alone_is_not_enough_for_a_disk_that_was_there_before() -> None:
    with pytest.raises(RefusedError, match="there before"):
        chosen(Looks([OWN, CARD]), Wanted(path="/dev/sdb"), answer=None)


def test_yes_and_the_serial_are_enough_for_a_card_that_was_there_before() -> None:
    assert chosen(Looks([OWN, CARD]), Wanted(allow_disk="00012345"), answer=None) == CARD


@pytest.mark.parametrize(
    "wanted",
    [
        Wanted(path="/dev/sdc"),
        Wanted(path="/dev/sdc", i_know=True),
        Wanted(path="/dev/sdc", allow_disk="R-1"),
        Wanted(allow_disk="R-1"),
        Wanted(path="/dev/sdc", allow_disk="00012345", i_know=True),
    ],
)
def test_an_unusual_disk_takes_its_own_serial_and_i_know(wanted: Wanted) -> None:
    with pytest.raises(RefusedError):
        chosen(Looks([OWN, CARD, RAID]), wanted, answer="R-1")
    both = Wanted(path="/dev/sdc", allow_disk="R-1", i_know=True)
    assert chosen(Looks([OWN, CARD, RAID]), both, answer=None) == RAID


def test_a_partition_is_no_disk_to_write() -> None:
    with pytest.raises(RefusedError, match="part of /dev/sdb"):
        chosen(Looks([OWN, CARD]), Wanted(path="/dev/sdb1"))


@pytest.mark.parametrize("wanted", [Wanted(path="/dev/sdz"), Wanted(allow_disk="none")])
def test_a_disk_that_is_not_there_is_told(wanted: Wanted) -> None:
    with pytest.raises(NoDeviceError):
        chosen(Looks([OWN, CARD]), wanted)


def test_a_serial_that_two_disks_have_names_neither() -> None:
    twin = msgspec.structs.replace(CARD, path="/dev/sdd")
    with pytest.raises(RefusedError, match="several disks"):
        chosen(Looks([CARD, twin]), Wanted(allow_disk="00012345"))


def test_a_disk_of_the_system_is_forbidden_whoever_found_it() -> None:
    # OWN is not marked as one of the system; where it is mounted says it.
    everything = Wanted(path=OWN.path, allow_disk=OWN.path, i_know=True)
    with pytest.raises(RefusedError, match=r"a disk of this system \(/ is on it\)"):
        chosen(Looks([OWN]), everything, answer=None)


def test_of_the_slots_of_one_reader_the_one_with_a_card_is_meant() -> None:
    slot = msgspec.structs.replace(EMPTY, path="/dev/sda")
    assert chosen(Looks([slot, CARD]), Wanted(allow_disk=CARD.serial)) == CARD
    with pytest.raises(RefusedError, match="no card"):
        chosen(Looks([slot]), Wanted(allow_disk=CARD.serial))


@settings(max_examples=150, deadline=None)
@given(world=worlds(), data=st.data())
def test_whatever_is_said_no_disk_of_the_running_system_is_chosen(
    world: World, data: st.DataObject
) -> None:
    disks = world.found()
    meant = data.draw(st.sampled_from(disks))
    wanted = data.draw(
        st.sampled_from(
            [
                Wanted(path=meant.path, allow_disk=name(meant), i_know=True),
                Wanted(allow_disk=name(meant), i_know=True),
                Wanted(path=meant.path),
                Wanted(i_know=True),
            ]
        )
    )
    # Without a name, everything appears after it was asked for: also what was there all along.
    try:
        disk = chosen(Looks([], disks), wanted, answer=data.draw(st.sampled_from([None, "0001"])))
    except (UgwError, EndlessError):
        return
    assert disk.path not in world.of_system
    assert judge(disk).grade is not Grade.FORBIDDEN


@settings(max_examples=60, deadline=None)
@given(world=worlds(), data=st.data())
def test_no_disk_of_the_running_system_is_chosen_as_the_next_card(
    world: World, data: st.DataObject
) -> None:
    disks = [msgspec.structs.replace(disk, port="usb1/1-1") for disk in world.found()]
    only = [data.draw(st.sampled_from(disks))]
    try:
        disk = choose_next(
            Looks([CARD], only), CARD, needed_bytes=0, watcher=Told(), pause=patience()
        )
    except (UgwError, EndlessError):
        return
    assert disk.path not in world.of_system


def test_the_next_card_is_the_one_in_the_same_reader() -> None:
    elsewhere = msgspec.structs.replace(CARD, path="/dev/sdd", port="usb3/3-1")
    looks = Looks([CARD], [EMPTY, elsewhere], [NEXT, elsewhere])
    assert next_after(CARD, looks) == NEXT


def next_after(last: Disk, looks: Looks, watcher: Told | None = None) -> Disk:
    return choose_next(looks, last, needed_bytes=0, watcher=watcher or Told(), pause=patience())


def test_a_card_that_was_swapped_before_it_was_asked_for_is_the_next() -> None:
    assert next_after(CARD, Looks([NEXT])) == NEXT


def test_the_card_that_was_just_made_is_not_the_next() -> None:
    with pytest.raises(EndlessError):
        next_after(CARD, Looks([CARD]))


def test_an_sd_card_that_was_just_made_is_known_by_its_own_serial() -> None:
    again = msgspec.structs.replace(SD, number="179:0 #9")
    fresh = msgspec.structs.replace(SD, number="179:0 #10", serial="0xbeef")
    told = Told()
    assert next_after(SD, Looks([], [again], [again], [again], [fresh]), told) == fresh
    assert "just made" in told.said


def test_a_next_card_that_is_none_is_refused_and_another_waited_for() -> None:
    large = msgspec.structs.replace(NEXT, size=2_000 * GB)
    told = Told()
    with pytest.raises(EndlessError):
        next_after(CARD, Looks([large]), told)
    assert told.said.count("larger than cards are") == 1
    assert next_after(CARD, Looks([large], [large], [large], [EMPTY], [NEXT])) == NEXT


def test_another_device_in_the_place_of_the_reader_is_no_next_card() -> None:
    stick = msgspec.structs.replace(NEXT, vendor="Kingston", model="DataTraveler", serial="9")
    told = Told()
    with pytest.raises(EndlessError):
        next_after(CARD, Looks([stick]), told)
    assert "there is another device: Kingston DataTraveler" in told.said
    assert "into the same reader" in told.said


def test_the_next_card_in_a_slot_may_be_of_another_make() -> None:
    other = msgspec.structs.replace(SD, number="179:0 #10", serial="0xbeef", model="SD64G")
    assert next_after(SD, Looks([], [other])) == other


def test_without_a_known_reader_there_is_no_next_card() -> None:
    with pytest.raises(RefusedError, match="in which reader"):
        next_after(msgspec.structs.replace(CARD, port=""), Looks([NEXT]))


def test_the_same_card_may_be_written_also_when_the_desktop_has_mounted_it_meanwhile() -> None:
    mounted = Partition(path="/dev/sdb1", size=GB, mounts=("/media/me/bootfs",))
    now = msgspec.structs.replace(CARD, parts=(mounted,))
    assert recheck(Looks([OWN, CARD]), CARD) == CARD
    assert recheck(Looks([OWN, now]), CARD) == now, "as it is, for what is mounted by now"


def with_part(**changes: object) -> Disk:
    part = msgspec.structs.replace(CARD.parts[0], **changes)
    return msgspec.structs.replace(CARD, parts=(part,))


@pytest.mark.parametrize(
    "changes",
    [{"size": 2 * GB}, {"path": "/dev/sdb2"}, {"label": "HOLIDAYS"}, {"filesystem": "exfat"}],
)
def test_a_card_that_was_swapped_is_known_by_what_is_on_it(changes: dict[str, object]) -> None:
    # A reader gives every card its own serial; macOS and old kernels have no number for a medium.
    bare = msgspec.structs.replace(NEXT, number=CARD.number)
    for swapped in (with_part(**changes), bare):
        with pytest.raises(RefusedError, match=r"something else is on .* nothing was written"):
            recheck(Looks([OWN, swapped]), CARD)


def test_what_is_no_longer_known_of_a_card_that_is_unmounted_makes_it_no_other() -> None:
    now = with_part(label="", filesystem="")
    assert recheck(Looks([OWN, now]), CARD) == now


@pytest.mark.parametrize(
    ("now", "error"),
    [
        (None, NoDeviceError),
        (EMPTY, NoDeviceError),
        (NEXT, RefusedError),
        (msgspec.structs.replace(CARD, serial="other"), RefusedError),
        (msgspec.structs.replace(CARD, size=64 * GB), RefusedError),
        (msgspec.structs.replace(CARD, of_system="/ is on it"), RefusedError),
        (msgspec.structs.replace(CARD, mounts=("/mnt/x",)), RefusedError),
        (msgspec.structs.replace(CARD, read_only=True), RefusedError),
        (msgspec.structs.replace(CARD, filesystem="crypto_LUKS"), RefusedError),
    ],
)
def test_another_disk_or_one_that_is_worse_than_it_was_is_not_written(
    now: Disk | None, error: type[UgwError]
) -> None:
    with pytest.raises(error, match=r"nothing was written|before anything was written"):
        recheck(Looks([OWN] if now is None else [OWN, now]), CARD)
