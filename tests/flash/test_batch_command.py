"""`ugw flash batch`, `label` and `report`, as whoever installs gateways calls them."""

import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.cli import main as entry
from gateway.cli.doctor.finding import Light
from gateway.cli.doctor.report import SCHEMA, SiteReport, System, encode
from gateway.cli.doctor.words.text import Language
from gateway.exit_codes import ExitCode
from tests.flash import desks
from tests.flash.cards import (
    BOOT_AT,
    BOOT_BYTES,
    CARD_BYTES,
    PACKAGE,
    loop_device,
    pi_packed,
)
from ugw_flash import commands
from ugw_flash.batch.cells import parse
from ugw_flash.batch.handover import read_reports
from ugw_flash.batch.ledger import alone
from ugw_flash.card.medium import FileMedium, Window
from ugw_flash.outcome import RefusedError
from ugw_flash.seed.read_back import Planted, read_back

CLAIMING = "identity: {claim_url: https://city.example/g}\n"
Captured = pytest.CaptureFixture[str]
Ugw = Callable[..., int]


class _Entry:
    name = "flash"

    def load(self) -> object:
        return commands


@pytest.fixture
def ugw(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Ugw:
    """Return the command; its exit code is what it returns."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(entry, "entry_points", lambda group: [_Entry()] * (group == entry.GROUP))

    def call(*words: object) -> int:
        with pytest.raises(SystemExit) as ended:
            entry.main(("flash", *map(str, words)))
        code = ended.value.code
        return ExitCode.OK if code is None else int(code)

    return call


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """Return a folder with a sheet of two, a profile and an empty folder for cards."""
    folder = tmp_path / "desk"
    packed, sha256 = pi_packed()
    text = desks.PI.replace("pi.img", "raspios.img.xz").replace(desks.SHA256, sha256)
    yaml = desks.GATEWAY_YAML.replace("    cert: /etc/ugw/gw.pem\n    key: /etc/ugw/gw.key\n", "")
    desks.profile(folder / "kiel", text + CLAIMING, ugw_deb=PACKAGE, gateway_yaml=yaml)
    (folder / "kiel" / "raspios.img.xz").write_bytes(packed)
    (folder / "sites.csv").write_text(
        "gateway;profile;name;site;lat;lon;mac\n"
        "gw-1;kiel;Roof;Lessing school;54,3;10,1;\n"
        "gw-2;kiel;Cellar;Town hall;54,4;10,2;3c:71:bf:00:00:02\n"
    )
    (folder / "cards").mkdir()
    return folder


def batch(ugw: Ugw, desk: Path, *words: object) -> int:
    return ugw("batch", desk / "sites.csv", "--to", desk / "cards", *words)


def lines(desk: Path) -> list[dict[str, str]]:
    """Return the results, as a platform reads them."""
    table = parse((desk / "sites.result.csv").read_text("utf-8-sig"))
    header, *rest = [[cell.text for cell in line] for line in table.lines]
    return [dict(zip(header, line, strict=True)) for line in rest]


def planted(card: Path) -> Planted:
    with FileMedium(card) as medium:
        return read_back(Window(medium, BOOT_AT, BOOT_BYTES))


def test_all_gateways_of_a_sheet_are_made_and_kept_in_the_books(
    ugw: Ugw, desk: Path, capsys: Captured
) -> None:
    assert batch(ugw, desk, "--json") == ExitCode.OK
    told = json.loads(capsys.readouterr().out)

    assert (told["ok"], told["failed"], told["left"]) == (True, [], [])
    found = lines(desk)
    assert [(each["gateway"], each["result"]) for each in found] == [
        ("gw-1", "made"),
        ("gw-2", "made"),
    ]
    for each in found:
        assert planted(desk / "cards" / f"{each['gateway']}.img").gateway == each["gateway"]
        assert each["material_sha256"] == pi_packed()[1]
    assert len({each["claim_sha256"] for each in found}) == 2
    assert [each["shortCode"] for each in told["made"]] == [each["short_code"] for each in found]
    mode = stat.S_IMODE((desk / "sites.result.csv").stat().st_mode)
    assert mode == stat.S_IMODE((desk / "sites.claims.csv").stat().st_mode) == 0o600


def test_one_that_fails_stops_no_other_and_is_made_by_the_next_run(
    ugw: Ugw, desk: Path, capsys: Captured
) -> None:
    (desk / "cards" / "gw-1.img").write_text("in the way")

    assert batch(ugw, desk, "--json") == ExitCode.PARTLY
    told = json.loads(capsys.readouterr().out)
    assert [each["gateway"] for each in told["made"]] == ["gw-2"]
    assert "no file is ever replaced" in told["failed"][0]["cause"]
    assert (told["ok"], told["exitCode"]) == (False, 9)

    assert batch(ugw, desk) != ExitCode.OK
    assert "0 made, 1 failed (gw-1)." in capsys.readouterr().out, "which one, at the end"

    (desk / "cards" / "gw-1.img").unlink()
    assert batch(ugw, desk) == ExitCode.OK
    assert "1 made" in capsys.readouterr().out
    assert [each["result"] for each in lines(desk)] == ["failed", "made", "failed", "made"]


def test_no_other_run_makes_a_row_after_the_books_were_read(
    ugw: Ugw, desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other_run(*_: object) -> None:
        with pytest.raises(RefusedError, match="another run"), alone(desk / "sites.csv"):
            pass

    monkeypatch.setattr("ugw_flash.commands.batch.rehearse", other_run)
    assert batch(ugw, desk) == ExitCode.OK
    with alone(desk / "sites.csv"):
        assert [each["result"] for each in lines(desk)] == ["made", "made"]


def test_a_row_that_was_used_is_refused_unless_again_and_gets_a_new_claim(
    ugw: Ugw, desk: Path, capsys: Captured
) -> None:
    assert batch(ugw, desk) == ExitCode.OK
    assert batch(ugw, desk) == ExitCode.REFUSED
    assert batch(ugw, desk, "--only", "gw-2") == ExitCode.REFUSED
    assert batch(ugw, desk, "--again") == ExitCode.REFUSED
    assert "a row is used once" in capsys.readouterr().err

    (desk / "cards" / "gw-2.img").unlink()
    assert batch(ugw, desk, "--only", "gw-2", "--again") == ExitCode.OK
    claims = [each["claim_sha256"] for each in lines(desk) if each["gateway"] == "gw-2"]
    assert len(set(claims)) == 2


def test_a_disk_that_was_named_is_written_and_no_other_is_waited_for(
    ugw: Ugw, desk: Path, tmp_path: Path, capsys: Captured
) -> None:
    with (tmp_path / "card").open("wb") as file:
        file.truncate(CARD_BYTES)
    with loop_device(tmp_path / "card") as path:
        named = ("--to", path, "--allow-disk", path, "--i-know", "--yes", "--json")
        assert ugw("batch", desk / "sites.csv", *named, "--only", "gw-1") == ExitCode.OK
        capsys.readouterr()
        assert ugw("batch", desk / "sites.csv", *named) == ExitCode.REFUSED
    told = json.loads(capsys.readouterr().out)
    assert "this card is that of gw-1" in told["failed"][0]["cause"]
    assert planted(tmp_path / "card").gateway == "gw-1"


def test_everything_wrong_with_any_row_is_told_before_anything_is_made(
    ugw: Ugw, desk: Path, capsys: Captured
) -> None:
    text = (desk / "sites.csv").read_text()
    (desk / "sites.csv").write_text(text + "gw-3;nowhere;;;;;\n")
    assert batch(ugw, desk) == ExitCode.CONFIGURATION
    assert "nowhere" in capsys.readouterr().err

    (desk / "sites.csv").write_text(text.replace("gw-2;", "gw-1;"))
    assert batch(ugw, desk) == ExitCode.CONFIGURATION
    assert "sites.csv:3:1: gateway: gw-1 stands twice, first in line 2" in capsys.readouterr().err

    (desk / "kiel" / "etc" / "ca.pem").unlink()
    (desk / "sites.csv").write_text(text)
    assert batch(ugw, desk) == ExitCode.CONFIGURATION
    assert capsys.readouterr().err.count("ca.pem is not there") == 2
    assert list((desk / "cards").iterdir()) == []
    assert not (desk / "sites.result.csv").exists()


def test_a_dry_run_checks_all_of_it_and_writes_nothing(
    ugw: Ugw, desk: Path, capsys: Captured
) -> None:
    before = sorted(desk.rglob("*"))
    assert batch(ugw, desk, "--dry-run", "--json") == ExitCode.OK
    told = json.loads(capsys.readouterr().out)
    assert [each["gateway"] for each in told["rows"]] == ["gw-1", "gw-2"]
    assert sorted(desk.rglob("*")) == before

    (desk / "kiel" / "raspios.img.xz").write_bytes(b"another")
    assert batch(ugw, desk, "--dry-run") == ExitCode.BAD_MATERIAL


def test_no_claim_and_no_secret_is_in_what_is_said_or_in_the_results(
    ugw: Ugw, desk: Path, capsys: Captured
) -> None:
    assert batch(ugw, desk) == ExitCode.OK
    captured = capsys.readouterr()
    kept = parse((desk / "sites.claims.csv").read_text("utf-8-sig")).lines[1:]

    for line in kept:
        claim = line[1].text
        assert claim not in captured.out + captured.err
        assert claim not in (desk / "sites.result.csv").read_text()


def test_a_label_shows_the_claim_that_the_gateway_is_given(
    ugw: Ugw, desk: Path, capsys: Captured
) -> None:
    labels = ("label", desk / "sites.csv")
    assert ugw(*labels, "--png", desk / "labels", "--pdf", desk / "labels.pdf") == ExitCode.OK
    first = (desk / "labels" / "gw-1.png").read_bytes()
    kept = (desk / "sites.claims.csv").read_bytes()
    assert batch(ugw, desk) == ExitCode.OK
    assert (desk / "sites.claims.csv").read_bytes() == kept

    assert ugw(*labels, "--png", desk / "labels", "--json") == ExitCode.OK
    assert (desk / "labels" / "gw-1.png").read_bytes() == first
    (desk / "sites.claims.csv").unlink()
    capsys.readouterr()
    assert ugw(*labels, "--png", desk / "labels", "--only", "gw-1") == ExitCode.OK
    assert "gw-1: no claim on its label" in capsys.readouterr().err
    assert (desk / "labels" / "gw-1.png").read_bytes() != first


def test_labels_are_for_their_owner_alone(ugw: Ugw, desk: Path) -> None:
    pdf, png = desk / "labels.pdf", desk / "labels"
    pdf.write_bytes(b"another's")
    pdf.chmod(0o644)
    assert ugw("label", desk / "sites.csv", "--png", png, "--pdf", pdf) == ExitCode.OK
    for path in (pdf, *png.iterdir()):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(each.name for each in png.iterdir()) == ["gw-1.png", "gw-2.png"]


def site_report(gateway: str, light: str, *, acknowledged: bool, time: str) -> str:
    sensors = [{"device": "x", "light": "green"}, {"device": "y", "light": "yellow"}]
    facts = {"schema": "ugw.site-report/1", "gateway": gateway, "light": light}
    more = {"acknowledged": acknowledged, "software": "ugw 1", "reportTime": time}
    return json.dumps({**facts, **more, "sensors": sensors, "checks": []})


def test_the_handover_says_which_gateways_deliver(ugw: Ugw, desk: Path, capsys: Captured) -> None:
    with (desk / "sites.csv").open("a") as sheet:
        sheet.write("gw-3;kiel;;;;;\n")
    (desk / "cards" / "gw-3.img").write_text("in the way")
    assert batch(ugw, desk) == ExitCode.PARTLY
    reports = desks.write(
        desk / "reports",
        {
            "a.json": site_report("gw-1", "red", acknowledged=False, time="2099-11-22T10:00:00Z"),
            "b.json": site_report(
                "gw-1", "yellow", acknowledged=True, time="2099-11-22T11:00:00Z"
            ),
            "d.json": site_report(
                "gw-2", "yellow", acknowledged=False, time="2099-11-22T11:00:00Z"
            ),
            "c.json": site_report("gw-9", "green", acknowledged=True, time=""),
        },
    )
    capsys.readouterr()
    pdf = desk / "handover.pdf"

    assert ugw("report", desk / "sites.csv", reports, "--json", "--pdf", pdf) == ExitCode.OK
    told = json.loads(capsys.readouterr().out)
    states = {each["gateway"]: each["state"] for each in told["gateways"]}
    assert states == {"gw-1": "delivers", "gw-2": "trouble", "gw-3": "failed"}
    assert told["gateways"][0]["sensorsGreen"] == 1
    assert told["notInSheet"] == ["gw-9"]
    assert pdf.read_bytes().startswith(b"%PDF-")

    assert ugw("report", desk / "sites.csv", reports) == ExitCode.OK
    assert "3 gateways: 1 delivers, 1 trouble, 1 failed." in capsys.readouterr().out


def test_the_report_of_a_gateway_whose_clock_is_not_set_counts_too(
    ugw: Ugw, desk: Path, capsys: Captured
) -> None:
    told = site_report("gw-1", "yellow", acknowledged=True, time="")
    reports = desks.write(desk / "reports", {"a.json": told})

    assert ugw("report", desk / "sites.csv", reports, "--json") == ExitCode.OK
    line = json.loads(capsys.readouterr().out)["gateways"][0]
    assert (line["state"], line["reported"]) == ("delivers", "undated")
    assert ugw("report", desk / "sites.csv", reports) == ExitCode.OK
    assert "1/2" in capsys.readouterr().out


def test_a_report_of_what_it_was_before_it_was_made_anew_is_none(
    ugw: Ugw, desk: Path, capsys: Captured
) -> None:
    assert batch(ugw, desk, "--only", "gw-1") == ExitCode.OK
    told = site_report("gw-1", "green", acknowledged=True, time="2020-01-01T10:00:00.000Z")
    reports = desks.write(desk / "reports", {"a.json": told})
    capsys.readouterr()

    assert ugw("report", desk / "sites.csv", reports, "--json") == ExitCode.OK
    line = json.loads(capsys.readouterr().out)["gateways"][0]
    assert (line["state"], line["remark"]) == (
        "made",
        "its report is older than its card or board",
    )
    assert "reported" not in line


def test_what_the_doctor_of_a_gateway_writes_is_understood(tmp_path: Path) -> None:
    made = SiteReport(
        schema=SCHEMA,
        gateway="gw-1",
        report_time="2026-11-22T10:00:00.000Z",
        language=Language.DE,
        light=Light.YELLOW,
        acknowledged=True,
        software="ugw 1",
        system=System(kernel="6.12", python="3.13"),
        checks=[],
        sensors=[],
    )
    (tmp_path / "report.json").write_bytes(encode(made))
    read = read_reports([tmp_path])["gw-1"]
    assert (read.light, read.acknowledged, read.software) == ("yellow", True, "ugw 1")
    assert read.report_time == made.report_time


@pytest.mark.parametrize("content", ["", "{}", '{"schema": "x"}', "[1]"])
def test_what_is_no_site_report_is_refused(ugw: Ugw, desk: Path, content: str) -> None:
    (desk / "bad.json").write_text(content)
    assert ugw("report", desk / "sites.csv", desk / "bad.json") == ExitCode.BAD_MATERIAL
