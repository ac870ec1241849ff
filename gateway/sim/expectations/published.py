"""The published schemas, and a message judged by one of them alone.

Every value is looked at. What makes it fast leaves nothing out: rules that apply to one word of a
field alone are looked up by that word, and patterns are compiled once.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import cache
from typing import Any, Final, NamedTuple, cast

import jsonschema
from jsonschema import Draft202012Validator, FormatChecker, validators

from gateway.sim import shipped

Json = Any  # of a message or a schema: its shape is what is judged

SCHEMAS: Final = shipped.folder("schema")
STRICT, OPEN = "strict", "open"


class _Rules(NamedTuple):
    """An `allOf`: rules that apply to one word of a field, by that; and all others."""

    whole: list[Json]  # kept, so that its id is nobody else's
    by_word: Mapping[tuple[str, str], list[Json]]
    fields: frozenset[str]
    rest: list[Json]


_known_rules: Final[dict[int, _Rules]] = {}


def _sorted_out(rules: list[Json]) -> _Rules:
    known = _known_rules.get(id(rules))
    if known is None:
        by_word: dict[tuple[str, str], list[Json]] = {}
        rest: list[Json] = []
        for rule in rules:
            words = _words(rule)
            for word in words:
                by_word.setdefault(word, []).append(rule["then"])
            if not words:
                rest.append(rule)
        fields = frozenset(field for field, _ in by_word)
        known = _known_rules[id(rules)] = _Rules(rules, by_word, fields, rest)
    return known


def _words(rule: Json) -> list[tuple[str, str]]:
    """Return the words a rule is about; none where it is not of this simple form."""
    match rule:
        case {"if": {"properties": named, "required": [field], **also}, "then": _, **otherwise}:
            words = named.get(field, {}).get("enum", [])
            simple = named == {field: {"enum": words}} and not also and not otherwise
            return [(field, w) for w in words] if simple and _are_texts(words) else []
        case _:
            return []


def _are_texts(words: list[Json]) -> bool:
    return all(isinstance(word, str) for word in words)


def _all_of(validator: Json, rules: list[Json], instance: Json, _: Json) -> Iterator[Json]:
    """Apply `allOf`; exactly as the standard says it, only sooner."""
    if not isinstance(instance, dict):
        for rule in rules:
            yield from validator.descend(instance, rule)
        return
    given = cast("dict[str, Json]", instance)
    known = _sorted_out(rules)
    for rule in known.rest:
        yield from validator.descend(instance, rule)
    for field in known.fields:
        word = given.get(field)
        if isinstance(word, str):
            for then in known.by_word.get((field, word), ()):
                yield from validator.descend(instance, then)


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    # JSON Schema's `$` is the end and nothing else; Python's is also before a last line break.
    return re.compile(re.sub(r"(?<!\\)\$$", r"\\Z", pattern))


def _pattern(_: Json, pattern: str, instance: Json, __: Json) -> Iterator[Json]:
    if isinstance(instance, str) and not _compiled(pattern).search(instance):
        yield jsonschema.ValidationError(f"{instance!r} does not match {pattern!r}")


_FORMATS: Final = FormatChecker(formats=())


def _is_a_time(instance: object) -> bool:
    return not isinstance(instance, str) or bool(datetime.fromisoformat(instance))


_FORMATS.checks("date-time", raises=ValueError)(_is_a_time)


# The library says nothing of its types.
_FastValidator: Final = cast(
    "Callable[..., Json]",
    validators.extend(Draft202012Validator, {"allOf": _all_of, "pattern": _pattern}),  # pyright: ignore[reportUnknownMemberType]
)


@cache
def schema(form: str, name: str) -> Json:
    """Return one of the published schemas."""
    return json.loads((SCHEMAS / form / f"{name}-1.json").read_bytes())


@cache
def _judge(form: str, name: str) -> Json:
    return _FastValidator(schema(form, name), format_checker=_FORMATS)


def schema_faults(form: str, name: str, message: Json) -> Iterator[str]:
    """Yield what one of the schemas has against a message, read with its decimals exact."""
    for error in _judge(form, name).iter_errors(message):
        yield f"{error.json_path}: {error.message}"
