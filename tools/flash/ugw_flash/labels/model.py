"""What stands on a label, and where: 50 by 25 millimetres, the code on the left, text beside it.

A label never shows a key or a password. It may show a claim, which is used once and expires: who
has the label in hand may claim the gateway, and so may who has its file.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from ugw_flash.identity import Claim

WIDTH_MM: Final = 50.0
HEIGHT_MM: Final = 25.0
CODE_MM: Final = 25.0  # of the QR code, with the quiet zone that it needs

_MARGIN_MM: Final = 1.5


class Label(NamedTuple):
    """What one label says."""

    gateway: str
    short_code: str
    link: str  # what the QR code says
    lines: tuple[str, ...]  # for people: place, MAC; the most important first

    def __repr__(self) -> str:
        return f"Label({self.gateway!r})"  # the link may have a claim in it


class Text(NamedTuple):
    """A line of text on a label; `top_mm` is where its capitals begin."""

    text: str
    left_mm: float
    top_mm: float
    height_mm: float  # of its capitals, at most: a long text is set smaller
    width_mm: float  # that it may take
    bold: bool


def link_of(claim_url: str | None, short_code: str, claim: Claim | None) -> str:
    """Return what the QR code says: where the gateway is claimed; without that, its short code."""
    if claim_url is None:
        return short_code
    # Behind the # it stays in the browser: it is in no server's log of requests.
    secret = "" if claim is None else f"#c={claim.secret.reveal()}"
    return f"{claim_url.rstrip('/')}/{short_code}{secret}"


def layout(label: Label) -> Iterator[Text]:
    """Yield the lines of a label, from the top; those that have no room are left out."""
    width = WIDTH_MM - CODE_MM - _MARGIN_MM
    first = ((label.short_code, 3.2, True), (label.gateway, 2.0, True))
    top = 3.0
    for text, height, bold in (*first, *((line, 1.7, False) for line in label.lines)):
        if text and top + height <= HEIGHT_MM - _MARGIN_MM:
            yield Text(text, CODE_MM, top, height, width, bold)
            top += height * 1.9
