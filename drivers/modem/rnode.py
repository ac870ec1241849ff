"""RNode, a LoRa modem of the Reticulum project: KISS frames on a serial port, 115200 8N1.

    C0 KK DD.. C0        K  command; D  its bytes, in which C0 is sent as DB DC, DB as DB DD

    01 FFFFFFFF  frequency, Hz          08 73  detect; it answers 08 46
    02 BBBBBBBB  bandwidth, Hz          0E 01  promiscuous: whole packets, no header of Reticulum
    03 PP        transmit power, dBm    55 F8  it has started
    04 SS        spreading factor       90 EE  error: 01 radio, 02 sending, 04 queue, 05 memory,
    05 CC        coding rate, 5..8             06 timeout
    06 01        radio on, 06 FF is it? 01 to 06 and 0E are answered by what is in force now.

    23 RR, 24 SS, 00 PP..   a packet was received: R RSSI + 157 dBm, S SNR in quarters of a dB,
                            signed, P the packet. Older firmware leaves 24 out, none leaves 23 out.

A packet does not say who sent it. The header byte that RNodes put before what they send among
themselves is part of it: other nodes need none. KISS has no checksum: data that no 23 came before
is taken for what noise left of a packet, and skipped.
Source: https://github.com/markqvist/RNode_Firmware, Framing.h, RNode_Firmware.ino, Utilities.h
"""

from gateway.core.commands import within

API = 1
MODEL = "rnode"
DEVICES = ("RNode", "LilyGO T-Beam, T3S3 and Heltec LoRa32 with RNode firmware")
BAUD = 115200
ADDRESSES = False
SETTINGS = (
    "band_hz",
    "bandwidth_khz",  # 8..500
    "spreading_factor",  # 5..12
    "coding_rate",  # 1..4 for 4/5..4/8
    "tx_power_dbm",  # 0..22
)

_END, _ESCAPE = 0xC0, 0xDB
_ESCAPED = {0xDC: _END, 0xDD: _ESCAPE}
_DATA, _STATE, _DETECT, _PROMISCUOUS = 0x00, 0x06, 0x08, 0x0E
_RSSI, _SNR, _RESET, _ERROR = 0x23, 0x24, 0x55, 0x90
_QUERY = 0xFF
_DETECTED, _STARTED = 0x46, 0xF8
_RSSI_OFFSET = 157
_MAX_FRAME = 1 + 2 * 512  # command and the longest packet, every byte of it escaped
_PLAIN = (  # setting, command, bytes, multiply, add, lowest, highest
    ("band_hz", 0x01, 4, 1, 0, 137_000_000, 1_020_000_000),
    ("bandwidth_khz", 0x02, 4, 1000, 0, 8, 500),
    ("tx_power_dbm", 0x03, 1, 1, 0, 0, 22),
    ("spreading_factor", 0x04, 1, 1, 0, 5, 12),
    ("coding_rate", 0x05, 1, 1, 4, 1, 4),
)
_ERRORS = {
    0x01: "the radio does not start",
    0x02: "sending failed",
    0x04: "its queue is full",
    0x05: "it is out of memory",
    0x06: "the radio does not answer",
}


