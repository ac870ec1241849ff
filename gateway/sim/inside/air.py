"""The radios of a gateway in memory: `Air` on virtual time, with the radios under World's names.

A frame counts as taken when the agent's own transport listens: it scans, or has the port open and
understands what comes. Not modelled: bleak, D-Bus, ttys (see bluetooth and ports), UDP forwarders
and network servers, which need the level `process`.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Final, Self

from gateway import assembly
from gateway.config import Settings
from gateway.errors import SimulatorError
from gateway.hardware import Sources
from gateway.health import Health
from gateway.hearing import Source
from gateway.model import Intake
from gateway.registry import Registry
from gateway.sim.agent_config import AgentOptions, write_agent_config
from gateway.sim.air import Air
from gateway.sim.bench import BenchOptions
from gateway.sim.bluez_air import Advertisement, Peripheral
from gateway.sim.emissions import LoraPacket
from gateway.sim.inside.bluetooth import (
    Enter,
    InsideBluez,
    InsideRemedies,
    InsideScanner,
    InsideWatcher,
)
from gateway.sim.inside.gatt import InsideGatt
from gateway.sim.inside.loop import running
from gateway.sim.inside.ports import InsideModem, opener
from gateway.transport import ble, serial

Chance = Callable[[], float]  # uniform in [0, 1)

TICK_S: Final = 20.0  # how often transports look at what nothing tells them of: 1 s in the field


class InsideAir(Air):
    """The hardware around one agent; `enter` leads into it."""

    def __init__(self, options: BenchOptions, enter: Enter) -> None:
        super().__init__(seed=options.seed)
        self._loop = running()
        self._adapters = tuple(options.adapters)
        self.bluez = InsideBluez(self._adapters, options.bluez, enter)
        self._gatt = InsideGatt(self.bluez)
        ports = Path("/dev/serial/by-id")  # which nobody opens: told, it is the same each time
        self.modems = {
            name: InsideModem(ports / name, kind, enter) for name, kind in options.modems.items()
        }
        for sensor in options.sensors:
            self.add_sensor(sensor)

    async def __aenter__(self) -> Self:
        for modem in self.modems.values():
            modem.plug()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for modem in self.modems.values():
            modem.unplug()

    def now_ns(self) -> int:
        """Return virtual time, by which the ledger counts."""
        return self._loop.now_ns

    # ------------------------------------------------------------------------------ for the agent
    def environment(self) -> Mapping[str, str]:
        """Return what an agent needs in its environment: nothing."""
        return {}

    def agent_config(self, directory: Path, agent: AgentOptions | None = None) -> Path:
        """Write a configuration for an agent of this world and return its path.

        From now on the ledger knows the sensors by the names this agent gives them.
        """
        self.know_as(agent or self.agent)
        return write_agent_config(
            directory,
            self.agent,
            adapters=self._adapters,
            modems=self.modems.values(),
            sensors=[sensor.options for sensor in self.sensors],
        )

    def sources(self, chance: Chance) -> Sources:
        """Return what makes an agent's transports of these radios."""

        def made(
            settings: Settings,
            registry: Registry,
            intake: Intake,
            health: Health,
            words: ble.Words,
        ) -> Iterator[Source]:
            for source in assembly.sources(settings, registry, intake, health):
                plan = source.plan
                if isinstance(plan, assembly.BlePlan):
                    heard = partial(self.ble_transport, plan.settings, intake, health, chance)
                    yield Source(source.name, plan, partial(heard, words))
                elif isinstance(plan, assembly.SerialPlan):
                    wanted = partial(self.serial_transport, plan, intake, health, chance)
                    yield Source(source.name, plan, wanted)
                else:
                    cause = f"{source.name} needs a network"
                    raise SimulatorError(cause, "play it on the level process")

        return made

    def ble_transport(
        self,
        settings: ble.BleSettings,
        intake: Intake,
        health: Health,
        chance: Chance,
        words: ble.Words | None = None,
    ) -> ble.BleTransport:
        """Return the agent's transport on an adapter of these."""
        radio = ble.Radio(
            scanner=partial(InsideScanner, self.bluez),
            watcher=partial(InsideWatcher, self.bluez),
            converse=self._gatt.converse,
            remedies=InsideRemedies(self.bluez),
            tick_s=TICK_S,
            words=words or ble.NoWords(),
        )
        return ble.BleTransport(settings, intake, health, chance=chance, radio=radio)

    def serial_transport(
        self, plan: assembly.SerialPlan, intake: Intake, health: Health, chance: Chance
    ) -> serial.SerialTransport:
        """Return the agent's transport on a port of these."""
        return serial.SerialTransport(
            plan.settings,
            plan.modem.connect(),
            intake,
            health,
            chance=chance,
            opens=opener(self.modems),
            tick_s=TICK_S,
        )

    def forsake(self, *, power: bool) -> None:
        """Let the agent's end of everything go: it was killed, or all power has gone."""
        self.bluez.forsake()
        for modem in self.modems.values():
            modem.port.forsake()
            if power and modem.port.plugged:
                modem.replug()

    # --------------------------------------------------------------------------------- on the air
    def advertise(self, report: Advertisement) -> bool:
        """Send one advertisement past the ledger; True when the agent was told of it."""
        return self.bluez.advertise(report)

    def place(self, peripheral: Peripheral) -> None:
        """Let there be a device that can be connected to."""
        self._gatt.place(peripheral)

    def receive(self, packet: LoraPacket) -> bool:
        """Let a LoRa packet arrive; True when the agent read it from a modem's port."""
        return sum([modem.receive(packet) for modem in self.modems.values()]) > 0


def seeded(*parts: object) -> Random:
    """Return a chance of its own, made of these."""
    return Random("/".join(map(str, parts)))  # noqa: S311 - has to be repeatable
