"""What goes on the air, and in which order: emissions, those who send them, and their timeline."""

import heapq
from collections.abc import Iterable, Iterator
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


def timeline(emitters: Iterable[Emitter]) -> Iterator[tuple[float, Emission]]:
    """Yield all emissions for ever, in order: (seconds after the start, emission)."""
    crowd = list(emitters)
    due = [(emitter.first_s(), index) for index, emitter in enumerate(crowd)]
    heapq.heapify(due)
    while due:
        at_s, index = due[0]
        yield at_s, crowd[index].emit()
        heapq.heapreplace(due, (at_s + crowd[index].gap_s(), index))
