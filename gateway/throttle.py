"""How much may be on its way: window and size of bundles, for slow links and small brokers.

Both halve when an acknowledgement is slow or does not come in time, and grow by one step per
window of quick ones: what is fresh waits behind all that is on its way, so that is kept to a few
seconds.
What a slow link has taught outlives the connection; what the broker allows is asked anew.
"""

from typing import Final

from gateway.bundle import HEADROOM_BYTES, MAX_BYTES
from gateway.core import narrowing

_MQTT_BYTES: Final = 2  # a PUBLISH is larger than its payload by more than that


class Throttle:
    """Window and bundle size of the moment."""

    def __init__(self, most_window: int) -> None:
        self._most_window = most_window
        self._window = most_window
        self._target = MAX_BYTES
        self._acknowledged = 0  # since the last step
        self._narrowed_at_ns = 0
        self._broker_window = most_window
        self._broker_packet = MAX_BYTES + HEADROOM_BYTES
        self._learned_packet = self._broker_packet  # from brokers that only disconnect
        self.window = most_window  # how many PUBLISHes may wait for their PUBACK
        self.max_bundle_bytes = MAX_BYTES  # of a bundle, unless it is a single observation

    def _settle(self) -> None:
        """Work out what is asked for with each observation."""
        self.window = min(self._window, self._broker_window)
        packet = min(self._broker_packet, self._learned_packet) - HEADROOM_BYTES
        self.max_bundle_bytes = max(HEADROOM_BYTES, min(self._target, packet))

    def retune(self, most_window: int) -> None:
        """Go on with another bound."""
        if self._window == self._most_window:
            self._window = most_window
        self._most_window = most_window
        self._window = min(self._window, most_window)
        self._settle()

    def opened(self, receive_maximum: int, max_packet_bytes: int) -> None:
        """Take over what the broker of a new connection allows."""
        self._broker_window = max(1, receive_maximum)
        self._broker_packet = max_packet_bytes
        self._acknowledged = 0
        self._settle()

    def allows(self, payload_bytes: int) -> bool:
        """Whether the broker has not ruled out a payload of that size."""
        return payload_bytes + _MQTT_BYTES <= self._broker_packet

    def timed_out(self) -> None:
        """Hear that an acknowledgement did not come in time."""
        self._window, self._target = narrowing.narrowed(self.window, self.max_bundle_bytes)
        self._acknowledged = 0
        self._settle()

    def acknowledged(self, sent_ns: int, now_ns: int) -> None:
        """Hear that one came, for what was sent then."""
        waited_ns = now_ns - sent_ns
        if narrowing.is_slow(waited_ns):
            if sent_ns >= self._narrowed_at_ns:  # else it is what was sent before that is slow
                self._narrowed_at_ns = now_ns
                self.timed_out()
            return
        if self._window == self._most_window and self._target == MAX_BYTES:
            return
        if not narrowing.is_quick(waited_ns):
            return
        self._acknowledged += 1
        if self._acknowledged >= self.window:
            self._acknowledged = 0
            self._window, self._target = narrowing.widened(
                self._window, self._target, self._most_window, MAX_BYTES
            )
            self._settle()

    def found_too_large(self, payload_bytes: int) -> None:
        """Learn from a packet that the broker found too large."""
        self._learned_packet = min(self._learned_packet, narrowing.learned_limit(payload_bytes))
        self._settle()
