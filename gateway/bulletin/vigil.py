"""The watch over silent sensors: told once when one falls silent, once when it is back.

Who is silent is remembered in the store, so a restart does not tell it again.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final

from gateway.bulletin.memory import SILENT, Memory
from gateway.config import (
    BleSettings,
    DeviceSettings,
    NetworkServerSettings,
    SerialSettings,
    Settings,
    TransportSettings,
)
from gateway.health import Health
from gateway.silence import TICK_NS, Change, Hearing, Sensor, Silence, Way

MOST_REMEMBERED: Final = 5_000  # silent devices; a restart tells of the others once more

_NS: Final = 1_000_000_000


class Vigil:
    """One task. `last_heard` is the pipeline's word on an address."""

    def __init__(
        self, health: Health, memory: Memory, last_heard: Callable[[str], int | None]
    ) -> None:
        self._health = health
        self._memory = memory
        self._last_heard = last_heard
        self._pulse = health.vitals.pulse("vigil")
        self._silence = Silence((), (), 0)
        self._ways: dict[str, Way] = {}  # by name of transport

    def begin(self, settings: Settings, memories: Mapping[str, str]) -> None:
        """Watch the devices that are expected, from now on."""
        self._watch(settings, memories.get(SILENT, "").split())

    def configure(self, settings: Settings) -> None:
        """Go on with another configuration; silences begin anew, those told stay told."""
        self._watch(settings, self._silence.silent)

    def _watch(self, settings: Settings, silent: Iterable[str]) -> None:
        now_ns = self._health.clock.boot_ns()
        self._silence = Silence(_sensors(settings), frozenset(silent), now_ns)
        self._ways = {each.name: _heard_by(each) for each in settings.transports}

    @property
    def silent(self) -> Collection[str]:
        """The names of the devices that should have been heard long ago."""
        return self._silence.silent

    async def run(self) -> None:
        """Judge every few seconds, until cancelled."""
        while True:
            await self._pulse.pause(TICK_NS / _NS)
            self.tick()

    def tick(self) -> None:
        """Judge, tell, remember."""
        transports = [
            Hearing(self._ways[name], each.state, each.since_ns)
            for name, each in self._health.transports.items()
            if name in self._ways  # else it is about to end
        ]
        now_ns = self._health.clock.boot_ns()
        changes = self._silence.tick(now_ns, transports, self._last_heard)
        for change in changes:
            self._tell(change)
        if changes:
            self._memory.write(SILENT, " ".join(self._silence.silent[:MOST_REMEMBERED]))

    def _tell(self, change: Change) -> None:
        kind = "sensor.silent" if change.silent else "sensor.back"
        self._health.notify(kind, ("device", change.device), ("gapS", change.gap_ns // _NS))


def _sensors(settings: Settings) -> Iterable[Sensor]:
    return [
        Sensor(
            address=device.address,
            device=settings.urn(device),
            way=_way_of(device),
            interval_ns=device.expected_interval_ns,
        )
        for device in settings.devices
        if device.expected_interval_ns is not None
    ]


# LoRaWAN nodes come by one of two ways: a network server's, or sealed where we have their keys.
_SEALED: Final = "lorawan"


def _way_of(device: DeviceSettings) -> Way:
    return device.space if device.lorawan is None else _SEALED


def _heard_by(transport: TransportSettings) -> Way:
    if isinstance(transport, BleSettings):
        return "ble"
    if isinstance(transport, NetworkServerSettings):
        return "eui"
    is_modem = isinstance(transport, SerialSettings) and transport.sender != "lorawan"
    return "lora" if is_modem else _SEALED
