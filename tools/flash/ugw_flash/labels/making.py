"""Labels of a sheet: which claim each shows, and what else of its row.

A label shows the claim that its gateway was given or will be given, never one that is of no use: a
label without a claim is better than one that fails in the hand of who stands before the gateway.
"""

from typing import NamedTuple

from ugw_flash.batch.claims import Claims
from ugw_flash.batch.desk import Desk
from ugw_flash.batch.planning import Job
from ugw_flash.batch.results import Results
from ugw_flash.batch.row import claim_of
from ugw_flash.identity import Claim
from ugw_flash.labels.model import Label, link_of


class Found(NamedTuple):
    """A gateway's claim, or why its label shows none."""

    claim: Claim | None
    why_not: str = ""


def label_of(job: Job, results: Results, found: Found) -> Label:
    """Return the label of a gateway."""
    row, made = job.row, results.made(job.gateway)
    mac = row.mac or (made.device if made and made.kind == "esp32" else "")
    lines = (row.label or row.name, row.site, mac)
    url = job.opened.profile.identity.claim_url
    link = link_of(url, job.short_code, found.claim)
    return Label(job.gateway, job.short_code, link, tuple(filter(None, lines)))


def claim_for(job: Job, claims: Claims, results: Results, desk: Desk) -> Found:
    """Return the claim for a label; for a gateway that is still to be made it may be a new one.

    A new one is kept, so that the gateway is given the same; in a rehearsal it is not.
    """
    if job.opened.profile.identity.claim_url is None:
        return Found(None)
    made, kept = results.made(job.gateway), claims.of(job.gateway)
    if made is not None:
        return _as_given(made.claim_sha256, kept, desk)
    new, used = claim_of(job.opened, desk), results.has_used
    keep = not desk.rehearsal
    return Found(claims.usable_or(new, job.gateway, desk.now_s, used, keep=keep))


def _as_given(digest: str, kept: Claim | None, desk: Desk) -> Found:
    if kept is None or kept.digest != digest:
        return Found(None, "the claim it was made with is not here any more")
    if kept.expires_s <= desk.now_s:
        return Found(None, "its claim has expired")
    return Found(kept)
