"""The site report on one page of A4, for the folder of the site: the one adapter of reportlab.

One page, whatever was found: where a site has more sensors than fit, those that need somebody come
first and the rest is counted. The fonts are in the file, so it looks the same everywhere.
"""

import io
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, Final, TypeAlias
from xml.sax.saxutils import escape

from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import (
    Flowable,
    Frame,
    KeepInFrame,
    PageTemplate,
    Paragraph,
    SimpleDocTemplate,
    Spacer,
    Table,
    TableStyle,
)

from gateway.cli.doctor.finding import Light, Link
from gateway.cli.doctor.language import heading, size_in, span_in
from gateway.cli.doctor.report import Check, SensorLine, SiteReport
from gateway.cli.doctor.words.labels import LIGHTS, LINKS, SIGNALS
from gateway.config.findings import printable

Ink: TypeAlias = colors.Color
Cell: TypeAlias = Flowable | str
Style: TypeAlias = tuple[Any, ...]  # a command of reportlab's tables: name, from, to, arguments

_PLAIN, _BOLD = "Vera", "VeraBd"  # bundled with reportlab: letters of Europe's languages
_MARGIN: Final = 15 * mm
_WIDTH: Final = A4[0] - 2 * _MARGIN
_HEIGHT: Final = A4[1] - 2 * _MARGIN
_ROW: Final = 4.6 * mm  # of the sensors' table
_FEWEST_ROWS: Final = 4  # of it, however long the chain's causes are
_COLOURS: Final = {
    Light.GREEN: colors.HexColor(0x1B7F3B),
    Light.YELLOW: colors.HexColor(0x9A6A00),
    Light.RED: colors.HexColor(0xB3261E),
    Light.UNKNOWN: colors.HexColor(0x6B6B6B),
}
_GREY: Final = colors.HexColor(0x6B6B6B)
_LINE: Final = colors.HexColor(0xC8C8C8)
_WORST_FIRST: Final = (Light.RED, Light.YELLOW, Light.UNKNOWN, Light.GREEN)
_NAME_CHARS: Final = 34
_CHECK_COLUMNS: Final = (14 * mm, 27 * mm, _WIDTH - 41 * mm)
_SENSOR_COLUMNS: Final = (58 * mm, 14 * mm, 28 * mm, 28 * mm, _WIDTH - 150 * mm, 22 * mm)


def render(report: SiteReport) -> bytes:
    """Return the page, a PDF."""
    page = _Page(report)
    file = io.BytesIO()
    document = SimpleDocTemplate(
        file,
        pagesize=A4,
        title=page.title,
        author=report.software,
        lang=report.language.value,
        invariant=1,  # one report, one file: no date of its own
    )
    # Without the padding that a frame has by default.
    frame = Frame(_MARGIN, _MARGIN, _WIDTH, _HEIGHT, 0, 0, 0, 0)
    document.addPageTemplates([PageTemplate(frames=[frame])])
    document.build(page.story())
    return file.getvalue()


