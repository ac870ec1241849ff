"""The models of serial modems by the MODEL of the driver that speaks to them."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Protocol

from gateway.sim.modem_ebyte import ModemE22, ModemEbyte
from gateway.sim.modem_la66 import ModemLa66
from gateway.sim.modem_lora_e5 import ModemLoraE5
from gateway.sim.modem_rak_rui3 import ModemRakRui3
from gateway.sim.modem_rn2483 import ModemRn2483
from gateway.sim.modem_rnode import ModemRnode
from gateway.sim.modem_rylr998 import RYLR896, ModemRylr998
from gateway.sim.sensors import LoraPacket


class ModemModel(Protocol):
    """A modem as its serial port shows it: bytes in, bytes out, without a port and a clock."""

    addresses: bool  # whether what it reports says who sent it
    spurious_errors: int  # an error nobody caused after every so many packets; 0: never

    @property
    def baud(self) -> int:
        """At which it listens; at any other it neither understands nor is understood."""
        ...

    @property
    def radio(self) -> Mapping[str, int]:
        """What it is set to, by the names of drivers' settings, as far as it has them."""
        ...

    def boot(self) -> bytes:
        """Return what it says after a start."""
        ...

    def lapse(self) -> bool:
        """Stop receiving without a word, as modems do; False where this one never does.

        It goes on answering, and receives again when it is told to.
        """
        ...

    def feed(self, data: bytes) -> bytes:
        """Take bytes from the program; return what it answers."""
        ...

    def receive(self, packet: LoraPacket) -> bytes:
        """Return what a packet from the air looks like on the port; nothing while it is deaf."""
        ...


MODEMS: Mapping[str, Callable[[], ModemModel]] = MappingProxyType(
    {
        "ebyte-e22": ModemE22,
        "ebyte-e220": ModemEbyte,
        "ebyte-e32": ModemEbyte,
        "dragino-la66": ModemLa66,
        "lora-e5": ModemLoraE5,
        "rak-rui3": ModemRakRui3,
        "reyax-rylr896": partial(ModemRylr998, RYLR896),
        "reyax-rylr998": ModemRylr998,
        "rn2483": ModemRn2483,
        "rnode": ModemRnode,
    }
)
