r"""REYAX RYLR998 and RYLR498: serial LoRa modems, 115200 8N1, lines ending in CR LF.

A packet that was received, whenever it comes, also between a command and its reply:

    +RCV=AAAAA,LLL,DDDD...,-RRR,-SS\r\n

    A  address of the sender, 0..65535, decimal      R  RSSI in dBm
    L  number of data bytes, 0..240, decimal         S  SNR in dB
    D  the data: any bytes, CR, LF, commas and "+RCV=" included; only L says where they end

A reply is `+OK`, `+NAME=value` to a query, or `+ERR=n`. By itself the modem says `+READY` after a
start, `+ERR=12` and `+ERR=19` after a packet it could not read. Anything else is noise: it is
counted and skipped, and costs no packet that came whole. What is held between two calls is less
than one packet.

Source: REYAX, LoRa AT Command Guide RYLR998/RYLR498, 23 October 2023.
"""

API = 1
MODEL = "reyax-rylr998"
BAUD = 115200
SETTINGS = (
    "address",  # 0..65535, of this modem
    "network_id",  # 3..15, or 18
    "band_hz",  # centre frequency
    "spreading_factor",  # 5..9 at 125 kHz, ..10 at 250 kHz, ..11 at 500 kHz
    "bandwidth_khz",  # 125, 250, 500
    "coding_rate",  # 1..4 for 4/5..4/8
    "preamble",  # 4..24; in every network but 18 only 12
    "tx_power_dbm",  # 0..22
    "password",  # of the network: 8 hexadecimal digits; the modem forgets it when it restarts
)

_PLAIN = (  # setting, command, lowest, highest
    ("address", "ADDRESS", 0, 65535),
    ("network_id", "NETWORKID", 3, 18),
    ("band_hz", "BAND", 410_000_000, 960_000_000),
    ("tx_power_dbm", "CRFOP", 0, 22),
)
_RADIO = (  # setting, factory value, lowest, highest: AT+PARAMETER sets all four at once
    ("spreading_factor", 9, 5, 11),
    ("bandwidth_khz", 125, 125, 500),
    ("coding_rate", 1, 1, 4),
    ("preamble", 12, 4, 24),
)
_BANDWIDTHS = {125: (7, 9), 250: (8, 10), 500: (9, 11)}  # kHz: code, highest spreading factor
_ERRORS = {
    1: "command not ended by CR LF",
    2: "command does not start with AT",
    4: "unknown command",
    5: "data length does not match",
    10: "transmission timed out",
    12: "CRC error in a received packet",
    13: "more than 240 bytes",
    14: "flash write failed",
    15: "unknown failure",
    17: "last transmission not finished",
    18: "preamble not allowed",
    19: "header error in a received packet",
    20: "smart receiving time not allowed",
}
_OF_RECEPTION = (12, 19)  # reported when they happen, never the reply to a command

_START = b"+RCV="
_MAX_DATA = 240
_MAX_TAIL = len(",-999,-99\r\n")
_MAX_LINE = 64  # the longest reply, +UID=, has 30


