r"""Seeed LoRa-E5 and Wio-E5 in their test mode: 9600 8N1 as delivered, lines ending in CR LF.

A packet that was received, whenever it comes, is two lines:

    +TEST: LEN:LLL, RSSI:RRR, SNR:SS\r\n
    +TEST: RX "DDDD..."\r\n

    L  number of data bytes      R  RSSI in dBm      S  SNR in dB      D  the data, hexadecimal

It does not say who sent. A line without its other half, or of another length, is dropped. A reply
is `+NAME: ...` or `+NAME: ERROR(-n)`; `+INFO: ...` may come by itself. A start is not reported; it
ends the test mode, and the order to receive is then refused. Sending ends the reception. Anything
else is noise, counted and skipped.

Source: Seeed, LoRa-E5 AT Command Specification; its answers to published programs. The coding rate
cannot be chosen, it is 4/5.
"""

from gateway.core.commands import command, within
from gateway.core.lines import Lines, integer, octets, printable

API = 1
MODEL = "lora-e5"
DEVICES = ("Seeed LoRa-E5", "Seeed Wio-E5")
BAUD = 9600
BAUDS = (9600, 115200, 230400, 57600, 38400, 19200)
ADDRESSES = False
SETTINGS = (
    "band_hz",  # centre frequency, whole kHz
    "spreading_factor",  # 7..12
    "bandwidth_khz",  # 125, 250, 500
    "preamble",  # 6..65535, for both directions
    "tx_power_dbm",  # 0..22
    "sync_word",  # 0x12 private, 0x34 public
)

_HEAD = b"+TEST: LEN:"
_DATA = b'+TEST: RX "'
_ON_AIR = 255
_LONGEST = len(_DATA) + 2 * _ON_AIR + len('"\r')
_RSSI_DBM = (-200, 50)
_SNR_DB = (-64, 64)

_HEAR = ("AT+TEST=RXLRPKT", "+TEST: RXLRPKT")
_SENT = "+TEST: TX DONE"
_RADIO = (  # setting, factory value, lowest, highest: RFCFG sets all at once
    ("band_hz", 868_000_000, 100_000_000, 1_000_000_000),
    ("spreading_factor", 7, 7, 12),
    ("bandwidth_khz", 125, 125, 500),
    ("preamble", 0, 6, 65535),  # 0: not given, the factory's differ by direction
    ("tx_power_dbm", 14, 0, 22),
    ("sync_word", 0x12, 0x12, 0x34),
)
_FACTORY_PREAMBLES = (12, 15)  # sending, receiving
_ERRORS = {
    -1: "invalid parameters",
    -10: "unknown command",
    -11: "wrong format",
    -12: "not in this mode",
    -20: "too many parameters",
    -21: "too long",
    -22: "no line end in time",
    -23: "invalid character",
    -24: "too long, or invalid characters",
}


