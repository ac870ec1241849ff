"""One form for what a driver of ours reads and for what a library says, so that they compare.

Both become {(property, channel): value} in the vocabulary's names and units. A number is an exact
decimal; of a library's float it is the shortest one that means it. What a library says and nothing
here or in `names` has a name for is an error: a test must not pass by not looking.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from time import monotonic
from typing import Any

from bleak.backends.device import BLEDevice
from habluetooth.models import BluetoothServiceInfoBleak

from gateway.core.context import Context
from gateway.crypto import CcmKey
from gateway.driver import LoadedDriver
from gateway.model import Reading, Sealed

Value = Decimal | bool | str | None
Said = dict[tuple[str, str], Value]
Names = Mapping[str, tuple[str, str]]  # a library's key: property, channel

ADDRESS = "A4:C1:38:8D:18:B2"
_NOT_OF_THE_FRAME = ("signal_strength", "packet_id")
_ONE = Decimal(1)

# (device class, unit): property, factor. A library that means something else says so in `names`.
_NUMBERS = {
    ("acceleration", "m/s²"): ("acceleration", _ONE),
    ("aqi", None): ("air_quality_index", _ONE),
    ("battery", "%"): ("battery_level", _ONE),
    ("carbon_dioxide", "ppm"): ("co2", _ONE),
    ("channel", None): ("selected_channel", _ONE),
    ("conductivity", "µS/cm"): ("electrical_conductivity", _ONE),
    ("count", None): ("count", _ONE),
    ("current", "A"): ("current", _ONE),
    ("dew_point", "°C"): ("dew_point", _ONE),
    ("direction", "°"): ("direction", _ONE),
    ("distance", "m"): ("distance", _ONE),
    ("distance", "mm"): ("distance", Decimal("0.001")),
    ("duration", "s"): ("duration", _ONE),
    ("energy", "kWh"): ("energy_total", _ONE),
    ("formaldehyde", "mg/m³"): ("formaldehyde", Decimal(1000)),
    ("gas", "m³"): ("gas_volume_total", _ONE),
    ("gyroscope", "°/s"): ("angular_velocity", _ONE),
    ("humidity", "%"): ("relative_humidity", _ONE),
    ("illuminance", "lx"): ("illuminance", _ONE),
    ("impedance", "ohm"): ("electric_resistance", _ONE),
    ("light_level", None): ("light_level", _ONE),
    ("mass", "kg"): ("mass", _ONE),
    ("mass", "lb"): ("mass", Decimal("0.45359237")),
    ("moisture", "%"): ("soil_moisture", _ONE),
    ("pm1", "µg/m³"): ("pm1", _ONE),
    ("pm10", "µg/m³"): ("pm10", _ONE),
    ("pm25", "µg/m³"): ("pm2_5", _ONE),
    ("pm4", "µg/m³"): ("pm4", _ONE),
    ("power", "W"): ("power", _ONE),
    ("precipitation", "mm"): ("precipitation", _ONE),
    ("pressure", "hPa"): ("atmospheric_pressure", _ONE),
    ("pressure", "mbar"): ("atmospheric_pressure", _ONE),
    ("raw", None): ("raw_data", _ONE),
    ("rotation", "°"): ("rotation", _ONE),
    ("rotational_speed", "rpm"): ("rotational_speed", _ONE),
    ("settings_revision", None): ("settings_revision", _ONE),
    ("speed", "m/s"): ("speed", _ONE),
    ("temperature", "°C"): ("air_temperature", _ONE),
    ("text", None): ("text", _ONE),
    ("timestamp", None): ("unix_time", _ONE),
    ("uv_index", None): ("uv_index", _ONE),
    ("volatile_organic_compounds", "µg/m³"): ("tvoc", _ONE),
    ("voltage", "V"): ("voltage", _ONE),
    ("voltage", "mV"): ("voltage", Decimal("0.001")),
    ("volume", "L"): ("volume", _ONE),
    ("volume", "mL"): ("volume", Decimal("0.001")),
    ("volume_flow_rate", "m³/h"): ("water_flow", _ONE),
    ("volume_storage", "L"): ("stored_volume", _ONE),
    ("water", "L"): ("water_volume_total", Decimal("0.001")),
}
_STATES = {
    "battery": "battery_low",
    "battery_charging": "battery_charging",
    "carbon_monoxide": "co_detected",
    "cold": "cold_detected",
    "connectivity": "connected",
    "door": "door_open",
    "garage_door": "garage_door_open",
    "gas": "gas_detected",
    "generic": "boolean_state",
    "heat": "heat_detected",
    "light": "light_detected",
    "lock": "lock_open",
    "moisture": "leak_detected",
    "motion": "motion_detected",
    "moving": "moving",
    "occupancy": "occupied",
    "opening": "opening_open",
    "plug": "plugged_in",
    "power": "power_on",
    "presence": "presence_detected",
    "problem": "problem_detected",
    "running": "running",
    "safety": "safe",
    "smoke": "smoke_detected",
    "sound": "sound_detected",
    "tamper": "tamper_detected",
    "vibration": "vibration_detected",
    "window": "window_open",
}


def advertised(
    *,
    manufacturer: Mapping[int, bytes] | None = None,
    service: Mapping[int, bytes] | None = None,
    listed: Sequence[int] = (),
    name: str = "",
    address: str = ADDRESS,
) -> BluetoothServiceInfoBleak:
    """Return an advertisement as the libraries take it; UUIDs are our numbers."""
    return BluetoothServiceInfoBleak(
        name=name or address,
        address=address,
        rssi=-60,
        manufacturer_data=dict(manufacturer or {}),
        service_data={_uuid(number): data for number, data in (service or {}).items()},
        service_uuids=[_uuid(number) for number in listed],
        source="test",
        device=BLEDevice(address, name, {}),
        advertisement=None,
        connectable=False,
        time=monotonic(),
        tx_power=None,
    )


def read(driver: LoadedDriver, payload: Any, *, address: str = ADDRESS, key: str = "") -> Said:  # noqa: ANN401 - as LoadedDriver.decode has it
    """Return what a driver of ours reads, opening what is sealed as the gateway does."""
    context = Context(bytes.fromhex(address.replace(":", "")))
    fields = driver.sealed(payload, context) if driver.sealed else None
    if fields is not None and key:
        context.opened = CcmKey.from_text(key).open(Sealed(*fields))
    return of(driver.decode(payload, context))


def of(readings: Sequence[Reading]) -> Said:
    """Return readings of ours as they compare."""
    return {
        (name, channel): Decimal(value).scaleb(-scale) if type(value) is int else value
        for name, value, scale, channel in readings
    }


def said(update: Any, names: Names | None = None) -> Said:  # noqa: ANN401 - a library's, untyped
    """Return what a library's SensorUpdate says; `names` come before what is usual."""
    found: Said = {}
    known = names or {}
    for device_key, entity in update.entity_values.items():
        if not device_key.key.startswith(_NOT_OF_THE_FRAME):
            description = update.entity_descriptions.get(device_key)
            place, factor = _number_place(device_key.key, description, known)
            found[place] = _value(entity.native_value, factor)
    for device_key, entity in update.binary_entity_values.items():
        found[_state_place(device_key.key, known)] = entity.native_value
    for device_key, event in update.events.items():
        kind, _, number = device_key.key.partition("_")
        place = known.get(device_key.key, (f"{kind}_event", channel(number)))
        found[place] = str(event.event_type)
        steps = (event.event_properties or {}).get("steps")
        if steps is not None:
            found[f"{kind}_steps", place[1]] = Decimal(steps)
    return found


