"""A machine whose clocks and kernel are the test's, under the agent's real reading of them."""

from gateway.clock import Word
from tests.fakes import EPOCH_NS, NS

BOOT_IDS = "b0075eed-0000-4000-8000-%012d"
SINCE_1970_NS = 12 * NS  # what a machine without a battery shows when it has just started


class FakeHost:
    """Boots without knowing the time; `set_right` and `step` are what a time daemon does."""

    def __init__(self, boot: int = 1, *, true_offset_ns: int = EPOCH_NS) -> None:
        self.boot_id = BOOT_IDS % boot
        self.now_ns = 1_000 * NS
        self.true_offset_ns = true_offset_ns
        self.offset_ns = SINCE_1970_NS
        self.synced = False
        self.max_error_ms: int | None = None
        self.asked = 0

    def boot_ns(self) -> int:
        return self.now_ns

    def wall_ns(self) -> int:
        return self.now_ns + self.offset_ns

    def word(self) -> Word:
        self.asked += 1
        return Word(self.synced, self.max_error_ms if self.synced else None)

    def pass_s(self, seconds: float) -> None:
        self.now_ns += int(seconds * NS)

    def set_right(self, error_ns: int = 0) -> None:
        self.offset_ns = self.true_offset_ns + error_ns
        self.synced = True

    def step(self, by_ns: int) -> None:
        """Set the clock by hand: the kernel then says that it is not synchronised any more."""
        self.offset_ns += by_ns
        self.synced = False
