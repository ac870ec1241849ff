"""EBYTE's transparent LoRa modems: what their drivers have in common, given a map of registers.

A transparent modem writes what it hears as bytes and knows of no packets, so the nodes frame them:

    framing "cobs", the usual   COBS(packet CRC-32) 00 [RR]     gateway.core.cobs
    framing "gap"               packet [RR], then a silence     nothing tells damage from data

    R  with `rssi_byte`, REG3 bit 7: RSSI is -(256 - R) dBm ("full"), or -R/2 dBm ("half", the
       first E22-900T30S)

A modem whose software switching is on (REG1 bit 4 of the E22) can be set up without its pins M0
and M1, at 9600 baud, and is when one of its radio settings is given. One whose switching is off
sends these commands on the air instead:

    C0 C1 C2 C3 02 MM     ->  C1 C2 C3 02 MM       M  00 transparent, 02 configuration
    C1 AA LL              ->  C1 AA LL VV..        read L registers from A on
    C0 AA LL VV..         ->  C1 AA LL VV..        write; FF FF FF: refused
    C0 C1 C2 C3 00 02     ->  C1 00 02 NN RR       while transparent: noise, last RSSI; a sign of
                                                   life, for REG1 bit 5 is set on the way

Source: EBYTE, E22-xxxT22S and E22-xxxT30x user manuals, 2024; E220-xxxT30x user manual.
"""

from gateway.core.cobs import framed, packet_in
from gateway.core.commands import within

SWITCH = b"\xc0\xc1\xc2\xc3\x02"
NOISE = b"\xc0\xc1\xc2\xc3\x00\x02"
MAX_PACKET = 240  # the largest sub-packet; a longer frame would have RSSI bytes within
_MAX_HELD = 256  # a frame of it, stuffed
_WEAKEST_DBM = -200  # of what a radio can have measured (docs/reference/schema.md)
_REFUSED = b"\xff\xff\xff"
_AMBIENT = 0x20  # REG1
_RSSI = 0x80  # REG3
_HIGHEST_CHANNEL = 83
_BAND_HZ = (0, 1_020_000_000)
_TRANSPARENT, _CONFIGURATION = 0, 2
_READ_HEAD = 3  # bytes of a reply before what was read
_FRAMINGS = ("cobs", "gap")
_RSSI_FORMS = ("off", "full", "half")


class Registers:
    """Where a model keeps what, REG3 last; `network` None: it has none."""

    def __init__(self, network: int | None, reg1: int, channel: int, reg3: int) -> None:
        self.network = network
        self.reg1 = reg1
        self.channel = channel
        self.reg3 = reg3


