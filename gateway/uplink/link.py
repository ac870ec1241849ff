"""One connection to a broker as the uplink uses it: `mqtt.Connection`, or a simulated one."""

from collections.abc import Callable
from typing import Protocol, Self

from gateway.errors import UplinkError
from gateway.mqtt import Done, MqttSettings, Will


class Link(Protocol):
    """Entered it is connected, left it is closed; every message ends in exactly one Outcome.

    Entering raises UplinkError when the broker cannot be reached or refuses us, and
    VersionRefusedError when it does not speak MQTT 5.
    """

    @property
    def connected(self) -> bool:
        """Whether CONNACK came, and the connection neither has ended nor is about to."""
        ...

    @property
    def receive_maximum(self) -> int:
        """How many unacknowledged messages the broker allows (MQTT 5, 3.2.2.3.3)."""
        ...

    @property
    def max_packet_bytes(self) -> int:
        """The largest packet the broker takes (MQTT 5, 3.2.2.3.6)."""
        ...

    @property
    def outstanding_bytes(self) -> int:
        """What was handed over and not acknowledged."""
        ...

    def publish(
        self, topic: str, payload: bytes, *, retain: bool = False, turn: str = "", done: Done
    ) -> None:
        """Send with QoS 1; `done` is called once, later, from the event loop."""
        ...

    async def wait_closed(self) -> UplinkError:
        """Return, not raise, why the connection ended."""
        ...

    async def disconnect(self, cause: str, *, within_s: float) -> None:
        """Take nothing more, wait for what is outstanding, take leave: the will stays unsaid."""
        ...

    def close(self, cause: str) -> None:
        """Drop the connection at once, whatever the broker does."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *_: object) -> None: ...


Connect = Callable[[MqttSettings, Will | None], Link]
