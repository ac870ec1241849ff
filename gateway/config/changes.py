"""What differs between two configurations, as keys: what a running agent has to look at again."""

from collections.abc import Iterable, Iterator
from typing import Any, cast

from gateway.config.secrets import Secret
from gateway.config.section import Section


def changes(before: Section, after: Section, prefix: str = "") -> Iterator[str]:
    """Yield the keys that differ, as they are written; of a list the list's key alone.

    Secrets differ when their texts do, also under the same reference.
    """
    for name, field in type(before).model_fields.items():
        key = f"{prefix}{field.alias or name}"
        one, other = getattr(before, name), getattr(after, name)
        if isinstance(one, Section) and type(one) is type(other):
            yield from changes(one, other, f"{key}.")
        elif _content(one) != _content(other):
            yield key


def concern(keys: Iterable[str], *sections: str) -> bool:
    """Whether one of the keys is one of these sections, or lies below one."""
    return any(f"{key}.".startswith(f"{section}.") for key in keys for section in sections)


def _content(value: object) -> Any:  # noqa: ANN401 - whatever settings hold, to be compared
    if isinstance(value, Secret):
        return value.reference, value.reveal()
    if isinstance(value, Section):
        names = type(value).model_fields
        return type(value), [_content(getattr(value, name)) for name in names]
    if isinstance(value, list):
        return [_content(item) for item in cast("list[object]", value)]
    return value
