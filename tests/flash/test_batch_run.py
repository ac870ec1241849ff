"""A run over many rows: what fails stops nothing, and the books are right at every moment."""

import errno
import hashlib
import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from gateway.errors import UgwError
from gateway.exit_codes import ExitCode
from tests.flash import boards, desks
from tests.flash.cards import MemoryCard, pi_packed
from tests.flash.offices import Office, Person, failing
from ugw_flash.batch.boards import BoardMaker, Tools, ports_of
from ugw_flash.batch.cards import Asking, CardMaker, reader
from ugw_flash.batch.claims import Claims
from ugw_flash.batch.desk import Desk
from ugw_flash.batch.ledger import Ledger
from ugw_flash.batch.planning import Job, jobs_of
from ugw_flash.batch.results import Result, Results
from ugw_flash.batch.run import Made, WaitedInVainError
from ugw_flash.batch.sheet import read_sheet
from ugw_flash.card.medium import Medium
from ugw_flash.card.target import Target
from ugw_flash.disks.choice import Wanted
from ugw_flash.disks.model import Disk, Kind
from ugw_flash.identity import Claim
from ugw_flash.labels.making import Found, claim_for
from ugw_flash.outcome import RefusedError
from ugw_flash.progress import Silence, Watcher


# ------------------------------------------------------------------------------------- the run
def test_twenty_in_one_run_and_three_that_fail_stop_no_other(tmp_path: Path) -> None:
    office = Office(tmp_path, 20)
    tally = office.run(failing("gw-1", "gw-7", "gw-20"))

    assert [each.gateway for each in tally.failed] == ["gw-1", "gw-7", "gw-20"]
    assert len(tally.made) == 17
    assert tally.code == ExitCode.PARTLY
    assert len(office.books.results.lines) == 20
    assert any("gw-7 FAILED: the card is worn out." in each for each in office.person.said)

    again = office.run(failing())
    assert [each.gateway for each in again.made] == ["gw-1", "gw-7", "gw-20"]
    assert again.code == ExitCode.OK


def test_where_none_is_made_the_command_ends_as_the_first_failed(tmp_path: Path) -> None:
    office = Office(tmp_path, 2)
    tally = office.run(failing("gw-1", "gw-2"))
    assert (tally.made, tally.code) == ((), ExitCode.NOT_WRITTEN)


def test_each_row_is_in_the_books_before_the_next_begins(tmp_path: Path) -> None:
    office = Office(tmp_path, 4)
    seen: list[list[str]] = []

    def maker(job: Job, claim: Claim | None, desk: Desk) -> Made:
        seen.append([each.gateway for each in office.books.results.lines])
        return failing("gw-2")(job, claim, desk)

    office.run(maker)
    assert seen == [[], ["gw-1"], ["gw-1", "gw-2"], ["gw-1", "gw-2", "gw-3"]]


def test_ctrl_c_says_how_to_go_on_and_the_next_run_does(tmp_path: Path) -> None:
    office = Office(tmp_path, 4)

    def maker(job: Job, claim: Claim | None, desk: Desk) -> Made:
        if job.gateway == "gw-3":
            raise KeyboardInterrupt
        return failing()(job, claim, desk)

    with pytest.raises(KeyboardInterrupt) as caught:
        office.run(maker)
    (note,) = getattr(caught.value, "__notes__", [])
    assert note == "(2 of 4 are made; the same command goes on with gw-3)"
    assert [each.result for each in office.books.results.lines] == ["made", "made", "interrupted"]
    assert [each.gateway for each in office.run(failing()).made] == ["gw-3", "gw-4"]


def test_when_nobody_comes_any_more_the_rest_is_left(tmp_path: Path) -> None:
    office = Office(tmp_path, 3)

    def maker(job: Job, claim: Claim | None, desk: Desk) -> Made:
        if job.gateway == "gw-2":
            cause = "no card was inserted"
            raise WaitedInVainError(cause)
        return failing()(job, claim, desk)

    tally = office.run(maker)
    assert tally.left == ("gw-2", "gw-3")
    assert tally.code == ExitCode.PARTLY
    assert [each.gateway for each in office.books.results.lines] == ["gw-1"]


# ------------------------------------------------------------------------------------- claims
def given(office: Office) -> list[Claim]:
    """Run, and return the claims that were given."""
    claims: list[Claim] = []

    def maker(job: Job, claim: Claim | None, desk: Desk) -> Made:
        assert claim is not None
        claims.append(claim)
        return failing("gw-2")(job, claim, desk)

    office.run(maker)
    return claims


