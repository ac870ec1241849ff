"""What is wrong, in the words of the person who wrote the file.

No message repeats a value but where one of a closed list is expected: a value may be a secret in
the wrong place.
"""

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from pydantic_core import ErrorDetails

from gateway.config.findings import quoted

Context = Mapping[str, Any]

_FEW = 14  # names that can be listed in a message
_CHOICE = re.compile(r"'([^']*)'")
_KINDS: tuple[tuple[type, str], ...] = (
    (dict, "keys and values"),
    (list, "a list"),
    (str, "a text"),
    (bool, "true or false"),
    (int, "a number"),
    (float, "a number"),
)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return what to append to a message: the closest known name, or all if they are few."""
    names = sorted(known)
    close = difflib.get_close_matches(name.lower(), [each.lower() for each in names], 1)
    if close:
        return (
            f", did you mean {quoted(next(each for each in names if each.lower() == close[0]))}?"
        )
    if 0 < len(names) <= _FEW:
        return f"; known here: {', '.join(names)}"
    return ""


def message(error: ErrorDetails, name: str, siblings: Iterable[str]) -> str:
    """Explain an error of pydantic's at the key `name`, where `siblings` are the keys known."""
    kind, context, value = error["type"], error.get("ctx", {}), error["input"]
    if kind == "extra_forbidden":
        return f"unknown key {quoted(name)}{did_you_mean(name, siblings)}"
    if kind in ("missing", "union_tag_not_found"):
        return f"the key {quoted(name)} is missing"
    if kind in _NEEDED:
        return f"{_NEEDED[kind]} is needed{_instead_of(value)}"
    if kind in _EXPLAINED:
        return _EXPLAINED[kind](context, value)
    reason = context.get("error")  # of a ValueError raised by a validator
    return str(reason) if reason is not None else error["msg"]


def _instead_of(value: object) -> str:
    """Say what kind of thing stands there instead."""
    if value is None:
        return ", and nothing stands here"
    kinds = (kind for types, kind in _KINDS if isinstance(value, types))
    return f", not {next(kinds, 'this')}"


def _text(_context: Context, value: object) -> str:
    quotes = ": put it in quotes" if isinstance(value, (int, float)) else ""
    return f"a text is needed{_instead_of(value)}{quotes}"


def _path(_context: Context, value: object) -> str:
    return f"a text is needed{_instead_of(value)}"  # quotes would not make a path of a number


def _choice(context: Context, value: object) -> str:
    choices = _CHOICE.findall(str(context.get("expected_tags", context.get("expected", ""))))
    if not choices:
        return f"must be {context['expected']}"
    value = context.get("tag", value)
    must = f"must be {_either(choices)}"
    if not isinstance(value, str):
        return must
    suggestion = did_you_mean(value, choices)
    return f"{must}, not {quoted(value)}" + (suggestion if suggestion.endswith("?") else "")


def _either(choices: Sequence[str]) -> str:
    """Write alternatives as people do: a, b or c."""
    return " or ".join(filter(None, (", ".join(choices[:-1]), choices[-1])))


def _at_least(context: Context, _value: object) -> str:
    return f"must be {context['ge']:g} or more"


def _at_most(context: Context, _value: object) -> str:
    return f"must be {context['le']:g} or less"


def _more_than(context: Context, _value: object) -> str:
    return f"must be more than {context['gt']:g}"


def _less_than(context: Context, _value: object) -> str:
    return f"must be less than {context['lt']:g}"


def _length(context: Context, value: object) -> str:
    things = "characters" if isinstance(value, str) else "items"
    if "max_length" in context:
        return f"{context['max_length']} {things} at most"
    return f"{context['min_length']} {things} at least"


_NEEDED = {
    "model_type": "a mapping (key: value)",
    "dict_type": "a mapping (key: value)",
    "model_attributes_type": "a mapping (key: value)",
    "list_type": "a list",
    "tuple_type": "a list",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing_size": "a smaller number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
}
_EXPLAINED: dict[str, Callable[[Context, object], str]] = {
    "string_type": _text,
    "path_type": _path,
    "literal_error": _choice,
    "enum": _choice,
    "union_tag_invalid": _choice,
    "greater_than_equal": _at_least,
    "less_than_equal": _at_most,
    "greater_than": _more_than,
    "less_than": _less_than,
    "too_long": _length,
    "too_short": _length,
    "string_too_long": _length,
    "string_too_short": _length,
}
