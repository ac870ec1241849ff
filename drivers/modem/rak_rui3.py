r"""RAKwireless RAK3172, RAK4630, RAK11720 and alike with RUI3 firmware: 115200 8N1, lines CR LF.

LoRa point to point; a packet that was received, whenever it comes:

    +EVT:RXP2P:RRR:SS[:LLL]:DDDD...                  RUI3
    +EVT:RXP2P, RSSI RRR, SNR SS\r\n+EVT:DDDD...     firmware 1.0.4 and older, 9600 baud

    R  RSSI in dBm, in some firmware behind "RSSI "      L  length in bytes, in some firmware
    S  SNR in dB, in some firmware behind "SNR "         D  the data, hexadecimal

It does not say who sent. A command is answered by `AT+NAME=value`, if it is a query, and then by
its status: `OK`, or one that begins with AT_ and is not equal to the command, which some firmware
repeats. By itself the modem says `Current Work Mode: ...` after a start, and +EVT: ... of other
things, some of which end the reception. Anything else is noise, counted and skipped.

Sources: RAKwireless, RUI3 AT Command Manual, AT Command Migration Guide; RAK-STM32-RUI,
service_lora_p2p.c and atcmd_p2p.c: the three continuous modes of AT+PRECV exclude each other, a
second AT+PRECV is answered by AT_BUSY_ERROR, and AT+NWM=0 restarts every time.
"""

from gateway.core.commands import command, within
from gateway.core.lines import Lines, integer, octets, printable

API = 1
MODEL = "rak-rui3"
DEVICES = ("RAKwireless RAK3172, RAK4630, RAK11720 with RUI3",)
BAUD = 115200
BAUDS = (115200, 9600)
ANSWER_S = 3.0  # it starts within that
ADDRESSES = False
SETTINGS = (
    "band_hz",  # centre frequency
    "spreading_factor",  # 5..12
    "bandwidth_khz",  # 125, 250, 500
    "coding_rate",  # 1..4 for 4/5..4/8
    "preamble",  # 5..65535
    "tx_power_dbm",  # 5..22
    "sync_word",  # 0x12 private, 0x34 public
)

_EVENT = b"+EVT:"
_PACKET = b"+EVT:RXP2P"
_ON_AIR = 255
_LONGEST = len("+EVT:RXP2P:RSSI -200:SNR -64:255:\r") + 2 * _ON_AIR
_RSSI_DBM = (-200, 50)
_SNR_DB = (-64, 64)

_POINT_TO_POINT = "AT+NWM=0"
_START = "start"  # as the reply to a command that restarts it
_HEAR = "AT+PRECV=65534"  # until it is told to stop, sending excluded
_HEARS = "OK|AT_BUSY_ERROR"  # the latter: it does already
_RESUMED_AFTER = (
    b" DONE",
    b" RECEIVE TIMEOUT",
)  # what ends the reception, after +EVT:RXP2P, TXP2P

_PLAIN = (  # setting, command, lowest, highest, what the modem counts from
    ("band_hz", "PFREQ", 150_000_000, 960_000_000, 0),
    ("spreading_factor", "PSF", 5, 12, 0),
    ("coding_rate", "PCR", 1, 4, 1),
    ("preamble", "PPL", 5, 65535, 0),
    ("tx_power_dbm", "PTP", 5, 22, 0),
)
_BANDWIDTHS = {125: 0, 250: 1, 500: 2}  # kHz: what firmware since RUI3 calls it


