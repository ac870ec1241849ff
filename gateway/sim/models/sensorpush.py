"""SensorPush HTP.xw and HT1: manufacturer data that begins where the company id belongs.

From the parser and the recorded frames of https://github.com/Bluetooth-Devices/sensorpush-ble. The
HTP.xw puts its values into one number of mixed radix, the HT1 sends the raw values of a Sensirion
SHT2x (its data sheet, 6), both with the lowest byte first.
"""

from typing import Final

from gateway.sim.models.model import Model, Quantity, Readings, Sender

_SERVICE: Final = 0xEF09000011D642BA93B89DD7EC090AB0
_SERVICE_HT1: Final = 0xEF09000011D642BA93B89DD7EC090AA9
_HTP_XW: Final = b"\x00"  # type 0, page 0
_TEMPERATURES: Final = 72_001
_HUMIDITIES: Final = 40_001
_TYPE_HT1: Final = 1 << 26
_SHT2X_T: Final = 175.72 / (1 << 14)
_SHT2X_T_ABOVE: Final = -46.85
_SHT2X_RH: Final = 125 / (1 << 12)
_SHT2X_RH_ABOVE: Final = -6
_T_BIT: Final = 12


def _htp_xw(_: Sender, readings: Readings) -> bytes:
    number = readings.raw("atmospheric_pressure", 0.01, above=300)
    number = number * _HUMIDITIES + readings.raw("relative_humidity", 0.0025)
    number = number * _TEMPERATURES + readings.raw("air_temperature", 0.0025, above=-40)
    return _HTP_XW + number.to_bytes(6, "little")


def _ht1(_: Sender, readings: Readings) -> bytes:
    temperature = readings.raw("air_temperature", _SHT2X_T, above=_SHT2X_T_ABOVE)
    humidity = readings.raw("relative_humidity", _SHT2X_RH, above=_SHT2X_RH_ABOVE)
    return (_TYPE_HT1 | temperature << _T_BIT | humidity).to_bytes(4, "little")


MODELS: Final = {
    "sensorpush": Model(
        title="A SensorPush HTP.xw: temperature, humidity and pressure.",
        driver="sensorpush",
        medium="manufacturer",
        sends=(
            Quantity(name="air_temperature", step=0.0025, above=-40, low=-40, high=60),
            Quantity(name="relative_humidity", step=0.0025, low=0, high=100),
            Quantity(name="atmospheric_pressure", step=0.01, above=300, low=800, high=1100),
        ),
        encode=_htp_xw,
        serial="air_temperature",
        local_name="SensorPush HTP.xw {tail}",
        listed=(_SERVICE,),
    ),
    "sensorpush-ht1": Model(
        title="A SensorPush HT1: temperature and humidity.",
        driver="sensorpush-ht1",
        medium="manufacturer",
        sends=(
            Quantity(
                name="air_temperature", step=_SHT2X_T, above=_SHT2X_T_ABOVE, low=-40, high=60
            ),
            Quantity(
                name="relative_humidity", step=_SHT2X_RH, above=_SHT2X_RH_ABOVE, low=0, high=99
            ),
        ),
        encode=_ht1,
        serial="air_temperature",
        listed=(_SERVICE_HT1,),
    ),
}
