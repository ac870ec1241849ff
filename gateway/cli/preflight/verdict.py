"""What was found out about one thing the agent needs."""

from enum import StrEnum
from typing import Self

import msgspec

from gateway.errors import UgwError


class State(StrEnum):
    """How it stands. Only what keeps the agent from starting has `failed`."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """One line for an installer: what was looked at, how it stands, what to do about it."""

    name: str
    state: State
    text: str
    remedy: str = ""

    @classmethod
    def ok(cls, name: str, text: str) -> Self:
        """Say that it is as it should be."""
        return cls(name=name, state=State.OK, text=text)

    @classmethod
    def warning(cls, name: str, text: str, remedy: str = "") -> Self:
        """Say what the agent starts with all the same, and repairs by itself or goes without."""
        return cls(name=name, state=State.WARNING, text=text, remedy=remedy)

    @classmethod
    def failed(cls, name: str, text: str, remedy: str = "") -> Self:
        """Say what the agent cannot start with."""
        return cls(name=name, state=State.FAILED, text=text, remedy=remedy)

    @classmethod
    def skipped(cls, name: str, text: str, remedy: str = "") -> Self:
        """Say what was not tried, or cannot be known."""
        return cls(name=name, state=State.SKIPPED, text=text, remedy=remedy)

    @classmethod
    def of(cls, name: str, error: UgwError) -> Self:
        """Return the warning for an error that says its remedy."""
        return cls.warning(name, str(error), error.remedy)
