"""The sheet: what spreadsheets write is read, and every fault is told where it stands."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.config import InvalidConfigError
from ugw_flash.batch.cells import is_formula, parse, render
from ugw_flash.batch.sheet import Sheet, read_sheet
from ugw_flash.batch.values import COLUMNS

HEADER = ";".join(COLUMNS)
FULL = (
    'gw-1;pi;"Dach; ""Süd""";Kiel;54,3233;-10.1394;wifi;city;file:psk;'
    "192.0.2.17/24;192.0.2.1;192.0.2.1 192.0.2.2;3C-71-BF-00-00-01;A 1"
)


def sheet(tmp_path: Path, text: str | bytes) -> Sheet:
    path = tmp_path / "sites.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_sheet(path)


def findings(tmp_path: Path, text: str | bytes) -> list[str]:
    with pytest.raises(InvalidConfigError) as caught:
        sheet(tmp_path, text)
    assert caught.value.remedy or "save the file as UTF-8" in str(caught.value)
    return [each.headline.replace(f"{tmp_path}/", "") for each in caught.value.findings]


def test_every_column_is_read_as_what_it_means(tmp_path: Path) -> None:
    (row,) = sheet(tmp_path, f"{HEADER}\n{FULL}\n").rows

    assert row.gateway == "gw-1"
    assert row.profile == str(tmp_path / "pi")
    assert (row.name, row.site, row.label) == ('Dach; "Süd"', "Kiel", "A 1")
    assert (row.lat, row.lon) == (54.3233, -10.1394)
    assert (row.network, row.ssid) == ("wifi", "city")
    assert row.wifi_password == f"file:{tmp_path / 'psk'}"
    assert (row.address, row.gateway_ip) == ("192.0.2.17/24", "192.0.2.1")
    assert row.dns == ("192.0.2.1", "192.0.2.2")
    assert row.mac == "3c:71:bf:00:00:01"


@pytest.mark.parametrize(
    "text",
    [
        "gateway;name\ngw-1;a,b\n",
        'gateway,name\ngw-1,"a,b"\n',
        'Gateway,NAME\r\ngw-1,"a,b"\r\n',
        "\ufeffgateway;name\r\ngw-1;a,b\r\n",
        "sep=;\r\ngateway;name\r\ngw-1;a,b",
        'sep=\t\ngateway\tname\ngw-1\t"a,b"\n',
        "gateway;name;;\n;;;\ngw-1;a,b;;\n;;;\n",
        ' gateway ; name \n gw-1 ;"a,b"\n',
    ],
)
def test_whatever_a_spreadsheet_writes_is_read(tmp_path: Path, text: str) -> None:
    (row,) = sheet(tmp_path, text).rows
    assert (row.gateway, row.name) == ("gw-1", "a,b")


def test_every_fault_is_told_at_once_with_its_line_and_column(tmp_path: Path) -> None:
    found = findings(
        tmp_path,
        "gateway;lat;lon;network;wifi_password;adress\n"
        "gw-1;91;10;token ring;hunter2hunter2;x\n"
        "GW 2;54.1;;;;\n"
        "gw-1;;;;;\n",
    )
    assert [each.split(": ", 1)[0] for each in found] == [
        *("sites.csv:1:39", "sites.csv:2:6", "sites.csv:2:12", "sites.csv:2:23"),
        *("sites.csv:3:1", "sites.csv:3:11", "sites.csv:4:1"),
    ]
    assert "unknown column 'adress', did you mean 'address'?" in found[0]
    assert "lat: degrees from -90 to 90 are needed, as 54.3233, not '91'" in found[1]
    assert "network: ethernet or wifi, not 'token ring'" in found[2]
    assert "gateway: 1 to 64 of the characters" in found[4]
    assert found[5].endswith("lon: required with lat")
    assert found[6].endswith("gateway: gw-1 stands twice, first in line 2")


def test_a_password_in_the_sheet_is_refused_and_not_repeated(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfigError) as caught:
        sheet(tmp_path, "gateway;network;ssid;wifi_password\ngw-1;wifi;city;hunter2hunter2\n")
    assert "never the password" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_lines_are_counted_over_cells_of_several_lines(tmp_path: Path) -> None:
    found = findings(tmp_path, 'gateway;name\r\ngw-1;"a\r\nb"\r\ngw-2;"c""d";x\r\n')
    assert found == [
        "sites.csv:2:6: name: a text of 1 to 100 printable characters is needed",
        "sites.csv:4:13: no column has a name here: does a text need quotes around it?",
    ]


