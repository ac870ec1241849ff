"""A vendor's JavaScript codec, for one device: its file, that it is the one looked at, its map."""

import hashlib
import re
import sys
from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, Any, Final, Self

from pydantic import (
    BeforeValidator,
    Field,
    GetJsonSchemaHandler,
    PrivateAttr,
    model_validator,
)
from pydantic_core import CoreSchema, core_schema

from gateway.codecs import EXTRA, MAX_SOURCE_BYTES, engine_installed
from gateway.codecs.rules import Rule, UnitError, conversion
from gateway.config.announced import ObservedProperty
from gateway.config.files import read_regular
from gateway.config.findings import quoted
from gateway.config.section import (
    AbsolutePath,
    Fault,
    Pattern,
    Section,
    Slug,
    Surroundings,
    Whole,
    fault,
    refuse,
)
from gateway.core import vocabulary

_Digest = Annotated[
    str, Pattern(r"[0-9a-fA-F]{64}", "64 hexadecimal digits are needed, as sha256sum FILE says")
]
_Path = Annotated[str, Field(min_length=1, max_length=200)]
_State = Annotated[str, Field(max_length=64)]
_DECIMAL: Final = re.compile(r"-?[0-9]{1,9}(\.[0-9]{1,12})?")


def _exact(value: object) -> Decimal:
    """Take a decimal as it is written: 0.1 is a tenth, not the double next to it."""
    text = f"{Decimal(repr(value)):f}" if type(value) in (int, float) else str(value)
    if _DECIMAL.fullmatch(text) is None or not Decimal(text):
        why = "a decimal number is needed, as 0.1 or -20, with 9 digits before the point at most"
        raise fault(why)
    return Decimal(text)


class _Or:
    """Another form that editors accept beside the one that a value has once it is read."""

    def __init__(self, form: str) -> None:
        self._form = form

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"anyOf": [{"type": self._form}, handler(schema)]}


Scale = Annotated[
    Decimal,
    BeforeValidator(_exact),
    _Or("number"),
]


class RuleSettings(Section):
    """What one value of a codec's output is."""

    observed_property: ObservedProperty = Field(alias="property")
    """Its name in the vocabulary."""
    channel: Slug | None = None
    """The probe, axis or phase, where the device has more than one."""
    unit: str | None = Field(default=None, max_length=16)
    """The unit (UCUM) that the codec gives it in, where that is not the vocabulary's."""
    scale: Scale = Decimal(1)
    """What the codec's number is multiplied with first."""
    values: dict[_State, bool | Whole | str] | None = Field(default=None, max_length=64)
    """What the codec's words stand for: {open: true, closed: false}."""

    @model_validator(mode="after")
    def _check_unit(self) -> Self:
        if self.unit is not None:
            try:
                self._conversion()
            except UnitError as error:
                why = f"{quoted(self.unit)} does not convert exactly; these do: {error}"
                refuse([(("unit",), why)])
        return self

    def _conversion(self) -> tuple[Decimal, Decimal]:
        wanted = vocabulary.unit(self.observed_property)
        return conversion(wanted if self.unit is None else self.unit, wanted)

    @property
    def rule(self) -> Rule:
        """The same, as it is applied."""
        factor, offset = self._conversion()
        values = self.values
        return Rule(
            property=self.observed_property,
            channel=self.channel or "",
            factor=self.scale * factor,
            offset=offset,
            values=None if values is None else {name: _value(v) for name, v in values.items()},
        )


def _value(written: bool | int | str) -> bool | Decimal | str:  # noqa: FBT001 - a value, no switch
    return written if isinstance(written, bool | str) else Decimal(written)


def _short(value: object) -> object:
    return {"property": value} if isinstance(value, str) else value


_Rule = Annotated[RuleSettings, BeforeValidator(_short), _Or("string")]


class CodecSettings(Section):
    """A vendor's JavaScript codec: run apart from the agent, with limits."""

    file: AbsolutePath
    """Its file: JavaScript with decodeUplink (TS013), or with Decoder or Decode before that."""
    sha256: _Digest
    """What sha256sum FILE says: no other text than the one that was looked at is ever run."""
    map: dict[_Path, _Rule] = Field(min_length=1, max_length=64)
    """What its values are, by their place in its output: {air.temperature: air_temperature}."""
    port: Whole = Field(default=1, ge=1, le=255)
    """The LoRaWAN port it is told where a frame names none."""
    variables: dict[_State, str] = Field(default_factory=dict[str, str], max_length=64)
    """Settings of the device for codecs that ask for them (ChirpStack's variables)."""
    _source: str = PrivateAttr(default="")

    @property
    def source(self) -> str:
        """The text whose hash was checked; the file is not read again."""
        return self._source

    @property
    def rules(self) -> dict[str, Rule]:
        """The map, as it is applied."""
        return {path: entry.rule for path, entry in self.map.items()}

    @model_validator(mode="after")
    def _check_all(self, info: core_schema.ValidationInfo[Any]) -> Self:
        # Read on the desk, for a gateway: what is installed here says nothing of what is there.
        elsewhere = isinstance(info.context, Surroundings) and info.context.etc is not None
        refuse(self._faults(engine=elsewhere or engine_installed()))
        return self

    def _faults(self, *, engine: bool) -> Iterator[Fault]:
        yield from self._repeated()
        if not engine:
            yield (), f"vendors' codecs need quickjs-ng, which is not installed: {EXTRA}"
        try:
            content = read_regular(self.file, MAX_SOURCE_BYTES)
            # Devices of one type name one file, hundreds of them maybe: its text is kept once.
            self._source = sys.intern(content.decode("utf-8-sig"))
        except UnicodeDecodeError:
            yield ("file",), f"{self.file} is not UTF-8 text"
            return
        except ValueError as error:
            yield ("file",), str(error)
            return
        if hashlib.sha256(content).hexdigest() != self.sha256.lower():
            why = (
                f"{self.file} is another text than the one this hash was taken of; look at what"
                f" has changed, then enter what this says: sha256sum {self.file}"
            )
            yield ("sha256",), why

    def _repeated(self) -> Iterator[Fault]:
        first: dict[tuple[str, str | None], Any] = {}
        for path, entry in self.map.items():
            name = (entry.observed_property, entry.channel)
            if name in first:
                why = f"{entry.observed_property}, as {quoted(first[name])}: give one a channel"
                yield ("map", path), why
            first.setdefault(name, path)
