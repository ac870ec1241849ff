"""What transports hear, taken down instead of decoded: an Intake (gateway.model).

Of a device that is not listed nothing is taken down unless `everybody` says so; it is counted and
forgotten. What waits to be written is bounded: beyond MOST_WAITING it is counted as `lost`.
"""

from collections.abc import Collection, Mapping
from typing import Final

from gateway.clock import Clock
from gateway.lorawan import Session, sender_of
from gateway.model import Frame

MOST_WAITING: Final = 20_000  # some seconds of all that an adapter can hear


class Tap:
    """Takes frames down until they are fetched by `take`."""

    def __init__(
        self,
        listed: Collection[str],
        clock: Clock,
        *,
        sessions: Mapping[str, Session] | None = None,
        everybody: bool = False,
    ) -> None:
        self.heard = 0  # frames, of anybody
        self.unwanted = 0  # of these: not to be taken down
        self.lost = 0
        self._listed = frozenset(listed)
        self._clock = clock
        self._sessions = dict(sessions or {})
        self._everybody = everybody
        self._waiting: list[Frame] = []

    def lists(self, address: str) -> bool:
        """Whether a device is listed; what BlueZ keeps of others may go, heard or not."""
        return address in self._listed

    def admits(self, address: str, content: object, rssi_dbm: int | None = None) -> int | None:
        """Let in what is to be taken down, repeats too: they were on the air."""
        del content, rssi_dbm
        self.heard += 1
        if address in self._listed or (self._everybody and address != ""):
            return self._clock.boot_ns()
        self.unwanted += 1
        return None

    def wants(self, address: str) -> bool:
        """Poll what is listed and configured to be polled, and nobody else."""
        return address in self._listed

    def sender(self, uplink: bytes) -> str:
        """Return the listed node whose keys fit; else the device address it bears."""
        return sender_of(uplink, self._sessions)

    def hear(self, frame: Frame) -> None:
        """Take a frame down."""
        if len(self._waiting) >= MOST_WAITING:
            self.lost += 1
            return
        self._waiting.append(frame)

    def take(self) -> list[Frame]:
        """Return what was heard since the last call."""
        taken, self._waiting = self._waiting, []
        return taken
