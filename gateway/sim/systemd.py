"""A simulated systemd on the private bus: it knows one unit, bluetooth.service, and restarts it.

Whether it may is the site's polkit, here a flag. It answers what an agent asks before and when it
has bluetoothd restarted, and nothing else.
"""

import asyncio
from typing import TYPE_CHECKING, Final, Protocol

from dbus_fast import Message, MessageType, Variant

from gateway.sim import bluez_names as names
from gateway.sim.bluez_bus import BurstBus

if TYPE_CHECKING:
    from collections.abc import Callable

NAME: Final = "org.freedesktop.systemd1"
UNIT: Final = "bluetooth.service"
DENIED: Final = "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired"
_UNIT_PATH: Final = "/org/freedesktop/systemd1/unit/bluetooth_2eservice"
_JOB_PATH: Final = "/org/freedesktop/systemd1/job/1"
_NO_SUCH_UNIT: Final = "org.freedesktop.systemd1.NoSuchUnit"


class Service(Protocol):
    """What the unit runs: bluetoothd."""

    @property
    def running(self) -> bool:
        """Whether it runs."""
        ...

    @property
    def crashed(self) -> bool:
        """Whether it has ended without being told to."""
        ...

    async def stop(self) -> None:
        """Stop it."""
        ...

    async def start(self) -> None:
        """Start it."""
        ...


class Systemd:
    """The service manager. `permits`: whether anybody but root may restart the unit."""

    def __init__(self, address: str, service: Service, *, permits: bool = False) -> None:
        self.permits = permits
        self.asked = 0  # RestartUnit of our unit, permitted or not
        self._address = address
        self._service = service
        self._bus: BurstBus | None = None
        self._jobs: set[asyncio.Task[None]] = set()
        self._answers: dict[str, Callable[[Message], Message]] = {
            "GetUnit": self._get_unit,
            "RestartUnit": self._restart_unit,
            "Get": self._get,
        }

    async def start(self) -> None:
        """Come onto the bus, unless it is there."""
        if self._bus is None:
            bus = BurstBus(self._address)
            await bus.connect()
            bus.add_message_handler(self._take)
            await bus.request_name(NAME)
            self._bus = bus

    async def stop(self) -> None:
        """Leave the bus; a restart that is under way is finished first."""
        bus, self._bus = self._bus, None
        await asyncio.gather(*self._jobs)
        if bus is not None:
            bus.disconnect()

    def _take(self, message: Message) -> Message | bool:
        if message.message_type is not MessageType.METHOD_CALL:
            return False
        answer = self._answers.get(message.member or "")
        if answer is None:
            return Message.new_error(message, names.UNKNOWN_METHOD, "not simulated")
        return answer(message)

    def _get_unit(self, call: Message) -> Message:
        is_loaded = self._service.running or self._service.crashed
        if call.body != [UNIT] or not is_loaded:  # what is stopped is soon forgotten
            return Message.new_error(call, _NO_SUCH_UNIT, f"Unit {call.body[0]} not loaded.")
        return Message.new_method_return(call, "o", [_UNIT_PATH])

    def _get(self, call: Message) -> Message:
        state = "active" if self._service.running else "failed"
        return Message.new_method_return(call, "v", [Variant("s", state)])

    def _restart_unit(self, call: Message) -> Message:
        if call.body != [UNIT, "replace"]:
            return Message.new_error(call, _NO_SUCH_UNIT, f"Unit {call.body[0]} not found.")
        self.asked += 1
        if not self.permits:
            return Message.new_error(call, DENIED, "Interactive authentication required.")
        job = asyncio.get_running_loop().create_task(restart(self._service), name="systemd.job")
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)
        return Message.new_method_return(call, "o", [_JOB_PATH])


async def restart(service: Service) -> None:
    """Do what the job does."""
    await service.stop()
    await service.start()
