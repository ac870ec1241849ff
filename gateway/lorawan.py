"""LoRaWAN 1.0 uplinks of nodes activated by personalisation (ABP): whose they are, what they say.

Nothing is decrypted whose MIC does not fit. What an uplink does not carry, the upper half of its
frame counter, is found by trying: only the true one makes the MIC fit. Downlinks, joining and the
MICs of LoRaWAN 1.1 are not done here: that is the work of a network server.

    MHDR | DevAddr (4) FCtrl FCnt (2) FOpts (0..15) | FPort FRMPayload | MIC (4)

Numbers are little-endian (LoRaWAN 1.0.4, section 4).
"""

import hmac
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from gateway.crypto import AesKey

SPACE: Final = "eui:"  # of addresses: DevEUIs as the configuration lists them
MAC_COMMANDS: Final = 0  # the port of what the network and the node settle among themselves

# Upper halves of a counter that are tried, each way: a million frames. A forged one costs as many
# MICs, of some 2 us each.
UPPER_HALVES: Final = 16

_UPLINKS: Final = (0b010, 0b100)  # MType: unconfirmed, confirmed data up (4.2.1)
_MIC_BYTES: Final = 4
_SHORTEST: Final = 12  # MHDR, FHDR without options, MIC
_LONGEST: Final = 255  # a LoRa packet's
_HEADER: Final = 8  # MHDR and FHDR, before the options
_BLOCK: Final = 16
_HALF: Final = 1 << 16


class Uplink(msgspec.Struct, frozen=True, gc=False):
    """A data uplink, its payload still encrypted. Nothing of it has proven true yet."""

    message: bytes  # what the MIC is over
    mic: bytes
    dev_addr: int
    low: int  # the frame counter's lower half
    port: int | None  # None: it carries no payload
    payload: bytes

    @property
    def name(self) -> str:
        """The device address in words: an address nobody can list."""
        return f"lorawan:{self.dev_addr:08x}"


def parse(phy: bytes) -> Uplink | None:
    """Return what a PHYPayload says in clear; None when it is no data uplink."""
    if not _SHORTEST <= len(phy) <= _LONGEST or phy[0] >> 5 not in _UPLINKS or phy[0] & 0b11:
        return None
    message = phy[:-_MIC_BYTES]
    payload_at = _HEADER + (phy[5] & 0x0F)
    if payload_at > len(message):
        return None
    return Uplink(
        message=message,
        mic=phy[-_MIC_BYTES:],
        dev_addr=int.from_bytes(phy[1:5], "little"),
        low=int.from_bytes(phy[6:8], "little"),
        port=message[payload_at] if payload_at < len(message) else None,
        payload=message[payload_at + 1 :],
    )


class Session:
    """What a node and whoever may read it share: its device address and two keys."""

    def __init__(self, dev_addr: int, network: AesKey, application: AesKey) -> None:
        self.dev_addr: Final = dev_addr
        self._network = network
        self._application = application

    def __eq__(self, other: object) -> bool:
        """Whether it is the same session."""
        return isinstance(other, Session) and self._parts == other._parts

    def __hash__(self) -> int:
        """Agree with equality."""
        return hash(self._parts)

    @property
    def mark(self) -> int:
        """What tells it from another session and tells nothing of its keys."""
        return self._network.mark ^ self._application.mark ^ self.dev_addr

    @property
    def _parts(self) -> tuple[int, AesKey, AesKey]:
        return self.dev_addr, self._network, self._application

    def signs(self, uplink: Uplink, counter: int) -> bool:
        """Whether the MIC is this node's for that frame counter."""
        return hmac.compare_digest(self.mic(uplink.message, counter), uplink.mic)

    def mic(self, message: bytes, counter: int) -> bytes:
        """Return the MIC of an uplink, all before it given (4.4)."""
        head = b"\x49" + self._block(counter) + b"\0" + len(message).to_bytes(1, "little")
        return self._network.mac(head + message)[:_MIC_BYTES]

    def cipher(self, payload: bytes, port: int, counter: int) -> bytes:
        """Encrypt or decrypt a payload, which is the same (4.3.3)."""
        key = self._network if port == MAC_COMMANDS else self._application
        head = b"\x01" + self._block(counter) + b"\0"
        blocks = (len(payload) + _BLOCK - 1) // _BLOCK
        stream = key.encrypt(b"".join(head + bytes((1 + i,)) for i in range(blocks)))
        return bytes(a ^ b for a, b in zip(payload, stream, strict=False))

    def _block(self, counter: int) -> bytes:
        """Return what B0 and A_i have in common; direction 0 is up."""
        address = self.dev_addr.to_bytes(4, "little")
        return bytes(5) + address + counter.to_bytes(4, "little")

    def find(self, uplink: Uplink, last: int | None) -> int | None:
        """Return an uplink's whole frame counter, `last` being the newest known of this node.

        None: no counter makes the MIC fit, so it is damaged, forged or another node's.
        """
        for counter in counters(uplink.low, last):
            if self.signs(uplink, counter):
                return counter
        return None


def sender_of(uplink: bytes, sessions: Mapping[str, Session]) -> str:
    """Return the address whose keys fit an uplink; else the device address it bears.

    Empty: it is no uplink that could be read.
    """
    heard = parse(uplink)
    if heard is None:
        return ""
    for address, one in sessions.items():
        if one.dev_addr == heard.dev_addr and one.find(heard, None) is not None:
            return address
    return heard.name


def counters(low: int, last: int | None) -> Iterator[int]:
    """Yield frame counters that end in these 16 bits, the likeliest first.

    The next after `last` or `last` itself, later ones, then earlier ones: recordings, or a node
    that began anew, whose counter has no upper half.
    """
    upper, last_low = divmod(last or 0, _HALF)
    ahead = upper if low >= last_low else upper + 1
    later = range(ahead, min(ahead + UPPER_HALVES, _HALF))
    earlier = range(ahead - 1, max(ahead - 1 - UPPER_HALVES, -1), -1)
    for half in (*later, *earlier):
        yield half * _HALF + low
    if ahead > UPPER_HALVES:
        yield low
