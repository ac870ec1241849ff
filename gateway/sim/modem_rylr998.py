r"""A REYAX RYLR998 or RYLR896 as its serial port shows it: bytes in, bytes out, no port, no clock.

    AT+NAME=value\r\n  ->  +OK, or +ERR=n        AT+NAME?\r\n  ->  +NAME=value
    a received packet  ->  +RCV=address,length,data,RSSI,SNR\r\n

It is not friendlier than the real one: an answer can come between packets, a NUL ends the data
early, and `spurious_errors` makes it say +ERR=2 without cause, as was seen in the field.
Sources: REYAX, LoRa AT Command Guide RYLR998/RYLR498, 23 October 2023; RYLR896/RYLR406, 28 July
2022. The codes of refused values are assumed: the guides do not say.
"""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from gateway.sim.sensors import LoraPacket

_NO_CRLF, _NO_AT, _UNKNOWN, _BAD_LENGTH, _TOO_LONG, _REFUSED = 1, 2, 4, 5, 13, 15
_MAX_DATA = 240
_MAX_LINE = 512  # more than the longest command
_SENT_KEPT = 100
_UID = "164738323135383200100025"
_ADDRESSES = (0, 65535)
_SPEEDS = (300, 1200, 4800, 9600, 19200, 28800, 38400, 57600, 115200)
_MODES = (0, 1)
_ASLEEP = "1"
_BANDWIDTHS_KHZ = {7: 125, 8: 250, 9: 500}


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """What one product takes and comes with."""

    version: str
    networks: tuple[int, ...]
    usual_network: int
    parameter: str
    parameter_ranges: tuple[tuple[int, int], ...]
    bands_hz: tuple[int, int]
    most_dbm: int
    password_digits: int


RYLR998: Final = Kind(
    version="RYLR998_REYAX_V1.2.2",
    networks=(*range(3, 16), 18),
    usual_network=18,
    parameter="9,7,1,12",
    parameter_ranges=((5, 11), (7, 9), (1, 4), (4, 24)),
    bands_hz=(410_000_000, 960_000_000),
    most_dbm=22,
    password_digits=8,
)
RYLR896: Final = Kind(
    version="RYLR89C_V1.2.7",
    networks=tuple(range(17)),
    usual_network=0,
    parameter="12,7,1,4",
    parameter_ranges=((7, 12), (0, 9), (1, 4), (4, 7)),
    bands_hz=(410_000_000, 1_020_000_000),
    most_dbm=15,
    password_digits=32,
)


class ModemRylr998:
    """The model. `feed` takes what the program writes and returns what the modem answers."""

    addresses = True

    def __init__(self, kind: Kind = RYLR998) -> None:
        self._kind = kind
        self._checks = _checks(kind)
        self.spurious_errors = 0  # +ERR=2 after every so many packets; 0: never
        self._line = b""
        self._received = 0
        self.settings = _factory(kind)
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

    @property
    def radio(self) -> Mapping[str, int]:
        """What it is set to."""
        now = self.settings
        spreading, bandwidth, coding, preamble = map(int, now["PARAMETER"].split(","))
        return {
            "address": int(now["ADDRESS"]),
            "network_id": int(now["NETWORKID"]),
            "band_hz": int(now["BAND"]),
            "spreading_factor": spreading,
            "bandwidth_khz": _BANDWIDTHS_KHZ[bandwidth],
            "coding_rate": coding,
            "preamble": preamble,
            "tx_power_dbm": int(now["CRFOP"]),
        }

    def lapse(self) -> bool:
        """Fall asleep, in which it still answers."""
        self.settings["MODE"] = _ASLEEP
        return True

    def receive(self, packet: LoraPacket) -> bytes:
        """Return what a packet from the air looks like on the port; nothing while it sleeps.

        The length is the packet's, the data ends before its first NUL: so the real one does it.
        """
        payload = packet.payload
        if self.settings["MODE"] == _ASLEEP or len(payload) > _MAX_DATA:
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
        known = {"VER": self._kind.version, "UID": _UID, **self.settings}
        if self.password:
            known["CPIN"] = self.password
        return f"+{name}={known[name]}\r\n".encode() if name in known else _error(_UNKNOWN)

    def _act(self, name: str) -> bytes:
        if name == "RESET":
            return b"+RESET\r\n" + self.boot()
        if name == "FACTORY":
            self.settings = _factory(self._kind)
            return b"+FACTORY\r\n"
        return _error(_UNKNOWN)

    def _set(self, name: str, value: str) -> bytes:
        if name == "CPIN":
            return self._set_password(value)
        if name not in self._checks:
            return _error(_UNKNOWN)
        value = value.removesuffix(",M")  # keep in flash: all is kept here
        if not self._checks[name](value):
            return _error(_REFUSED)
        self.settings[name] = value
        return f"+IPR={value}\r\n".encode() if name == "IPR" else b"+OK\r\n"

    def _set_password(self, value: str) -> bytes:
        if len(value) != self._kind.password_digits or value.strip("0123456789ABCDEFabcdef"):
            return _error(_REFUSED)
        self.password = value.upper()
        return b"+OK\r\n"

    def _send(self, arguments: bytes) -> bytes:
        to, _, rest = arguments.partition(b",")
        length, comma, data = rest.partition(b",")
        if not comma or not _within(to.decode("ascii", "replace"), *_ADDRESSES):
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


def _factory(kind: Kind) -> dict[str, str]:
    return {
        "ADDRESS": "0",
        "NETWORKID": str(kind.usual_network),
        "BAND": "915000000",
        "PARAMETER": kind.parameter,
        "CRFOP": str(kind.most_dbm),
        "IPR": "115200",
        "MODE": "0",
    }


def _checks(kind: Kind) -> dict[str, Callable[[str], bool]]:
    """Return what a setting's value has to pass."""
    return {
        "ADDRESS": lambda value: _within(value, *_ADDRESSES),
        "BAND": lambda value: _within(value, *kind.bands_hz),
        "CRFOP": lambda value: _within(value, 0, kind.most_dbm),
        "NETWORKID": lambda value: value.isdecimal() and int(value) in kind.networks,
        "IPR": lambda value: value.isdecimal() and int(value) in _SPEEDS,
        "MODE": lambda value: value.isdecimal() and int(value) in _MODES,
        "PARAMETER": lambda value: _is_parameter(value, kind),
    }


def _is_parameter(value: str, kind: Kind) -> bool:
    fields = value.split(",")
    ranges = kind.parameter_ranges
    return len(fields) == len(ranges) and all(
        _within(field, *limits) for field, limits in zip(fields, ranges, strict=True)
    )
