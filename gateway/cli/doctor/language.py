"""Findings put into words, in the language that is asked for.

What other parts of ugw say arrives in English; it is recognised by its form. A sentence whose form
nobody knows stays as it is: a cause in another language is better than none.
"""

import re
import string
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final, NamedTuple

from gateway.cli.doctor.finding import Finding
from gateway.cli.doctor.words import CATALOGUE
from gateway.cli.doctor.words.causes import CAUSES
from gateway.cli.doctor.words.labels import HEADINGS
from gateway.cli.doctor.words.remedies import REMEDIES
from gateway.cli.doctor.words.text import Language
from gateway.cli.readings import size, span
from gateway.config.findings import printable

_PLACEHOLDER: Final = re.compile(r"\{(\w+)\}")
# Where a text is a cause and its remedy in one.
_JOINTS: Final = (": ", "; ")


class Told(NamedTuple):
    """A finding in words: how it is, why, and what to do; empty where there is nothing to do."""

    says: str
    cause: str
    remedy: str


def of_locale(environ: Mapping[str, str]) -> Language:
    """Return the language a person's environment names (POSIX, 8.2): the first that is set."""
    named = (environ.get(name, "") for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    is_german = next(filter(None, named), "").lower().startswith("de")
    return Language.DE if is_german else Language.EN


def tell(finding: Finding, language: Language) -> Told:
    """Put a finding into words that cannot drive a terminal."""
    text, write = CATALOGUE[finding.id].of(language), _Writer(language)
    return Told(*(printable(write.vformat(each, (), finding.values)) for each in text))


def heading(name: str, language: Language, **values: object) -> str:
    """Return one of the headings with its values."""
    return HEADINGS[name][language].format(**values)


def span_in(seconds: float, language: Language) -> str:
    """Return a time span as people of a language write it: 4.5 s, 4,5 s."""
    return _localised(span(seconds), language)


def size_in(size_bytes: float, language: Language) -> str:
    """Return a number of bytes as people of a language write it."""
    return _localised(size(size_bytes), language)


def _localised(text: str, language: Language) -> str:
    return text.replace(".", ",") if language is Language.DE else text


class _Writer(string.Formatter):
    """Fills a text in: what stands behind a placeholder's colon says how."""

    def __init__(self, language: Language) -> None:
        self._language = language

    def format_field(self, value: Any, format_spec: str) -> str:  # noqa: ANN401 - string.Formatter's own
        """Write one value."""
        match format_spec:
            case "span":
                return span_in(value, self._language)
            case "size":
                return size_in(value, self._language)
            case "said":
                return said(str(value), self._language)
            case _:
                return str(value)


# --------------------------------------------------------------------------- what others have said
class _Form(NamedTuple):
    """A sentence by what stays the same in it."""

    pattern: re.Pattern[str]
    german: str


def said(text: str, language: Language) -> str:
    """Return what another part of ugw has said, in a language."""
    return text if language is Language.EN else _german(text)


def is_known(text: str) -> bool:
    """Whether there is a form for what another part of ugw says."""
    return any(form.pattern.fullmatch(text) for form in _forms())


def halves(text: str) -> tuple[str, str]:
    """Part a cause from the remedy behind it; without a remedy that is known, all is cause."""
    for joint in _JOINTS:
        for found in re.finditer(re.escape(joint), text):
            if _is_remedy(text[found.end() :]):
                return text[: found.start()], text[found.end() :]
    return text, ""


def _german(text: str) -> str:
    for form in _forms():
        if match := form.pattern.fullmatch(text):
            # What is put in is shorter than the whole, so this ends.
            within = {name: _german(value) for name, value in match.groupdict().items()}
            return form.german.format(**within)
    return text


def _is_remedy(text: str) -> bool:
    return any(form.pattern.fullmatch(text) for form in _forms_of_remedies())


@cache
def _forms() -> list[_Form]:
    return sorted(_compiled({**CAUSES, **REMEDIES}), key=_fixed_letters, reverse=True)


@cache
def _forms_of_remedies() -> list[_Form]:
    return list(_compiled(REMEDIES))


def _compiled(table: Mapping[str, str]) -> Iterator[_Form]:
    for english, german in table.items():
        parts = _PLACEHOLDER.split(english)  # text and names in turn
        pattern = "".join(
            f"(?P<{part}>.+?)" if number % 2 else re.escape(part)
            for number, part in enumerate(parts)
        )
        yield _Form(re.compile(pattern, re.DOTALL), german)


def _fixed_letters(form: _Form) -> int:
    """Return how much of a form is its own: who has most goes first, for it says most."""
    return len(re.sub(r"\(\?P<\w+>\.\+\?\)", "", form.pattern.pattern))