class Modem:
    """What the modem says as packets, answers, counters; the caller owns the port and the clock.

    `answer` is None while a reply is awaited, "" after the expected one, else what is wrong.
    `restarted` is True once the modem has reported a start: its settings are in doubt until
    `setup` has been called again.
    """

    def __init__(self) -> None:
        self.answer: str | None = ""
        self.restarted = False
        self.counters = {
            "frames": 0,
            "bad_frames": 0,  # announced by +RCV= and not what a packet looks like
            "error_lines": 0,  # +ERR=
            "stray_replies": 0,  # nobody had asked
            "unknown_lines": 0,
            "overlong_lines": 0,
            "garbage_bytes": 0,  # all that was skipped
            "restarts": 0,
        }
        self._rest = b""
        self._torn = False  # the beginning of the present line was skipped
        self._asked = ""
        self._expected = ""

    def setup(self, settings: dict[str, int | str]) -> list[tuple[bytes, str]]:
        """Return the commands, each with the reply to expect, that make the modem what is wanted.

        What is not given is not touched, but the radio parameters go together: given one of them,
        the others get their factory values. Raise ValueError, naming the setting, for a value the
        modem would not take.
        """
        self.restarted = False
        commands = [("AT", "+OK")]
        for name, value in _plain(settings) + _radio(settings):
            commands.append((f"AT+{name}={value}", "+OK"))
            commands.append((f"AT+{name}?", f"+{name}={value}"))
        if "password" in settings:
            commands.append(("AT+CPIN=" + _password(settings["password"]), "+OK"))
        return [(line.encode() + b"\r\n", reply) for line, reply in commands]

    def probe(self) -> tuple[bytes, str]:
        """Return a command that changes nothing and that a modem in order always answers."""
        return (b"AT\r\n", "+OK")

    def send(self, address: str, payload: bytes) -> tuple[bytes, str]:
        """Return the command that transmits 1 to 240 bytes, no NUL, to an address ("lora:17")."""
        if not 0 < len(payload) <= _MAX_DATA or b"\x00" in payload:
            message = "payload: 1 to 240 bytes, none of them NUL"
            raise ValueError(message)
        to = address.split(":")[1]
        return (f"AT+SEND={to},{len(payload)},".encode() + payload + b"\r\n", "+OK")

    def ask(self, command: tuple[bytes, str]) -> bytes:
        """Return the bytes to write for a command; from now on `answer` awaits its reply."""
        line, self._expected = command
        self._asked = line.split(b"=")[0].strip().decode()  # without the value: it may be a secret
        self.answer = None
        return line

    def feed(self, data: bytes) -> list[tuple[str, bytes, int, int]]:
        """Return the packets now complete: (address, payload, RSSI in dBm, SNR in dB)."""
        frames: list[tuple[str, bytes, int, int]] = []
        data = self._rest + data
        at = 0
        while at < len(data):
            after = self._next(data, at, frames)
            if after == at:
                break
            at = after
        self._rest = data[at:]
        return frames

    def idle(self) -> list[tuple[str, bytes, int, int]]:
        """Give up what stopped halfway, after a second of silence; return packets behind it."""
        frames: list[tuple[str, bytes, int, int]] = []
        while self._rest:
            rest, self._rest = self._rest, b""
            self.counters["bad_frames"] += rest.startswith(_START)
            start = rest.find(_START, 1)
            start = len(rest) if start < 0 else start
            self._skip(start)
            frames += self.feed(rest[start:])
        self._torn = False
        return frames

    def _next(self, data: bytes, at: int, frames: list[tuple[str, bytes, int, int]]) -> int:
        """Judge what stands at `at`; return the position behind it, `at` if it is incomplete."""
        newline = data.find(b"\n", at, at + _MAX_LINE)
        start = data.find(_START, at, at + _MAX_LINE if newline < 0 else newline)
        if start == at:
            return self._packet(data, at, frames)
        if start > at:
            self._skip(start - at)
            return start
        if newline >= 0:
            self._line(data[at : newline + 1])
            return newline + 1
        if len(data) - at < _MAX_LINE:
            return at
        self.counters["overlong_lines"] += not self._torn
        self._skip(_MAX_LINE - len(_START) + 1)  # the last four may begin a packet
        return at + _MAX_LINE - len(_START) + 1

    def _packet(self, data: bytes, at: int, frames: list[tuple[str, bytes, int, int]]) -> int:
        """Read the packet whose +RCV= stands at `at`, by its length; return as `_next` does."""
        body = at + len(_START)
        comma = data.find(b",", body, body + 6)
        if comma < 0:
            return at if len(data) < body + 6 else self._no_packet(body)
        second = data.find(b",", comma + 1, comma + 5)
        if second < 0:
            return at if len(data) < comma + 5 else self._no_packet(body)
        address = _number(data[body:comma], 65535)
        length = _number(data[comma + 1 : second], _MAX_DATA)
        if address < 0 or length < 0:
            return self._no_packet(body)
        end = second + 1 + length
        newline = data.find(b"\n", end, end + _MAX_TAIL)
        if newline < 0:
            return at if len(data) < end + _MAX_TAIL else self._no_packet(body)
        signal = _signal(data[end:newline])
        if signal is None:
            return self._no_packet(body)
        frames.append((f"lora:{address}", data[second + 1 : end], signal[0], signal[1]))
        self.counters["frames"] += 1
        self._torn = False
        return newline + 1

    def _no_packet(self, body: int) -> int:
        """Skip the +RCV= only: a whole packet may stand within what this one claimed."""
        self.counters["bad_frames"] += 1
        self._skip(len(_START))
        return body

    def _line(self, raw: bytes) -> None:
        """Judge a line that is no packet."""
        line = raw.strip()
        torn, self._torn = self._torn, False
        if line.endswith(b"+READY"):  # a start is often preceded by line noise
            self.restarted = True
            self.counters["restarts"] += 1
        elif torn or not (line.startswith((b"+", b"AT")) or line == b"") or not _is_ascii(line):
            self.counters["unknown_lines"] += 1
            self.counters["garbage_bytes"] += len(raw)
        elif line.startswith(b"+ERR="):
            self._error(_number(line[len("+ERR=") :], 255))
        elif line.startswith(b"+"):
            self._reply(line.decode())
        # else an empty line, or a command's echo

    def _error(self, code: int) -> None:
        self.counters["error_lines"] += 1
        if self.answer is None and code not in _OF_RECEPTION:
            self.answer = f"{self._asked}: +ERR={code} ({_ERRORS.get(code, 'not in the guide')})"

    def _reply(self, text: str) -> None:
        """Match a reply with what was asked: the value may be another one, the name may not."""
        if self.answer is not None or _name(text) != _name(self._expected):
            self.counters["stray_replies"] += 1
        elif text == self._expected:
            self.answer = ""
        else:
            self.answer = f"{self._asked}: answered {text}, expected {self._expected}"

    def _skip(self, count: int) -> None:
        self.counters["garbage_bytes"] += count
        self._torn = True