def test_no_claim_is_given_twice_and_one_that_failed_keeps_its_own(tmp_path: Path) -> None:
    office = Office(tmp_path, 3)
    first = given(office)
    assert len({each.digest for each in first}) == 3
    assert {each.expires_s for each in first} == {desks.NOW_S + 86400}
    assert [each.digest for each in given(office)] == [first[1].digest]


def test_a_claim_that_expired_before_the_card_was_made_is_replaced(tmp_path: Path) -> None:
    office = Office(tmp_path, 2)
    first = given(office)
    office.now_s += 86400
    assert given(office)[0].digest != first[1].digest


def test_a_kind_that_needs_no_claim_gets_none(tmp_path: Path) -> None:
    office = Office(tmp_path, 1, claiming=False)
    office.run(lambda _job, claim, _desk: Made(str(claim)))
    assert office.books.results.lines[0].device == "None"
    assert not (tmp_path / "sites.claims.csv").exists()


def test_a_label_shows_no_claim_but_the_one_that_was_given_and_is_good(tmp_path: Path) -> None:
    office = Office(tmp_path, 1)
    (first,) = given(office)
    (job,), books = office.jobs, office.books

    def found(now_s: int) -> Found:
        desk = Desk(now_s, {})
        return claim_for(job, Claims.beside(office.sheet), books.results, desk)

    assert found(desks.NOW_S) == Found(first)
    assert found(desks.NOW_S + 86400) == Found(None, "its claim has expired")
    books.claims.keep("gw-1", Claim.new(desks.NOW_S + 86400))
    assert found(desks.NOW_S).claim is None


def test_claims_that_everybody_can_read_are_refused(tmp_path: Path) -> None:
    office = Office(tmp_path, 1)
    given(office)
    (tmp_path / "sites.claims.csv").chmod(0o644)
    with pytest.raises(RefusedError) as caught:
        assert office.books
    assert "chmod 600" in caught.value.remedy


def test_a_disk_that_the_desk_cannot_read_stops_no_other_row(tmp_path: Path) -> None:
    office = Office(tmp_path, 2)

    def make(job: Job, _claim: Claim | None, _desk: Desk) -> Made:
        if job.gateway == "gw-1":
            raise OSError(errno.EIO, "Input/output error", "/dev/sdb")
        return Made()

    tally = office.run(make)
    assert [each.gateway for each in tally.made] == ["gw-2"]
    assert [each.cause for each in tally.failed] == ["/dev/sdb: Input/output error"]


# ------------------------------------------------------------------------------------- cards
@contextmanager
def silent(_gateway: str) -> Iterator[Watcher]:
    yield Silence()


class Cards:
    """Cards in memory, inserted one after the other."""

    def __init__(self, *cards: MemoryCard) -> None:
        self._cards = iter(cards)

    def __call__(self, _job: Job, _size: int) -> Target:
        card = next(self._cards)

        @contextmanager
        def opened(_needed: int) -> Iterator[Medium]:
            yield card

        return Target("/dev/sdb", "k", "0xcafe", opened, lambda: None)


@pytest.fixture
def office(tmp_path: Path) -> Office:
    packed, sha256 = pi_packed()
    made = Office(tmp_path, 3, claiming=False)
    text = desks.PI.replace("pi.img", "pi.img.xz").replace(desks.SHA256, sha256)
    desks.write(tmp_path / "kiel", {"profile.yaml": text, "pi.img.xz": packed})
    made.jobs = jobs_of(made.sheet, None)
    return made


def test_a_card_that_was_made_in_this_run_is_not_written_again(office: Office) -> None:
    one, two = MemoryCard(), MemoryCard()
    maker = CardMaker(Cards(one, one, two), silent, overwrite=True)
    desk = Desk(desks.NOW_S, {})

    assert maker(office.jobs[0], None, desk) == Made("0xcafe", pi_packed()[1])
    before = bytes(one.content)
    maker(office.jobs[1], None, desk)
    assert bytes(one.content) == before
    assert two.writes


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_card_of_an_earlier_run_is_written_only_where_that_was_said(
    office: Office, *, overwrite: bool
) -> None:
    card, desk = MemoryCard(), Desk(desks.NOW_S, {})
    CardMaker(Cards(card), silent)(office.jobs[0], None, desk)
    before = len(card.writes)
    later = CardMaker(Cards(card), silent, tries=1, overwrite=overwrite)

    if overwrite:
        later(office.jobs[1], None, desk)
    else:
        with pytest.raises(RefusedError, match="gw-1"):
            later(office.jobs[1], None, desk)
    assert (len(card.writes) > before) == overwrite
    CardMaker(Cards(card), silent, tries=1)(office.jobs[1 if overwrite else 0], None, desk)


