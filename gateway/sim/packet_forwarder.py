"""A LoRaWAN gateway as its server sees it: Semtech's UDP packet forwarder, over a real socket.

It says what PROTOCOL.TXT (Lora-net/packet_forwarder) says it says, and notes each answer.
"""

import asyncio
import binascii
import itertools
from types import TracebackType
from typing import Any, Final, Self

import msgspec

_VERSION: Final = 2
_PUSH_DATA: Final = 0
_PULL_DATA: Final = 2
_ANSWER_LIMIT_S: Final = 5.0


class PacketForwarder(asyncio.DatagramProtocol):
    """One gateway, on a socket of its own while it is entered."""

    def __init__(
        self, port: int, *, eui: str = "a84041ffff1f2e3d", host: str = "127.0.0.1"
    ) -> None:
        self.answers: list[bytes] = []
        self._server = (host, port)
        self._eui = bytes.fromhex(eui)
        self._tokens = itertools.count(1)
        self._answered = asyncio.Event()
        self._transport: asyncio.DatagramTransport

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(
            lambda: self, remote_addr=self._server
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._transport.close()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Note an answer."""
        del addr
        self.answers.append(data)
        self._answered.set()

    def error_received(self, exc: Exception) -> None:
        """Nobody listens there yet: a forwarder goes on."""

    # ------------------------------------------------------------------------------------- sending
    async def push(self, *packets: dict[str, Any]) -> None:
        """Send packets; return once they are acknowledged."""
        await self._ask(_PUSH_DATA, msgspec.json.encode({"rxpk": packets}), 1)

    async def tell(self, stat: dict[str, Any]) -> None:
        """Send statistics; return once they are acknowledged."""
        await self._ask(_PUSH_DATA, msgspec.json.encode({"stat": stat}), 1)

    async def pull(self) -> None:
        """Ask for downlinks; return once that is acknowledged."""
        await self._ask(_PULL_DATA, b"", 4)

    def send(self, datagram: bytes) -> None:
        """Send anything."""
        self._transport.sendto(datagram)

    def datagram(self, kind: int, body: bytes) -> bytes:
        """Return a datagram with a new token."""
        token = (next(self._tokens) & 0xFFFF).to_bytes(2, "big")
        return bytes((_VERSION,)) + token + bytes((kind,)) + self._eui + body

    async def _ask(self, kind: int, body: bytes, answer: int) -> None:
        """Send until it is acknowledged: UDP may lose, and so may a server that just starts."""
        datagram = self.datagram(kind, body)
        wanted = datagram[:3] + bytes((answer,))
        async with asyncio.timeout(_ANSWER_LIMIT_S):
            self.send(datagram)
            while wanted not in self.answers:
                self._answered.clear()
                await self._answered.wait()


def rxpk(phy: bytes, **changed: Any) -> dict[str, Any]:  # noqa: ANN401 - whatever JSON has
    """Return how a forwarder tells of a packet; `changed` fields are told otherwise."""
    told: dict[str, Any] = {
        "tmst": 3512348611,
        "time": "2026-11-22T02:40:00.528002Z",
        "chan": 2,
        "rfch": 0,
        "freq": 868.3,
        "stat": 1,
        "modu": "LORA",
        "datr": "SF7BW125",
        "codr": "4/5",
        "rssi": -97,
        "lsnr": 5.2,
        "size": len(phy),
        "data": binascii.b2a_base64(phy, newline=False).decode(),
    }
    return {key: value for key, value in {**told, **changed}.items() if value is not None}
