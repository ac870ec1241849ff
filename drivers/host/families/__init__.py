"""The parsers of Home Assistant's Bluetooth integrations, one driver for each library.

What they understand beyond the native drivers, hundreds of models, without Home Assistant. The
extra `ble-families` installs them; it brings GPL-3 code with it (habluetooth, through
bluetooth-auto-recovery and PyRIC), so nobody gets it unasked and we hand none of it on. A native
driver that matches the same wins.

A library is imported when the first frame comes that is for it: half a second, 20 to 40 MB. Each
device has a parser of its own, for these keep state, the newest 256 of all. Encrypted devices are
opened by the library: the gateway's replay counters do not see them.

Source: the Bluetooth matchers of Home Assistant's integrations, and each library's `supported()`.
"""

import logging
from collections import OrderedDict
from dataclasses import replace
from decimal import Context as Precision
from decimal import Decimal
from importlib import import_module
from importlib.util import find_spec
from time import monotonic
from typing import Any, Final

from drivers.host.families.quantities import EVENTS, SENSORS, STATES, UNMAPPED
from gateway.core.context import Context
from gateway.core.refusal import BAD_MIC, BAD_TYPE, BAD_VALUE, NO_KEY, NOT_ENCRYPTED, DecodeError

PARSERS: Final = 256
REMEDY: Final = (
    "in the checkout: .venv/bin/python -m pip install --no-build-isolation '.[ble-families]'"
)

_MANUFACTURER, _SERVICE, _NAME, _LISTED = 0xFF, 0x16, 0x09, 0x03
_SHORT_BITS: Final = 32
_DOUBLE: Final = Precision(prec=15)
_BASE: Final = "-0000-1000-8000-00805f9b34fb"  # Core Specification, Vol 3, Part B, 2.5.1

Structures = tuple[tuple[int, int, bytes], ...]
Reading = tuple[str, int | str | None, int, str]


class Kept:
    """One device's parser, and what it has told: a library hands on old values with the new."""

    def __init__(self, parser: Any, key: bytes | None) -> None:  # noqa: ANN401 - as below
        self.parser = parser
        self.key = key
        self._told: dict[
            int, object
        ] = {}  # held, so that no new one is found in an old one's place

    def update(self, info: Any) -> Any:  # noqa: ANN401 - as below
        """Return what the library reads in this advertisement, and nothing it read before.

        Raises DecodeError.
        """
        scheme = getattr(self.parser, "encryption_scheme", None)
        if scheme is not None:  # xiaomi-ble keeps the last frame's: one in clear would pass
            self.parser.encryption_scheme = type(scheme)("none")
        if not self.parser.supported(info):
            raise DecodeError(BAD_TYPE)
        update = self.parser.update(info)
        values, states = update.entity_values, update.binary_entity_values
        told = {id(value): value for value in (*values.values(), *states.values())}
        fresh = replace(
            update, entity_values=self._new(values), binary_entity_values=self._new(states)
        )
        self._told = told
        return fresh

    def _new(self, values: dict[Any, Any]) -> dict[Any, Any]:
        return {key: value for key, value in values.items() if id(value) not in self._told}


_parsers: "OrderedDict[tuple[str, bytes], Kept]" = OrderedDict()


_ENCRYPTED: Final = ("bthome_ble", "xiaomi_ble")  # the others' parsers know no key


