"""Board after board: at the ports that were named, then each that is plugged in.

The board is asked who it is before anything is made for it. One that was made for another gateway
of this sheet is refused, so that a board which was left at its port is not made twice.
"""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from ugw_flash.batch.cards import Watch
from ugw_flash.batch.desk import Desk
from ugw_flash.batch.planning import Job
from ugw_flash.batch.results import Results
from ugw_flash.batch.row import order_of
from ugw_flash.batch.run import Made, WaitedInVainError
from ugw_flash.esp32.board_work import Bench, NotReadyError, make_board
from ugw_flash.esp32.chip import identify
from ugw_flash.esp32.esptool import Esptool
from ugw_flash.esp32.ports import boards, next_port
from ugw_flash.identity import Claim
from ugw_flash.outcome import NoDeviceError, NotWrittenError, RefusedError
from ugw_flash.progress import Watcher

_TRIES: Final = 5  # boards that are refused, until the row is given up

NextPort = Callable[[], str]
"""Returns where the next board is. Raises WaitedInVainError."""


class Tools(NamedTuple):
    """What boards are written with."""

    esptool: Esptool
    wait_s: float  # for READY; 0: nobody waits
    number: int  # of the software's version, the same for all: it is compiled once


class BoardMaker:
    """Makes the boards of a run."""

    def __init__(self, ports: NextPort, tools: Tools, results: Results, watch: Watch) -> None:
        self._ports = ports
        self._tools = tools
        self._results = results
        self._watch = watch

    def __call__(self, job: Job, claim: Claim | None, desk: Desk) -> Made:
        """Make one board."""
        for _ in range(_TRIES - 1):
            try:
                return self._on_next(job, claim, desk)
            except RefusedError as error:
                with self._watch(job.gateway) as watcher:
                    watcher.say(f"Not this board: {error}. The remedy: {error.remedy}.")
        return self._on_next(job, claim, desk)

    def _on_next(self, job: Job, claim: Claim | None, desk: Desk) -> Made:
        bench = Bench(self._ports(), self._tools.esptool, self._tools.wait_s)
        with self._watch(job.gateway) as watcher:
            mac = identify(bench.esptool, bench.port).mac
            self._refuse_wrong(mac, job)
            order = order_of(job.row, job.opened, claim, desk)
            try:
                result = make_board(order._replace(number=self._tools.number), bench, watcher)
            except NotReadyError as error:
                cause = f"the board {mac}: {error}"
                raise NotWrittenError(cause, error.remedy) from error
        return Made(result.mac, result.firmware_sha256)

    def _refuse_wrong(self, mac: str, job: Job) -> None:
        if job.row.mac not in ("", mac):
            cause = f"this is the board {mac}, and {job.gateway} is to be {job.row.mac}"
            raise RefusedError(cause, "plug in that one, or correct the sheet")
        other = self._results.gateway_on(mac)
        if other not in ("", job.gateway):
            cause = f"the board {mac} is {other} already"
            raise RefusedError(cause, "plug in another one")


def ports_of(named: Sequence[str], talk: Watcher, pause: Callable[[], None]) -> NextPort:
    """Return ports: those that were named, in this order, then each that appears."""
    waiting = list(named)

    def port() -> str:
        if waiting:
            return waiting.pop(0)
        if named:
            cause = "there are more boards than ports were named"
            raise WaitedInVainError(cause, "run it again for the others")
        before = [each.path for each in boards()]
        try:
            return next_port(before, talk, pause).path
        except NoDeviceError as error:
            raise WaitedInVainError(str(error), error.remedy) from error
        except KeyboardInterrupt as interruption:
            interruption.add_note("No board is half written.")
            raise

    return port
