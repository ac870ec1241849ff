"""Labels: what a telephone reads off them is the link, and every line is within the label."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import segno
from PIL import Image

from tests.flash.desks import NOW_S
from ugw_flash.identity import Claim, short_code
from ugw_flash.labels.drawing import DPI, QUIET, matrix_of, write_pdf, write_png
from ugw_flash.labels.model import CODE_MM, HEIGHT_MM, WIDTH_MM, Label, layout, link_of
from ugw_flash.outcome import BadMaterialError

URL = "https://iot.kiel.example/g"
CODE = short_code("kiel", "gw-kiel-0042")
CLAIM = Claim.new(NOW_S, lambda count: bytes(range(count)))
LINK = link_of(URL, CODE, CLAIM)
LABEL = Label("gw-kiel-0042", CODE, LINK, ("Grundschule Süd, Dach", "3c:71:bf:00:00:01"))


def dots(millimetres: float) -> int:
    return round(millimetres / 25.4 * DPI)


def seen(path: Path, modules: int) -> list[list[int]]:
    """Return the code as a camera sees it: one dot in the middle of each module."""
    with Image.open(path) as file:
        picture = file.convert("L")
    module = dots(CODE_MM) // modules
    above = (picture.height - module * modules) // 2
    middle = [number * module + module // 2 for number in range(modules)]
    return [[int(picture.getpixel((x, above + y)) == 0) for x in middle] for y in middle]


def drawn(path: Path, modules: int) -> list[list[int]]:
    """Return the code of the first page, from the rectangles that are drawn."""
    streams = path.read_bytes().decode("latin-1").split("endstream")
    page = next(stream for stream in streams if " re f" in stream)
    module = CODE_MM / modules
    found = [[0] * modules for _ in range(modules)]
    for numbers in re.findall(r"([\d.]+) ([\d.]+) ([\d.]+) ([\d.]+) re f", page):
        x, y, width, _ = map(float, numbers)
        row = round((HEIGHT_MM - (HEIGHT_MM - CODE_MM) / 2 - y) / module) - 1
        for column in range(round(x / module), round((x + width) / module)):
            found[row][column] = 1
    return found


def expected(link: str) -> list[list[int]]:
    return [list(row) for row in segno.make_qr(link, error="m").matrix_iter(border=QUIET)]


def test_the_link_leads_to_where_it_is_claimed_with_the_claim_behind_the_hash() -> None:
    assert link_of(URL + "/", CODE, CLAIM) == f"{URL}/{CODE}#c={CLAIM.secret.reveal()}" == LINK
    assert link_of(URL, CODE, None) == f"{URL}/{CODE}"
    assert link_of(None, CODE, CLAIM) == CODE


def test_a_picture_shows_the_code_of_the_link_and_nothing_in_its_quiet_zone(
    tmp_path: Path,
) -> None:
    write_png(LABEL, tmp_path / "l.png")
    wanted = expected(LINK)

    assert seen(tmp_path / "l.png", len(wanted)) == wanted
    with Image.open(tmp_path / "l.png") as picture:
        assert picture.size == (dots(WIDTH_MM), dots(HEIGHT_MM))
        assert [round(each) for each in picture.info["dpi"]] == [DPI, DPI]
    assert len(wanted) <= 41 + 2 * QUIET  # version 6: larger modules are read from farther away


def test_a_page_shows_the_code_of_the_link(tmp_path: Path) -> None:
    write_pdf([LABEL, LABEL], tmp_path / "l.pdf")
    wanted = expected(LINK)

    assert drawn(tmp_path / "l.pdf", len(wanted)) == wanted
    content = (tmp_path / "l.pdf").read_bytes()
    assert len(re.findall(rb"/Type /Page\b", content)) == 2
    assert b"/MediaBox [ 0 0 141.7323 70.86614 ]" in content


def test_a_telephone_reads_the_link(tmp_path: Path) -> None:
    zbarimg = shutil.which("zbarimg")
    if zbarimg is None:
        pytest.skip("nobody here reads QR codes: install zbar-tools")
    write_png(LABEL, tmp_path / "l.png")
    read = subprocess.run(
        [zbarimg, "--quiet", "--raw", "-Sdisable", "-Sqrcode.enable", tmp_path / "l.png"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert read.stdout.strip() == LINK


@pytest.mark.parametrize(
    "text",
    [
        "Straßenbahndepot Nord, Wagenhalle 3, Südwand über dem Tor",
        "W" * 100,
        "Łódź, Großřezaná, Kőröshegy",
        "北京",
        "a\u0301 e\u0301",
    ],
)
def test_every_line_is_within_the_label_whatever_it_says(tmp_path: Path, text: str) -> None:
    lines = (text, text, "3c:71:bf:00:00:01", text, text)
    label = LABEL._replace(gateway="gw-" + "x" * 61, lines=lines)
    write_png(label, tmp_path / "l.png")
    write_pdf([label], tmp_path / "l.pdf")

    with Image.open(tmp_path / "l.png") as file:
        picture = file.convert("L").point(lambda dot: 255 - dot)
    left, top, right, bottom = picture.getbbox() or (0, 0, 0, 0)
    margin = dots(1.0)
    assert right <= picture.width - margin
    assert bottom <= picture.height - margin
    assert min(left, top) >= dots(1.0)
    assert seen(tmp_path / "l.png", len(expected(LINK))) == expected(LINK)


def test_letters_that_the_font_lacks_are_written_with_what_they_are_made_of(
    tmp_path: Path,
) -> None:
    write_png(LABEL._replace(lines=("ř",)), tmp_path / "a.png")
    write_png(LABEL._replace(lines=("r",)), tmp_path / "b.png")
    write_png(LABEL._replace(lines=("ü",)), tmp_path / "c.png")
    write_png(LABEL._replace(lines=("u",)), tmp_path / "d.png")
    same = [(tmp_path / f"{name}.png").read_bytes() for name in "abcd"]
    assert same[0] == same[1]
    assert same[2] != same[3]


def test_the_most_important_lines_come_first_and_largest() -> None:
    lines = list(layout(LABEL))
    assert [each.text for each in lines] == [CODE, "gw-kiel-0042", *LABEL.lines]
    heights = [each.height_mm for each in lines]
    assert heights == sorted(heights, reverse=True)


def test_equal_labels_are_equal_files_and_none_shows_itself_in_a_log(tmp_path: Path) -> None:
    for name in ("1", "2"):
        write_png(LABEL, tmp_path / f"{name}.png")
        write_pdf([LABEL], tmp_path / f"{name}.pdf")
    for suffix in ("png", "pdf"):
        assert (tmp_path / f"1.{suffix}").read_bytes() == (tmp_path / f"2.{suffix}").read_bytes()
    assert CLAIM.secret.reveal() not in repr(LABEL)


@pytest.mark.parametrize("library", ["segno", "reportlab.pdfgen.canvas", "reportlab.pdfbase"])
def test_without_the_libraries_it_says_how_to_get_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(BadMaterialError) as caught:
        write_pdf([LABEL], tmp_path / "l.pdf")
    assert "urban-gateway[flash]" in caught.value.remedy


def test_a_label_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(BadMaterialError, match="cannot be written"):
        write_png(LABEL, tmp_path / "nowhere" / "l.png")
    assert matrix_of("x")
