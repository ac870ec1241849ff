"""Unmodified bleak's client on a simulated BlueZ: sensors that are connected to and read."""

import msgspec
import pytest

from drivers.ble import flower_care
from gateway.core import gatt
from gateway.core.context import Context
from gateway.driver import LoadedDriver, Request, codec
from gateway.model import TransportState
from gateway.sim.bluez_air import Characteristic, Peripheral, Service
from gateway.sim.polled import FlowerCare, WeatherStation, hello
from tests.transport.places import SENSOR, BlePlace, HandClock, until
from tests.transport.poll_places import (
    ONE,
    STATION,
    Visit,
    answers,
    is_read,
    is_unread,
    polls,
    ready,
    station,
)

UP, DOWN = TransportState.UP, TransportState.DOWN
SERVICE, COMMAND, ANSWER = gatt.uuid(0xFFF0), gatt.uuid(0xFFF1), gatt.uuid(0xFFF2)


# --------------------------------------------------------------------------------------- reading
@pytest.mark.parametrize("scan", ["passive", "active"])
def test_what_a_device_has_is_read_and_becomes_one_frame(visit_polls: Visit, scan: str) -> None:
    async def scenario(place: BlePlace) -> None:
        await ready(place)
        station(place)
        frame = await is_read(place)
        assert (frame.medium, frame.source, frame.rssi_dbm) == ("ble", "ble:hci0", -70)
        assert frame.structures == ()
        assert frame.content is None
        readings = STATION.decode(frame.payload, Context())
        assert [tuple(reading) for reading in readings] == [
            ("air_temperature", 25, 2, ""),
            ("relative_humidity", 5420, 2, ""),
            ("co2", 301, 0, ""),
            ("battery_level", 97, 0, ""),
        ]

    visit_polls(scenario, polls(ONE, every_s=60), scan=scan)


def test_it_is_read_again_every_interval(visit_polls: Visit) -> None:
    async def scenario(place: BlePlace) -> None:
        await ready(place)
        sensor = station(place)
        await is_read(place, more=5)
        payloads = {frame.payload for frame in answers(place)}
        assert len(payloads) == len(answers(place)) <= sensor.measured

    visit_polls(scenario, polls(ONE))


def test_a_device_that_has_to_be_told_to_measure_is_told(visit_polls: Visit) -> None:
    values, state = bytes.fromhex("ea0000ab00000015b200023c00fb349b"), b"c(3.1.9"

    async def scenario(place: BlePlace) -> None:
        await ready(place)
        place.world.bluez.place(FlowerCare(ONE, values=values, state=state).peripheral)
        place.world.advertise(hello(ONE))
        frame = await is_read(place)
        assert values in frame.payload
        assert state in frame.payload

    visit_polls(scenario, polls(ONE, driver=codec(flower_care, foreign=False)))


def test_characteristics_of_one_uuid_are_told_apart_by_their_order(visit_polls: Visit) -> None:
    async def scenario(place: BlePlace) -> None:
        await ready(place)
        alike = tuple(
            Characteristic(uuid=gatt.uuid(0x2A6E), value=bytes((number, 0))) for number in range(3)
        )
        silent = Characteristic(uuid=gatt.uuid(0x2A6F), flags=("notify",))
        service = Service(uuid=gatt.uuid(0x181A), characteristics=(*alike, silent))
        place.world.bluez.place(Peripheral(address=ONE, services=(service,)))
        place.world.advertise(hello(ONE))
        frame = await is_read(place)
        assert STATION.decode(frame.payload, Context()) == [
            ("air_temperature", 0, 2, ""),
            ("air_temperature", 1, 2, "2"),
            ("air_temperature", 2, 2, "3"),
        ]

    visit_polls(scenario, polls(ONE))


def test_a_device_with_nothing_to_read_is_still_a_frame_and_its_driver_refuses_it(
    visit_polls: Visit,
) -> None:
    async def scenario(place: BlePlace) -> None:
        await ready(place)
        place.world.bluez.place(Peripheral(address=ONE))
        place.world.advertise(hello(ONE))
        assert (await is_read(place)).payload == b""

    visit_polls(scenario, polls(ONE))


# --------------------------------------------------------------------------------- notifications
def _asks(*requests: Request) -> LoadedDriver:
    """Return a driver that makes these requests; its payload is what comes of them."""

    def poll(_: Context) -> "gatt.Poll":
        found: list[bytes] = []
        for request in requests:
            answer = yield request
            found.append(b"-" if answer is None else answer)
        return b"|".join(found)

    return msgspec.structs.replace(STATION, poll=poll)


