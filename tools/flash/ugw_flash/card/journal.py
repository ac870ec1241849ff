"""How far a card was written, kept between runs: so that Ctrl-C costs no more than a moment.

It is a hint and nothing more: what was said to be written is read again and compared before the
work goes on, so an entry about another card, or one that lies, costs time and no card.
"""

import hashlib
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple, Self

import msgspec

_KEPT_S: Final = 30 * 86_400


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept: no name of a gateway, no secret."""

    card: str
    image_sha256: str
    done_bytes: int


class Journal(NamedTuple):
    """A folder with a small file for each card that is not complete."""

    folder: Path
    now_s: float

    @classmethod
    def of_user(cls, environ: Mapping[str, str], home: Path, now_s: float) -> Self:
        """Return that of a user, in the folder that the system has for such things."""
        if sys.platform == "win32":
            base = Path(environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
        elif sys.platform == "darwin":
            base = home / "Library" / "Application Support"
        else:
            base = Path(environ.get("XDG_STATE_HOME") or home / ".local" / "state")
        return cls(base / "ugw" / "cards", now_s)

    def said(self, card: str, image_sha256: str) -> int:
        """Return how many bytes of this image this card is said to have; 0: nothing is known."""
        with suppress(OSError, msgspec.MsgspecError):
            path = self._path(card, image_sha256)
            if self.now_s - path.stat().st_mtime < _KEPT_S:
                entry = msgspec.json.decode(path.read_bytes(), type=Entry)
                if (entry.card, entry.image_sha256) == (card, image_sha256):
                    return max(0, entry.done_bytes)
        return 0

    def note(self, card: str, image_sha256: str, done_bytes: int) -> None:
        """Keep how far it came. A folder that cannot be written is no reason to stop."""
        path = self._path(card, image_sha256)
        entry = Entry(card=card, image_sha256=image_sha256, done_bytes=done_bytes)
        with suppress(OSError):
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.with_suffix(".new").write_bytes(msgspec.json.encode(entry))
            path.with_suffix(".new").replace(path)

    def forget(self, card: str, image_sha256: str) -> None:
        """Drop the entry of a card that is complete, and those that are too old to be of use."""
        with suppress(OSError):
            self._path(card, image_sha256).unlink(missing_ok=True)
            for each in self.folder.glob("*.json"):
                if self.now_s - each.stat().st_mtime >= _KEPT_S:
                    each.unlink(missing_ok=True)

    def _path(self, card: str, image_sha256: str) -> Path:
        name = hashlib.sha256(f"{card}\n{image_sha256}".encode()).hexdigest()[:32]
        return self.folder / f"{name}.json"


def users_journal(now_s: float) -> Journal:
    """Return that of the user who runs this process."""
    return Journal.of_user(os.environ, Path.home(), now_s)