class Modem:
    """What the modem says as packets, answers, counters; the caller owns the port and the clock.

    `answer` is None while a reply is awaited, "" after the expected one, else what is wrong.
    `restarted` is True once the modem has reported a start: its radio is off until `setup`.
    """

    def __init__(self) -> None:
        self.answer: str | None = ""
        self.restarted = False
        self.counters = {
            "frames": 0,
            "bad_frames": 0,  # a packet without its signal strength, or broken off
            "error_lines": 0,  # it has reported an error
            "stray_replies": 0,  # nobody had asked
            "unknown_lines": 0,  # a command we do not know
            "overlong_lines": 0,
            "garbage_bytes": 0,  # all that was skipped
            "restarts": 0,
        }
        self._rest = b""
        self._torn = False  # the beginning of the present frame was skipped
        self._asked = 0
        self._expected = ""
        self._rssi_dbm: int | None = None  # of the packet to come
        self._snr_db: float | None = None

    def setup(self, settings: dict[str, int | str]) -> list[tuple[bytes, str]]:
        """Return the commands that set the radio and switch it on; what is not given is left.

        Raise ValueError, naming the setting, for a value the modem would not take.
        """
        self.restarted = False
        wanted = [_command(row, settings) for row in _PLAIN if row[0] in settings]
        wanted += [bytes([_PROMISCUOUS, 1]), bytes([_STATE, 1])]
        detect = (_framed(bytes([_DETECT, 0x73])), _text(bytes([_DETECT, _DETECTED])))
        return [detect] + [(_framed(frame), _text(frame)) for frame in wanted]

    def probe(self) -> tuple[bytes, str]:
        """Return the question whether its radio is on."""
        return (_framed(bytes([_STATE, _QUERY])), _text(bytes([_STATE, 1])))

    def chores(self) -> list[tuple[bytes, str]]:
        """Return nothing: it goes on receiving by itself."""
        return []

    def send(self, address: str, payload: bytes) -> list[tuple[bytes, str]]:
        """Return the command that transmits 1 to 254 bytes; it is not answered."""
        del address
        if not 0 < len(payload) <= 254:
            message = "payload: 1 to 254 bytes"
            raise ValueError(message)
        return [(_framed(b"\x00" + payload), "")]

    def ask(self, command: tuple[bytes, str]) -> bytes:
        """Return the bytes to write for a command; from now on `answer` awaits its reply."""
        line, self._expected = command
        self._asked = line[1]
        self.answer = None if self._expected else ""
        return line

    def feed(self, data: bytes) -> list[tuple[str, bytes, int | None, float | None]]:
        """Return the packets now complete: (no address, payload, RSSI in dBm, SNR in dB)."""
        packets: list[tuple[str, bytes, int | None, float | None]] = []
        *frames, self._rest = (self._rest + data).split(b"\xc0")
        for frame in frames:
            if self._torn or len(frame) > _MAX_FRAME:
                self._skip(frame)
                self._torn = False
            elif frame:
                self._frame(frame, packets)
        if len(self._rest) > _MAX_FRAME:
            self._skip(self._rest)
            self._rest = b""
        return packets

    def idle(self) -> list[tuple[str, bytes, int | None, float | None]]:
        """Give up what stopped halfway."""
        self.counters["bad_frames"] += self._rest[:1] == b"\x00"
        self.counters["garbage_bytes"] += len(self._rest)
        self._rest, self._torn = b"", False
        self._rssi_dbm = self._snr_db = None
        return []

    def _frame(
        self, raw: bytes, packets: list[tuple[str, bytes, int | None, float | None]]
    ) -> None:
        """Judge one whole frame."""
        frame = _unescaped(raw)
        if frame is None:
            self.counters["unknown_lines"] += 1
            self.counters["garbage_bytes"] += len(raw)
        elif frame[0] == _DATA:
            self._packet(frame[1:], packets)
        elif frame[0] == _RSSI and len(frame) == 2:
            self._rssi_dbm = frame[1] - _RSSI_OFFSET
        elif frame[0] == _SNR and len(frame) == 2:
            self._snr_db = ((frame[1] ^ 0x80) - 0x80) / 4
        elif frame[0] == _RESET and frame[1:] == bytes([_STARTED]):
            self.restarted = True
            self.counters["restarts"] += 1
        elif frame[0] == _ERROR and len(frame) == 2:
            self._error(frame[1])
        else:
            self._reply(frame, raw)

    def _packet(
        self, payload: bytes, packets: list[tuple[str, bytes, int | None, float | None]]
    ) -> None:
        if self._rssi_dbm is None:
            self.counters["bad_frames"] += 1
            self.counters["garbage_bytes"] += len(payload) + 1
            return
        packets.append(("", payload, self._rssi_dbm, self._snr_db))
        self.counters["frames"] += 1
        self._rssi_dbm = self._snr_db = None

    def _error(self, code: int) -> None:
        self.counters["error_lines"] += 1
        if self.answer is None:
            self.answer = f"0x{self._asked:02X}: " + _ERRORS.get(code, f"error {code}")

    def _reply(self, frame: bytes, raw: bytes) -> None:
        """Match an answer with what was asked: the value may be another one, the command not."""
        text = _text(frame)
        if self.answer is None and text[0] == self._expected[0]:
            wrong = f"0x{self._asked:02X}: answered {frame[1:].hex()}"
            wanted = self._expected[1:].encode("latin-1").hex()
            self.answer = "" if text == self._expected else f"{wrong}, expected {wanted}"
        elif frame[0] in _COMMANDS:
            self.counters["stray_replies"] += 1
        else:
            self.counters["unknown_lines"] += 1
            self.counters["garbage_bytes"] += len(raw)

    def _skip(self, frame: bytes) -> None:
        """Leave out what is longer than any frame, or the rest of it."""
        self.counters["overlong_lines"] += not self._torn
        self.counters["garbage_bytes"] += len(frame)
        self._torn = True


_COMMANDS = [row[1] for row in _PLAIN] + [_STATE, _DETECT, _PROMISCUOUS]


def _command(
    row: tuple[str, int, int, int, int, int, int], settings: dict[str, int | str]
) -> bytes:
    name, command, size, multiply, add, lowest, highest = row
    value = within(settings, name, (lowest, highest))
    return bytes([command]) + (value * multiply + add).to_bytes(size, "big")


def _framed(frame: bytes) -> bytes:
    escaped = frame.replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc")
    return b"\xc0" + escaped + b"\xc0"


def _unescaped(raw: bytes) -> bytes | None:
    """Return what a frame says, None for an escape that is none."""
    first, *parts = raw.split(b"\xdb")
    frame = bytearray(first)
    for part in parts:
        if not part or part[0] not in _ESCAPED:
            return None
        frame.append(_ESCAPED[part[0]])
        frame.extend(part[1:])
    return bytes(frame)


def _text(frame: bytes) -> str:
    """Return a frame as the text in which a character is a byte: as expected replies are."""
    return "".join([chr(byte) for byte in frame])