def test_a_quote_that_is_not_closed_is_told_where_it_began(tmp_path: Path) -> None:
    found = findings(tmp_path, 'gateway;name\ngw-1;"roof\ngw-2;x\n')
    assert "sites.csv:2:6: the quote that begins here is not closed" in found


@pytest.mark.parametrize(
    ("column", "text", "made"),
    [
        ("gateway", "1.2.2027", "a date"),
        ("gateway", "01. Feb", "a date"),
        ("gateway", "Jan 27", "a date"),
        ("mac", "3,71E+12", "a number"),
        ("mac", "11:22:33", "a time"),
        ("address", "#NAME?", "an error"),
    ],
)
def test_what_excel_made_of_a_text_is_recognised(
    tmp_path: Path, column: str, text: str, made: str
) -> None:
    cells = {"gateway": "gw-1", column: text}
    found = findings(tmp_path, ";".join(cells) + "\n" + ";".join(cells.values()) + "\n")
    assert f"Excel seems to have made {made} of it: format the column as text" in found[0]


@pytest.mark.parametrize("text", ["=1+1", "@SUM(A1)", "+cmd|' /C calc'!A0", "-x"])
def test_a_formula_is_refused(tmp_path: Path, text: str) -> None:
    (found,) = findings(tmp_path, f"gateway;name\ngw-1;{text}\n")
    assert found.startswith("sites.csv:2:6: name: a cell may not begin with")


@pytest.mark.parametrize(
    ("cells", "why"),
    [
        ("192.0.2.17;192.0.2.1;192.0.2.1", "address: an address and its network"),
        ("192.0.2.0/24;192.0.2.1;192.0.2.1", "192.0.2.0 is no host's address"),
        ("192.0.2.17/24;198.51.100.1;192.0.2.1", "gateway_ip: 198.51.100.1 is not in"),
        ("192.0.2.17/24;;192.0.2.1", "gateway_ip: required with address"),
        ("192.0.2.17/24;192.0.2.1;", "dns: required with address"),
        (";192.0.2.1;", "gateway_ip: of no use without address"),
        (";;ns.example", "dns: an address is needed"),
    ],
)
def test_an_address_that_cannot_work_is_refused(tmp_path: Path, cells: str, why: str) -> None:
    found = findings(tmp_path, f"gateway;address;gateway_ip;dns\ngw-1;{cells}\n")
    assert any(why in each for each in found)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "the sheet is empty"),
        (b"gateway\n", "there is no row below the header"),
        (b"gw-1;Roof\ngw-2;Cellar\n", "a first line with names of columns is needed"),
        ("gateway;name\ngw-1;Dach süd\n".encode("cp1252"), "not UTF-8: the byte 0xfc"),
        ("gateway;name\ngw-1;x\n".encode("utf-16"), "not UTF-8: the byte 0xff"),
        (b"gateway;gateway\ngw-1;gw-2\n", "the column gateway stands twice"),
    ],
)
def test_what_is_no_sheet_is_refused(tmp_path: Path, text: bytes, why: str) -> None:
    assert any(why in each for each in findings(tmp_path, text))


def test_a_gateway_without_a_row_is_named_with_the_nearest(tmp_path: Path) -> None:
    found = sheet(tmp_path, "gateway\ngw-kiel-1\ngw-kiel-2\n")
    with pytest.raises(InvalidConfigError, match="did you mean 'gw-kiel-1'"):
        found.row_of("gw-kiel1")
    assert found.row_of("gw-kiel-2").gateway == "gw-kiel-2"


def test_what_is_written_for_a_spreadsheet_is_never_a_formula() -> None:
    cells = ("=1+1", "@x", "+cmd", "-x", "\tx", "-33,9", "+49", "a;b")
    assert render(cells, ";") == "'=1+1;'@x;'+cmd;'-x;'\tx;\"-33,9\";+49;\"a;b\"\r\n"


TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=20)


@settings(max_examples=60, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=5), st.sampled_from(";,"))
def test_what_is_rendered_is_read_again_and_is_never_a_formula(
    cells: list[str], separator: str
) -> None:
    header = separator.join("x" * len(cells)) + "\n"
    table = parse(header + render(cells, separator))

    lines = table.lines
    read = [cell.text for cell in lines[1]] if len(lines) > 1 else [""] * len(cells)
    assert table.unclosed is None
    assert [each.removeprefix("'").strip() for each in read] == [
        each.strip().removeprefix("'").strip() for each in cells
    ]
    assert not any(is_formula(each) for each in read)


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet='gw-1;,"\n\r =é', max_size=60))
def test_no_text_whatever_breaks_the_reader(text: str) -> None:
    for line in parse(text).lines:
        for cell in line:
            assert cell.line >= 1
            assert cell.column >= 1
