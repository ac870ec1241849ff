"""Native decoding against the parser libraries' on the same frames: microseconds of both, as JSON.

    .venv-differential/bin/python -m tests.differential.speed

Both are given what their caller has anyway: the native side recognises the structure in the index
of all drivers and decodes, opening what is sealed; the library updates a parser that knows the
device with the advertisement as BlueZ delivers it. Of each driver the first frame in clear and the
first that is sealed are taken that the library reads too. Rounds alternate, count processor time,
so that a loaded machine does not matter, and the median of them is told.
"""

import json
import sys
import time
from collections.abc import Callable
from importlib import import_module
from statistics import median
from timeit import timeit
from typing import Any

from aranet4.client import Aranet4Advertisement, CurrentReading
from habluetooth.models import BluetoothServiceInfoBleak

from gateway.admission import Device, Listed
from gateway.conformance import claims, examples
from gateway.conformance.examples import Example
from gateway.core.refusal import DecodeError
from gateway.crypto import CcmKey
from gateway.decoding import seal_of
from gateway.driver import LoadedDriver
from gateway.model import Structure
from gateway.registry import HOST, Registry, discover
from tests.differential.agreement import ADDRESS, advertised

LIBRARIES = {  # beginning of a native MODEL: library, its parser
    "aranet": ("aranet4", ""),
    "bthome": ("bthome_ble", "BTHomeBluetoothDeviceData"),
    "bluemaestro": ("bluemaestro_ble", "BlueMaestroBluetoothDeviceData"),
    "govee": ("govee_ble", "GoveeBluetoothDeviceData"),
    "hhcc": ("xiaomi_ble", "XiaomiBluetoothDeviceData"),
    "inkbird": ("inkbird_ble", "INKBIRDBluetoothDeviceData"),
    "mopeka": ("mopeka_iot_ble", "MopekaIOTBluetoothDeviceData"),
    "qingping": ("qingping_ble", "QingpingBluetoothDeviceData"),
    "ruuvi": ("ruuvitag_ble", "RuuvitagBluetoothDeviceData"),
    "sensirion": ("sensirion_ble", "SensirionBluetoothDeviceData"),
    "sensorpush": ("sensorpush_ble", "SensorPushBluetoothDeviceData"),
    "thermobeacon": ("thermobeacon_ble", "ThermoBeaconBluetoothDeviceData"),
    "thermopro": ("thermopro_ble", "ThermoProBluetoothDeviceData"),
    "xiaomi": ("xiaomi_ble", "XiaomiBluetoothDeviceData"),
}
CALLS, ROUNDS = 100, 25
_MANUFACTURER, _SERVICE, _NAME, _LISTED = 0xFF, 0x16, 0x09, 0x03
BESIDE: dict[str, tuple[Structure, ...]] = {  # what a library knows the device by, and we do not
    "inkbird-ith": ((_NAME, 0, b"ITH-21-B"),),
    "sensorpush-ht1": ((_NAME, 0, b"s"), (_LISTED, 0xEF090000_11D6_42BA_93B8_9DD7EC090AA9, b"")),
    "thermobeacon": ((_LISTED, 0xFFF0, b""),),
}


class _Aranet:
    """aranet4 as the other libraries are: a parser with `update`."""

    def update(self, info: BluetoothServiceInfoBleak) -> CurrentReading | None:
        """Return what an advertisement says."""
        readings: CurrentReading | None = Aranet4Advertisement(info.device, info).readings
        return readings


def main() -> None:
    """Measure what can be compared, and print it."""
    registry = discover()
    rows = [
        row for model in registry.models() for row in _compared(registry.by_model(model), registry)
    ]
    json.dump(rows, sys.stdout)


def _compared(driver: LoadedDriver, registry: Registry) -> list[dict[str, Any]]:
    """Return a row for a frame of a native driver in clear, and one for a sealed frame."""
    known = [LIBRARIES[start] for start in LIBRARIES if driver.model.startswith(start)]
    if not known or HOST.replace(".", "/") in driver.file:
        return []
    rows: dict[str, dict[str, Any]] = {}
    for example in examples.of_codec(driver).examples:
        name = f"{driver.model}, sealed" if example.key else driver.model
        if name not in rows and example.readings and (found := _structures(driver, example)):
            row = _timed(driver, registry, example, found, known[0])
            if row is not None:
                rows[name] = {"driver": name, "library": known[0][0], **row}
    return list(rows.values())


def _structures(driver: LoadedDriver, example: Example) -> tuple[Structure, ...]:
    """Return the advertisement an example stands for."""
    found = claims.structure_of(driver, example)
    if found is None:
        return ()
    beside = BESIDE.get(driver.model, ())
    if driver.payload == "structure":
        return (found, *beside)
    frame = bytes.fromhex(example.payload)
    maker = (_MANUFACTURER, int.from_bytes(frame[:2], "little"), frame[2:])
    if found[0] == _LISTED:
        beside = ((_LISTED, found[1], b""), *beside)
    elif found[0] == _NAME:
        beside = (found, *beside)
    return (maker, *beside)


def _timed(
    driver: LoadedDriver,
    registry: Registry,
    example: Example,
    structures: tuple[Structure, ...],
    library: tuple[str, str],
) -> dict[str, Any] | None:
    """Return what either takes for a frame; None where one of them does not read it."""
    address = ":".join(example.address[i : i + 2] for i in range(0, 12, 2)).upper() or ADDRESS
    native = _native(driver, registry, structures, Device(address=address, urn=""), example.key)
    other = _other(library, structures, address, example.key)
    try:
        native()
    except DecodeError:
        return None
    if not _says(other()):
        return None
    ours, theirs = zip(*((_us(native), _us(other)) for _ in range(ROUNDS)), strict=True)
    return {"native_us": median(ours), "library_us": median(theirs)}


def _us(call: Callable[[], object]) -> float:
    return timeit(call, timer=time.process_time, number=CALLS) / CALLS * 1e6


def _native(
    driver: LoadedDriver,
    registry: Registry,
    structures: tuple[Structure, ...],
    device: Device,
    key: str,
) -> Callable[[], object]:
    named = None if driver.strength else driver
    context = Listed(device, None, restored=False).context
    ccm = CcmKey(bytes.fromhex(key)) if key else None

    def read() -> object:
        found, payload = registry.recognise(structures, named)
        if found is None:
            return None
        sealed = seal_of(found, payload, context)
        context.opened = ccm.open(sealed) if sealed is not None and ccm is not None else None
        return found.decode(payload, context)

    return read


def _other(
    library: tuple[str, str], structures: tuple[Structure, ...], address: str, key: str
) -> Callable[[], object]:
    info = advertised(
        manufacturer={n: data for kind, n, data in structures if kind == _MANUFACTURER},
        service={n: data for kind, n, data in structures if kind == _SERVICE},
        listed=[n for kind, n, _ in structures if kind == _LISTED],
        name="".join(data.decode() for kind, _, data in structures if kind == _NAME),
        address=address,
    )
    package, parser = library
    made = getattr(import_module(package), parser) if parser else _Aranet
    update = (made(bindkey=bytes.fromhex(key)) if key else made()).update
    return lambda: update(info)


def _says(update: Any) -> bool:  # noqa: ANN401 - the libraries have no type in common
    """Whether a library has read anything."""
    if update is None or isinstance(update, CurrentReading):
        return update is not None
    said = [k for k in update.entity_values if k.key not in ("signal_strength", "packet_id")]
    return bool(said or update.binary_entity_values or update.events)


if __name__ == "__main__":
    main()
