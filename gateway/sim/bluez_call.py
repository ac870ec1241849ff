"""A method call as bluetoothd receives it, with nothing optional left in it."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from dbus_fast import Message

from gateway.sim import bluez_names as names


class Call(msgspec.Struct, frozen=True, eq=False):
    """One method call. `reply` and `error` make its answer; they do not send it."""

    sender: str
    path: str
    interface: str
    member: str
    body: Sequence[Any]
    message: Message

    def reply(self, signature: str = "", body: Sequence[Any] = ()) -> Message:
        """Return a method return with these values."""
        return Message.new_method_return(self.message, signature, list(body))

    def error(self, name: str, text: str) -> Message:
        """Return an error; names stand in `bluez_names`."""
        return Message.new_error(self.message, name, text)

    def not_ready(self) -> Message:
        """Return what the adapter being off is told with."""
        return self.error(names.NOT_READY, "Resource Not Ready")

    def invalid_arguments(self) -> Message:
        """Return what arguments of the right types and wrong values are told with."""
        return self.error(names.INVALID_ARGUMENTS, "Invalid arguments in method call")


Handler = Callable[[Call], Message | None]  # None: the answer comes later, or never
Handlers = dict[tuple[str, str], Handler]  # (interface, member)


def received(message: Message) -> Call:
    """Return a call that came over a bus, which names its sender and path always."""
    return Call(
        sender=message.sender or "",
        path=message.path or "",
        interface=message.interface or "",
        member=message.member or "",
        body=message.body,
        message=message,
    )
