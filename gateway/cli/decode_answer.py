"""What a frame says, decoded as the agent would: by whom, or why not.

There is no configuration here that could name a driver too weak to be chosen by what it matches.
If exactly one of those makes sense of a frame that nobody else recognises, it answers, and the
answer is marked `weak`: a guess, to be confirmed by `driver:` in the configuration.
"""

from collections.abc import Iterator, Mapping
from functools import wraps
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec

from gateway.cli.decode_input import Asked
from gateway.codecs.proposals import as_written
from gateway.codecs.trial import Trial
from gateway.core import document, wire
from gateway.core.advertisement import structures
from gateway.core.context import Context
from gateway.core.judgement import judge
from gateway.core.recognition import payload_of
from gateway.core.refusal import DecodeError
from gateway.decoding import Once, read
from gateway.driver import LoadedDriver, Payload, SealedFrame
from gateway.foreign import bare, guarded
from gateway.model import Result, Structure
from gateway.registry import Registry

UNKNOWN: Final = "unknown"  # nobody recognises it
AMBIGUOUS: Final = "ambiguous"  # several weak drivers make sense of it
BAD_INPUT: Final = "bad_input: "
_SHORTEST_NONCE: Final = 7  # of AES-CCM: RFC 3610, 2.1


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """Who reads a frame and what it says, or why it says nothing."""

    driver: str | None = None
    results: tuple[Result, ...] = ()
    decoded: str | None = None  # what a vendor's codec made of it, as JSON
    refused: str | None = None
    weak: bool = False
    candidates: tuple[str, ...] = ()  # weak drivers that could have been meant
    proposed: Mapping[str, str] | None = None  # of a codec's output: path, property, a guess
    unmapped: tuple[str, ...] = ()  # paths in it that nobody has a name for
    cause: str = ""  # why a codec failed, in words
    warnings: tuple[str, ...] = ()  # its own
    counter: int | None = None
    encrypted: bool = False
    payload: Payload = b""
    found: Structure | None = None  # by which structure it was recognised

    def line(self) -> str:
        """Return it as one line of JSON."""
        results = document.Items(*[document.Rendered(wire.result(one)) for one in self.results])
        decoded = None if self.decoded is None else document.Rendered(self.decoded)
        pairs: list[tuple[str, object]] = [
            ("driver", self.driver),
            ("results", results),
            ("decoded", decoded),
            ("refused", self.refused),
        ]
        if self.weak:
            pairs.append(("weak", True))
        if self.candidates:
            pairs.append(("candidates", document.Items(*self.candidates)))
        if self.proposed is not None:
            pairs.append(("proposed", document.Fields(*self.proposed.items())))
            pairs.append(("unmapped", document.Items(*self.unmapped)))
        if self.cause:
            pairs.append(("cause", self.cause))
        return document.render(pairs)


