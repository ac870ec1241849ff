r"""What the serial modems of REYAX have in common: packets by length, replies, errors.

    +RCV=AAAAA,LLL,DDDD...,-RRR,-SS\r\n        a packet that was received, whenever it comes

    A  address of the sender, 0..65535, decimal      R  RSSI in dBm
    L  number of data bytes, 0..240, decimal         S  SNR in dB
    D  the data: any bytes, CR, LF, commas and "+RCV=" included; only L says where they end

A reply is `+OK`, `+NAME=value` to a query, or `+ERR=n`. By itself the modem says `+READY` after a
start, `+ERR=12` and others after a packet it could not read. Anything else is noise: it is counted
and skipped, and costs no packet that came whole. What is held between two calls is less than one
packet.
"""

from gateway.core.commands import command, within

# One text and no table: an ESP32 has not the memory for fifteen.
_ERRORS = (
    " 1 command not ended by CR LF; 2 command does not start with AT; 3 no = in the command;"
    " 4 unknown command; 5 data length does not match; 10 transmission timed out;"
    " 11 reception timed out; 12 CRC error in a received packet; 13 more than 240 bytes;"
    " 14 flash write failed; 15 unknown failure; 17 last transmission not finished;"
    " 18 preamble not allowed; 19 header error in a received packet;"
    " 20 smart receiving time not allowed; "
)
_OF_RECEPTION = (11, 12, 19)  # reported when they happen, never the reply to a command

_MODE = ("AT+MODE?", "+MODE=")  # any
_RECEIVES = "+MODE=0"
_START = b"+RCV="
_MAX_DATA = 240
_MAX_TAIL = 11  # ",-999,-99" CR LF
_RSSI_DBM = (-200, 50)
_SNR_DB = (-64, 64)
_MAX_LINE = 64  # the longest reply, +UID=, has 30
_SPACE = 0x20  # what is printable begins and ends there
_DELETE = 0x7F


class Reyax:
    """What such a modem says as packets, answers, counters; a driver adds `setup`.

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
        self._mode = ""  # as it has answered

    def commands(self, wanted: list[tuple[str, str]], password: str) -> list[tuple[bytes, str]]:
        """Return the commands, each with the reply to expect, for a setup: it clears `restarted`.

        `wanted` are names and values. A modem that sleeps is woken, it would hear nothing.
        """
        self.restarted = False
        self._mode = ""
        commands = [command("AT", "+OK"), command(*_MODE), command("AT+MODE=0", "+OK")]
        for name, value in wanted:
            commands.append(command(f"AT+{name}={value}", "+OK"))
            commands.append(command(f"AT+{name}?", f"+{name}={value}"))
        if password:
            commands.append(command("AT+CPIN=" + password, "+OK"))
        return commands

    def probe(self) -> tuple[bytes, str]:
        """Return the query whether it receives."""
        return (b"AT+MODE?\r\n", _RECEIVES)

    def chores(self) -> list[tuple[bytes, str]]:
        """Return nothing: it goes on receiving by itself."""
        return []

    def send(self, address: str, payload: bytes) -> list[tuple[bytes, str]]:
        """Return the command that transmits 1 to 240 bytes, no NUL, to an address ("lora:17")."""
        if not 0 < len(payload) <= _MAX_DATA or b"\x00" in payload:
            message = "payload: 1 to 240 bytes, none of them NUL"
            raise ValueError(message)
        to = address.split(":")[1]
        return [(f"AT+SEND={to},{len(payload)},".encode() + payload + b"\r\n", "+OK")]

    def ask(self, command: tuple[bytes, str]) -> bytes:
        """Return the bytes to write for a command; from now on `answer` awaits its reply.

        None are written to set the mode that it has.
        """
        line, self._expected = command
        self._asked = line.split(b"=")[0].strip().decode()  # without the value: it may be a secret
        is_needless = line.startswith(b"AT+MODE=") and self._mode == _RECEIVES
        self.answer = "" if is_needless else None
        return b"" if is_needless else line

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
        elif (
            torn
            or not (line.startswith((b"+", b"AT")) or line == b"")
            or (line and not _SPACE <= min(line) <= max(line) < _DELETE)
        ):
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
            _, known, after = _ERRORS.partition(f" {code} ")
            meaning = after.split(";")[0] if known else "not in the guide"
            self.answer = f"{self._asked}: +ERR={code} ({meaning})"

    def _reply(self, text: str) -> None:
        """Match a reply with what was asked: the value may be another one, the name may not."""
        if text.startswith(_MODE[1]):
            self._mode = text
        if self.answer is not None or text.partition("=")[0] != self._expected.partition("=")[0]:
            self.counters["stray_replies"] += 1
        elif text == self._expected or (self._expected, self._asked) == (_MODE[1], _MODE[0]):
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


def _signal(text: bytes) -> tuple[int, int] | None:
    """Read `,-RRR,-SS` and perhaps CR: RSSI in dBm and SNR in dB."""
    fields = text.rstrip(b"\r").split(b",")
    if len(fields) != len(("", "RSSI", "SNR")) or fields[0]:
        return None
    for field in fields[1:]:
        if not (field[1:] if field.startswith(b"-") else field).isdigit():
            return None
    rssi_dbm, snr_db = int(fields[1]), int(fields[2])
    if not (_RSSI_DBM[0] <= rssi_dbm <= _RSSI_DBM[1] and _SNR_DB[0] <= snr_db <= _SNR_DB[1]):
        return None  # a digit too many, or another one: the line is damaged
    return (rssi_dbm, snr_db)


def plain(
    settings: dict[str, int | str], table: tuple[tuple[str, str, int, int], ...]
) -> list[tuple[str, str]]:
    """Return (name, value) of the commands that set one thing each; setting, name, limits."""
    wanted: list[tuple[str, str]] = []
    for setting, name, lowest, highest in table:
        if setting in settings:
            wanted.append((name, str(within(settings, setting, (lowest, highest)))))
    return wanted


def radio(
    settings: dict[str, int | str], table: tuple[tuple[str, int, int, int], ...]
) -> list[int]:
    """Return the values of AT+PARAMETER, none when none is given; setting, factory's, limits."""
    values: list[int] = []
    is_given = False
    for name, factory, lowest, highest in table:
        value = factory
        if name in settings:
            is_given = True
            value = within(settings, name, (lowest, highest))
        values.append(value)
    return values if is_given else []


def password(settings: dict[str, int | str], digits: int) -> str:
    """Return the password, nothing if none is given. Raise ValueError for what is none."""
    if "password" not in settings:
        return ""
    text = str(settings["password"]).upper()
    if len(text) != digits or text.strip("0123456789ABCDEF"):
        message = f"password: {digits} hexadecimal digits"
        raise ValueError(message)
    return text