class EbyteModem:
    """What the modem says as packets, answers, counters; the caller owns the port and the clock.

    `answer` is None while a reply is awaited, "" after the expected one, else what is wrong. These
    modems report no start, so `restarted` stays False.
    """

    def __init__(self, registers: Registers | None, bases_hz: tuple[int, ...] = ()) -> None:
        self.answer: str | None = ""
        self.restarted = False
        self.counters = {
            "frames": 0,
            "bad_frames": 0,  # no checksum fits
            "error_lines": 0,  # a command was refused
            "stray_replies": 0,
            "unknown_lines": 0,
            "overlong_lines": 0,
            "garbage_bytes": 0,  # all that was skipped
            "restarts": 0,
        }
        self._registers = registers
        self._bases_hz = bases_hz
        self._held = b""
        self._torn = False  # the beginning of what is held was skipped
        self._asked = b""
        self._expected = b""
        self._framing = "cobs"
        self._rssi = "off"
        self._wanted: dict[int, int] = {}  # register: value
        self._todo: list[tuple[bytes, str]] = []  # until it is transparent again
        self._can_be_asked = False  # whether it answers while it is transparent

    # -------------------------------------------------------------------------------- commands
    def setup(self, settings: dict[str, int | str]) -> list[tuple[bytes, str]]:
        """Return the commands that read the registers; none, where no radio setting is given.

        What is not as wanted is written by the chores that follow. Raise ValueError, naming the
        setting, for a value the modem would not take.
        """
        self._framing = _one_of(settings, "framing", _FRAMINGS)
        self._rssi = _one_of(settings, "rssi_byte", _RSSI_FORMS)
        self._can_be_asked = False
        self._todo = []
        self._wanted = self._radio(settings)
        if self._registers is None or not self._wanted:
            return []
        return [_switch(_CONFIGURATION), self._read()]

    def probe(self) -> tuple[bytes, str] | None:
        """Return the question for the noise, once it is known that the modem answers it."""
        return (NOISE, "\xc1\x00\x02") if self._can_be_asked else None

    def chores(self) -> list[tuple[bytes, str]]:
        """Return what is left of the setup; afterwards it goes on receiving by itself."""
        return list(self._todo)

    def send(self, address: str, payload: bytes) -> list[tuple[bytes, str]]:
        """Return the bytes that transmit a packet; it has no addressee and is not answered."""
        del address
        packet = framed(payload) if self._framing == "cobs" else payload
        if not 0 < len(packet) <= MAX_PACKET:
            message = f"payload: at most {MAX_PACKET} bytes when framed"
            raise ValueError(message)
        return [(packet, "")]

    def ask(self, command: tuple[bytes, str]) -> bytes:
        """Return the bytes to write for a command; from now on `answer` awaits its reply."""
        self._asked, expected = command
        self._expected = bytes([ord(character) for character in expected])
        self.answer = None if expected else ""
        return self._asked

    def _radio(self, settings: dict[str, int | str]) -> dict[int, int]:
        """Return register -> value of the radio settings that are given."""
        found: dict[int, int] = {}
        where = self._registers
        if where is None:
            return found
        if "address" in settings:
            address = within(settings, "address", (0, 65535))
            found.update({0: address >> 8, 1: address & 0xFF})
        if "network_id" in settings and where.network is not None:
            found[where.network] = within(settings, "network_id", (0, 255))
        if "band_hz" in settings:
            found[where.channel] = self._channel(within(settings, "band_hz", _BAND_HZ))
        return found

    def _channel(self, band_hz: int) -> int:
        for base_hz in self._bases_hz:
            channel, off = divmod(band_hz - base_hz, 1_000_000)
            if not off and 0 <= channel <= _HIGHEST_CHANNEL:
                return channel
        bases = " or ".join([f"{base / 1e6:.3f}" for base in self._bases_hz])
        message = f"band_hz: {bases} MHz and whole megahertz above it"
        raise ValueError(message)

    def _read(self) -> tuple[bytes, str]:
        count = self._registers.reg3 + 1 if self._registers is not None else 0
        return (bytes([0xC1, 0, count]), "\xc1\x00" + chr(count))

    def _advance(self, value: bytes) -> None:
        """Go on with the setup: a command was answered as expected."""
        if self._registers is not None and self._asked == self._read()[0]:
            self._todo = self._writes(value, self._registers)
            self._todo.append(_switch(_TRANSPARENT))
        elif self._todo and self._asked == self._todo[0][0]:
            self._todo.pop(0)
            self._can_be_asked = not self._todo

    def _writes(self, now: bytes, where: Registers) -> list[tuple[bytes, str]]:
        """Return the commands for the registers that, as just read, are not as wanted."""
        rssi = _RSSI if self._rssi != "off" else 0
        wanted = dict(self._wanted)
        wanted[where.reg1] = now[where.reg1] | _AMBIENT
        wanted[where.reg3] = now[where.reg3] & ~_RSSI | rssi
        return [
            _write(register, value)
            for register, value in sorted(wanted.items())
            if now[register] != value
        ]

    # --------------------------------------------------------------------------- what it says
    def feed(self, data: bytes) -> list[tuple[str, bytes, int | None, float | None]]:
        """Return the packets now complete: (no address, payload, RSSI in dBm, no SNR)."""
        packets: list[tuple[str, bytes, int | None, float | None]] = []
        self._held += data
        is_whole = self._reply()
        while is_whole and self._framing == "cobs":
            end = self._held.find(b"\x00")
            if end < 0 or (self._rssi != "off" and end + 1 == len(self._held)):
                break
            self._frame(end, packets)
        self._bound()
        return packets

    def idle(self) -> list[tuple[str, bytes, int | None, float | None]]:
        """Take the silence for the end of what came; return the packet it was."""
        packets: list[tuple[str, bytes, int | None, float | None]] = []
        held, self._held = self._held, b""
        torn, self._torn = self._torn, False
        if self._framing == "gap" and held and not torn:
            self._raw(held, packets)
        elif held.endswith(b"\x00"):  # its signal strength never came
            self._packet(held[:-1], None, packets)
        else:
            self.counters["garbage_bytes"] += len(held)
        return packets

    def _frame(self, end: int, packets: list[tuple[str, bytes, int | None, float | None]]) -> None:
        """Judge what stands before the zero at `end`."""
        heard, self._held = self._held[:end], self._held[end + 1 :]
        if self._torn or len(heard) > _MAX_HELD:
            self.counters["overlong_lines"] += not self._torn
            self.counters["garbage_bytes"] += max(0, len(heard) - _MAX_HELD)
            heard = heard[-_MAX_HELD:]
            self._torn = False
        rssi = self._held[0] if self._rssi != "off" else None
        if self._packet(heard, rssi, packets) and rssi is not None:
            self._held = self._held[1:]

    def _packet(
        self,
        heard: bytes,
        rssi: int | None,
        packets: list[tuple[str, bytes, int | None, float | None]],
    ) -> bool:
        packet = packet_in(heard) if heard else None
        if packet is None:
            self.counters["bad_frames"] += heard != b""
            self.counters["garbage_bytes"] += len(heard) + 1
            return False
        packets.append(("", packet, self._dbm(rssi), None))
        self.counters["frames"] += 1
        return True

    def _raw(
        self, held: bytes, packets: list[tuple[str, bytes, int | None, float | None]]
    ) -> None:
        """Take a packet that only silence ends."""
        rssi = None
        if self._rssi != "off":
            held, rssi = held[:-1], held[-1]
        if not 0 < len(held) <= MAX_PACKET:
            self.counters["bad_frames"] += 1
            self.counters["garbage_bytes"] += len(held)
            return
        packets.append(("", held, self._dbm(rssi), None))
        self.counters["frames"] += 1

    def _dbm(self, rssi: int | None) -> int | None:
        if rssi is None:
            return None
        dbm = rssi - 256 if self._rssi == "full" else -(rssi // 2)
        return dbm if dbm >= _WEAKEST_DBM else None  # no CRC is over it: it may be anything

    def _bound(self) -> None:
        """Hold no more than the longest packet."""
        over = len(self._held) - _MAX_HELD - 1
        if over > 0:
            self.counters["overlong_lines"] += not self._torn
            self.counters["garbage_bytes"] += over
            self._held = self._held[over:]
            self._torn = True

    def _reply(self) -> bool:
        """Take the awaited reply out of what came; packets may stand before and behind it.

        False while it has begun and not come to its end: its zeros end no packet.
        """
        if self.answer is not None:
            return True
        at = self._held.find(self._expected)
        length = _length(self._expected)
        if at < 0:
            return self._refused() or not _begins(self._held, self._expected)
        if at + length > len(self._held):
            return False
        value = self._held[at + len(self._expected) : at + length]
        self.answer = ""
        self._cut(at, length)
        self._advance(value)
        return True

    def _refused(self) -> bool:
        at = self._held.find(_REFUSED)
        if at < 0:
            return False
        self.counters["error_lines"] += 1
        self.answer = f"{self._asked.hex(' ')}: it does not know this"
        self._cut(at, len(_REFUSED))
        return True

    def _cut(self, at: int, length: int) -> None:
        self._held = self._held[:at] + self._held[at + length :]


def _length(expected: bytes) -> int:
    """Return how long a reply is that begins so: what is read is not known beforehand."""
    return _READ_HEAD + expected[2] if len(expected) == _READ_HEAD else len(expected)


def _begins(held: bytes, expected: bytes) -> bool:
    """Whether what is held ends with the beginning of a reply."""
    return any(held.endswith(expected[:size]) for size in range(1, len(expected)))


def _switch(mode: int) -> tuple[bytes, str]:
    return (SWITCH + bytes([mode]), "\xc1\xc2\xc3\x02" + chr(mode))


def _write(register: int, value: int) -> tuple[bytes, str]:
    command = bytes([0xC0, register, 1, value])
    return (command, "\xc1" + chr(register) + "\x01" + chr(value))


def _one_of(settings: dict[str, int | str], name: str, known: tuple[str, ...]) -> str:
    value = settings.get(name, known[0])
    if value not in known:
        message = f"{name}: {', '.join(known)}"
        raise ValueError(message)
    return str(value)
