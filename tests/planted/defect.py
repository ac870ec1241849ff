"""One planted defect: the change that breaks a guarantee, and the tests that go red for it."""

from typing import NamedTuple


class Defect(NamedTuple):
    """A replacement of text in one file; `before` stands there exactly once."""

    name: str  # what the broken agent does: "deletes a row before its PUBACK"
    file: str  # "gateway/sender.py"
    before: str
    after: str
    red: tuple[str, ...]  # node ids; each of them fails with the defect, and passes without
    like: str = ""  # whose public bug it is: "NanoMQ #2432"
