"""What the service manager is told (sd_notify(3)): ready, how it stands, reloading, stopping.

Without one, or when it does not listen, nothing happens: the agent runs the same.
"""

import logging
import os
import socket
import time
from collections.abc import Mapping
from typing import Final

log = logging.getLogger(__name__)

_USEC_PER_S: Final = 1_000_000
_NS_PER_USEC: Final = 1000


class ServiceManager:
    """Who started us, if it wants to know how we are.

    `watchdog_s`: after so long without WATCHDOG=1 it starts us anew; None: it does not watch.
    """

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._address = _address(environ.get("NOTIFY_SOCKET", ""))
        self.watchdog_s = _watchdog_s(environ)
        self._failed = False

    def notify(self, *assignments: str) -> None:
        """Send assignments such as READY=1, each one line; what is not taken is not sent again."""
        if not self._address:
            return
        message = "\n".join(each.replace("\n", " ") for each in assignments)
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
                sock.settimeout(0)  # a manager that does not read must not stop the agent
                sock.sendto(message.encode(), self._address)
        except OSError as error:
            if not self._failed:
                log.warning("service manager not told cause=%r", str(error))
            self._failed = True
        else:
            self._failed = False

    def reloading(self) -> None:
        """Say that the configuration is read anew; READY=1 ends it."""
        usec = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // _NS_PER_USEC
        self.notify("RELOADING=1", f"MONOTONIC_USEC={usec}")


def _address(given: str) -> str:
    if given.startswith("@"):  # the abstract namespace, unix(7)
        return "\0" + given[1:]
    return given if given.startswith("/") else ""


def _watchdog_s(environ: Mapping[str, str]) -> float | None:
    """Return the interval, if it is meant for this process (sd_watchdog_enabled(3))."""
    usec, pid = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    if not usec.isdecimal() or not int(usec):
        return None
    return int(usec) / _USEC_PER_S if pid in ("", str(os.getpid())) else None
