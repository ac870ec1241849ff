r"""Microchip RN2483 and RN2903: serial LoRa modems, 57600 8N1, lines ending in CR LF.

A packet that was received; the modem hears one and has to be told to hear again, so what is sent
in those milliseconds is lost:

    radio_rx  DDDD..\r\n        D  the data, hexadecimal; two blanks stand before it

It does not say who sent. RSSI (firmware 1.0.5 and later) and SNR of the last packet are asked for
when it hears again. A command is answered by `ok`, by a value, or by `invalid_param`; `busy` means
that it is receiving already. By itself it says `RN2483 1.0.5 Oct 31 2018 15:06:52` after a start,
`radio_err` when the watchdog or a damaged packet has ended the reception, `radio_tx_ok` when it
has sent. Anything else is noise, counted and skipped.

Source: Microchip, RN2483 LoRa Technology Module Command Reference User's Guide, DS40001784; RN2903
DS40001811.
"""

from gateway.core.commands import command, within
from gateway.core.lines import Lines, integer, octets, printable

API = 1
MODEL = "rn2483"
DEVICES = ("Microchip RN2483, RN2483A", "Microchip RN2903, RN2903A")
BAUD = 57600
ADDRESSES = False
SETTINGS = (
    "band_hz",  # RN2483: 433 and 868 MHz; RN2903: 915 MHz
    "spreading_factor",  # 7..12
    "bandwidth_khz",  # 125, 250, 500
    "coding_rate",  # 1..4 for 4/5..4/8
    "preamble",  # 0..65535
    "sync_word",  # 0x12 private, 0x34 public
    "tx_power_dbm",  # -3..20, as the model has it
)

_ON_AIR = 255
_PACKET = b"radio_rx"
_LONGEST = len("radio_rx  \r\n") + 2 * _ON_AIR
_HEAR = "radio rx 0"
_HEARS = "ok|busy"  # the latter: it does already
_RSSI_DBM = (-200, 50)
_SNR_DB = (-128, 127)
_NO_SNR = -128  # nothing was received since the start
_NUMBER = "#"  # as the reply to a query: any number
_VERSION = "RN2*"  # any text that begins so
_ANSWERS = ("ok", "busy", "invalid_param")
_EVENTS = (b"radio_err", b"radio_tx_ok")  # the reception or the sending is over

_PLAIN = (  # setting, parameter, lowest, highest
    ("band_hz", "freq", 433_050_000, 928_000_000),
    ("preamble", "prlen", 0, 65535),
    ("tx_power_dbm", "pwr", -3, 20),
)


