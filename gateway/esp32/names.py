"""The address of a host, asked for without making anybody wait; and the datagrams for that.

An overlay. The chip's own getaddrinfo stops the whole agent for seconds where a name server is
silent. An answer counts if it comes from whom it was asked of, under the same number, for the
same question letter by letter (RFC 5452; the letters' case is drawn by lot).
"""

import asyncio
import os
import socket
import time

TYPE_CHECKING = False  # MicroPython has no typing; the build leaves all of this out
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    Answer = TypeVar("Answer")

_PORT = 53
_WAIT_MS = 2000
_ROUNDS = 3
_BYTES = 512
_STRAYS = 16  # datagrams that are no answer, in one wait
_RECORDS = 24
_HEAD = 12  # bytes before the question
_A_IN = b"\x00\x01\x00\x01"  # an IPv4 address on the Internet


async def resolve(host: str, servers: "tuple[str, ...]") -> str:
    """Return an IPv4 address of `host`; a server is an address, or address:port."""
    if _is_address(host):
        return host
    cause = "no name server answers"
    for turn in range(_ROUNDS):
        for server in servers:
            address, _, port = server.partition(":")
            query = _query(host, turn == _ROUNDS - 1)
            answer = await exchange(address, int(port or _PORT), query, _reader(query))
            if answer == "":
                cause = "no such host"
            elif answer:
                return answer
    raise OSError(cause + ": " + host)


async def exchange(
    address: str, port: int, query: bytes, read: "Callable[[bytes], Answer | None]"
) -> "Answer | None":
    """Send a datagram; return what `read` makes of the first answer that it knows as one."""
    peer = socket.getaddrinfo(address, port)[0][-1]  # an address: nobody is asked
    link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    stream = asyncio.StreamReader(link)  # type: ignore[arg-type]
    until = time.ticks_add(time.ticks_ms(), _WAIT_MS)
    try:
        link.setblocking(False)
        link.sendto(query, peer)
        for _ in range(_STRAYS):
            left = max(0, time.ticks_diff(until, time.ticks_ms()))
            await asyncio.wait_for_ms(stream.read(0), left)  # nothing: until there is something
            data, source = link.recvfrom(_BYTES)
            answer = read(data) if source == peer else None
            if answer is not None:
                return answer
    except (OSError, asyncio.TimeoutError):  # noqa: UP041 - another one on MicroPython
        pass  # whoever does not answer, for whatever reason, is not asked for it
    finally:
        link.close()
    return None


def _is_address(host: str) -> bool:
    numbers = host.split(".")
    return len(numbers) == 4 and all(each.isdigit() and int(each) < 256 for each in numbers)


def _query(host: str, plain: bool) -> bytes:
    """Return a question for `host`: a number and, unless `plain`, letters' case, by lot."""
    chance = os.urandom(2 + len(host))
    name = bytearray()
    for label in host.rstrip(".").split("."):
        if not 0 < len(label) < 64:
            raise OSError("no name of a host: " + host)
        name.append(len(label))
        for letter in label.encode():
            swap = not plain and (65 <= letter & 0xDF <= 90) and chance[len(name)] & 1
            name.append(letter ^ 0x20 if swap else letter)
    return chance[:2] + b"\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00" + bytes(name) + b"\x00" + _A_IN


def _reader(query: bytes) -> "Callable[[bytes], str | None]":
    return lambda data: _read(data, query)


def _read(data: bytes, query: bytes) -> "str | None":
    """Return the address in an answer; empty: there is none; None: it is no answer to this."""
    end = len(query)
    if data[:2] != query[:2] or data[_HEAD:end] != query[_HEAD:] or data[2] & 0xF8 != 0x80:
        return None
    if data[3] & 15 not in (0, 3):
        return None  # it cannot say; the next one may
    try:
        for _ in range(min(_RECORDS, data[6] << 8 | data[7])):
            end = _after_name(data, end)
            size = data[end + 8] << 8 | data[end + 9]
            if data[end : end + 4] == _A_IN and size == 4 and any(data[end + 10 : end + 14]):
                return ".".join([str(data[end + at]) for at in (10, 11, 12, 13)])
            end += 10 + size
    except IndexError:
        return None
    return ""


def _after_name(data: bytes, at: int) -> int:
    """Step over a name. A pointer ends it, and is not followed: nothing can go in circles."""
    while data[at]:
        if data[at] >= 0xC0:
            return at + 2
        at += data[at] + 1
    return at + 1