class Decoder:
    """Answers one frame after the other with the drivers there are; none can end it."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self._guarded: dict[str, LoadedDriver] = {}
        drivers = [registry.by_model(model) for model in registry.models()]
        self._weak = [driver for driver in drivers if driver.matches and not driver.strength]
        self._lora = [driver for driver in drivers if not driver.is_ble]
        self._trial = Trial()

    def __enter__(self) -> Self:
        self._trial.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._trial.__exit__(kind, error, trace)

    def answer(self, asked: Asked) -> Answer:
        """Decode what is asked.

        Raises DriverError for a driver that does not exist, ConfigError for a codec that cannot
        be used.
        """
        if asked.codec is not None:
            return self._of_codec(asked, asked.codec)
        named = self.registry.by_model(asked.driver) if asked.driver else None
        if asked.payload is not None:
            return self._of_payload(asked, asked.payload, named)
        driver, payload = self.registry.recognise(asked.structures, named)
        if driver is not None:
            return self._read(driver, payload, asked, found_by(driver, asked.structures))
        return self._guess(asked, list(self._claims(asked.structures)) if named is None else [])

    def _of_codec(self, asked: Asked, file: Path) -> Answer:
        """Run a vendor's codec; what its values mean is proposed, and marked so."""
        tried = self._trial.decode(file, asked.payload or b"", port=asked.port)
        results: tuple[Result, ...] = ()
        refused = tried.refused
        try:
            results = judge(tried.readings, ())
        except DecodeError as error:
            refused = error.reason
        return Answer(
            driver=tried.driver,
            results=results,
            decoded=None if tried.decoded is None else bytes(tried.decoded).decode(),
            refused=refused,
            proposed={path: as_written(rule) for path, rule in tried.proposed.items()},
            unmapped=tried.unmapped,
            cause=tried.cause,
            warnings=tried.warnings,
            payload=asked.payload or b"",
        )

    # ------------------------------------------------------------------------------- recognising
    def _of_payload(self, asked: Asked, payload: bytes, named: LoadedDriver | None) -> Answer:
        if named is None:
            return self._guess(asked, [(driver, payload, None) for driver in self._lora])
        if named.payload != "advertisement":
            return self._read(named, payload, asked)
        try:
            return self._read(named, structures(payload), asked)
        except DecodeError as error:
            return Answer(driver=named.model, refused=error.reason)

    def _claims(
        self, found: tuple[Structure, ...]
    ) -> Iterator[tuple[LoadedDriver, Payload, Structure | None]]:
        """Yield the weak drivers that would read an advertisement, if they were named."""
        for driver in self._weak:
            for structure in found:
                if driver.claims(structure):
                    yield driver, payload_of(driver.payload, structure, found, ()), structure
                    break

    def _guess(
        self, asked: Asked, claims: list[tuple[LoadedDriver, Payload, Structure | None]]
    ) -> Answer:
        """Let the one weak driver answer that makes sense of it."""
        answers = [self._read(*claim[:2], asked, claim[2], weak=True) for claim in claims]
        decoded = [one for one in answers if one.results]
        if len(decoded) == 1:
            return decoded[0]
        if len(answers) == 1 and claims[0][2] is not None:  # a LoRa payload is claimed by nothing
            return answers[0]
        candidates = tuple([one.driver for one in decoded if one.driver is not None])
        return Answer(refused=AMBIGUOUS if candidates else UNKNOWN, candidates=candidates)

    # ---------------------------------------------------------------------------------- decoding
    def _read(
        self,
        driver: LoadedDriver,
        payload: Payload,
        asked: Asked,
        found: Structure | None = None,
        *,
        weak: bool = False,
    ) -> Answer:
        """Open, decode and judge with the driver."""
        sender = Once(asked.address if driver.is_ble else b"", asked.key, asked.port)
        results: tuple[Result, ...] = ()
        counter = refused = None
        try:
            results, counter = read(self._kept(driver), payload, sender)
        except DecodeError as error:
            refused = error.reason
        return Answer(
            driver=driver.model,
            results=results,
            refused=refused,
            weak=weak,
            counter=counter,
            encrypted=sender.sealed,
            payload=payload,
            found=found,
        )

    def _kept(self, driver: LoadedDriver) -> LoadedDriver:
        """Return the driver so that its bugs are refusals: a capture may be hostile."""
        if driver.model not in self._guarded:
            self._guarded[driver.model] = guarded(_of_nobody(bare(driver)))
        return self._guarded[driver.model]


def _of_nobody(driver: LoadedDriver) -> LoadedDriver:
    """Let a driver make its nonce where the address is not told: one that opens nothing."""
    seal = driver.sealed
    if seal is None:
        return driver

    @wraps(seal)
    def sealed(payload: Payload, context: Context) -> SealedFrame | None:
        fields = seal(payload, context)
        if fields is None or context.address:
            return fields
        return (fields[0].ljust(_SHORTEST_NONCE, b"\0"), *fields[1:])

    return msgspec.structs.replace(driver, sealed=sealed)


def found_by(driver: LoadedDriver, structures: tuple[Structure, ...]) -> Structure | None:
    """Return the structure by which the registry has found a driver."""
    claimed = [structure for structure in structures if driver.claims(structure)]
    return claimed[0] if claimed else None
