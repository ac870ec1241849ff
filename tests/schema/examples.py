"""The published examples of version 1, as messages with their topics."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from tests.schema.published import SCHEMAS
from tests.schema.validator import read

_TOPICS: Final = {
    "observations": "obs/live",
    "status": "status",
    "event": "event",
    "gateway": "meta",
    "device": "meta/{}",
    "state": "state/{}",
}
_LEVELS: Final = {  # of the devices that occur, by hand
    "urn:dev:mac:c0ffeefffe000001": "mac-c0ffeefffe000001",
    "ugw:kiel:bin-07": "bin-07",
}


class Example(NamedTuple):
    """One published message: its file's name, the message it is an example of, the message."""

    name: str
    message: str
    text: str

    @property
    def topic(self) -> str:
        """Where it is published."""
        level = _LEVELS.get(read(self.text).get("device", ""), "")
        return f"ugw/v1/kiel/gw-kiel-0042/{_TOPICS[self.message].format(level)}"

    @property
    def payload(self) -> bytes:
        """What is published."""
        return self.text.encode()


def unbroken(text: str) -> str:
    """Return a message without the breaks and indents that are there for reading."""
    return "".join(line.strip() for line in text.splitlines())


def _example(path: Path) -> Example:
    text = unbroken(path.read_text(encoding="utf-8"))
    return Example(path.stem, path.stem.partition("-")[0], text)


def _examples() -> Iterator[Example]:
    for path in sorted((SCHEMAS / "examples").glob("*.json")):
        yield _example(path)


EXAMPLES: Final = tuple(_examples())
MESSAGES: Final = tuple(_TOPICS)
