"""Packets from one serial LoRa modem, for ever: unplugged, mute or noisy, it is repaired.

The port is opened by its stable path and set up again whenever it was lost. A modem that is silent
is asked for a sign of life; one that gives none is opened anew, at another of its baud rates; one
that answers and does not receive is set up again. What the modem says is judged by its driver,
which keeps no more than one packet of it and counts all that is none.
"""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from math import inf
from pathlib import PurePath

import msgspec

from gateway.core import backoff
from gateway.driver import Command, Modem, Packet
from gateway.health import Health
from gateway.model import Frame, Intake, TransportState
from gateway.transport.report import report
from gateway.transport.serial.port import LineErrors, Open, OpenPort, Port, PortError
from gateway.transport.serial.senders import Sender
from gateway.transport.serial.speeds import Speeds
from gateway.transport.waiting import set_within

_TICK_S = 1.0
_TRIES = 3  # of a command: modems answer one with a stray error now and then
_FIRST_RETRY_S = 0.1
_MOST_RETRY_S = 5.0
_GREETING_S = 1.0  # a probe and what begins a setup are answered at once, whatever takes longer
_SECOND_NS = 1_000_000_000


class SerialSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Which port and how; `modem` are the settings its driver names."""

    device: str  # best by its stable path: /dev/serial/by-id/...
    baud: int = 115200
    bauds: tuple[int, ...] = ()  # tried in turn when it does not answer at that
    modem: Mapping[str, int | str] = {}
    sender: Sender | None = None  # None: each packet's address is the modem's word
    probe_after_s: float = 60.0  # silence after which the modem is asked for a sign of life
    answer_limit_s: float = 1.0
    idle_s: float = 1.0  # a packet that stopped halfway is given up after a silence of so long


class SerialTransport:
    """A `model.Transport`; raises ValueError at once for settings that the modem does not take."""

    kind = "serial"

    def __init__(  # noqa: PLR0913 - what it works with, each by its name
        self,
        settings: SerialSettings,
        modem: Modem,
        intake: Intake,
        health: Health,
        *,
        chance: Callable[[], float] = random.random,
        opens: Open = Port.open,
        tick_s: float = _TICK_S,
    ) -> None:
        self.name = f"serial:{PurePath(settings.device).name}"
        self._settings = settings
        self._modem = modem
        self._intake = intake
        self._health = health
        self._record = health.transport(self.name, self.kind)
        self._boot_ns = health.clock.boot_ns
        self._chance = chance
        self._open = opens
        self._tick_s = min(tick_s, settings.probe_after_s)
        self._pulse = health.vitals.pulse(self.name)
        self._speeds = Speeds(settings.baud, settings.bauds)
        self._answered = asyncio.Event()
        self._wanted = asyncio.Event()  # the port has ended, or the modem wants to be told more
        self._attempt = 0  # openings in a row without a sign of life
        self._received_bytes = 0
        self._silence: asyncio.TimerHandle | None = None  # runs from the last byte on
        self._packets = 0
        self._signs = 0  # packets and answers: what only a modem in order sends
        self._sign_at_ns = 0
        self._fault = ""  # why the modem is not set up as it should be
        self._lapse = ""  # why it may not go on receiving
        self._line_errors: LineErrors | None = None
        modem.setup(dict(settings.modem))

    async def run(self) -> None:
        """Hear for ever; cancel to end, the port is then closed."""
        while True:
            self._pulse.beat()
            try:
                port = await self._open(self._settings.device, self._speeds.turn(), self._take)
            except PortError as error:
                self._report(TransportState.DOWN, str(error))
            else:
                await self._keep(port)
            await asyncio.sleep(self._delay_s())

    async def _keep(self, port: OpenPort) -> None:
        """Use one opening of the port, until it has ended or a new one is needed."""
        self._record.count("opened")
        try:
            self._line_errors = port.line_errors()
            await self._serve(port)
        except PortError as error:
            self._report(TransportState.DOWN, str(error))
        finally:
            await port.close()
            self._fall_silent()  # half a packet of this opening fits no other

    async def _serve(self, port: OpenPort) -> None:
        """Return when the port has to be opened anew, having reported why. Raises PortError."""
        alive = await self._set_up(port)
        while not port.ended.is_set():
            self._pulse.beat()
            signs = self._signs
            if alive:
                await set_within(self._wanted, self._tick_s)
            else:  # one that takes no command may still hear, its transmit line broken: read on
                await set_within(port.ended, self._delay_s())
            if port.ended.is_set() or not (alive or self._signs > signs):
                break
            alive = await self._look_after(port)
        if port.ended.is_set():
            self._report(TransportState.DOWN, port.cause)

    async def _look_after(self, port: OpenPort) -> bool:
        """Do what is due; False when the modem is dead. Raises PortError."""
        self._wanted.clear()
        self._count_line_errors(port)
        self._report_well()
        if self._modem.restarted:
            return await self._set_up(port)
        if chores := self._modem.chores():
            signs = self._signs
            self._lapse = await self._tell(port, chores)
            if self._lapse:
                self._record.count("failed_chores")
            return self._is_alive(port, signs)
        if self._boot_ns() - self._sign_at_ns >= self._settings.probe_after_s * _SECOND_NS:
            return await self._probe(port)
        return True

    def _delay_s(self) -> float:
        delay_s = backoff.delay_s(
            self._attempt, self._chance(), first_s=_FIRST_RETRY_S, most_s=_MOST_RETRY_S
        )
        self._attempt += 1
        return delay_s

    # ------------------------------------------------------------------------------- commands
    async def _set_up(self, port: OpenPort) -> bool:
        """Give the modem its settings; False when it is dead. Raises PortError."""
        signs = self._signs
        self._packets = 0
        self._lapse = ""
        commands = self._modem.setup(dict(self._settings.modem))
        self._fault = await self._tell(port, commands)
        if self._fault:
            self._record.count("failed_setups")
        return self._is_alive(port, signs)

    async def _probe(self, port: OpenPort) -> bool:
        """Ask for a sign of life; False when there is none. Raises PortError."""
        if self._fault:  # an opportunity to try again
            return await self._set_up(port)
        probe = self._modem.probe()
        if probe is None:
            return True
        signs = self._signs
        self._record.count("probes")
        lapse = await self._command(port, probe, _GREETING_S)
        if lapse and self._signs > signs:  # it answers, but not as one that receives
            self._record.count("lapses")
            return await self._set_up(port)
        return self._is_alive(port, signs)

    def _is_alive(self, port: OpenPort, signs: int) -> bool:
        """Whether there was a sign of life since; if not, and the port is there, it is deaf."""
        if self._signs > signs or self._modem.probe() is None:
            self._speeds.answered()
            self._report_well()
            return True
        if not port.ended.is_set():
            self._record.count("mute")
            self._speeds.mute()
            cause = (
                f"the modem does not answer at {self._speeds.tried} baud, the port is opened"
                " anew: check baud and wiring, else cut its power"
            )
            self._report(TransportState.DEAF, cause)
        return False

    async def _tell(self, port: OpenPort, commands: Sequence[Command]) -> str:
        """Have commands answered in turn; return why one was not, which ends it, else ""."""
        most_s = _GREETING_S
        for command in commands:
            fault = await self._command(port, command, most_s)
            most_s = inf
            if fault:
                return fault
        return ""

    async def _command(self, port: OpenPort, command: Command, most_s: float) -> str:
        """Have one command answered; return "" or why it was not. Raises PortError."""
        limit_s = min(self._settings.answer_limit_s, most_s)
        fault = ""
        for _ in range(_TRIES):
            self._pulse.beat()  # a setup of many commands may take minutes where each is tried
            self._answered.clear()
            if data := self._modem.ask(command):
                port.write(data)
            if self._modem.answer is None:
                await set_within(self._answered, limit_s)
            if port.ended.is_set():
                return port.cause
            if self._modem.answer is None:
                fault = "the modem did not answer"
            elif self._modem.answer:
                fault = f"the modem refused {self._modem.answer}"
            else:
                return ""
        return fault

    # --------------------------------------------------------------------------- what it says
    def _take(self, data: bytes) -> None:
        """Take what the port delivered: at most 4 kB a turn, so a flood leaves others theirs."""
        awaiting = self._modem.answer is None
        self._received_bytes += len(data)
        self._hand_over(self._modem.feed(data))
        self._copy_counters()
        if awaiting and self._modem.answer is not None:
            self._live()
        if self._modem.answer is not None or not data:
            self._answered.set()
        if not data or (self._modem.chores() and not self._lapse):
            self._wanted.set()  # after a lapse only by the clock: else it might never end
        self._await_silence()

    def _await_silence(self) -> None:
        if self._silence is not None:
            self._silence.cancel()
        loop = asyncio.get_running_loop()
        self._silence = loop.call_later(self._settings.idle_s, self._fall_silent)

    def _fall_silent(self) -> None:
        """Give up what stopped halfway: nothing came any more for so long."""
        if self._silence is not None:
            self._silence.cancel()
            self._silence = None
        self._hand_over(self._modem.idle())
        self._copy_counters()

    def _live(self) -> None:
        """Note a sign of life."""
        self._signs += 1
        self._sign_at_ns = self._boot_ns()
        self._attempt = 0

    def _hand_over(self, packets: Sequence[Packet]) -> None:
        sender = self._settings.sender
        for packet in packets:
            self._packets += 1
            self._live()
            if sender is None:
                self._hear(packet)
            elif (found := sender.read(packet[1], self._intake)) is not None:
                self._hear((*found, *packet[2:]), is_uplink=sender.is_uplink)
            else:
                self._record.count("nameless_packets")

    def _hear(self, packet: Packet, *, is_uplink: bool = False) -> None:
        address, payload, rssi_dbm, snr_db = packet
        at_ns = self._intake.admits(address, payload, rssi_dbm)
        if at_ns is not None:
            self._intake.hear(
                Frame(
                    medium="lora",
                    source=self.name,
                    address=address,
                    heard_at_ns=at_ns,
                    content=payload,
                    payload=payload,
                    rssi_dbm=rssi_dbm,
                    snr_db=snr_db,
                    is_uplink=is_uplink,
                )
            )

    # ------------------------------------------------------------------------------ health
    def _report_well(self) -> None:
        """Up; with a fault only once a packet has shown that it hears in spite of it."""
        fault = self._fault or self._lapse
        state = TransportState.UP if not fault or self._packets else TransportState.DOWN
        self._report(state, fault or self._speeds.note)

    def _count_line_errors(self, port: OpenPort) -> None:
        before, now = self._line_errors, port.line_errors()
        if before is not None and now is not None:
            self._record.count("kernel_overruns", now.overruns - before.overruns)
            self._record.count("damaged_bytes", now.damaged - before.damaged)
        self._line_errors = now

    def _copy_counters(self) -> None:
        self._record.counters.update(self._modem.counters)
        self._record.counters["received_bytes"] = self._received_bytes

    def _report(self, state: TransportState, cause: str) -> None:
        report(self._health, self.name, state, cause)
