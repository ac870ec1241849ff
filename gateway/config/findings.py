"""What is wrong with a file a person wrote: where, at which key, and what to do about it.

A finding quotes the source line with a caret, and never a secret: what stands behind a key that
sounds like one is masked before it is shown, whether or not the file could be understood.
"""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from functools import lru_cache

import msgspec

from gateway.errors import ConfigError

Path = tuple[str | int, ...]  # of keys and list indexes, from the top of the document
Position = tuple[int, int]  # line and column, from 1

_SHOWN_CHARS = 100  # of a source line
_MASK = "***"
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]{1,64}")
_KEY = re.compile(r"""([\w-]+)["']?\s*:(?:\s+|$)|^\s*(:)\s+""")  # or the value of a `? key`
_SECRET_PARTS = ("pass", "pwd", "secret", "token", "credential", "user", "key")
_SECRET_WORDS = ("password", "passwort", "passphrase", "secret", "token", "username", "key")
_REFERENCE = re.compile(r"""["']?(?:file|env):[^\s,"'}\]]*["']?""")
_OPEN_VALUE = re.compile(r"""[|>][-+0-9]*|["'].*""")  # may go on in the lines below


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing wrong. `line` 0: no place in a file; `source` empty: nothing to quote."""

    file: str
    line: int = 0
    column: int = 0
    path: str = ""
    message: str
    source: str = ""

    @property
    def place(self) -> str:
        """`file:line:column`, as editors and compilers have it."""
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file

    @property
    def headline(self) -> str:
        """The finding in one line."""
        parts = (self.place, self.path, self.message)
        return printable(": ".join(part for part in parts if part))

    @property
    def quotation(self) -> str:
        """The source line with a caret below the column, or nothing."""
        if not self.source:
            return ""
        shown, caret = _window(self.source, self.column - 1)
        return f"{self.line:5} | {shown}\n      | {' ' * caret}^"

    def __str__(self) -> str:
        return "\n".join(part for part in (self.headline, self.quotation) if part)


class InvalidConfigError(ConfigError):
    """Every finding of one file, in the order of the file."""

    def __init__(self, findings: Iterable[Finding], remedy: str = "") -> None:
        self.findings = tuple(sorted(findings, key=lambda found: (found.line, found.column)))
        super().__init__("\n".join(str(finding) for finding in self.findings), remedy)


def path_text(path: Path) -> str:
    """Write a path as people do: `devices[1].key`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + (part if _BARE_KEY.fullmatch(part) else quoted(part))
    return text


def quoted(value: object) -> str:
    """Return a value in quotes: bounded, without characters that could drive a terminal."""
    text = str(value)
    return printable(repr(text if len(text) <= 64 else text[:63] + "…"))  # noqa: PLR2004 - a line's worth


def printable(text: str) -> str:
    """Replace what is not printable; letters of any language stay."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def masked(lines: Iterable[str]) -> list[str]:
    """Return lines fit to be shown: literal secrets are replaced, also over several lines."""
    shown: list[str] = []
    secret_indent: int | None = None
    for line in lines:
        indent = len(line) - len(line.lstrip())
        if secret_indent is not None and (indent > secret_indent or not line.strip()):
            shown.append("")
            continue
        text, goes_on = _mask(line)
        secret_indent = indent if goes_on else None
        shown.append(text)
    return shown


def _mask(line: str) -> tuple[str, bool]:
    """Mask one line; whether a secret may go on in the lines below."""
    for key in _KEY.finditer(line):
        value = line[key.end() :]
        if not (key[2] or _sounds_secret(key[1])) or _REFERENCE.match(value):
            continue
        goes_on = not value or value.startswith("#") or _OPEN_VALUE.fullmatch(value) is not None
        return line[: key.end()] + (_MASK if value else ""), goes_on
    return line, False


@lru_cache(maxsize=1024)
def _sounds_secret(key: str) -> bool:
    """Whether a key is one of a secret, or might be a mistyped one."""
    word = key.lower()
    return (
        any(part in word for part in _SECRET_PARTS)
        or bool(get_close_matches(word, _SECRET_WORDS, 1, 0.75))
        or any(sorted(word) == sorted(known) for known in _SECRET_WORDS)
    )


def _window(source: str, column: int) -> tuple[str, int]:
    """Cut a line to what a terminal shows, around the column; the column in what is left."""
    line = printable(source.replace("\t", "→"))
    start = max(0, column - _SHOWN_CHARS // 2) if len(line) > _SHOWN_CHARS else 0
    return line[start : start + _SHOWN_CHARS], column - start
