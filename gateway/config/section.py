"""What all parts of a configuration have in common: frozen, closed, documented.

A fault found across several keys names the key it is at, so that several can be reported at once.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Self, cast, get_args

import msgspec
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)
from pydantic_core import (
    CoreSchema,
    ErrorDetails,
    InitErrorDetails,
    PydanticCustomError,
    core_schema,
)
from pydantic_core.core_schema import ErrorType

ETC: Final = Path("/etc/ugw")  # what a gateway's configuration names is there

Fault = tuple[tuple[str | int, ...], str]  # where, seen from the section; what
Written = Mapping[str, Any]  # a section's keys and values as they stand in the document
# Raises ValueError, "name: why", for a setting or a sender that a modem does not take.
ModemCheck = Callable[[Mapping[str, int | str], str | None], None]


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What a configuration is checked against. None: the names are not known here."""

    environ: Mapping[str, str]
    drivers: Collection[str] | None = None
    modems: Mapping[str, ModemCheck] | None = None
    pollers: Collection[str] | None = None  # drivers that connect to a device and read it
    etc: Path | None = None  # stands for /etc/ugw, where it is read on another machine

    def located(self, path: Path) -> Path:
        """Return where a path of the configuration leads on this machine."""
        if self.etc is None or not path.is_relative_to(ETC) or ".." in path.parts:
            return path
        return self.etc / path.relative_to(ETC)


def fault(why: str) -> PydanticCustomError:
    """Make the error a validator raises: a sentence for the person who wrote the value."""
    return PydanticCustomError("fault", "{why}", {"why": why})


def refuse(faults: Iterable[Fault], *, beside: ValidationError | None = None) -> None:
    """Raise all faults found across the keys of a section; nothing if there is none.

    What was found before (`beside`) is raised with them.
    """
    details = [] if beside is None else [_again(line) for line in beside.errors(include_url=False)]
    details += [InitErrorDetails(type=fault(why), loc=loc, input=None) for loc, why in faults]
    if details:
        title = "section"
        raise ValidationError.from_exception_data(title, details, hide_input=True)


def _again(line: ErrorDetails) -> InitErrorDetails:
    """Make an error anew from its report: the library's own by type, ours by text."""
    kind: Any = line["type"]
    if kind in get_args(ErrorType):
        context = line.get("ctx", {})
        return InitErrorDetails(type=kind, loc=line["loc"], input=line["input"], ctx=context)
    ours = PydanticCustomError(kind, "{why}", {"why": line["msg"]})
    return InitErrorDetails(type=ours, loc=line["loc"], input=None)


class Section(BaseModel):
    """A mapping of known keys. The docstring below a field is its description in the schema."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
        validate_default=False,
    )

    @classmethod
    def faults_across(cls, written: Written) -> Iterator[Fault]:
        """Say what is wrong across the keys as they are written, whatever is wrong with each."""
        del written  # of most sections, nothing
        yield from ()

    @model_validator(mode="wrap")
    @classmethod
    def _check_across(cls, value: object, handler: ModelWrapValidatorHandler[Self]) -> Self:
        value = {} if value is None else value  # a key of which every option is commented out
        faults = list(cls.faults_across(cast("Written", value))) if isinstance(value, dict) else []
        try:
            section = handler(value)
        except ValidationError as error:
            if faults:
                refuse(faults, beside=error)
            raise
        refuse(faults)
        return section

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Let editors accept, as `_check_across` does, a key with nothing below it."""
        reference = handler(schema)
        definition = handler.resolve_ref_schema(reference)
        if not definition.get("required"):
            definition["type"] = ["object", "null"]
        return reference


class Pattern:
    """A pattern with a sentence for people who do not read patterns, for `Annotated[str, ...]`."""

    def __init__(self, regex: str, why: str) -> None:
        self._regex = re.compile(regex)
        self._why = why

    def check(self, text: str) -> str:
        """Return the text, or refuse it with the sentence."""
        if self._regex.fullmatch(text) is None:
            raise fault(self._why)
        return text

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {**handler(schema), "pattern": f"^{self._regex.pattern}$"}


def _no_boolean(value: object) -> object:
    # Python counts True as 1.
    if isinstance(value, bool):
        message = "a number is needed, not true or false"
        raise fault(message)
    return value


def located(path: Path, context: object) -> Path:
    """Return where a path leads in these surroundings: the context of a validation, if any."""
    return context.located(path) if isinstance(context, Surroundings) else path


def _absolute(path: Path, info: core_schema.ValidationInfo[Any]) -> Path:
    # A gateway's path, wherever the file is read: on the desk it may be Windows.
    if not path.as_posix().startswith("/") or not str(path).isprintable():
        message = "an absolute path is needed (it starts with /)"
        raise fault(message)
    return located(path, info.context)


Whole = Annotated[int, BeforeValidator(_no_boolean)]
Number = Annotated[float, BeforeValidator(_no_boolean), Field(allow_inf_nan=False)]
AbsolutePath = Annotated[Path, AfterValidator(_absolute)]
# The rule of gateway.core.identity.is_slug, in the schema's language.
Slug = Annotated[
    str, Pattern(r"[a-z0-9-]{1,64}", "1 to 64 of the characters a-z, 0-9 and - are needed")
]
Label = Annotated[
    str,
    Pattern(r"[^\x00-\x1f\x7f-\x9f]{1,100}", "a text of 1 to 100 printable characters is needed"),
]
