"""Readings judged: each gets the quality that the schema gives it. Marked, never dropped.

A result is (observed property, value, scale, channel, quality, flags); quality "" means good.
"""

from gateway.core import refusal, vocabulary
from gateway.core.refusal import DecodeError

MOST_RESULTS = 64  # of one observation (docs/reference/schema.md)


def judge(
    readings: "list[tuple[str, int | str | None, int, str]] | tuple[tuple[str, int | str | None, int, str], ...]",  # noqa: E501 - a type has no shorter name here
    flags: tuple[str, ...],
) -> "tuple[tuple[str, int | str | None, int, str, str, tuple[str, ...]], ...]":
    """Return what the readings are worth (docs/reference/schema.md, The bundle).

    Raises DecodeError (UNKNOWN_PROPERTY) for what the vocabulary does not know, and BAD_LENGTH for
    more than an observation holds: no sensor says that much, a stranger in its name may.
    """
    if len(readings) > MOST_RESULTS:
        raise DecodeError(refusal.BAD_LENGTH)
    try:
        return tuple([_judge(reading, flags) for reading in readings])
    except KeyError:  # what a foreign driver calls a property, and the vocabulary does not
        raise DecodeError(refusal.UNKNOWN_PROPERTY) from None


def mark(
    results: "tuple[tuple[str, int | str | None, int, str, str, tuple[str, ...]], ...]",
    flags: "tuple[str, ...]",
) -> "tuple[tuple[str, int | str | None, int, str, str, tuple[str, ...]], ...]":
    """Return results whose frame as a whole is flagged."""
    if not flags:
        return results
    return tuple(
        [
            (name, value, scale, channel, quality or "uncertain", own + flags)
            for name, value, scale, channel, quality, own in results
        ]
    )


def _judge(
    reading: "tuple[str, int | str | None, int, str]", flags: "tuple[str, ...]"
) -> "tuple[str, int | str | None, int, str, str, tuple[str, ...]]":
    name, value, scale, channel = reading
    if value is None:
        return (name, None, 0, channel, "missing", flags)
    if not vocabulary.in_range(name, value, scale):
        return (name, value, scale, channel, "bad", ("out_of_range",) + flags)  # noqa: RUF005 - MicroPython has no other way
    return (name, value, scale, channel, "uncertain" if flags else "", flags)