class Modem:
    """What the modem says as packets, answers, counters; the caller owns the port and the clock.

    `answer` is None while a reply is awaited, "" after the expected one, else what is wrong.
    `restarted` is True once the modem has reported a start: its settings are lost until `setup`.
    """

    def __init__(self) -> None:
        self.answer: str | None = ""
        self.restarted = False
        self.counters = {
            "frames": 0,
            "bad_frames": 0,  # announced by radio_rx, and no hexadecimal
            "error_lines": 0,  # radio_err, invalid_param
            "stray_replies": 0,  # nobody had asked
            "unknown_lines": 0,
            "overlong_lines": 0,
            "garbage_bytes": 0,  # all that was skipped
            "restarts": 0,
        }
        self._lines = Lines(_LONGEST, self.counters)
        self._asked = ""
        self._expected = ""
        self._hears = True  # as far as it has said
        self._payload: bytes | None = None  # of a packet whose signal is not known yet
        self._rssi_dbm: int | None = None
        self._questions: list[str] = []  # still to be asked of that packet
        self._tells_rssi = True  # until it has said that it does not

    def setup(self, settings: dict[str, int | str]) -> list[tuple[bytes, str]]:
        """Return the commands, each with the reply to expect, that make the modem what is wanted.

        Raise ValueError, naming the setting, for a value the modem would not take.
        """
        wanted = _plain(settings) + _modulation(settings)
        self.restarted = False
        self._tells_rssi = True
        lines = [("sys get ver", _VERSION), ("mac pause", _NUMBER), ("radio rxstop", "ok")]
        lines += [
            ("radio set mod lora", "ok"),
            ("radio set wdt 0", "ok"),
            ("radio set crc on", "ok"),
        ]
        lines += [("radio set iqi off", "ok")]
        for name, value in wanted:
            told = value.split("|")[0]
            lines += [(f"radio set {name} {told}", "ok"), (f"radio get {name}", value)]
        lines.append((_HEAR, _HEARS))
        return [command(line, reply) for line, reply in lines]

    def probe(self) -> tuple[bytes, str]:
        """Return the order to hear: a modem that does is busy, another one hears from now on."""
        return command(_HEAR, _HEARS)

    def chores(self) -> list[tuple[bytes, str]]:
        """Return the order to hear again, and then the questions for the signal."""
        if not self._hears:
            return [command(_HEAR, _HEARS)]
        return [command(f"radio get {name}", _NUMBER) for name in self._questions[:1]]

    def send(self, _address: str, payload: bytes) -> list[tuple[bytes, str]]:
        """Return the commands that transmit 1 to 255 bytes, to everybody."""
        if not 0 < len(payload) <= _ON_AIR:
            message = "payload: 1 to 255 bytes"
            raise ValueError(message)
        sending = "radio tx " + payload.hex().upper()
        return [command("radio rxstop", "ok"), command(sending, "radio_tx_ok")]

    def ask(self, command: tuple[bytes, str]) -> bytes:
        """Return the bytes to write for a command; from now on `answer` awaits its reply."""
        line, self._expected = command
        self._asked = line.strip().decode()
        self.answer = None
        if self._asked == "radio rxstop":
            self._hears = False
        return line

    def feed(self, data: bytes) -> list[tuple[str, bytes, int | None, float | None]]:
        """Return the packets now complete: (no address, payload, RSSI in dBm, SNR in dB)."""
        packets: list[tuple[str, bytes, int | None, float | None]] = []
        for line in self._lines.feed(data):
            self._line(line, packets)
        return packets

    def idle(self) -> list[tuple[str, bytes, int | None, float | None]]:
        """Give up what stopped halfway; return a packet whose signal nobody has told."""
        self.counters["bad_frames"] += _PACKET in self._lines.abandon()
        packets: list[tuple[str, bytes, int | None, float | None]] = []
        self._complete(None, packets)
        return packets

    # --------------------------------------------------------------------------------- packets
    def _line(
        self, line: bytes, packets: list[tuple[str, bytes, int | None, float | None]]
    ) -> None:
        """Judge a line."""
        start = line.rfind(_PACKET + b" ")
        if start >= 0:
            self.counters["garbage_bytes"] += start  # noise in front of it
            self._complete(None, packets)
            self._packet(octets(line[start + len(_PACKET) :].strip()))
        elif line in _EVENTS:
            self._event(line)
        else:
            self._reply(line, packets)

    def _packet(self, data: bytes | None) -> None:
        self._hears = False
        if data is None or len(data) > _ON_AIR:
            self.counters["bad_frames"] += 1
            return
        self.counters["frames"] += 1
        self._payload = data
        self._questions = ["rssi", "snr"] if self._tells_rssi else ["snr"]

    def _complete(
        self, snr_db: int | None, packets: list[tuple[str, bytes, int | None, float | None]]
    ) -> None:
        """Hand over the packet that waits for its signal, with what is known of it."""
        if self._payload is not None:
            packets.append(("", self._payload, self._rssi_dbm, snr_db))
        self._payload = self._rssi_dbm = None
        self._questions = []

    # ------------------------------------------------------------------------- everything else
    def _event(self, line: bytes) -> None:
        self._hears = False
        self.counters["error_lines"] += line == b"radio_err"
        if self.answer is None and self._expected.startswith("radio_tx_ok"):
            self.answer = "" if line == b"radio_tx_ok" else "radio tx: radio_err"

    def _reply(
        self, line: bytes, packets: list[tuple[str, bytes, int | None, float | None]]
    ) -> None:
        """Match a line with what was asked."""
        text = printable(line)
        if text.startswith("RN2") and self._expected_now() != _VERSION:
            self.restarted = True
            self.counters["restarts"] += 1
        elif self._is_reply(text):
            self._judge(text, packets)
        else:
            self.counters["unknown_lines"] += 1
            self.counters["garbage_bytes"] += len(line)

    def _expected_now(self) -> str:
        return self._expected if self.answer is None else ""

    def _is_reply(self, text: str) -> bool:
        """Whether it is one; counts those that nobody had asked for."""
        known = text in _ANSWERS or text.startswith("RN2") or not text.strip("-0123456789")
        if self.answer is None:  # a value may be any text
            return text != "" and (known or self._asked.startswith("radio get"))
        self.counters["stray_replies"] += known and text != ""
        return known and text != ""

    def _judge(
        self, text: str, packets: list[tuple[str, bytes, int | None, float | None]]
    ) -> None:
        if self.answer is not None:
            return
        self.counters["error_lines"] += text == "invalid_param"
        if text == "ok" and self._expected == "radio_tx_ok":
            return  # it has begun; whether it succeeds is said later
        fits = _fits(text, self._expected)
        self.answer = "" if fits else f"{self._asked}: answered {text}, expected {self._expected}"
        if self._asked == _HEAR and fits:
            self._hears = True
        elif self._asked == "radio get rssi":
            self._told_rssi(text)
        elif self._asked == "radio get snr":
            snr_db = integer(text.encode(), _SNR_DB)
            self._complete(None if snr_db == _NO_SNR else snr_db, packets)

    def _told_rssi(self, text: str) -> None:
        """Note it; firmware before 1.0.5 does not know the question and is not asked again."""
        self._questions = ["snr"] if self._payload is not None else []
        self._rssi_dbm = integer(text.encode(), _RSSI_DBM)
        if text == "invalid_param":
            self._tells_rssi = False
            self.answer = ""


def _fits(got: str, expected: str) -> bool:
    """Whether it is the reply expected: one of several, any number, a text that begins so."""
    if expected == _NUMBER:
        return got not in _ANSWERS
    if expected.endswith("*"):
        return got.startswith(expected[:-1])
    return got in expected.split("|")


def _plain(settings: dict[str, int | str]) -> list[tuple[str, str]]:
    """Return (parameter, value) of what is set by a number."""
    return [
        (name, str(within(settings, setting, (lowest, highest))))
        for setting, name, lowest, highest in _PLAIN
        if setting in settings
    ]


def _modulation(settings: dict[str, int | str]) -> list[tuple[str, str]]:
    """Return (parameter, value) of what the modem has words of its own for."""
    wanted: list[tuple[str, str]] = []
    if "spreading_factor" in settings:
        factor = within(settings, "spreading_factor", (7, 12))
        wanted.append(("sf", f"sf{factor}"))
    if "bandwidth_khz" in settings:
        if settings["bandwidth_khz"] not in (125, 250, 500):
            message = "bandwidth_khz: 125, 250 or 500"
            raise ValueError(message)
        wanted.append(("bw", str(settings["bandwidth_khz"])))
    if "coding_rate" in settings:
        rate = within(settings, "coding_rate", (1, 4))
        wanted.append(("cr", f"4/{4 + rate}"))
    if "sync_word" in settings:
        word = within(settings, "sync_word", (0, 255))
        wanted.append(("sync", f"{word:02X}|{word:02x}"))
    return wanted
