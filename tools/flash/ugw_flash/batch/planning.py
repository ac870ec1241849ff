"""Which rows are to be made now, each with its profile; all of them tried before the first is.

A row that was made is never made again by the way: only when it is named, and with --again.
"""

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from gateway.config.findings import Finding, InvalidConfigError
from ugw_flash.batch.desk import Desk
from ugw_flash.batch.model import Row
from ugw_flash.batch.rendering import template_of
from ugw_flash.batch.results import Results
from ugw_flash.batch.row import claim_of, order_of, seed_of
from ugw_flash.batch.sheet import Sheet
from ugw_flash.identity import short_code
from ugw_flash.outcome import RefusedError
from ugw_flash.profile import Opened, open_profile


class Job(NamedTuple):
    """A row to be made, and what it is made of."""

    row: Row
    opened: Opened
    short_code: str

    @property
    def gateway(self) -> str:
        """Its id."""
        return self.row.gateway

    @property
    def kind(self) -> str:
        """A card (pi) or a board (esp32)."""
        return self.opened.profile.kind

    def __repr__(self) -> str:
        return f"Job({self.gateway!r})"


class Choice(NamedTuple):
    """What the command line says about rows."""

    only: Collection[str] = ()  # gateways; none: all that are not made yet
    again: bool = False


def jobs_of(sheet: Sheet, profile: Path | None) -> list[Job]:
    """Return every row with its profile. Raises InvalidConfigError with every finding.

    `profile` is for rows that name none.
    """
    findings: list[Finding] = []
    profiles: dict[str, tuple[Opened, str]] = {}  # with the organisation
    jobs: list[Job] = []
    for row in sheet.rows:
        path = row.profile or (str(profile) if profile else "")
        if not path:
            findings.append(row.finding("profile", "required, here or with --profile"))
            continue
        if path not in profiles:
            try:
                opened = open_profile(Path(path))
                profiles[path] = opened, template_of(opened).org
            except InvalidConfigError as error:
                findings += error.findings
                continue
        opened, org = profiles[path]
        jobs.append(Job(row, opened, short_code(org, row.gateway)))
    findings += _alike(jobs)
    if findings:
        raise InvalidConfigError(_once(findings))
    return jobs


def named(jobs: Collection[Job], choice: Choice) -> list[Job]:
    """Return the jobs that were named, or all. Raises RefusedError for one that is not there."""
    known = {job.gateway for job in jobs}
    unknown = [each for each in choice.only if each not in known]
    if unknown:
        cause = f"the sheet has no row for {', '.join(unknown)}"
        raise RefusedError(cause, "--only names gateways of the sheet")
    return [job for job in jobs if not choice.only or job.gateway in choice.only]


def chosen(jobs: Collection[Job], results: Results, choice: Choice) -> list[Job]:
    """Return the jobs that are to be done. Raises RefusedError for what was done already."""
    wanted = named(jobs, choice)
    if choice.again and not choice.only:
        cause = "--again makes gateways anew, and which is not said"
        raise RefusedError(cause, "name them: --again --only GATEWAY")
    made = [each for each in map(results.made, (job.gateway for job in wanted)) if each]
    if choice.again or not made:
        return wanted
    if choice.only:
        cause = f"{made[0].gateway} was made already ({made[0].time}); a row is used once"
        raise RefusedError(cause, "to make it anew, with a new claim, say --again")
    if len(made) == len(wanted):
        cause = f"all {len(made)} gateways of the sheet are made already"
        raise RefusedError(cause, "to make some anew, say --again --only GATEWAY")
    return [job for job in wanted if not results.made(job.gateway)]


def rehearse(jobs: Iterable[Job], now_s: int, environ: Mapping[str, str]) -> None:
    """Render every row as if it were made. Raises InvalidConfigError with all findings of all."""
    desk = Desk(now_s, environ, rehearsal=True)
    findings: list[Finding] = []
    remedy = ""
    for job in jobs:
        make = seed_of if job.kind == "pi" else order_of
        try:
            make(job.row, job.opened, claim_of(job.opened, desk), desk)
        except InvalidConfigError as error:
            findings += error.findings
            remedy = error.remedy
    if findings:
        raise InvalidConfigError(_once(findings), remedy)


def _once(findings: Iterable[Finding]) -> list[Finding]:
    """Drop what one profile says for each of its rows anew."""
    return list({finding.headline: finding for finding in findings}.values())


def _alike(jobs: Iterable[Job]) -> Iterable[Finding]:
    first: dict[str, Job] = {}
    for job in jobs:
        before = first.setdefault(job.short_code, job)
        if before is not job:
            why = f"its short code {job.short_code} is that of {before.gateway} too: rename one"
            yield job.row.finding("gateway", why)
