"""Who sent a packet, where the modem does not say it."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

import msgspec

from gateway.lorawan import parse
from gateway.model import Intake


class Sender(msgspec.Struct, frozen=True):
    """How the sender of a packet is found; made of functions alone, so that plans compare equal.

    `read` takes a packet and returns the sender's address and what is left as payload; None when
    it cannot be told, the packet is then counted as nameless and forgotten.
    """

    read: Callable[[bytes, Intake], tuple[str, bytes] | None]
    is_uplink: bool = False  # the payload is a LoRaWAN PHYPayload, opened behind the admission


def _numbered(size: int, packet: bytes, _intake: Intake) -> tuple[str, bytes] | None:
    """Read the number of the node in the first `size` bytes, the highest first."""
    if len(packet) < size:
        return None
    return f"lora:{int.from_bytes(packet[:size])}", packet[size:]


def _uplink(packet: bytes, intake: Intake) -> tuple[str, bytes] | None:
    """Ask who knows the nodes; None for what is no uplink."""
    return None if parse(packet) is None else (intake.sender(packet), packet)


# As the configuration calls them. A packet of nothing but a number is a payload of nothing: the
# codec refuses that, and the refusal is counted.
SENDERS: Mapping[str, Sender] = MappingProxyType(
    {
        "byte": Sender(partial(_numbered, 1)),
        "word": Sender(partial(_numbered, 2)),
        "lorawan": Sender(_uplink, is_uplink=True),
    }
)
