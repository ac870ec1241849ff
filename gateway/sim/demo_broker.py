"""The demo's broker: amqtt in this process, on loopback, MQTT 3.1.1. Never for the field.

It acknowledges, and forgets: no subscriber of it is owed anything. That is enough to see an agent
deliver. For everything real there is mosquitto.
"""

import logging
import socket
from typing import TYPE_CHECKING, Final, Self

from gateway.errors import SimulatorError

if TYPE_CHECKING:
    from amqtt.broker import Broker  # pyright: ignore[reportMissingTypeStubs]

HOST: Final = "127.0.0.1"
_ANYBODY: Final = "amqtt.plugins.authentication.AnonymousAuthPlugin"
_TALKATIVE: Final = ("amqtt", "transitions")


class DemoBroker:
    """An async context. Raises SimulatorError when amqtt, an extra, is not installed."""

    def __init__(self) -> None:
        try:
            from amqtt import broker, errors  # noqa: PLC0415 # pyright: ignore[reportMissingTypeStubs]
        except ImportError:
            cause = "the demo's broker, amqtt, is not installed"
            remedy = "run `make demo`, or `ugw demo --broker HOST:PORT` with a broker of yours"
            raise SimulatorError(cause, remedy) from None
        for name in _TALKATIVE:
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self.host = HOST
        self.port = _free_port()
        self._make = broker.Broker
        self._error = errors.BrokerError
        self._broker: Broker | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen, on the same port as before. Raises SimulatorError when somebody else does."""
        listener = {"type": "tcp", "bind": f"{self.host}:{self.port}"}
        plugins = {_ANYBODY: {"allow_anonymous": True}}
        broker = self._make({"listeners": {"default": listener}, "plugins": plugins})
        try:
            await broker.start()
        except self._error as error:
            cause = f"the demo's broker does not start: {error}"
            raise SimulatorError(cause, "start the demo again: it takes another port") from None
        self._broker = broker

    async def stop(self) -> None:
        """End all connections and listen no more."""
        broker, self._broker = self._broker, None
        if broker is not None:
            await broker.shutdown()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