class Modem:
    """What the modem says as packets, answers, counters; the caller owns the port and the clock.

    `answer` is None while a reply is awaited, "" after the expected one, else what is wrong.
    `restarted` is True once the modem has reported a start that nobody had asked for.
    """

    def __init__(self) -> None:
        self.answer: str | None = ""
        self.restarted = False
        self.counters = {
            "frames": 0,
            "bad_frames": 0,  # announced as packets, and none
            "error_lines": 0,  # AT_..., RECEIVE ERROR
            "stray_replies": 0,  # nobody had asked
            "unknown_lines": 0,
            "overlong_lines": 0,
            "garbage_bytes": 0,  # all that was skipped
            "restarts": 0,
        }
        self._lines = Lines(_LONGEST, self.counters)
        self._asked = ""
        self._expected = ""
        self._value = ""  # the reply to a query, its status still to come
        self._mode = ""  # the last it said, as the command that sets it
        self._signal: tuple[int, int] | None = None  # of an old packet, its data still to come
        self._stopped = False  # an event says that it hears no more

    def setup(self, settings: dict[str, int | str]) -> list[tuple[bytes, str]]:
        """Return the commands, each with the reply to expect, that make the modem what is wanted.

        What is not given is not touched. Raise ValueError, naming the setting, for a value the
        modem would not take.
        """
        wanted = _plain(settings) + _bandwidth(settings) + _sync_word(settings)
        self.restarted = False
        commands = [("AT", "OK"), ("AT+NWM=?", "AT+NWM="), (_POINT_TO_POINT, _START + "|OK")]
        if wanted:
            commands.append(("AT+PRECV=0", "OK"))  # while it hears it takes no settings
        for line, reply in wanted:
            commands += [(line, "OK"), (line.split("=")[0] + "=?", reply)]
        commands.append((_HEAR, _HEARS))
        return [command(line, reply) for line, reply in commands]

    def probe(self) -> tuple[bytes, str]:
        """Return the order to hear: a modem that does says so, another one does from now on."""
        return command(_HEAR, _HEARS)

    def chores(self) -> list[tuple[bytes, str]]:
        """Return the order to hear, where an event has ended the reception."""
        return [command(_HEAR, _HEARS)] if self._stopped else []

    def send(self, _address: str, payload: bytes) -> list[tuple[bytes, str]]:
        """Return the commands that transmit 1 to 255 bytes, to everybody."""
        if not 0 < len(payload) <= _ON_AIR:
            message = "payload: 1 to 255 bytes"
            raise ValueError(message)
        return [command("AT+PRECV=0", "OK"), command("AT+PSEND=" + payload.hex().upper(), "OK")]

    def ask(self, command: tuple[bytes, str]) -> bytes:
        """Return the bytes to write for a command; from now on `answer` awaits its reply.

        None are written to set the mode that it has: it would restart.
        """
        line, self._expected = command
        self._asked = line.strip().decode()
        self._value = ""
        needless = self._asked == self._mode == _POINT_TO_POINT
        self.answer = "" if needless else None
        return b"" if needless else line

    def feed(self, data: bytes) -> list[tuple[str, bytes, int, int]]:
        """Return the packets now complete: ("", payload, RSSI in dBm, SNR in dB)."""
        packets = [self._line(line) for line in self._lines.feed(data)]
        return [packet for packet in packets if packet is not None]

    def idle(self) -> list[tuple[str, bytes, int, int]]:
        """Give up what stopped halfway, after a second of silence."""
        rest = self._lines.abandon()
        self.counters["bad_frames"] += _EVENT in rest or self._signal is not None
        self._signal = None
        return []

    # --------------------------------------------------------------------------------- packets
    def _line(self, line: bytes) -> tuple[str, bytes, int, int] | None:
        """Judge a line; return the packet that it completes."""
        start = line.rfind(_EVENT)
        if start < 0:
            self._no_event(line)
            return None
        self.counters["garbage_bytes"] += start  # noise in front of it
        event = line[start:]
        if event.startswith(_PACKET + b":"):
            return self._packet(event[len(_PACKET) + 1 :].split(b":"))
        if event.startswith(_PACKET + b","):
            self._announce(event[len(_PACKET) + 1 :].split(b","))
            return None
        data = octets(event[len(_EVENT) :])
        if data is not None:
            return self._old_packet(data)
        self._event(event)
        return None

    def _packet(self, fields: list[bytes]) -> tuple[str, bytes, int, int] | None:
        """Read RSSI, SNR, in some firmware the length, and the data."""
        signal = _signal(fields) if len(fields) in (3, 4) else None
        data = octets(fields[-1])
        if signal is None or data is None or len(data) > _ON_AIR:
            self.counters["bad_frames"] += 1
            return None
        if len(fields) == 4 and integer(fields[2], (0, _ON_AIR)) != len(data):
            self.counters["bad_frames"] += 1
            return None
        self.counters["frames"] += 1
        return ("", data, signal[0], signal[1])

    def _announce(self, fields: list[bytes]) -> None:
        """Take the first of the two lines of old firmware: RSSI and SNR."""
        self.counters["bad_frames"] += self._signal is not None
        self._signal = _signal(fields) if len(fields) == 2 else None
        self.counters["bad_frames"] += self._signal is None

    def _old_packet(self, data: bytes) -> tuple[str, bytes, int, int] | None:
        """Take the second line of old firmware, which may hear one packet only."""
        signal, self._signal = self._signal, None
        if signal is None or len(data) > _ON_AIR:
            self.counters["bad_frames"] += 1
            return None
        self._stopped = True
        self.counters["frames"] += 1
        return ("", data, signal[0], signal[1])

    # ------------------------------------------------------------------------- everything else
    def _event(self, event: bytes) -> None:
        if event.endswith(_RESUMED_AFTER):
            self._stopped = True
        elif event == _PACKET + b" RECEIVE ERROR":
            self.counters["error_lines"] += 1
        else:
            self.counters["unknown_lines"] += 1

    def _no_event(self, line: bytes) -> None:
        text = printable(line)
        if text.startswith("Current Work Mode"):
            self._started()
        elif text in ("OK", "P2P_RX_ON already"):
            self._status(text)
        elif text.startswith("AT_"):
            self.counters["error_lines"] += 1
            self._status(text)
        elif text.startswith("AT+") and "=" in text:
            self._reply(text)
        elif text != "AT":  # repeated
            self.counters["unknown_lines"] += 1
            self.counters["garbage_bytes"] += len(line)

    def _started(self) -> None:
        """Take a start as the reply to a command that asked for one, else as news."""
        self._stopped = False
        if self.answer is None and self._expected.startswith(_START):
            self.answer = ""
        else:
            self.restarted = True
            self.counters["restarts"] += 1

    def _reply(self, text: str) -> None:
        if self.answer is not None:
            self.counters["stray_replies"] += 1
        elif text != self._asked:  # else it is repeated
            self._value = text
            if text.startswith("AT+NWM="):
                self._mode = text

    def _status(self, text: str) -> None:
        """Judge the reply by status and value: an error is none, a value wants its OK."""
        if text == "P2P_RX_ON already":  # said in front of AT_BUSY_ERROR
            return
        if self.answer is not None:
            self.counters["stray_replies"] += 1
            return
        got = self._value if text == "OK" and self._value else text
        if _fits(got, self._expected):
            self.answer = ""
            self._stopped = self._stopped and self._asked != _HEAR
        else:
            self.answer = f"{self._asked}: answered {got}, expected {self._expected}"


