r"""Dragino LA66, USB adapter and shield, with its peer-to-peer firmware: 9600 8N1, lines CR LF.

A packet that was received, whenever it comes; what follows it may be missing by version:

    Data: (HEX:) DD DD DD ...\r\n
    Rssi= RRR[, SNR= SS]\r\n

    D  a byte, hexadecimal      R  RSSI in dBm      S  SNR in dB

It does not say who sent. Where a node sends with a group, that is the first byte. A command is
answered by its value, without its name, if it is a query, and then by `OK`, AT_ERROR,
AT_PARAM_ERROR or AT_BUSY_ERROR. After a start, which is when settings take effect, it says `LA66
P2P ...` and more. Anything else is noise, counted and skipped.

Sources: Dragino, Instruction for LA66 Peer to Peer firmware; its source, command.c and lora_app.c.
As delivered it has its LoRaWAN firmware, which knows nothing of all this.
"""

from gateway.core.commands import command, within
from gateway.core.lines import Lines, integer, octets, printable

API = 1
MODEL = "dragino-la66"
DEVICES = ("Dragino LA66 USB", "Dragino LA66 shield")
BAUD = 9600
ANSWER_S = 3.0  # it starts within that
IDLE_S = 0.5  # it pauses 6 ms between two bytes of a packet
ADDRESSES = False
SETTINGS = (
    "band_hz",  # centre frequency, whole kHz
    "spreading_factor",  # 5..12
    "bandwidth_khz",  # 125, 250, 500
    "coding_rate",  # 1..4 for 4/5..4/8
    "preamble",  # 1..65535
    "tx_power_dbm",  # 0..22
    "sync_word",  # 0x12 private, 0x34 public
)

_DATA = b"Data: ("
_SIGNAL = b"Rssi="
_ON_AIR = 255
_LONGEST = len("Data: (HEX:) ") + 3 * _ON_AIR + len("\r")
_RSSI_DBM = (-200, 50)
_SNR_DB = (-64, 64)

