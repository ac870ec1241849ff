"""A street full of strangers: each is a number, and nothing of any of them stays."""

import gc
import tracemalloc
from typing import NamedTuple

import pytest

from gateway.model import TransportState
from gateway.transport.ble import BleSettings, bus
from gateway.transport.ble.scanner import Scanner
from tests.pipeline.bench import PLAIN, Bench
from tests.transport.places import AtBle, BlePlace, until

STRANGERS = 20_000
WARM_UP = 500
APPLE = 0x004C


class _Device(NamedTuple):
    address: str


class _Said(NamedTuple):
    """What bleak tells of one advertisement."""

    rssi: int
    manufacturer_data: dict[int, bytes]
    service_data: dict[str, bytes]
    local_name: str | None = None
    service_uuids: tuple[str, ...] = ()


def _pass(scanner: Scanner, numbers: range) -> None:
    """Let phones pass, each with an address and words of its own."""
    for number in numbers:
        octets = (0xD000_0000_0000 + number).to_bytes(6)
        said = _Said(-60, {APPLE: b"\x10\x05" + octets}, {}, f"Phone {number}")
        scanner.on_advertisement(_Device(octets.hex(":").upper()), said)


def test_nothing_is_kept_of_any_stranger_not_even_a_byte() -> None:
    bench = Bench()
    scanner = Scanner("hci0", "ble:hci0", bench.pipeline)
    _pass(scanner, range(WARM_UP))
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    _pass(scanner, range(WARM_UP, WARM_UP + STRANGERS))
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert bench.health.frames.unlisted == bench.health.frames.heard == WARM_UP + STRANGERS
    assert after - before < STRANGERS / 2  # bytes
    assert not bench.shelf.taken


def test_what_a_stranger_says_is_not_even_looked_at() -> None:
    bench = Bench()
    scanner = Scanner("hci0", "ble:hci0", bench.pipeline)
    nonsense = _Said(-60, {}, {"no UUID at all": b""})
    scanner.on_advertisement(_Device("DE:AD:BE:EF:00:01"), nonsense)
    assert bench.health.frames.unlisted == 1
    with pytest.raises(ValueError, match="no UUID"):  # which a listed one's never is in BlueZ
        scanner.on_advertisement(_Device(PLAIN), nonsense)


def test_a_bluez_that_does_not_answer_is_not_waited_for_stranger_by_stranger(
    at_ble: AtBle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bus, "_ANSWER_LIMIT_S", 0.5)

    async def scenario(place: BlePlace) -> None:
        await place.hears()
        place.world.bluez.hang("RemoveDevice")
        for number in range(300):
            place.advertise(f"DE:AD:BE:EF:{number >> 8:02X}:{number & 0xFF:02X}")
        await until(lambda: place.calls("RemoveDevice"))
        place.world.bluez.power(on=False)
        await place.is_(TransportState.DOWN, "adapter hci0 is powered off")
        assert place.calls("RemoveDevice") <= 100  # of 250

    at_ble(scenario, BleSettings(scan="active", most_listed=50))


def test_bluez_is_asked_nothing_because_of_a_stranger(at_ble: AtBle) -> None:
    async def scenario(place: BlePlace) -> None:
        await place.hears()
        calls, all_objects = len(place.world.bluez.calls), place.calls("GetManagedObjects")
        for number in range(300):
            place.advertise(f"DE:AD:BE:EF:{number >> 8:02X}:{number & 0xFF:02X}")
        await until(lambda: place.intake.unlisted == 300)
        assert place.calls("GetManagedObjects") == all_objects
        assert len(place.world.bluez.calls) - calls < 300 / 10  # what the scan itself asks
        await place.hears()

    at_ble(scenario, BleSettings(scan="active"))
