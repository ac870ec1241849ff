r"""A Dragino LA66 with its peer-to-peer firmware as its serial port shows it: bytes in, bytes out.

    AT+NAME=value\r\n  ->  \r\nOK\r\n, or an error
    AT+NAME=?\r\n      ->  value\r\n\r\nOK\r\n
    a received packet  ->  \r\nrxDone\r\nData: (HEX:) 54 52 ...\r\nRssi= -21\r\n

It is not friendlier than the real one: it comes set to acknowledge every packet by radio; settings
take effect when it is restarted; full stops are skipped, so a frequency wants three decimals; an
answer to a query does not repeat what was asked. `says_rssi` False: a version without that line.
Sources: Dragino, Instruction for LA66 Peer to Peer firmware; its command.c and lora_app.c.
"""

from collections import deque
from collections.abc import Mapping

from gateway.sim.sensors import LoraPacket

_MAX_LINE = 502
_MAX_DATA = 255
_SENT_KEPT = 100
_FACTORY = {
    "FRE": "868.700,868.700",
    "GROUPMOD": "0,0",
    "BW": "0,0",
    "SF": "12,12",
    "POWER": "14",
    "CRC": "1,1",
    "CR": "1,1",
    "IQ": "0,0",
    "PREAMBLE": "8,8",
    "SYNCWORD": "0",
    "RXMOD": "65535,2",
    "RXDAFORM": "0",
}
_RANGES = {  # of each of its values
    "GROUPMOD": (0, 255),
    "BW": (0, 9),
    "SF": (5, 12),
    "POWER": (0, 22),
    "CRC": (0, 1),
    "CR": (1, 4),
    "IQ": (0, 1),
    "PREAMBLE": (0, 65535),
    "SYNCWORD": (0, 1),
    "RXDAFORM": (0, 1),
}
_BY_RESTART = ("BW", "SYNCWORD", "RXMOD")  # it says so itself
_LOWEST_KHZ = 100_000
_BANDWIDTHS_KHZ = (125, 250, 500)


class ModemLa66:
    """The model. `feed` takes what the program writes and returns what the modem answers."""

    addresses = False

    def __init__(self) -> None:
        self.spurious_errors = 0  # a damaged packet reported after every so many; 0: never
        self.baud = 9600
        self.says_rssi = True
        self.settings = dict(_FACTORY)  # in flash
        self.active = dict(_FACTORY)  # since the start
        self.starts = 0
        self.sent: deque[bytes] = deque(maxlen=_SENT_KEPT)
        self._line = b""
        self._received = 0

    @property
    def radio(self) -> Mapping[str, int]:
        """What it receives with."""
        now = {name: value.split(",")[-1] for name, value in self.active.items()}
        return {
            "band_hz": int(now["FRE"].replace(".", "")) * 1000,
            "spreading_factor": int(now["SF"]),
            "bandwidth_khz": _BANDWIDTHS_KHZ[int(now["BW"])],
            "coding_rate": int(now["CR"]),
            "preamble": int(now["PREAMBLE"]),
            "tx_power_dbm": int(now["POWER"]),
            "sync_word": 0x34 if now["SYNCWORD"] == "1" else 0x12,
        }

    def boot(self) -> bytes:
        """Return what it says after a start: the settings are kept, and now in effect."""
        self.starts += 1
        self.active = dict(self.settings)
        self._line = b""
        sync = "0x3444 for Public" if self.active["SYNCWORD"] == "1" else "0x1424 for Private"
        frequencies = self.active["FRE"].replace(",", " MHZ , ")
        lines = (
            "",
            "LA66 P2P Firmware v1.2.4",
            f"Syncword: {sync} Network",
            f"Frequency: {frequencies} MHZ",
            "**************************",
            f"RX on freq {self.active['FRE'][-7:]} Hz at SF {self.radio['spreading_factor']}",
            "",
        )
        return "\r\n".join(lines).encode()

    def lapse(self) -> bool:
        """Never stop: nobody could order it to go on."""
        return False

    def receive(self, packet: LoraPacket) -> bytes:
        """Return what a packet from the air looks like on the port; nothing while it is deaf."""
        timeout, acknowledges = self.active["RXMOD"].split(",")
        if timeout == "0" or len(packet.payload) > _MAX_DATA:
            return b""
        self._received += 1
        if acknowledges != "0":
            self.sent.append(packet.payload)
        if self.settings["RXDAFORM"] == "0":
            line = "Data: (HEX:) " + packet.payload.hex(" ") + " \r\n"
        else:
            line = "Data: (String: ) " + packet.payload.decode("latin-1") + "\r\n"
        line = "\r\nrxDone\r\n" + line + "\r\n"
        if self.says_rssi:
            line += f"Rssi= {packet.rssi_dbm}\r\n"
        if self.spurious_errors and self._received % self.spurious_errors == 0:
            line += "rxError\n\r"
        return line.encode("latin-1")

    def feed(self, data: bytes) -> bytes:
        """Take bytes from the program; return the answers to the commands they complete."""
        *lines, rest = (self._line + data).replace(b"\r", b"\n").split(b"\n")
        self._line = rest[-_MAX_LINE:]
        return b"".join(self._command(line.decode("ascii", "ignore")) for line in lines if line)

    def _command(self, line: str) -> bytes:
        line = line.replace(".", "")
        if line == "AT":
            return b"\r\nOK\r\n"
        if line == "ATZ":
            return self.boot()
        name, equals, value = line.removeprefix("AT+").partition("=")
        known = line.startswith("AT+") and equals and name in (*self.settings, "SEND")
        if not known or (name, value) == ("SEND", "?"):
            return b"\r\nAT_ERROR\r\n"
        if value == "?":
            return f"{self.settings[name]}\r\n\r\nOK\r\n".encode()
        return self._send(value) if name == "SEND" else self._set(name, value)

    def _set(self, name: str, value: str) -> bytes:
        taken = self._taken(name, value.split(","))
        if not taken:
            return b"Error Parameter\r\n\r\nAT_PARAM_ERROR\r\n"
        self.settings[name] = taken
        if name in _BY_RESTART:
            return b"Attention:Take effect after ATZ\r\n\r\nOK\r\n"
        if name != "RXDAFORM":
            return b"\r\nOK\r\n"
        self.active[name] = taken
        return b"\r\nOK\r\n"

    def _taken(self, name: str, values: list[str]) -> str:
        """Return how it keeps a value, nothing when it refuses it."""
        if len(values) != len(self.settings[name].split(",")):
            return ""
        if not all(value.isdecimal() for value in values):
            return ""
        if name == "FRE":
            ok = all(int(value) > _LOWEST_KHZ for value in values)
            return ",".join(f"{value[:-3]}.{value[-3:]}" for value in values) if ok else ""
        if name == "RXMOD":
            highest = (65535, 2)
            ok = all(int(v) <= most for v, most in zip(values, highest, strict=True))
        else:
            lowest, most = _RANGES[name]
            ok = all(lowest <= int(value) <= most for value in values)
        return ",".join(values) if ok else ""

    def _send(self, value: str) -> bytes:
        fields = value.split(",")
        digits = fields[1] if len(fields) == 4 and fields[0] == "0" else "-"  # noqa: PLR2004 - form, data, acknowledge, retries
        if not digits or len(digits) % 2 or digits.strip("0123456789ABCDEFabcdef"):
            return b"Error Parameter\r\n\r\nAT_PARAM_ERROR\r\n"
        self.sent.append(bytes.fromhex(digits))
        return b"\r\nOK\r\ntxDone\r\n"
