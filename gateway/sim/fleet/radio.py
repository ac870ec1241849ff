"""Sensors that a gateway hears without a radio: the transport of a fleet's gateway.

It makes frames of what sensors say as gateway.transport.ble makes them of what bleak says. What
bleak, D-Bus and an adapter do on the way is not modelled, nor does it ever fail.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from gateway.config import Settings
from gateway.health import Health
from gateway.hearing import Plan, Source
from gateway.model import Frame, Intake, TransportState
from gateway.registry import Registry
from gateway.sim.bluez_air import Advertisement
from gateway.sim.course import timeline
from gateway.sim.sensors import Sensor
from gateway.transport.ble import Words
from gateway.transport.ble.scanner import structures

NAME: Final = "ble:hci0"


class Radio:
    """Lets sensors speak until it is told to be silent. `sent` counts what they said."""

    name = NAME
    kind = "ble"

    def __init__(self, sensors: Iterable[Sensor]) -> None:
        self.sent = 0
        self.silent = False
        self._sensors = list(sensors)
        self._intake: Intake
        self._health: Health

    def sources(
        self,
        _settings: Settings,
        _registry: Registry,
        intake: Intake,
        health: Health,
        _words: Words,
    ) -> Iterator[Source]:
        """Yield itself, as `gateway.hardware.Hardware.sources` wants it."""
        self._intake, self._health = intake, health
        yield Source(NAME, _Always(), lambda: self)

    async def run(self) -> None:
        """Hear for ever."""
        self._health.transport(NAME, self.kind)
        self._health.report(NAME, TransportState.UP)
        loop = asyncio.get_running_loop()
        start_s = loop.time()
        for at_s, emission in timeline(self._sensors):
            await asyncio.sleep(max(0.0, start_s + at_s - loop.time()))
            if self.silent:
                break
            for copy in emission.copies:
                if isinstance(copy, Advertisement):
                    self._hear(copy)
        await asyncio.Event().wait()

    def _hear(self, report: Advertisement) -> None:
        self.sent += 1
        content = (report.services, report.manufacturer, report.name)
        at_ns = self._intake.admits(report.address, content, report.rssi_dbm)
        if at_ns is None:
            return
        self._intake.hear(
            Frame(
                medium="ble",
                source=NAME,
                address=report.address,
                heard_at_ns=at_ns,
                content=content,
                structures=structures(_heard(report)),
                rssi_dbm=report.rssi_dbm,
            )
        )


class _Heard(NamedTuple):
    """An advertisement as bleak tells of it."""

    rssi: int
    local_name: str | None
    manufacturer_data: Mapping[int, bytes]
    service_data: Mapping[str, bytes]
    service_uuids: Sequence[str]


def _heard(report: Advertisement) -> _Heard:
    said = (report.name, report.manufacturer, report.services, report.uuids)
    return _Heard(report.rssi_dbm, *said)


class _Always(msgspec.Struct, frozen=True):
    """The plan of a radio that no configuration changes."""

    def serves(self, wanted: Plan) -> bool:
        """Whether it does what is wanted: it does the one thing it can."""
        return isinstance(wanted, _Always)
