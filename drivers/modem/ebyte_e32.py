"""EBYTE E32: LoRa modems of the SX1276 and SX1278, transparent, 9600 8N1 unless set otherwise.

    PP..             P  a packet as gateway.core.ebyte frames it

It has no RSSI byte and can be configured with its pins M0 and M1 alone, so nothing is set here:
use EBYTE's program.

Source: EBYTE, E32-xxxT20D and E32-xxxT30S user manuals
"""

from gateway.core.ebyte import EbyteModem

API = 1
MODEL = "ebyte-e32"
DEVICES = ("EBYTE E32-433T20, E32-433T30", "EBYTE E32-868T20, E32-868T30, E32-915T20, E32-915T30")
BAUD = 9600
IDLE_S = 0.05  # at 9600 baud a byte takes 1 ms, USB adapters collect for up to 16
ADDRESSES = False
SETTINGS = ("framing",)  # cobs, gap


class Modem(EbyteModem):
    """One connection to an E32."""

    def __init__(self) -> None:
        super().__init__(None)
