"""The agent's messages: one line per event on standard error, `LEVEL logger: message`.

The time comes first, but not in the journal, which notes its own; there it is the priority, which
the journal takes off again (sd-daemon(3)). A message of several lines is folded into one, so that
what somebody sent cannot look like a message of ours.
"""

import logging
import os
import sys
from typing import Final

_PLAIN = "%(levelname)s %(name)s: %(message)s"
_WITH_TIME = "%(asctime)s " + _PLAIN
_PRIORITIES: Final = {"DEBUG": 7, "INFO": 6, "WARNING": 4, "ERROR": 3, "CRITICAL": 2}
_QUIET = ("asyncio", "bleak", "dbus_fast")  # at debug level, one line per frame and more


class _OneLine(logging.Formatter):
    """Folds lines; a traceback, which only a bug has, stays readable."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the base's name
        line = super().formatMessage(record)
        return "".join(char if char.isprintable() else " " for char in line)


class _Journal(_OneLine):
    """Puts the priority before each line, those of a traceback too."""

    def format(self, record: logging.LogRecord) -> str:
        priority = _PRIORITIES.get(record.levelname, _PRIORITIES["INFO"])
        return "\n".join(f"<{priority}>{line}" for line in super().format(record).splitlines())


def configure(level: str) -> None:
    """Write messages of this level and above ("debug", "info", "warning", "error")."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Journal(_PLAIN) if _in_the_journal() else _OneLine(_WITH_TIME))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.INFO, logging.getLogger().level))


def _in_the_journal() -> bool:
    """Whether standard error is systemd's journal: systemd.exec(5), JOURNAL_STREAM, says how."""
    stream = os.environ.get("JOURNAL_STREAM")
    if stream is None:
        return False
    # A shell's children inherit the variable, and their standard error is something else.
    stderr = os.fstat(sys.stderr.fileno())
    return stream == f"{stderr.st_dev}:{stderr.st_ino}"
