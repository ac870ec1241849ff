"""EBYTE E220: LoRa modems of the LLCC68, transparent, 9600 8N1 unless set otherwise.

    PP.. [RR]        P  a packet as gateway.core.ebyte frames it; R  its RSSI, with REG3 bit 7

It can be configured with its pins M0 and M1 alone, so nothing is set here: use EBYTE's program.
Source: EBYTE, E220-xxxT22S and E220-xxxT30S user manuals
"""

from gateway.core.ebyte import EbyteModem

API = 1
MODEL = "ebyte-e220"
DEVICES = ("EBYTE E220-400T22, E220-400T30, E220-400T33", "EBYTE E220-900T22, E220-900T30")
BAUD = 9600
IDLE_S = 0.05  # at 9600 baud a byte takes 1 ms, USB adapters collect for up to 16
ADDRESSES = False
SETTINGS = (
    "framing",  # cobs, gap
    "rssi_byte",  # off, full, half
)


class Modem(EbyteModem):
    """One connection to an E220."""

    def __init__(self) -> None:
        super().__init__(None)
