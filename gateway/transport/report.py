"""One word about a transport: into health every time, into the log when it is news."""

import logging

from gateway.health import Health
from gateway.model import TransportState

_log = logging.getLogger(__name__)


def report(health: Health, name: str, state: TransportState, cause: str = "") -> None:
    """Note a transport's state; `cause` names the remedy where there is one, never a device."""
    if health.report(name, state, cause):
        level = logging.INFO if state is TransportState.UP else logging.WARNING
        _log.log(level, "transport %s is %s%s", name, state, f": {cause}" if cause else "")
