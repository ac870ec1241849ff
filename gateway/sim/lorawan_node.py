"""A LoRaWAN node activated by personalisation: builds the packets it would send.

Written from the specification (LoRaWAN 1.0.4, section 4) beside gateway.lorawan, of which it knows
nothing: what one builds, the other has to read.
"""

from typing import Final

from gateway.crypto import AesKey

UNCONFIRMED_UP: Final = 0x40
CONFIRMED_UP: Final = 0x80

_BLOCK_BYTES: Final = 16


class LorawanNode:
    """A node that counts its uplinks from 0 and forgets the count when it restarts."""

    def __init__(
        self, dev_addr: str, network_key: bytes, application_key: bytes, *, counter: int = 0
    ) -> None:
        self._address = bytes.fromhex(dev_addr)[::-1]
        self._network = AesKey(network_key)
        self._application = AesKey(application_key)
        self.counter = counter  # of the next uplink

    def restart(self) -> None:
        """Lose power, as a node without a memory does."""
        self.counter = 0

    def send(self, payload: bytes, port: int = 1, *, confirmed: bool = False) -> bytes:
        """Return the next uplink."""
        counter = self._count()
        key = self._application if port else self._network
        body = bytes((port,)) + self._encrypted(key, payload, counter)
        return self._signed(CONFIRMED_UP if confirmed else UNCONFIRMED_UP, b"", body, counter)

    def beat(self, options: bytes = b"") -> bytes:
        """Return the next uplink, without a port: only options, or nothing at all."""
        return self._signed(UNCONFIRMED_UP, options, b"", self._count())

    def _count(self) -> int:
        counter = self.counter
        self.counter = counter + 1
        return counter

    def _signed(self, header: int, options: bytes, body: bytes, counter: int) -> bytes:
        fcnt = counter.to_bytes(4, "little")
        message = bytes((header,)) + self._address + bytes((len(options),)) + fcnt[:2]
        message += options + body
        block = bytes((0x49, 0, 0, 0, 0, 0)) + self._address + fcnt + bytes((0, len(message)))
        return message + self._network.mac(block + message)[:4]

    def _encrypted(self, key: AesKey, payload: bytes, counter: int) -> bytes:
        out = bytearray()
        for start in range(0, len(payload), _BLOCK_BYTES):
            block = bytes((0x01, 0, 0, 0, 0, 0)) + self._address + counter.to_bytes(4, "little")
            stream = key.encrypt(block + bytes((0, start // _BLOCK_BYTES + 1)))
            part = payload[start : start + _BLOCK_BYTES]
            out += bytes(a ^ b for a, b in zip(part, stream, strict=False))
        return bytes(out)
