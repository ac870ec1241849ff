"""A finding made short: the smallest input that still shows the same error at the same line.

It is looked for within a minute; what is left then is good enough to be read.
"""

import time
import traceback
from pathlib import Path
from typing import Final

from tests.fuzz.target import Target

_LONGEST_S: Final = 60


def shown(target: Target, data: bytes) -> str:
    """Return what an input shows: the error and where it came from; empty for nothing."""
    try:
        target.run(data)
    except Exception as error:  # noqa: BLE001 - whatever comes out is what is looked for
        last = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__} at {Path(last.filename).name}:{last.lineno}"
    return ""


def shortened(target: Target, data: bytes) -> bytes:
    """Return what is left of an input when all is cut out that can be spared."""
    wanted, until = shown(target, data), time.monotonic() + _LONGEST_S
    size = len(data) // 2
    while wanted and size and time.monotonic() < until:
        at = 0
        while at < len(data) and time.monotonic() < until:
            shorter = data[:at] + data[at + size :]
            if shown(target, shorter) == wanted:
                data = shorter
            else:
                at += size
        size //= 2
    return data