class Family:
    """One library as a driver: what docs/reference/driver-interface.md asks of a module."""

    API = 1
    STRENGTH = 1
    PAYLOAD = "advertisement"

    def __init__(self, library: str, parser: str, *match: dict[str, int | bytes]) -> None:
        self.MODEL = library.replace("_", "-")
        self.NEEDS_KEY = library in _ENCRYPTED
        self.MATCH = match
        self.DEVICES = (f"what {self.MODEL} knows",)
        self.MISSING = "" if find_spec(library) else REMEDY
        self.__file__ = __file__
        self._library = library
        self._parser = parser

    def decode(self, structures: Structures, context: Context) -> list[Reading]:
        """Return what the library reads, in words and units of the vocabulary."""
        kept = self._of(context)
        update = kept.update(_service_info(structures, context.address))
        readings = [*_sensors(update, self._library), *_states(update), *_events(update)]
        _check_opened(kept.parser, context.key, readings)
        # A library may have two keys for one thing; a property with its channel stands there once.
        return list(
            {
                (name, channel): (name, value, scale, channel)
                for name, value, scale, channel in readings
            }.values()
        )

    def _of(self, context: Context) -> Kept:
        """Return the parser of a device, a new one when its key is another."""
        place = (self.MODEL, context.address)
        known = _parsers.get(place)
        if known is None or known.key != context.key:
            made = getattr(import_module(self._library), self._parser)
            # They warn of each frame they cannot read: it is counted, and anybody can send it.
            logging.getLogger(self._library).setLevel(logging.CRITICAL)
            known = Kept(made(bindkey=context.key) if context.key else made(), context.key)
            _parsers[place] = known
            if len(_parsers) > PARSERS:
                _parsers.popitem(last=False)
        _parsers.move_to_end(place)
        return known


def _check_opened(
    parser: Any,  # noqa: ANN401 - the library comes when it is needed
    key: bytes | None,
    readings: list[Reading],
) -> None:
    """Refuse what the library could not open, and what came in clear though there is a key.

    Libraries without encryption have no such attributes.
    """
    scheme = getattr(parser, "encryption_scheme", None)
    if scheme is None or scheme.value == "none":
        if key is not None and readings:
            raise DecodeError(NOT_ENCRYPTED)
        return
    if key is None:
        raise DecodeError(NO_KEY)
    if not parser.bindkey_verified:
        raise DecodeError(BAD_MIC)


def _service_info(structures: Structures, address: bytes) -> Any:  # noqa: ANN401 - as above
    """Return an advertisement as the libraries take it."""
    models = import_module("habluetooth.models")
    device = import_module("bleak.backends.device")
    text = ":".join(f"{byte:02X}" for byte in address)
    name = "".join(data.decode(errors="replace") for kind, _, data in structures if kind == _NAME)
    return models.BluetoothServiceInfoBleak(
        name=name or text,  # as BlueZ has it for a device without a name
        address=text,
        rssi=0,  # it stands in the link
        manufacturer_data={n: data for kind, n, data in structures if kind == _MANUFACTURER},
        service_data={_uuid(n): data for kind, n, data in structures if kind == _SERVICE},
        service_uuids=[_uuid(n) for kind, n, _ in structures if kind in (_SERVICE, _LISTED)],
        source="ugw",
        device=device.BLEDevice(text, name or text, {}),
        advertisement=None,
        connectable=False,
        time=monotonic(),
        tx_power=None,
    )


def _uuid(number: int) -> str:
    if number < 1 << _SHORT_BITS:
        return f"{number:08x}{_BASE}"
    text = f"{number:032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


# --------------------------------------------------------------------------------- what it says
def _sensors(update: Any, library: str) -> list[Reading]:  # noqa: ANN401 - a SensorUpdate
    readings: list[Reading] = []
    for key, value in update.entity_values.items():
        description = update.entity_descriptions.get(key)
        kind = _text(description and description.device_class) or key.key
        unit = _text(description and description.native_unit_of_measurement)
        row = SENSORS.get(kind, {}).get(unit)
        if row is None or kind in UNMAPPED:
            continue
        name, multiply, scale = row
        name = _OWN.get((library, name), name)
        readings.append((name, *_number(value.native_value, multiply, scale), _channel(key, kind)))
    return readings


def _states(update: Any) -> list[Reading]:  # noqa: ANN401 - a SensorUpdate
    return [
        (STATES[kind], value.native_value, 0, _channel(key, kind))
        for key, value in update.binary_entity_values.items()
        if (kind := _kind_of_state(update, key)) in STATES
    ]


def _kind_of_state(update: Any, key: Any) -> str:  # noqa: ANN401 - a SensorUpdate, a DeviceKey
    description = update.binary_entity_descriptions.get(key)
    return _text(description and description.device_class) or str(key.key)


def _events(update: Any) -> list[Reading]:  # noqa: ANN401 - a SensorUpdate
    found: list[Reading] = []
    for key, event in update.events.items():
        kind = str(key.key).partition("_")[0]
        if kind in EVENTS:
            found.append((EVENTS[kind], str(event.event_type), 0, _channel(key, kind)))
    return found


