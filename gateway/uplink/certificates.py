"""The certificate files, renewed under a running gateway.

What a connection uses is read when it is made. This notices that other files stand there since,
whoever put them, as soon as they have been left alone for a look and load together: a pair half
written is waited for. It also knows from when until when our own certificate holds.
"""

import logging
import time
from pathlib import Path
from typing import Final

from gateway.clock import Clock, ClockState
from gateway.crypto import validity_of
from gateway.dial import TlsSettings, client_context
from gateway.errors import UplinkError
from gateway.health import Health, UplinkHealth

log = logging.getLogger(__name__)

LOOK_S: Final = 2.0
WARN_DAYS: Final = 21  # before the end; for `ugw check` and the page too
CLOCK_REMEDY: Final = "is this gateway's clock right? otherwise wait, or have one issued anew"

_S_PER_DAY: Final = 86_400
_NS_PER_S: Final = 1_000_000_000

_Fingerprint = tuple[tuple[int, ...] | None, ...]


class Certificates:
    """The files that `tls` names; none at all without it."""

    def __init__(self, tls: TlsSettings | None, *, health: Health) -> None:
        self._tls = tls
        self._clock = health.clock
        self._health = health
        named = (tls.ca, tls.cert, tls.key) if tls else ()
        self._paths = [Path(path) for path in named if path is not None]
        self._in_use: _Fingerprint = ()
        self._seen: _Fingerprint = ()
        self._complained = ""
        self._warned_days: int | None = None
        self._begin_s = 0.0  # of our own certificate
        self._warned_begin_s = 0.0

    def use(self) -> None:
        """Note that a connection is being made with what stands there now."""
        self._in_use = self._seen = self._fingerprint()
        self._note_validity()

    def renewed(self) -> bool:
        """Look; True when a new connection would use something else than this one, and can."""
        self._warn()
        now, before = self._fingerprint(), self._seen
        self._seen = now
        if now == self._in_use or now != before:
            return False
        if self._usable():
            log.info("certificates renewed files=%s", ",".join(map(str, self._paths)))
            return True
        return False

    def _fingerprint(self) -> _Fingerprint:
        return tuple(_stat(path) for path in self._paths)

    def _usable(self) -> bool:
        try:
            client_context(self._tls or TlsSettings())
        except UplinkError as error:
            if str(error) != self._complained:
                self._complained = str(error)
                line = "certificates changed, not usable cause=%r remedy=%r"
                log.warning(line, str(error), error.remedy)
            return False
        self._complained = ""
        return True

    # ------------------------------------------------------------------------------------ validity
    def _note_validity(self) -> None:
        self._begin_s, self._health.uplink.certificate_until_s = self._validity()
        self._warn()

    def _validity(self) -> tuple[float, int | None]:
        if self._tls is None or self._tls.cert is None:
            return 0.0, None
        try:
            begin_s, end_s = validity_of(Path(self._tls.cert).read_bytes())
        except (OSError, ValueError):
            return 0.0, None  # the attempt to connect says what is wrong with it
        return begin_s, int(end_s)

    def _warn(self) -> None:
        self._warn_of_begin()
        self._warn_of_end()

    def _warn_of_begin(self) -> None:
        """Warn once of a certificate that does not hold yet; the broker only says it refuses."""
        early = self._begin_s * _NS_PER_S > self._clock.wall_ns()
        if early and self._begin_s != self._warned_begin_s and _believed(self._clock):
            self._warned_begin_s = self._begin_s
            cause = f"our certificate is not valid before {utc_text(self._begin_s)}"
            log.warning("certificate not valid yet cause=%r remedy=%r", cause, CLOCK_REMEDY)

    def _warn_of_end(self) -> None:
        """Warn once a day, beginning WARN_DAYS before the end."""
        days = days_left(self._health.uplink, self._clock)
        if days is None:
            return
        if days >= WARN_DAYS:
            self._warned_days = None
        elif days != self._warned_days:
            self._warned_days = days
            remedy = "renew it: the files are taken up as soon as they change"
            if days < 0:
                log.error("certificate expired days_ago=%d remedy=%r", -days, remedy)
            else:
                log.warning("certificate expires days_left=%d remedy=%r", days, remedy)


def days_left(uplink: UplinkHealth, clock: Clock) -> int | None:
    """Return for how many days our own certificate holds; below 0: it has expired.

    None where there is none, or where the clock cannot be believed.
    """
    until_s = uplink.certificate_until_s
    if until_s is None or not _believed(clock):
        return None
    return (until_s - clock.wall_ns() // _NS_PER_S) // _S_PER_DAY


def utc_text(at_s: float) -> str:
    """Write a Unix time for people."""
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(at_s))


def _believed(clock: Clock) -> bool:
    return clock.reading().state is not ClockState.UNSYNCED


def _stat(path: Path) -> tuple[int, ...] | None:
    try:
        found = path.stat()
    except OSError:
        return None  # missing for a moment, or for good: dialling says so
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
