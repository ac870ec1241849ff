r"""A RAK3172 with RUI3 firmware as its serial port shows it: bytes in, bytes out.

    AT+NAME=value\r\n  ->  \r\nOK\r\n, or an error
    AT+NAME=?\r\n      ->  AT+NAME=value\r\n\r\nOK\r\n
    a received packet  ->  +EVT:RXP2P:RSSI:SNR:HEX\r\n

It is not friendlier than the real one: it comes as a LoRaWAN modem, and what belongs to point to
point is then refused; setting the mode restarts it, with an OK that no line end follows; while it
receives it takes no settings, and no second order to receive; three orders are for ever, until a
packet, and until a packet or the time is over. `is_old` makes it speak as firmware 1.0.4 did.
Sources: RAKwireless, RUI3 AT Command Manual; RAK-STM32-RUI, service_lora_p2p.c and atcmd_p2p.c.
"""

from collections import deque
from collections.abc import Mapping

from gateway.sim.sensors import LoraPacket

_OK, _ERROR, _PARAM, _BUSY = "OK", "AT_ERROR", "AT_PARAM_ERROR", "AT_BUSY_ERROR"
_NO_COMMAND, _NO_SUPPORT = "AT_COMMAND_NOT_FOUND", "AT_MODE_NO_SUPPORT"
_FOREVER, _FOREVER_AND_SEND, _ONE_PACKET, _STOP = 65534, 65533, 65535, 0
_MAX_LINE = 600
_MAX_DATA = 255
_SENT_KEPT = 100
_FACTORY = {
    "PFREQ": 868_000_000,
    "PSF": 7,
    "PBW": 0,
    "PCR": 0,
    "PPL": 8,
    "PTP": 14,
}
_RANGES = {
    "PFREQ": (150_000_000, 960_000_000),
    "PSF": (5, 12),
    "PBW": (0, 9),
    "PCR": (0, 3),
    "PPL": (5, 65535),
    "PTP": (5, 22),
}
_BANDWIDTHS = {125: 0, 250: 1, 500: 2}  # kHz: index