def _fits(got: str, expected: str) -> bool:
    """Whether it is one of the replies expected; one that ends with = may have any value."""
    for reply in expected.split("|"):
        if got == reply or (reply.endswith("=") and got.startswith(reply)):
            return True
    return False


def _signal(fields: list[bytes]) -> tuple[int, int] | None:
    """Read RSSI in dBm and SNR in dB, with or without their names."""
    rssi_dbm = integer(_unnamed(fields[0], b"RSSI"), _RSSI_DBM)
    snr_db = integer(_unnamed(fields[1], b"SNR"), _SNR_DB)
    return None if rssi_dbm is None or snr_db is None else (rssi_dbm, snr_db)


def _unnamed(field: bytes, name: bytes) -> bytes:
    field = field.strip()
    return field[len(name) :].strip() if field.startswith(name) else field


def _plain(settings: dict[str, int | str]) -> list[tuple[str, str]]:
    """Return (command, reply to its query) of what is set by a number."""
    wanted: list[tuple[str, str]] = []
    for setting, name, lowest, highest, base in _PLAIN:
        if setting in settings:
            line = f"AT+{name}={within(settings, setting, (lowest, highest)) - base}"
            wanted.append((line, line))
    return wanted


def _bandwidth(settings: dict[str, int | str]) -> list[tuple[str, str]]:
    if "bandwidth_khz" not in settings:
        return []
    khz = settings["bandwidth_khz"]
    if not isinstance(khz, int) or khz not in _BANDWIDTHS:
        message = "bandwidth_khz: 125, 250 or 500"
        raise ValueError(message)
    return [(f"AT+PBW={khz}", f"AT+PBW={_BANDWIDTHS[khz]}|AT+PBW={khz}")]


def _sync_word(settings: dict[str, int | str]) -> list[tuple[str, str]]:
    """Return the command for a sync word: the radio chip has each of its digits before a 4."""
    if "sync_word" not in settings:
        return []
    word = within(settings, "sync_word", (0, 255))
    line = f"AT+SYNCWORD={word >> 4:X}4{word & 15:X}4"
    return [(line, line)]
