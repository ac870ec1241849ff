"""Changes to a good message, each of which makes it one that our gateway never sends.

A path is the keys and indices that lead to a value. What a change touches is chosen by the message
alone: every object, every field, every value is tried.
"""

from collections.abc import Iterator
from copy import deepcopy
from decimal import Decimal
from typing import Any, NamedTuple

from tests.schema.published import Json

Path = tuple[str | int, ...]


class Mutation(NamedTuple):
    """What was done, where, and what came of it."""

    deed: str
    path: Path
    message: Json

    def __str__(self) -> str:
        """Name it for a failing test."""
        return f"{self.deed} at {'.'.join(map(str, self.path)) or 'the top'}"


def values(message: Json, path: Path = ()) -> Iterator[tuple[Path, Json]]:
    """Yield every value within a message, and itself."""
    yield path, message
    if isinstance(message, dict):
        for key, value in message.items():
            yield from values(value, (*path, key))
    elif isinstance(message, list):
        for index, value in enumerate(message):
            yield from values(value, (*path, index))


def replaced(message: Json, path: Path, value: Any) -> Json:  # noqa: ANN401 - any JSON
    """Return the message with another value there."""
    if not path:
        return value
    changed = deepcopy(message)
    _container(changed, path)[path[-1]] = value
    return changed


def without(message: Json, path: Path) -> Json:
    """Return the message without what stands there."""
    changed = deepcopy(message)
    del _container(changed, path)[path[-1]]
    return changed


def _container(message: Json, path: Path) -> Json:
    for key in path[:-1]:
        message = message[key]
    return message


def has_free_keys(path: Path) -> bool:
    """Whether an object's keys are anybody's."""
    return path[-1:] == ("parameters",)


def holds_anything(message: Json, path: Path) -> bool:
    """Whether a value may be of any simple type: a parameter's, a diagnostic's."""
    if path[-2:-1] == ("parameters",) or str(path[-1]).startswith("x_"):
        return True
    inside = _container(message, path)
    if path[-1] != "result":
        return False
    return bool(inside["observedProperty"].startswith("x_"))


def may_be_null(message: Json, path: Path) -> bool:
    """Whether null may stand there: a state's values."""
    return "schema" not in message and path[0] not in {"device", "time", "timeQuality", "rssi"}


# ------------------------------------------------------------------------------------------- deeds
def with_more(message: Json) -> Iterator[Mutation]:
    """Add a field to each object."""
    for path, value in values(message):
        if isinstance(value, dict) and not has_free_keys(path):
            yield Mutation("a field more", path, replaced(message, path, {**value, "more": 1}))


def with_less(message: Json, always: set[str]) -> Iterator[Mutation]:
    """Take each field away that is always there; `always` has paths without indices."""
    for path, _ in values(message):
        if path and isinstance(path[-1], str) and name_of(path) in always:
            yield Mutation("a field less", path, without(message, path))


def name_of(path: Path) -> str:
    """Return a path as tables write it: `observations[].seq`."""
    return ".".join(str(key) for key in path if isinstance(key, str))


def of_another_type(message: Json) -> Iterator[Mutation]:
    """Put values of each wrong type in the place of each value."""
    for path, value in values(message):
        if not path or holds_anything(message, path):
            continue
        for other in (True, 7, Decimal("0.5"), "text", [], {}, [7], {"text": 7}):
            if not _alike(value, other):
                yield Mutation(f"{other!r}", path, replaced(message, path, other))


def _alike(value: Json, other: Json) -> bool:
    numbers = int | Decimal
    both_numbers = all(isinstance(v, numbers) and not isinstance(v, bool) for v in (value, other))
    return value is None or both_numbers or type(value) is type(other)


def with_null(message: Json) -> Iterator[Mutation]:
    """Put null in the place of each value."""
    for path, value in values(message):
        if path and value is not None and not may_be_null(message, path):
            yield Mutation("null", path, replaced(message, path, None))


def in_another_order(message: Json) -> Iterator[Mutation]:
    """Turn the fields of each object round."""
    for path, value in values(message):
        if isinstance(value, dict) and len(value) > 1 and not has_free_keys(path):
            turned = dict(reversed(value.items()))
            yield Mutation("turned round", path, replaced(message, path, turned))
