"""YAML text as a stream of events: the one adapter of ruamel.yaml, whose round trip is untyped.

It says of each event where it stands, and of what is outside the accepted language why. Text that
is not YAML raises NotYamlError with the place where that was noticed, whatever is wrong with it.
"""

import re
from collections.abc import Iterator
from typing import Any, cast

import msgspec
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.reader import ReaderError

from gateway.config.findings import Position

_HINTS = {
    "found character '\\t' that cannot start any token": "a tab; YAML is indented with spaces",
    "mapping values are not allowed here": "a ':' too many; a text with ': ' in it needs quotes",
    "expected the node content, but found '<stream end>'": (
        "the file ends where a value should begin: a ']' or '}' is missing"
    ),
    "could not find expected ':'": "a ':' is missing, or a line is not indented as those around",
}
# What began and never ends is shown where it began: there is the mistake, or just behind it.
_UNCLOSED = {
    "while parsing a flow sequence": "behind this '[' a ',' or the ']' is missing",
    "while parsing a flow mapping": "behind this '{' a ',' or the '}' is missing",
    "while scanning a quoted scalar": "the quote that begins here is not closed",
}
_END = "expected ',' or", "found unexpected end of stream"
_QUOTED = re.compile(r"'([^']*)'")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")  # can be written as an escape


class NotYamlError(Exception):
    """The text is not YAML from `at` on."""

    def __init__(self, message: str, at: Position) -> None:
        super().__init__(message)
        self.at = at


class Event(msgspec.Struct, frozen=True):
    """A step of the parser's, with what is needed of it."""

    kind: str  # DocumentStart, MappingStart, MappingEnd, SequenceStart, SequenceEnd, Scalar, Alias
    at: Position
    text: str  # of a scalar
    plain: bool  # a scalar without quotes
    refused: str  # why this is outside the accepted language


def parse(text: str) -> Iterator[Event]:
    """Parse as far as events are taken, so that the taker may stop at a bound of its own."""
    events = cast("Any", YAML(typ="safe", pure=True)).parse(text)
    try:
        for event in events:
            yield _event(event)
    except MarkedYAMLError as error:
        raise _syntax(error) from None
    except ReaderError as error:
        raise _forbidden_character(text, error) from None
    except YAMLError as error:
        raise NotYamlError(type(error).__name__, (1, 1)) from None


def _event(event: object) -> Event:
    kind = type(event).__name__.removesuffix("Event")
    refused = ""
    if kind == "Alias":
        refused = "aliases (*) are not supported: write the value out"
    elif getattr(event, "anchor", None) is not None:
        refused = "anchors (&) are not supported: write each value where it belongs"
    elif getattr(event, "tag", None) is not None:
        refused = "tags (!) are not supported; secrets are referred to as file:/path or env:NAME"
    text = str(getattr(event, "value", ""))
    if _LONE_SURROGATE.search(text):
        refused, text = "half a character (a lone surrogate) is no text", ""
    plain = getattr(event, "style", None) is None
    at = _position(getattr(event, "start_mark", None))
    return Event(kind, at, text, plain, refused)


def _position(mark: object) -> Position:
    return (getattr(mark, "line", 0) + 1, getattr(mark, "column", 0) + 1)


def _syntax(error: MarkedYAMLError) -> NotYamlError:
    context: object = getattr(error, "context", None)
    problem = str(getattr(error, "problem", None) or context or "not understood")
    began = _position(getattr(error, "context_mark", None))
    at = _position(getattr(error, "problem_mark", None) or getattr(error, "context_mark", None))
    unclosed = _UNCLOSED.get(str(context)) if problem.startswith(_END) else None
    if unclosed is not None:
        noticed = f"; noticed in line {at[0]}" if at[0] > began[0] else ""
        return NotYamlError(f"{unclosed}{noticed}", began)
    message = _HINTS.get(problem) or _QUOTED.sub(_harmless, problem)
    if problem not in _HINTS and context and began[0] < at[0]:
        message += f" ({context}, which began in line {began[0]})"
    return NotYamlError(message, at)


def _harmless(quoted: re.Match[str]) -> str:
    """Keep a single character and the parser's own words; what else it quotes may be a secret."""
    content = quoted[1]
    return quoted[0] if len(content) <= 1 or content.startswith("<") else "'***'"


def _forbidden_character(text: str, error: ReaderError) -> NotYamlError:
    before = text[: int(getattr(error, "position", 0))]
    at = (before.count("\n") + 1, len(before) - before.rfind("\n"))
    character: int | str = getattr(error, "character", "")
    code = character if isinstance(character, int) else ord(character)
    return NotYamlError(f"the character U+{code:04X} is not allowed", at)
