r"""REYAX RYLR998 and RYLR498: serial LoRa modems, 115200 8N1, lines ending in CR LF.

A packet that was received, whenever it comes, also between a command and its reply:

    +RCV=AAAAA,LLL,DDDD...,-RRR,-SS\r\n

    A  address of the sender, 0..65535, decimal      R  RSSI in dBm
    L  number of data bytes, 0..240, decimal         S  SNR in dB
    D  the data: any bytes, CR, LF, commas and "+RCV=" included; only L says where they end

A reply is `+OK`, `+NAME=value` to a query, or `+ERR=n`. By itself the modem says `+READY` after a
start, `+ERR=12` and `+ERR=19` after a packet it could not read. gateway.core.reyax reads it.

Source: REYAX, LoRa AT Command Guide RYLR998/RYLR498, 23 October 2023.
"""

from gateway.core.reyax import Reyax, password, plain, radio

API = 1
MODEL = "reyax-rylr998"
DEVICES = ("REYAX RYLR998", "REYAX RYLR498")
BAUD = 115200
BAUDS = (115200, 9600, 57600, 38400)
SETTINGS = (
    "address",  # 0..65535, of this modem
    "network_id",  # 3..15, or 18
    "band_hz",  # centre frequency
    "spreading_factor",  # 5..9 at 125 kHz, ..10 at 250 kHz, ..11 at 500 kHz
    "bandwidth_khz",  # 125, 250, 500
    "coding_rate",  # 1..4 for 4/5..4/8
    "preamble",  # 4..24; in every network but 18 only 12
    "tx_power_dbm",  # 0..22
    "password",  # of the network: 8 hexadecimal digits; the modem forgets it when it restarts
)

_PLAIN = (  # setting, command, lowest, highest
    ("address", "ADDRESS", 0, 65535),
    ("network_id", "NETWORKID", 3, 18),
    ("band_hz", "BAND", 410_000_000, 960_000_000),
    ("tx_power_dbm", "CRFOP", 0, 22),
)
_RADIO = (  # setting, factory value, lowest, highest: AT+PARAMETER sets all four at once
    ("spreading_factor", 9, 5, 11),
    ("bandwidth_khz", 125, 125, 500),
    ("coding_rate", 1, 1, 4),
    ("preamble", 12, 4, 24),
)
_BANDWIDTHS = {125: 7, 250: 8, 500: 9}  # kHz: code; the highest spreading factor is two more


class Modem(Reyax):
    """One connection; see `Reyax`."""

    def setup(self, settings: dict[str, int | str]) -> list[tuple[bytes, str]]:
        """Return the commands, each with the reply to expect, that make the modem what is wanted.

        What is not given is not touched, but the radio parameters go together: given one of them,
        the others get their factory values. Raise ValueError, naming the setting, for a value the
        modem would not take.
        """
        wanted = plain(settings, _PLAIN)
        if settings.get("network_id") in (16, 17):
            message = "network_id: 3 to 15, or 18"
            raise ValueError(message)
        parameters = radio(settings, _RADIO)
        if parameters:
            wanted.append(("PARAMETER", _parameter(parameters, settings.get("network_id", 18))))
        return self.commands(wanted, password(settings, 8))


def _parameter(values: list[int], network: int | str) -> str:
    """Return the value of AT+PARAMETER."""
    spreading, bandwidth, coding, preamble = values
    code = _BANDWIDTHS.get(bandwidth, 0)
    if not code:
        message = "bandwidth_khz: 125, 250 or 500"
    elif spreading > code + 2:
        message = f"spreading_factor: at most {code + 2} at {bandwidth} kHz"
    elif preamble != 12 and network != 18:
        message = "preamble: 12 in every network but 18"
    else:
        return f"{spreading},{code},{coding},{preamble}"
    raise ValueError(message)
