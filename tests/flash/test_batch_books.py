"""The books beside a sheet: whatever tears or saves them, no row is lost, none made twice."""

from pathlib import Path

import pytest

from tests.flash import desks
from tests.flash.offices import Office, failing
from ugw_flash.batch.claims import Claims
from ugw_flash.batch.ledger import Ledger, alone, unix_s, utc
from ugw_flash.batch.results import Result, Results
from ugw_flash.identity import Claim
from ugw_flash.outcome import RefusedError


@pytest.mark.parametrize("name", ["sites.result.csv", "sites.claims.csv"])
def test_the_books_are_good_wherever_a_power_cut_tore_them(tmp_path: Path, name: str) -> None:
    office = Office(tmp_path, 3)
    office.run(failing())
    path = tmp_path / name
    whole = path.read_bytes()

    def gateways() -> list[str]:
        books = Claims.beside(office.sheet), Results.beside(office.sheet)
        known = [job.gateway for job in office.jobs if books[0].of(job.gateway)]
        return known if "claims" in name else [each.gateway for each in books[1].lines]

    for end in range(0, len(whole), 11):
        path.write_bytes(whole[:end])
        before = gateways()
        assert before == ["gw-1", "gw-2", "gw-3"][: len(before)]
        assert len(before) >= whole[:end].count(b"\n") - 1
        office.books.results.add(Result("gw-9", "made", "", "pi"))
        office.books.claims.keep("gw-3", Claim.new(desks.NOW_S))
        assert gateways()[: len(before)] == before
        last = before if "claims" in name else [*before, "gw-9"]
        assert set(gateways()) == {*last, *(["gw-3"] if "claims" in name else [])}


def test_what_is_not_ours_is_never_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "sites.result.csv"
    path.write_text("gateway;what\ngw-1;else\n")
    with pytest.raises(RefusedError, match="is not what `ugw flash` writes"):
        Ledger(path, Result._fields, ";")
    assert path.read_text() == "gateway;what\ngw-1;else\n"


def test_results_that_a_spreadsheet_saved_are_gone_on_with(tmp_path: Path) -> None:
    office = Office(tmp_path, 2)
    office.run(failing("gw-2"))
    path = tmp_path / "sites.result.csv"
    path.write_text(path.read_text("utf-8-sig").replace(";", ","), newline="")
    office.run(failing())
    assert [each.result for each in office.books.results.lines] == ["made", "failed", "made"]
    assert ";" not in path.read_text()


def test_what_a_spreadsheet_left_out_at_the_end_of_lines_is_empty(tmp_path: Path) -> None:
    # Excel writes no separators of last columns that are empty over 16 lines.
    office = Office(tmp_path, 2)
    office.run(failing())
    path = tmp_path / "sites.result.csv"
    path.write_bytes(path.read_bytes().replace(b";\r\n", b"\r\n"))
    assert [each.cause for each in office.books.results.lines] == ["", ""]
    assert office.run(failing()).made == (), "both are made already"


def test_a_line_with_more_than_its_columns_is_refused(tmp_path: Path) -> None:
    office = Office(tmp_path, 1)
    office.run(failing())
    path = tmp_path / "sites.result.csv"
    path.write_bytes(path.read_bytes().replace(b";\r\n", b";;;\r\n"))
    assert len(office.books.results.lines) == 1, "empty ones do no harm"
    path.write_bytes(path.read_bytes() + b"gw-2;made;;;;;;;;;;;note\r\n")
    with pytest.raises(RefusedError, match=r"sites\.result\.csv:3"):
        assert office.books


def test_two_runs_do_not_work_on_one_sheet(tmp_path: Path) -> None:
    path = tmp_path / "sites.csv"
    with (
        alone(path),
        pytest.raises(RefusedError, match=r"works on sites\.csv right now"),
        alone(path),
    ):
        pass
    with alone(path):
        pass


def test_a_time_is_read_as_it_was_written() -> None:
    assert utc(desks.NOW_S) == "2026-11-18T11:06:40Z"
    assert unix_s(utc(desks.NOW_S)) == desks.NOW_S
