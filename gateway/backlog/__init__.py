"""Observations kept until the broker has acknowledged them.

Two kinds behind one protocol (`gateway.model.Backlog`) and one test suite: `sqlite` outlives power
cuts, `memory` is the model it is tested against.
"""

from typing import Final

DEFAULT_MAX_BYTES: Final = 512_000_000
SESSIONS_PER_RESERVATION: Final = 1000
