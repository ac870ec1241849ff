"""What a kind of sensor is to the simulator: what it measures, and its bytes on the air.

A model is written from the description of its format and knows nothing of the driver that reads
it: what one wrote wrong, the other does not read right. It is pure: bytes depend on the sender and
its readings, on nothing else.
"""

from collections.abc import Callable, Mapping
from typing import Final, Literal

import msgspec

from gateway.errors import SimulatorError
from gateway.sim.bluez_air import Advertisement, Peripheral, uuid_text

FRAME_COUNTER: Final = ""  # as what a frame is known by: link.frameCounter, no result

Medium = Literal["service", "manufacturer", "lora", "gatt"]
Value = float | bool | str


class Quantity(msgspec.Struct, frozen=True, kw_only=True):
    """One value of a model: what it is, and what of it the format can say."""

    name: str
    """Its observed property, with a channel after a slash where it has one: acceleration/x."""
    step: float = 1.0
    """The format's resolution, in the property's unit."""
    above: float = 0.0
    """What the steps are counted from."""
    relative: float = 0.0
    """Where the resolution depends on the value: the part of it that is lost, at most."""
    low: float = 0.0
    """The lowest value that is sent; what is measured stays at or above it."""
    high: float = 1.0
    """The highest."""
    counts: int = 0
    """It counts the sensor's frames, modulo this; 0: it measures."""
    choices: tuple[str, ...] = ()
    """A text: one of these."""

    @property
    def observed_property(self) -> str:
        """The name in the vocabulary."""
        return self.name.partition("/")[0]

    @property
    def channel(self) -> str:
        """Which of several; empty where there is one."""
        return self.name.partition("/")[2]


class SerialPlace(msgspec.Struct, frozen=True):
    """Where an observation carries what its frame is known by; frameCounter, if nothing is named.

    The number of a frame is the result there, counted in steps.
    """

    observed_property: str = FRAME_COUNTER
    channel: str = ""
    step: float = 1.0
    above: float = 0.0

    def number(self, value: float) -> int:
        """Return a result as a number of steps."""
        return round((value - self.above) / self.step)

    def value(self, number: int) -> float:
        """Return the result that is so many steps."""
        return self.above + number * self.step


class Sender(msgspec.Struct, frozen=True):
    """Whose bytes they are."""

    address: str  # "C0:FF:EE:00:00:01" or "lora:17"
    key: bytes = b""

    @property
    def octets(self) -> bytes:
        """The six bytes of a Bluetooth address, as it is written."""
        return bytes.fromhex(self.address.replace(":", ""))


class Readings(msgspec.Struct, frozen=True, kw_only=True):
    """What a sensor measures at one moment. `serial` counts its frames from 1."""

    serial: int
    values: Mapping[str, Value]

    def raw(self, name: str, step: float = 1.0, *, above: float = 0.0) -> int:
        """Return a number in the format's steps, above what the format calls zero."""
        value = self.values[name]
        if isinstance(value, str):
            message = f"{name} is the text {value!r}"
            raise TypeError(message)
        return round((value - above) / step)

    def flag(self, name: str) -> bool:
        """Return a state."""
        return bool(self.values[name])

    def text(self, name: str) -> str:
        """Return a text."""
        return str(self.values[name])


Encode = Callable[[Sender, Readings], bytes]
Measure = Callable[[], Readings]


def _nothing(_sender: Sender, _readings: Readings) -> bytes:
    """Send no value by itself: it is asked for them."""
    return b""


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of sensor. Offer one as an entry point of the group `gateway.sensor_models`."""

    title: str
    """What it is, in one sentence."""
    driver: str
    """The MODEL of the driver that reads it."""
    sends: tuple[Quantity, ...]
    """Its values, in the order that they are measured."""
    medium: Medium
    """How it sends: service data, manufacturer data, LoRa, or when it is connected to."""
    encode: Encode = _nothing
    """Makes the payload of LoRa; of an advertisement the AD structure from its UUID or company."""
    serve: Callable[[Sender, Measure], Peripheral] | None = None
    """Makes the device that is connected to, of `gatt`; it measures each time it is read."""
    serial: str | None = FRAME_COUNTER
    """The value that a frame is known by, which is never the same twice in a row; None: none."""
    counts: int = 0
    """Of a frame counter: where it begins again; 0: nowhere."""
    fresh: bool = False
    """No frame is like the one before, even where all values are: a clock is in it."""
    implies: tuple[str, ...] = ()
    """What is read besides, because it follows from the values."""
    turns: tuple[tuple[str, ...], ...] = ()
    """Names of what a frame holds, where not all: they take turns by serial."""
    named: bool = False
    """Whether a device has to name the driver: nothing in what it sends tells."""
    encrypted: bool = False
    """Whether it has a key."""
    local_name: str = ""
    """What it calls itself; {tail} stands for the end of its address."""
    listed: tuple[int, ...] = ()
    """UUIDs of services that it lists."""

    def __post_init__(self) -> None:
        """Raise SimulatorError for a model that names what it does not send."""
        known = {one.name for one in self.sends}
        named = {name for turn in self.turns for name in turn} | {self.serial or FRAME_COUNTER}
        unknown = sorted(named - known - {FRAME_COUNTER})
        if unknown:
            cause = f"the sensor model of {self.driver} does not send {', '.join(unknown)}"
            raise SimulatorError(cause, remedy=f"it sends {', '.join(sorted(known))}")
        if (self.medium == "gatt") != (self.serve is not None):
            cause = f"the sensor model of {self.driver} is of medium {self.medium}"
            raise SimulatorError(cause, remedy="medium gatt has `serve`, every other `encode`")

    @property
    def measures(self) -> tuple[str, ...]:
        """The properties of the vocabulary that it sends."""
        names = (*(one.name for one in self.sends), *self.implies)
        return tuple(dict.fromkeys(name.partition("/")[0] for name in names))

    def report(
        self, sender: Sender, content: bytes, *, rssi_dbm: int = -60, address_type: str = "public"
    ) -> Advertisement:
        """Return the advertisement that carries what was encoded."""
        number, data = int.from_bytes(content[:2], "little"), content[2:]
        return Advertisement(
            address=sender.address,
            rssi_dbm=rssi_dbm,
            manufacturer={number: data} if self.medium == "manufacturer" else {},
            services={uuid_text(number): data} if self.medium == "service" else {},
            uuids=tuple(uuid_text(one) for one in self.listed),
            name=self._name_of(sender) if self.local_name else None,
            address_type=address_type,
        )

    def _name_of(self, sender: Sender) -> str:
        return self.local_name.format(tail=sender.octets[-2:].hex().upper())

    def part(self, serial: int) -> tuple[str, ...]:
        """Return the names of the values in a frame."""
        if self.turns:
            return self.turns[serial % len(self.turns)]
        return tuple(one.name for one in self.sends)
