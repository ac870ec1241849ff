"""The one adapter of aiohappyeyeballs: a host's addresses, and a connection to who answers first.

No address that leads nowhere, whatever its family and however many there are, holds up the others
for longer than STAGGER_S (RFC 8305). Given up on, it leaves no socket open.
"""

import asyncio
import errno
import os
import random
import re
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Final, NamedTuple

from aiohappyeyeballs import start_connection  # pyright: ignore[reportUnknownVariableType]

STAGGER_S: Final = 0.25  # Connection Attempt Delay (RFC 8305, 5)
_ERRNO: Final = re.compile(r"\[Errno (\d+)\]")  # as Python prints an OSError


class Address(NamedTuple):
    """One address of a host with its port, as the socket module has it."""

    family: int
    sockaddr: tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]


def resolve(host: str, port: int) -> list[Address]:
    """Return all addresses of a host, the preferred family in front. Raises as getaddrinfo.

    Those of one family come in another order each time: one that takes connections and is no
    broker any more must not be the first for ever.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    first = found[0][0]
    random.shuffle(found)
    found.sort(key=lambda each: each[0] != first)
    return [Address(family, sockaddr) for family, *_, sockaddr in found]


async def reach(addresses: Sequence[Address], *, timeout_s: float) -> socket.socket:
    """Return a connected socket, blocking; the families take turns. Raises OSError.

    ConnectionRefusedError where one has refused and none has answered, TimeoutError where not all
    have said something in time.
    """
    infos = [(each.family, socket.SOCK_STREAM, 0, "", each.sockaddr) for each in addresses]
    try:
        async with asyncio.timeout(timeout_s):
            sock = await _first(infos)
    except TimeoutError:
        raise
    except OSError as error:
        raise _plain(error) from error
    sock.setblocking(True)  # noqa: FBT003 - the socket module's own
    return sock


_Info = tuple[int, int, int, str, tuple[object, ...]]


async def _first(infos: Sequence[_Info]) -> socket.socket:
    """Race, and hear what the library does not: that we are given up on while it tidies up.

    It waits for the losers then, and takes our cancellation for theirs.
    """
    task = asyncio.current_task()
    asked = task.cancelling() if task else 0
    with ExitStack() as lost:
        try:
            sock = await start_connection(infos, happy_eyeballs_delay=STAGGER_S, interleave=1)
            lost.callback(sock.close)
        finally:
            if task and task.cancelling() > asked:
                raise asyncio.CancelledError
        lost.pop_all()
    return sock


def _plain(error: OSError) -> OSError:
    """Return what several addresses came to as one error, in the system's own words.

    Where they failed for different reasons the library has put them into one text, numbers and
    all. That something runs there and refuses us says the most.
    """
    codes = [error.errno] if error.errno else [int(code) for code in _ERRNO.findall(str(error))]
    if not codes:
        return error
    code = errno.ECONNREFUSED if errno.ECONNREFUSED in codes else codes[0]
    return OSError(code, os.strerror(code))
