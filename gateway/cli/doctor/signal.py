"""How well a sensor is heard: good, weak or bad, by the level and the noise of its last frame.

Weak is heard and has no reserve; bad is about to be lost. Where no radio told a level, nothing is
said.
"""

from enum import StrEnum
from typing import Final

# A Raspberry Pi's own adapter hears down to about -90 dBm (docs/how-to/sensor-not-heard.md).
_BLE_GOOD_DBM: Final = -80
_BLE_WEAK_DBM: Final = -90

# What a LoRa receiver needs, by spreading factor: signal to noise in dB, and the level in dBm at
# 125 kHz (Semtech SX1276 datasheet, "LoRa modem: range of spreading factors", "Sensitivity").
_LORA: Final = {
    6: (-5.0, -118.0),
    7: (-7.5, -123.0),
    8: (-10.0, -126.0),
    9: (-12.5, -129.0),
    10: (-15.0, -132.0),
    11: (-17.5, -133.0),
    12: (-20.0, -136.0),
}
_CAUTIOUS: Final = 7  # where the modem does not tell: the one that needs most
# Reserve over what is needed, in dB: rain, leaves, a parked van take that much.
_GOOD_DB: Final = 10.0
_WEAK_DB: Final = 3.0


class Signal(StrEnum):
    """The verdict."""

    GOOD = "good"
    WEAK = "weak"
    BAD = "bad"
    UNKNOWN = "unknown"


def of_ble(rssi_dbm: int | None) -> Signal:
    """Judge an advertisement."""
    if rssi_dbm is None:
        return Signal.UNKNOWN
    if rssi_dbm >= _BLE_GOOD_DBM:
        return Signal.GOOD
    return Signal.WEAK if rssi_dbm >= _BLE_WEAK_DBM else Signal.BAD


def of_lora(rssi_dbm: int | None, snr_db: float | None, spreading_factor: int | None) -> Signal:
    """Judge a packet by the smaller of its reserves."""
    needed_db, needed_dbm = _LORA.get(spreading_factor or _CAUTIOUS, _LORA[_CAUTIOUS])
    reserves_db = [
        has - needs
        for has, needs in ((snr_db, needed_db), (rssi_dbm, needed_dbm))
        if has is not None
    ]
    if not reserves_db:
        return Signal.UNKNOWN
    reserve_db = min(reserves_db)
    if reserve_db >= _GOOD_DB:
        return Signal.GOOD
    return Signal.WEAK if reserve_db >= _WEAK_DB else Signal.BAD
