"""Ruuvi: manufacturer data of company 0x0499, big-endian, a format per first byte.

From https://docs.ruuvi.com/communication/bluetooth-advertisements. Of a field without a value all
bits are set: numbers of measurements begin again before that.
"""

import math
import struct
from typing import Final

from gateway.sim.models.model import Model, Quantity, Readings, Sender
from gateway.sim.models.structures import id16

RUUVI_COMPANY: Final = 0x0499
_COMPANY: Final = id16(RUUVI_COMPANY)
_MILLI_G: Final = 0.00980665  # m/s2
_RESERVED: Final = b"\xff"
_LUX_CODES: Final = 254  # of a logarithmic scale up to 65535 lx
_CALIBRATING: Final = 0x01
_LOWEST_OF_VOC: Final = 6  # bits of the flags
_LOWEST_OF_NOX: Final = 7
_SIGN_OF_CELSIUS: Final = 0x80

_TEMPERATURE: Final = Quantity(name="air_temperature", step=0.005, low=-40, high=60)
_HUMIDITY: Final = Quantity(name="relative_humidity", step=0.0025, low=0, high=100)
_PRESSURE: Final = Quantity(name="atmospheric_pressure", step=0.01, above=500, low=800, high=1100)
_ACCELERATION: Final = tuple(
    Quantity(name=f"acceleration/{axis}", step=_MILLI_G, low=-100, high=100) for axis in "xyz"
)
_CO2: Final = Quantity(name="co2", low=300, high=40_000)
_VOC: Final = Quantity(name="voc_index", low=0, high=500)
_NOX: Final = Quantity(name="nox_index", low=0, high=500)
_IS_CALIBRATING: Final = Quantity(name="calibrating")


def _particles(name: str) -> Quantity:
    return Quantity(name=name, step=0.1, low=0, high=1000)


def _climate(readings: Readings) -> tuple[int, int, int]:
    """Return temperature, humidity and pressure as all formats but the third have them."""
    return (
        readings.raw("air_temperature", 0.005),
        readings.raw("relative_humidity", 0.0025),
        readings.raw("atmospheric_pressure", 0.01, above=500),
    )


def _flags(readings: Readings) -> int:
    voc, nox = readings.raw("voc_index"), readings.raw("nox_index")
    calibrating = _CALIBRATING if readings.flag("calibrating") else 0
    return calibrating | (voc & 1) << _LOWEST_OF_VOC | (nox & 1) << _LOWEST_OF_NOX


def _rawv1(_: Sender, readings: Readings) -> bytes:
    hundredths = readings.raw("air_temperature", 0.01)
    whole, rest = divmod(abs(hundredths), 100)
    return _COMPANY + struct.pack(
        ">BBBBHhhhH",
        3,
        readings.raw("relative_humidity", 0.5),
        whole | (_SIGN_OF_CELSIUS if hundredths < 0 else 0),
        rest,
        readings.raw("atmospheric_pressure", 0.01, above=500),
        *(readings.raw(axis.name, _MILLI_G) for axis in _ACCELERATION),
        readings.raw("battery_voltage", 0.001),
    )


def _rawv2(sender: Sender, readings: Readings) -> bytes:
    power = readings.raw("battery_voltage", 0.001, above=1.6) << 5
    power |= readings.raw("tx_power", 2, above=-40)
    return _COMPANY + struct.pack(
        ">BhHHhhhHBH6s",
        5,
        *_climate(readings),
        *(readings.raw(axis.name, _MILLI_G) for axis in _ACCELERATION),
        power,
        readings.raw("movement_count"),
        readings.serial % 0xFFFF,
        sender.octets,
    )


def _format_6(sender: Sender, readings: Readings) -> bytes:
    lux = float(readings.values["illuminance"])
    code = round(_LUX_CODES * math.log(lux + 1) / math.log(65_536))
    return (
        _COMPANY
        + struct.pack(
            ">BhHHHHBBB",
            6,
            *_climate(readings),
            readings.raw("pm2_5", 0.1),
            readings.raw("co2"),
            readings.raw("voc_index") >> 1,
            readings.raw("nox_index") >> 1,
            code,
        )
        + _RESERVED
        + bytes((readings.serial & 0xFF, _flags(readings)))
        + sender.octets[3:]
    )


def _format_e1(sender: Sender, readings: Readings) -> bytes:
    return (
        _COMPANY
        + struct.pack(
            ">BhHHHHHHHBB",
            0xE1,
            *_climate(readings),
            *(readings.raw(name, 0.1) for name in ("pm1", "pm2_5", "pm4", "pm10")),
            readings.raw("co2"),
            readings.raw("voc_index") >> 1,
            readings.raw("nox_index") >> 1,
        )
        + readings.raw("illuminance", 0.01).to_bytes(3, "big")
        + 3 * _RESERVED
        + (readings.serial % 0xFFFFFF).to_bytes(3, "big")
        + bytes((_flags(readings),))
        + 5 * _RESERVED
        + sender.octets
    )


MODELS: Final = {
    "ruuvi-rawv1": Model(
        title="A RuuviTag of early firmware, data format 3: climate and acceleration.",
        driver="ruuvi-rawv1",
        medium="manufacturer",
        sends=(
            Quantity(name="air_temperature", step=0.01, low=-40, high=60),
            Quantity(name="relative_humidity", step=0.5, low=0, high=100),
            _PRESSURE,
            *_ACCELERATION,
            Quantity(name="battery_voltage", step=0.001, low=1.6, high=3.646),
        ),
        encode=_rawv1,
        serial="acceleration/z",
    ),
    "ruuvi-rawv2": Model(
        title="A RuuviTag, data format 5: climate, acceleration, movements.",
        driver="ruuvi-rawv2",
        medium="manufacturer",
        sends=(
            _TEMPERATURE,
            _HUMIDITY,
            _PRESSURE,
            *_ACCELERATION,
            Quantity(name="battery_voltage", step=0.001, low=1.6, high=3.646),
            Quantity(name="tx_power", step=2, low=-40, high=20),
            Quantity(name="movement_count", counts=0xFF),
        ),
        encode=_rawv2,
        counts=0xFFFF,
    ),
    "ruuvi-6": Model(
        title="A Ruuvi Air, data format 6: climate and air quality in a short frame.",
        driver="ruuvi-6",
        medium="manufacturer",
        sends=(
            _TEMPERATURE,
            _HUMIDITY,
            _PRESSURE,
            _particles("pm2_5"),
            _CO2,
            _VOC,
            _NOX,
            Quantity(name="illuminance", step=0.05, relative=0.024, low=0, high=65_535),
            _IS_CALIBRATING,
        ),
        encode=_format_6,
        counts=1 << 8,
    ),
    "ruuvi-e1": Model(
        title="A Ruuvi Air, data format E1 of extended advertising: climate and air quality.",
        driver="ruuvi-e1",
        medium="manufacturer",
        sends=(
            _TEMPERATURE,
            _HUMIDITY,
            _PRESSURE,
            *(_particles(name) for name in ("pm1", "pm2_5", "pm4", "pm10")),
            _CO2,
            _VOC,
            _NOX,
            Quantity(name="illuminance", step=0.01, low=0, high=144_284),
            _IS_CALIBRATING,
        ),
        encode=_format_e1,
        counts=0xFFFFFF,
    ),
}
