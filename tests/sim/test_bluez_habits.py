"""What BlueZ does in all releases, beyond what bleak shows: sessions, filters, devices, GATT.

Where a test says `adapter.c:2220`, that line of BlueZ 5.87 is what it follows.
"""

import asyncio
import os
import shutil
from collections.abc import Sequence

import pytest
from dbus_fast import Message, MessageType, Variant

from gateway.sim import bluez_names as names
from gateway.sim.bluez import BluezOptions
from gateway.sim.bluez_air import AD_FLAGS, Advertisement, uuid_text
from gateway.sim.world import World
from tests.sim.callers import (
    ADAPTER,
    COMMANDED,
    DEVICE,
    NO_OPTIONS,
    READABLE,
    TALKING,
    Caller,
    calling,
    connect,
    device,
    find,
)
from tests.sim.monitoring import Pattern, monitoring
from tests.sim.worlds import ADDRESS, BTHOME, OTHER, Heard, InWorld, active, bthome, until

FLAGS: Sequence[Pattern] = [(0, AD_FLAGS, b"\x06")]
STRONG = Variant("n", -50)
STRONGER = Variant("n", -40)


def wanted(world: World, **report: object) -> bool:
    """Whether a report of a device that was never heard is for anybody."""
    number = world.bluez.counters.offered
    address = f"C0:FF:EE:01:00:{number:02X}"
    return world.advertise(Advertisement(address=address, **report))  # type: ignore[arg-type]


# -------------------------------------------------------------------------------------- sessions
def test_the_weakest_of_all_strengths_asked_for_counts(in_world: InWorld) -> None:
    """adapter.c:2254: the kernel is given the lowest."""

    async def body(world: World) -> None:
        async with calling(world) as one, calling(world) as other:
            await one.scan(RSSI=STRONGER)
            assert not wanted(world, rssi_dbm=-45)
            await other.scan(RSSI=STRONG)
            assert wanted(world, rssi_dbm=-45)
            assert not wanted(world, rssi_dbm=-55)

    in_world(body)


def test_one_session_without_a_strength_lets_all_pass(in_world: InWorld) -> None:
    """adapter.c:2252."""

    async def body(world: World) -> None:
        async with calling(world) as one, calling(world) as other:
            await one.scan(RSSI=STRONGER)
            await other.scan(DuplicateData=Variant("b", value=True))
            assert wanted(world, rssi_dbm=-99)

    in_world(body)


def test_a_pattern_of_one_session_filters_for_all(in_world: InWorld) -> None:
    """adapter.c:7282: device_is_discoverable asks no session but those with a pattern."""

    async def body(world: World) -> None:
        async with calling(world) as one, calling(world) as other:
            await one.scan()
            assert wanted(world)
            await other.scan(Pattern=Variant("s", "ugw"))
            assert not wanted(world)
            assert wanted(world, name="ugw tag")

    in_world(body)


def test_a_pattern_finds_an_address_in_any_case_of_letters(in_world: InWorld) -> None:
    """adapter.c:7291: strncasecmp."""

    async def body(world: World) -> None:
        async with calling(world) as caller:
            await caller.scan(Pattern=Variant("s", "c0:ff"))
            assert wanted(world)

    in_world(body)


def test_a_filter_takes_uuids_of_any_length(in_world: InWorld) -> None:
    """adapter.c:2599: bt_uuid_to_uuid128."""

    async def body(world: World) -> None:
        async with calling(world) as caller:
            await caller.scan(UUIDs=Variant("as", ["FCD2", "0x181a"]))
            assert wanted(world, uuids=(BTHOME,))
            assert wanted(world, uuids=(uuid_text(0x181A),))
            assert not wanted(world, uuids=(uuid_text(0x180F),))
            assert not wanted(world, services={BTHOME: b"\x40"})  # data is no list of UUIDs

    in_world(body)


def test_a_scan_for_classic_bluetooth_hears_no_advertisement(in_world: InWorld) -> None:
    """adapter.c:2240: the transports of all sessions are put together."""

    async def body(world: World) -> None:
        async with calling(world) as one, calling(world) as other:
            await one.scan(Transport=Variant("s", "bredr"))
            assert not wanted(world)
            await other.scan(Transport=Variant("s", "le"))
            assert wanted(world)

    in_world(body)


