r"""A REYAX RYLR998 as its serial port shows it: bytes in, bytes out, without a port and a clock.

    AT+NAME=value\r\n  ->  +OK, or +ERR=n        AT+NAME?\r\n  ->  +NAME=value
    a received packet  ->  +RCV=address,length,data,RSSI,SNR\r\n

It is not friendlier than the real one: an answer can come between packets, a NUL ends the data
early, and `spurious_errors` makes it say +ERR=2 without cause, as was seen in the field.
Source: REYAX, LoRa AT Command Guide RYLR998/RYLR498, 23 October 2023. The codes of refused values
are assumed: the guide does not say.
"""

from collections import deque
from collections.abc import Callable

from gateway.sim.sensors import LoraPacket

_NO_CRLF, _NO_AT, _UNKNOWN, _BAD_LENGTH, _TOO_LONG, _REFUSED = 1, 2, 4, 5, 13, 15
_MAX_DATA = 240
_MAX_LINE = 512  # more than the longest command
_SENT_KEPT = 100
_FACTORY = {
    "ADDRESS": "0",
    "NETWORKID": "18",
    "BAND": "915000000",
    "PARAMETER": "9,7,1,12",
    "CRFOP": "22",
    "IPR": "115200",
    "MODE": "0",
}
_IDENTITY = {"VER": "RYLR998_REYAX_V1.2.2", "UID": "164738323135383200100025"}
_RANGES = {"ADDRESS": (0, 65535), "BAND": (410_000_000, 960_000_000), "CRFOP": (0, 22)}
_PARAMETER_RANGES = ((5, 11), (7, 9), (1, 4), (4, 24))
_NETWORKS = (*range(3, 16), 18)
_SPEEDS = (300, 1200, 4800, 9600, 28800, 38400, 57600, 115200)
_MODES = (0, 1)
_PASSWORD_DIGITS = 8


class ModemRylr998:
    """The model. `feed` takes what the program writes and returns what the modem answers."""

    addresses = True

    def __init__(self) -> None:
        self.spurious_errors = 0  # +ERR=2 after every so many packets; 0: never
        self._line = b""
        self._received = 0
        self.settings = dict(_FACTORY)
        self.password = ""  # forgotten at every start
        self.sent: deque[tuple[int, bytes]] = deque(maxlen=_SENT_KEPT)  # address, data

    def boot(self) -> bytes:
        """Return what it says after a start: the settings are kept, the password is not."""
        self.password = ""
        self._line = b""
        return b"+READY\r\n"

    @property
    def baud(self) -> int:
        """At which it listens."""
        return int(self.settings["IPR"])

    def receive(self, packet: LoraPacket) -> bytes:
        """Return what a packet from the air looks like on the port; nothing while it sleeps.

        The length is the packet's, the data ends before its first NUL: so the real one does it.
        """
        payload = packet.payload
        if self.settings["MODE"] != "0" or len(payload) > _MAX_DATA:
            return b""
        data = payload.split(b"\0")[0]
        self._received += 1
        head = b"+RCV=%d,%d," % (packet.address, len(payload))
        line = head + data + b",%d,%d\r\n" % (packet.rssi_dbm, packet.snr_db)
        if self.spurious_errors and self._received % self.spurious_errors == 0:
            line += _error(_NO_AT)
        return line

    def feed(self, data: bytes) -> bytes:
        """Take bytes from the program; return the answers to the commands they complete."""
        *lines, rest = (self._line + data).split(b"\n")
        self._line = rest[-_MAX_LINE:]  # whatever began earlier was no command
        return b"".join(self._command(line) for line in lines)

    def _command(self, line: bytes) -> bytes:
        if not line.endswith(b"\r"):
            return _error(_NO_CRLF)
        line = line[:-1]
        if not line.startswith(b"AT"):
            return _error(_NO_AT)
        if line == b"AT":
            return b"+OK\r\n"
        if line.startswith(b"AT+SEND="):
            return self._send(line[len(b"AT+SEND=") :])
        text = line.decode("ascii", errors="replace")
        if text.endswith("?"):
            return self._query(text[len("AT+") : -1])
        name, equals, value = text[len("AT+") :].partition("=")
        return self._set(name, value) if equals else self._act(name)

    def _query(self, name: str) -> bytes:
        known = {**_IDENTITY, **self.settings}
        if self.password:
            known["CPIN"] = self.password
        return f"+{name}={known[name]}\r\n".encode() if name in known else _error(_UNKNOWN)

    def _act(self, name: str) -> bytes:
        if name == "RESET":
            return b"+RESET\r\n" + self.boot()
        if name == "FACTORY":
            self.settings = dict(_FACTORY)
            return b"+FACTORY\r\n"
        return _error(_UNKNOWN)

    def _set(self, name: str, value: str) -> bytes:
        if name == "CPIN":
            return self._set_password(value)
        if name not in _CHECKS:
            return _error(_UNKNOWN)
        value = value.removesuffix(",M")  # keep in flash: all is kept here
        if not _CHECKS[name](value):
            return _error(_REFUSED)
        self.settings[name] = value
        return f"+IPR={value}\r\n".encode() if name == "IPR" else b"+OK\r\n"

    def _set_password(self, value: str) -> bytes:
        if len(value) != _PASSWORD_DIGITS or value.strip("0123456789ABCDEFabcdef"):
            return _error(_REFUSED)
        self.password = value.upper()
        return b"+OK\r\n"

    def _send(self, arguments: bytes) -> bytes:
        to, _, rest = arguments.partition(b",")
        length, comma, data = rest.partition(b",")
        if not comma or not _within(to.decode("ascii", "replace"), *_RANGES["ADDRESS"]):
            return _error(_REFUSED)
        if not length.isdigit() or int(length) != len(data.split(b"\0")[0]):
            return _error(_BAD_LENGTH)
        if len(data) > _MAX_DATA:
            return _error(_TOO_LONG)
        self.sent.append((int(to), data))
        return b"+OK\r\n"


def _error(code: int) -> bytes:
    return b"+ERR=%d\r\n" % code


def _within(text: str, lowest: int, highest: int) -> bool:
    return text.isdecimal() and lowest <= int(text) <= highest


def _range(name: str) -> Callable[[str], bool]:
    lowest, highest = _RANGES[name]
    return lambda value: _within(value, lowest, highest)


def _one_of(values: tuple[int, ...]) -> Callable[[str], bool]:
    return lambda value: value.isdecimal() and int(value) in values


def _is_parameter(value: str) -> bool:
    fields = value.split(",")
    return len(fields) == len(_PARAMETER_RANGES) and all(
        _within(field, *limits) for field, limits in zip(fields, _PARAMETER_RANGES, strict=True)
    )


_CHECKS: dict[str, Callable[[str], bool]] = {
    "ADDRESS": _range("ADDRESS"),
    "BAND": _range("BAND"),
    "CRFOP": _range("CRFOP"),
    "NETWORKID": _one_of(_NETWORKS),
    "IPR": _one_of(_SPEEDS),
    "MODE": _one_of(_MODES),
    "PARAMETER": _is_parameter,
}