class _Page:
    """The page of one report."""

    def __init__(self, report: SiteReport) -> None:
        _drawn()
        self._report = report
        self._language = report.language
        self.title = f"{self._words('title')} {report.org}/{report.gateway}"

    def story(self) -> list[Flowable]:
        """Return what stands on the page, from top to bottom, fitted to it."""
        head = [*self._head(), self._facts(), self._title("chain")]
        foot = [Spacer(0, 9 * mm), self._signature()]
        chain = self._chain()
        sensors = self._report.sensors
        between = [self._title("sensors")] if sensors else []
        free = _HEIGHT - sum(_height(each) for each in (*head, *between, *foot))
        reserved = (min(len(sensors), _FEWEST_ROWS) + 2) * _ROW if sensors else 0
        fitted = KeepInFrame(_WIDTH, free - reserved, [chain], mode="shrink")
        rows = int((free - min(_height(chain), free - reserved)) / _ROW) - 2
        table = [self._sensors(rows)] if sensors else []
        return [*head, fitted, *between, *table, *foot]

    # ---------------------------------------------------------------------------------------- head
    def _head(self) -> Iterator[Flowable]:
        report = self._report
        colour = _COLOURS[report.light]
        name = f", {report.name}" if report.name else ""
        yield _paragraph(f"{self.title}{name}", size=15, bold=True)
        yield Spacer(0, 2 * mm)
        conclusion = _paragraph(
            self._words(report.light.value), size=11, bold=True, colour=colors.white
        )
        banner = Table([[conclusion]], colWidths=[_WIDTH])
        banner.setStyle(TableStyle([("BACKGROUND", (0, 0), (-1, -1), colour)]))
        yield banner
        yield Spacer(0, 2 * mm)

    def _facts(self) -> Flowable:
        cells: list[list[Cell]] = [
            [_paragraph(self._words(title), size=7.5, colour=_GREY), _paragraph(said, size=7.5)]
            for title, said in self._told()
            if said
        ]
        half = (len(cells) + 1) // 2
        empty: list[Cell] = ["", ""]
        pairs = zip(cells[:half], [*cells[half:], empty], strict=False)
        rows: list[list[Cell]] = [[*left, *right] for left, right in pairs]
        widths = [26 * mm, _WIDTH / 2 - 26 * mm] * 2
        return _table(rows, widths, [])

    def _told(self) -> Iterator[tuple[str, str]]:
        report = self._report
        yield "made", report.report_time or self._words("undated")
        place = report.location
        yield "place", "" if place is None else f"{place.lat:.5f}, {place.lon:.5f}"
        yield "hardware", report.hardware or report.system.model
        yield "software", report.agent or report.software
        yield "system", ", ".join(filter(None, (report.system.os, report.system.kernel)))
        waiting = report.backlog
        if waiting is not None:
            size = size_in(waiting.bytes, self._language)
            said = self._words("backlog_is", observations=waiting.observations, size=size)
            yield "backlog", said

    # ----------------------------------------------------------------------------------- the chain
    def _chain(self) -> Table:
        checks = [each for each in self._report.checks if self._is_shown(each)]
        headings: list[Cell] = [*self._headings("light", "link", "found")]
        return _table(
            [headings, *map(self._check, checks)],
            _CHECK_COLUMNS,
            [("LINEBELOW", (0, 0), (-1, -1), 0.3, _LINE)],
        )

    def _is_shown(self, check: Check) -> bool:
        """Whether it stands in the chain: sensors have a table of their own."""
        return check.link is not Link.SENSOR or not self._report.sensors

    def _check(self, check: Check) -> list[Cell]:
        about = f"{check.about}: " if check.about else ""
        told = [f"{about}{check.says}", check.cause, f"→ {check.remedy}" if check.remedy else ""]
        return [
            _light(check.light, LIGHTS[check.light][self._language]),
            _paragraph(LINKS[check.link][self._language], size=8),
            _paragraph("\n".join(filter(None, told)), size=8),
        ]

    # --------------------------------------------------------------------------------- the sensors
    def _sensors(self, most: int) -> Table:
        """Lay out as many as fit, those first that need somebody; the others are counted."""
        sensors = self._report.sensors
        fits = len(sensors) <= most
        ordered = (
            sensors if fits else sorted(sensors, key=lambda each: _WORST_FIRST.index(each.light))
        )
        shown = ordered if fits else ordered[: max(1, most - 1)]
        names = ("sensor", "light", "heard", "expected", "signal", "observations")
        rows: list[list[Cell]] = [[*self._headings(*names)], *map(self._sensor, shown)]
        if rest := ordered[len(shown) :]:
            green = sum(each.light is Light.GREEN for each in rest)
            more = _paragraph(self._words("more", more=len(rest), green=green), size=7.5)
            rows.append([more, "", "", "", "", ""])
        styles: list[Style] = [("LINEBELOW", (0, 0), (-1, -1), 0.3, _LINE)]
        if rest:
            styles.append(("SPAN", (0, -1), (-1, -1)))
        return _table(rows, _SENSOR_COLUMNS, styles, row=_ROW)

    def _sensor(self, sensor: SensorLine) -> list[Cell]:
        return [
            _paragraph(_cut(sensor.name or sensor.device), size=7.5),
            _light(sensor.light, LIGHTS[sensor.light][self._language], size=7.5),
            *(_paragraph(said, size=7.5) for said in self._heard(sensor)),
        ]

    def _heard(self, sensor: SensorLine) -> Iterator[str]:
        ago_s, every_s = sensor.last_heard_ago_s, sensor.expected_interval_s
        since = "silent" if sensor.silent else "ago"
        yield self._words("never") if ago_s is None else self._span(since, ago_s)
        yield "" if every_s is None else self._span("every", every_s)
        level = "" if sensor.rssi is None else f" {sensor.rssi} dBm"
        noise = "" if sensor.snr is None else f", {sensor.snr:.0f} dB"
        yield f"{SIGNALS[sensor.signal][self._language]}{level}{noise}"
        yield str(sensor.observations)

    # ------------------------------------------------------------------------------------ the foot
    def _signature(self) -> Table:
        names = ("installer", "date", "signature")
        cells: list[Cell] = [*self._headings(*names)]
        widths = [_WIDTH * share for share in (0.4, 0.2, 0.4)]
        return _table([cells], widths, [("LINEABOVE", (0, 0), (-1, -1), 0.5, _GREY)])

    # ------------------------------------------------------------------------------------ in words
    def _words(self, name: str, **values: object) -> str:
        return heading(name, self._language, **values)

    def _span(self, name: str, seconds: float) -> str:
        return self._words(name, span=span_in(seconds, self._language))

    def _title(self, name: str) -> Flowable:
        return _paragraph(self._words(name), size=10, bold=True, above=4 * mm)

    def _headings(self, *names: str) -> Iterator[Flowable]:
        for name in names:
            yield _paragraph(self._words(name), size=7, colour=_GREY)


