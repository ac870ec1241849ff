"""Environment variables that override the file: `UGW__MQTT__HOST=broker.example` sets `mqtt.host`.

A part that is a number counts into a list from 0: `UGW__TRANSPORTS__0__ADAPTER`. What a variable
sets is checked like what stands in the file; findings name the variable instead of a line.
"""

from collections.abc import Mapping
from typing import cast

from gateway.config.document import Data, Document
from gateway.config.findings import Finding, Path, path_text

PREFIX = "UGW__"


def apply_overrides(document: Document, environ: Mapping[str, str]) -> None:
    """Set in the document what the environment says; what fits nowhere becomes a finding."""
    for variable in sorted(environ):
        if variable.startswith(PREFIX):
            _apply(document, variable, environ[variable])


def _apply(document: Document, variable: str, value: str) -> None:
    parts = variable.removeprefix(PREFIX).lower().split("__")
    try:
        path = _set(document, parts, _printable(value))
    except LookupError as error:
        file = f"environment variable {variable}"
        document.findings.append(Finding(file=file, message=str(error.args[0])))
        return
    document.variables[path] = variable
    document.broken.discard(path)


def _printable(value: str) -> str:
    if not value.isprintable():
        message = "not a printable text"
        raise LookupError(message)
    return value


def _set(document: Document, parts: list[str], value: str) -> Path:
    """Set a value, making the mappings on its way. Raises LookupError where there is no way."""
    if not isinstance(document.data, dict):
        document.data = {}
    node: Data = document.data
    path: Path = ()
    for number, name in enumerate(parts):
        key = _key(node, name, path)
        path = (*path, key)
        container = cast("dict[str | int, Data]", node)
        if number == len(parts) - 1:
            container[key] = value
        elif isinstance(node, dict) and node.get(name) is None:
            container[key] = {}
        node = container[key]
    return path


def _key(node: Data, name: str, path: Path) -> str | int:
    if isinstance(node, dict) and name:
        return name
    if isinstance(node, list):
        if name.isascii() and name.isdecimal() and int(name[:9]) < len(node):
            return int(name)
        message = f"{path_text(path)} has {len(node)} items, numbered from 0"
        raise LookupError(message)
    message = (
        f"{path_text(path) or 'the name'} has no keys to set"
        if name
        else "a part of the name is empty"
    )
    raise LookupError(message)
