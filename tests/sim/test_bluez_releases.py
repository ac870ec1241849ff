"""What tells one release of BlueZ from another is simulated as it was in that release.

Where a test says `5.66 device.c:2990`, that line of that release is what it follows.
"""

import re
from pathlib import Path

import pytest
from dbus_fast import MessageType

from gateway.errors import SimulatorError
from gateway.sim import bluez_names as names
from gateway.sim import bluez_profiles
from gateway.sim.bluez import Bluez, BluezOptions
from gateway.sim.bluez_air import AD_FLAGS, AD_LOCAL_NAME, AD_MANUFACTURER, Advertisement
from gateway.sim.bluez_profiles import PROFILES
from gateway.sim.world import World
from tests.sim.callers import (
    ADAPTER,
    DEVICE,
    INDICATING,
    NO_OPTIONS,
    READABLE,
    calling,
    connect,
    find,
)
from tests.sim.monitoring import monitoring
from tests.sim.worlds import ADDRESS, BTHOME, InWorld, bthome, until

SERVICE_DATA = 0x16
RELEASES = tuple(PROFILES)
PAGE = Path(__file__).parents[2] / "docs" / "reference" / "simulated-bluez.md"


@pytest.mark.parametrize(
    ("interface", "name", "experimental", "since"),
    [
        # 5.66 device.c:2990 has it experimental, 5.82 device.c:3499 not.
        (names.DEVICE, "AdvertisingFlags", False, "5.82"),
        (names.DEVICE, "AdvertisingFlags", True, "5.66"),
        # 5.66 adapter.c:3867, 5.82 adapter.c:3933
        (names.ADAPTER, "PowerState", False, "5.82"),
        (names.ADAPTER, "PowerState", True, "5.66"),
        # 5.82 adapter.c:3930
        (names.ADAPTER, "Connectable", False, "5.82"),
        # 5.82 adapter.c:3948
        (names.ADAPTER, "Manufacturer", False, "5.82"),
        # 5.87 device.c:3708
        (names.DEVICE, "CablePairing", False, "5.87"),
        # 5.82 gatt-client.c:1717
        (names.GATT_CHARACTERISTIC, "Handle", False, "5.82"),
    ],
)
@pytest.mark.parametrize("release", RELEASES)
def test_a_property_is_there_since_the_release_that_brought_it(  # noqa: PLR0913 - a table
    in_world: InWorld, release: str, interface: str, name: str, since: str, *, experimental: bool
) -> None:
    paths = {names.ADAPTER: ADAPTER, names.DEVICE: DEVICE, names.GATT_CHARACTERISTIC: READABLE}

    async def body(world: World) -> None:
        async with calling(world) as caller:
            await connect(world, caller)
            shown = await caller.get_all(paths[interface], interface)
            assert (name in shown) == (RELEASES.index(release) >= RELEASES.index(since))

    in_world(body, bluez=BluezOptions(profile=release, monitors=experimental))


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("experimental", [False, True])
def test_a_bearer_is_shown_from_5_84_on_by_an_experimental_bluetoothd(
    in_world: InWorld, release: str, *, experimental: bool
) -> None:
    """5.87 bearer.c:199, 260: all of it is experimental, so without that there is no interface."""

    async def body(world: World) -> None:
        async with calling(world) as caller:
            await connect(world, caller)
            reply = await caller.ask(DEVICE, names.PROPERTIES, "GetAll", "s", names.BEARER)
            expected = experimental and release in {"5.87", "5.88"}
            assert (reply.message_type is MessageType.METHOD_RETURN) == expected
            if expected:
                assert reply.body[0]["Connected"].value

    in_world(body, bluez=BluezOptions(profile=release, monitors=experimental))


@pytest.mark.parametrize(
    ("release", "uuids"), [("5.66", []), ("5.82", [BTHOME]), ("5.87", [BTHOME])]
)
def test_service_data_makes_its_uuid_one_of_the_devices_since_5_69(
    in_world: InWorld, release: str, uuids: list[str]
) -> None:
    """5.87 device.c:2492; in 5.66 add_service_data has no such line."""

    async def body(world: World) -> None:
        async with calling(world) as caller:
            await caller.scan()
            world.advertise(bthome(1))
            assert await caller.get(DEVICE, names.DEVICE, "UUIDs") == uuids

    in_world(body, bluez=BluezOptions(profile=release))


@pytest.mark.parametrize(("release", "taken"), [("5.66", False), ("5.82", True)])
def test_indications_are_acquired_since_5_78(
    in_world: InWorld, release: str, *, taken: bool
) -> None:
    """5.66 gatt-client.c:1531, 5.82 gatt-client.c:1585."""

    async def body(world: World) -> None:
        async with calling(world) as caller:
            await connect(world, caller)
            interface = names.GATT_CHARACTERISTIC
            reply = await caller.ask(INDICATING, interface, "AcquireNotify", "a{sv}", NO_OPTIONS)
            assert (reply.message_type is MessageType.METHOD_RETURN) == taken

    in_world(body, bluez=BluezOptions(profile=release))


