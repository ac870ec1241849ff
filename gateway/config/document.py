"""A YAML document as plain data, with the place of every key and value.

The accepted language is what a configuration needs: YAML 1.2, one document, keys that are text
and stand once. Anchors, aliases, merge keys and tags are refused, so that a line means what it
says and no small file unfolds into a big one. A document that makes no sense from some point on
is one finding; everything else is collected and reading goes on.
"""

import re
from collections.abc import Iterator
from typing import cast

import msgspec

from gateway.config.findings import (
    Finding,
    InvalidConfigError,
    Path,
    Position,
    masked,
    path_text,
    quoted,
)
from gateway.config.yaml_events import Event, NotYamlError, parse

Data = dict[str, "Data"] | list["Data"] | str | int | float | bool | None

MAX_CHARS = 1_000_000
_MAX_DEPTH = 32
_MAX_DIGITS = 40  # of a number: what is longer is meant as text, or as an attack

# YAML 1.2.2, 10.3.2: the core schema.
_NULL = ("", "~", "null", "Null", "NULL")
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]+")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")

_LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")  # as the parser counts lines


class Document(msgspec.Struct, kw_only=True):
    """What was read; `keys` and `values` say where each key and value stands."""

    name: str
    lines: list[str]
    shown: list[str] = msgspec.field(default_factory=list[str])  # the lines, masked, once needed
    data: Data = None
    keys: dict[Path, Position] = msgspec.field(default_factory=dict[Path, Position])
    values: dict[Path, Position] = msgspec.field(default_factory=dict[Path, Position])
    variables: dict[Path, str] = msgspec.field(default_factory=dict[Path, str])  # instead of lines
    findings: list[Finding] = msgspec.field(default_factory=list[Finding])
    broken: set[Path] = msgspec.field(default_factory=set[Path])  # reported: nothing more to say

    def at(self, path: Path) -> Data:
        """Return what stands at a path that is known to exist."""
        data = self.data
        for part in path:
            data = cast("dict[str | int, Data]", data)[part]
        return data

    def variable_of(self, path: Path) -> str:
        """Return the environment variable that set a path or what holds it; empty: the file."""
        prefixes = (path[:length] for length in range(len(path), 0, -1))
        return next((self.variables[each] for each in prefixes if each in self.variables), "")

    def finding(
        self, path: Path, message: str, at: Position, *, cut: int | None = None
    ) -> Finding:
        """Make a finding; the line it quotes is masked, and ends before the column `cut`."""
        line, column = at
        if not self.shown:
            self.shown = masked(self.lines)
        source = self.shown[line - 1] if line <= len(self.lines) else ""
        if cut is not None:
            source = source[: cut - 1] + "…"
        return Finding(
            file=self.name,
            line=line,
            column=column,
            path=path_text(path),
            message=message,
            source=source,
        )


def read_document(text: str, name: str) -> Document:
    """Read YAML. Raises InvalidConfigError when there is no sense in reading on."""
    if len(text) > MAX_CHARS:
        message = f"{len(text)} characters; no configuration needs more than {MAX_CHARS}"
        raise InvalidConfigError([Finding(file=name, message=message)])
    document = Document(name=name, lines=_LINE_BREAK.split(text))
    try:
        _Reader(document, parse(text)).read()
    except NotYamlError as error:
        finding = document.finding((), f"not YAML: {error}", error.at)
        raise InvalidConfigError([*document.findings, finding]) from None
    return document


def plain_value(text: str) -> Data:
    """Return what an unquoted scalar means in YAML 1.2; `yes` and `11:22:33` are text."""
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if len(text) > _MAX_DIGITS:
        return text
    if _INT.fullmatch(text):
        return int(text)
    if _BASED.fullmatch(text):
        return int(text, 0)
    return float(text) if _FLOAT.fullmatch(text) else text


class _Reader:
    """Turns the parser's events into data."""

    def __init__(self, document: Document, events: Iterator[Event]) -> None:
        self._document = document
        self._events = events

    def read(self) -> None:
        """Read the one document there should be."""
        for event in self._events:
            if event.kind != "DocumentStart":
                continue
            if () in self._document.values:
                self._report((), "a second document; there can be only one", event)
                return
            self._document.data = self.node(next(self._events), ())

    def node(self, event: Event, path: Path) -> Data:
        """Read one value, noting its place and what is refused in it."""
        self._document.values[path] = event.at
        if event.refused:
            self._report(path, event.refused, event)
        if len(path) > _MAX_DEPTH:
            message = f"nested deeper than {_MAX_DEPTH} levels"
            raise self._end(message, event)
        if event.kind == "MappingStart":
            return self._mapping(path)
        if event.kind == "SequenceStart":
            return self._sequence(path)
        return plain_value(event.text) if event.plain else event.text

    def _mapping(self, path: Path) -> dict[str, Data]:
        data: dict[str, Data] = {}
        for event in self._events:
            if event.kind == "MappingEnd":
                break
            if event.kind != "Scalar":
                message = "a key must be text"
                raise self._end(message, event)
            inner = (*path, event.text)
            if event.text in data:
                self._skip_repeated(inner, event)
                continue
            self._document.keys[inner] = event.at
            if event.text == "<<" and event.plain:
                self._report(inner, "merge keys (<<) are not supported", event)
            elif event.refused:
                self._report(inner, event.refused, event)
            data[event.text] = self.node(next(self._events), inner)
        return data

    def _skip_repeated(self, path: Path, event: Event) -> None:
        line = self._document.keys[path][0]
        message = f"the key {quoted(event.text)} stands twice, first in line {line}"
        self._document.findings.append(self._document.finding(path, message, event.at))
        # What follows is read for its own faults only.
        lines, findings = self._document.lines, self._document.findings
        scratch = Document(name=self._document.name, lines=lines, findings=findings)
        _Reader(scratch, self._events).node(next(self._events), path)

    def _sequence(self, path: Path) -> list[Data]:
        data: list[Data] = []
        for event in self._events:
            if event.kind == "SequenceEnd":
                break
            data.append(self.node(event, (*path, len(data))))
        return data

    def _report(self, path: Path, message: str, event: Event) -> None:
        self._document.findings.append(self._document.finding(path, message, event.at))
        self._document.broken.add(path)

    def _end(self, message: str, event: Event) -> InvalidConfigError:
        finding = self._document.finding((), message, event.at)
        return InvalidConfigError([*self._document.findings, finding])
