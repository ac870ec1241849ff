"""What `ugw replay --decode` prints: a line for each observation, and where each frame ended."""

from collections.abc import Iterator
from typing import Any, Final

from gateway.cli.readings import result_text
from gateway.config.findings import printable
from gateway.health import Frames
from gateway.sim.capture.readings import Said

_MS_PER_S: Final = 1000
# Where a frame can end, in the order of docs/reference/counters.md, and what that means here.
_ENDS: Final = (
    ("decoded", "decoded"),
    ("empty", "decoded, nothing in it"),
    ("duplicate", "repeats"),
    ("limited", "more than intake lets in"),
    ("unknown", "in a format that no driver recognises"),
    ("unlisted", "of devices that are not listed"),
)


def line(said: Said) -> str:
    """Return an observation for people: when, who, what."""
    results = ", ".join(result_text(result) for result in said.observation.results)
    return f"{_when(said.json)}  {said.address}  {printable(results)}"


def _when(fields: dict[str, Any]) -> str:
    moment: str | None = fields.get("phenomenonTime")
    if moment is not None:
        return moment.replace("T", " ").removesuffix("Z")
    return f"{fields['uptimeMs'] / _MS_PER_S:12.3f} s"


def ends(frames: Frames, nameless: int) -> Iterator[str]:
    """Yield where the frames ended; together they are all that were heard."""
    yield f"{frames.heard} frames"
    for name, what in _ENDS:
        count = getattr(frames, name)
        if count:
            yield f"  {count} {what}"
    for reason, count in sorted(frames.refused.items()):
        yield f"  {count} refused: {reason}"
    if nameless:
        yield f"and {nameless} packets of which the modem did not say who sent them"
