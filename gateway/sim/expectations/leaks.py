"""Whether addresses stand in texts or files, in any of the forms in which one might write them.

As text: with or without separators, as EUI-64, in either case, in the middle of longer hex. As
text and as bytes: in either order. One pass over the content, however many addresses are looked
for.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

_HEX_RUN: Final = re.compile(rb"[0-9A-Fa-f](?:[:_-]?[0-9A-Fa-f]){11,}")
_SEPARATORS: Final = b":_-"
_OCTETS: Final = 6
_DIGITS: Final = 2 * _OCTETS
_FEW: Final = 40  # so many byte strings are sooner looked for one by one
_EUI: Final = b"fffe"  # put into the middle of six octets it makes eight (RFC 4291, appendix A)


class Addresses:
    """Bluetooth addresses that are looked for."""

    def __init__(self, addresses: Iterable[str]) -> None:
        self._octets: dict[bytes, str] = {}
        for address in addresses:
            if address.count(":") == _OCTETS - 1:
                octets = bytes.fromhex(address.replace(":", ""))
                self._octets[octets] = self._octets[octets[::-1]] = address
        self._digits = {octets.hex().encode(): name for octets, name in self._octets.items()}

    def in_text(self, content: bytes) -> Iterator[str]:
        """Yield those that stand in a text."""
        for run in _HEX_RUN.finditer(content):
            digits = run[0].translate(None, _SEPARATORS).lower()
            for at in range(len(digits) - _DIGITS + 1):
                window = digits[at : at + _DIGITS + len(_EUI)]
                if window[6:10] == _EUI and (eui := window[:6] + window[10:]) in self._digits:
                    yield self._digits[eui]
                if window[:_DIGITS] in self._digits:
                    yield self._digits[window[:_DIGITS]]

    def in_bytes(self, content: bytes) -> Iterator[str]:
        """Yield those that stand in a file, as bytes or as text."""
        yield from self.in_text(content)
        if len(self._octets) <= _FEW:
            yield from (name for octets, name in self._octets.items() if octets in content)
        else:
            windows = (content[at : at + _OCTETS] for at in range(len(content) - _OCTETS + 1))
            yield from (self._octets[one] for one in windows if one in self._octets)
