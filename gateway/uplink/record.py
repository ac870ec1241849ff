"""How the way to the broker stands, for the log and for `Health.uplink`.

One line of log per change of state, as key=value: the same cause again and again is one change.
"""

import logging

from gateway.errors import UplinkError
from gateway.health import Health
from gateway.mqtt import MqttSettings

log = logging.getLogger(__name__)


class Record:
    """Written by the uplink, read by everybody who asks."""

    def __init__(self, health: Health) -> None:
        self._clock = health.clock
        self._uplink = health.uplink
        self._logged = ""

    def attempt(self, settings: MqttSettings, session: int) -> None:
        """Note where the next connection is sought, and its number."""
        uplink = self._uplink
        uplink.host, uplink.port, uplink.version = settings.host, settings.port, settings.version
        uplink.session = session

    def up(self) -> None:
        """Note that it stands."""
        uplink = self._uplink
        self._change(connected=True)
        uplink.cause = uplink.remedy = self._logged = ""
        line = "uplink up host=%s port=%d version=%s session=%d"
        log.info(line, uplink.host, uplink.port, uplink.version, uplink.session)

    def down(self, error: UplinkError, *, meant: bool = False) -> None:
        """Note why it does not stand, or not any more; `meant`: to be made anew, which is well."""
        self._change(connected=False)
        self._uplink.cause, self._uplink.remedy = str(error), error.remedy
        if str(error) != self._logged:
            self._logged = str(error)
            level = logging.INFO if meant else logging.WARNING
            log.log(level, "uplink down cause=%r remedy=%r", str(error), error.remedy)

    def _change(self, *, connected: bool) -> None:
        if self._uplink.connected != connected:
            self._uplink.connected = connected
            self._uplink.since_ns = self._clock.boot_ns()