def _notifier(place: BlePlace) -> None:
    """Put a device into range that answers each command by two notifications."""

    def answer(command: bytes) -> None:
        for number in (b"1", b"2"):
            place.world.bluez.notify(ONE, ANSWER, command + number)

    characteristics = (
        Characteristic(uuid=COMMAND, flags=("write-without-response",), on_write=answer),
        Characteristic(uuid=ANSWER, flags=("notify",)),
    )
    service = Service(uuid=SERVICE, characteristics=characteristics)
    place.world.bluez.place(Peripheral(address=ONE, services=(service,)))
    place.world.advertise(hello(ONE))


def test_a_command_is_answered_by_the_notifications_that_were_listened_for(
    visit_polls: Visit,
) -> None:
    async def scenario(place: BlePlace) -> None:
        await ready(place)
        _notifier(place)
        assert (await is_read(place)).payload == b"-||A1|A2"

    requests = (
        gatt.listen(SERVICE, ANSWER),
        gatt.write(SERVICE, COMMAND, b"A"),
        gatt.wait(SERVICE, ANSWER),
        gatt.wait(SERVICE, ANSWER),
    )
    visit_polls(scenario, polls(ONE, driver=_asks(*requests)))


def test_a_notification_that_never_comes_ends_the_poll(visit_polls: Visit) -> None:
    async def scenario(place: BlePlace) -> None:
        await ready(place)
        _notifier(place)
        await is_unread(place, "it does not answer")
        assert place.counters["poll_timeouts"] >= 2

    visit_polls(scenario, polls(ONE, driver=_asks(gatt.wait(SERVICE, ANSWER))))


def test_what_a_device_lacks_is_answered_at_once_whatever_is_asked(visit_polls: Visit) -> None:
    async def scenario(place: BlePlace) -> None:
        await ready(place)
        station(place)
        assert (await is_read(place)).payload == b"-|-|-|-|-"

    here, missing = gatt.uuid(0x181A), gatt.uuid(0x2A6E)
    requests = (
        gatt.read(SERVICE, COMMAND),
        gatt.write(SERVICE, COMMAND, b""),
        gatt.wait(SERVICE, ANSWER),
        gatt.write(here, missing, b"\0"),  # it is there, but cannot be written
        gatt.read(here, missing, 1),
    )
    visit_polls(scenario, polls(ONE, driver=_asks(*requests)))


def test_a_driver_that_asks_without_end_is_stopped(visit_polls: Visit) -> None:
    async def scenario(place: BlePlace) -> None:
        await ready(place)
        station(place)
        await is_unread(place, "its driver asks more than 256 times")

    endless = (gatt.read(SERVICE, COMMAND),) * 1000
    visit_polls(scenario, polls(ONE, driver=_asks(*endless)))


def test_a_sensor_that_advertises_and_is_polled_is_heard_both_ways(visit_polls: Visit) -> None:
    async def scenario(place: BlePlace) -> None:
        await ready(place)
        sensor = WeatherStation(SENSOR)
        place.world.bluez.place(sensor.peripheral)
        await place.hears()
        await is_read(place, SENSOR)
        await place.hears()
        assert {frame.polled for frame in place.intake.frames} == {True, False}

    visit_polls(scenario, polls(SENSOR))


# --------------------------------------------------------------------------------------- restraint
def test_nobody_is_polled_while_nobody_wants_what_it_brings(visit_polls: Visit) -> None:
    async def scenario(place: BlePlace) -> None:
        place.intake.willing = False
        await ready(place)
        station(place)
        await place.counts("polls_put_off", 3)
        assert "polls" not in place.counters
        place.intake.willing = True
        await is_read(place)

    visit_polls(scenario, polls(ONE))


def test_a_device_that_fails_is_tried_ever_more_seldom(visit_polls: Visit) -> None:
    clock = HandClock()

    async def scenario(place: BlePlace) -> None:
        await ready(place)
        for number, wait_s in enumerate((5 + 10, 5 + 20, 5 + 40, 5 + 80, 5 + 100, 5 + 100)):
            await place.counts("failed_polls", number + 1)
            clock.forward(wait_s - 0.5)
            await _looked(clock)
            assert place.counters["polls"] == number + 1
            clock.forward(0.5)

    wanted = msgspec.structs.replace(polls(ONE), retry_s=5.0, most_retry_s=100.0)
    visit_polls(scenario, wanted, clock=clock, chance=lambda: 1.0)


async def _looked(clock: HandClock) -> None:
    """Return when everybody has looked at the clock some times more."""
    enough = clock.asked + 30
    await until(lambda: clock.asked >= enough)


def test_the_interval_is_kept_however_long_a_poll_takes(visit_polls: Visit) -> None:
    clock = HandClock()

    async def scenario(place: BlePlace) -> None:
        await ready(place)
        station(place)
        await is_read(place)
        for number in range(1, 4):
            clock.forward(59.5)
            await _looked(clock)
            assert len(answers(place)) == number
            clock.forward(0.5)
            await is_read(place)

    visit_polls(scenario, polls(ONE, every_s=60), clock=clock)
