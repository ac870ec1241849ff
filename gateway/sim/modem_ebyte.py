"""EBYTE's E22, E220 and E32 as their serial ports show them: transparent, with a few commands.

The nodes frame their packets (COBS, CRC-32) before they send. The modem hands on what it hears,
and behind each packet its RSSI where REG3 says so. The E22's software switching is on, as an
installer has set it: commands begin with C0 C1 C2 C3; where it is off they are sent on the air.
Source: EBYTE, E22-xxxT22S user manual, 2024. Bytes that are no command are taken for data, and a
wrong command in configuration mode is answered by FF FF FF.
"""

import zlib
from collections import deque
from collections.abc import Mapping
from typing import Final

from gateway.sim.sensors import LoraPacket

_PREFIX: Final = b"\xc0\xc1\xc2\xc3"
_REFUSED: Final = b"\xff\xff\xff"
_TRANSPARENT, _CONFIGURATION = 0, 2
_SWITCHING, _AMBIENT, _RSSI = 0x10, 0x20, 0x80
_REG1, _REG2, _REG3 = 4, 5, 6
_FACTORY: Final = bytes.fromhex("00000062101203")  # software switching already on
_NOISE_DBM: Final = -98
_MAX_PACKET: Final = 240
_SENT_KEPT: Final = 100


def stuffed(packet: bytes) -> bytes:
    """Frame a packet as a node does: with its CRC-32, without zeros, a zero at its end."""
    rest = packet + zlib.crc32(packet).to_bytes(4, "little") + b"\0"
    out = b""
    while rest:
        run = rest[:254].split(b"\0")[0]
        whole = len(run) == 254  # noqa: PLR2004 - the longest run of COBS
        out += bytes([len(run) + 1]) + run
        rest = rest[len(run) + (not whole) :]
    return out + b"\0"


class ModemEbyte:
    """An E220 or E32: it only hands on, the former with a byte of RSSI if it is set so."""

    addresses = False
    baud = 9600

    def __init__(self) -> None:
        self.spurious_errors = 0  # three bytes of noise after every so many packets; 0: never
        self.rssi_byte = False
        self.sent: deque[bytes] = deque(maxlen=_SENT_KEPT)
        self._received = 0

    @property
    def radio(self) -> Mapping[str, int]:
        """What it is set to that a program can set: nothing."""
        return {}

    def lapse(self) -> bool:
        """Go on: this one never stops receiving alone."""
        return False

    def boot(self) -> bytes:
        """Return what it says after a start: nothing."""
        return b""

    def receive(self, packet: LoraPacket) -> bytes:
        """Return what it hands on of a packet, which the node has framed."""
        line = stuffed(packet.payload)
        if len(line) > _MAX_PACKET:
            return b""
        if self.rssi_byte:
            line += bytes([packet.rssi_dbm & 0xFF])
        self._received += 1
        if self.spurious_errors and self._received % self.spurious_errors == 0:
            line += _REFUSED
        return line

    def feed(self, data: bytes) -> bytes:
        """Send what comes."""
        self.sent.append(data)
        return b""


class ModemE22(ModemEbyte):
    """An E22 whose software switching is on."""

    def __init__(self) -> None:
        super().__init__()
        self.registers = bytearray(_FACTORY)
        self.mode = _TRANSPARENT
        self._line = b""

    @property
    def radio(self) -> Mapping[str, int]:
        """What it is set to, in the words and units of drivers' settings."""
        return {
            "address": int.from_bytes(self.registers[:2]),
            "network_id": self.registers[2],
            "band_hz": 850_125_000 + self.registers[_REG2] * 1_000_000,
        }

    def boot(self) -> bytes:
        """Return what it says after a start: nothing. Its registers are kept."""
        self.mode = _TRANSPARENT
        self._line = b""
        return b""

    def receive(self, packet: LoraPacket) -> bytes:
        """Return what it hands on of a packet; nothing while it is configured."""
        self.rssi_byte = bool(self.registers[_REG3] & _RSSI)
        return super().receive(packet) if self.mode == _TRANSPARENT else b""

    def feed(self, data: bytes) -> bytes:
        """Take bytes from the program; return the answers to the commands among them."""
        self._line += data
        answers = b""
        while self._line:
            answer, used = self._command(self._line)
            if not used:
                break
            answers += answer
            self._line = self._line[used:]
        return answers

    def _command(self, line: bytes) -> tuple[bytes, int]:
        """Return the answer to what stands first, and how long that was; 0: it is incomplete."""
        if _PREFIX.startswith(line[: len(_PREFIX)]):
            return self._special(line)
        if self.mode != _CONFIGURATION:
            self.sent.append(line)
            return b"", len(line)
        return self._registers(line)

    def _special(self, line: bytes) -> tuple[bytes, int]:
        if len(line) < len(_PREFIX) + 2:
            return b"", 0
        kind, value = line[4], line[5]
        if kind == 2 and self.registers[_REG1] & _SWITCHING:  # noqa: PLR2004 - the manual's
            self.mode = value
            return line[1:6], 6
        if kind == 0 and self.registers[_REG1] & _AMBIENT and self.mode == _TRANSPARENT:
            noise = bytes([_NOISE_DBM & 0xFF, _NOISE_DBM & 0xFF])
            return b"\xc1\x00" + bytes([value]) + noise[:value], 6
        self.sent.append(line[:6])
        return b"", 6

    def _registers(self, line: bytes) -> tuple[bytes, int]:
        if len(line) < 3:  # noqa: PLR2004 - command, address, length
            return b"", 0
        command, start, count = line[0], line[1], line[2]
        if start + count > len(self.registers) or command not in (0xC0, 0xC1):
            return _REFUSED, len(line)
        if command == 0xC1:  # noqa: PLR2004 - read
            return line[:3] + bytes(self.registers[start : start + count]), 3
        if len(line) < 3 + count:
            return b"", 0
        self.registers[start : start + count] = line[3 : 3 + count]
        return b"\xc1" + line[1 : 3 + count], 3 + count
