"""Native decoding against the parser libraries' on the same frames: microseconds of both, as JSON.

    .venv-differential/bin/python -m tests.differential.speed

Both are given what their caller has anyway: the native side recognises the structure in the index
of all drivers and decodes, opening what is sealed; the library updates a parser that knows the
device with the advertisement as BlueZ delivers it. Rounds alternate, the median counts.
"""

import json
import sys
import timeit
from importlib import import_module
from statistics import median
from typing import Any

from gateway.admission import Device, Listed
from gateway.conformance import claims, examples
from gateway.conformance.examples import Example
from gateway.core.refusal import DecodeError
from gateway.crypto import CcmKey
from gateway.decoding import seal_of
from gateway.driver import LoadedDriver
from gateway.model import Structure
from gateway.registry import Registry, discover
from tests.differential.agreement import ADDRESS, advertised

LIBRARIES = {  # beginning of a native MODEL: library, its parser
    "bthome": ("bthome_ble", "BTHomeBluetoothDeviceData"),
    "bluemaestro": ("bluemaestro_ble", "BlueMaestroBluetoothDeviceData"),
    "govee": ("govee_ble", "GoveeBluetoothDeviceData"),
    "inkbird": ("inkbird_ble", "INKBIRDBluetoothDeviceData"),
    "mibeacon": ("xiaomi_ble", "XiaomiBluetoothDeviceData"),
    "mopeka": ("mopeka_iot_ble", "MopekaIOTBluetoothDeviceData"),
    "qingping": ("qingping_ble", "QingpingBluetoothDeviceData"),
    "ruuvi": ("ruuvitag_ble", "RuuvitagBluetoothDeviceData"),
    "sensirion": ("sensirion_ble", "SensirionBluetoothDeviceData"),
    "sensorpush": ("sensorpush_ble", "SensorPushBluetoothDeviceData"),
    "thermobeacon": ("thermobeacon_ble", "ThermoBeaconBluetoothDeviceData"),
    "thermopro": ("thermopro_ble", "ThermoProBluetoothDeviceData"),
}
CALLS, ROUNDS = 100, 15
_MANUFACTURER, _SERVICE, _NAME, _LISTED = 0xFF, 0x16, 0x09, 0x03


def main() -> None:
    """Measure what can be compared, and print it."""
    registry = discover()
    rows = [
        row for model in registry.models() for row in _compared(registry.by_model(model), registry)
    ]
    json.dump(rows, sys.stdout)


def _compared(driver: LoadedDriver, registry: Registry) -> list[dict[str, Any]]:
    """Return a row for the first example of a native driver that the library reads as well."""
    known = [LIBRARIES[start] for start in LIBRARIES if driver.model.startswith(start)]
    if not known or "host" in driver.file:
        return []
    library = getattr(import_module(known[0][0]), known[0][1])
    for example in examples.of_codec(driver).examples:
        structures = _structures(driver, example)
        if structures and example.readings:
            row = _timed(driver, registry, example, structures, library)
            if row is not None:
                return [{"driver": driver.model, "library": known[0][0], **row}]
    return []


def _structures(driver: LoadedDriver, example: Example) -> tuple[Structure, ...]:
    """Return the advertisement an example stands for."""
    found = claims.structure_of(driver, example)
    if found is None:
        return ()
    if driver.payload == "structure":
        return (found,)
    frame = bytes.fromhex(example.payload)
    maker = (_MANUFACTURER, int.from_bytes(frame[:2], "little"), frame[2:])
    return (maker,) if found[0] == _MANUFACTURER else (maker, found)


def _timed(
    driver: LoadedDriver,
    registry: Registry,
    example: Example,
    structures: tuple[Structure, ...],
    library: Any,  # noqa: ANN401 - the libraries have no type in common
) -> dict[str, Any] | None:
    address = ":".join(example.address[i : i + 2] for i in range(0, 12, 2)).upper() or ADDRESS
    info = advertised(
        manufacturer={n: data for kind, n, data in structures if kind == _MANUFACTURER},
        service={n: data for kind, n, data in structures if kind == _SERVICE},
        listed=[n for kind, n, _ in structures if kind == _LISTED],
        name="".join(data.decode() for kind, _, data in structures if kind == _NAME),
        address=address,
    )
    key = bytes.fromhex(example.key)
    parser = library(bindkey=key) if key else library()
    update = parser.update(info)
    said = [k for k in update.entity_values if k.key not in ("signal_strength", "packet_id")]
    if not (said or update.binary_entity_values or update.events):
        return None  # it does not know this one
    named = None if driver.strength else driver
    listed = Listed(Device(address=address, urn=""), None, restored=False)
    ccm = CcmKey(key) if key else None

    def native() -> None:
        found, payload = registry.recognise(structures, named)
        if found is not None:
            context = listed.context
            sealed = seal_of(found, payload, context)
            context.opened = ccm.open(sealed) if sealed is not None and ccm is not None else None
            found.decode(payload, context)

    try:
        native()
    except DecodeError:
        return None
    ours, theirs = [], []
    for _ in range(ROUNDS):
        ours.append(timeit.timeit(native, number=CALLS) / CALLS * 1e6)
        theirs.append(timeit.timeit(lambda: parser.update(info), number=CALLS) / CALLS * 1e6)
    return {"native_us": median(ours), "library_us": median(theirs)}


if __name__ == "__main__":
    main()
