"""The handover as PDF, to print and to sign: the adapter of reportlab for it."""

import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, cast
from xml.sax.saxutils import escape

from gateway.config.findings import printable
from ugw_flash.batch.handover import Line, State
from ugw_flash.outcome import BadMaterialError

_MARGIN: Final = 36.0  # points
_COLOURS: Final = {
    State.TO_MAKE: "#e0e0e0",
    State.FAILED: "#f4b6b0",
    State.MADE: "#cfe0f5",
    State.TROUBLE: "#f7d79a",
    State.DELIVERS: "#bfe3bf",
}
_WIDTHS: Final = (110, 130, 72, 56, 112, 112, 60, 118)  # points, of A4 in landscape
_HEADINGS: Final = (
    *("gateway", "site", "label", "state", "made", "reported", "sensors", "remark"),
)


def write_pdf(title: str, lines: Sequence[Line], path: Path) -> None:
    """Write the handover. Raises BadMaterialError, also when it cannot be written."""
    try:
        from reportlab.lib import pagesizes  # noqa: PLC0415 - only who prints needs it
        from reportlab.pdfbase import pdfmetrics  # noqa: PLC0415
        from reportlab.pdfbase.ttfonts import TTFont  # noqa: PLC0415
        from reportlab.platypus import SimpleDocTemplate  # noqa: PLC0415
    except ImportError as error:
        cause = f"a PDF needs a library that is not there: {error.name}"
        raise BadMaterialError(cause, "pip install 'urban-gateway[flash]'") from None
    for name in ("Vera", "VeraBd"):
        cast("Any", pdfmetrics).registerFont(TTFont(name, f"{name}.ttf"))
    made = io.BytesIO()
    size = cast("Any", pagesizes).landscape(pagesizes.A4)
    sides = dict.fromkeys(("leftMargin", "rightMargin", "topMargin", "bottomMargin"), _MARGIN)
    document: Any = SimpleDocTemplate(made, pagesize=size, title=title, invariant=1, **sides)
    document.build(_flowables(title, lines))
    try:
        path.write_bytes(made.getvalue())
    except OSError as error:
        cause = f"{path} cannot be written: {error.strerror}"
        raise BadMaterialError(cause, "name another place") from None


def _flowables(title: str, lines: Sequence[Line]) -> list[Any]:
    from reportlab.lib.styles import ParagraphStyle  # noqa: PLC0415
    from reportlab.platypus import Paragraph, Spacer, Table  # noqa: PLC0415

    heading = ParagraphStyle("heading", fontName="VeraBd", fontSize=14, leading=18)
    cell = ParagraphStyle("cell", fontName="Vera", fontSize=7.5, leading=9.5)
    rows: list[list[Any]] = [[Paragraph(each, cell) for each in _HEADINGS]]
    rows += [[Paragraph(_safe(text), cell) for text in _cells(line)] for line in lines]
    return [
        Paragraph(_safe(title), heading),
        Paragraph(_safe(summary(lines)), cell),
        Spacer(0, 10),
        Table(rows, colWidths=_WIDTHS, repeatRows=1, style=_style(lines)),
        Spacer(0, 24),
        Paragraph("Handed over: " + "_" * 40 + " Taken over: " + "_" * 40, cell),
    ]


def summary(lines: Iterable[Line]) -> str:
    """Return how many gateways have come how far, in one line."""
    states = [line.state for line in lines]
    counted = ((states.count(state), state.value) for state in reversed(State))
    return f"{len(states)} gateways: " + ", ".join(f"{n} {name}" for n, name in counted if n)


def _cells(line: Line) -> Sequence[str]:
    sensors = f"{line.sensors_green} of {line.sensors} green" if line.light else ""
    made = " ".join(filter(None, (line.made, line.device)))
    reported = " ".join(filter(None, (line.reported, line.software)))
    first = (line.gateway, line.site, line.short_code, line.state.value)
    return (*first, made, reported, sensors, line.remark)


def _style(lines: Sequence[Line]) -> list[tuple[Any, ...]]:
    whole = ((0, 0), (-1, -1))
    grid = [("GRID", *whole, 0.25, "#808080"), ("VALIGN", *whole, "TOP")]
    states = [
        ("BACKGROUND", (3, number), (3, number), _COLOURS[line.state])
        for number, line in enumerate(lines, 1)
    ]
    return [*grid, *states]


def _safe(text: str) -> str:
    return escape(printable(text))
