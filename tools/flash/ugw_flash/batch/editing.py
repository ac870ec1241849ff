"""A gateway's configuration made of the one that its kind shares, by edits in the text.

Comments, order and layout stay the writer's own, and what is wrong can be told by the line in the
file that a person has. What came out is read again: it says exactly what was asked for, or nothing
comes out at all.
"""

import json
import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Final, NamedTuple, cast

import msgspec

from gateway.config.document import Data, Document, read_document
from gateway.config.findings import Finding, InvalidConfigError, Path, Position
from gateway.config.places import finding_at

Changes = Mapping[Path, Data]

# A line and its end, as the parser counts lines.
_LINE: Final = re.compile("[^\r\n\x85\u2028\u2029]*(?:\r\n|[\r\n\x85\u2028\u2029])?")
_QUOTED: Final = re.compile(r""""(?:[^"\\]|\\.)*"|'(?:[^']|'')*'""")
_PLAIN: Final = re.compile(r"(?:[^\s#]|\s+(?![\s#]|$)|(?<!\s)#)*")
_PLAIN_IN_FLOW: Final = re.compile(r"(?:[^\s#,\[\]{}]|\s+(?![\s#,\[\]{}])|(?<!\s)#)*")
_UP_TO_COLON: Final = re.compile(r"""(?:"[^"]*"|'[^']*'|[^:])*:""")
_UNFIT: Final = "a row cannot be put in here: write it as `key: value` in a line of its own"


class Edited(NamedTuple):
    """A text, and which of its lines were put in."""

    text: str
    inserted: tuple[int, ...] = ()  # numbers of lines of this text, from 1

    def at_home(self, error: InvalidConfigError, file: str) -> InvalidConfigError:
        """Return findings about this text as findings about the file it was made of."""
        found = [self._at_home(each, file) for each in error.findings]
        return InvalidConfigError(found, error.remedy)

    def _at_home(self, found: Finding, file: str) -> Finding:
        if not found.line:
            return found
        line = found.line - sum(1 for each in self.inserted if each <= found.line)
        return msgspec.structs.replace(found, file=file, line=max(1, line))


class _Edit(NamedTuple):
    at: Position
    length: int  # of what is replaced; 0: nothing
    text: str


def edited(document: Document, text: str, changes: Changes) -> Edited:
    """Return the text that a document was read from, with each value set where its path leads.

    A key that is not there is put at the top of its section. Raises InvalidConfigError when there
    is no such section, or the text is laid out so that it cannot be done.
    """
    lines = _LINE.findall(text)
    edits = [_edit(document, lines, path, value) for path, value in changes.items()]
    inserted = sorted(each.at[0] for each in edits if each.text.endswith(("\n", "\r")))
    for edit in sorted(edits, key=lambda each: each.at, reverse=True):
        number, column = edit.at[0] - 1, edit.at[1] - 1
        line = lines[number]
        lines[number] = line[:column] + edit.text + line[column + edit.length :]
    made = "".join(lines)
    _prove(document, made, changes)
    return Edited(made, tuple(line + before for before, line in enumerate(inserted)))


def _edit(document: Document, lines: list[str], path: Path, value: Data) -> _Edit:
    if path in document.values:
        return _replacement(document, lines, path, value)
    section = path[:-1]
    at = document.values.get(section)
    if at is None or not isinstance(document.at(section), dict):
        raise _unfit(document, path, f"the section {section[-1] if section else ''} is needed")
    line, key = lines[at[0] - 1], f"{path[-1]}: {_written(value)}"
    if line.startswith("{", at[1] - 1):
        return _Edit((at[0], at[1] + 1), 0, f"{key}, ")
    indent = line[: at[1] - 1]
    if indent.strip():
        raise _unfit(document, section, _UNFIT)
    ending = line[len(line.rstrip("\r\n")) :] or "\n"
    return _Edit((at[0], 1), 0, f"{indent}{key}{ending}")


def _replacement(document: Document, lines: list[str], path: Path, value: Data) -> _Edit:
    number, column = document.values[path]
    line = lines[number - 1].rstrip("\r\n")
    if document.at(path) is None and not line[column - 1 :].startswith(("~", "n", "N")):
        return _filling(document, lines, path, value)
    opening = document.values[path[:-1]]
    in_flow = lines[opening[0] - 1].startswith("{", opening[1] - 1)
    quoted = line[column - 1 : column] in ('"', "'")
    pattern = _QUOTED if quoted else _PLAIN_IN_FLOW if in_flow else _PLAIN
    found = pattern.match(line, column - 1)
    if found is None or isinstance(document.at(path), dict | list):
        raise _unfit(document, path, _UNFIT)
    return _Edit((number, column), len(found[0]), _written(value))


def _filling(document: Document, lines: list[str], path: Path, value: Data) -> _Edit:
    """Put a value behind a key that has none."""
    number, column = document.keys[path]
    found = _UP_TO_COLON.match(lines[number - 1], column - 1)
    if found is None:
        raise _unfit(document, path, _UNFIT)
    return _Edit((number, found.end() + 1), 0, f" {_written(value)}")


def _written(value: Data) -> str:
    return json.dumps(value, ensure_ascii=False)  # which is YAML too, on one line


def _prove(document: Document, made: str, changes: Changes) -> None:
    """Raise InvalidConfigError unless the text says what the document says, with the changes."""
    wanted = deepcopy(document.data)
    for path, value in changes.items():
        section = wanted
        for part in path[:-1]:
            section = cast("dict[str | int, Data]", section)[part]
        cast("dict[str | int, Data]", section)[path[-1]] = value
    try:
        again = read_document(made, document.name)
    except InvalidConfigError:
        again = None
    if again is None or again.data != wanted or again.findings:
        raise InvalidConfigError(finding_at(document, path, _UNFIT) for path in changes)


def _unfit(document: Document, path: Path, why: str) -> InvalidConfigError:
    return InvalidConfigError([finding_at(document, path, why)])


def texts(data: Data, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Yield every text in a document's data, with its path."""
    if isinstance(data, str):
        yield path, data
    elif isinstance(data, dict):
        for key, inner in data.items():
            yield from texts(inner, (*path, key))
    elif isinstance(data, list):
        for number, inner in enumerate(data):
            yield from texts(inner, (*path, number))
