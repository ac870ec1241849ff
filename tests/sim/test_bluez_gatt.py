"""Unmodified bleak connects to simulated peripherals, and loses them as it would real ones."""

import asyncio

import pytest
from bleak import BleakClient, BleakScanner
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData
from bleak.exc import BleakDBusError, BleakError

from gateway.sim import bluez_names as names
from gateway.sim.bluez_air import Advertisement, Characteristic, Peripheral, Service, uuid_text
from gateway.sim.world import World
from tests.sim.worlds import ADDRESS, InWorld, until

SENSING = uuid_text(0x181A)
TEMPERATURE = uuid_text(0x2A6E)
SETTING = uuid_text(0x2A6F)
SECRET = uuid_text(0x2A70)


def thermometer(**options: object) -> Peripheral:
    temperature = Characteristic(uuid=TEMPERATURE, flags=("read", "notify"), value=b"\x01\x02")
    setting = Characteristic(uuid=SETTING, flags=("write", "write-without-response"))
    secret = Characteristic(uuid=SECRET, flags=("indicate",))
    service = Service(uuid=SENSING, characteristics=(temperature, setting, secret))
    return Peripheral(address=ADDRESS, services=(service,), **options)  # type: ignore[arg-type]


async def found(world: World) -> BLEDevice:
    """Let bleak find the device by its advertisement."""
    seen: list[BLEDevice] = []

    def note(device: BLEDevice, _: AdvertisementData) -> None:
        seen.append(device)

    async with BleakScanner(note):
        world.advertise(Advertisement(address=ADDRESS))
        await until(lambda: bool(seen))
    return seen[0]


def value_of(peripheral: Peripheral, uuid: str) -> bytes:
    return next(one.value for one in peripheral.services[0].characteristics if one.uuid == uuid)


def test_a_value_is_read_and_another_written(in_world: InWorld) -> None:
    async def body(world: World) -> None:
        peripheral = world.bluez.place(thermometer())
        async with BleakClient(await found(world)) as client:
            assert await client.read_gatt_char(TEMPERATURE) == b"\x01\x02"
            await client.write_gatt_char(SETTING, b"on", response=True)
            assert value_of(peripheral, SETTING) == b"on"

    in_world(body)


def test_firmware_answers_reads_and_sees_writes(in_world: InWorld) -> None:
    async def body(world: World) -> None:
        written: list[bytes] = []
        peripheral = world.bluez.place(thermometer())
        temperature, setting, _ = peripheral.services[0].characteristics
        temperature.on_read = lambda: b"fresh"
        setting.on_write = written.append
        async with BleakClient(await found(world)) as client:
            assert await client.read_gatt_char(TEMPERATURE) == b"fresh"
            await client.write_gatt_char(SETTING, b"1", response=True)
        assert written == [b"1"]

    in_world(body)


def test_what_the_flags_do_not_allow_is_refused(in_world: InWorld) -> None:
    async def body(world: World) -> None:
        world.bluez.place(thermometer())
        async with BleakClient(await found(world)) as client:
            with pytest.raises(BleakError, match="Not Permitted"):
                await client.read_gatt_char(SECRET)

    in_world(body)


@pytest.mark.parametrize("by_signal", [True, False], ids=["StartNotify", "AcquireNotify"])
def test_notifications_arrive(in_world: InWorld, *, by_signal: bool) -> None:
    async def body(world: World) -> None:
        heard: list[bytes] = []

        def note(_: BleakGATTCharacteristic, data: bytearray) -> None:
            heard.append(bytes(data))

        world.bluez.place(thermometer())
        async with BleakClient(await found(world)) as client:
            await client.start_notify(TEMPERATURE, note, bluez={"use_start_notify": by_signal})
            assert world.bluez.notify(ADDRESS, TEMPERATURE, b"20.5") == 1
            await until(lambda: heard == [b"20.5"])
            await client.stop_notify(TEMPERATURE)
            await until(lambda: world.bluez.notify(ADDRESS, TEMPERATURE, b"21") == 0)
        way = "StartNotify" if by_signal else "AcquireNotify"
        assert way in [call.member for call in world.bluez.calls]

    in_world(body)


