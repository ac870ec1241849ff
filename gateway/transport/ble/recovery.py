"""The climb: what the ladder has due is done to the adapter, counted, and told.

What cannot be done is told once, with the remedy, and the next rung has its turn all the same. An
adapter that a remedy has left without power is switched on as soon as that is possible.
"""

import logging
from collections.abc import Callable

from gateway.health import TransportHealth
from gateway.transport.ble.ladder import Ladder, Remedy, Rung
from gateway.transport.ble.remedies import LeftAloneError, Remedies, RemedyError

_log = logging.getLogger(__name__)


class Recovery:
    """The ladder of one adapter, and who climbs it."""

    def __init__(
        self,
        rungs: tuple[Rung, ...],
        remedies: Remedies,
        record: TransportHealth,
        boot_ns: Callable[[], int],
    ) -> None:
        self._ladder = Ladder(rungs)
        self._remedies = remedies
        self._record = record
        self._boot_ns = boot_ns
        self._is_off_by_us = False
        self._told: dict[Remedy, str] = {}  # why it was not to be had, as it was told last

    def well(self) -> None:
        """Note that something was heard."""
        self._ladder.well()

    def powered(self) -> None:
        """Note that the adapter has power: whoever switches it off from now on is not us."""
        self._is_off_by_us = False

    @property
    def is_exhausted(self) -> bool:
        """Whether all that may be done was tried and has not helped."""
        return self._ladder.exhausted

    async def climb(
        self, adapter: str, *, since_ns: int | None, but: Remedy | None = None
    ) -> bool:
        """Try the remedy that is due; whether one was. `but` one that makes no sense now."""
        remedy = self._ladder.due(self._boot_ns(), since_ns=since_ns, but=but)
        if remedy is None:
            return False
        try:
            await self._do(remedy, adapter)
        except RemedyError as error:
            self._held_back(remedy, error)
        else:
            self._told.pop(remedy, None)
            _log.warning("radio recovery name=%s step=%s", self._record.name, remedy)
        finally:
            self._ladder.tried(remedy, self._boot_ns())
        return True

    async def switch_on(self, adapter: str) -> None:
        """Switch on an adapter that a remedy has left off; without effect on any other."""
        if self._is_off_by_us:
            try:
                await self._remedies.switch_on(adapter)
            except RemedyError as error:
                self._held_back("power", error)
            else:
                self._is_off_by_us = False

    async def _do(self, remedy: Remedy, adapter: str) -> None:
        if remedy == "service":
            await self._remedies.restart_service()
            self._record.count("service_restarts")
            return
        self._is_off_by_us = True
        try:
            await self._remedies.power_cycle(adapter)
        except LeftAloneError:
            self._is_off_by_us = False
            raise
        self._is_off_by_us = False
        self._record.count("power_cycles")

    def _held_back(self, remedy: Remedy, error: RemedyError) -> None:
        """Count it, and tell it once for each cause."""
        self._record.count("recoveries_held_back")
        if self._told.get(remedy) != str(error):
            self._told[remedy] = str(error)
            told = (self._record.name, remedy, error, error.remedy)
            _log.warning("radio recovery held back name=%s step=%s cause=%s remedy=%s", *told)
