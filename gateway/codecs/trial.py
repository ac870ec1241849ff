"""One codec tried out on payloads a person has: what it says, and what a map could make of it.

For `ugw decode`. It is the agent's own worker, with the agent's limits, driven without a gateway
around it. What is proposed here is shown and never used by an agent: that takes a line in the
configuration.
"""

import asyncio
import hashlib
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec

from gateway.codecs import EXTRA, MAX_SOURCE_BYTES, MODEL, engine_installed
from gateway.codecs.output import CodecError, Output, flatten
from gateway.codecs.proposals import propose
from gateway.codecs.rules import Rule, apply
from gateway.codecs.workshop import Codec, Input, Worker, WorkerLostError
from gateway.config.files import read_regular
from gateway.core import refusal
from gateway.errors import ConfigError
from gateway.model import Reading

_NOTHING: Final[Mapping[str, Rule]] = {}


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one payload; `readings` by the rules given, else by what is proposed."""

    driver: str = MODEL
    decoded: msgspec.Raw | None = None  # the codec's data as JSON, to the digit
    readings: tuple[Reading, ...] = ()
    proposed: Mapping[str, Rule] = {}  # by path; what no rule was given for
    unmapped: tuple[str, ...] = ()  # paths for which nothing is known
    warnings: tuple[str, ...] = ()
    refused: str | None = None  # the reason, a counter's name
    cause: str = ""  # in words


class Trial:
    """Codecs run by hand, one worker for all. Enter it; its end is the worker's."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self._worker: Worker | None = None
        self._codecs: dict[Path, Codec] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._worker is not None:
            self._runner.run(self._worker.end())
        self._runner.close()

    def decode(
        self,
        file: Path,
        payload: bytes,
        *,
        port: int | None = None,
        rules: Mapping[str, Rule] = _NOTHING,
    ) -> Tried:
        """Decode one payload. Raises ConfigError for a file that cannot be used at all."""
        codec = self._codecs.get(file)
        if codec is None:
            codec = self._codecs[file] = Codec(str(file), read_source(file))
        given = Input(list(payload), codec.port if port is None else port, _now(), {})
        try:
            return _tried(self._runner.run(self._ask(codec, given)), rules)
        except CodecError as error:
            return Tried(refused=error.reason, cause=printable(error.cause))

    async def _ask(self, codec: Codec, given: Input) -> Output:
        try:
            if self._worker is None:
                self._worker = await Worker.start()
            return await self._worker.ask(codec, given)
        except WorkerLostError as error:
            self._worker = None
            cause = f"the worker was lost over it: {error}"
            raise CodecError(refusal.CODEC_LIMIT, cause) from None


def _tried(output: Output, rules: Mapping[str, Rule]) -> Tried:
    flat = flatten(output.data)
    proposed = {path: rule for path, rule in propose(flat).items() if path not in rules}
    used = rules or proposed
    return Tried(
        decoded=output.data,
        readings=tuple(apply(used, flat)),
        proposed=proposed,
        unmapped=tuple(path for path in flat if path not in rules and path not in proposed),
        warnings=tuple(printable(warning) for warning in output.warnings),
    )


def read_source(file: Path) -> str:
    """Return a codec's text. Raises ConfigError: why the file, or any codec, cannot be used."""
    if not engine_installed():
        cause = "vendors' codecs need quickjs-ng, which is not installed"
        raise ConfigError(cause, EXTRA)
    try:
        return read_regular(file, MAX_SOURCE_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError:
        cause = f"{file} is not UTF-8 text"
        raise ConfigError(cause) from None
    except ValueError as error:
        raise ConfigError(str(error)) from None


def digest(file: Path) -> str:
    """Return what `sha256sum` says of a file, for the configuration. Raises ConfigError."""
    try:
        return hashlib.sha256(read_regular(file, MAX_SOURCE_BYTES)).hexdigest()
    except ValueError as error:
        raise ConfigError(str(error)) from None


def printable(text: str) -> str:
    """Return a codec's words, bounded and without what could drive a terminal."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)[
        :300
    ]


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
