"""An RNode as its serial port shows it: KISS frames in, KISS frames out.

Each setting is answered by what is then in force; a value the radio cannot have is answered by the
one it keeps. Without promiscuous mode the first byte of a packet is taken for Reticulum's header
and left out. Source: https://github.com/markqvist/RNode_Firmware, RNode_Firmware.ino, Utilities.h
"""

from collections import deque
from collections.abc import Mapping
from typing import Final

from gateway.sim.sensors import LoraPacket

_END, _ESCAPE = 0xC0, 0xDB
_DATA, _STATE, _DETECT, _PROMISCUOUS = 0x00, 0x06, 0x08, 0x0E
_SIZES: Final = {0x01: 4, 0x02: 4, 0x03: 1, 0x04: 1, 0x05: 1}
_LIMITS: Final = {
    0x01: (137_000_000, 1_020_000_000),
    0x02: (7_800, 500_000),
    0x03: (0, 22),
    0x04: (5, 12),
    0x05: (5, 8),
}
_MAX_PACKET: Final = 508
_MAX_LINE: Final = 2048
_SENT_KEPT: Final = 100


class ModemRnode:
    """The model. `feed` takes what the program writes and returns what the modem answers."""

    addresses = False
    baud = 115200

    def __init__(self) -> None:
        self.spurious_errors = 0  # "sending failed" after every so many packets; 0: never
        self.settings = {0x01: 0, 0x02: 0, 0x03: 0, 0x04: 0, 0x05: 0}
        self.is_on = False
        self.is_promiscuous = False
        self.sent: deque[bytes] = deque(maxlen=_SENT_KEPT)
        self._line = b""
        self._received = 0

    @property
    def radio(self) -> Mapping[str, int]:
        """What it is set to, in the words and units of drivers' settings."""
        return {
            "band_hz": self.settings[0x01],
            "bandwidth_khz": self.settings[0x02] // 1000,
            "tx_power_dbm": self.settings[0x03],
            "spreading_factor": self.settings[0x04],
            "coding_rate": self.settings[0x05] - 4,
        }

    def lapse(self) -> bool:
        """Stop receiving without a word."""
        self.is_on = False
        return True

    def boot(self) -> bytes:
        """Return what it says after a start: the ESP32's chatter, and that its radio is off."""
        self.is_on = self.is_promiscuous = False
        self._line = b""
        return b"ets Jun  8 2016 00:22:57\r\n" + _frame(0x55, b"\xf8")

    def receive(self, packet: LoraPacket) -> bytes:
        """Return what a packet from the air looks like on the port; nothing while it is off."""
        if not self.is_on or len(packet.payload) > _MAX_PACKET:
            return b""
        payload = packet.payload if self.is_promiscuous else packet.payload[1:]
        self._received += 1
        line = _frame(0x23, bytes([packet.rssi_dbm + 157]))
        line += _frame(0x24, (packet.snr_db * 4 & 0xFF).to_bytes(1, "big"))
        line += _frame(_DATA, payload)
        if self.spurious_errors and self._received % self.spurious_errors == 0:
            line += _frame(0x90, b"\x02")
        return line

    def feed(self, data: bytes) -> bytes:
        """Take bytes from the program; return the answers to the frames they complete."""
        *frames, rest = (self._line + data).split(bytes([_END]))
        self._line = rest[-_MAX_LINE:]
        return b"".join(self._command(_plain(frame)) for frame in frames if frame)

    def _command(self, frame: bytes) -> bytes:
        command, value = frame[0], frame[1:]
        if command in _SIZES:
            return self._set(command, value)
        if command == _DATA:
            self.sent.append(value)
            return b""
        if command == _DETECT:
            return _frame(_DETECT, b"\x46") if value == b"\x73" else b""
        if command == _PROMISCUOUS:
            self.is_promiscuous = value == b"\x01"
            return _frame(command, bytes([self.is_promiscuous]))
        if command == _STATE:
            self.is_on = self.is_on if value == b"\xff" else value == b"\x01"
            return _frame(command, bytes([self.is_on]))
        return b""

    def _set(self, command: int, value: bytes) -> bytes:
        number = int.from_bytes(value, "big")
        lowest, highest = _LIMITS[command]
        if len(value) == _SIZES[command] and lowest <= number <= highest:
            self.settings[command] = number
        return _frame(command, self.settings[command].to_bytes(_SIZES[command], "big"))


def _frame(command: int, data: bytes) -> bytes:
    out = bytearray((_END, command))
    for byte in data:
        out += {_END: b"\xdb\xdc", _ESCAPE: b"\xdb\xdd"}.get(byte, bytes([byte]))
    out.append(_END)
    return bytes(out)


def _plain(frame: bytes) -> bytes:
    return frame.replace(b"\xdb\xdc", b"\xc0").replace(b"\xdb\xdd", b"\xdb")