def _text(value: object) -> str:
    """Return an enumeration's or a plain text; nothing for None."""
    return "" if value is None else str(getattr(value, "value", value))


def _number(value: object, multiply: int, scale: int) -> tuple[int | str | None, int]:
    """Return a value and its scale: what the library's float is printed as, to 15 digits.

    What stands behind these is left over from its arithmetic (214 * 0.1 is 21.400000000000002).
    """
    if value is None:
        return None, 0
    if isinstance(value, str):
        return value, 0
    if not isinstance(value, int | float):
        raise DecodeError(BAD_VALUE)
    known = Decimal(value) if isinstance(value, int) else _DOUBLE.create_decimal(str(value))
    exact = known.normalize() * multiply
    sign, digits, exponent = exact.as_tuple()
    if not isinstance(exponent, int):  # not a number, or without end
        return None, 0
    mantissa = int("".join(map(str, digits))) * (-1 if sign else 1)
    return (mantissa * 10**exponent, scale) if exponent > 0 else (mantissa, scale - exponent)


def _channel(key: Any, kind: str) -> str:  # noqa: ANN401 - a DeviceKey
    """Return what the key says beyond the kind, "" for the first: temperature_probe_1, probe-1."""
    own = str(key.key)
    rest = own.removeprefix(kind) if own != kind else ""
    parts = [part for part in (key.device_id, rest) if part]
    text = "-".join(parts).lower()
    kept = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in text)
    return "-".join(part for part in kept.split("-") if part)[:64]


# Where a library means one thing of several: the voltage of most sensors is their battery's.
_OWN: Final = {
    ("mopeka_iot_ble", "voltage"): "battery_voltage",
    ("ruuvitag_ble", "voltage"): "battery_voltage",
    ("thermobeacon_ble", "voltage"): "battery_voltage",
    ("xiaomi_ble", "voltage"): "battery_voltage",
    ("ruuvitag_ble", "count"): "movement_count",
    ("xiaomi_ble", "electrical_conductivity"): "soil_ec",
}


def _companies(*numbers: int) -> tuple[dict[str, int | bytes], ...]:
    return tuple({"manufacturer_id": number} for number in numbers)


def _names(*names: bytes) -> tuple[dict[str, int | bytes], ...]:
    return tuple({"local_name": name} for name in names)


def _services(*uuids: int) -> tuple[dict[str, int | bytes], ...]:
    return tuple({"service_uuid": uuid} for uuid in uuids)


DRIVERS: Final = (
    Family("bluemaestro_ble", "BlueMaestroBluetoothDeviceData", *_companies(0x0133)),
    Family("bthome_ble", "BTHomeBluetoothDeviceData", *_services(0x181C, 0x181E, 0xFCD2)),
    Family(
        "govee_ble",
        "GoveeBluetoothDeviceData",
        *_names(b"Govee", b"GVH5", b"GV5", b"B5178"),
    ),
    Family(
        "inkbird_ble",
        "INKBIRDBluetoothDeviceData",
        *_names(b"sps", b"tps", b"Inkbird", b"iBBQ", b"xBBQ", b"ITH-", b"IBS-", b"Ink@IAM-T1"),
    ),
    Family("mopeka_iot_ble", "MopekaIOTBluetoothDeviceData", *_companies(0x0059)),
    Family("qingping_ble", "QingpingBluetoothDeviceData", *_services(0xFDCD)),
    Family("ruuvitag_ble", "RuuvitagBluetoothDeviceData", *_companies(0x0499)),
    Family("sensirion_ble", "SensirionBluetoothDeviceData", *_companies(0x06D5)),
    Family("sensorpush_ble", "SensorPushBluetoothDeviceData", *_names(b"SensorPush", b"T101")),
    Family(
        "thermobeacon_ble",
        "ThermoBeaconBluetoothDeviceData",
        *_names(b"ThermoBeacon", b"Lanyard/mini hygrometer"),
    ),
    Family("thermopro_ble", "ThermoProBluetoothDeviceData", *_names(b"TP3", b"TP9", b"TP8")),
    Family("xiaomi_ble", "XiaomiBluetoothDeviceData", *_services(0xFE95, 0x181B, 0x181D)),
)
