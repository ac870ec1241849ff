"""What the simulated sensors have said, read from their bytes by hand.

Each format is read here a third time, apart from the drivers and from the simulator, as plainly as
can be. So a value is followed from the air to the platform, to its last digit, and its time too.
"""

import struct
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

from cryptography.hazmat.primitives.ciphers.aead import AESCCM

from gateway.sim.bluez_air import Advertisement
from gateway.sim.sensors import Emission, LoraPacket, SensorOptions, SerialPlace

Values = Mapping[tuple[str, str], Decimal]  # (observed property, channel) -> value

_STANDARD_GRAVITY: Final = Decimal("9.80665")
_BTHOME_UUID: Final = "0000fcd2-0000-1000-8000-00805f9b34fb"
_RUUVI: Final = 0x0499
_TAG_BYTES: Final = 4
_EARLIEST_S: Final = 0.005  # before it was sent: milliseconds are cut off, two clocks are read


def _bthome_objects(objects: bytes) -> Values:
    one, battery, two, temperature, three, humidity, four, count = struct.unpack(
        "<BBBhBHBI", objects
    )
    assert (one, two, three, four) == (0x01, 0x02, 0x03, 0x3E)
    return {
        ("battery_level", ""): Decimal(battery),
        ("air_temperature", ""): Decimal(temperature) / 100,
        ("relative_humidity", ""): Decimal(humidity) / 100,
        ("count", ""): Decimal(count),
    }


def _bthome(_: SensorOptions, report: Advertisement | LoraPacket) -> Values:
    assert isinstance(report, Advertisement)
    data = report.services[_BTHOME_UUID]
    assert data[:2] == b"\x40\x00"
    return _bthome_objects(data[3:])


def _bthome_encrypted(options: SensorOptions, report: Advertisement | LoraPacket) -> Values:
    assert isinstance(report, Advertisement)
    data = report.services[_BTHOME_UUID]
    ciphertext, counter, tag = data[1:-8], data[-8:-4], data[-4:]
    nonce = bytes.fromhex(options.address.replace(":", "")) + b"\xd2\xfc\x41" + counter
    cipher = AESCCM(options.key, tag_length=_TAG_BYTES)
    return _bthome_objects(cipher.decrypt(nonce, ciphertext + tag, None))


def _ruuvi(_: SensorOptions, report: Advertisement | LoraPacket) -> Values:
    assert isinstance(report, Advertisement)
    data = report.manufacturer[_RUUVI]
    temperature, humidity, pressure, x, y, z, power, movements = struct.unpack(
        ">hHHhhhHB", data[1:16]
    )
    return {
        ("air_temperature", ""): temperature * Decimal("0.005"),
        ("relative_humidity", ""): humidity * Decimal("0.0025"),
        ("atmospheric_pressure", ""): Decimal(pressure + 50_000) / 100,
        ("acceleration", "x"): x * _STANDARD_GRAVITY / 1000,
        ("acceleration", "y"): y * _STANDARD_GRAVITY / 1000,
        ("acceleration", "z"): z * _STANDARD_GRAVITY / 1000,
        ("battery_voltage", ""): Decimal((power >> 5) + 1600) / 1000,
        ("tx_power", ""): Decimal((power & 0x1F) * 2 - 40),
        ("movement_count", ""): Decimal(movements),
    }


def _cayenne(_: SensorOptions, packet: Advertisement | LoraPacket) -> Values:
    assert isinstance(packet, LoraPacket)
    payload = bytes.fromhex(packet.payload.decode())
    temperature, humidity, voltage, count = struct.unpack(">2xh2xB2xh2xI", payload)
    return {
        ("air_temperature", "1"): Decimal(temperature) / 10,
        ("relative_humidity", "2"): Decimal(humidity) / 2,
        ("analog_input", "3"): Decimal(voltage) / 100,
        ("generic_value", "4"): Decimal(count),
    }


_READ: Final[Mapping[str, Callable[[SensorOptions, Advertisement | LoraPacket], Values]]] = {
    "bthome-v2": _bthome,
    "bthome-v2-encrypted": _bthome_encrypted,
    "ruuvi-rawv2": _ruuvi,
    "cayenne-lpp": _cayenne,
}


class Said(NamedTuple):
    """One frame's values, and when it was sent (Unix time)."""

    values: Values
    at_s: float


class Spoken:
    """What each device has said, by the serial of its frames."""

    def __init__(self, *, earliest_s: float = _EARLIEST_S) -> None:
        self._earliest_s = earliest_s
        self._sensors: dict[str, tuple[str, SensorOptions]] = {}  # address -> device, options
        self._places: dict[str, SerialPlace] = {}
        self._said: dict[tuple[str, int], Said] = {}

    def listen(self, device: str, options: SensorOptions, place: SerialPlace) -> None:
        """Follow a sensor, called `device` in messages."""
        self._sensors[options.address] = (device, options)
        self._places[device] = place

    def note(self, emission: Emission) -> None:
        """Note what a sensor says."""
        if emission.serial is not None:
            device, options = self._sensors[emission.address]
            values = _READ[options.model](options, emission.copies[0])
            self._said[device, emission.serial] = Said(values, time.time())

    def knows(self, device: str) -> bool:
        """Whether it is a sensor that is followed."""
        return device in self._places

    def check(self, observation: Any) -> None:  # noqa: ANN401 - an object of a message
        """Fail unless an observation of a followed sensor says what that said: all, no more."""
        if self.knows(observation["device"]):
            said, results = self._found(observation)
            assert results == said.values, f"another thing was said: {observation}"
            if observation["timeQuality"] != "unknown":
                time_text = observation["phenomenonTime"]
                self.check_time(observation, datetime.fromisoformat(time_text).timestamp())

    def check_time(self, observation: Any, heard_s: float) -> None:  # noqa: ANN401 - the same
        """Fail unless an observation of a followed sensor can have been heard then (Unix time)."""
        said, _ = self._found(observation)
        assert said.at_s - self._earliest_s <= heard_s <= time.time(), f"not then: {observation}"

    def _found(self, observation: Any) -> tuple[Said, Values]:  # noqa: ANN401 - the same
        """Return what was said, by the serial in what the message says, and that."""
        device = observation["device"]
        results = {
            (one["observedProperty"], one.get("channel", "")): one["result"]
            for one in observation["results"]
        }
        place = self._places[device]
        serial = (
            results[place.observed_property, place.channel]
            if place.observed_property
            else observation["link"]["frameCounter"]
        )
        return self._said[device, serial], results
