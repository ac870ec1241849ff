"""Signs of life: the watchdog is fed while every task gives one, and the LED tells how it goes.

A task gives its sign by `beat` each time it comes round its loop. Seconds are counted here and not
by a clock: while this itself stands still nobody's are, and the watchdog is not fed either.
"""

import asyncio

from gateway.esp32 import overlay

_TICK_MS = 200
_SECOND = 5  # ticks
_PERIOD = 20  # ticks of the LED's pattern
_PATIENCE_S = 90  # longer than any wait that is in order; as the Pi's (gateway/vitals.py)


class Vitals:
    """The tasks, by their places in `names`.

    `flashes` of the LED in 4 s: 0, it stays on: delivering; 1 no network; 2 no broker; 3 trouble;
    10, without a pause: starting.
    """

    flashes = 10

    def __init__(self, names: "tuple[str, ...]", watchdog_ms: int, pin: int | None = None) -> None:
        from machine import WDT, Pin

        self.names = names
        self._left = bytearray([_PATIENCE_S] * len(names))  # seconds each may still be silent
        self._light = bool if pin is None else Pin(pin, Pin.OUT)
        self._feed = WDT(timeout=watchdog_ms).feed

    def beat(self, number: int) -> None:
        """Give a sign of life."""
        self._left[number] = _PATIENCE_S

    async def run(self) -> None:
        """Flash and feed; who no longer lives is noted for the next start."""
        left = self._left
        tick = 0
        while True:
            self._light(not self.flashes or tick % 2 < (tick < 2 * self.flashes))
            await asyncio.sleep_ms(_TICK_MS)
            tick = (tick + 1) % _PERIOD
            if tick % _SECOND:
                continue
            for number in range(len(left)):
                if left[number]:
                    left[number] -= 1
                    if not left[number]:
                        overlay.run("restart", "note", self.names[number] + " stands still")
            if all(left):
                self._feed()