class Modem:
    """What the modem says as packets, answers, counters; the caller owns the port and the clock.

    `answer` is None while a reply is awaited, "" after the expected one, else what is wrong.
    `restarted` stays False: it does not say so.
    """

    def __init__(self) -> None:
        self.answer: str | None = ""
        self.restarted = False
        self.counters = {
            "frames": 0,
            "bad_frames": 0,  # announced as packets, and none
            "error_lines": 0,  # ERROR(-n)
            "stray_replies": 0,  # nobody had asked
            "unknown_lines": 0,
            "overlong_lines": 0,
            "garbage_bytes": 0,  # all that was skipped
        }
        self._lines = Lines(_LONGEST, self.counters)
        self._asked = ""
        self._expected = ""
        self._head: tuple[int, int, int] | None = None  # length, RSSI, SNR; the data to come
        self._stopped = False  # it has sent, which ended the reception

    def setup(self, settings: dict[str, int | str]) -> list[tuple[bytes, str]]:
        """Return the commands, each with the reply to expect, that make the modem what is wanted.

        Given one of the settings, the others get their factory values. Raise ValueError, naming
        the setting, for a value the modem would not take.
        """
        begin = [("AT", "+AT: OK"), ("AT+MODE=TEST", "+MODE: TEST")]
        commands = begin + _radio(settings) + [_HEAR]
        return [command(line, reply) for line, reply in commands]

    def probe(self) -> tuple[bytes, str]:
        """Return the order to receive: one that had ceased does again, one that cannot says so."""
        return command(*_HEAR)

    def chores(self) -> list[tuple[bytes, str]]:
        """Return the order to receive, once it has sent."""
        return [command(*_HEAR)] if self._stopped else []

    def send(self, _address: str, payload: bytes) -> list[tuple[bytes, str]]:
        """Return the command that transmits 1 to 222 bytes, to everybody."""
        if not 0 < len(payload) <= 222:
            message = "payload: 1 to 222 bytes"
            raise ValueError(message)
        digits = payload.hex().upper()
        return [command(f'AT+TEST=TXLRPKT, "{digits}"', f'+TEST: TXLRPKT "{digits}"')]

    def ask(self, command: tuple[bytes, str]) -> bytes:
        """Return the bytes to write for a command; from now on `answer` awaits its reply."""
        line, self._expected = command
        self._asked = line.strip().decode()
        self.answer = None
        return line

    def feed(self, data: bytes) -> list[tuple[str, bytes, int, int]]:
        """Return the packets now complete: ("", payload, RSSI in dBm, SNR in dB)."""
        packets = [self._line(line) for line in self._lines.feed(data)]
        return [packet for packet in packets if packet is not None]

    def idle(self) -> list[tuple[str, bytes, int, int]]:
        """Give up what stopped halfway, after a second of silence."""
        rest = self._lines.abandon()
        self.counters["bad_frames"] += _HEAD in rest or _DATA in rest or (self._head is not None)
        self._head = None
        return []

    # --------------------------------------------------------------------------------- packets
    def _line(self, line: bytes) -> tuple[str, bytes, int, int] | None:
        """Judge a line; return the packet that it completes."""
        start = line.rfind(_DATA)
        if start >= 0:
            self.counters["garbage_bytes"] += start  # noise in front of it
            return self._packet(line[start + len(_DATA) :])
        start = line.rfind(_HEAD)
        if start >= 0:
            self.counters["garbage_bytes"] += start
            self.counters["bad_frames"] += self._head is not None
            self._head = _head(line[start + len(_HEAD) :])
            self.counters["bad_frames"] += self._head is None
            return None
        self._no_packet(line, printable(line))
        return None

    def _packet(self, text: bytes) -> tuple[str, bytes, int, int] | None:
        """Read the data, which have to be as many as their head has said."""
        head, self._head = self._head, None
        data = octets(text[:-1]) if text.endswith(b'"') else None
        if head is None or data is None or len(data) != head[0]:
            self.counters["bad_frames"] += 1
            return None
        self.counters["frames"] += 1
        return ("", data, head[1], head[2])

    # ------------------------------------------------------------------------- everything else
    def _no_packet(self, line: bytes, text: str) -> None:
        if text.endswith(_SENT):
            self._stopped = True
        elif not text.startswith("+") or ": " not in text:
            self.counters["unknown_lines"] += 1
            self.counters["garbage_bytes"] += len(line)
        elif ": ERROR(" in text:
            self._error(text)
        elif not text.startswith("+INFO: "):
            self._reply(text.replace(" PNET:", " NET:"))

    def _error(self, text: str) -> None:
        self.counters["error_lines"] += 1
        if self.answer is None:
            code = integer(text.split("(")[1].rstrip(")").encode(), (-99, 99))
            meaning = _ERRORS.get(code or 0, "not in the specification")
            self.answer = f"{self._asked}: {text} ({meaning})"

    def _reply(self, text: str) -> None:
        """Match a reply with what was asked: the rest may be another one, the kind may not."""
        if self.answer is not None or _kind(text) != _kind(self._expected):
            self.counters["stray_replies"] += 1
        elif text == self._expected:
            self.answer = ""
            self._stopped = self._stopped and text != _HEAR[1]
        else:
            self.answer = f"{self._asked}: answered {text}, expected {self._expected}"


def _kind(reply: str) -> str:
    """Return what a reply answers: of a test its name too."""
    return " ".join(reply.split(" ")[: 2 if reply.startswith("+TEST") else 1])


def _head(text: bytes) -> tuple[int, int, int] | None:
    """Read `LLL, RSSI:RRR, SNR:SS`."""
    fields = text.split(b",")
    if len(fields) != 3:
        return None
    length = integer(fields[0].strip(), (0, _ON_AIR))
    rssi_dbm = integer(_named(fields[1], b"RSSI:"), _RSSI_DBM)
    snr_db = integer(_named(fields[2], b"SNR:"), _SNR_DB)
    if length is None or rssi_dbm is None or snr_db is None:
        return None
    return (length, rssi_dbm, snr_db)


def _named(field: bytes, name: bytes) -> bytes:
    field = field.strip()
    return field[len(name) :].strip() if field.startswith(name) else b""


def _radio(settings: dict[str, int | str]) -> list[tuple[str, str]]:
    """Return RFCFG and its reply, or nothing when no radio parameter is given."""
    if not [name for name, _, _, _ in _RADIO if name in settings]:
        return []
    hz, spreading, khz, preamble, dbm, word = [
        within(settings, name, (lowest, highest)) if name in settings else factory
        for name, factory, lowest, highest in _RADIO
    ]
    if hz % 1000:
        message = "band_hz: whole kilohertz"
    elif khz not in (125, 250, 500):
        message = "bandwidth_khz: 125, 250 or 500"
    elif word not in (0x12, 0x34):
        message = "sync_word: 18 (0x12, private) or 52 (0x34, public)"
    else:
        sending, hearing = (preamble, preamble) if preamble else _FACTORY_PREAMBLES
        net = "ON" if word == 0x34 else "OFF"
        mhz = f"{hz // 1_000_000}.{hz // 1000 % 1000:03}"
        line = f"AT+TEST=RFCFG,{mhz},SF{spreading},{khz},{sending},{hearing},{dbm},ON,OFF,{net}"
        reply = (
            f"+TEST: RFCFG F:{hz}, SF{spreading}, BW{khz}K, TXPR:{sending}, RXPR:{hearing},"
            f" POW:{dbm}dBm, CRC:ON, IQ:OFF, NET:{net}"
        )
        return [(line, reply)]
    raise ValueError(message)
