"""Sections put together from what all of a kind have in common and what each has of its own."""

from collections.abc import Iterable
from typing import Any, Literal, Union

from pydantic import Field, create_model

from gateway.config import Section


def section(
    tag: str, names: tuple[str, ...], title: str, *, of: tuple[type[Section], ...]
) -> type[Section]:
    """Make the section that is chosen by one of these names under the key `tag`."""
    make: Any = create_model  # of fields whose names are known at run time alone
    chosen = (Literal[names], Field(description=title))
    made: type[Section] = make(
        names[0],
        __base__=of,
        __doc__=title,
        # Nothing is written below its fields; to look for that takes as long as all the rest.
        __cls_kwargs__={"use_attribute_docstrings": False},
        **{tag: chosen},
    )
    return made


def either(sections: Iterable[type[Section]]) -> Any:  # noqa: ANN401 - a type
    """Return the union of sections."""
    members: Any = tuple(sections)
    return Union[members]  # noqa: UP007 - of as many as there are