def _number(text: bytes, highest: int) -> int:
    """Return what decimal digits say, -1 if they are none or say more than `highest`."""
    value = int(text) if text.isdigit() else -1
    return value if value <= highest else -1


def _name(reply: str) -> str:
    return reply.split("=", 1)[0]


def _signal(text: bytes) -> tuple[int, int] | None:
    """Read `,-RRR,-SS` and perhaps CR: RSSI in dBm and SNR in dB."""
    fields = text.rstrip(b"\r").split(b",")
    if len(fields) != 3 or fields[0]:
        return None
    for field in fields[1:]:
        if not (field[1:] if field.startswith(b"-") else field).isdigit():
            return None
    return (int(fields[1]), int(fields[2]))


def _is_ascii(line: bytes) -> bool:
    return all(0x20 <= byte < 0x7F for byte in line)


def _plain(settings: dict[str, int | str]) -> list[tuple[str, str]]:
    """Return (name, value) of the commands that set one thing each."""
    commands: list[tuple[str, str]] = []
    for setting, name, lowest, highest in _PLAIN:
        if setting in settings:
            value = _within(settings, setting, (lowest, highest))
            commands.append((name, str(value)))
    if settings.get("network_id") in (16, 17):
        message = "network_id: 3 to 15, or 18"
        raise ValueError(message)
    return commands


def _radio(settings: dict[str, int | str]) -> list[tuple[str, str]]:
    """Return AT+PARAMETER's name and value, or nothing when no radio parameter is given."""
    if not [name for name, _, _, _ in _RADIO if name in settings]:
        return []
    spreading, bandwidth, coding, preamble = [
        _within(settings, name, (lowest, highest), factory)
        for name, factory, lowest, highest in _RADIO
    ]
    code, highest = _BANDWIDTHS.get(bandwidth, (0, 0))
    if not code:
        message = "bandwidth_khz: 125, 250 or 500"
    elif spreading > highest:
        message = f"spreading_factor: at most {highest} at {bandwidth} kHz"
    elif preamble != 12 and settings.get("network_id", 18) != 18:
        message = "preamble: 12 in every network but 18"
    else:
        return [("PARAMETER", f"{spreading},{code},{coding},{preamble}")]
    raise ValueError(message)


def _within(
    settings: dict[str, int | str], name: str, limits: tuple[int, int], factory: int = 0
) -> int:
    value = settings.get(name, factory)
    if not isinstance(value, int) or not limits[0] <= value <= limits[1]:
        message = f"{name}: {limits[0]} to {limits[1]}"
        raise ValueError(message)
    return value


def _password(value: int | str) -> str:
    text = str(value).upper()
    if len(text) != 8 or [digit for digit in text if digit not in "0123456789ABCDEF"]:
        message = "password: 8 hexadecimal digits"
        raise ValueError(message)
    return text
