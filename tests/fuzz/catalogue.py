"""Every border, and what is searched there; a name is found by `target`."""

from collections.abc import Mapping
from typing import Final

from tests.fuzz.borders import (
    advertisements,
    boards,
    broker,
    desk,
    lora,
    modems,
    peers,
    recordings,
    written,
)
from tests.fuzz.target import Target

BORDERS: Final = (
    advertisements,
    modems,
    lora,
    broker,
    written,
    recordings,
    peers,
    boards,
    desk,
)
TARGETS: Final[Mapping[str, Target]] = {
    one.name: one for border in BORDERS for one in border.TARGETS
}
