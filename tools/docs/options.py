"""The options of a configuration as tables, from the JSON Schema of its model.

A default that only the model computes needs words of the page that shows it; without them there
is no page.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from tools.docs.markup import MissingWordsError, table

COLUMNS = ("key", "value", "default", "meaning")
TYPES = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "`true` or `false`",
    "path": "absolute path",
}

Schema = dict[str, Any]
Known = dict[str, Schema]  # sections by name


class Words(NamedTuple):
    """What a page says where the schema has no words for people."""

    computed: Mapping[str, str]  # defaults that the model computes, by path
    patterns: tuple[tuple[str, str], ...]  # a part of a pattern, and what it means
    where: str  # file and name of `computed`, for who has to add to it


def sections(path: str, section: Schema, known: Known) -> Iterator[tuple[str, Schema]]:
    """Yield the sections within a section, at any depth, with their paths."""
    for key, option in section["properties"].items():
        suffix = "[]" if "items" in option else ".*" if _is_map(option) else ""
        below = f"{path}.{key}".lstrip(".") + suffix
        for inner in _within(option, known):
            kind: Schema = inner["properties"].get("kind", {}) if suffix else {}
            kinds = " or ".join(kind.get("enum") or filter(None, (kind.get("const"),)))
            yield f"{below} of kind {kinds}" if kinds else below, inner
            yield from sections(below, inner, known)


def options(path: str, section: Schema, known: Known, words: Words) -> str:
    """Render the options of a section. Raises MissingWordsError."""
    required = section.get("required", ())
    return table(
        COLUMNS,
        [
            (
                f"`{key}`",
                _value(option, words),
                "required"
                if key in required
                else _default(f"{path}.{key}".lstrip("."), option, words),
                _meaning(option, known),
            )
            for key, option in section["properties"].items()
        ],
    )


def _within(option: Schema, known: Known) -> Iterator[Schema]:
    """Yield the sections an option can be, or is a list of."""
    if "$ref" in option:
        yield known[option["$ref"].rpartition("/")[2]]
    if "items" in option:
        yield from _within(option["items"], known)
    if _is_map(option):
        yield from _within(option["additionalProperties"], known)
    for inner in (*option.get("anyOf", ()), *option.get("oneOf", ())):
        yield from _within(inner, known)


def _is_map(option: Schema) -> bool:
    """Whether its keys are for who writes it to choose."""
    return isinstance(option.get("additionalProperties"), dict)


def _meaning(option: Schema, known: Known) -> str:
    # Where an option and its section say the same, the schema has it at the section only.
    said: str = option.get("description") or next(_within(option, known))["description"]
    return said


def _value(option: Schema, words: Words) -> str:
    """Say what may be written."""
    given: Schema = next(k for k in option.get("anyOf", [option]) if k.get("type") != "null")
    kind = {**option, **given}  # limits stand beside the types, not in them
    if "$ref" in kind:
        return "section"
    if "items" in kind:
        return f"list, at most {kind['maxItems']}" if "maxItems" in kind else "list"
    if _is_map(kind):
        return f"keys and values, at most {kind['maxProperties']}"
    said = kind.get("enum") or ([kind["const"]] if "const" in kind else [])
    if said:
        return " or ".join(f"`{word}`" for word in said)
    low, high = kind.get("examples") or (kind.get("minimum"), kind.get("maximum"))
    limits = (
        "" if low is None else f", {low} to {high}" if high is not None else f", {low} or more"
    )
    pattern = str(kind.get("pattern", ""))
    name = next((name for part, name in words.patterns if part in pattern), None)
    return (name or TYPES[kind.get("format", kind["type"])]) + limits


def _default(path: str, option: Schema, words: Words) -> str:
    if path in words.computed:
        return words.computed[path]
    if "default" not in option:
        message = f"{words.where}: say what {path} is by default"
        raise MissingWordsError(message)
    default = option["default"]
    if default is None or isinstance(default, dict):
        return ""
    return f"`{default}`" if isinstance(default, str) else f"`{json.dumps(default)}`"
