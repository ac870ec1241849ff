"""What `ugw decode` shows to people: who reads a frame and why, what it says, or what is wrong."""

from collections.abc import Iterable, Iterator
from typing import Final

from rich.console import Group, RenderableType
from rich.text import Text

from gateway.cli.decode_answer import AMBIGUOUS, UNKNOWN, Answer
from gateway.cli.decode_input import NO_ADDRESS, Asked
from gateway.cli.driver_facts import STRENGTHS, kind_text, layout, match_text
from gateway.cli.readings import shown_value
from gateway.cli.terminal import Cell, facts, table
from gateway.config.findings import printable
from gateway.core import refusal
from gateway.core.advertisement import NAME
from gateway.driver import LOCAL_NAME, LoadedDriver
from gateway.model import Result, Structure
from gateway.registry import Registry

SAID: Final = {  # a reason to refuse a frame, in words
    UNKNOWN: "no driver recognises it",
    AMBIGUOUS: "several weak drivers make sense of it: name the right one with --driver",
    refusal.TRUNCATED: "it ends before a field that it announces: was all of it pasted?",
    refusal.BAD_LENGTH: "this format has frames of another length: was all of it pasted?",
    refusal.BAD_VERSION: "the driver does not know this version of the format",
    refusal.BAD_TYPE: "it is no frame of this driver after all",
    refusal.BAD_MIC: "the key does not open it: another key, another address, or damaged bytes",
    refusal.BAD_CHECKSUM: "its checksum is wrong: bytes are damaged or missing",
    refusal.BAD_HEX: "it is no hexadecimal text",
    refusal.BAD_VALUE: "a field holds what its type forbids",
    refusal.NO_KEY: "it is encrypted: --key file:/... or --key ask",
    refusal.NOT_ENCRYPTED: "a key was given, and it is in clear: the agent would refuse it",
    refusal.UNKNOWN_PROPERTY: "the driver has a fault: it names a property nobody knows",
    refusal.DRIVER_FAULT: "the driver has a fault: it raised an error",
    refusal.REPLAYED: "it was heard before",
    refusal.CODEC_ERROR: "the vendor's codec failed",
    refusal.CODEC_LIMIT: "the vendor's codec met a limit: time, memory, stack or size",
}
_SIGN_BYTES: Final = 40  # of a structure; more would not help to tell it


def render(asked: Asked, answer: Answer, registry: Registry) -> RenderableType:
    """Lay out one answer."""
    parts: list[RenderableType] = [facts(_lines(asked, answer, registry), width=10)]
    if answer.results:
        rows = [_reading(one) for one in answer.results]
        parts += ["", table(("reading", "value", ""), rows, right=("value",))]
    others = list(_others(asked, answer, registry))
    if others:
        parts += ["", table(("also in it", "bytes", "read by"), others)]
    return Group(*parts)


def _lines(asked: Asked, answer: Answer, registry: Registry) -> Iterator[tuple[str, Cell]]:
    driver = None
    if asked.codec is not None:
        yield "codec", Text.assemble((str(asked.codec), "bold"), "  JavaScript of a vendor")
    elif answer.driver is not None:
        driver = registry.by_model(answer.driver)
        yield from _who(asked, answer, driver)
    yield from _what(answer)
    yield from _refused(asked, answer)
    if asked.codec is None and driver is None:
        yield from _titled("near", (*_near(asked.structures, registry), *answer.candidates))
    elif not answer.refused and not answer.results:
        yield "readings", "none: it is in order, with nothing in it for us"


def _who(asked: Asked, answer: Answer, driver: LoadedDriver) -> Iterator[tuple[str, Cell]]:
    summary, _ = layout(driver.file)
    yield "driver", Text.assemble((driver.model, "bold"), f"  {printable(summary)}")
    yield from _titled("why", _why(asked, answer, driver))


