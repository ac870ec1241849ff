"""Seeded sensors: what they measure, how it drifts, when they send it.

Each draws from a chance of its own, made of one seed and its address. So the same seed gives the
same bytes, whoever else is on the air and however fast the machine is.
"""

from random import Random

from gateway.sim.bluez_air import Advertisement, Peripheral
from gateway.sim.course import timeline
from gateway.sim.emissions import Emission, Emitter, LoraPacket
from gateway.sim.models import MODELS, Model, Quantity, Readings, Sender, SerialPlace
from gateway.sim.models.model import FRAME_COUNTER, Value
from gateway.sim.models.sources import Nature, Power, source
from gateway.sim.models.values import Given, meant
from gateway.sim.sensor_options import SensorOptions, model_of
from gateway.sim.strangers import Beacon, Phone

__all__ = [
    "MODELS",
    "Beacon",
    "Emission",
    "Emitter",
    "LoraPacket",
    "Model",
    "Phone",
    "Sensor",
    "SensorOptions",
    "SerialPlace",
    "timeline",
]

_RSSI_SPREAD_DB = 2.5
_RSSI_RANGE = (-110, -20)
_SNR_RANGE = (-20, 12)
_BATTERY_PER_FRAME = 0.001  # percent, where its life is not given
_NEVER_BELOW = 1.0  # percent, the same


class Sensor:
    """One sensor that measures, drifts, loses packets and empties its battery."""

    def __init__(self, options: SensorOptions, *, seed: int) -> None:
        self.options = options
        self.model = model_of(options)
        self._sender = Sender(options.address, options.key)
        self._chance = Random(f"{seed}/{options.address}")  # noqa: S311 - has to be repeatable
        self._power = self._battery()
        nature = Nature(
            chance=self._chance,
            power=self._power,
            every_s=options.every_s,
            seed=f"{seed}/{options.address}",
        )
        given = self._given()
        self._sources = {
            one.name: source(one, nature, given.get(one.name)) for one in self.model.sends
        }
        self._known_by = self._distinct()  # what frames are known by; None: the frame counter
        self.place = self._place()
        self._last_number: int | None = None
        self._next_serial = options.first_serial
        serve = self.model.serve
        self.peripheral: Peripheral | None = serve(self._sender, self._measure) if serve else None

    # ------------------------------------------------------------------------------ as described
    def _battery(self) -> Power:
        options = self.options
        drawn = self._chance.uniform(60, 100)
        start = drawn if options.battery_percent is None else options.battery_percent
        if not options.battery_life_s:
            return Power(start, _BATTERY_PER_FRAME, min(start, _NEVER_BELOW))
        return Power(start, 100 * options.every_s / options.battery_life_s, 0.0)

    def _given(self) -> dict[str, Given]:
        """Return the values that are given, by their full names."""
        values = self.options.values.items()
        quantities = ((meant(self.model, name), given) for name, given in values)
        return {one.name: given for one, given in quantities if one is not None}

    def _distinct(self) -> Quantity | None:
        """Return the value that frames are known by, which is no counter of them as a rule."""
        by_name = {one.name: one for one in self.model.sends}
        usual = by_name.get(self.model.serial or "")
        if (
            usual is None
            or usual.counts
            or self.model.fresh
            or not self._sources[usual.name].is_fixed
        ):
            return usual
        others = (one for one in self.model.sends if not self._sources[one.name].is_fixed)
        return next(others, None)

    def _place(self) -> SerialPlace | None:
        """Return where frames can be told apart; None: nowhere, for all that would do is fixed."""
        known_by = self._known_by
        if known_by is not None:
            return SerialPlace(
                known_by.observed_property, known_by.channel, known_by.step, known_by.above
            )
        return SerialPlace() if self.model.serial == FRAME_COUNTER else None

    # -------------------------------------------------------------------------------- on the air
    def first_s(self) -> float:
        """Return a phase of its own within the first interval."""
        return self._chance.uniform(0, self.options.every_s)

    def gap_s(self) -> float:
        """Return the interval, give or take the jitter."""
        width = self.options.jitter
        return self.options.every_s * (1 + self._chance.uniform(-width, width))

    def emit(self) -> Emission:
        """Measure and send, or lose what was sent."""
        if self.peripheral is not None:
            return self._send(b"", serial=0)
        readings = self._measure()
        content = self.model.encode(self._sender, readings)
        return self._send(content, serial=self._number(readings))

    def _number(self, readings: Readings) -> int:
        """Return what a frame is known by."""
        if self.place is None or self._known_by is None:
            return readings.serial % self.model.counts if self.model.counts else readings.serial
        return self.place.number(float(readings.values[self._known_by.name]))

    def _send(self, content: bytes, serial: int) -> Emission:
        lost = self._chance.random() < self.options.loss or self._power.percent <= 0
        copies = () if lost else tuple(self._copy(content) for _ in range(self.options.copies))
        return Emission(
            address=self.options.address,
            serial=serial,
            copies=copies,
            followed=self.place is not None,
        )

    def _measure(self) -> Readings:
        serial, self._next_serial = self._next_serial, self._next_serial + 1
        self._power.drain()
        values = {name: one.next(serial) for name, one in self._sources.items()}
        if self.place is not None and self._known_by is not None and not self._known_by.counts:
            self._tell_apart(self._known_by, self.place, values)
        return Readings(serial=serial, values=values)

    def _tell_apart(
        self, known_by: Quantity, place: SerialPlace, values: dict[str, Value]
    ) -> None:
        """See that no frame says the same as the one before: a receiver takes that for a copy.

        The value is a whole number of steps, so that nobody rounds it another way.
        """
        value = values[known_by.name]
        number = place.number(float(value))
        if number == self._last_number and not self.model.fresh:
            number += 1 if place.value(number + 1) <= known_by.high else -1
        self._last_number = number
        values[known_by.name] = bool(number) if isinstance(value, bool) else place.value(number)

    def _copy(self, content: bytes) -> Advertisement | LoraPacket:
        rssi_dbm = self._around(self.options.rssi_dbm, _RSSI_RANGE)
        if self.model.medium == "lora":
            return LoraPacket(
                address=int(self.options.address.removeprefix("lora:")),
                payload=content.hex().upper().encode() if self._is_hex else content,
                rssi_dbm=rssi_dbm,
                snr_db=self._around(self.options.snr_db, _SNR_RANGE),
            )
        return self.model.report(
            self._sender, content, rssi_dbm=rssi_dbm, address_type=self.options.address_type
        )

    @property
    def _is_hex(self) -> bool:
        return self.options.payload == "hex"

    def _around(self, middle: int, limits: tuple[int, int]) -> int:
        low, high = limits
        return min(high, max(low, round(self._chance.gauss(middle, _RSSI_SPREAD_DB))))
