"""Whether a counter is a new frame's, a repeat's or a recording's: docs/decisions/0010 and 0026.

Times and the window are in the caller's unit: nanoseconds on the Pi, milliseconds on the ESP32.
"""

from gateway.core.refusal import REPLAYED, DecodeError

# A lower counter than this after a higher one is a sensor that restarted (battery change), as
# bthome-ble has it; it may also be a recording of its first frames, so what it says is flagged.
RESTART_BELOW = 100
REPLAY_POSSIBLE = ("replay_possible",)


class RepeatError(Exception):
    """An authentic frame that was heard before: a duplicate, found only after recognition."""


class Counted:
    """What the counters in a device's frames have told so far.

    `counter` is the replay counter as last saved; after an unclean end it may be old, so
    `restored` flags the first frame that passes it. `highest` is the highest there ever was: what
    a sensor says that began anew may be a recording until it has passed that. `copies` are the
    frames that the next observation stands for.
    """

    __slots__ = ("copies", "counter", "highest", "packet", "packet_at", "restored", "window")

    def __init__(self, window: int) -> None:
        self.copies = 1
        self.counter: int | None = None
        self.highest: int | None = None
        self.restored = False
        self.packet: tuple[str, int] | None = None
        self.packet_at = 0
        self.window = window

    def number(self, model: str, counter: int, at: int) -> None:
        """Note the packet counter of a frame in clear; raises RepeatError for the one before.

        The window runs from the frame that brought it: a counter that stands still is no silence.
        """
        packet = (model, counter)
        if at - self.packet_at < self.window and self.packet == packet:
            self.copies += 1
            raise RepeatError
        self.packet, self.packet_at = packet, at

    def refuse_replay(self, counter: int) -> None:
        """Raise DecodeError (REPLAYED) for a counter that a new frame cannot have."""
        if self.counter is not None and RESTART_BELOW <= counter < self.counter:
            raise DecodeError(REPLAYED)

    def advance(self, counter: int) -> tuple[str, ...]:
        """Take the counter of an authentic frame over; return its flags. Raises RepeatError."""
        last = self.counter
        if counter == last:
            self.copies += 1
            raise RepeatError
        highest = -1 if self.highest is None else self.highest
        flagged = counter <= highest or (last is not None and self.restored)
        self.counter, self.restored = counter, False
        self.highest = max(highest, counter)
        return REPLAY_POSSIBLE if flagged else ()
