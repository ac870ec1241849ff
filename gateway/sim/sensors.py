"""Seeded sensors: what they measure, how it drifts, when they send it.

Each draws from a chance of its own, made of one seed and its address. So the same seed gives the
same bytes, whoever else is on the air and however fast the machine is.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping
from random import Random
from types import MappingProxyType
from typing import Protocol

import msgspec

from gateway.sim import sensor_formats as formats
from gateway.sim.bluez_air import Advertisement, uuid_text
from gateway.sim.sensor_formats import Readings

_RSSI_SPREAD_DB = 2.5
_RSSI_RANGE = (-110, -20)
_SNR_RANGE = (-20, 12)
_BATTERY_PER_FRAME = 0.001  # percent
_APPLE = 0x004C


class LoraPacket(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One LoRa packet as it arrives at a modem."""

    address: int
    payload: bytes
    rssi_dbm: int
    snr_db: int


class Emission(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One thing on the air, as often as it is repeated. `serial` None: a stranger's."""

    address: str  # "C0:FF:EE:00:00:01" or "lora:17"
    serial: int | None
    copies: tuple[Advertisement | LoraPacket, ...]  # empty: lost on the way


class Emitter(Protocol):
    """Something that sends by itself."""

    def first_s(self) -> float:
        """Return how long after the start the first emission comes."""
        ...

    def gap_s(self) -> float:
        """Return how long after an emission the next comes."""
        ...

    def emit(self) -> Emission:
        """Measure and send."""
        ...


class SerialPlace(msgspec.Struct, frozen=True):
    """Where an observation carries a frame's serial; frameCounter, if no property is named."""

    observed_property: str = ""
    channel: str = ""


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of sensor. `encode` gives the BLE content or the LoRa payload."""

    encode: Callable[["SensorOptions", Readings], Mapping[int, bytes] | bytes]
    medium: str  # "service", "manufacturer", "lora"
    serial: SerialPlace
    number: Callable[[int], int] = int  # what the serial looks like at its place
    driver: str = ""  # has to be configured
    encrypted: bool = False


class SensorOptions(msgspec.Struct, frozen=True, kw_only=True):
    """One sensor as described. Gaps vary by `jitter` of `every_s`; `loss` is a probability."""

    model: str
    address: str
    address_type: str = "public"  # Bluetooth LE: or "random"
    every_s: float = 60.0
    jitter: float = 0.1
    loss: float = 0.0
    rssi_dbm: int = -70
    snr_db: int = 8
    copies: int = 1  # how often each advertisement is repeated
    key: bytes = b""
    payload: str = "hex"  # LoRa: "hex" or "raw"
    first_serial: int = 1
    name: str = ""


def _bthome(_: SensorOptions, readings: Readings) -> Mapping[int, bytes]:
    return {formats.BTHOME_UUID: formats.bthome_plain(readings)}


def _bthome_encrypted(options: SensorOptions, readings: Readings) -> Mapping[int, bytes]:
    data = formats.bthome_encrypted(readings, address=options.address, key=options.key)
    return {formats.BTHOME_UUID: data}


def _ruuvi(options: SensorOptions, readings: Readings) -> Mapping[int, bytes]:
    return {formats.RUUVI_COMPANY: formats.ruuvi_rawv2(readings, address=options.address)}


def _cayenne(options: SensorOptions, readings: Readings) -> bytes:
    payload = formats.cayenne_lpp(readings)
    return payload.hex().upper().encode() if options.payload == "hex" else payload


MODELS: Mapping[str, Model] = MappingProxyType(
    {
        "bthome-v2": Model(encode=_bthome, medium="service", serial=SerialPlace("count")),
        "bthome-v2-encrypted": Model(
            encode=_bthome_encrypted,
            medium="service",
            serial=SerialPlace("count"),
            encrypted=True,
        ),
        "ruuvi-rawv2": Model(
            encode=_ruuvi,
            medium="manufacturer",
            serial=SerialPlace(),
            number=formats.ruuvi_number,
        ),
        "cayenne-lpp": Model(
            encode=_cayenne,
            medium="lora",
            serial=SerialPlace("generic_value", "4"),
            driver="cayenne-lpp",
        ),
    }
)


class Walk:
    """A value that drifts: each step pulled back to its mean, none beyond its limits."""

    def __init__(
        self, chance: Random, mean: float, step: float, limits: tuple[float, float]
    ) -> None:
        self._chance = chance
        self._mean = mean
        self._step = step
        self._limits = limits
        self._value = mean

    def next(self) -> float:
        """Take one step and return where it led."""
        pulled = self._value + (self._mean - self._value) * 0.02
        low, high = self._limits
        self._value = min(high, max(low, pulled + self._chance.gauss(0, self._step)))
        return self._value


class Sensor:
    """One sensor that measures, drifts, loses packets and empties its battery."""

    def __init__(self, options: SensorOptions, *, seed: int) -> None:
        self.options = options
        self.model = MODELS[options.model]
        self._chance = Random(f"{seed}/{options.address}")  # noqa: S311 - has to be repeatable
        self._temperature = Walk(self._chance, self._chance.uniform(5, 25), 0.05, (-30, 50))
        self._humidity = Walk(self._chance, self._chance.uniform(40, 70), 0.2, (5, 100))
        self._pressure = Walk(self._chance, self._chance.uniform(99e3, 103e3), 4, (95e3, 105e3))
        self._battery_percent = self._chance.uniform(60, 100)
        self._next_serial = options.first_serial

    def first_s(self) -> float:
        """Return a phase of its own within the first interval."""
        return self._chance.uniform(0, self.options.every_s)

    def gap_s(self) -> float:
        """Return the interval, give or take the jitter."""
        width = self.options.jitter
        return self.options.every_s * (1 + self._chance.uniform(-width, width))

    def emit(self) -> Emission:
        """Measure and send, or lose what was sent."""
        readings = self._measure()
        content = self.model.encode(self.options, readings)
        lost = self._chance.random() < self.options.loss
        copies = () if lost else tuple(self._copy(content) for _ in range(self.options.copies))
        number = self.model.number(readings.serial)
        return Emission(address=self.options.address, serial=number, copies=copies)

    def _measure(self) -> Readings:
        serial, self._next_serial = self._next_serial, self._next_serial + 1
        self._battery_percent = max(1.0, self._battery_percent - _BATTERY_PER_FRAME)
        return Readings(
            serial=serial,
            temperature_c=self._temperature.next(),
            humidity_percent=self._humidity.next(),
            pressure_pa=self._pressure.next(),
            battery_percent=self._battery_percent,
        )

    def _copy(self, content: Mapping[int, bytes] | bytes) -> Advertisement | LoraPacket:
        rssi_dbm = self._around(self.options.rssi_dbm, _RSSI_RANGE)
        address = self.options.address
        if isinstance(content, bytes):
            snr_db = self._around(self.options.snr_db, _SNR_RANGE)
            number = int(address.removeprefix("lora:"))
            return LoraPacket(address=number, payload=content, rssi_dbm=rssi_dbm, snr_db=snr_db)
        if self.model.medium == "manufacturer":
            report = Advertisement(address=address, rssi_dbm=rssi_dbm, manufacturer=content)
        else:
            services = {uuid_text(number): data for number, data in content.items()}
            report = Advertisement(address=address, rssi_dbm=rssi_dbm, services=services)
        return msgspec.structs.replace(report, address_type=self.options.address_type)

    def _around(self, middle: int, limits: tuple[int, int]) -> int:
        low, high = limits
        return min(high, max(low, round(self._chance.gauss(middle, _RSSI_SPREAD_DB))))


class Phone:
    """A passer-by's phone: unlisted, and with another address every `rotate` emissions."""

    def __init__(self, number: int, *, every_s: float, rotate: int, seed: int) -> None:
        self._chance = Random(f"{seed}/phone/{number}")  # noqa: S311 - has to be repeatable
        self._every_s = every_s
        self._rotate = rotate
        self._emitted = 0
        self._address = ""

    def first_s(self) -> float:
        """Return some time within the first interval."""
        return self._chance.uniform(0, self._every_s)

    def gap_s(self) -> float:
        """Return between half and one and a half intervals."""
        return self._chance.uniform(0.5, 1.5) * self._every_s

    def emit(self) -> Emission:
        """Say something only its maker understands."""
        if self._emitted % self._rotate == 0:
            self._address = self._random_address()
        self._emitted += 1
        report = Advertisement(
            address=self._address,
            address_type="random",
            rssi_dbm=self._chance.randint(-95, -55),
            manufacturer={_APPLE: self._chance.randbytes(12)},
        )
        return Emission(address=self._address, serial=None, copies=(report,))

    def _random_address(self) -> str:
        """Return a resolvable private address (Core, Vol 6, Part B, 1.3.2.2)."""
        octets = bytearray(self._chance.randbytes(6))
        octets[0] = octets[0] & 0x3F | 0x40  # its upper two bits are 01
        return octets.hex(":").upper()


def timeline(emitters: Iterable[Emitter]) -> Iterator[tuple[float, Emission]]:
    """Yield all emissions for ever, in order: (seconds after the start, emission)."""
    crowd = list(emitters)
    due = [(emitter.first_s(), index) for index, emitter in enumerate(crowd)]
    heapq.heapify(due)
    while due:
        at_s, index = due[0]
        yield at_s, crowd[index].emit()
        heapq.heapreplace(due, (at_s + crowd[index].gap_s(), index))
