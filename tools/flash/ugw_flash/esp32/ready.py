"""A board's first words: waiting for the agent's READY, and why it does not come.

READY is said when the broker has acknowledged a message. Until then whatever the board says, from
its ROM to the agent, is explained by the table below; at the end the agent itself is asked.
"""

import re
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, Protocol

import serial  # pyright: ignore[reportMissingTypeStubs]

from ugw_flash.esp32.complaints import HOLD_BOOT
from ugw_flash.progress import Watcher

_BAUD: Final = 115_200
_READ_S: Final = 0.2
_ANSWER_S: Final = 3.0
_KEPT: Final = 300  # lines
_LINE_BYTES: Final = 1000
_READY: Final = re.compile(r"^ugw READY gateway=(\S+)")
_TERMINAL: Final = re.compile(r"\x1b\[[0-9;]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")


class Console(Protocol):
    """A board's serial line. Everything raises OSError when it has gone."""

    def read(self) -> bytes:
        """Return what came; nothing after a while."""
        ...

    def write(self, data: bytes) -> None:
        """Type something."""

    def close(self) -> None:
        """Let go of it."""


class Why(NamedTuple):
    """What a board that is not ready suffers from."""

    cause: str
    remedy: str
    is_final: bool = False  # waiting longer changes nothing


class Heard(NamedTuple):
    """How waiting ended."""

    gateway: str | None  # who said READY
    lines: tuple[str, ...]
    why: Why | None


# What ends a start, wherever it was said; the first that is found counts.
_FAULTS: Final[tuple[tuple[str, Why], ...]] = (
    (
        r"[Bb]rownout detector",
        Why("the board's supply breaks down", "another cable, or a supply of 0.5 A and more"),
    ),
    (
        r"(?s)invalid header: 0x.*invalid header: 0x",
        Why("the chip finds no firmware to start", "write the board anew", is_final=True),
    ),
    (
        r"flash read err|csum err|Checksum failed|Image hash failed",
        Why("what the chip reads is damaged", "write it anew; else exchange it", is_final=True),
    ),
    (
        r"SettingsError: (.+)",
        Why(
            "the agent does not take its files: {1}",
            "report it: ugw let that through",
            is_final=True,
        ),
    ),
    (
        r"incompatible \.mpy",
        Why("this MicroPython cannot load the agent", "take 1.25 to 1.29", is_final=True),
    ),
    (
        r"MemoryError",
        Why(
            "the agent does not fit into the board's memory",
            "without PSRAM the agent has to be part of the firmware: ugw flash files --frozen",
        ),
    ),
    (
        r"(?:ImportError|AttributeError|SyntaxError|NameError|TypeError): .+",
        Why("the agent does not start: {0}", "report it, with what the console shows"),
    ),
    (
        r"Guru Meditation Error[^\n]*",
        Why("the firmware crashes: {0}", "is it the variant for this board (PSRAM, octal)?"),
    ),
    (
        r"^>>>|Type \"help\(\)\"",
        Why("MicroPython runs, but finds no agent", "write the board anew", is_final=True),
    ),
)
# How far the agent came: what it said last counts.
_STATES: Final[tuple[tuple[str, Why], ...]] = (
    (
        r"ugw trouble cause=(.+)",
        Why("the agent starts anew: {1}", "tap a key at its console, and type log"),
    ),
    (
        r"ugw network down cause=(.+)",
        Why("there is no network: {1}", "correct esp32.wifi, and write the board anew"),
    ),
    (
        r"ugw broker gone cause=(.+)",
        Why("the broker does not take it: {1}", "may this network reach the broker?"),
    ),
    (
        r"ugw broker connected",
        Why("the broker acknowledges nothing", "may this gateway write to its topics (ACL)?"),
    ),
    (
        r"ugw time is known",
        Why("the broker is not connected", "does this network let the broker's port out?"),
    ),
    (
        r"ugw network up",
        Why("no time server answers", "does this network let UDP port 123 out?"),
    ),
    (
        r"ugw starts",
        Why("there is no network", "is the Wi-Fi of esp32.wifi in reach here, on 2.4 GHz?"),
    ),
)


