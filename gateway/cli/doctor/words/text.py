"""A sentence, its cause and its remedy, in each language."""

from enum import StrEnum
from typing import NamedTuple


class Language(StrEnum):
    """The languages the doctor speaks."""

    EN = "en"
    DE = "de"


class Text(NamedTuple):
    """What is said of a finding; {name} stands for one of its values, {name:how} says how.

    `how` is span (seconds), size (bytes), or said: a sentence of another part of ugw.
    """

    says: str
    cause: str = ""
    remedy: str = ""


class Both(NamedTuple):
    """The same in both languages."""

    en: Text
    de: Text

    def of(self, language: Language) -> Text:
        """Return it in one."""
        return self.de if language is Language.DE else self.en
