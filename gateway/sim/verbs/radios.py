"""The radios of an air as faults see them: the same words for a simulated BlueZ and for memory.

An air without one of them is told so with SimulatorError, before anything is broken.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Protocol, cast

from gateway.config import Section
from gateway.config.section import Pattern
from gateway.errors import SimulatorError
from gateway.sim.bench import Bench
from gateway.sim.bluez_faults import Cure, MethodFault
from gateway.sim.modems import ModemModel

Adapter = Annotated[str, Pattern(r"hci[0-9]{1,3}", "an adapter is named hci0, hci1, ...")]
PortName = Annotated[
    str,
    Pattern(r"[A-Za-z0-9_.:-]{1,64}", "a port is named as in /dev/serial/by-id, e.g. usb-lora"),
]


class Faults(Protocol):
    """Misbehaviour of single methods that is in force."""

    def lift(self, fault: MethodFault) -> None:
        """Lift one; it may have been lifted already."""
        ...


class Bluez(Protocol):
    """The Bluetooth daemon and its adapters."""

    @property
    def running(self) -> bool:
        """Whether the daemon runs."""
        ...

    @property
    def faults(self) -> Faults:
        """What its methods do wrong."""
        ...

    async def start(self) -> None:
        """Start the daemon."""
        ...

    async def stop(self) -> None:
        """Stop it in order."""
        ...

    async def crash(self) -> None:
        """Kill it."""
        ...

    def plug_adapter(self, adapter: str) -> None:
        """Plug an adapter in."""
        ...

    def unplug_adapter(self, adapter: str) -> None:
        """Pull it out."""
        ...

    def power(self, adapter: str, *, on: bool) -> None:
        """Switch an adapter on or off."""
        ...

    def wedge(self, until: Cure) -> None:
        """Stop hearing without any sign, until this is done about it."""
        ...

    def fail(self, member: str, error: str, text: str = "") -> MethodFault:
        """Answer a method with an error until that is lifted."""
        ...

    def hang(self, member: str) -> MethodFault:
        """Never answer a method until that is lifted."""
        ...


class Port(Protocol):
    """A serial port, from the side of what is wired to it."""

    silent: bool
    baud: Callable[[], int] | None

    @property
    def plugged(self) -> bool:
        """Whether it is there."""
        ...

    @property
    def written_bytes(self) -> int:
        """How many bytes the program was sent."""
        ...

    def write(self, data: bytes) -> bool:
        """Send bytes to the program; whether all were taken."""
        ...


class Modem(Protocol):
    """A LoRa modem on a port."""

    @property
    def model(self) -> ModemModel:
        """What it is."""
        ...

    @property
    def uart(self) -> Port:
        """Its port."""
        ...

    def plug(self) -> None:
        """Plug it in: it starts."""
        ...

    def unplug(self) -> None:
        """Pull it out."""
        ...


class Bus(Protocol):
    """The D-Bus daemon."""

    async def start(self) -> None:
        """Start it."""
        ...

    async def stop(self) -> None:
        """Stop it."""
        ...


class OnAdapter(Section):
    """A fault of Bluetooth."""

    on: Adapter | None = None
    """The adapter; by default the first."""


class OnModem(Section):
    """A fault of a LoRa modem or of its port."""

    on: PortName | None = None
    """The modem, by the name of its port; by default the first."""


class OnDevice(Section):
    """A fault of something that is plugged in."""

    on: PortName | None = None
    """The adapter or modem; by default the first adapter, or else the first modem."""


def bluez_of(bench: Bench) -> Bluez:
    """Return the Bluetooth daemon. Raises SimulatorError where there is none."""
    return cast("Bluez", _part(bench, "bluez", "Bluetooth"))


def bus_of(bench: Bench) -> Bus:
    """Return the D-Bus daemon. Raises SimulatorError where there is none."""
    return cast("Bus", _part(bench, "bus", "D-Bus"))


def _part(bench: Bench, name: str, called: str) -> object:
    part: object = getattr(bench.air, name, None)
    if part is None:
        cause = f"there is no {called} on the level {bench.level}"
        raise SimulatorError(cause, "play it on the level process")
    return part


def modems_of(bench: Bench) -> Mapping[str, Modem]:
    """Return the modems by the names of their ports."""
    return cast("Mapping[str, Modem]", getattr(bench.air, "modems", {}))


def adapter_of(bench: Bench, name: str | None) -> str:
    """Return an adapter that is there. Raises SimulatorError."""
    return _chosen(name, tuple(bench.options.adapters), "Bluetooth adapter")


def modem_of(bench: Bench, name: str | None) -> Modem:
    """Return a modem that is there. Raises SimulatorError."""
    return modems_of(bench)[port_of(bench, name)]


def port_of(bench: Bench, name: str | None) -> str:
    """Return the name of the port of a modem that is there. Raises SimulatorError."""
    return _chosen(name, tuple(modems_of(bench)), "modem")


def _chosen(name: str | None, names: tuple[str, ...], called: str) -> str:
    if name is None and names:
        return names[0]
    if name is not None and name in names:
        return name
    cause = f"there is no {called} {name}" if name else f"there is no {called}"
    raise SimulatorError(cause, f"there is {', '.join(names)}" if names else f"add a {called}")
