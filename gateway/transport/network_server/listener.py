"""Uplinks from a network server's broker, for ever: a connection that is lost is made anew.

The broker keeps nothing for us while we are away: what the server published meanwhile is lost to
us, as a packet is that no radio heard.
"""

import asyncio
import random
from collections.abc import Callable
from typing import Final, Literal

import msgspec

from gateway.core import backoff
from gateway.errors import UplinkError
from gateway.health import Health
from gateway.model import Frame, Intake, TransportState
from gateway.mqtt import MqttSettings
from gateway.subscription import Subscription
from gateway.transport.network_server.events import Event, Reader
from gateway.transport.refused import RefusedError
from gateway.transport.report import report

STEADY_NS: Final = 60 * 1_000_000_000  # a connection that lasted so long was a good one

_TICK_S: Final = 5.0


class NetworkServerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Which server, and what of its broker is read."""

    name: str
    kind: str
    broker: MqttSettings
    topics: tuple[str, ...]
    qos: Literal[0, 1]
    read: Reader


class NetworkServerTransport:
    """A `model.Transport`."""

    def __init__(
        self,
        settings: NetworkServerSettings,
        intake: Intake,
        health: Health,
        *,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.name, self.kind = settings.name, settings.kind
        self._settings = settings
        self._intake = intake
        self._health = health
        self._record = health.transport(self.name, self.kind)
        self._boot_ns = health.clock.boot_ns
        self._chance = chance
        self._pulse = health.vitals.pulse(self.name)

    async def run(self) -> None:
        """Hear for ever; cancel to end, the connection is then closed."""
        attempt = 0
        while True:
            begun_ns = self._boot_ns()
            try:
                cause = await self._listen()
            except UplinkError as error:
                cause = error
            report(self._health, self.name, TransportState.DOWN, _in_words(cause))
            attempt = 0 if self._boot_ns() - begun_ns >= STEADY_NS else attempt
            await self._pulse.pause(
                backoff.delay_s(
                    attempt, self._chance(), first_s=backoff.FIRST_S, most_s=backoff.MOST_S
                )
            )
            attempt += 1

    async def _listen(self) -> UplinkError:
        """Return why a connection has ended. Raises UplinkError when there is none to be had."""
        given = self._settings
        async with Subscription(
            given.broker, given.topics, self._take, qos=given.qos
        ) as subscription:
            self._record.count("subscribed")
            report(self._health, self.name, TransportState.UP)
            while True:
                self._pulse.beat()
                try:
                    async with asyncio.timeout(_TICK_S):
                        return await subscription.wait_closed()
                except TimeoutError:
                    pass  # a sign of life is due

    # ---------------------------------------------------------------------------------------- take
    def _take(self, payload: bytes) -> None:
        try:
            event = self._settings.read(payload)
        except RefusedError as refused:
            self._record.count(refused.counter)
            return
        self._hear(event)

    def _hear(self, event: Event) -> None:
        content = (event.counter, event.port, event.payload)
        at_ns = self._intake.admits(event.address, content, event.rssi_dbm)
        if at_ns is not None:
            self._intake.hear(
                Frame(
                    medium="lora",
                    source=self.name,
                    address=event.address,
                    heard_at_ns=at_ns,
                    content=content,
                    payload=event.payload,
                    port=event.port,
                    counter=event.counter,
                    rssi_dbm=event.rssi_dbm,
                    snr_db=event.snr_db,
                    spreading_factor=event.spreading_factor,
                    frequency_hz=event.frequency_hz,
                )
            )


def _in_words(error: UplinkError) -> str:
    """Return cause and remedy; the keys it names are the transport's own, not those of mqtt."""
    return "; ".join(filter(None, (str(error), error.remedy))).replace("mqtt.", "")