def test_a_closed_notify_socket_ends_notifications_in_silence(in_world: InWorld) -> None:
    async def body(world: World) -> None:
        world.bluez.place(thermometer())
        async with BleakClient(await found(world)) as client:
            await client.start_notify(
                TEMPERATURE, lambda *_: None, bluez={"use_start_notify": False}
            )
            assert world.bluez.close_notify_sockets(ADDRESS) == 1
            assert world.bluez.notify(ADDRESS, TEMPERATURE, b"unheard") == 0
            assert client.is_connected

    in_world(body)


def test_a_lost_link_is_told_to_the_client(in_world: InWorld) -> None:
    async def body(world: World) -> None:
        gone: list[BleakClient] = []
        world.bluez.place(thermometer())
        async with BleakClient(await found(world), disconnected_callback=gone.append) as client:
            world.bluez.lose_link(ADDRESS)
            await until(lambda: bool(gone))
            assert not client.is_connected

    in_world(body)


def test_a_crash_of_bluetoothd_leaves_the_client_believing_it_is_connected(
    in_world: InWorld,
) -> None:
    async def body(world: World) -> None:
        gone: list[BleakClient] = []
        world.bluez.place(thermometer())
        client = BleakClient(await found(world), disconnected_callback=gone.append)
        await client.connect()
        await world.bluez.crash()
        await world.bluez.start()
        with pytest.raises(BleakDBusError, match="UnknownObject"):
            await client.read_gatt_char(TEMPERATURE)
        assert client.is_connected
        assert not gone

    in_world(body)


def test_bleak_retries_by_itself_after_an_abort_while_connecting(in_world: InWorld) -> None:
    async def body(world: World) -> None:
        world.bluez.place(thermometer(aborts=2))
        async with BleakClient(await found(world)) as client:
            assert client.is_connected
        connects = [call for call in world.bluez.calls if call.member == "Connect"]
        assert len(connects) == 3

    in_world(body)


def test_services_that_are_never_resolved_end_in_a_timeout(in_world: InWorld) -> None:
    async def body(world: World) -> None:
        world.bluez.place(thermometer(resolve_s=1000.0))
        with pytest.raises(TimeoutError):
            await BleakClient(await found(world), timeout=0.05).connect()

    in_world(body)


def test_a_read_that_is_never_answered_is_not_ended_by_losing_the_link(
    in_world: InWorld,
) -> None:
    async def body(world: World) -> None:
        gone: list[BleakClient] = []
        world.bluez.place(thermometer())
        client = BleakClient(await found(world), disconnected_callback=gone.append)
        await client.connect()
        hang = world.bluez.hang("ReadValue")
        reading = asyncio.create_task(client.read_gatt_char(TEMPERATURE))
        await until(lambda: hang.hits == 1)
        world.bluez.lose_link(ADDRESS)
        await until(lambda: bool(gone))
        assert not reading.done()
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)

    in_world(body)


def test_a_removed_device_is_unknown_to_a_client(in_world: InWorld) -> None:
    async def body(world: World) -> None:
        world.bluez.place(thermometer())
        device = await found(world)
        world.bluez.unplug_adapter()
        world.bluez.plug_adapter()
        with pytest.raises(BleakError):
            await BleakClient(device).connect()

    in_world(body)


def test_connecting_fails_as_told(in_world: InWorld) -> None:
    async def body(world: World) -> None:
        world.bluez.place(thermometer())
        device = await found(world)
        world.bluez.fail("Connect", names.FAILED, "Software caused connection abort", times=1)
        with pytest.raises(BleakError, match="Software caused connection abort"):
            await BleakClient(device).connect()

    in_world(body)


def test_a_disconnection_cancels_a_connection_under_way(in_world: InWorld) -> None:
    async def body(world: World) -> None:
        world.bluez.place(thermometer(connect_s=0.2))
        client = BleakClient(await found(world))
        connecting = asyncio.create_task(client.connect())
        await until(lambda: any(call.member == "Connect" for call in world.bluez.calls))
        connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connecting
        await until(lambda: "gatt.connect" not in {t.get_name() for t in asyncio.all_tasks()})
        assert world.bluez.connected == []

    in_world(body)
