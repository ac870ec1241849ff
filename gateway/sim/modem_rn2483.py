r"""A Microchip RN2483 as its serial port shows it: lines in, lines out.

    sys get ver, mac pause, radio set NAME VALUE, radio get NAME, radio rx 0, radio rxstop,
    radio tx HEX

It hears one packet and then no more until `radio rx 0`; while it hears that is answered `busy`.
After `radio rxstop` a reception that was running ends with radio_err, as was seen in the field.
Settings are lost at a start. Source: Microchip, DS40001784. What a value is refused with is
`invalid_param`, always.
"""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Final

from gateway.sim.sensors import LoraPacket

_VERSION: Final = "RN2483 1.0.5 Oct 31 2018 15:06:52"
_FACTORY: Final = {
    "mod": "lora",
    "freq": "868100000",
    "sf": "sf12",
    "bw": "125",
    "cr": "4/5",
    "prlen": "8",
    "crc": "on",
    "iqi": "off",
    "wdt": "15000",
    "sync": "34",
    "pwr": "1",
}
_MAX_DATA: Final = 255
_MAX_LINE: Final = 600
_SENT_KEPT: Final = 100


class ModemRn2483:
    """The model. `feed` takes what the program writes and returns what the modem answers."""

    addresses = False
    baud = 57600

    def __init__(self) -> None:
        self.spurious_errors = 0  # invalid_param after every so many packets; 0: never
        self.settings = dict(_FACTORY)
        self.tells_rssi = True  # firmware 1.0.5 and later
        self.hears = False
        self.sent: deque[bytes] = deque(maxlen=_SENT_KEPT)
        self._line = b""
        self._received = 0
        self._signal = (0, -128)  # RSSI in dBm and SNR in dB of the last packet

    @property
    def radio(self) -> Mapping[str, int]:
        """What it is set to, in the words and units of drivers' settings."""
        return {
            "band_hz": int(self.settings["freq"]),
            "spreading_factor": int(self.settings["sf"].removeprefix("sf")),
            "bandwidth_khz": int(self.settings["bw"]),
            "coding_rate": int(self.settings["cr"].removeprefix("4/")) - 4,
            "preamble": int(self.settings["prlen"]),
            "sync_word": int(self.settings["sync"], 16),
            "tx_power_dbm": int(self.settings["pwr"]),
        }

    def lapse(self) -> bool:
        """Stop receiving without a word."""
        self.hears = False
        return True

    def boot(self) -> bytes:
        """Return what it says after a start: its version."""
        self.settings = dict(_FACTORY)
        self.hears = False
        self._line = b""
        return _said(_VERSION)

    def receive(self, packet: LoraPacket) -> bytes:
        """Return what a packet from the air looks like on the port; nothing while it is deaf."""
        if not self.hears or len(packet.payload) > _MAX_DATA:
            return b""
        self.hears = False
        self._signal = (packet.rssi_dbm, packet.snr_db)
        self._received += 1
        line = _said(f"radio_rx  {packet.payload.hex().upper()}")
        if self.spurious_errors and self._received % self.spurious_errors == 0:
            line += _said("invalid_param")
        return line

    def feed(self, data: bytes) -> bytes:
        """Take bytes from the program; return the answers to the commands they complete."""
        *lines, rest = (self._line + data).split(b"\r\n")
        self._line = rest[-_MAX_LINE:]
        return b"".join(self._command(line.decode("ascii", "replace")) for line in lines)

    def _command(self, line: str) -> bytes:
        if line == "sys get ver":
            return _said(_VERSION)
        if line == "mac pause":
            return _said("4294967245")
        words = line.split(" ")
        action = getattr(self, f"_{words[1]}", None) if len(words) > 1 else None
        if words[0] != "radio" or words[1] not in _ACTIONS or action is None:
            return _said("invalid_param")
        return bytes(action(words[2:]))

    def _rx(self, words: list[str]) -> bytes:
        if words != ["0"]:
            return _said("invalid_param")
        if self.hears:
            return _said("busy")
        self.hears = True
        return _said("ok")

    def _rxstop(self, words: list[str]) -> bytes:
        heard, self.hears = self.hears, False
        if words:
            return _said("invalid_param")
        return _said("ok") + (_said("radio_err") if heard else b"")

    def _tx(self, words: list[str]) -> bytes:
        if self.hears:
            return _said("busy")
        try:
            self.sent.append(bytes.fromhex(words[0]))
        except (IndexError, ValueError):
            return _said("invalid_param")
        return _said("ok") + _said("radio_tx_ok")

    def _set(self, words: list[str]) -> bytes:
        name, value = [*words, "", ""][:2]
        if name not in _CHECKS or not _CHECKS[name](value):
            return _said("invalid_param")
        self.settings[name] = value
        return _said("ok")

    def _get(self, words: list[str]) -> bytes:
        name = words[0] if words else ""
        if name == "snr":
            return _said(str(self._signal[1]))
        if name == "rssi" and self.tells_rssi:
            return _said(str(self._signal[0]))
        return _said(self.settings.get(name, "invalid_param"))


_ACTIONS: Final = ("rx", "rxstop", "tx", "set", "get")


def _said(text: str) -> bytes:
    return text.encode() + b"\r\n"


def _between(lowest: int, highest: int) -> Callable[[str], bool]:
    return lambda value: value.lstrip("-").isdecimal() and lowest <= int(value) <= highest


def _one_of(*values: str) -> Callable[[str], bool]:
    return lambda value: value in values


def _is_hex(value: str) -> bool:
    return 0 < len(value) <= len("FF") and not value.strip("0123456789ABCDEFabcdef")


_CHECKS: Final[dict[str, Callable[[str], bool]]] = {
    "mod": _one_of("lora", "fsk"),
    "freq": _between(433_050_000, 870_000_000),
    "sf": _one_of(*(f"sf{factor}" for factor in range(7, 13))),
    "bw": _one_of("125", "250", "500"),
    "cr": _one_of("4/5", "4/6", "4/7", "4/8"),
    "prlen": _between(0, 65535),
    "crc": _one_of("on", "off"),
    "iqi": _one_of("on", "off"),
    "wdt": _between(0, 4_294_967_295),
    "sync": _is_hex,
    "pwr": _between(-3, 15),
}