@pytest.mark.parametrize(
    ("asked", "every"),
    [({}, False), ({"Discoverable": True}, False), ({"DuplicateData": True}, True)],
    ids=["none", "Discoverable", "DuplicateData"],
)
def test_a_scan_that_filters_nothing_is_told_only_of_changes_by_8_db(
    in_world: InWorld, asked: dict[str, bool], *, every: bool
) -> None:
    """adapter.c:2220, 7448: a filter of that kind is a regular discovery, as none is."""

    async def body(world: World) -> None:
        async with calling(world) as caller:
            await caller.scan(**{name: Variant("b", value) for name, value in asked.items()})
            world.advertise(Advertisement(address=ADDRESS, rssi_dbm=-60))
            told = world.advertise(Advertisement(address=ADDRESS, rssi_dbm=-61))
            assert told == every

    in_world(body)


ANSWER, CHANGE, REMOVAL = "answer", "PropertiesChanged", "InterfacesRemoved"


@pytest.mark.parametrize(
    ("member", "arguments", "order"),
    [
        ("StartDiscovery", (), [ANSWER, CHANGE]),
        # object.c:715, 1924: changes of properties wait until the loop is idle.
        ("StopDiscovery", (), [ANSWER, CHANGE, CHANGE]),
        # object.c:1114: what is taken away is told at once.
        ("RemoveDevice", ("o", DEVICE), [REMOVAL, ANSWER]),
    ],
)
def test_an_answer_comes_before_the_changes_and_after_the_removals_of_its_call(
    in_world: InWorld, member: str, arguments: tuple[str, ...], order: list[str]
) -> None:
    async def body(world: World) -> None:
        async with calling(world) as caller:
            if member != "StartDiscovery":
                await find(world, caller)
            await caller.listen()
            said: list[str] = []

            def note(message: Message) -> bool:
                said.append(message.member or ANSWER)
                return False

            caller.bus.add_message_handler(note)
            await caller.ask(ADAPTER, names.ADAPTER, member, *arguments)
            await until(lambda: len(said) >= len(order))
            assert said == order

    in_world(body)


# --------------------------------------------------------------------------------------- devices
def test_the_end_of_a_discovery_takes_strength_and_power_back_in_one_signal(
    in_world: InWorld,
) -> None:
    """adapter.c:1710."""

    async def body(world: World) -> None:
        async with calling(world) as caller:
            await caller.scan()
            world.advertise(Advertisement(address=ADDRESS, tx_power_dbm=4))
            await caller.listen()
            await caller.ask(ADAPTER, names.ADAPTER, "StopDiscovery")
            await caller.settle()
            assert caller.changes(DEVICE) == [({}, ["RSSI", "TxPower"])]
            shown = await caller.get_all(DEVICE, names.DEVICE)
            assert not {"RSSI", "TxPower"} & set(shown)

    in_world(body)


def test_what_cannot_be_connected_to_goes_with_the_discovery(in_world: InWorld) -> None:
    """adapter.c:1741: a beacon is shown no longer than somebody scans."""

    async def body(world: World) -> None:
        async with calling(world) as caller:
            await caller.scan()
            world.advertise(Advertisement(address=ADDRESS))
            world.advertise(Advertisement(address=OTHER, connectable=False))
            assert world.bluez.device_count == 2
            await caller.ask(ADAPTER, names.ADAPTER, "StopDiscovery")
            assert world.bluez.device_count == 1

    in_world(body)


def test_a_discovery_does_not_end_what_a_monitor_found(in_world: InWorld) -> None:
    """adapter.c:7524: only what was heard while somebody discovered is in discovery_found."""

    async def body(world: World) -> None:
        async with monitoring(world, FLAGS) as client:
            world.advertise(bthome(1))
            caller = client.caller
            await caller.scan()
            await caller.ask(ADAPTER, names.ADAPTER, "StopDiscovery")
            assert await caller.get(DEVICE, names.DEVICE, "RSSI") == -60

    in_world(body)


def test_an_adapter_switched_off_by_a_client_forgets_what_it_found(in_world: InWorld) -> None:
    """adapter.c:3175: remove_temporary_devices; by rfkill they stay."""

    async def body(world: World) -> None:
        async with calling(world) as caller:
            await find(world, caller)
            world.bluez.power(on=False)
            assert world.bluez.device_count == 1
            world.bluez.power(on=True)
            await caller.listen()
            off = (names.ADAPTER, "Powered", Variant("b", value=False))
            await caller.ask(ADAPTER, names.PROPERTIES, "Set", "ssv", *off)
            assert world.bluez.device_count == 0
            await caller.settle()
            states = [changed.get("PowerState") for changed, _ in caller.changes(ADAPTER)]
            assert states == ["on-disabling", "off"]

    in_world(body)


