"""The climb: what the ladder has due is done to the adapter, counted, and told.

What cannot be done is told once, with the remedy, and the next rung has its turn all the same. An
adapter that a remedy has left without power, in this run or one that was killed, is switched on as
soon as that is possible.
"""

import asyncio
import logging
from collections.abc import Callable

from gateway.health import TransportHealth
from gateway.transport.ble.ladder import Ladder, Remedy, Rung
from gateway.transport.ble.remedies import LeftAloneError, Remedies, RemedyError
from gateway.transport.ble.unfinished import Unfinished

_log = logging.getLogger(__name__)


class Recovery:
    """The ladder of one adapter, and who climbs it."""

    def __init__(
        self,
        rungs: tuple[Rung, ...],
        remedies: Remedies,
        record: TransportHealth,
        boot_ns: Callable[[], int],
        unfinished: Unfinished,
    ) -> None:
        self._ladder = Ladder(rungs)
        self._may_switch = any(rung.remedy == "power" for rung in rungs)
        self._remedies = remedies
        self._record = record
        self._boot_ns = boot_ns
        self._unfinished = unfinished
        self._told: dict[Remedy, str] = {}  # why it was not to be had, as it was told last

    def well(self) -> None:
        """Note that something was heard."""
        self._ladder.well()

    def powered(self) -> None:
        """Note that the adapter has power: whoever switches it off from now on is not us."""
        self._unfinished.end()

    @property
    def is_exhausted(self) -> bool:
        """Whether all that may be done was tried and has not helped."""
        return self._ladder.exhausted

    async def climb(
        self, adapter: str, address: str, *, since_ns: int | None, but: Remedy | None = None
    ) -> bool:
        """Try the remedy that is due; whether one was. `but` one that makes no sense now."""
        remedy = self._ladder.due(self._boot_ns(), since_ns=since_ns, but=but)
        if remedy is None:
            return False
        try:
            await self._do(remedy, adapter, address)
        except RemedyError as error:
            self._held_back(remedy, error)
            _end_if_asked()
        else:
            self._told.pop(remedy, None)
            _log.warning("radio recovery name=%s step=%s", self._record.name, remedy)
        finally:
            self._ladder.tried(remedy, self._boot_ns())
        return True

    async def switch_on(self, adapter: str, address: str) -> None:
        """Switch on an adapter that a remedy has left off; without effect on any other."""
        if self._may_switch and self._unfinished.is_it(address):
            try:
                await self._remedies.switch_on(adapter)
            except RemedyError as error:
                self._held_back("power", error)
            else:
                self._unfinished.end()
                _log.warning("radio recovery finished name=%s", self._record.name)

    async def _do(self, remedy: Remedy, adapter: str, address: str) -> None:
        if remedy == "service":
            await self._remedies.restart_service()
            self._record.count("service_restarts")
            return
        try:
            await self._unfinished.begin(address)
            await self._remedies.power_cycle(adapter)
        except (LeftAloneError, asyncio.CancelledError):  # it was not switched off, or is on again
            self._unfinished.end()
            raise
        self._unfinished.end()
        self._record.count("power_cycles")

    def _held_back(self, remedy: Remedy, error: RemedyError) -> None:
        """Count it, and tell it once for each cause."""
        self._record.count("recoveries_held_back")
        if self._told.get(remedy) != str(error):
            self._told[remedy] = str(error)
            told = (self._record.name, remedy, error, error.remedy)
            _log.warning("radio recovery held back name=%s step=%s cause=%s remedy=%s", *told)


def _end_if_asked() -> None:
    """Go on ending: an adapter that would not go on again is the next run's to switch on."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
