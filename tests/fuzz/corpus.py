"""The committed inputs: what a search has found worth keeping, and every input that was a fault.

corpus/TARGET.txt         inputs that reach something of their own, the shortest first: a line
                          of base64 each, so that a change of the corpus is a change of lines
found/TARGET/SENTENCE     an input that was a fault once, named after it, as it was written
"""

from base64 import b64decode, b64encode
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
FOUND: Final = HERE / "found"
CORPUS: Final = HERE / "corpus"


def kept(target: str) -> Sequence[bytes]:
    """Return the inputs of a target's corpus."""
    file = CORPUS / f"{target}.txt"
    return [b64decode(line) for line in file.read_text().split()] if file.exists() else []


def found(target: str) -> Sequence[Path]:
    """Return the files of inputs that were faults of a target."""
    return sorted((FOUND / target).glob("*"))


def keep(target: str, inputs: Iterable[bytes]) -> None:
    """Write a target's corpus anew."""
    lines = [b64encode(data).decode() for data in sorted(set(inputs), key=_rank) if data]
    CORPUS.mkdir(exist_ok=True)
    file = CORPUS / f"{target}.txt"
    if lines:
        file.write_text("".join(f"{line}\n" for line in lines))
    else:
        file.unlink(missing_ok=True)


def _rank(data: bytes) -> tuple[int, bytes]:
    return len(data), data
