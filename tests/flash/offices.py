"""An office of city IT, as tests need it: a sheet, its books, and who stands there."""

from collections.abc import Callable
from pathlib import Path

from tests.flash import desks
from tests.flash.cards import PACKAGE
from ugw_flash.batch.claims import Claims
from ugw_flash.batch.desk import Desk
from ugw_flash.batch.planning import Job, jobs_of
from ugw_flash.batch.results import Results
from ugw_flash.batch.run import Books, Made, Surface, Tally, run
from ugw_flash.batch.sheet import Sheet, read_sheet
from ugw_flash.identity import Claim
from ugw_flash.outcome import NotWrittenError

CLAIMING = "identity: {claim_url: https://city.example/g, claim_valid: 1d}\n"
YAML = desks.GATEWAY_YAML.replace("    cert: /etc/ugw/gw.pem\n    key: /etc/ugw/gw.key\n", "")


class Person:
    """Hears what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


class Office:
    """A sheet with its profile, its books, and who stands there."""

    def __init__(self, folder: Path, rows: int, *, claiming: bool = True) -> None:
        self.now_s = desks.NOW_S
        self.person = Person()
        text = desks.PI + (CLAIMING if claiming else "")
        desks.profile(folder / "kiel", text, gateway_yaml=YAML, ugw_deb=PACKAGE)
        names = [f"gw-{number}" for number in range(1, rows + 1)]
        self.path = folder / "sites.csv"
        self.path.write_text("gateway;profile\n" + "".join(f"{each};kiel\n" for each in names))
        self.sheet: Sheet = read_sheet(self.path)
        self.jobs = jobs_of(self.sheet, None)

    @property
    def books(self) -> Books:
        """The books, as they are on the disk."""
        return Books(Results.beside(self.sheet), Claims.beside(self.sheet))

    def run(self, maker: Callable[[Job, Claim | None, Desk], Made]) -> Tally:
        """Make what is not made yet."""
        books = self.books
        jobs = [job for job in self.jobs if not books.results.made(job.gateway)]
        surface = Surface(lambda: Desk(self.now_s, {}), self.person.say)
        return run(jobs, {"pi": maker}, books, surface)


def failing(*gateways: str) -> Callable[[Job, Claim | None, Desk], Made]:
    def make(job: Job, _claim: Claim | None, _desk: Desk) -> Made:
        if job.gateway in gateways:
            cause = "the card is worn out"
            raise NotWrittenError(cause, "take another card")
        return Made("0xcafe", "ab" * 32)

    return make
