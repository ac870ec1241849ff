"""What is remembered of each listed device: enough to tell a new, affordable, authentic frame.

One small record per listed device and nothing of any other: memory is bounded by the
configuration. The rules are the Pi's (gateway/admission.py), in whole milliseconds. Devices are
made by the overlay gateway/esp32/roster.py.
"""

import gc

from gateway.core.policy import NORMAL, thinning_ns
from gateway.core.replay import Counted

TYPE_CHECKING = False  # MicroPython has no typing; the build leaves all of this out
if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.esp32.pipeline import Frame, Result, Results

_SPARE_BYTES = 12_000  # for all else: the largest overlay, and what it makes
_USUAL = 12  # values of a sensor: for these nobody asks how much memory is left
_MOST = 64  # values remembered: what one observation may hold


class Device(Counted):
    """A listed device between two frames."""

    address: bytes  # six; of a LoRa node b"lora:17"
    rate: "tuple[int, int]"  # burst, frames per minute

    # What stands here costs memory only in those devices in which it becomes another.
    medium = "ble"
    urn = about = ""
    klass = "routine"
    # Modules below drivers by which it may be found; a text: the one that is named.
    drivers: "str | list[str] | tuple[str, ...]" = ""
    poll = ""  # the module of what reads it over a connection
    poll_s = poll_ms = poll_failures = 0  # how often, when next, in vain in a row
    unread = ""  # why it cannot be read, once that was told
    properties: "Sequence[tuple[tuple[str, str], str]]" = ()  # configured, and what is known of it
    key: "bytes | None" = None
    hex = False  # its payloads are hexadecimal digits
    merges = True  # whether there is an observation that repeats are merged into
    content = other = b""  # its last two parts: see `gather`
    until = 0  # so long the same is a repeat
    waiting: "Frame | None" = None  # its turn has not come
    before: "tuple[tuple[int, int, bytes], ...]" = ()  # structures of the advertisement before
    rssi: "int | None" = None  # of the last frame, repeats too
    heard_ms: "int | None" = None
    observed_ms: "int | None" = None
    results: "list[Result] | None" = None  # the newest of each property and channel
    is_crowded = False  # no memory is left for properties it had not
    is_faulty = False  # its driver has raised what no driver may
    tokens = tokens_at = 0  # of its rate; a frame costs 60,000
    meta_due = True
    state_due = False
    meta_at_ms = state_at_ms = 0
    expected_s = 0  # its interval; 0: nobody misses it
    is_silent = False
    judged_ms = listened_ms = 0  # when heard last, as far as was looked; in listening time

    # ---------------------------------------------------------------------------------- 2 admit
    def thins(self, level: str, at: int) -> bool:
        """Whether the backlog is too full for another observation so soon."""
        if level == NORMAL or self.klass == "event" or self.observed_ms is None:
            return False
        return at - self.observed_ms < thinning_ns(level) // 1000000

    def spend(self, at: int) -> bool:
        """Take one token of the device's rate, if it has one."""
        burst, per_minute = self.rate
        tokens = min(burst * 60000, self.tokens + (at - self.tokens_at) * per_minute) - 60000
        self.tokens_at = at
        self.tokens = tokens if tokens >= 0 else tokens + 60000
        return tokens >= 0

    def repeats(self, content: bytes, at: int) -> bool:
        """Whether a frame says what was said within the window."""
        if at >= self.until or content not in (self.content, self.other):
            return False
        if content == self.content:
            self.copies += self.merges
        return True

    def gather(self, content: bytes, at: int) -> None:
        """Remember what a frame let through says, beside the last of another kind.

        A scan response comes by itself here, while BlueZ keeps all that a device has sent
        together: so two parts are kept, told apart by the AD types in them.
        """
        if self.medium == "ble" and _kinds(content) != _kinds(self.content):
            self.other = self.content
        self.content = content
        self.until = at + self.window

    def has_news(self, now: int) -> bool:
        """Whether its announcement or its values are to be told now."""
        return (self.meta_due and now >= self.meta_at_ms) or (
            self.state_due and now >= self.state_at_ms
        )

    def observed(self, results: "Results", at: int) -> None:
        """Keep the newest result of each property and channel, for whoever tells of them."""
        self.observed_ms = at
        self.state_due = True
        if self.results is None:
            self.results = []
        known = self.results
        for result in results:
            for index in range(len(known)):
                if known[index][0] == result[0] and known[index][3] == result[3]:
                    known[index] = result
                    break
            else:
                if not self.is_crowded and len(known) < _MOST:
                    self.is_crowded = len(known) >= _USUAL and _is_short()
                    known.append(result)
                    self.meta_due = True


def _is_short() -> bool:
    """Whether there is too little memory to remember more than is delivered anyway.

    Anybody can send a listed LoRa node's name with values it has not: state and meta do without.
    """
    free = getattr(gc, "mem_free", _plenty)
    if free() < _SPARE_BYTES:
        gc.collect()
    return free() < _SPARE_BYTES


def _plenty() -> int:
    """CPython's memory is no concern."""
    return _SPARE_BYTES


def _kinds(data: bytes) -> "list[int]":
    """Return the AD types in an advertisement, in their order."""
    kinds = []
    at = 0
    while at + 1 < len(data) and data[at]:
        kinds.append(data[at + 1])
        at += data[at] + 1
    return kinds
