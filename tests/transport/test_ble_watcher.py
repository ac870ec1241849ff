"""The watcher on a bus that answers when told to: what comes between question and answer."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from dbus_fast import Message, MessageType

from gateway.transport.ble import watcher
from gateway.transport.ble.bus import RefusedError
from tests.brokers import strict_run
from tests.transport.places import until


class SlowBus:
    """A bus on which bluetoothd has its name until it loses it; each answer waits for `go`."""

    def __init__(self, on_signal: Callable[[Message], None]) -> None:
        self.on_signal = on_signal
        self.go = asyncio.Event()
        self.asked = 0
        self.owned = True
        self.gone = False

    async def connect(self) -> None:
        """Connect at once."""

    async def subscribe(self, rules: tuple[str, ...]) -> None:
        """Have every signal delivered."""

    async def serve(self) -> None:
        """Serve until cancelled."""
        await asyncio.Event().wait()

    async def close(self) -> None:
        """Leave it to the cancellation."""

    async def has_owner(self, _: str) -> bool:
        """Answer what was so when it was asked."""
        self.asked += 1
        owned = self.owned
        await self.go.wait()
        return owned

    async def ask(self, *_: object, at: tuple[str, str]) -> list[Any]:
        """Answer as the bus does for a service that has gone."""
        assert at == ("org.bluez", "/org/bluez/hci0")
        error = "org.freedesktop.DBus.Error.ServiceUnknown"
        raise RefusedError(error)

    def lose_name(self) -> None:
        """Have bluetoothd go."""
        self.owned = False
        signal = Message(
            message_type=MessageType.SIGNAL,
            path="/org/freedesktop/DBus",
            interface="org.freedesktop.DBus",
            member="NameOwnerChanged",
            signature="sss",
            body=["org.bluez", ":1.1", ""],
        )
        self.on_signal(signal)


def test_a_picture_that_was_overtaken_while_it_was_taken_is_taken_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    buses: list[SlowBus] = []

    def new_bus(on_signal: Callable[[Message], None]) -> SlowBus:
        buses.append(SlowBus(on_signal))
        return buses[-1]

    async def scenario() -> None:
        watched = watcher.Watcher("hci0")
        running = asyncio.create_task(watched.run())
        await until(lambda: buses and buses[0].asked)
        buses[0].lose_name()
        buses[0].go.set()
        await until(lambda: buses[0].asked == 2)
        await until(lambda: watched.adapter.connected)
        assert not watched.adapter.owned
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    monkeypatch.setattr(watcher, "SystemBus", new_bus)
    strict_run(scenario())
