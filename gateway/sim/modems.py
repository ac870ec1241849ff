"""The models of serial modems by the MODEL of the driver that speaks to them."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Protocol

from gateway.sim.modem_rylr998 import ModemRylr998
from gateway.sim.sensors import LoraPacket


class ModemModel(Protocol):
    """A modem as its serial port shows it: bytes in, bytes out, without a port and a clock."""

    addresses: bool  # whether what it reports says who sent it
    spurious_errors: int  # an error nobody caused after every so many packets; 0: never

    @property
    def baud(self) -> int:
        """At which it listens; at any other it neither understands nor is understood."""
        ...

    def boot(self) -> bytes:
        """Return what it says after a start."""
        ...

    def feed(self, data: bytes) -> bytes:
        """Take bytes from the program; return what it answers."""
        ...

    def receive(self, packet: LoraPacket) -> bytes:
        """Return what a packet from the air looks like on the port; nothing while it is deaf."""
        ...


MODEMS: Mapping[str, Callable[[], ModemModel]] = MappingProxyType(
    {
        "reyax-rylr998": ModemRylr998,
    }
)
