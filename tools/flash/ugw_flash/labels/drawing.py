"""Labels as PDF and PNG: the one adapter of segno, reportlab and Pillow for them.

The files have claims in them, so that their owner alone may read them. Equal labels are equal
files. What the font has no letter for is written with the letter it is made of, never left out.
"""

import io
import os
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

from ugw_flash.labels.model import CODE_MM, HEIGHT_MM, WIDTH_MM, Label, Text, layout
from ugw_flash.outcome import BadMaterialError

DPI: Final = 300
QUIET: Final = 4  # modules around a QR code that stay white (ISO/IEC 18004)

_MM_PER_INCH: Final = 25.4
_POINTS_PER_MM: Final = 72 / _MM_PER_INCH
_CAPITALS: Final = 0.76  # of a font's size is the height of its capitals
_SMALLEST: Final = 0.6  # of the height it should have; what is too long then is cut
_FONTS: Final = {False: "Vera", True: "VeraBd"}  # come with reportlab

Matrix = Sequence[Sequence[int]]  # rows from the top, 1 is dark


class Run(NamedTuple):
    """Dark modules side by side."""

    row: int
    begin: int
    modules: int


def matrix_of(link: str) -> Matrix:
    """Return the QR code of a link, with its quiet zone."""
    try:
        import segno  # noqa: PLC0415 - only who prints labels needs it
    except ImportError as error:
        raise _missing(error) from None
    made = segno.make_qr(link, error="m")
    return [list(row) for row in made.matrix_iter(border=QUIET)]


def write_pdf(labels: Iterable[Label], path: Path) -> None:
    """Write a page for each label, of its size, as printers of labels want it.

    Raises BadMaterialError, also when a file cannot be written.
    """
    try:
        from reportlab.pdfgen.canvas import Canvas  # noqa: PLC0415
    except ImportError as error:
        raise _missing(error) from None
    fonts = _Fonts()
    size = (WIDTH_MM * _POINTS_PER_MM, HEIGHT_MM * _POINTS_PER_MM)
    canvas: Any = Canvas(str(path), pagesize=size, invariant=1, pageCompression=0)
    canvas.setTitle("Labels")
    canvas.setCreator("ugw")
    for label in labels:
        canvas.scale(_POINTS_PER_MM, _POINTS_PER_MM)
        _draw_code(canvas, matrix_of(label.link))
        for line in layout(label):
            text, height = fonts.fitted(line)
            canvas.setFont(_FONTS[line.bold], height / _CAPITALS)
            canvas.drawString(line.left_mm, HEIGHT_MM - line.top_mm - line.height_mm, text)
        canvas.showPage()
    _write_private(path, canvas.getpdfdata())


def _draw_code(canvas: Any, matrix: Matrix) -> None:  # noqa: ANN401 - reportlab has no types
    module = CODE_MM / len(matrix)
    for run in _runs(matrix):
        top = HEIGHT_MM - (HEIGHT_MM - CODE_MM) / 2 - run.row * module
        width = run.modules * module
        canvas.rect(run.begin * module, top - module, width, module, stroke=0, fill=1)


def write_png(label: Label, path: Path) -> None:
    """Write one label as a picture of 300 dots per inch. Raises as `write_pdf` does."""
    try:
        from PIL import Image, ImageDraw, ImageFont  # noqa: PLC0415
    except ImportError as error:
        raise _missing(error) from None
    fonts = _Fonts()
    picture = Image.new("1", (_dots(WIDTH_MM), _dots(HEIGHT_MM)), 1)
    drawing = ImageDraw.Draw(picture)
    matrix = matrix_of(label.link)
    module = _dots(CODE_MM) // len(matrix)  # whole dots: nothing is blurred
    above = (_dots(HEIGHT_MM) - module * len(matrix)) // 2
    for run in _runs(matrix):
        left, top = run.begin * module, above + run.row * module
        drawing.rectangle((left, top, left + run.modules * module - 1, top + module - 1), fill=0)
    for line in layout(label):
        text, height = fonts.fitted(line)
        font = ImageFont.truetype(fonts.file(line), _dots(height / _CAPITALS))
        at = (_dots(line.left_mm), _dots(line.top_mm + line.height_mm))
        drawing.text(at, text, font=font, fill=0, anchor="ls")
    made = io.BytesIO()
    picture.save(made, "PNG", dpi=(DPI, DPI))
    _write_private(path, made.getvalue())


class _Fonts:
    """The fonts that come with reportlab: how wide a text is in them, what they lack."""

    def __init__(self) -> None:
        try:
            from reportlab.pdfbase import pdfmetrics  # noqa: PLC0415
            from reportlab.pdfbase.ttfonts import TTFont  # noqa: PLC0415
        except ImportError as error:
            raise _missing(error) from None
        self._fonts: dict[bool, Any] = {}
        for bold, name in _FONTS.items():
            self._fonts[bold] = TTFont(name, f"{name}.ttf")
            cast("Any", pdfmetrics).registerFont(self._fonts[bold])

    def file(self, line: Text) -> str:
        """Return the file of the font of a line."""
        return str(self._fonts[line.bold].face.filename)

    def fitted(self, line: Text) -> tuple[str, float]:
        """Return the text and the height of its capitals in millimetres with which it fits."""
        text = "".join(self._known(char, line) for char in line.text)
        wide = self._width(text, line)
        if wide <= line.width_mm:
            return text, line.height_mm
        share = max(line.width_mm / wide, _SMALLEST)
        while self._width(text, line) * share > line.width_mm:
            text = text.removesuffix("…")[:-1].rstrip() + "…"
        return text, line.height_mm * share

    def _width(self, text: str, line: Text) -> float:
        return float(self._fonts[line.bold].stringWidth(text, line.height_mm / _CAPITALS))

    def _known(self, char: str, line: Text) -> str:
        known = self._fonts[line.bold].face.charToGlyph
        if ord(char) in known:
            return char
        plain = unicodedata.normalize("NFKD", char)[0]
        return plain if ord(plain) in known else "?"


def _runs(matrix: Matrix) -> Iterator[Run]:
    """Yield the dark modules of a code, those side by side as one: no hairlines between them."""
    for number, row in enumerate(matrix):
        begin = 0
        while begin < len(row):
            end = begin
            while end < len(row) and row[end]:
                end += 1
            if end > begin:
                yield Run(number, begin, end - begin)
            begin = end + 1


def _dots(millimetres: float) -> int:
    return round(millimetres / _MM_PER_INCH * DPI)


def _write_private(path: Path, content: bytes) -> None:
    try:
        path.unlink(missing_ok=True)  # another's permissions would stay
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
    except OSError as error:
        cause = f"{path} cannot be written: {error.strerror}"
        raise BadMaterialError(cause, "name another place") from None


def _missing(error: ImportError) -> BadMaterialError:
    cause = f"labels need a library that is not there: {error.name}"
    return BadMaterialError(cause, "pip install 'urban-gateway[flash]'")
