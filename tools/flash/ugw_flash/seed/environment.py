"""/etc/ugw/environment: variables of a gateway, one NAME="value" a line.

The service reads it by systemd's rules (systemd.exec(5), EnvironmentFile), the command ugw and the
first boot by a shell's, as root: what is written here means the same to both, whatever it is.
"""

import re
from collections.abc import Iterator
from typing import Final

_ASSIGNED: Final = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*")
# All that is special within double quotes, to either.
_SPECIAL: Final = re.compile(r'(["\\$`])')
_ESCAPED: Final = re.compile(r'\\(["\\$`])')


def assignment(name: str, value: str) -> bytes:
    """Return a line; the value has to be printable."""
    escaped = _SPECIAL.sub(r"\\\1", value)
    return f'{name}="{escaped}"\n'.encode()


def variables(content: bytes) -> dict[str, str]:
    """Read such lines, also those that somebody wrote: in quotes of either kind, or in none."""
    return dict(_assigned(content.decode(errors="replace")))


def _assigned(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        if found := _ASSIGNED.fullmatch(line):
            yield found[1], _unquoted(found[2])


def _unquoted(text: str) -> str:
    inner = text[1:-1]
    match text[:1], text[1:][-1:]:
        case '"', '"':
            return _ESCAPED.sub(r"\1", inner)
        case "'", "'":
            return inner
        case _:
            return text
