"""The claims of a sheet: what the labels show and the gateways are given.

Labels may be printed before or after the cards are made; both take the claim from here. It is the
one file that has claims in it, readable by its owner alone, to be deleted once the labels are
printed.
"""

import os
import stat
from collections.abc import Callable, Sequence
from typing import Final, Self

from ugw_flash.batch.ledger import Ledger, unix_s, utc
from ugw_flash.batch.sheet import Sheet
from ugw_flash.identity import Claim
from ugw_flash.outcome import BadMaterialError, RefusedError

COLUMNS: Final = ("gateway", "claim", "expires")


class Claims:
    """The claims there are, by gateway; of several, the last."""

    def __init__(self, ledger: Ledger) -> None:
        """Take what there is. Raises BadMaterialError for a line that is none of ours."""
        self._ledger = ledger
        self._known: dict[str, Claim] = {}
        for gateway, claim, expires in ledger.lines:
            try:
                self._known[gateway] = Claim.of(claim, unix_s(expires))
            except ValueError:
                cause = f"{ledger.path}: the claim of {gateway} expires at {expires}: when?"
                raise BadMaterialError(cause, "write 2027-01-31T12:00:00Z, or delete it") from None

    @classmethod
    def beside(cls, sheet: Sheet) -> Self:
        """Open those of a sheet: sites.csv has sites.claims.csv. Raises RefusedError."""
        path = sheet.path.with_suffix(".claims.csv")
        if os.name == "posix" and path.exists() and path.stat().st_mode & stat.S_IROTH:
            cause = f"{path} has secrets in it and everybody can read it"
            raise RefusedError(cause, f"chmod 600 {path}")
        return cls(Ledger(path, COLUMNS, sheet.separator, _is_whole))

    def usable(self, gateway: str, now_s: int, used: Callable[[str], bool]) -> Claim | None:
        """Return the claim of a gateway, unless it has expired or `used` knows its digest."""
        claim = self._known.get(gateway)
        if claim is None or claim.expires_s <= now_s or used(claim.digest):
            return None
        return claim

    def usable_or(
        self,
        new: Claim | None,
        gateway: str,
        now_s: int,
        used: Callable[[str], bool],
        *,
        keep: bool,
    ) -> Claim | None:
        """Return the usable claim of a gateway, else `new`, added where `keep` says so."""
        known = self.usable(gateway, now_s, used)
        if keep and known is None and new is not None:
            self.keep(gateway, new)
        return known or new

    def of(self, gateway: str) -> Claim | None:
        """Return the last claim of a gateway, whatever became of it."""
        return self._known.get(gateway)

    def keep(self, gateway: str, claim: Claim) -> None:
        """Add a claim; when this returns it is on the disk. Raises UgwError."""
        self._ledger.add(cells_of(gateway, claim))
        self._known[gateway] = claim


def _is_whole(cells: Sequence[str]) -> bool:
    try:
        unix_s(cells[-1])
    except ValueError:
        return False
    return True


def cells_of(gateway: str, claim: Claim) -> tuple[str, str, str]:
    """Return a line of the file, with the claim in it."""
    return gateway, claim.secret.reveal(), utc(claim.expires_s)