def _light(light: Light, word: str, *, size: float = 8) -> Paragraph:
    return _paragraph(word, size=size, bold=True, colour=_COLOURS[light])


def _paragraph(
    text: str, *, size: float, bold: bool = False, colour: Ink = colors.black, above: float = 0.0
) -> Paragraph:
    """Set a text as it is: nothing in it is markup."""
    style = ParagraphStyle(
        "",
        fontName=_BOLD if bold else _PLAIN,
        fontSize=size,
        leading=size * 1.25,
        textColor=colour,
        spaceBefore=above,
    )
    lines = (escape(_drawable(printable(line))) for line in text.split("\n"))
    return Paragraph("<br/>".join(lines), style)


def _table(
    rows: Sequence[list[Cell]],
    widths: Sequence[float],
    styles: Sequence[Style],
    *,
    row: float | None = None,
) -> Table:
    table = Table(rows, colWidths=list(widths), rowHeights=row, repeatRows=0)
    close = [("TOPPADDING", (0, 0), (-1, -1), 1.2), ("BOTTOMPADDING", (0, 0), (-1, -1), 1.2)]
    sides = [("LEFTPADDING", (0, 0), (-1, -1), 1), ("RIGHTPADDING", (0, 0), (-1, -1), 3)]
    top = [("VALIGN", (0, 0), (-1, -1), "TOP")]
    table.setStyle(TableStyle([*close, *sides, *top, *styles]))
    return table


def _height(flowable: Flowable) -> float:
    _, height = flowable.wrap(_WIDTH, _HEIGHT)
    return float(height + flowable.getSpaceBefore() + flowable.getSpaceAfter())


def _cut(text: str) -> str:
    return text if len(text) <= _NAME_CHARS else f"{text[: _NAME_CHARS - 1]}…"


# ------------------------------------------------------------------------------------- the letters
@cache
def _drawn() -> frozenset[int]:
    """Register the fonts; return the letters they have."""
    plain = TTFont(_PLAIN, f"{_PLAIN}.ttf")
    for font in (plain, TTFont(_BOLD, f"{_BOLD}.ttf")):
        pdfmetrics.registerFont(font)  # pyright: ignore[reportUnknownMemberType]
    return frozenset(plain.face.charToGlyph)


def _drawable(text: str) -> str:
    """Replace letters the font lacks: by those they are made of, else by a question mark."""
    return "".join(map(_plainer, text.replace("→", "»")))


def _plainer(char: str) -> str:
    if ord(char) in _drawn():
        return char
    base = unicodedata.normalize("NFKD", char)[0]
    return base if ord(base) in _drawn() else "?"
