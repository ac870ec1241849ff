"""What a line may do to a modem's transport: megabytes without an end, losses, a pulled plug."""

import asyncio
import tracemalloc
from pathlib import Path

import pytest

from gateway.clock import SystemClock
from gateway.health import Health
from gateway.model import TransportState
from gateway.registry import discover
from gateway.transport.serial import SerialSettings, SerialTransport
from gateway.transport.serial.port import LineErrors, Received
from tests.brokers import strict_run
from tests.transport.places import NODE, AtSerial, Listed, SerialPlace, modem_driver, until

MODEMS = discover().modems()
PIECE_BYTES = 4096  # what one read of a port brings at most
ENDLESS_BYTES = 10_000_000
WATCHED_BYTES = 1_000_000
MOST_HELD_BYTES = 64_000  # the longest packet of any modem, several times


class Wire:
    """A port whose other end is the test; the kernel's counters are what it says."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()
        self.cause = ""
        self.deliver: Received | None = None
        self.errors: LineErrors | None = None

    async def open(self, path: str, baud: int, received: Received) -> "Wire":
        """Open it, wherever."""
        assert path.startswith("/dev/")
        assert baud > 0
        self.deliver = received
        return self

    def write(self, data: bytes) -> None:
        """Swallow a command."""

    def line_errors(self) -> LineErrors | None:
        """Return the kernel's counters."""
        return self.errors

    async def close(self) -> None:
        """Close it."""


def _transport(kind: str, wire: Wire) -> tuple[SerialTransport, Health]:
    clock = SystemClock()
    health = Health(clock)
    settings = SerialSettings(device="/dev/serial/by-id/usb-lora", answer_limit_s=0.01)
    made = SerialTransport(
        settings, modem_driver(kind), Listed(clock, NODE), health, opens=wire.open, tick_s=0.01
    )
    return made, health


async def _deliver(wire: Wire, count: int) -> None:
    """Deliver so many bytes, each piece in a turn of the loop of its own, as a port does."""
    assert wire.deliver is not None
    piece = b"x" * PIECE_BYTES
    for _ in range(count // PIECE_BYTES):
        wire.deliver(piece)
        await asyncio.sleep(0)


@pytest.mark.parametrize("kind", MODEMS)
def test_ten_megabytes_without_an_end_are_counted_and_take_no_memory(kind: str) -> None:
    async def scenario() -> int:
        wire = Wire()
        transport, health = _transport(kind, wire)
        running = asyncio.create_task(transport.run())
        await until(lambda: wire.deliver)
        await _deliver(wire, ENDLESS_BYTES - WATCHED_BYTES)
        tracemalloc.start()  # slow, so it watches the end: whatever grew is copied there
        await _deliver(wire, WATCHED_BYTES)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        counters = health.transports[transport.name].counters
        assert counters["received_bytes"] >= ENDLESS_BYTES - 2 * PIECE_BYTES
        assert counters["garbage_bytes"] > ENDLESS_BYTES / 2
        return most

    assert strict_run(scenario()) < MOST_HELD_BYTES


def test_what_the_kernel_loses_and_damages_is_counted_from_the_opening_on() -> None:
    async def scenario() -> None:
        wire = Wire()
        wire.errors = LineErrors(overruns=7, damaged=100)  # of whoever had the port before us
        transport, health = _transport("ebyte-e22", wire)
        running = asyncio.create_task(transport.run())
        counters = health.transports[transport.name].counters
        await until(lambda: counters.get("opened"))
        wire.errors = LineErrors(overruns=10, damaged=102)
        await until(lambda: counters.get("kernel_overruns"), lambda: counters)
        assert (counters["kernel_overruns"], counters["damaged_bytes"]) == (3, 2)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    strict_run(scenario())


def test_a_pulled_port_is_let_go_of_at_once_so_that_its_name_is_free(at_serial: AtSerial) -> None:
    async def scenario(place: SerialPlace) -> None:
        await place.hears()
        tty, before = place.uart.tty, _descriptors(place.uart.tty)
        place.hardware.unplug()  # closes the simulator's own end
        await place.is_(TransportState.DOWN, "was unplugged")
        await until(lambda: not _descriptors(tty), lambda: f"{tty} is open still")
        assert before

    at_serial(scenario)


def _descriptors(tty: str) -> list[int]:
    """Return which descriptors of this process are open on a tty, gone ones too."""
    found: list[int] = []
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            target = str(descriptor.readlink())
        except FileNotFoundError:
            continue  # the listing's own
        if target.removesuffix(" (deleted)") == tty:
            found.append(int(descriptor.name))
    return found
