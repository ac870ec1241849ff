"""Many gateways in one run: row after row, whatever becomes of each.

One that fails does not stop the others. What became of a row is on the disk before the next one
begins, so that a run that ended early, whatever ended it, is gone on with by the same command.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from gateway.errors import UgwError
from gateway.exit_codes import ExitCode
from ugw_flash.batch.claims import Claims
from ugw_flash.batch.desk import Desk
from ugw_flash.batch.ledger import utc
from ugw_flash.batch.planning import Job
from ugw_flash.batch.results import FAILED, INTERRUPTED, MADE, Result, Results, operator
from ugw_flash.batch.row import claim_of
from ugw_flash.identity import Claim
from ugw_flash.outcome import NoDeviceError


class Made(NamedTuple):
    """What a row was made on, and of what."""

    device: str = ""  # serial of the card or its reader, MAC of the board; empty: it has none
    material_sha256: str = ""


class WaitedInVainError(NoDeviceError):
    """Nobody inserts a card or plugs in a board any more: the run is over."""


Maker = Callable[[Job, Claim | None, Desk], Made]
"""Makes one gateway; waits for its card or board. Raises UgwError, WaitedInVainError."""


class Books(NamedTuple):
    """What a run reads and writes beside the sheet."""

    results: Results
    claims: Claims


class Surface(NamedTuple):
    """What a run hears and says: the desk at each moment, a person."""

    desk: Callable[[], Desk]
    say: Callable[[str], None]


class Tally(NamedTuple):
    """What became of a run."""

    made: tuple[Result, ...]
    failed: tuple[Result, ...]
    left: tuple[str, ...]  # gateways that it did not come to
    code: ExitCode  # how the command ends


def run(jobs: Sequence[Job], makers: Mapping[str, Maker], books: Books, surface: Surface) -> Tally:
    """Make row after row; `makers` are by the kind of a profile.

    KeyboardInterrupt gets a note that says how the run is gone on with.
    """
    work = _Run(jobs, books, surface)
    code = ExitCode.OK
    for number, job in enumerate(jobs):
        try:
            failed = work.one(number, makers[job.kind])
        except WaitedInVainError as error:
            surface.say(f"{error}: the run ends here.")
            return work.tally(number, code or error.exit_code)
        code = code or failed
    return work.tally(len(jobs), code)


class _Run:
    """Does one job after the other, and keeps the books."""

    def __init__(self, jobs: Sequence[Job], books: Books, surface: Surface) -> None:
        self._jobs = jobs
        self._results, self._claims = books
        self._desk, self._say = surface
        self._done: list[Result] = []

    def one(self, number: int, maker: Maker) -> ExitCode:
        """Make one gateway; return what would be the exit code if it were the only one."""
        job = self._jobs[number]
        self._say(f"{number + 1} of {len(self._jobs)}: {_called(job)}")
        claim = self._claim(job)
        try:
            made = maker(job, claim, self._desk())
        except WaitedInVainError:
            raise
        except UgwError as error:
            return self._failed(job, claim, error)
        except OSError as error:  # what nobody foresaw of one card stops no other either
            cause = ": ".join(filter(None, (error.filename, error.strerror or str(error))))
            return self._failed(job, claim, UgwError(cause))
        except KeyboardInterrupt as interruption:
            self._note(job, claim, INTERRUPTED, Made(), "Ctrl-C")
            made_ones = sum(1 for each in self._done if each.result == MADE)
            going_on = f"the same command goes on with {job.gateway}"
            interruption.add_note(f"({made_ones} of {len(self._jobs)} are made; {going_on})")
            raise
        self._note(job, claim, MADE, made, "")
        self._say(f"{job.gateway} is made. Its label: {job.short_code}")
        return ExitCode.OK

    def _failed(self, job: Job, claim: Claim | None, error: UgwError) -> ExitCode:
        self._note(job, claim, FAILED, Made(), str(error))
        remedy = f" The remedy: {error.remedy}." if error.remedy else ""
        self._say(f"{job.gateway} FAILED: {error}.{remedy}")
        return error.exit_code

    def tally(self, end: int, code: ExitCode) -> Tally:
        """Sum up; `end` is the number of the first job that was not come to."""
        made = tuple(each for each in self._done if each.result == MADE)
        failed = tuple(each for each in self._done if each.result == FAILED)
        left = tuple(job.gateway for job in self._jobs[end:])
        partly = made and (failed or left)
        return Tally(made, failed, left, ExitCode.PARTLY if partly else code)

    def _claim(self, job: Job) -> Claim | None:
        """Return the claim on the label, if it was printed already and is good; else a new one."""
        desk = self._desk()
        new, used = claim_of(job.opened, desk), self._results.has_used
        keep = job.opened.profile.identity.claim_url is not None
        return self._claims.usable_or(new, job.gateway, desk.now_s, used, keep=keep)

    def _note(self, job: Job, claim: Claim | None, result: str, made: Made, cause: str) -> None:
        line = Result(
            gateway=job.gateway,
            result=result,
            time=utc(self._desk().now_s),
            kind=job.kind,
            device=made.device,
            material_sha256=made.material_sha256,
            short_code=job.short_code,
            claim_sha256="" if claim is None else claim.digest,
            claim_expires="" if claim is None else utc(claim.expires_s),
            operator=operator(),
            cause=cause,
        )
        self._results.add(line)
        self._done.append(line)


def _called(job: Job) -> str:
    what = "a card" if job.kind == "pi" else "a board"
    return ", ".join(filter(None, (job.gateway, what, job.row.site, job.row.name)))
