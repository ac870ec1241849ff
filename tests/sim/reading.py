"""What the drivers make of what a model sends: found and opened as the gateway does it."""

from collections.abc import Iterator, Mapping
from functools import cache
from itertools import chain
from typing import Final, NamedTuple

from gateway.conformance.examples import Example
from gateway.conformance.trial import attempt
from gateway.core import gatt
from gateway.core.context import Context
from gateway.driver import LoadedDriver, Request
from gateway.model import Reading, Structure
from gateway.registry import Registry, discover
from gateway.sim.bluez_air import (
    AD_LOCAL_NAME,
    AD_MANUFACTURER,
    AD_SERVICE_DATA_16,
    AD_UUIDS_16,
    Advertisement,
    Characteristic,
    Peripheral,
)
from gateway.sim.models import Model, Sender
from gateway.sim.sensors import LoraPacket

Values = Mapping[str, float | bool | str | None]

_SIG: Final = "-0000-1000-8000-00805f9b34fb"


class Read(NamedTuple):
    """What a driver has read: values by name, and the packet counter."""

    values: Values
    counter: int | None
    payload: bytes


@cache
def registry() -> Registry:
    """Return the built-in drivers."""
    return discover()


def heard(report: Advertisement) -> tuple[Structure, ...]:
    """Return an advertisement as a transport hands it over."""
    return tuple(_structures(report))


def _structures(report: Advertisement) -> Iterator[Structure]:
    for uuid in report.uuids:
        yield AD_UUIDS_16, _number(uuid), b""
    if report.name is not None:
        yield AD_LOCAL_NAME, 0, report.name.encode()
    for uuid, data in report.services.items():
        yield AD_SERVICE_DATA_16, _number(uuid), data
    for company, data in report.manufacturer.items():
        yield AD_MANUFACTURER, company, data


def _number(uuid: str) -> int:
    return int(uuid[:8], 16) if uuid.endswith(_SIG) else int(uuid.replace("-", ""), 16)


def read(model: Model, sender: Sender, sent: Advertisement | LoraPacket) -> Read:
    """Read a frame with the driver that is found for it, which has to be the model's."""
    named = registry().by_model(model.driver)
    if isinstance(sent, LoraPacket):
        return _tried(named, sent.payload, sender)
    driver, payload = registry().recognise(heard(sent), named if model.named else None)
    assert driver is named, f"found was {driver and driver.model}"
    assert isinstance(payload, bytes)
    return _tried(named, payload, sender)


def poll(model: Model, sender: Sender, peripheral: Peripheral) -> Read:
    """Connect to a device and read it."""
    driver = registry().by_model(model.driver)
    assert driver.poll is not None
    steps = driver.poll(Context(sender.octets))
    request = next(steps)
    try:
        while True:
            request = steps.send(_answer(request, peripheral))
    except StopIteration as end:
        assert isinstance(end.value, bytes)
        return _tried(driver, end.value, sender)


def _answer(request: Request, peripheral: Peripheral) -> bytes | None:
    found = _characteristic(request, peripheral)
    if request[0] == gatt.WRITE:
        assert found is not None
        assert found.on_write is not None
        found.on_write(request[3])
        return b""
    assert request[0] == gatt.READ
    if found is None:
        return None
    return found.on_read() if found.on_read is not None else found.value


def _characteristic(request: Request, peripheral: Peripheral) -> Characteristic | None:
    _, service, uuid, _, number = request
    offered = (one for one in peripheral.services if one.uuid == service)
    found = [one for one in chain(*(of.characteristics for of in offered)) if one.uuid == uuid]
    return found[number] if number < len(found) else None


def _tried(driver: LoadedDriver, payload: bytes, sender: Sender) -> Read:
    is_lora = sender.address.startswith("lora:")
    sample = Example(
        name="sent by a model",
        payload=payload.hex(),
        readings=[],
        address="" if is_lora else sender.octets.hex(),
        key=sender.key.hex(),
    )
    tried = attempt(driver, payload, sample)
    assert not tried.reason, f"refused: {tried.reason}"
    return Read(dict(map(_named, tried.readings)), tried.counter, payload)


def _named(reading: Reading) -> tuple[str, float | bool | str | None]:
    name, value, scale, channel = reading
    if isinstance(value, int) and not isinstance(value, bool):
        value = value / 10**scale
    return (f"{name}/{channel}" if channel else name), value
