"""The demo's broker: amqtt in this process, on loopback, MQTT 3.1.1. Never for the field.

It acknowledges, and forgets: no subscriber of it is owed anything. That is enough to see an agent
deliver. For everything real there is mosquitto.
"""

import logging
import socket
from typing import Self

from gateway.errors import SimulatorError

HOST = "127.0.0.1"


class DemoBroker:
    """An async context. Raises SimulatorError when amqtt, an extra, is not installed."""

    def __init__(self) -> None:
        try:
            from amqtt.broker import (  # noqa: PLC0415 # pyright: ignore[reportMissingTypeStubs]
                Broker,
            )
        except ImportError:
            cause = "the demo's broker, amqtt, is not installed"
            remedy = "run `make demo`, or `ugw demo --broker HOST:PORT` with a broker of yours"
            raise SimulatorError(cause, remedy) from None
        for name in ("amqtt", "transitions"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self.host = HOST
        self.port = _free_port()
        self._make = Broker
        self._broker: Broker | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen, on the same port as before."""
        plugin = "amqtt.plugins.authentication.AnonymousAuthPlugin"
        self._broker = self._make(
            {
                "listeners": {"default": {"type": "tcp", "bind": f"{self.host}:{self.port}"}},
                "plugins": {plugin: {"allow_anonymous": True}},
            }
        )
        await self._broker.start()

    async def stop(self) -> None:
        """End all connections and listen no more."""
        if self._broker is not None:
            await self._broker.shutdown()
            self._broker = None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
