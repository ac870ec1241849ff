"""What each device has said last, property by property: for its state and its announcement.

It is fed with every observation, so it does as little as can be. Bounded by the configuration: one
record per listed device, and in it `MOST_PROPERTIES`, those that were seen first.
"""

from collections.abc import Collection

from gateway.model import Observation, Result
from gateway.uplink.meta import MOST_PROPERTIES
from gateway.uplink.state import Key


class Seen:
    """The newest result of each property of one device, since the agent started."""

    __slots__ = ("device", "heard_at_ns", "known", "rssi_dbm", "values")

    def __init__(self, device: str) -> None:
        self.device = device
        self.heard_at_ns = 0
        self.rssi_dbm: int | None = None
        self.values: dict[Key, Result] = {}
        self.known = 0  # properties in it when it was last looked at

    def note(self, observation: Observation) -> bool:
        """Take over what an observation says; True when a property was seen for the first time."""
        values = self.values
        for result in observation.results:
            values[result[0], result[3]] = result
        self.heard_at_ns = observation.heard_at_ns
        self.rssi_dbm = observation.link.rssi_dbm
        return len(values) != self.known and self._grew()

    def _grew(self) -> bool:
        for key in list(self.values)[MOST_PROPERTIES:]:
            del self.values[key]
        before, self.known = self.known, len(self.values)
        return self.known != before

    @property
    def properties(self) -> Collection[Key]:
        """The properties seen so far."""
        return self.values.keys()