class Reader:
    """A computer with a reader, into which cards are put while it is looked at."""

    def __init__(self, *states: Disk) -> None:
        self._states = itertools.chain(states, itertools.repeat(states[-1]))

    def disks(self) -> list[Disk]:
        return [next(self._states)]


CARD = Disk(
    path="/dev/sdb",
    size=32_000_000_000,
    kind=Kind.USB,
    serial="0001",
    number="8:16 #4",
    port="usb1/1-1",
)
EMPTY = msgspec.structs.replace(CARD, size=0, number="8:16 #3")
SECOND = msgspec.structs.replace(CARD, number="8:16 #5")


def test_a_person_confirms_the_first_card_and_no_other(office: Office) -> None:
    asked: list[str] = []

    def ask(question: str) -> str:
        asked.append(question)
        return "0001"

    source = Reader(EMPTY, CARD, CARD, EMPTY, SECOND, SECOND)
    targets = reader(source, Wanted(), Asking(ask, lambda: None, Silence()))
    names = [targets(job, 1000).name for job in office.jobs[:2]]
    assert names == ["/dev/sdb", "/dev/sdb"]
    assert len(asked) == 1


def test_where_no_card_comes_the_run_ends(office: Office) -> None:
    targets = reader(Reader(EMPTY), Wanted(), Asking(None, lambda: None, Silence()))
    with pytest.raises(WaitedInVainError):
        targets(office.jobs[0], 1000)


def test_ctrl_c_while_a_board_is_waited_for_says_that_none_is_half_written() -> None:
    def pause() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        ports_of([], Silence(), pause)()
    assert caught.value.__notes__ == ["No board is half written."]


# ------------------------------------------------------------------------------------- boards
@pytest.fixture
def board_jobs(tmp_path: Path) -> list[Job]:
    firmware, sha256 = boards.firmware_file(tmp_path)
    text = desks.BOARD.replace(desks.SHA256, sha256)
    desks.profile(tmp_path / "boards", text, firmware_bin=firmware.read_bytes())
    sheet = tmp_path / "boards.csv"
    sheet.write_text("gateway;profile;mac\ngw-7;boards;\ngw-8;boards;00:00:00:00:00:08\n")
    return jobs_of(read_sheet(sheet), None)


def test_a_board_is_made_once_and_only_as_who_it_is(tmp_path: Path, board_jobs: list[Job]) -> None:
    results = Results(Ledger(tmp_path / "r.csv", Result._fields, ";"))
    desk = Desk(desks.NOW_S, {})
    with boards.chip() as plug:
        bench = boards.bench(plug)
        tools = Tools(bench.esptool, 0, desks.NOW_S)

        def maker() -> BoardMaker:
            named = ports_of([plug.port], Silence(), lambda: None)
            return BoardMaker(named, tools, results, silent)

        made = maker()(board_jobs[0], None, desk)
        assert made.material_sha256 == hashlib.sha256(plug_firmware(board_jobs[0])).hexdigest()
        results.add(Result("gw-7", "made", "", "esp32", made.device))

        with pytest.raises(UgwError, match="more boards than ports"):
            maker()(board_jobs[1], None, desk)  # refused: another MAC; then no port is left
        strange = board_jobs[1]._replace(row=board_jobs[1].row._replace(mac=""))
        said = Person()
        heard = BoardMaker(
            ports_of([plug.port], Silence(), lambda: None), tools, results, said_to(said)
        )
        with pytest.raises(WaitedInVainError):
            heard(strange, None, desk)
        assert any(f"the board {made.device} is gw-7 already" in each for each in said.said)


def plug_firmware(job: Job) -> bytes:
    firmware = job.opened.profile.firmware
    assert firmware is not None
    return job.opened.place(firmware.path).read_bytes()


def said_to(person: Person) -> Callable[[str], "Said"]:
    return lambda _gateway: Said(person)


class Said(Silence):
    """A watcher that a person listens to."""

    def __init__(self, person: Person) -> None:
        self._person = person

    def say(self, text: str) -> None:
        self._person.say(text)

    def __enter__(self) -> Watcher:
        return self

    def __exit__(self, *_: object) -> None:
        pass
