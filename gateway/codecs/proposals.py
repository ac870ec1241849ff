"""What a map could say: guesses for people, by names and units, never used by an agent itself.

A guess is made where a path is a property's own name, its path in The Things Stack's normalized
payload, or one of the names codecs use. A name that could mean two things (a battery in volts, in
millivolts, in percent) is told apart by the size of its value, and the guess shows the unit it
assumes. Nothing that only might fit is proposed.
"""

import csv
import re
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Final

import msgspec

from gateway.codecs.output import Flat, Scalar
from gateway.codecs.rules import Rule, conversion
from gateway.core import terms, vocabulary

_VOCABULARY: Final = Path(vocabulary.__file__).with_name("vocabulary.csv")
_SPLIT: Final = re.compile(r"(?<=[a-z])(?=[A-Z])|[^A-Za-z0-9]+")
_NUMBERED: Final = re.compile(r"(.*?[a-z0-9])_?(l?[1-9][0-9]?)")  # temperature2, voltage_l1
_WRAPPED: Final = (".value", ".val")  # {"temperature": {"value": 21, "unit": "°C"}}
_DIGITS_MEANT: Final = ("co2", "pm1", "pm2_5", "pm4", "pm10", "no2", "o3", "so2", "nh3", "ch4")

# Names as codecs write them, in small letters with underscores, and what they mean.
_NAMES: Final[Mapping[str, str]] = {
    "temperature": "air_temperature",
    "temperature_celsius": "air_temperature",
    "temperature_c": "air_temperature",
    "temp": "air_temperature",
    "temp_c": "air_temperature",
    "air_temp": "air_temperature",
    "ambient_temperature": "air_temperature",
    "humidity": "relative_humidity",
    "hum": "relative_humidity",
    "rh": "relative_humidity",
    "air_humidity": "relative_humidity",
    "pressure": "atmospheric_pressure",
    "barometric_pressure": "atmospheric_pressure",
    "barometer": "atmospheric_pressure",
    "air_pressure": "atmospheric_pressure",
    "light": "illuminance",
    "lux": "illuminance",
    "illumination": "illuminance",
    "light_intensity": "illuminance",
    "carbon_dioxide": "co2",
    "pm25": "pm2_5",
    "soil_humidity": "soil_moisture",
    "ec": "soil_ec",
    "conductivity": "soil_ec",
    "battery_percent": "battery_level",
    "battery_percentage": "battery_level",
    "battery_level_in_percentage": "battery_level",
    "water_leak": "leak_detected",
    "leakage": "leak_detected",
    "motion": "motion_detected",
    "pir": "motion_detected",
    "occupancy": "occupied",
    "door": "door_open",
    "tamper": "tamper_detected",
    "people": "people_count",
    "radon": "radon_concentration",
    "internal_temperature": "device_temperature",
    "board_temperature": "device_temperature",
    "latitude": "latitude",
    "lat": "latitude",
    "longitude": "longitude",
    "lon": "longitude",
    "lng": "longitude",
    "altitude": "altitude",
}
_BATTERY: Final = (
    "battery",
    "bat",
    "batt",
    "vbat",
    "battery_voltage",
    "bat_v",
    "batv",
    "battery_v",
    "battery_volt",
)
_VOLTS: Final = (Decimal("1.5"), Decimal(5))
_MILLIVOLTS: Final = (Decimal(1500), Decimal(5000))
_PERCENT: Final = Decimal(100)


def propose(flat: Flat) -> dict[str, Rule]:
    """Return a rule for each path whose meaning can be guessed; no property and channel twice."""
    rules: dict[str, Rule] = {}
    taken: set[tuple[str, str]] = set()
    for path, value in flat.items():
        rule = None if "[" in path else _rule(path, value)  # lists are of former values, mostly
        if rule is not None and (rule.property, rule.channel) not in taken:
            taken.add((rule.property, rule.channel))
            rules[path] = rule
    return rules


def as_written(rule: Rule) -> str:
    """Return a rule as it would stand in the configuration's map."""
    more = {
        "channel": rule.channel,
        "scale": "" if rule.factor == 1 else f"{rule.factor.normalize():f}",
    }
    written = [f"{key}: {value}" for key, value in more.items() if value]
    return (
        f"{{{', '.join([f'property: {rule.property}', *written])}}}" if written else rule.property
    )


def _rule(path: str, value: Scalar) -> Rule | None:
    bare = path
    for wrapped in _WRAPPED:
        bare = bare.removesuffix(wrapped)
    name = _named(bare.rsplit(".", 1)[-1])
    rule = _normalized().get(bare) or _by_name(name, value)
    if rule is None and (numbered := _NUMBERED.fullmatch(name)):
        rule = _by_name(numbered[1], value)
        if rule is not None and name not in _DIGITS_MEANT:
            rule = msgspec.structs.replace(rule, channel=numbered[2])
    return rule if rule is not None and _may_hold(rule.property, value) else None


def _named(text: str) -> str:
    return "_".join(part.lower() for part in _SPLIT.split(text) if part)


def _by_name(name: str, value: Scalar) -> Rule | None:
    if name in _BATTERY:
        return _battery(name, value)
    meant = _NAMES.get(name, name)
    return Rule(meant) if not meant.startswith("x_") and terms.known(meant) else None


def _battery(name: str, value: Scalar) -> Rule | None:
    """Tell volts, millivolts and percent apart by what a battery can have."""
    if not isinstance(value, Decimal):
        return None
    if _VOLTS[0] <= value <= _VOLTS[1] and (name not in ("battery", "bat") or value % 1):
        return Rule("battery_voltage")
    if _MILLIVOLTS[0] <= value <= _MILLIVOLTS[1]:
        return Rule("battery_voltage", factor=conversion("mV", "V")[0])
    is_percent = 0 <= value <= _PERCENT and "v" not in name
    return Rule("battery_level") if is_percent else None


def _may_hold(name: str, value: Scalar) -> bool:
    """Whether a value is of the property's kind as it stands."""
    wanted = vocabulary.lookup(name).type
    if wanted == "boolean":
        return isinstance(value, bool) or value in (0, 1)
    if wanted == "string":
        return isinstance(value, str)
    return value is None or isinstance(value, Decimal)


@lru_cache(maxsize=1)
def _normalized() -> Mapping[str, Rule]:
    """Return the properties by their paths in The Things Stack's normalized payload."""
    with _VOCABULARY.open(encoding="utf-8", newline="") as file:
        # Only where the path says it: a `battery` may be volts as well as percent.
        rows = [row for row in csv.DictReader(file) if "." in row["ttn_normalized"]]
    rules: dict[str, Rule] = {}
    for row in rows:
        try:
            factor = 1 / Decimal(
                row["ttn_factor"] or "1"
            )  # theirs for ours; these are powers of ten
        except ArithmeticError:
            continue  # a translation of states: a map has to say which is which
        rules.setdefault(row["ttn_normalized"], Rule(row["name"], factor=factor))
    return rules
