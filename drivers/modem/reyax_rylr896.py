r"""REYAX RYLR896 and RYLR406: serial LoRa modems, 115200 8N1, lines ending in CR LF.

A packet that was received, whenever it comes:

    +RCV=AAAAA,LLL,DDDD...,-RRR,-SS\r\n

    A  address of the sender, 0..65535, decimal      R  RSSI in dBm
    L  number of data bytes, 0..240, decimal         S  SNR in dB
    D  the data: any bytes, CR, LF, commas and "+RCV=" included; only L says where they end

A reply is `+OK`, `+NAME=value` to a query, or `+ERR=n`. By itself the modem says `+READY` after a
start, `+ERR=11` and `+ERR=12` after a packet it could not read. gateway.core.reyax reads it.

Source: REYAX, LoRa AT Command Guide RYLR896/RYLR406, 28 July 2022.
"""

from gateway.core.reyax import Reyax, password, plain, radio

API = 1
MODEL = "reyax-rylr896"
DEVICES = ("REYAX RYLR896", "REYAX RYLR406")
BAUD = 115200
BAUDS = (115200, 9600, 57600, 38400, 19200)
SETTINGS = (
    "address",  # 0..65535, of this modem
    "network_id",  # 0..16; 0 is public
    "band_hz",  # centre frequency
    "spreading_factor",  # 7..12
    "bandwidth_khz",  # 125, 250, 500
    "coding_rate",  # 1..4 for 4/5..4/8
    "preamble",  # 4..7
    "tx_power_dbm",  # 0..15
    "password",  # of the network: 32 hexadecimal digits; the modem forgets it when it restarts
)

_PLAIN = (  # setting, command, lowest, highest
    ("address", "ADDRESS", 0, 65535),
    ("network_id", "NETWORKID", 0, 16),
    ("band_hz", "BAND", 410_000_000, 1_020_000_000),
    ("tx_power_dbm", "CRFOP", 0, 15),
)
_RADIO = (  # setting, factory value, lowest, highest: AT+PARAMETER sets all four at once
    ("spreading_factor", 12, 7, 12),
    ("bandwidth_khz", 125, 125, 500),
    ("coding_rate", 1, 1, 4),
    ("preamble", 4, 4, 7),
)
_BANDWIDTHS = {125: 7, 250: 8, 500: 9}  # kHz: code


class Modem(Reyax):
    """One connection; see `Reyax`."""

    def setup(self, settings: dict[str, int | str]) -> list[tuple[bytes, str]]:
        """Return the commands, each with the reply to expect, that make the modem what is wanted.

        What is not given is not touched, but the radio parameters go together: given one of them,
        the others get their factory values. Raise ValueError, naming the setting, for a value the
        modem would not take.
        """
        wanted = plain(settings, _PLAIN)
        parameters = radio(settings, _RADIO)
        if parameters:
            spreading, bandwidth, coding, preamble = parameters
            if bandwidth not in _BANDWIDTHS:
                message = "bandwidth_khz: 125, 250 or 500"
                raise ValueError(message)
            value = f"{spreading},{_BANDWIDTHS[bandwidth]},{coding},{preamble}"
            wanted.append(("PARAMETER", value))
        return self.commands(wanted, password(settings, 32))
