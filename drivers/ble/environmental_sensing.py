"""Environmental Sensing Service (0x181A) and Battery Service (0x180F): polled, little-endian.

Every device that keeps to the Bluetooth SIG's own service, whoever made it. The payload is that of
gateway.core.gatt_table: each characteristic the device has, as it was read.

    02 UUUU LL VV...

    U  characteristic, as in the table below    L  bytes of the value    V  the value

The formats of the characteristics stand in the table. Concentrations in kg/m3 and ppb are IEEE
11073-20601 SFLOATs (medfloat16). A marker "value is not known" is a value the sensor does not
have; 65534 of CO2 and VOC means that or more, which is out of range and marked so.

Not mapped: Barometric Pressure Trend (2AA3), which is made of what Pressure says; Apparent Wind
Direction counts from the bow of a vehicle, so it is a `direction`, and no `wind_direction`.
Source: Bluetooth GATT Specification Supplement, https://bitbucket.org/bluetooth-SIG/public/src/main/gss
"""

from gateway.core import gatt, gatt_table
from gateway.core.context import Context
from gateway.core.fields import i8, i16le, i24le, u8, u16le, u24le, u32le
from gateway.core.gatt_table import integer, medfloat16

API = 1
MODEL = "environmental-sensing"
DEVICES = ("any device with the Environmental Sensing Service",)
UNMAPPED = ("Barometric Pressure Trend",)
MATCH: dict[str, int | bytes] = {}  # nothing says which listed device is to be connected to
STRENGTH = 0
INTERVAL_S = 600

_ESS = gatt.uuid(0x181A)
_BATTERY = gatt.uuid(0x180F)

_I8 = integer(i8)
_I16 = integer(i16le)
_I24 = integer(i24le)
_U8 = integer(u8)
_U16 = integer(u16le)
_U24 = integer(u24le)
_U32 = integer(u32le)
_TEMPERATURE = integer(i16le, -0x8000)
_U16_KNOWN = integer(u16le, 0xFFFF)
_U24_KNOWN = integer(u24le, 0xFFFFFF)

_KG_PER_M3 = 10**9  # in micrograms

# Service, characteristic, length, offset, read, multiply, scale, property, channel.
TABLE = (
    (_ESS, gatt.uuid(0x2A6E), 2, 0, _TEMPERATURE, 1, 2, "air_temperature", ""),
    (_ESS, gatt.uuid(0x2A6F), 2, 0, _U16_KNOWN, 1, 2, "relative_humidity", ""),
    (_ESS, gatt.uuid(0x2A6D), 4, 0, _U32, 1, 3, "atmospheric_pressure", ""),
    (_ESS, gatt.uuid(0x2A7B), 1, 0, _I8, 1, 0, "dew_point", ""),
    (_ESS, gatt.uuid(0x2A7A), 1, 0, _I8, 1, 0, "heat_index", ""),
    (_ESS, gatt.uuid(0x2A79), 1, 0, _I8, 1, 0, "wind_chill", ""),
    (_ESS, gatt.uuid(0x2A70), 2, 0, _U16, 1, 2, "wind_speed", ""),
    (_ESS, gatt.uuid(0x2A71), 2, 0, _U16, 1, 2, "wind_direction", ""),
    (_ESS, gatt.uuid(0x2A72), 2, 0, _U16, 1, 2, "wind_speed", "apparent"),
    (_ESS, gatt.uuid(0x2A73), 2, 0, _U16, 1, 2, "direction", "apparent-wind"),
    (_ESS, gatt.uuid(0x2A74), 1, 0, _U8, 1, 1, "gust_factor", ""),
    (_ESS, gatt.uuid(0x2A78), 2, 0, _U16, 1, 0, "precipitation_total", ""),
    (_ESS, gatt.uuid(0x2A76), 1, 0, _U8, 1, 0, "uv_index", ""),
    (_ESS, gatt.uuid(0x2A77), 2, 0, _U16, 1, 1, "solar_irradiance", ""),
    (_ESS, gatt.uuid(0x2AFB), 3, 0, _U24_KNOWN, 1, 2, "illuminance", ""),
    (_ESS, gatt.uuid(0x2A75), 3, 0, _U24, 1, 0, "pollen_concentration", ""),
    (_ESS, gatt.uuid(0x2A6C), 3, 0, _I24, 1, 2, "altitude", ""),
    (_ESS, gatt.uuid(0x2A2C), 2, 0, _U16, 1, 2, "magnetic_declination", ""),
    (_ESS, gatt.uuid(0x2AA0), 4, 0, _I16, 1, 1, "magnetic_flux_density", "2d-x"),
    (_ESS, gatt.uuid(0x2AA0), 4, 2, _I16, 1, 1, "magnetic_flux_density", "2d-y"),
    (_ESS, gatt.uuid(0x2AA1), 6, 0, _I16, 1, 1, "magnetic_flux_density", "x"),
    (_ESS, gatt.uuid(0x2AA1), 6, 2, _I16, 1, 1, "magnetic_flux_density", "y"),
    (_ESS, gatt.uuid(0x2AA1), 6, 4, _I16, 1, 1, "magnetic_flux_density", "z"),
    (_ESS, gatt.uuid(0x2B8C), 2, 0, _U16_KNOWN, 1, 0, "co2", ""),
    (_ESS, gatt.uuid(0x2BE7), 2, 0, _U16_KNOWN, 1, 0, "tvoc_mole_fraction", ""),
    (_ESS, gatt.uuid(0x2BD3), 2, 0, medfloat16, _KG_PER_M3, 0, "tvoc", ""),
    (_ESS, gatt.uuid(0x2BCF), 2, 0, medfloat16, _KG_PER_M3, 0, "nh3", ""),
    (_ESS, gatt.uuid(0x2BD0), 2, 0, medfloat16, _KG_PER_M3, 0, "co_mass_concentration", ""),
    (_ESS, gatt.uuid(0x2BD1), 2, 0, medfloat16, 1, 3, "ch4_mole_fraction", ""),  # ppb
    (_ESS, gatt.uuid(0x2BD2), 2, 0, medfloat16, _KG_PER_M3, 0, "no2", ""),
    (_ESS, gatt.uuid(0x2BD4), 2, 0, medfloat16, _KG_PER_M3, 0, "o3", ""),
    (_ESS, gatt.uuid(0x2BD8), 2, 0, medfloat16, _KG_PER_M3, 0, "so2", ""),
    (_ESS, gatt.uuid(0x2BD9), 2, 0, medfloat16, _KG_PER_M3, 0, "sf6", ""),
    (_ESS, gatt.uuid(0x2BD5), 2, 0, medfloat16, _KG_PER_M3, 0, "pm1", ""),
    (_ESS, gatt.uuid(0x2BD6), 2, 0, medfloat16, _KG_PER_M3, 0, "pm2_5", ""),
    (_ESS, gatt.uuid(0x2BD7), 2, 0, medfloat16, _KG_PER_M3, 0, "pm10", ""),
    (_BATTERY, gatt.uuid(0x2A19), 1, 0, _U8, 1, 0, "battery_level", ""),
)


def poll(_context: Context) -> "gatt.Poll":
    """Read every characteristic of the table that the device has."""
    return gatt_table.poll(TABLE)


def decode(payload: bytes, _context: Context) -> list[tuple[str, int | str | None, int, str]]:
    """Return the readings of what was read."""
    return gatt_table.decode(TABLE, payload)
