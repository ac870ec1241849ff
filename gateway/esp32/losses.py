"""Loss ranges as the agent has them: the newest for the status, those untold for the events.

Neighbours are one range, in memory and on the flash. What the store gave up it has written down
before it went; what memory had to give up is written here, a while after the first of it, and as
long as the flash refuses it memory has it.
"""

from gateway.esp32 import overlay

TYPE_CHECKING = False  # MicroPython has no typing; the build leaves all of this out
if TYPE_CHECKING:
    from gateway.esp32.clock import Clock
    from gateway.esp32.journal import Loss

_WRITE_MS = 10_000  # between two writings: a store that is refused would wear the flash out


class Losses:
    """`latest`, told or not, and `untold`; both have a bound and are in the journal's form."""

    def __init__(self, root: str, clock: "Clock", untold: "list[Loss]") -> None:
        self.latest = self.untold = untold
        self._root = root
        self._clock = clock
        self._unwritten: list[Loss] = []
        self._due_ms = 0

    def add(self, stream: str, first: int, last: int, reason: str) -> None:
        """Hear of a range; what memory gave up has the reason `store`."""
        clock = self._clock
        loss = [(stream, first, last, reason, clock.boot, clock.now(), clock.offset_ms)]
        self.latest = overlay.run("journal", "joined", self.latest, loss)
        self.untold = overlay.run("journal", "joined", self.untold, loss)
        if reason == "store":
            self._unwritten = overlay.run("journal", "joined", self._unwritten, loss)

    def write(self, at_once: bool = False) -> None:
        """Write down what is not yet, if that is due and can be."""
        now = self._clock.now()
        if self._unwritten and (at_once or now >= self._due_ms):
            self._due_ms = now + _WRITE_MS
            try:
                overlay.run("journal", "declare", self._root, self._unwritten)
                self._unwritten = []
            except OSError:
                pass  # memory has it still

    def told(self, loss: "Loss") -> None:
        """Hear that the broker has a range, as it was when it was told."""
        self.untold = overlay.run("journal", "cut", self.untold, [loss])
        self._unwritten = overlay.run("journal", "cut", self._unwritten, [loss])
        try:
            overlay.run("journal", "told", self._root, [loss])
        except OSError:
            pass  # the flash cannot be written: the next run tells it once more
