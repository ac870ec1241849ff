"""A client of the simulated BlueZ that says and hears D-Bus messages as they are."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from dbus_fast import Message, MessageType, Variant

from gateway.sim import bluez_names as names
from gateway.sim.bluez_air import Advertisement, Characteristic, Peripheral, Service, uuid_text
from gateway.sim.bluez_bus import BurstBus
from gateway.sim.world import World
from tests.sim.worlds import ADDRESS, until

ADAPTER = names.adapter_path("hci0")
DEVICE = names.device_path("hci0", ADDRESS)
SERVICE = f"{DEVICE}/service000a"
# In the order of the characteristics below; three handles each.
READABLE, WRITABLE, TALKING, COMMANDED, INDICATING = (
    f"{SERVICE}/char{handle:04x}" for handle in range(0x0B, 0x0B + 5 * 3, 3)
)
NO_OPTIONS: dict[str, Variant] = {}

Reply = tuple[str, str]  # name and text of an error


class Caller:
    """One connection to the bus."""

    def __init__(self, bus: BurstBus) -> None:
        self.bus = bus
        self.signals: list[Message] = []

    async def ask(
        self, path: str, interface: str, member: str, signature: str = "", *body: object
    ) -> Message:
        """Call bluetoothd and return what it answers, an error too."""
        return await self.bus.call(
            Message(
                destination=names.SERVICE,
                path=path,
                interface=interface,
                member=member,
                signature=signature,
                body=list(body),
            )
        )

    async def get(self, path: str, interface: str, name: str) -> Any:  # noqa: ANN401 - any type
        """Return a property."""
        reply = await self.ask(path, names.PROPERTIES, "Get", "ss", interface, name)
        assert reply.message_type is MessageType.METHOD_RETURN, reply.body
        return reply.body[0].value

    async def get_all(self, path: str, interface: str) -> dict[str, Any]:
        """Return all properties of an interface, without their types."""
        reply = await self.ask(path, names.PROPERTIES, "GetAll", "s", interface)
        assert reply.message_type is MessageType.METHOD_RETURN, reply.body
        return {name: value.value for name, value in reply.body[0].items()}

    async def scan(self, **asked: Variant) -> None:
        """Scan with a filter."""
        filtered = await self.ask(ADAPTER, names.ADAPTER, "SetDiscoveryFilter", "a{sv}", asked)
        assert filtered.message_type is MessageType.METHOD_RETURN, filtered.body
        started = await self.ask(ADAPTER, names.ADAPTER, "StartDiscovery")
        assert started.message_type is MessageType.METHOD_RETURN, started.body

    async def listen(self) -> None:
        """Note all that bluetoothd signals from now on."""
        await self.bus.call(
            Message(
                destination="org.freedesktop.DBus",
                path="/org/freedesktop/DBus",
                interface="org.freedesktop.DBus",
                member="AddMatch",
                signature="s",
                body=[f"type='signal',sender='{names.SERVICE}'"],
            )
        )
        self.bus.add_message_handler(self._note)

    def _note(self, message: Message) -> bool:
        if message.message_type is MessageType.SIGNAL and message.member != "NameOwnerChanged":
            self.signals.append(message)
        return False

    async def settle(self) -> None:
        """Return when all that bluetoothd said before is here."""
        await self.ask(ADAPTER, names.ADAPTER, "GetDiscoveryFilters")

    def changes(self, path: str) -> list[tuple[dict[str, Any], list[str]]]:
        """Return what was signalled of an object's properties: changed, invalidated."""
        return [
            ({name: value.value for name, value in signal.body[1].items()}, signal.body[2])
            for signal in self.signals
            if signal.path == path and signal.member == "PropertiesChanged"
        ]


@asynccontextmanager
async def calling(world: World) -> AsyncGenerator[Caller]:
    """Connect to the world's bus."""
    bus = BurstBus(world.bus.address)
    await bus.connect()
    try:
        yield Caller(bus)
    finally:
        bus.disconnect()


def device(**options: Any) -> Peripheral:  # noqa: ANN401 - as Peripheral has them
    """Make a device with a characteristic of each kind."""
    kinds: Sequence[tuple[str, ...]] = (
        ("read",),
        ("write",),
        ("notify",),
        ("write-without-response",),
        ("indicate",),
    )
    characteristics = tuple(
        Characteristic(uuid=uuid_text(0x2A6E + number), flags=flags, value=b"12")
        for number, flags in enumerate(kinds)
    )
    service = Service(uuid=uuid_text(0x181A), characteristics=characteristics)
    return Peripheral(address=ADDRESS, services=(service,), **options)


async def find(world: World, caller: Caller) -> None:
    """Let a device be shown."""
    await caller.scan()
    assert world.advertise(Advertisement(address=ADDRESS))


async def connect(world: World, caller: Caller) -> None:
    """Find a device and connect to it."""
    world.bluez.place(device())
    await find(world, caller)
    reply = await caller.ask(DEVICE, names.DEVICE, "Connect")
    assert reply.message_type is MessageType.METHOD_RETURN, reply.body
    while not await caller.get(DEVICE, names.DEVICE, "ServicesResolved"):
        pass
    await until(lambda: ADDRESS in world.bluez.connected)
