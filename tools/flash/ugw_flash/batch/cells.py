"""A file of comma- or semicolon-separated values as cells that know where they stand.

What spreadsheets write is read: UTF-8 with or without a byte order mark, quotes, line breaks in
quotes, a first line `sep=;`. Cells that a spreadsheet would run as formulas are never written.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from gateway.config.findings import Position

_SEPARATORS: Final = (";", ",")
_ANNOUNCED: Final = re.compile(r"sep=(.)\r?\n", re.IGNORECASE)
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
_NUMBER: Final = re.compile(r"[-+]?[0-9]+([.,][0-9]+)?")


class Cell(NamedTuple):
    """A cell and its place: line and column of its first character, from 1."""

    text: str
    line: int
    column: int


class Table(NamedTuple):
    """The lines of a file that have anything in them, and what separates their cells."""

    lines: list[list[Cell]]
    separator: str
    unclosed: Position | None  # where a quote was opened that is never closed


def parse(text: str) -> Table:
    """Take a text apart, whatever it is."""
    announced = _ANNOUNCED.match(text)
    first = text[announced.end() :] if announced else text
    separator = announced[1] if announced else _separator_of(first.split("\n", 1)[0])
    reader = _Reader(first, separator, 2 if announced else 1)
    lines = [line for line in reader.read() if any(cell.text for cell in line)]
    return Table(lines, separator, reader.unclosed)


def _separator_of(header: str) -> str:
    return max(_SEPARATORS, key=header.count)


class _Reader:
    """Goes through a text character by character (RFC 4180, with any separator)."""

    def __init__(self, text: str, separator: str, line: int) -> None:
        self.unclosed: Position | None = None
        self._text = text
        self._separator = separator
        self._at = 0
        self._line = line
        self._line_began = 0

    def read(self) -> list[list[Cell]]:
        lines: list[list[Cell]] = []
        while self._at < len(self._text):
            cells = [self._cell()]
            while self._text.startswith(self._separator, self._at):
                self._at += 1
                cells.append(self._cell())
            lines.append(cells)
            self._end_line()
        return lines

    def _cell(self) -> Cell:
        line, column = self._line, self._at - self._line_began + 1
        quoted = self._text.startswith('"', self._at)
        text = self._quoted((line, column)) if quoted else ""
        end = self._at
        while end < len(self._text) and self._text[end] not in (self._separator, "\r", "\n"):
            end += 1
        text += self._text[self._at : end]
        self._at = end
        return Cell(text.strip(), line, column)

    def _quoted(self, opened: Position) -> str:
        """Read up to the closing quote; two in a row are one."""
        parts: list[str] = []
        while True:
            end = self._text.find('"', self._at + 1)
            if end < 0:
                self.unclosed = opened
                end = len(self._text)
            inner = self._text[self._at + 1 : end]
            self._count_lines(self._at + 1, end)
            parts.append(inner)
            self._at = end + 1
            if not self._text.startswith('"', self._at):
                return '"'.join(parts)

    def _count_lines(self, begin: int, end: int) -> None:
        breaks = self._text.count("\n", begin, end)
        if breaks:
            self._line += breaks
            self._line_began = self._text.rindex("\n", begin, end) + 1

    def _end_line(self) -> None:
        """Go behind the line break, if the text goes on."""
        if self._text.startswith("\r\n", self._at):
            self._at += 2
        elif self._at < len(self._text):
            self._at += 1
        self._line += 1
        self._line_began = self._at


def is_formula(text: str) -> bool:
    """Whether a spreadsheet would run a cell instead of showing it."""
    return text.startswith(_FORMULA) and not _NUMBER.fullmatch(text)


def render(cells: Iterable[str], separator: str) -> str:
    """Return one line of a file, its end with it, in which nothing is a formula."""
    return separator.join(_cell(text, separator) for text in cells) + "\r\n"


def _cell(text: str, separator: str) -> str:
    text = " ".join(text.splitlines())
    text = f"'{text}" if is_formula(text) else text
    special: Sequence[str] = (separator, '"', ";", ",")
    if any(each in text for each in special):
        return '"' + text.replace('"', '""') + '"'
    return text
