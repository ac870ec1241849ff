"""A time server (SNTP, RFC 4330) that an ESP32 in the simulator asks.

It says the time of this machine, moved by as much as one likes; or it says nothing.
"""

import asyncio
import struct
import time
from types import TracebackType
from typing import Final, Self

_FROM_1900_S: Final = 2_208_988_800
_HEAD: Final = bytes((0x24, 1, 0, 0xEC))  # no leap second, version 4, server; stratum 1
_PACKET_BYTES: Final = 48
_FRACTIONS: Final = 1 << 32


class TimeServer(asyncio.DatagramProtocol):
    """Answers on 127.0.0.1, at a port of its own."""

    def __init__(self) -> None:
        self.port = 0
        self.ahead_s = 0.0  # of this machine's time
        self.silent = False
        self.asked = 0
        self._transport: asyncio.DatagramTransport | None = None

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(
            lambda: self, local_addr=("127.0.0.1", 0)
        )
        self._transport = transport
        self.port = transport.get_extra_info("sockname")[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._transport is not None:
            self._transport.close()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer a question; what is none is left alone."""
        self.asked += 1
        if self.silent or len(data) < _PACKET_BYTES or self._transport is None:
            return
        now = self._now()
        root = struct.pack(">II4s", 0, 0, b"SIM\0")
        asked_at = data[40:48]
        self._transport.sendto(_HEAD + root + now + asked_at + now + self._now(), addr)

    def _now(self) -> bytes:
        at_s = time.time() + self.ahead_s + _FROM_1900_S
        return struct.pack(">II", int(at_s) % _FRACTIONS, int(at_s % 1 * _FRACTIONS))
