"""Secrets by reference: `file:/path` or `env:NAME`, resolved once at load, shown nowhere.

What is printed, logged, serialised or compared is the reference. A secret written into the
configuration itself is an error that says how to do it, and no message repeats it. A file that
everybody on the machine can read is refused.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from gateway.config.files import read_regular
from gateway.config.section import fault, located

LITERAL = "literal_secret"  # the error whose value is never quoted
_MAX_BYTES = 4096
_REFERENCE_PATTERN = r"^(file:/.+|env:[A-Za-z_][A-Za-z0-9_]*)$"
_REFERENCE = re.compile(_REFERENCE_PATTERN)
_HOW = "write a reference, file:/path/to/it or env:NAME, never the secret itself"


class Secret:
    """A text that is known and not shown: a user name, a password."""

    __slots__ = ("_text", "reference")

    def __init__(self, reference: str, text: str) -> None:
        self.reference = reference
        self._text = text

    def reveal(self) -> str:
        """Return the secret. Only what hands it to its one user calls this."""
        return self._text

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.reference!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self.reference == other.reference

    def __hash__(self) -> int:
        return hash(self.reference)

    @classmethod
    def resolve(
        cls, reference: str, environ: Mapping[str, str], surroundings: object = None
    ) -> Self:
        """Read what a reference refers to. Raises ValueError saying why it cannot be had.

        `surroundings`: where files are on this machine, if they are elsewhere than written.
        """
        scheme, _, name = reference.partition(":")
        if scheme == "file":
            text = _from_file(located(Path(name), surroundings))
        else:
            text = _from_environment(name, environ)
        return cls(reference, text.rstrip("\r\n"))

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        written = core_schema.plain_serializer_function_ser_schema(
            lambda secret: secret.reference, return_schema=core_schema.str_schema()
        )
        return core_schema.with_info_plain_validator_function(cls._validate, serialization=written)

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"type": "string", "pattern": _REFERENCE_PATTERN}

    @classmethod
    def _validate(cls, value: object, info: core_schema.ValidationInfo[Any]) -> "Secret":
        if isinstance(value, cls):
            return value
        if not isinstance(value, str) or not _REFERENCE.match(value):
            raise PydanticCustomError(LITERAL, "{how}", {"how": _HOW})
        environ = getattr(info.context, "environ", os.environ)
        try:
            return cls.resolve(value, environ, info.context)
        except ValueError as error:
            raise fault(str(error)) from None


class Key(Secret):
    """A device's AES-128 key, written as 32 hexadecimal digits."""

    __slots__ = ()

    BYTES = 16

    def __init__(self, reference: str, text: str) -> None:
        super().__init__(reference, text.strip())
        try:
            length = len(bytes.fromhex(self._text))
        except ValueError:
            length = 0
        if length != self.BYTES:
            message = f"{reference} does not hold a key: 32 hexadecimal digits are needed"
            raise ValueError(message)

    @property
    def key_bytes(self) -> bytes:
        """The key as cryptography wants it."""
        return bytes.fromhex(self._text)


def _from_environment(name: str, environ: Mapping[str, str]) -> str:
    text = environ.get(name, "")
    if not text:
        message = f"the environment variable {name} is not set"
        raise ValueError(message)
    return text


def _from_file(path: Path) -> str:
    content = read_regular(path, _MAX_BYTES, private=True)
    try:
        text = content.decode()
    except UnicodeDecodeError:
        message = f"{path} is not text"
        raise ValueError(message) from None
    if not text.strip():
        message = f"{path} is empty"
        raise ValueError(message)
    return text
