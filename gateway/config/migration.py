"""A configuration of an earlier format, rewritten for this one; every other byte stays as it is.

A step turns one version into the next by editing the text where a key or a value stands, so that
comments, order and layout are the writer's own. Version 0 are the first drafts of this format,
which had no `config_version`:

    sensors                 devices
    sensors[].decoder       devices[].driver, with the names drivers have now
    expected_interval_s: 9  expected_interval: 9s
    mqtt.keepalive_s: 30    mqtt.keepalive: 30s
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from gateway.config.document import Data, Document, read_document
from gateway.config.findings import InvalidConfigError, Path, Position

VERSION: Final = 1  # as Settings.config_version has it

_KEY: Final = "config_version"
_DRIVERS: Final = {"bthome": "bthome-v2", "ruuvi": "ruuvi-rawv2"}
_TOKEN: Final = re.compile(r""""[^"]*"|'[^']*'|[^\s:,\[\]{}#][^\s:,\]}]*""")
# A line and its end, as the parser counts lines.
_LINE: Final = re.compile("[^\r\n\x85\u2028\u2029]*(?:\r\n|[\r\n\x85\u2028\u2029])?")


class Edit(msgspec.Struct, frozen=True):
    """Put `text` in the place of the key or the scalar that stands at a place."""

    at: Position
    text: str


class Migrated(msgspec.Struct, frozen=True):
    """The text for this version, and which version it was."""

    text: str
    version: int

    @property
    def changed(self) -> bool:
        """Whether there was anything to do."""
        return self.version != VERSION


Step = Callable[[Document], Iterator[Edit]]


def migrate(text: str, name: str) -> Migrated:
    """Return the text as this version writes it; `name` is what findings call the file.

    Raises InvalidConfigError for what is no YAML, or comes from a later version.
    """
    document = read_document(text, name)
    found = version = _version(document)
    while version < VERSION:
        edits = [*STEPS[version](document), *_numbered(document, version + 1)]
        text = _edited(text, edits)
        version += 1
        if version == 1:
            text = _announced(text, document)
        document = read_document(text, name)
    return Migrated(text, found)


def _version(document: Document) -> int:
    data = document.data
    if not isinstance(data, dict):
        raise _refusal(document, (), "keys and values are needed")
    version = data.get(_KEY, 0)
    if isinstance(version, bool) or not isinstance(version, int) or version < 0:
        raise _refusal(document, (_KEY,), "a version is a whole number")
    if version > VERSION:
        cause = f"version {version} is of a later ugw; this one knows versions up to {VERSION}"
        raise _refusal(document, (_KEY,), cause)
    return version


def _refusal(document: Document, path: Path, message: str) -> InvalidConfigError:
    at = document.values.get(path, (1, 1))
    return InvalidConfigError([document.finding(path, message, at)])


# ------------------------------------------------------------------------------------- the steps
def _from_drafts(document: Document) -> Iterator[Edit]:
    """Version 0 to 1."""
    yield from _renamed(document, ("sensors",), "devices")
    yield from _with_unit(document, ("mqtt", "keepalive_s"), "keepalive", "s")
    data = document.data
    sensors = data.get("sensors") if isinstance(data, dict) else None
    for number in range(len(sensors) if isinstance(sensors, list) else 0):
        at: Path = ("sensors", number)
        yield from _renamed(document, (*at, "decoder"), "driver")
        yield from _replaced(document, (*at, "decoder"), _DRIVERS)
        yield from _with_unit(document, (*at, "expected_interval_s"), "expected_interval", "s")


STEPS: Final[Mapping[int, Step]] = MappingProxyType({0: _from_drafts})


def _numbered(document: Document, version: int) -> Iterator[Edit]:
    if (_KEY,) in document.values:
        yield Edit(document.values[(_KEY,)], str(version))


def _renamed(document: Document, path: Path, name: str) -> Iterator[Edit]:
    if path in document.keys:
        yield Edit(document.keys[path], name)


def _replaced(document: Document, path: Path, names: Mapping[str, str]) -> Iterator[Edit]:
    value = _at(document, path)
    if isinstance(value, str) and value in names:
        yield Edit(document.values[path], names[value])


def _with_unit(document: Document, path: Path, name: str, unit: str) -> Iterator[Edit]:
    """Rename a number whose key bore its unit; the unit goes to the value."""
    value = _at(document, path)
    if isinstance(value, int | float) and not isinstance(value, bool):
        yield Edit(document.keys[path], name)
        yield Edit(document.values[path], f"{value}{unit}")


def _at(document: Document, path: Path) -> Data:
    return document.at(path) if path in document.values else None


# ------------------------------------------------------------------------------------- the text
def _edited(text: str, edits: Iterable[Edit]) -> str:
    """Apply edits from the last to the first, so that none moves another's place."""
    lines = _LINE.findall(text)
    for edit in sorted(edits, key=lambda each: each.at, reverse=True):
        line, column = edit.at[0] - 1, edit.at[1] - 1
        before = lines[line]
        token = _TOKEN.match(before, column)
        end = token.end() if token else column
        lines[line] = before[:column] + edit.text + before[end:]
    return "".join(lines)


def _announced(text: str, document: Document) -> str:
    """Write the version above the first key, unless it stands in the file."""
    if (_KEY,) in document.keys:
        return text
    first = min(at for path, at in document.keys.items() if len(path) == 1)
    lines, (line, column) = _LINE.findall(text), first
    if column != 1:
        message = "the keys must stand in lines of their own, without { } around them"
        raise InvalidConfigError([document.finding((), message, first)])
    ending = "\r\n" if lines[line - 1].endswith("\r\n") else "\n"
    return "".join([*lines[: line - 1], f"{_KEY}: {VERSION}{ending}", *lines[line - 1 :]])
