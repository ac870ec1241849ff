"""iBeacon: a listed device's presence is read where its configuration names the driver, only."""

from gateway.admission import Device
from gateway.driver import MANUFACTURER_DATA
from tests.pipeline.bench import PLAIN, REGISTRY, Bench

BEACON = bytes.fromhex("0215e2c56db5dffb48d2b060d0f5a71096e000640000c5")
OTHER = bytes.fromhex("1005441cbd08c5")  # of Apple's as well, no beacon
APPLE = 0x004C


def heard(*payloads: bytes, driver: str | None) -> Bench:
    """Return a bench that has heard this of a listed device."""
    bench = Bench()
    found = REGISTRY.by_model(driver) if driver else None
    bench.pipeline.relist([Device(address=PLAIN, urn="ugw:kiel:beacon", driver=found)])
    for payload in payloads:
        bench.hear(PLAIN, ((MANUFACTURER_DATA, APPLE, payload),))
        bench.work()
    return bench


def test_a_device_that_names_no_driver_is_not_read() -> None:
    bench = heard(BEACON, driver=None)
    assert bench.health.frames.unknown == 1
    assert not bench.shelf.taken


def test_a_device_that_names_it_is_seen() -> None:
    bench = heard(BEACON, driver="ibeacon")
    assert bench.values[0] == ("beacon_id", "e2c56db5dffb48d2b060d0f5a71096e0", 0)


def test_what_else_such_a_device_sends_is_not_taken_for_a_beacon() -> None:
    bench = heard(OTHER, driver="ibeacon")
    assert bench.health.frames.unknown == 1
    assert not bench.shelf.taken