def test_a_device_that_was_connected_to_outlasts_its_silence(in_world: InWorld) -> None:
    """device.c:2860: Connect makes it no longer temporary."""

    async def body(world: World) -> None:
        async with calling(world) as caller:
            await connect(world, caller)
            await caller.ask(DEVICE, names.DEVICE, "Disconnect")
            world.advertise(Advertisement(address=OTHER))
            await until(lambda: world.bluez.device_count == 1)
            assert await caller.get(DEVICE, names.DEVICE, "Connected") is False
            await caller.ask(ADAPTER, names.ADAPTER, "RemoveDevice", "o", DEVICE)
            assert world.bluez.device_count == 0

    in_world(body, bluez=BluezOptions(temporary_timeout_s=0.05))


def test_what_is_asked_for_is_what_was_signalled(in_world: InWorld) -> None:
    async def body(world: World) -> None:
        async with calling(world) as caller:
            await caller.scan(DuplicateData=Variant("b", value=True))
            await caller.listen()
            for number in range(3):
                world.advertise(Advertisement(address=ADDRESS, manufacturer={number: b"x"}))
            shown = await caller.get_all(DEVICE, names.DEVICE)
            said, _ = caller.changes(DEVICE)[-1]
            assert {name: shown[name] for name in said} == said
            assert shown["ManufacturerData"][2].value == b"x"
            objects = await caller.ask("/", names.OBJECT_MANAGER, "GetManagedObjects")
            managed = objects.body[0][DEVICE][names.DEVICE]
            assert {name: managed[name].value for name in shown} == shown

    in_world(body)


@pytest.mark.parametrize(
    ("name", "value", "shown"), [("Alias", "hall", "hall"), ("Trusted", True, True)]
)
def test_what_a_client_may_set_is_set(
    in_world: InWorld, name: str, value: object, shown: object
) -> None:
    """device.c:3696, 3705."""

    async def body(world: World) -> None:
        async with calling(world) as caller:
            await find(world, caller)
            wrapped = Variant("b" if isinstance(value, bool) else "s", value)
            asked = (names.DEVICE, name, wrapped)
            await caller.ask(DEVICE, names.PROPERTIES, "Set", "ssv", *asked)
            assert await caller.get(DEVICE, names.DEVICE, name) == shown

    in_world(body)


# -------------------------------------------------------------------------------------- monitors
@pytest.mark.parametrize(
    ("patterns", "kind"),
    [
        ([], "or_patterns"),  # adv_monitor.c:956
        (FLAGS, "and_patterns"),  # adv_monitor.c:749
        ([(0, 0x50, b"x")], "or_patterns"),  # ad.c:1314
        ([(30, AD_FLAGS, b"xy")], "or_patterns"),  # ad.c:1309
        ([(0, AD_FLAGS, b"")], "or_patterns"),  # ad.c:1309
    ],
    ids=["no pattern", "another type", "no such AD type", "too long", "empty"],
)
def test_a_monitor_that_asks_for_what_there_is_not_is_released(
    in_world: InWorld, patterns: Sequence[Pattern], kind: str
) -> None:
    async def body(world: World) -> None:
        async with monitoring(world, patterns, kind) as client:
            assert client.told == ["Release"]
            assert world.bluez.monitor_count == 0

    in_world(body)


def test_a_monitor_is_released_with_its_application_and_with_its_adapter(
    in_world: InWorld,
) -> None:
    """adv_monitor.c:590."""

    async def body(world: World) -> None:
        async with monitoring(world, FLAGS) as client:
            assert client.told == ["Activate"]
        assert client.told == ["Activate", "Release"]
        async with monitoring(world, FLAGS) as client:
            world.bluez.unplug_adapter()
            await until(lambda: client.told == ["Activate", "Release"])

    in_world(body)


# ------------------------------------------------------------------------------------------ GATT
async def shows(caller: Caller, path: str) -> bool:
    """Whether an object is there."""
    interface = names.GATT_CHARACTERISTIC
    reply = await caller.ask(path, names.PROPERTIES, "GetAll", "s", interface)
    return reply.message_type is MessageType.METHOD_RETURN


def test_services_stay_when_the_connection_ends_and_go_with_the_device(in_world: InWorld) -> None:
    """device.c:800: Cache = always is the default of main.conf."""

    async def body(world: World) -> None:
        async with calling(world) as caller:
            await connect(world, caller)
            await caller.ask(DEVICE, names.DEVICE, "Disconnect")
            assert await shows(caller, READABLE)
            await caller.listen()
            await caller.ask(DEVICE, names.DEVICE, "Connect")
            await until(
                lambda: any("ServicesResolved" in new for new, _ in caller.changes(DEVICE))
            )
            assert "InterfacesAdded" not in {signal.member for signal in caller.signals}
            await caller.ask(ADAPTER, names.ADAPTER, "RemoveDevice", "o", DEVICE)
            assert not await shows(caller, READABLE)

    in_world(body)