def channel(suffix: str) -> str:
    """Return our channel for a library's suffix: it counts from 1, our first has none."""
    return "" if suffix in ("", "1") else suffix.replace("_", "-")


def differences(native: Said, library: Said, within: Mapping[str, Decimal] | None = None) -> str:
    """Return where two disagree, "" if they do not.

    `within` is half a step of what the library rounds a property to, where it does.
    """
    lines: list[str] = []
    for place in sorted(native.keys() | library.keys()):
        ours, theirs = native.get(place, "absent"), library.get(place, "absent")
        if isinstance(ours, Decimal) and isinstance(theirs, Decimal):
            agree = abs(ours - theirs) <= (within or {}).get(place[0], Decimal(0))
        else:
            agree = ours == theirs and type(ours) is type(theirs)
        if not agree:
            lines.append(f"{place}: ours {ours}, theirs {theirs}")
    return "\n".join(lines)


def _number_place(
    key: str,
    description: Any,  # noqa: ANN401 - a library's, untyped
    names: Names,
) -> tuple[tuple[str, str], Decimal]:
    unit = description.native_unit_of_measurement if description else None
    kind = str(description.device_class) if description and description.device_class else key
    usual, factor = _NUMBERS.get((kind, str(unit) if unit else None), ("", _ONE))
    if key in names:
        return names[key], factor
    if not usual or not key.startswith(kind):
        message = f"no name for {key!r}: {kind} in {unit}"
        raise LookupError(message)
    return (usual, channel(key[len(kind) :].lstrip("_"))), factor


def _state_place(key: str, names: Names) -> tuple[str, str]:
    """Of two names one of which begins the other, as battery and battery_charging, the longer."""
    if key in names:
        return names[key]
    kinds = [kind for kind in _STATES if key == kind or key.startswith(f"{kind}_")]
    if not kinds:
        message = f"no name for the state {key!r}"
        raise LookupError(message)
    kind = max(kinds, key=len)
    return (_STATES[kind], channel(key[len(kind) :].lstrip("_")))


def _value(value: object, factor: Decimal) -> Value:
    if isinstance(value, bool | str) or value is None:
        return value
    if isinstance(value, datetime):
        return Decimal(int(value.timestamp()))
    return Decimal(str(value)) * factor


def _uuid(number: int) -> str:
    """Write a UUID out; a short one on the Bluetooth base."""
    if number < 1 << 32:
        return f"{number:08x}-0000-1000-8000-00805f9b34fb"
    text = f"{number:032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
