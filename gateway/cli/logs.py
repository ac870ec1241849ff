"""The agent's messages: one line per event on standard error, `LEVEL logger: message`.

The time is added on a terminal only, for the journal notes its own. A message of several lines is
folded into one, so that what somebody sent cannot look like a message of ours.
"""

import logging
import sys

_PLAIN = "%(levelname)s %(name)s: %(message)s"
_WITH_TIME = "%(asctime)s " + _PLAIN
_QUIET = ("asyncio", "bleak", "dbus_fast")  # at debug level, one line per frame and more


class _OneLine(logging.Formatter):
    """Folds lines; a traceback, which only a bug has, stays readable."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the base's name
        line = super().formatMessage(record)
        return "".join(char if char.isprintable() else " " for char in line)


def configure(level: str) -> None:
    """Write messages of this level and above ("debug", "info", "warning", "error")."""
    handler = logging.StreamHandler()
    handler.setFormatter(_OneLine(_WITH_TIME if sys.stderr.isatty() else _PLAIN))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.INFO, logging.getLogger().level))
