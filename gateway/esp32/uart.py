"""Packets from a serial LoRa modem, for ever: mute, noisy or restarted, it is repaired.

The rules are those of the Pi (gateway/transport/serial/supervisor.py), the drivers the same. A
modem that is silent is asked for a sign of life; one that gives none is called deaf and set up
until it answers; one that answers and does not receive is set up again. Other baud rates than the
configured one are not tried here.
"""

import asyncio
import random

from machine import UART

from gateway.core import backoff

TYPE_CHECKING = False  # MicroPython has no typing; the build leaves all of this out
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from gateway.esp32.clock import Clock
    from gateway.esp32.pipeline import Intake

_TRIES = 3  # of a command: modems answer one with a stray error now and then
_READ = 256  # bytes at once: more than a line at full speed brings in a tick
_QUEUE = 1024  # bytes the chip keeps while the loop is busy
_TICK_MS = 20
_GREETING_MS = 1_000  # a probe and what begins a setup are answered at once
_AGAIN_MS = 1_000  # until a chore that failed is tried again
_PROBE_MS = 60_000  # silence after which a modem in order is asked for a sign of life
_RETRY_MS = 100
_MOST_RETRY_MS = 5_000

_SETUP = 1  # what is due
_CHORES = 2
_PROBE = 3


class Port:
    """The modem as a transport: `name`, `kind`, `state`, `since_ms`, `cause`, `counters`.

    What comes is fetched in ticks, by one task: a read that waits with a time-out may lose what
    comes in the moment it is given up, and makes garbage of two tasks.
    """

    def __init__(
        self, uart: "dict[str, Any]", intake: "Intake", clock: "Clock", beat: "Callable[[], None]"
    ) -> None:
        driver = __import__("drivers.modem." + uart["modem"], None, None, ("Modem",))
        self.name = uart["name"]
        self.kind = "serial"
        self.state, self.cause = "down", "starting"
        self.since_ms = 0
        self.nameless = 0  # packets too short for the number of their sender
        self._uart, self._intake, self._clock, self._beat = uart, intake, clock, beat
        self._modem = driver.Modem()
        self.counters = self._modem.counters
        self._answer_ms = int(getattr(driver, "ANSWER_S", 1) * 1000)
        self._idle_ms = int(getattr(driver, "IDLE_S", 1) * 1000)
        self._buffer = memoryview(bytearray(_READ))
        self._digits = (None, "byte", "word").index(uart["sender"])  # bytes of a node's number
        self._port: Any = None
        self._fault = self._lapse = ""  # why it is not set up; why it may not go on receiving
        self._hears = False  # packets, since it was set up
        self._torn_ms = 0  # when what stopped halfway is given up; 0: nothing came
        self._wait_ms = _PROBE_MS  # after what silence the modem is asked for a sign of life
        self._signs = 0  # of life: packets and answers, what only a modem in order sends
        self._attempt = 0  # in a row without one
        self._asked_ms = 0  # when there was one, or one was asked for, last

    def waiting(self) -> int:
        """Return how many frames are heard and not yet handed on: all of them are, at once."""
        return 0

    async def run(self) -> None:
        """Hear for ever."""
        due = _SETUP
        while True:
            signs = self._signs
            try:
                if due:
                    await self._care(due)
                    self._asked_ms = self._clock.now()
                    if signs == self._signs and self._modem.probe():
                        self._fail("deaf", "no answer: check baud and wiring, else cut its power")
                        due = 0
                self._take()
                cause = self._fault or self._lapse
                if self._hears or not cause:
                    self._turn("up", cause)
                elif due:
                    self._turn("down", cause)
            except (OSError, ValueError) as error:
                self._fail("down", str(error))
            await asyncio.sleep_ms(_TICK_MS)
            due = self._due()

    def _fail(self, state: str, cause: str) -> None:
        """Leave the modem alone for a while. One that is deaf to us may still be heard."""
        self._turn(state, cause)
        self._fault = cause
        self._hears = False
        self._asked_ms = self._clock.now()
        if state == "down":
            self._port = None
        chance = random.random()  # noqa: S311 - only spreads attempts
        self._wait_ms = int(
            backoff.delay_s(self._attempt, chance, first_s=_RETRY_MS, most_s=_MOST_RETRY_MS)
        )
        self._attempt += 1

    def _due(self) -> int:
        """Return what the modem needs now."""
        silence_ms = self._clock.now() - self._asked_ms
        if self._port and self._modem.restarted:
            return _SETUP
        if self._port and self._modem.chores() and (silence_ms >= _AGAIN_MS or not self._lapse):
            return _CHORES
        if silence_ms < self._wait_ms:
            return 0
        return _SETUP if self._fault else _PROBE

    async def _care(self, due: int) -> None:
        """Tell the modem what it needs. Raises OSError."""
        modem, signs = self._modem, self._signs
        if due == _PROBE:
            probe = modem.probe()
            if probe and await self._tell([probe]) and signs != self._signs:
                due = _SETUP  # it answers, but not as one that receives
        if due == _CHORES:
            self._lapse = await self._tell(modem.chores())
        elif due == _SETUP:
            self._hears, self._lapse = False, ""
            if self._port is None:
                uart = self._uart
                self._port = UART(
                    uart["uart"], uart["baud"], tx=uart["tx"], rx=uart["rx"], rxbuf=_QUEUE
                )
                self._hand_on(modem.idle())  # half a packet of one opening fits no other
            self._fault = await self._tell(modem.setup(self._uart["settings"]))

    async def _tell(self, commands: "Sequence[tuple[bytes, str]]") -> str:
        """Have commands answered in turn; return why one was not, which ends it, else ""."""
        modem, limit_ms = self._modem, min(_GREETING_MS, self._answer_ms)
        for command in commands:
            for _ in range(_TRIES):
                data = modem.ask(command)
                if data:
                    self._port.write(data)
                until_ms = self._clock.now() + limit_ms
                while modem.answer is None and self._clock.now() < until_ms:
                    await asyncio.sleep_ms(_TICK_MS)
                    self._take()
                if modem.answer == "":
                    break
            else:
                wrong = modem.answer
                return f"the modem refused {wrong}" if wrong else "the modem did not answer"
            limit_ms = self._answer_ms
        return ""

    def _take(self) -> None:
        """Take what the modem has said; a silence ends what stopped halfway. Raises OSError."""
        self._beat()
        modem, now = self._modem, self._clock.now()
        if self._port and self._port.any():
            size = self._port.readinto(self._buffer)
            is_awaited = modem.answer is None
            self._torn_ms = now + self._idle_ms
            packets = modem.feed(bytes(self._buffer[:size]))
            self._hand_on(packets, is_awaited and modem.answer is not None)
        elif 0 < self._torn_ms <= now:
            self._torn_ms = 0
            self._hand_on(modem.idle())

    def _hand_on(self, packets: "Sequence[tuple[Any, ...]]", has_answered: bool = False) -> None:
        if packets or has_answered:
            self._signs += 1
            self._attempt = 0
            self._wait_ms = _PROBE_MS
            self._asked_ms = self._clock.now()
        size = self._digits
        for address, payload, rssi, snr in packets:
            self._hears = True
            if len(payload) < size:
                self.nameless += 1
                continue
            node = f"lora:{int.from_bytes(payload[:size], 'big')}" if size else address
            self._intake.heard_lora(node, payload[size:], rssi, snr, self._asked_ms)

    def _turn(self, state: str, cause: str) -> None:
        if state != self.state:
            self.since_ms = self._clock.now()
        self.state, self.cause = state, cause
