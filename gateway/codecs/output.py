"""What a codec returned, made flat: paths and exact values, all of it bounded.

    {"air": {"temperature": 21.5}, "probes": [20, null]}
    air.temperature = 21.5    probes[0] = 20    probes[1] = nothing

Numbers are taken from the text in which JavaScript wrote them, never by way of a float of ours.
JavaScript's own are doubles: 15 digits of one mean something, what stands behind them is left over
from the codec's arithmetic (214 * 0.1 is 21.400000000000002 there) and is rounded off. Whole
numbers keep all their digits.
"""

from collections.abc import Iterator
from decimal import Context, Decimal
from typing import Final, cast

import msgspec

from gateway.core import refusal
from gateway.core.refusal import DecodeError

MAX_BYTES: Final = 600_000  # of an answer: the 64,000 characters of worker.py, at their longest
MAX_DEPTH: Final = 8
MAX_VALUES: Final = 512
MAX_TEXT: Final = 256  # characters of one value
_MAX_PATH: Final = 200

Scalar = Decimal | bool | str | None
Flat = dict[str, Scalar]

# Beyond a double's range there is nothing, though JSON.rawJSON has a codec write any number.
_DOUBLE: Final = Context(prec=15, Emin=-308, Emax=308, traps=[])


class CodecError(DecodeError):
    """A frame whose codec failed; `cause` says how, in words that may be the codec's own."""

    def __init__(self, reason: str, cause: str) -> None:
        super().__init__(reason)
        self.cause = cause


class Output(msgspec.Struct, frozen=True):
    """What the harness wraps a codec's answer in (TS013, Uplink Decode, outputs)."""

    data: msgspec.Raw = msgspec.Raw(b"null")
    warnings: list[str] = msgspec.field(default_factory=list[str])
    errors: list[str] = msgspec.field(default_factory=list[str])


def understand(text: str | bytes) -> Output:
    """Read an answer. Raises CodecError for errors, no object, and what is no answer at all."""
    if len(text) > MAX_BYTES:
        raise CodecError(refusal.CODEC_LIMIT, "it returned too much")
    try:
        output = _OUTPUT.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise CodecError(refusal.CODEC_ERROR, "it returned no data") from None
    if output.errors:
        raise CodecError(refusal.CODEC_ERROR, output.errors[0])
    if not bytes(output.data).lstrip().startswith(b"{"):
        raise CodecError(refusal.CODEC_ERROR, "it returned no object")
    return output


def flatten(data: msgspec.Raw) -> Flat:
    """Return all values by their paths. Raises CodecError for more than the bounds allow."""
    try:
        tree: object = _TREE.decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise CodecError(refusal.CODEC_LIMIT, "it returned too deep a tree") from None
    flat: Flat = {}
    for path, value in _leaves(tree, "", MAX_DEPTH):
        if len(flat) >= MAX_VALUES:
            raise CodecError(refusal.CODEC_LIMIT, f"it returned more than {MAX_VALUES} values")
        flat.setdefault(path, value)
    return flat


def _leaves(tree: object, path: str, depth: int) -> Iterator[tuple[str, Scalar]]:
    if isinstance(tree, dict | list):
        if depth == 0:
            raise CodecError(refusal.CODEC_LIMIT, f"it returned more than {MAX_DEPTH} levels")
        branch = cast("dict[object, object] | list[object]", tree)
        for step, inner in _steps(branch, path):
            if len(step) <= _MAX_PATH:
                yield from _leaves(inner, step, depth - 1)
    elif isinstance(tree, int | float) and not isinstance(tree, bool):
        yield path, Decimal(tree)
    elif isinstance(tree, str):
        yield path, tree[:MAX_TEXT]
    elif tree is None or isinstance(tree, bool | Decimal):
        yield path, tree


def _steps(tree: dict[object, object] | list[object], path: str) -> Iterator[tuple[str, object]]:
    if isinstance(tree, list):
        yield from ((f"{path}[{number}]", inner) for number, inner in enumerate(tree))
    else:
        yield from ((f"{path}.{key}" if path else str(key), tree[key]) for key in tree)


def number(text: str) -> Decimal | None:
    """Return what a number says, without what only a double's arithmetic left in it."""
    found = _DOUBLE.create_decimal(text)
    return found if found.is_finite() else None


_OUTPUT: Final = msgspec.json.Decoder(Output)
_TREE: Final = msgspec.json.Decoder(float_hook=number)
