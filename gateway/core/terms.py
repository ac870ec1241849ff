"""Whether a reading keeps to the vocabulary: its name, and the type of its value.

For whoever writes drivers and configurations; what runs asks `vocabulary` alone.
"""

from gateway.core.vocabulary import lookup

_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789_"
_MAX_NAME = 64


def known(name: str) -> bool:
    """Whether results may carry this name: one of the vocabulary, or a well-formed `x_` name."""
    if name.startswith("x_"):
        return len("x_") < len(name) <= _MAX_NAME and not name.strip(_LETTERS)
    try:
        lookup(name)
    except KeyError:
        return False
    return True


def fits(name: str, value: int | str | None, scale: int) -> bool:
    """Whether a reading's value is of the property's type; None, the sensor's "no value", always.

    Raises KeyError for a name that is not known.
    """
    if value is None or name.startswith("x_"):
        return True
    wanted = lookup(name).type
    if isinstance(value, bool):
        return wanted == "boolean"
    if isinstance(value, str):
        return wanted == "string"
    return wanted == "number" or (wanted == "integer" and (scale <= 0 or value % 10**scale == 0))