def explained(lines: Sequence[str]) -> Why:
    """Return what the lines a board has said come to."""
    for number, line in enumerate(lines):
        if line.startswith("! "):  # the agent's own account, the remedy below it
            below = lines[number + 1].strip() if number + 1 < len(lines) else ""
            return Why(line[2:].rstrip("."), below, is_final=bool(below))
    if why := _found(_FAULTS, "\n".join(lines)):
        return why
    for line in reversed(lines):
        if why := _found(_STATES, line):
            return why
    if any("waiting for download" in line for line in lines):
        return Why("the board waits for a new program", "let BOOT go, tap RESET")
    if lines:
        return Why(f"it last said {lines[-1]!r}", "tap RESET, and look at the console")
    return Why("it says nothing at all", f"tap RESET; if it stays silent, {HOLD_BOOT}")


def _found(table: tuple[tuple[str, Why], ...], text: str) -> Why | None:
    for pattern, why in table:
        found = re.search(pattern, text, re.MULTILINE)
        if found is not None:
            return why._replace(cause=why.cause.format(found[0], *found.groups()))
    return None


def wait(
    open_: Callable[[], Console],
    limit_s: float,
    watcher: Watcher,
    clock: Callable[[], float] = time.monotonic,
) -> Heard:
    """Listen until a board says READY, will never say it, or the time is over."""
    listener = _Listener(open_, watcher)
    try:
        if not _listen(listener, clock, limit_s):
            listener.ask()
            _listen(listener, clock, _ANSWER_S)
    finally:
        listener.close()
    why = None if listener.gateway else explained(listener.lines)
    return Heard(listener.gateway, listener.lines, why)


def _listen(listener: "_Listener", clock: Callable[[], float], limit_s: float) -> bool:
    """Listen for so long; whether it is known before that how it ends."""
    deadline_s = clock() + limit_s
    while clock() < deadline_s:
        listener.listen()
        if listener.gateway is not None or explained(listener.lines).is_final:
            return True
    return False


class _Listener:
    """Reads lines of a console that may go and come back, as that of a chip's own USB does."""

    def __init__(self, open_: Callable[[], Console], watcher: Watcher) -> None:
        self.gateway: str | None = None
        self._open = open_
        self._watcher = watcher
        self._console: Console | None = None
        self._kept: deque[str] = deque(maxlen=_KEPT)
        self._rest = b""

    @property
    def lines(self) -> tuple[str, ...]:
        """What was said, the newest last."""
        return tuple(self._kept)

    def listen(self) -> None:
        """Take what comes in a moment."""
        try:
            if self._console is None:
                self._console = self._open()
            data = self._console.read()
        except OSError:
            self.close()
            time.sleep(_READ_S)
            return
        *whole, self._rest = (self._rest + data).split(b"\n")
        self._rest = self._rest[-_LINE_BYTES:]
        for line in whole:
            self._take(_TERMINAL.sub("", line.decode(errors="replace")).rstrip()[:_LINE_BYTES])

    def ask(self) -> None:
        """Press Enter: an agent explains itself."""
        try:
            if self._console is not None:
                self._console.write(b"\r")
        except OSError:
            self.close()

    def close(self) -> None:
        """Let go of the console."""
        if self._console is not None:
            self._console.close()
        self._console = None

    def _take(self, line: str) -> None:
        if not line:
            return
        self._kept.append(line)
        if line.startswith("ugw "):
            self._watcher.say(f"The board: {line[4:]}")
        elif "waiting for download" in line:
            self._watcher.say("The board waits in download mode: let BOOT go, and tap RESET (EN).")
        found = _READY.match(line)
        if found is not None:
            self.gateway = found[1]


class SerialConsole:
    """The console of a board at a port, or at an address as rfc2217://HOST:PORT."""

    def __init__(self, port: str) -> None:
        """Open it without a reset. Raises OSError."""
        self._line = serial.serial_for_url(port, do_not_open=True, baudrate=_BAUD)
        self._line.timeout = _READ_S
        self._line.dtr = False  # GPIO0 is let go
        self._line.rts = False  # and so is EN
        self._line.open()

    def read(self) -> bytes:
        """Return what came; nothing after a while."""
        return bytes(self._line.read(self._line.in_waiting or 1))

    def write(self, data: bytes) -> None:
        """Type something."""
        self._line.write(data)

    def close(self) -> None:
        """Let go of it."""
        self._line.close()
