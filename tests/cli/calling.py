"""The command as it is called, and its terminal as it is read."""

import os

import pytest

from gateway.cli.main import main


def end_of(*words: str) -> int | str | None:
    """Run the command in this process; return how it ends."""
    with pytest.raises(SystemExit) as ended:
        main(words)
    return ended.value.code


def read_until(terminal: int, what: str) -> str:
    """Read what is shown until it contains something."""
    shown = b""
    while what.encode() not in shown:
        shown += os.read(terminal, 65536)
    return shown.decode(errors="replace")