class ModemRakRui3:
    """The model. `feed` takes what the program writes and returns what the modem answers."""

    addresses = False

    def __init__(self) -> None:
        self.spurious_errors = 0  # a damaged packet reported after every so many; 0: never
        self.baud = 115200
        self.is_old = False
        self.mode = 1  # 0: point to point, 1: LoRaWAN
        self.settings = dict(_FACTORY)
        self.sync_word = "3444"
        self.receives = _STOP  # the order it is under
        self.starts = 0
        self.sent: deque[bytes] = deque(maxlen=_SENT_KEPT)
        self._line = b""
        self._received = 0

    @property
    def radio(self) -> Mapping[str, int]:
        """What it is set to."""
        now = self.settings
        khz = {index: khz for khz, index in _BANDWIDTHS.items()}
        return {
            "band_hz": now["PFREQ"],
            "spreading_factor": now["PSF"],
            "bandwidth_khz": khz.get(now["PBW"], 0),
            "coding_rate": now["PCR"] + 1,
            "preamble": now["PPL"],
            "tx_power_dbm": now["PTP"],
            "sync_word": int(self.sync_word[0] + self.sync_word[2], 16),
        }

    def boot(self) -> bytes:
        """Return what it says after a start: the settings are kept, it does not receive."""
        self.starts += 1
        self.receives = _STOP
        self._line = b""
        mode = "LoRa P2P" if self.mode == 0 else "LoRaWAN"
        rule = b"=" * 40 + b"\r\n"
        return b"RAKwireless RAK3172-E\r\n" + rule + f"Current Work Mode: {mode}.\r\n".encode()

    def lapse(self) -> bool:
        """Stop receiving without a word."""
        self.receives = _STOP
        return True

    def receive(self, packet: LoraPacket) -> bytes:
        """Return what a packet from the air looks like on the port; nothing while it is deaf."""
        if self.mode or not self.receives or len(packet.payload) > _MAX_DATA:
            return b""
        if self.receives not in (_FOREVER, _FOREVER_AND_SEND):
            self.receives = _STOP
        self._received += 1
        data, signal = packet.payload.hex().upper(), (packet.rssi_dbm, packet.snr_db)
        if self.is_old:
            line = "+EVT:RXP2P, RSSI {}, SNR {}\r\n".format(*signal) + f"+EVT:{data}\r\n"
        else:
            line = "+EVT:RXP2P:{}:{}:".format(*signal) + data + "\r\n"
        if self.spurious_errors and self._received % self.spurious_errors == 0:
            line += "+EVT:RXP2P RECEIVE ERROR\r\n"
        return line.encode()

    def feed(self, data: bytes) -> bytes:
        """Take bytes from the program; return the answers to the commands they complete."""
        *lines, rest = (self._line + data).replace(b"\r", b"\n").split(b"\n")
        self._line = rest[-_MAX_LINE:]
        answers = [self._command(line.decode("ascii", "replace")) for line in lines if line]
        return b"".join(answers)

    def _command(self, line: str) -> bytes:
        if line in ("AT", "AT+NWM=?"):
            value = f"AT+NWM={self.mode}\r\n" if line != "AT" else ""
            return (value + _status(_OK)).encode()
        name, equals, value = line.removeprefix("AT+").partition("=")
        if not line.startswith("AT+") or not equals:
            return _status(_NO_COMMAND if line.startswith("AT") else _ERROR).encode()
        if name == "NWM":
            return self._change_mode(value)
        return self._of_the_radio(name, value).encode()

    def _change_mode(self, value: str) -> bytes:
        if value not in ("0", "1"):
            return _status(_PARAM).encode()
        self.mode = int(value)
        return b"OK" + self.boot()

    def _of_the_radio(self, name: str, value: str) -> str:
        if self.mode:
            return _status(_NO_SUPPORT)
        if value == "?":
            return self._query(name)
        if name == "PRECV":
            return self._receive(value)
        return self._send(value) if name == "PSEND" else _status(self._set(name, value))

    def _query(self, name: str) -> str:
        known = {**self.settings, "SYNCWORD": self.sync_word, "VER": "RUI_4.0.6_RAK3172-E"}
        return f"AT+{name}={known[name]}\r\n" + _status(_OK) if name in known else _status(_PARAM)

    def _set(self, name: str, value: str) -> str:
        if self.receives:
            return _BUSY
        if name == "SYNCWORD":
            if len(value) != len(self.sync_word) or value.strip("0123456789ABCDEFabcdef"):
                return _PARAM
            self.sync_word = value.upper()
            return _OK
        if name not in _RANGES:
            return _NO_COMMAND
        number = int(value) if value.isdecimal() else -1
        number = _BANDWIDTHS.get(number, number) if name == "PBW" else number
        lowest, highest = _RANGES[name]
        if not lowest <= number <= highest:
            return _PARAM
        self.settings[name] = number
        return _OK

    def _receive(self, value: str) -> str:
        if not value.isdecimal() or int(value) > _ONE_PACKET:
            return _status(_PARAM)
        if int(value) and self.receives in (_FOREVER, _FOREVER_AND_SEND, _ONE_PACKET):
            return "P2P_RX_ON already\r\n" + _status(_BUSY)
        self.receives = int(value)
        return _status(_OK)

    def _send(self, value: str) -> str:
        if self.receives not in (_STOP, _FOREVER_AND_SEND):
            return _status(_BUSY)
        if not value or len(value) % 2 or value.strip("0123456789ABCDEFabcdef"):
            return _status(_PARAM)
        self.sent.append(bytes.fromhex(value))
        return _status(_OK) + "+EVT:TXP2P DONE\r\n"


def _status(status: str) -> str:
    return f"\r\n{status}\r\n"
