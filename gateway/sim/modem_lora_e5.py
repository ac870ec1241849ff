r"""A Seeed LoRa-E5 as its serial port shows it: bytes in, bytes out, without a port and a clock.

    AT+NAME=value\r\n  ->  +NAME: value\r\n, or +NAME: ERROR(-n)\r\n
    a received packet  ->  +TEST: LEN:n, RSSI:r, SNR:s\r\n+TEST: RX "HEX"\r\n

It is not friendlier than the real one: it starts without a word, as a LoRaWAN modem, in which mode
it knows no tests; sending ends the reception; a bare line end is said to be a timeout.
Sources: Seeed, LoRa-E5 AT Command Specification; what it answered to published programs.
"""

from collections import deque
from collections.abc import Mapping
from typing import Final

from gateway.sim.sensors import LoraPacket

_INVALID, _UNKNOWN, _WRONG_FORM, _NOT_NOW, _TOO_LONG = -1, -10, -11, -12, -21
_MODES = ("LWABP", "LWOTAA", "TEST")
_FACTORY: Final[Mapping[str, int | str]] = {
    "F": 868_000_000,
    "SF": 7,
    "BW": 125,
    "TXPR": 12,
    "RXPR": 15,
    "POW": 14,
    "CRC": "ON",
    "IQ": "OFF",
    "NET": "OFF",
}
_BAUDS = (9600, 14400, 19200, 38400, 57600, 76800, 115200, 230400)
_MAX_LINE = 528
_MAX_DATA = 255
_SENT_KEPT = 100
_RFCFG_FIELDS = 9


class ModemLoraE5:
    """The model. `feed` takes what the program writes and returns what the modem answers."""

    addresses = False

    def __init__(self) -> None:
        self.spurious_errors = 0  # a line of complaint after every so many packets; 0: never
        self.baud = 9600
        self.mode = "LWOTAA"
        self.receives = False
        self.is_new = False  # newer firmware calls NET PNET
        self.settings: dict[str, int | str] = dict(_FACTORY)  # of tests, lost at a start
        self.sent: deque[bytes] = deque(maxlen=_SENT_KEPT)
        self._next_baud = 9600
        self._line = b""
        self._received = 0

    @property
    def radio(self) -> Mapping[str, int]:
        """What it is set to."""
        now = {name: value for name, value in self.settings.items() if isinstance(value, int)}
        return {
            "band_hz": now["F"],
            "spreading_factor": now["SF"],
            "bandwidth_khz": now["BW"],
            "preamble": now["RXPR"],
            "tx_power_dbm": now["POW"],
            "sync_word": 0x34 if self.settings["NET"] == "ON" else 0x12,
        }

    def boot(self) -> bytes:
        """Start, which it does not report."""
        self.mode = "LWOTAA"
        self.receives = False
        self.settings = dict(_FACTORY)
        self.baud = self._next_baud
        self._line = b""
        return b""

    def lapse(self) -> bool:
        """Stop receiving without a word."""
        self.receives = False
        return True

    def receive(self, packet: LoraPacket) -> bytes:
        """Return what a packet from the air looks like on the port; nothing while it is deaf."""
        if not self.receives or len(packet.payload) > _MAX_DATA:
            return b""
        self._received += 1
        head = f"+TEST: LEN:{len(packet.payload)}, RSSI:{packet.rssi_dbm}, SNR:{packet.snr_db}"
        line = f'{head}\r\n+TEST: RX "{packet.payload.hex().upper()}"\r\n'
        if self.spurious_errors and self._received % self.spurious_errors == 0:
            line += "+INFO: Input timeout\r\n"
        return line.encode()

    def feed(self, data: bytes) -> bytes:
        """Take bytes from the program; return the answers to the commands they complete."""
        *lines, rest = (self._line + data).split(b"\n")
        self._line = rest[-_MAX_LINE - 1 :]
        return "".join(self._command(line.strip()) for line in lines).encode()

    def _command(self, raw: bytes) -> str:
        line = raw.decode("ascii", "replace").upper()
        if not line:
            return "+INFO: Input timeout\r\n"
        if line == "AT":
            return "+AT: OK\r\n"
        if not line.startswith("AT+") or len(line) > _MAX_LINE:
            return _error("AT", _TOO_LONG if len(line) > _MAX_LINE else _UNKNOWN)
        name, equals, value = line[len("AT+") :].partition("=")
        if name == "TEST" and self.mode != "TEST":
            return _error(name, _NOT_NOW)
        if name not in ("MODE", "TEST", "UART", "RESET"):
            return _error(name, _UNKNOWN)
        return self._act(name, value if equals else "")

    def _act(self, name: str, value: str) -> str:
        if name == "RESET":
            self.boot()
            return "+RESET: OK\r\n"
        if name == "MODE":
            return self._change_mode(value)
        return self._change_baud(value) if name == "UART" else self._test(value)

    def _test(self, value: str) -> str:
        kind, _, rest = value.partition(",")
        if kind == "RFCFG":
            return self._configure(rest.split(","))
        if kind == "TXLRPKT":
            return self._send(rest.strip())
        if kind in ("RXLRPKT", "STOP"):
            self.receives = kind == "RXLRPKT"
            return f"+TEST: {kind}\r\n"
        return _error("TEST", _INVALID)

    def _change_mode(self, value: str) -> str:
        if value and value not in _MODES:
            return _error("MODE", _INVALID)
        if value:
            self.mode = value
            self.receives = False
        return f"+MODE: {self.mode}\r\n"

    def _change_baud(self, value: str) -> str:
        what, _, rate = value.partition(",")
        if what != "BR" or not rate.strip().isdecimal() or int(rate) not in _BAUDS:
            return _error("UART", _INVALID)
        self._next_baud = int(rate)
        return f"+UART: BR, {self._next_baud}\r\n"

    def _configure(self, fields: list[str]) -> str:
        """Take frequency in MHz, SF, bandwidth, preambles, power, CRC, IQ, public network."""
        if len(fields) != _RFCFG_FIELDS:
            return _error("TEST", _WRONG_FORM)
        mhz, _, decimals = fields[0].partition(".")
        spreading = fields[1].removeprefix("SF")
        numbers = (mhz, spreading, *fields[2:6])
        switches = fields[6:]
        if not all(number.isdecimal() for number in numbers) or set(switches) - {"ON", "OFF"}:
            return _error("TEST", _INVALID)
        hz = int(mhz) * 1_000_000 + int(decimals.ljust(6, "0")[:6])
        self.settings = dict(zip(_FACTORY, (hz, *map(int, numbers[1:]), *switches), strict=True))
        return self._told()

    def _told(self) -> str:
        net = "PNET" if self.is_new else "NET"
        now = self.settings
        radio = f"F:{now['F']}, SF{now['SF']}, BW{now['BW']}K, TXPR:{now['TXPR']}"
        switches = f"CRC:{now['CRC']}, IQ:{now['IQ']}, {net}:{now['NET']}"
        return f"+TEST: RFCFG {radio}, RXPR:{now['RXPR']}, POW:{now['POW']}dBm, {switches}\r\n"

    def _send(self, text: str) -> str:
        digits = text.strip('"')
        if len(text) != len(digits) + 2 or len(digits) % 2 or digits.strip("0123456789ABCDEF"):
            return _error("TEST", _INVALID)
        self.receives = False
        self.sent.append(bytes.fromhex(digits))
        return f'+TEST: TXLRPKT "{digits}"\r\n+TEST: TX DONE\r\n'


def _error(name: str, code: int) -> str:
    return f"+{name}: ERROR({code})\r\n"
