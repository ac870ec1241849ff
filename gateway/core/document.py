"""A message as canonical JSON: for all that is no observation. Same bytes on both interpreters.

Fields stand in the order given, without white space; a float has no canonical form here.
"""

from gateway.core.wire import decimal, quote


class Decimal:
    """A value of a document: mantissa * 10**-scale."""

    __slots__ = ("mantissa", "scale")

    def __init__(self, mantissa: int, scale: int) -> None:
        self.mantissa = mantissa
        self.scale = scale


class Rendered:
    """A value of a document that is canonical JSON already."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


class Fields:
    """A value of a document: an object, its fields in the order given."""

    __slots__ = ("pairs",)

    def __init__(self, *pairs: "tuple[str, object]") -> None:
        self.pairs = pairs


class Items:
    """A value of a document: an array."""

    __slots__ = ("values",)

    def __init__(self, *values: object) -> None:
        self.values = values


def render(pairs: "tuple[tuple[str, object], ...] | list[tuple[str, object]]") -> str:
    """Render a message from its fields, in the order given.

    A value is None, a bool, an int, a str, or one of the four classes above, nested at will.
    Anything else is a TypeError, a float too: it has no canonical form.
    """
    return "{" + ",".join([f"{quote(key)}:{_any(value)}" for key, value in pairs]) + "}"


def _any(value: object) -> str:
    if value is None or isinstance(value, (bool, int, str)):  # MicroPython: a bool is no int
        return _plain(value)
    if isinstance(value, Decimal):
        return decimal(value.mantissa, value.scale)
    if isinstance(value, Rendered):
        return value.text
    if isinstance(value, Fields):
        return render(value.pairs)
    if isinstance(value, Items):
        return "[" + ",".join([_any(item) for item in value.values]) + "]"
    message = f"no canonical JSON for {type(value)}"
    raise TypeError(message)


def _plain(value: "bool | int | str | None") -> str:
    if value is None:
        return "null"
    if isinstance(value, str):
        return quote(value)
    return decimal(value, 0) if type(value) is int else "true" if value else "false"
