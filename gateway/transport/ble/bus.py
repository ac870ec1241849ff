"""Our own connection to the system bus, the one adapter of dbus-fast: calls, answers, signals.

An answer comes within a few seconds or the call fails, and a bus that has gone raises BusLostError
from every call; nothing here waits for ever. It never makes the bus start a service.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

from dbus_fast import BusType, Message, MessageFlag, MessageType
from dbus_fast.aio.message_bus import MessageBus
from dbus_fast.errors import DBusFastError

from gateway.errors import TransportError
from gateway.transport.waiting import set_within

NO_REPLY = "org.freedesktop.DBus.Error.NoReply"
_DBUS = "org.freedesktop.DBus"
_ANSWER_LIMIT_S = 5.0
_CLOSE_LIMIT_S = 1.0
_LOST = (DBusFastError, OSError, EOFError)


class BusLostError(TransportError):
    """There is no bus, or it has gone."""


class RefusedError(TransportError):
    """A call was answered with a D-Bus error, or not at all; `name` is the error's."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class SystemBus:
    """One connection: `connect`, then `serve` beside whoever `ask`s, `close` to end."""

    def __init__(self, on_signal: Callable[[Message], None]) -> None:
        self._on_signal = on_signal
        self._bus: MessageBus | None = None
        self._gone = asyncio.Event()

    async def connect(self) -> None:
        """Connect to DBUS_SYSTEM_BUS_ADDRESS. Raises BusLostError."""
        try:
            bus = MessageBus(bus_type=BusType.SYSTEM, auth_timeout=_ANSWER_LIMIT_S)
            await bus.connect()
        except _LOST as error:
            raise BusLostError(str(error)) from error
        bus.add_message_handler(self._take)
        self._bus = bus

    def _take(self, message: Message) -> None:
        if message.message_type is MessageType.SIGNAL:
            self._on_signal(message)

    async def serve(self) -> None:
        """Return once the connection has ended, its socket is closed and every call has failed."""
        if self._bus is None:
            return
        try:
            await self._bus.wait_for_disconnect()  # type: ignore[no-untyped-call]
        except _LOST:
            pass  # why it ended makes no difference
        finally:
            self._gone.set()

    async def subscribe(self, rules: Iterable[str]) -> None:
        """Have signals delivered that match any of the rules."""
        for rule in rules:
            await self.ask(_DBUS, "AddMatch", "s", [rule])

    async def has_owner(self, name: str) -> bool:
        """Whether anybody has this well-known name."""
        (owned,) = await self.ask(_DBUS, "NameHasOwner", "s", [name])
        return bool(owned)

    async def ask(
        self,
        interface: str,
        member: str,
        signature: str,
        body: Sequence[Any],
        *,
        at: tuple[str, str] = (_DBUS, "/org/freedesktop/DBus"),
    ) -> list[Any]:
        """Call a method of the object `at` (service, path); return the body of the answer.

        Raises RefusedError, BusLostError.
        """
        # Never write to a connection that has ended: the number of its socket may be another's by
        # now, and dbus-fast, when the write fails, takes that one's reader out of the event loop.
        if self._bus is None or not self._bus.connected:
            raise BusLostError(_DBUS)
        service, path = at
        message = Message(
            destination=service,
            path=path,
            interface=interface,
            member=member,
            signature=signature,
            body=[*body],
            flags=MessageFlag.NO_AUTOSTART,
        )
        try:
            async with asyncio.timeout(_ANSWER_LIMIT_S):
                reply = cast("Message | None", await self._bus.call(message))
        except TimeoutError:
            raise RefusedError(NO_REPLY) from None
        except _LOST as error:
            raise BusLostError(str(error)) from error
        if reply is None:  # closed by us meanwhile
            raise BusLostError(_DBUS)
        if reply.message_type is MessageType.ERROR:
            raise RefusedError(reply.error_name or "")
        return reply.body

    async def close(self) -> None:
        """End the connection; returns when `serve` has, at the latest after a second."""
        if self._bus is not None:
            self._bus.disconnect()
            await set_within(self._gone, _CLOSE_LIMIT_S)

    @property
    def gone(self) -> bool:
        """Whether the connection has ended."""
        return self._gone.is_set()
