"""What goes on the air: emissions, and those who send them."""

from typing import Protocol

import msgspec

from gateway.sim.bluez_air import Advertisement


class LoraPacket(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One LoRa packet as it arrives at a modem."""

    address: int
    payload: bytes
    rssi_dbm: int
    snr_db: int


class Emission(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One thing on the air, as often as it is repeated. `serial` None: a stranger's.

    What is not `followed` is in nobody's books: a sensor whose frames cannot be told apart, or
    that says no more than that it is there.
    """

    address: str  # "C0:FF:EE:00:00:01" or "lora:17"
    serial: int | None
    copies: tuple[Advertisement | LoraPacket, ...]  # empty: lost on the way
    followed: bool = True


class Emitter(Protocol):
    """Something that sends by itself."""

    def first_s(self) -> float:
        """Return how long after the start the first emission comes."""
        ...

    def gap_s(self) -> float:
        """Return how long after an emission the next comes."""
        ...

    def emit(self) -> Emission:
        """Measure and send."""
        ...