_BANNER = "LA66 P2P"
_QUIET = (  # the rest of what it says after a start, and beside a packet
    "rxDone",
    "txDone",
    "Syncword:",
    "Frequency:",
    "*****",
    "RX on freq",
    "Attention:",
)
_ERRORS = ("rxError", "rxtimeout", "txtimeout", "Error Parameter")
_STATUSES = ("OK", "AT_ERROR", "AT_PARAM_ERROR", "AT_BUSY_ERROR", "AT_NO_NET_JOINED")
_ANY = "a value"  # as the reply to a query
_RESTART = "ATZ"
# Without these nothing is heard as it has to be: for ever and no acknowledgement by radio; as
# hexadecimal digits.
_ALWAYS = (("RXMOD", "65535,0"), ("RXDAFORM", "0"))
_PAIRS = (  # setting, command for both directions, lowest, highest
    ("spreading_factor", "SF", 5, 12),
    ("coding_rate", "CR", 1, 4),
    ("preamble", "PREAMBLE", 1, 65535),
)
_BANDWIDTHS = {125: 0, 250: 1, 500: 2}
_SYNC_WORDS = {0x12: 0, 0x34: 1}


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
            "error_lines": 0,  # of the radio and of commands
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
        self._has: dict[str, str] = {}  # command: value, as it has answered
        self._is_changed = False  # something set is not yet in effect
        self._data: bytes | None = None  # of a packet, its signal still to come

    def setup(self, settings: dict[str, int | str]) -> list[tuple[bytes, str]]:
        """Return the commands, each with the reply to expect, that make the modem what is wanted.

        What it has already is not written to its flash again, and it is restarted only if
        something was. Raise ValueError, naming the setting, for a value it would not take.
        """
        wanted = _wanted(settings) + list(_ALWAYS)
        self.restarted = False
        self._has = {}
        commands = [("AT", "OK")]
        for name, value in wanted:
            commands += [(f"AT+{name}=?", _ANY), (f"AT+{name}={value}", "OK")]
        commands.append((_RESTART, _BANNER))
        commands += [(f"AT+{name}=?", value) for name, value in wanted]
        return [command(line, reply) for line, reply in commands]

    def probe(self) -> tuple[bytes, str]:
        """Return the query whether it receives for ever."""
        return command("AT+RXMOD=?", "65535,0")

    def chores(self) -> list[tuple[bytes, str]]:
        """Return nothing: it goes on receiving by itself."""
        return []

    def send(self, _address: str, payload: bytes) -> list[tuple[bytes, str]]:
        """Return the command that transmits 1 to 230 bytes once, to everybody."""
        if not 0 < len(payload) <= 230:
            message = "payload: 1 to 230 bytes"
            raise ValueError(message)
        return [command(f"AT+SEND=0,{payload.hex()},0,0", "OK")]

    def ask(self, command: tuple[bytes, str]) -> bytes:
        """Return the bytes to write for a command; from now on `answer` awaits its reply.

        None are written to set what it has, or to put into effect what was not changed.
        """
        line, self._expected = command
        self._asked = line.strip().decode()
        self._value = ""
        name, _, value = self._asked.partition("=")
        is_needless = (self._asked == _RESTART and not self._is_changed) or (
            self._has.get(name) == value
        )
        self.answer = "" if is_needless else None
        return b"" if is_needless else line

    def feed(self, data: bytes) -> list[tuple[str, bytes, int | None, int | None]]:
        """Return the packets now complete: ("", payload, RSSI in dBm, SNR in dB)."""
        packets: list[tuple[str, bytes, int | None, int | None]] = []
        for line in self._lines.feed(data):
            self._line(line, packets)
        return packets

    def idle(self) -> list[tuple[str, bytes, int | None, int | None]]:
        """Give up what stopped halfway; return a packet whose signal never came."""
        packets: list[tuple[str, bytes, int | None, int | None]] = []
        self._end_packet(packets, None, None)
        self.counters["bad_frames"] += _DATA in self._lines.abandon()
        return packets

    # --------------------------------------------------------------------------------- packets
    def _line(self, line: bytes, packets: list[tuple[str, bytes, int | None, int | None]]) -> None:
        """Judge a line; add the packet that it completes."""
        start = line.rfind(_DATA)
        if start >= 0:
            self.counters["garbage_bytes"] += start  # noise in front of it
            self._end_packet(packets, None, None)
            self._begin_packet(line[start + len(_DATA) :])
        elif line.startswith(_SIGNAL) and self._data is not None:
            self._end_packet(packets, *_signal(line[len(_SIGNAL) :].split(b",")))
        else:
            self._no_packet(line)

    def _begin_packet(self, text: bytes) -> None:
        """Read `HEX:) DD DD ...`; what was not hexadecimal in the first place cannot be read."""
        head, _, digits = text.partition(b")")
        data = octets(digits.replace(b" ", b"")) if head == b"HEX:" else None
        if data is None or len(data) > _ON_AIR:
            self.counters["bad_frames"] += 1
        else:
            self._data = data

    def _end_packet(
        self,
        packets: list[tuple[str, bytes, int | None, int | None]],
        rssi_dbm: int | None,
        snr_db: int | None,
    ) -> None:
        if self._data is not None:
            packets.append(("", self._data, rssi_dbm, snr_db))
            self.counters["frames"] += 1
            self._data = None

    # ------------------------------------------------------------------------- everything else
    def _no_packet(self, line: bytes) -> None:
        text = printable(line)
        if text.startswith(_BANNER):
            self._started()
        elif text in _STATUSES:
            self.counters["error_lines"] += text != "OK"
            self._status(text)
        elif text.startswith(_ERRORS):
            self.counters["error_lines"] += 1
        elif text.startswith(_QUIET):
            pass
        elif self.answer is None and text and not text.strip("0123456789,. "):
            self._value = text
        elif text != self._asked:
            self.counters["unknown_lines"] += 1
            self.counters["garbage_bytes"] += len(line)

    def _started(self) -> None:
        """Take a start as the reply to the command for one, else as news."""
        self._is_changed = False
        if self.answer is None and self._expected == _BANNER:
            self.answer = ""
            self._has = {}
        else:
            self.restarted = True
            self.counters["restarts"] += 1

    def _status(self, text: str) -> None:
        """Judge the reply by status and value: an error is none, a value wants its OK."""
        if self.answer is not None:
            self.counters["stray_replies"] += 1
            return
        got = self._value if text == "OK" and self._value else text
        name, _, value = self._asked.partition("=")
        is_any = self._expected == _ANY and bool(self._value)
        if text != "OK" or not (is_any or got == self._expected):
            self.answer = f"{self._asked}: answered {got}, expected {self._expected}"
            return
        self.answer = ""
        if value == "?":
            self._has[name] = got
        elif value and name != "AT+SEND":
            self._is_changed = True


def _signal(fields: list[bytes]) -> tuple[int | None, int | None]:
    """Read `RRR` and perhaps `SNR= SS`; what cannot be is left out."""
    rssi_dbm = integer(fields[0].strip(), _RSSI_DBM)
    snr_db = integer(fields[1].split(b"=")[-1].strip(), _SNR_DB) if len(fields) > 1 else None
    return rssi_dbm, snr_db


def _wanted(settings: dict[str, int | str]) -> list[tuple[str, str]]:
    """Return (command, value) of what is to be set, as the modem writes it."""
    wanted: list[tuple[str, str]] = []
    if "band_hz" in settings:
        hz = within(settings, "band_hz", (150_000_000, 960_000_000))
        if hz % 1000:
            message = "band_hz: whole kilohertz"
            raise ValueError(message)
        mhz = f"{hz // 1_000_000}.{hz // 1000 % 1000:03}"
        wanted.append(("FRE", f"{mhz},{mhz}"))
    for setting, name, lowest, highest in _PAIRS:
        if setting in settings:
            value = within(settings, setting, (lowest, highest))
            wanted.append((name, f"{value},{value}"))
    if "tx_power_dbm" in settings:
        wanted.append(("POWER", str(within(settings, "tx_power_dbm", (0, 22)))))
    if "bandwidth_khz" in settings:
        index = _one_of(settings, "bandwidth_khz", _BANDWIDTHS)
        wanted.append(("BW", f"{index},{index}"))
    if "sync_word" in settings:
        wanted.append(("SYNCWORD", str(_one_of(settings, "sync_word", _SYNC_WORDS))))
    return wanted


def _one_of(settings: dict[str, int | str], name: str, known: dict[int, int]) -> int:
    value = settings[name]
    if not isinstance(value, int) or value not in known:
        message = f"{name}: {' or '.join(str(each) for each in sorted(known))}"
        raise ValueError(message)
    return known[value]
