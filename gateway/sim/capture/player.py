"""A capture played into a world: the hardware there hears what was heard then, when it was due.

Times between frames are kept, divided by the speed; sessions follow one another after a second.
At the highest speed nothing is lost on the way either: the next frame waits until there is room
for it. An agent that has not come to a device's last frame by then counts it as coalesced.
"""

import asyncio
import math
from collections.abc import Iterable
from typing import Final

import msgspec

from gateway.sim.bluez_air import Advertisement
from gateway.sim.capture.file import Heard
from gateway.sim.capture.format import Record
from gateway.sim.capture.survey import Survey, is_playable
from gateway.sim.emissions import LoraPacket
from gateway.sim.serial_modem import SerialModem
from gateway.sim.world import World

FASTEST: Final = math.inf
_US_PER_S: Final = 1_000_000
_PAUSE_S: Final = 1.0  # between two sessions, whatever was between them
_BURST: Final = 64  # frames that are due at once and go out in one turn of the loop
_LOOK_S: Final = 0.01
_TRIES: Final = 100
_RSSI_DBM: Final = -70  # where none was told
_SNR_DB: Final = 0


class Player:
    """Plays into one world, which has the ports that a survey of the capture asks for."""

    def __init__(self, world: World, survey: Survey, *, speed: float = 1.0) -> None:
        self.played = 0
        self.unheard = 0  # of these: nobody listened, or not for such frames
        self.left_out = 0  # what no hardware can send
        self._world = world
        self._survey = survey
        self._speed = speed
        self._due_s = 0.0  # of the frame that comes next, on the event loop's clock
        self._before: Heard | None = None

    @property
    def told(self) -> str:
        """How it went, in words."""
        parts = [f"{self.played} frames played"]
        if self.unheard:
            parts.append(f"{self.unheard} of them nobody listened for")
        if self.left_out:
            parts.append(f"{self.left_out} left out")
        return ", ".join(parts)

    async def heard(self, limit_s: float | None = None) -> bool:
        """Wait until somebody listens on each radio the capture needs; False after the limit."""
        try:
            async with asyncio.timeout(limit_s):
                while not self._is_heard():  # noqa: ASYNC110 - nobody tells when
                    await asyncio.sleep(_LOOK_S)
        except TimeoutError:
            return False
        return True

    def _is_heard(self) -> bool:
        if self._survey.hears_ble and not self._world.bluez.listened:
            return False
        return all(modem.asked for modem in self._world.modems.values())

    async def play(self, heards: Iterable[Heard]) -> None:
        """Play once; the first frame comes at once. Raises what reading the capture raises."""
        self._due_s, self._before = asyncio.get_running_loop().time(), None
        for heard in heards:
            await self._wait(heard)
            await self._send(heard.record)
        await self._world.settle()

    async def _wait(self, heard: Heard) -> None:
        self._due_s += self._gap_s(heard) / self._speed
        self._before = heard
        wait_s = self._due_s - asyncio.get_running_loop().time()
        if wait_s > 0 or (self.played + self.left_out) % _BURST == 0:
            await asyncio.sleep(max(0.0, wait_s))

    def _gap_s(self, heard: Heard) -> float:
        before = self._before
        if before is None:
            return 0.0
        if before.header is not heard.header:
            return _PAUSE_S
        return max(0, heard.record.at_us - before.record.at_us) / _US_PER_S

    async def _send(self, record: Record) -> None:
        if not is_playable(record):
            self.left_out += 1
            return
        self.played += 1
        if record.medium == "ble":
            self.unheard += not await self._advertise(record)
        else:
            self.unheard += not await self._say(record)

    async def _advertise(self, record: Record) -> bool:
        rssi_dbm = _RSSI_DBM if record.rssi_dbm is None else record.rssi_dbm
        report = Advertisement.of(record.address, record.structures, rssi_dbm=rssi_dbm)
        kind = record.address_type or "public"
        bluez = self._world.bluez
        if bluez.congested:
            await bluez.drain()
        return self._world.advertise(msgspec.structs.replace(report, address_type=kind))

    async def _say(self, record: Record) -> bool:
        port = self._survey.port_of(record)
        if port is None:
            return False
        modem = self._world.modems[port.name]
        if record.medium == "serial":
            return await self._put(modem, record.payload)
        packet = LoraPacket(
            address=0 if record.is_uplink else int(record.address.removeprefix("lora:")),
            payload=record.payload,
            rssi_dbm=_RSSI_DBM if record.rssi_dbm is None else record.rssi_dbm,
            snr_db=_SNR_DB if record.snr_db is None else round(record.snr_db),
        )
        for _ in range(_TRIES):
            words = modem.words(packet, bare=record.is_uplink)
            if words:
                return await self._put(modem, words)
            await asyncio.sleep(_LOOK_S)  # some modems are deaf until they are told to go on
        return False

    @staticmethod
    async def _put(modem: SerialModem, words: bytes) -> bool:
        """Write to a port as its program reads; whether all of it was taken, before too long."""
        for _ in range(_TRIES):
            words = words[modem.uart.offer(words) :]
            if not words:
                return True
            await asyncio.sleep(_LOOK_S)
        return False
