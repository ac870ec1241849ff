"""The words in which a message is described, each with an open and a strict form.

A kind is a function from a form to a JSON Schema (2020-12). What a consumer must be able to rely
on for as long as the major version lasts is the same in both forms; lists of words and sets of
fields, which may grow, are closed in the strict form alone.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final, NamedTuple

Schema = dict[str, Any]


class Form(StrEnum):
    """For whom a schema is; also the folder it stands in."""

    OPEN = "open"
    STRICT = "strict"


Kind = Callable[[Form], Schema]
Meanings = Mapping[str, str]  # word -> what it means

MOST: Final = 2**53 - 1  # the highest integer that every JSON reader holds exactly
SLUG: Final = "[a-z0-9-]{1,64}"
# RFC 3339 in UTC with milliseconds.
TIME: Final = (
    "^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
    "T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9][.][0-9]{3}Z$"
)
LONGEST_LABEL: Final = 1024


class Field(NamedTuple):
    """One field of a record: its name, what may stand there, and what that means."""

    name: str
    kind: Kind
    meaning: str
    always: bool = True

    def schema(self, form: Form) -> Schema:
        """Return its schema, which says what it means."""
        own = self.kind(form)
        words = [self.meaning, own.pop("description", "")]
        return {"description": " ".join(filter(None, words)), **own}


def optional(name: str, kind: Kind, meaning: str) -> Field:
    """Describe a field that is left out where it is not known or does not apply."""
    return Field(name, kind, meaning, always=False)


# ------------------------------------------------------------------------------------------ values
def fixed(schema: Schema) -> Kind:
    """Mean the same in both forms."""
    return lambda _: dict(schema)


def constant(value: str | bool) -> Kind:  # noqa: FBT001 - the value itself
    """Stand for one value, for as long as the major version lasts."""
    return fixed({"const": value})


def integer(least: int = 0, most: int = MOST) -> Kind:
    """Count something."""
    return fixed({"type": "integer", "minimum": least, "maximum": most})


def number(**limits: float) -> Kind:
    """Measure something; limits are JSON Schema's own keywords."""
    return fixed({"type": "number", **limits})


def text(pattern: str = "") -> Kind:
    """Be a text that is not empty, of this shape in both forms."""
    shape: Schema = {"pattern": pattern} if pattern else {"minLength": 1}
    return fixed({"type": "string", **shape, "maxLength": LONGEST_LABEL})


def opaque(pattern: str) -> Kind:
    """Be a text of which consumers must not read more than that it is the same or another."""
    shape: Mapping[Form, Schema] = {
        Form.OPEN: {"type": "string", "minLength": 1},
        Form.STRICT: {"type": "string", "pattern": pattern},
    }
    return lambda form: dict(shape[form])


def words(meanings: Meanings) -> Kind:
    """Be one word of a list that may grow: a consumer takes one it does not know for the worst."""
    listed = "; ".join(f"`{word}`: {meaning}" for word, meaning in meanings.items())

    def schema(form: Form) -> Schema:
        closed = {"enum": list(meanings)}
        opened = {"type": "string", "minLength": 1, "examples": list(meanings)}
        return {"description": f"{listed}.", **(closed if form is Form.STRICT else opened)}

    return schema


TIMESTAMP: Final = fixed({"type": "string", "format": "date-time", "pattern": TIME})
SLUG_TEXT: Final = text(f"^{SLUG}$")
BOOLEAN: Final = fixed({"type": "boolean"})


# -------------------------------------------------------------------------------------- structures
def array(kind: Kind, *, least: int = 0, most: int | None = None) -> Kind:
    """List things of one kind."""

    def schema(form: Form) -> Schema:
        limits = {"minItems": least} | ({} if most is None else {"maxItems": most})
        return {"type": "array", **limits, "items": kind(form)}

    return schema


def record(*fields: Field, rules: Sequence[Kind] = ()) -> Kind:
    """Put fields together, in the order in which they are sent."""

    def schema(form: Form) -> Schema:
        whole: Schema = {
            "type": "object",
            "properties": {field.name: field.schema(form) for field in fields},
            "required": [field.name for field in fields if field.always],
        }
        if form is Form.STRICT:
            whole["additionalProperties"] = False
        return whole | all_of(rules, form)

    return schema


def all_of(rules: Iterable[Kind], form: Form) -> Schema:
    """Return what adds rules to a schema."""
    held = [schema for rule in rules if (schema := rule(form))]
    return {"allOf": held} if held else {}


# ------------------------------------------------------------------------------------------- rules
def where(field: str, *values: str | bool) -> Schema:
    """Hold where a field is one of these values."""
    return {"properties": {field: {"enum": list(values)}}, "required": [field]}


def without(*names: str) -> Schema:
    """Hold where none of these fields is present."""
    return {"properties": dict.fromkeys(names, False)}


def present_where(condition: Schema, *names: str) -> Kind:
    """Say that fields are present where something holds, and, in the strict form, only there."""

    def schema(form: Form) -> Schema:
        rule: Schema = {"if": condition, "then": {"required": list(names)}}
        return rule | ({"else": without(*names)} if form is Form.STRICT else {})

    return schema


def required_where(condition: Schema, *names: str) -> Kind:
    """Say that fields are present where something holds; elsewhere they may be."""
    return fixed({"if": condition, "then": {"required": list(names)}})
