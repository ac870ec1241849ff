"""From where pydantic found something to where a person wrote it.

A location of pydantic's runs through the model: it has the tags of unions in it, and names keys
that are not there. A place is a path through the document, with a line and a column.
"""

from collections.abc import Collection, Iterable
from typing import Literal, get_args, get_origin

import msgspec
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from gateway.config.document import Data, Document
from gateway.config.explain import message
from gateway.config.findings import Finding, Path, path_text
from gateway.config.secrets import LITERAL

_ECHOES = ("default_factory_not_called",)  # of an error in what the default is made of
# Located at the item, meant for its tag.
_TAG_ERRORS = ("union_tag_invalid", "union_tag_not_found")


class _Place(msgspec.Struct, frozen=True):
    """Where in the document, and which keys the model knows there."""

    path: Path
    siblings: tuple[str, ...]


def findings_of(
    document: Document, model: type[BaseModel], errors: Iterable[ErrorDetails]
) -> list[Finding]:
    """Translate the errors of a validation; echoes of what was reported already are left out."""
    findings: list[Finding] = []
    for error in errors:
        if error["type"] in _ECHOES:
            continue
        place = _locate(document.data, model, _location(error))
        if not _is_within(place.path, document.broken):
            findings.append(_finding(document, place, error))
    return findings


def _is_within(path: Path, broken: Collection[Path]) -> bool:
    """Whether what is broken is at a path or around it; however much is, that is soon known."""
    return any(path[:length] in broken for length in range(len(path) + 1))


def finding_at(document: Document, path: Path, text: str) -> Finding:
    """Return a finding about a valid document, at what stands there or should."""
    variable = document.variable_of(path)
    if variable:
        file = f"environment variable {variable}"
        return Finding(file=file, path=path_text(path), message=text)
    return _finding_in_file(document, path, text, "")


def _location(error: ErrorDetails) -> tuple[str | int, ...]:
    if error["type"] in _TAG_ERRORS:
        return (*error["loc"], error.get("ctx", {})["discriminator"].strip("'"))
    return error["loc"]


def _finding(document: Document, place: _Place, error: ErrorDetails) -> Finding:
    path = place.path
    text = message(error, str(path[-1]) if path else "", place.siblings)
    variable = document.variable_of(path)
    if variable:
        return finding_at(document, path, text)
    return _finding_in_file(document, path, text, error["type"])


def _finding_in_file(document: Document, path: Path, text: str, kind: str) -> Finding:
    """Point at a scalar, else at its key; if it is missing, at what it is missing from."""
    written = path
    while written not in document.values and written:
        written = written[:-1]
    key, value = document.keys.get(written), document.values.get(written, (1, 1))
    if kind == "extra_forbidden" and key is not None:
        # What follows a mistyped key may be a secret.
        return document.finding(path, text, key, cut=key[1] + len(str(written[-1])) + 1)
    if kind == LITERAL and written == path:
        return document.finding(path, text, value, cut=value[1])
    scalar = written == path and isinstance(document.at(path), (str, int, float))
    return document.finding(path, text, value if scalar or key is None else key)


def _locate(data: Data, model: type[BaseModel], location: tuple[str | int, ...]) -> _Place:
    """Follow a location through the data and the model at once."""
    path: Path = ()
    models: tuple[type[BaseModel], ...] = (model,)
    siblings: tuple[str, ...] = ()
    for part in location:
        fields = _fields(models)
        present, inner = _step(data, part)
        tagged = tuple(each for each in models if _has_tag(each, part))
        if not present and part not in fields:
            models = tagged or models  # a union's tag, or the name of one of its branches
            continue
        siblings = tuple(str(name) for name in fields)
        path, data = (*path, part), inner
        models = _models_in(fields[part].annotation) if part in fields else models
    return _Place(path, siblings)


def _step(data: Data, part: str | int) -> tuple[bool, Data]:
    """Return whether there is such a key or item, and what it holds."""
    if isinstance(data, dict) and isinstance(part, str) and part in data:
        return True, data[part]
    if isinstance(data, list) and isinstance(part, int) and part < len(data):
        return True, data[part]
    return False, None


def _fields(models: Iterable[type[BaseModel]]) -> dict[str | int, FieldInfo]:
    """Return the keys of a level, as they are written."""
    return {
        field.alias or name: field
        for model in models
        for name, field in model.model_fields.items()
    }


def _has_tag(model: type[BaseModel], tag: object) -> bool:
    """Whether a model is the branch of a union that is chosen by this tag."""
    literals = (field.annotation for field in model.model_fields.values())
    return any(get_origin(each) is Literal and tag in get_args(each) for each in literals)


def _models_in(annotation: object) -> tuple[type[BaseModel], ...]:
    """Return the models an annotation speaks of, whatever stands around them."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return (annotation,)
    if get_origin(annotation) is Literal:
        return ()
    return tuple(model for inner in get_args(annotation) for model in _models_in(inner))
