"""The time, asked of servers over the network (SNTP, RFC 4330), and believed with care.

An overlay. An answer counts if it comes from whom it was asked of and repeats a number drawn by
lot, and if that server is synchronised itself. Where several answer, most of them have to agree
to within what each may be off.
"""

import os
import sys
import time

from gateway.esp32.names import exchange, resolve

TYPE_CHECKING = False  # MicroPython has no typing; the build leaves all of this out
if TYPE_CHECKING:
    from gateway.esp32.clock import Clock

if sys.modules.pop("gateway.esp32.names", None):  # what is used of it is held here, and goes too
    delattr(sys.modules["gateway.esp32"], "names")

_TRIES = 2
_MOST_MS = 1000  # an answer that may be further off is none
_FROM_1900_S = 2208988800  # NTP counts from 1900, we from 1970,
_ERA_S = 4294967296  # and NTP anew in 2036
_FROM_2000_S = 946684800  # and the chip from 2000
_NOT_BEFORE_MS = 1767225600000  # 2026: before that this did not exist


async def query(
    servers: "tuple[str, ...]", port: int, clock: "Clock", dns: "tuple[str, ...]" = ()
) -> bool:
    """Ask all servers, set the clock and the chip's if most agree; whether they did."""
    words = []
    for server in servers:
        try:
            address = await resolve(server, dns)
        except OSError:
            continue
        for _ in range(_TRIES):
            word = await _ask(address, port, clock)
            if word:
                words.append(word)
            if word is not None:
                break
    words.sort(key=lambda word: word[1])
    for offset_ms, error_ms in words:
        agreed = [1 for other, error in words if abs(other - offset_ms) <= error + error_ms]
        if len(agreed) * 2 > len(words):
            clock.set(offset_ms, error_ms)
            tell_chip(offset_ms + clock.now())
            return True
    return False


def tell_chip(unix_ms: int) -> None:
    """Set the chip's own clock, by which TLS looks at certificates."""
    from machine import RTC

    seconds = unix_ms // 1000
    if time.gmtime(0)[0] == 2000:
        seconds -= _FROM_2000_S
    year, month, day, hour, minute, second, weekday = time.gmtime(seconds)[:7]
    RTC().datetime((year, month, day, weekday, hour, minute, second, unix_ms % 1000 * 1000))


def trust_chip(clock: "Clock") -> bool:
    """Believe the chip's own clock, where the site says that a battery keeps it right."""
    from machine import RTC

    year, month, day, _, hour, minute, second, _ = RTC().datetime()
    seconds = time.mktime((year, month, day, hour, minute, second, 0, 0))  # type: ignore[arg-type]
    if time.gmtime(0)[0] == 2000:
        seconds += _FROM_2000_S
    unix_ms = int(seconds) * 1000
    if unix_ms < _NOT_BEFORE_MS:
        return False
    clock.set(unix_ms - clock.now(), _MOST_MS // 2)
    return True


async def _ask(address: str, port: int, clock: "Clock") -> "tuple[int, ...] | None":
    """Return offset and error in ms; empty: the server does not know; None: ask it again."""
    token = os.urandom(8)  # where our time would stand: nobody needs it, and nobody guesses this
    sent = clock.now()

    def read(data: bytes) -> "tuple[bytes, int] | None":
        """Know a server's answer (mode 4, version 3 or 4) to what was asked."""
        known = len(data) >= 48 and data[0] & 0x3F in (0x1C, 0x24) and data[24:32] == token
        return (data, clock.now()) if known else None

    answer = await exchange(address, port, b"\x23" + bytes(39) + token, read)
    return answer and _judge(answer[0], sent, answer[1])


def _judge(data: bytes, sent: int, came: int) -> "tuple[int, ...] | None":
    """Return offset and error of an answer; empty: not to be believed; None: it took too long."""
    if data[0] >= 0xC0 or not 0 < data[1] < 16:
        return ()  # it is not synchronised; stratum 0 asks us to go away
    received, replied = _unix_ms(data, 32), _unix_ms(data, 40)
    there, away = replied - received, came - sent
    if received < _NOT_BEFORE_MS or not 0 <= there <= away + 1:
        return ()
    root_ms = (_number(data, 4, 4) // 2 + _number(data, 8, 4)) * 1000 >> 16
    error = max(0, away - there) // 2 + root_ms + 2  # two roundings to a millisecond
    offset = (received + replied - sent - came) // 2
    return (offset, error) if error < _MOST_MS else None


def _unix_ms(data: bytes, at: int) -> int:
    seconds = _number(data, at, 4)
    if seconds < _ERA_S // 2:
        seconds += _ERA_S
    return (seconds - _FROM_1900_S) * 1000 + (_number(data, at + 4, 2) * 1000 >> 16)


def _number(data: bytes, at: int, size: int) -> int:
    return int.from_bytes(data[at : at + size], "big")
