"""What making a gateway takes from outside: the time, the environment, whether it is earnest."""

import os
import time
from collections.abc import Mapping
from typing import NamedTuple, Self


class Desk(NamedTuple):
    """The desk at which gateways are made, at one moment."""

    now_s: int  # Unix time
    environ: Mapping[str, str]  # for secrets by reference (env:NAME)
    rehearsal: bool = False  # nobody is asked for a certificate, and none is issued

    @classmethod
    def here(cls, *, rehearsal: bool = False) -> Self:
        """Return this desk, now."""
        return cls(int(time.time()), os.environ, rehearsal)

    def __repr__(self) -> str:
        return f"Desk({self.now_s}, rehearsal={self.rehearsal})"  # the environment has secrets