def _what(answer: Answer) -> Iterator[tuple[str, Cell]]:
    if isinstance(answer.payload, bytes) and answer.payload:
        bytes_ = "1 byte" if len(answer.payload) == 1 else f"{len(answer.payload)} bytes"
        yield "payload", f"{answer.payload.hex(' ')}  ({bytes_})"
    if answer.encrypted:
        yield "encrypted", "and not opened" if answer.refused else "and opened with the key"
    if answer.counter is not None:
        yield "counter", str(answer.counter)
    yield from _of_codec(answer)


def _titled(title: str, lines: Iterable[str]) -> Iterator[tuple[str, Cell]]:
    for number, line in enumerate(lines):
        yield "" if number else title, line


def _of_codec(answer: Answer) -> Iterator[tuple[str, Cell]]:
    """Tell what a codec said, and what the configuration could make of it."""
    if answer.decoded is not None:
        yield "it says", answer.decoded
    for warning in answer.warnings:
        yield "it warns", warning
    yield from _titled("proposed", [f"{path}: {name}" for path, name in _proposed(answer)])
    if answer.proposed:
        yield "", "guessed from names: put what is right into the device's `codec: map:`"
    if answer.unmapped:
        yield "unmapped", ", ".join(answer.unmapped)


def _proposed(answer: Answer) -> Iterable[tuple[str, str]]:
    return (answer.proposed or {}).items()


def _refused(asked: Asked, answer: Answer) -> Iterator[tuple[str, Cell]]:
    if answer.refused is None:
        return
    said = answer.cause or SAID.get(answer.refused, "")
    yield "refused", Text.assemble((answer.refused, "bold red"), f"  {said}")
    if answer.refused == refusal.BAD_MIC and asked.address == NO_ADDRESS:
        yield "", "no --address was given, and most formats encrypt with it"


def _why(asked: Asked, answer: Answer, driver: LoadedDriver) -> Iterator[str]:
    found = answer.found
    if asked.driver:
        yield "you named it"
    elif found is None:
        yield "no other driver for LoRa makes sense of it: a guess, name it with --driver"
    else:
        fitting = [match_text(match) for match in driver.matches if match.fits(found)]
        yield f"it reads {fitting[0]}"
        yield f"strength {STRENGTHS[driver.strength]}"
    if answer.weak and found is not None:
        yield f"too weak to be chosen by that alone: the agent needs `driver: {driver.model}`"


def _sign(structure: Structure) -> str:
    ad_type, identifier, data = structure
    if ad_type == NAME:
        return f"the name {printable(data.decode(errors='replace'))}"
    return kind_text(ad_type, identifier)


# ------------------------------------------------------------------------------------ the readings
def _reading(result: Result) -> tuple[Cell, ...]:
    name, _, _, channel, quality, flags = result
    doubts = [quality, *flags] if quality else []
    if name.startswith("x_"):
        doubts.append("diagnostic, outside the vocabulary")
    which = f"{name.replace('_', ' ')} {channel}".rstrip()
    return which, shown_value(result), Text(", ".join(doubts), "yellow")


def _others(asked: Asked, answer: Answer, registry: Registry) -> Iterator[tuple[Cell, Cell, Cell]]:
    """Tell what else an advertisement carries, and who would read that."""
    for structure in asked.structures:
        if structure == answer.found:
            continue
        shown = "" if structure[0] == NAME else structure[2][:_SIGN_BYTES].hex(" ")
        reader = registry.for_structure(*structure)
        yield _sign(structure), shown, "nobody" if reader is None else reader.model


# --------------------------------------------------------------------------------------- who could
def _near(structures: Iterable[Structure], registry: Registry) -> Iterator[str]:
    """Name the drivers that look for something like it."""
    for structure in structures:
        for model in registry.models():
            driver = registry.by_model(model)
            if driver.claims(structure):
                yield f"{model}, if it is named: weak, it reads {_sign(structure)}"
            else:
                yield from _all_but_prefix(driver, structure)


def _all_but_prefix(driver: LoadedDriver, structure: Structure) -> Iterator[str]:
    for match in driver.matches:
        if match.ad_type != LOCAL_NAME and match.key == structure[:2]:
            begins = structure[2][: len(match.prefix)].hex(" ") or "nothing"
            yield f"{driver.model} reads {match_text(match)}; this begins with {begins}"