def test_a_device_with_other_services_shows_those(in_world: InWorld) -> None:
    async def body(world: World) -> None:
        async with calling(world) as caller:
            await connect(world, caller)
            await caller.ask(DEVICE, names.DEVICE, "Disconnect")
            other = device()
            other.services = ()
            world.bluez.place(other)
            await caller.ask(DEVICE, names.DEVICE, "Connect")
            while not await caller.get(DEVICE, names.DEVICE, "ServicesResolved"):
                pass
            assert not await shows(caller, READABLE)

    in_world(body)


@pytest.mark.parametrize(
    ("path", "member", "flag"),
    [(TALKING, "AcquireNotify", "NotifyAcquired"), (COMMANDED, "AcquireWrite", "WriteAcquired")],
)
def test_what_was_acquired_is_free_again_once_its_client_is_gone(
    in_world: InWorld, path: str, member: str, flag: str
) -> None:
    """gatt-client.c:1201: sock_hup."""

    async def body(world: World) -> None:
        interface = names.GATT_CHARACTERISTIC
        async with calling(world) as caller:
            await connect(world, caller)
            async with calling(world) as other:
                reply = await other.ask(path, interface, member, "a{sv}", NO_OPTIONS)
                assert reply.message_type is MessageType.METHOD_RETURN
                assert await caller.get(path, interface, flag)
                _close(reply)
            while await caller.get(path, interface, flag):
                pass
            again = await caller.ask(path, interface, member, "a{sv}", NO_OPTIONS)
            assert again.message_type is MessageType.METHOD_RETURN
            _close(again)

    in_world(body)


def _close(reply: Message) -> None:
    os.close(reply.unix_fds[0])


def test_a_subscription_outlasts_the_connection(in_world: InWorld) -> None:
    """gatt-client.c:1655: StartNotify without a connection is remembered."""

    async def body(world: World) -> None:
        async with calling(world) as caller:
            await connect(world, caller)
            await caller.ask(TALKING, names.GATT_CHARACTERISTIC, "StartNotify")
            talking = uuid_text(0x2A6E + 2)
            assert world.bluez.notify(ADDRESS, talking, b"1") == 1
            world.bluez.lose_link(ADDRESS)
            assert world.bluez.notify(ADDRESS, talking, b"2") == 0
            await caller.ask(DEVICE, names.DEVICE, "Connect")
            assert world.bluez.notify(ADDRESS, talking, b"3") == 1

    in_world(body)


# ----------------------------------------------------------------------------------- other clients
def test_every_object_introduces_itself(in_world: InWorld) -> None:
    async def body(world: World) -> None:
        async with calling(world) as caller:
            await find(world, caller)
            told: dict[str, str] = {}
            for path in ("/", names.ROOT, ADAPTER, DEVICE):
                reply = await caller.ask(path, names.INTROSPECTABLE, "Introspect")
                told[path] = reply.body[0]
        assert told["/"] == '<node><node name="org"/></node>'
        assert '<node name="hci0"/>' in told[names.ROOT]
        assert '<method name="StartDiscovery">' in told[ADAPTER]
        assert '<property name="RSSI" type="n"' in told[DEVICE]

    in_world(body)


def test_real_bluetoothctl_finds_a_device(in_world: InWorld) -> None:
    """Debian's own client, which asks for more than bleak does."""
    if shutil.which("bluetoothctl") is None:
        pytest.skip("bluetoothctl is not installed: apt install bluez")

    async def body(world: World) -> None:
        process = await asyncio.create_subprocess_exec(
            "bluetoothctl",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(b"scan on\n")
            await until(lambda: world.advertise(Advertisement(address=ADDRESS, name="Tag")))
            await _says(process.stdout, f"Device {ADDRESS} Tag".encode())
            process.stdin.write(f"info {ADDRESS}\nscan off\n".encode())
            await _says(process.stdout, b"RSSI: -60")
            await _says(process.stdout, b"Discovery stopped")
            process.stdin.write(b"quit\n")
            await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    in_world(body)


async def _says(output: asyncio.StreamReader, text: bytes) -> None:
    said = b""
    while text not in said:
        part = await output.read(1000)
        assert part, f"it ended, and said {said!r}"
        said += part


def test_bleak_and_another_client_scan_side_by_side(in_world: InWorld) -> None:
    async def body(world: World) -> None:
        heard = Heard()
        async with calling(world) as caller, active(heard):
            await caller.scan()
            await caller.ask(ADAPTER, names.ADAPTER, "StopDiscovery")
            world.advertise(bthome(1))
            await until(lambda: len(heard) == 1)

    in_world(body)