@pytest.mark.parametrize(("release", "told"), [("5.82", False), ("5.87", True)])
def test_the_end_of_a_connection_is_signalled_with_its_reason_since_5_83(
    in_world: InWorld, release: str, *, told: bool
) -> None:
    """5.87 device.c:3615, 3898."""

    async def body(world: World) -> None:
        async with calling(world) as caller:
            await connect(world, caller)
            await caller.listen()
            world.bluez.lose_link(ADDRESS)
            await until(lambda: bool(caller.changes(DEVICE)))
            reasons = [signal.body for signal in caller.signals if signal.member == "Disconnected"]
            assert reasons == [["org.bluez.Reason.Timeout", "Connection timeout"]] * told

    in_world(body, bluez=BluezOptions(profile=release))


@pytest.mark.parametrize(
    ("release", "offload", "heard"),
    [
        # 5.66 ad.c keeps every structure as it came.
        ("5.66", False, {"flags", "company", "uuid", "name"}),
        # 5.82 ad.c:1394: service data without its UUID; 5.82 ad.c:377: no names.
        ("5.82", False, {"flags", "company", "data"}),
        ("5.87", False, {"flags", "company", "data"}),
        ("5.66", True, {"flags", "company", "uuid", "name"}),
        ("5.87", True, {"flags", "company", "uuid", "name"}),
    ],
)
def test_which_patterns_match_depends_on_who_compares(
    in_world: InWorld, release: str, heard: set[str], *, offload: bool
) -> None:
    """Bluez issues 652 and 901: what a Raspberry Pi, whose controller compares nothing, misses."""
    patterns = {
        "flags": (0, AD_FLAGS, b"\x06"),
        "company": (0, AD_MANUFACTURER, b"\x99\x04"),
        "uuid": (0, SERVICE_DATA, b"\xd2\xfc"),
        "data": (0, SERVICE_DATA, b"\x40\x01"),
        "name": (0, AD_LOCAL_NAME, b"ugw"),
    }
    report = Advertisement(
        address=ADDRESS, manufacturer={0x0499: b"\x05"}, services={BTHOME: b"\x40\x01"}, name="ugw"
    )

    async def body(world: World) -> None:
        found: set[str] = set()
        for name, pattern in patterns.items():
            async with monitoring(world, [pattern]):
                unwanted = world.bluez.counters.unwanted
                world.advertise(report)
                if world.bluez.counters.unwanted == unwanted:
                    found.add(name)
        assert found == heard

    in_world(body, bluez=BluezOptions(profile=release, offload=offload))


@pytest.mark.parametrize("offload", [False, True])
def test_a_controller_tells_once_of_a_device_and_bluetoothd_each_time(
    in_world: InWorld, *, offload: bool
) -> None:
    """5.87 adv_monitor.c:2087: without a threshold DeviceFound is called for each report."""

    async def body(world: World) -> None:
        async with monitoring(world, [(0, AD_FLAGS, b"\x06")]) as client:
            for number in range(3):
                world.advertise(bthome(number))
            await world.bluez.settle()
            await until(lambda: "DeviceFound" in client.told)
            await client.caller.settle()
            assert client.told.count("DeviceFound") == (1 if offload else 3)

    in_world(body, bluez=BluezOptions(offload=offload))


@pytest.mark.parametrize("offload", [False, True])
def test_a_controller_that_compares_patterns_is_said_to(
    in_world: InWorld, *, offload: bool
) -> None:
    """5.87 adv_monitor.c:1447: supported_features."""

    async def body(world: World) -> None:
        async with calling(world) as caller:
            features = await caller.get(ADAPTER, names.MONITOR_MANAGER, "SupportedFeatures")
            assert features == ["controller-patterns"] * offload

    in_world(body, bluez=BluezOptions(offload=offload))


def test_a_release_that_is_not_known_is_refused_with_those_that_are() -> None:
    with pytest.raises(SimulatorError, match=r"5\.65") as refused:
        Bluez("unix:path=/nowhere", BluezOptions(profile="5.65"))
    assert all(release in str(refused.value.remedy) for release in RELEASES)


@pytest.mark.parametrize("release", RELEASES)
def test_every_release_finds_a_device(in_world: InWorld, release: str) -> None:
    async def body(world: World) -> None:
        async with calling(world) as caller:
            await find(world, caller)
            assert await caller.get(DEVICE, names.DEVICE, "Address") == ADDRESS

    in_world(body, bluez=BluezOptions(profile=release))


def test_the_page_lists_every_release_and_every_change() -> None:
    page = PAGE.read_text()
    assert [release for release in RELEASES if f"| `{release}` |" not in page] == []
    source = Path(bluez_profiles.__file__).read_text()
    commits = re.findall(r"# .*\b([0-9a-f]{9}): ", source)
    differences = [name for name in bluez_profiles.Profile.__struct_fields__ if name != "version"]
    assert len(commits) == len(differences)
    assert [commit for commit in commits if f"`{commit}`" not in page] == []
