"""A client with an advertisement monitor, without bleak between it and BlueZ."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from dbus_fast import Message, MessageType, Variant

from gateway.sim import bluez_names as names
from gateway.sim.world import World
from tests.sim.callers import ADAPTER, Caller, calling
from tests.sim.worlds import until

ROOT = "/app"
PATH = f"{ROOT}/monitor"
Pattern = tuple[int, int, bytes]


class Monitoring:
    """What a monitor's client is told."""

    def __init__(self, caller: Caller, properties: dict[str, Variant]) -> None:
        self.caller = caller
        self.told: list[str] = []
        self._properties = properties

    def take(self, message: Message) -> Message | bool:
        """Answer bluetoothd."""
        if message.message_type is not MessageType.METHOD_CALL:
            return False
        if message.member == "GetManagedObjects":
            objects = {PATH: {names.MONITOR: self._properties}}
            return Message.new_method_return(message, "a{oa{sa{sv}}}", [objects])
        self.told.append(str(message.member))
        return Message.new_method_return(message)


@asynccontextmanager
async def monitoring(
    world: World, patterns: Sequence[Pattern], kind: str = "or_patterns"
) -> AsyncGenerator[Monitoring]:
    """Register a monitor; it is activated, or it was released."""
    rows = [[start, ad_type, content] for start, ad_type, content in patterns]
    properties = {"Type": Variant("s", kind), "Patterns": Variant("a(yyay)", rows)}
    async with calling(world) as caller:
        client = Monitoring(caller, properties)
        caller.bus.add_message_handler(client.take)
        reply = await caller.ask(ADAPTER, names.MONITOR_MANAGER, "RegisterMonitor", "o", ROOT)
        assert reply.message_type is MessageType.METHOD_RETURN, reply.body
        await until(lambda: bool(client.told))
        yield client
        await caller.ask(ADAPTER, names.MONITOR_MANAGER, "UnregisterMonitor", "o", ROOT)
