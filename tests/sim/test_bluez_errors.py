"""Each method of the simulated BlueZ fails in each state with BlueZ's own error, word for word.

Where a row says `adapter.c:2519`, that line of BlueZ 5.87 is what it follows.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from dbus_fast import Message, MessageType, Variant

from gateway.sim import bluez_names as names
from gateway.sim.world import World
from tests.sim.callers import (
    ADAPTER,
    COMMANDED,
    DEVICE,
    NO_OPTIONS,
    READABLE,
    TALKING,
    WRITABLE,
    Caller,
    calling,
    connect,
    device,
    find,
)
from tests.sim.worlds import InWorld, until

State = Callable[[World, Caller], Awaitable[None]]


async def idle(_world: World, _caller: Caller) -> None:
    """Nothing has happened yet."""


async def off(world: World, _caller: Caller) -> None:
    world.bluez.power(on=False)


async def found_and_off(world: World, caller: Caller) -> None:
    await find(world, caller)
    world.bluez.power(on=False)


async def scanning(_world: World, caller: Caller) -> None:
    await caller.scan()


async def connecting(world: World, caller: Caller) -> None:
    world.bluez.place(device(connect_s=1000.0))
    await find(world, caller)
    await caller.ask(DEVICE, names.PROPERTIES, "GetAll", "s", names.DEVICE)
    caller.bus.post(_connect_call())
    await until(lambda: any(call.member == "Connect" for call in world.bluez.calls))


async def reachable(world: World, caller: Caller) -> None:
    world.bluez.place(device())
    await find(world, caller)


async def disconnected(world: World, caller: Caller) -> None:
    await connect(world, caller)
    await caller.ask(DEVICE, names.DEVICE, "Disconnect")


async def acquired(world: World, caller: Caller) -> None:
    await connect(world, caller)
    for path, member in ((TALKING, "AcquireNotify"), (COMMANDED, "AcquireWrite")):
        reply = await caller.ask(path, names.GATT_CHARACTERISTIC, member, "a{sv}", NO_OPTIONS)
        assert reply.message_type is MessageType.METHOD_RETURN


async def subscribed(world: World, caller: Caller) -> None:
    await connect(world, caller)
    await caller.ask(TALKING, names.GATT_CHARACTERISTIC, "StartNotify")


async def registered(_world: World, caller: Caller) -> None:
    await caller.ask(ADAPTER, names.MONITOR_MANAGER, "RegisterMonitor", "o", "/app")
    await caller.ask(names.ROOT, names.AGENT_MANAGER, "RegisterAgent", "os", "/agent", "")


def _connect_call() -> Message:
    return Message(
        destination=names.SERVICE, path=DEVICE, interface=names.DEVICE, member="Connect"
    )


class Row(NamedTuple):
    """One method in one state."""

    source: str
    state: State
    path: str
    interface: str
    member: str
    signature: str
    arguments: tuple[object, ...]
    error: str
    text: str


NOT_READY = (names.NOT_READY, "Resource Not Ready")
INVALID = (names.INVALID_ARGUMENTS, "Invalid arguments in method call")
NOT_CONNECTED = (names.FAILED, "Not connected")
UNSUPPORTED = (names.NOT_SUPPORTED, "Operation is not supported")
MISSING = (names.DOES_NOT_EXIST, "Does Not Exist")
BUSY = (names.IN_PROGRESS, "In Progress")
NOTIFY_TAKEN = (names.NOT_PERMITTED, "Notify acquired")
WRITE_TAKEN = (names.NOT_PERMITTED, "Write acquired")


def adapter(
    source: str, state: State, member: str, error: tuple[str, str], signature: str = "", *a: object
) -> Row:
    return Row(source, state, ADAPTER, names.ADAPTER, member, signature, a, *error)


def filtering(source: str, **asked: Variant) -> Row:
    return adapter(source, idle, "SetDiscoveryFilter", INVALID, "a{sv}", asked)


def of_device(source: str, state: State, member: str, name: str, text: str) -> Row:
    return Row(source, state, DEVICE, names.DEVICE, member, "", (), name, text)


def gatt(
    source: str, state: State, path: str, member: str, error: tuple[str, str], **options: Variant
) -> Row:
    signature, arguments = {
        "WriteValue": ("aya{sv}", (b"1", options)),
        "StartNotify": ("", ()),
        "StopNotify": ("", ()),
    }.get(member, ("a{sv}", (options,)))
    interface = names.GATT_CHARACTERISTIC
    return Row(source, state, path, interface, member, signature, arguments, *error)


def setting(source: str, name: str, value: Variant, error: tuple[str, str]) -> Row:
    arguments = (names.ADAPTER, name, value)
    return Row(source, idle, ADAPTER, names.PROPERTIES, "Set", "ssv", arguments, *error)


def registering(source: str, member: str, error: tuple[str, str]) -> Row:
    root = "/app" if member == "RegisterMonitor" else "/other"
    interface = names.MONITOR_MANAGER
    return Row(source, registered, ADAPTER, interface, member, "o", (root,), *error)


def agent(source: str, member: str, error: tuple[str, str], signature: str, *a: object) -> Row:
    interface = names.AGENT_MANAGER
    return Row(source, registered, names.ROOT, interface, member, signature, a, *error)


ROWS = [
    adapter("adapter.c:2519", off, "StartDiscovery", NOT_READY),
    adapter(
        "adapter.c:2528",
        scanning,
        "StartDiscovery",
        (names.IN_PROGRESS, "Operation already in progress"),
    ),
    adapter("adapter.c:2900", off, "StopDiscovery", NOT_READY),
    adapter("adapter.c:2905", idle, "StopDiscovery", (names.FAILED, "No discovery started")),
    adapter("adapter.c:2843", off, "SetDiscoveryFilter", NOT_READY, "a{sv}", {}),
    filtering("adapter.c:2741", Strength=Variant("n", -70)),
    filtering("adapter.c:2617", RSSI=Variant("n", 21)),
    filtering("adapter.c:2617", RSSI=Variant("n", -128)),
    filtering("adapter.c:2612", RSSI=Variant("i", -70)),
    filtering("adapter.c:2631", Pathloss=Variant("q", 138)),
    filtering("adapter.c:2809", Pathloss=Variant("q", 10), RSSI=Variant("n", -70)),
    filtering("adapter.c:2651", Transport=Variant("s", "usb")),
    filtering("adapter.c:2596", UUIDs=Variant("as", ["fcd"])),
    adapter("adapter.c:3639", idle, "RemoveDevice", MISSING, "o", DEVICE),
    adapter("adapter.c:3642", found_and_off, "RemoveDevice", NOT_READY, "o", DEVICE),
    of_device("device.c:2854", connecting, "Connect", *BUSY),
    of_device("device.c:6561", find, "Connect", names.FAILED, "le-connection-abort-by-local"),
    of_device("device.c:6661", found_and_off, "Connect", names.FAILED, "Input/output error"),
    of_device("device.c:3451", find, "Pair", names.CONNECTION_ATTEMPT_FAILED, "Page Timeout"),
    of_device(
        "device.c:3474", reachable, "Pair", names.AUTHENTICATION_FAILED, "Authentication Failed"
    ),
    of_device("device.c:3362", connecting, "Pair", *BUSY),
    of_device("device.c:3511", find, "CancelPairing", *MISSING),
    gatt("gatt-client.c:992", disconnected, READABLE, "ReadValue", NOT_CONNECTED),
    gatt(
        "gatt-client.c:285",
        connect,
        WRITABLE,
        "ReadValue",
        (names.NOT_PERMITTED, "Read not permitted"),
    ),
    gatt("gatt-client.c:997", connect, READABLE, "ReadValue", INVALID, offset=Variant("i", 1)),
    gatt(
        "gatt-client.c:293",
        connect,
        READABLE,
        "ReadValue",
        (names.INVALID_ARGUMENTS, "Invalid offset"),
        offset=Variant("q", 3),
    ),
    gatt("gatt-client.c:1040", disconnected, WRITABLE, "WriteValue", NOT_CONNECTED),
    gatt("gatt-client.c:1043", acquired, COMMANDED, "WriteValue", WRITE_TAKEN),
    gatt("gatt-client.c:1051", connect, WRITABLE, "WriteValue", INVALID, type=Variant("q", 1)),
    gatt("gatt-client.c:1127", connect, READABLE, "WriteValue", UNSUPPORTED),
    gatt(
        "gatt-client.c:287",
        connect,
        READABLE,
        "WriteValue",
        (names.NOT_PERMITTED, "Write not permitted"),
        type=Variant("s", "request"),
    ),
    gatt("gatt-client.c:1313", disconnected, COMMANDED, "AcquireWrite", NOT_CONNECTED),
    gatt("gatt-client.c:1324", acquired, COMMANDED, "AcquireWrite", WRITE_TAKEN),
    gatt("gatt-client.c:1327", connect, WRITABLE, "AcquireWrite", UNSUPPORTED),
    gatt("gatt-client.c:1581", disconnected, TALKING, "AcquireNotify", NOT_CONNECTED),
    gatt("gatt-client.c:1584", acquired, TALKING, "AcquireNotify", NOTIFY_TAKEN),
    gatt("gatt-client.c:1588", subscribed, TALKING, "AcquireNotify", BUSY),
    gatt("gatt-client.c:1592", connect, READABLE, "AcquireNotify", UNSUPPORTED),
    gatt("gatt-client.c:1634", acquired, TALKING, "StartNotify", NOTIFY_TAKEN),
    gatt("gatt-client.c:1638", connect, READABLE, "StartNotify", UNSUPPORTED),
    gatt(
        "gatt-client.c:1711",
        connect,
        TALKING,
        "StopNotify",
        (names.FAILED, "No notify session started"),
    ),
    registering("adv_monitor.c:1359", "RegisterMonitor", (names.ALREADY_EXISTS, "Already Exists")),
    registering("adv_monitor.c:1399", "UnregisterMonitor", MISSING),
    agent(
        "agent.c:958",
        "RegisterAgent",
        (names.ALREADY_EXISTS, "Already Exists"),
        "os",
        "/agent",
        "",
    ),
    agent("agent.c:1023", "RequestDefaultAgent", MISSING, "o", "/other"),
    agent("agent.c:999", "UnregisterAgent", MISSING, "o", "/other"),
    setting(
        "object.c:981",
        "Discovering",
        Variant("b", value=True),
        (names.PROPERTY_READ_ONLY, "Property 'Discovering' is not writable"),
    ),
    setting(
        "object.c:976",
        "Loudness",
        Variant("b", value=True),
        (names.UNKNOWN_PROPERTY, "No such property 'Loudness'"),
    ),
    setting(
        "object.c:995",
        "Powered",
        Variant("s", "on"),
        (names.INVALID_SIGNATURE, "Invalid signature for 'Powered'"),
    ),
    Row(
        *("object.c:870", idle, ADAPTER, names.PROPERTIES, "Get", "ss"),
        (names.ADAPTER, "Loudness"),
        *(names.INVALID_ARGS, "No such property 'Loudness'"),
    ),
    Row(
        *("object.c:865", idle, ADAPTER, names.PROPERTIES, "Get", "ss"),
        (names.DEVICE, "RSSI"),
        *(names.INVALID_ARGS, f"No such interface '{names.DEVICE}'"),
    ),
    Row(
        *("object.c:916", idle, ADAPTER, names.PROPERTIES, "GetAll", "s"),
        (names.DEVICE,),
        *(names.INVALID_ARGS, f"No such interface '{names.DEVICE}'"),
    ),
    # What gdbus does not take, libdbus answers (dbus-connection.c, dbus_connection_dispatch).
    Row(
        *("object.c:1161", idle, ADAPTER, names.ADAPTER, "StartDiscovery", "s", ("now",)),
        names.UNKNOWN_METHOD,
        'Method "StartDiscovery" with signature "s" on interface "org.bluez.Adapter1"'
        " doesn't exist\n",
    ),
    Row(
        *("dbus_connection_dispatch", idle, DEVICE, names.DEVICE, "Connect", "", ()),
        names.UNKNOWN_OBJECT,
        'Method "Connect" with signature "" on interface "org.bluez.Device1" doesn\'t exist\n',
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.source}-{row.member}")
def test_a_method_fails_as_bluez_has_it(in_world: InWorld, row: Row) -> None:
    async def body(world: World) -> None:
        async with calling(world) as caller:
            await row.state(world, caller)
            reply = await caller.ask(
                row.path, row.interface, row.member, row.signature, *row.arguments
            )
            assert reply.message_type is MessageType.ERROR, "it did not fail"
            assert (reply.error_name, *reply.body) == (row.error, row.text)

    in_world(body)


def test_the_page_says_how_many_there_are() -> None:
    page = Path(__file__).parents[2] / "docs" / "reference" / "simulated-bluez.md"
    assert f"for {len(ROWS)} pairs of method and state" in page.read_text()


def test_a_connection_that_is_given_up_is_told_so(in_world: InWorld) -> None:
    """device.c:2068: both are answered, the one under way with an error."""

    async def body(world: World) -> None:
        world.bluez.place(device(connect_s=1000.0))
        async with calling(world) as caller:
            await find(world, caller)
            caller.bus.post(_connect_call())
            replies: list[tuple[str | None, list[Any]]] = []

            def note(message: Message) -> bool:
                if message.message_type is MessageType.ERROR:
                    replies.append((message.error_name, message.body))
                return False

            caller.bus.add_message_handler(note)
            reply = await caller.ask(DEVICE, names.DEVICE, "Disconnect")
            assert reply.message_type is MessageType.METHOD_RETURN
            assert replies == [(names.FAILED, ["br-connection-canceled"])]

    in_world(body)
