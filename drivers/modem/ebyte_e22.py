"""EBYTE E22: LoRa modems of the SX1262 and SX1268, transparent, 9600 8N1 unless set otherwise.

    00 AAAA  address        03  REG0  baud, parity, air rate     05  channel
    02 NN    network        04  REG1  bit 5 noise, bit 4 switch  06  REG3  bit 7 RSSI byte

What is not given is left as it is. The air rate and the power are set with EBYTE's own program.

What goes over the line is described in gateway.core.ebyte.
Source: EBYTE, E22-xxxT22S and E22-xxxT30x user manuals, 2024
"""

from gateway.core.ebyte import EbyteModem, Registers

API = 1
MODEL = "ebyte-e22"
DEVICES = ("EBYTE E22-400T22, E22-400T30, E22-400T33", "EBYTE E22-900T22, E22-900T30")
BAUD = 9600
IDLE_S = 0.05  # at 9600 baud a byte takes 1 ms, USB adapters collect for up to 16
ADDRESSES = False
SETTINGS = (
    "framing",  # cobs, gap
    "rssi_byte",  # off, full, half
    "address",  # 0..65535
    "network_id",  # 0..255
    "band_hz",  # 410.125 or 850.125 MHz and whole megahertz above it
)


class Modem(EbyteModem):
    """One connection to an E22."""

    def __init__(self) -> None:
        super().__init__(
            Registers(network=2, reg1=4, channel=5, reg3=6), (410_125_000, 850_125_000)
        )
