"""A name server of the test's own, asked by a real agent through the machine's own resolver.

The agent runs in a mount namespace in which /etc/resolv.conf names it; nobody else sees that.
"""

import asyncio
import os
import socket
import struct
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, cast

import pytest

# Of loopback's sixteen million: no other name server is met, nor another test's.
SERVER: Final = f"127.53.{os.getpid() >> 8 & 0xFF}.{os.getpid() & 0xFF}"
PORT: Final = 53  # glibc asks no other
NXDOMAIN: Final = 3  # RFC 1035, 4.1.1
SERVFAIL: Final = 2

_A: Final = 1  # RFC 1035, 3.2.2
_QUESTION_AT: Final = 12
_IS_ANSWER: Final = 0x8180  # a response, recursion asked for and had
_NAME_OF_QUESTION: Final = 0xC00C  # a pointer to it (RFC 1035, 4.1.4)
_TTL_S: Final = 0
_ENTER: Final = (
    'mount --bind "$0" /etc/resolv.conf && mount --bind "$1" /etc/nsswitch.conf'
    ' && shift && exec "$@"'
)


class NameServer(asyncio.DatagramProtocol):
    """Answers every name with `addresses`, or with `code`; or not at all while `silent`."""

    def __init__(self) -> None:
        self.addresses: Sequence[str] = ()
        self.code = 0
        self.silent = False
        self.asked = 0
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.asked += 1
        if self._transport is not None and not self.silent:
            self._transport.sendto(self._answer(data), addr)

    def _answer(self, query: bytes) -> bytes:
        end = query.index(b"\0", _QUESTION_AT) + 5
        (kind,) = struct.unpack_from("!H", query, end - 4)
        found: Sequence[str] = () if self.code or kind != _A else self.addresses
        head = struct.pack("!2sHHHHH", query[:2], _IS_ANSWER | self.code, 1, len(found), 0, 0)
        records = [
            struct.pack("!HHHIH4s", _NAME_OF_QUESTION, _A, 1, _TTL_S, 4, socket.inet_aton(each))
            for each in found
        ]
        return head + query[_QUESTION_AT:end] + b"".join(records)


@asynccontextmanager
async def name_server() -> AsyncGenerator[NameServer]:
    """Answer at SERVER meanwhile."""
    try:
        transport, server = await asyncio.get_running_loop().create_datagram_endpoint(
            NameServer, local_addr=(SERVER, PORT)
        )
    except PermissionError:
        pytest.skip("a name server needs the right to port 53 (root)")
    try:
        yield server
    finally:
        transport.close()


def asking(directory: Path, *options: str) -> Sequence[str]:
    """Return what a command is to run in, so that it asks the name server, and only that."""
    resolv, switch = directory / "resolv.conf", directory / "nsswitch.conf"
    resolv.write_text(f"nameserver {SERVER}\noptions {' '.join(options)}\n")
    switch.write_text("hosts: dns\n")
    return ("unshare", "--mount", "sh", "-c", _ENTER, str(resolv), str(switch))


@asynccontextmanager
async def door(address: str, port: int, *, to: int = 0) -> AsyncGenerator[None]:
    """Stand at an address, passing all on `to` a port of 127.0.0.1, or as a captive portal."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if to:
                await _pass_on(reader, writer, to)
            else:
                writer.write(b"HTTP/1.1 302 Found\r\nLocation: http://login.test/\r\n\r\n")
                await reader.read()
        except OSError:
            pass  # either side may go as it likes
        finally:
            writer.close()

    async with await asyncio.start_server(serve, address, port):
        yield


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
    there, back = await asyncio.open_connection("127.0.0.1", port)
    ways = [
        asyncio.create_task(_pump(reader, back), name="door.in"),
        asyncio.create_task(_pump(there, writer), name="door.out"),
    ]
    await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    for way in ways:
        way.cancel()
    await asyncio.gather(*ways, return_exceptions=True)
    back.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
