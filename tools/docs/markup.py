"""Markdown as the pages need it: a page, a table, a table of names that must all be explained."""

from collections.abc import Iterable, Iterator, Mapping, Sequence


class MissingWordsError(Exception):
    """A name has no words for people, or the words have no name any more."""


def page(title: str, source: str, parts: Iterable[str]) -> str:
    """Put a page together; it says what it is generated from."""
    note = f"<!-- Generated from {source} by: .venv/bin/python -m tools.docs -->"
    return "\n\n".join([f"# {title}", note, *(part.strip("\n") for part in parts)]) + "\n"


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Render a table."""
    lines = [_line(columns), "|" + "---|" * len(columns), *map(_line, rows)]
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return "|" + "".join(f" {cell} |" if cell else " |" for cell in map(_cell, cells))


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def code(text: str, language: str = "text") -> str:
    """Render a block of code."""
    return f"```{language}\n{text}\n```"


def explained(
    names: Iterable[str], words: Mapping[str, str], where: str
) -> Iterator[tuple[str, str]]:
    """Yield (name, meaning) in the order of the names.

    Raises MissingWordsError unless `words`, which stand in `where`, fit the names exactly.
    """
    known = list(names)
    unexplained = [name for name in known if name not in words]
    gone = sorted(words.keys() - set(known))
    if unexplained or gone:
        message = f"{where}: say what these mean: {unexplained}; these are no more: {gone}"
        raise MissingWordsError(message)
    yield from ((f"`{name}`", words[name]) for name in known)
