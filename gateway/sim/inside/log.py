"""What one agent of many in this process logs, line by line, dated by its own clock."""

import logging
from collections.abc import Callable
from contextvars import ContextVar
from datetime import datetime, timedelta
from typing import ClassVar, Final

SPEAKER: Final[ContextVar[object]] = ContextVar("SPEAKER", default=None)  # whose code runs

_LOGGER: Final = logging.getLogger("gateway")
_LINE: Final = logging.Formatter("%(levelname)s %(name)s: %(message)s")
_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - of a clock that exists nowhere
_NS_PER_US: Final = 1_000


class AgentLog(logging.Handler):
    """Keeps what is logged while `is_ours` says of SPEAKER that it is this agent's.

    While any is open the agents' messages are made from level INFO on.
    """

    _open: ClassVar[int] = 0
    _level_before: ClassVar[int] = logging.NOTSET

    def __init__(self, is_ours: Callable[[object], bool], wall_ns: Callable[[], int]) -> None:
        super().__init__()
        self.lines: list[str] = []
        self._is_ours = is_ours
        self._wall_ns = wall_ns

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a message, if it is ours."""
        if self._is_ours(SPEAKER.get()):
            self.note(_LINE.format(record))

    def note(self, line: str) -> None:
        """Keep a line."""
        at = _EPOCH + timedelta(microseconds=self._wall_ns() // _NS_PER_US)
        self.lines.append(f"{at.isoformat(timespec='milliseconds')}Z {line}")

    def open(self) -> None:
        """Listen to the agents' loggers."""
        if AgentLog._open == 0:
            AgentLog._level_before = _LOGGER.level
            _LOGGER.setLevel(min(logging.INFO, _LOGGER.getEffectiveLevel()))
        AgentLog._open += 1
        _LOGGER.addHandler(self)

    def close(self) -> None:
        """Listen no more; the second time without effect."""
        if self in _LOGGER.handlers:
            _LOGGER.removeHandler(self)
            AgentLog._open -= 1
            if AgentLog._open == 0:
                _LOGGER.setLevel(AgentLog._level_before)
        super().close()
