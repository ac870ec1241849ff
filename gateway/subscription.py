"""A connection to a broker that listens: messages of some topics, as they come, none kept.

It is `mqtt.Connection` with a SUBSCRIBE. Its session ends with it, so the broker keeps nothing for
us meanwhile: who asks for more QoS than that is told of each message at least once while it lasts.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal, Self

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from gateway.errors import UplinkError
from gateway.mqtt import Connection, MqttSettings
from gateway.packet_socket import MAX_INCOMING_BYTES

Take = Callable[[bytes], None]  # a payload; from the event loop, and it must not raise

_KEPT_TOO: Final = 0  # retain handling: what the broker has kept comes first
_NEW_ONES_ONLY: Final = 2  # retain handling: nothing the broker has kept (MQTT 5, 3.8.3.1)


class Subscription(Connection):
    """Entered it is subscribed, left it is closed. For the loop's thread only.

    `async with` raises UplinkError when the broker cannot be reached, refuses us or a topic.
    `take_kept` gets what the broker has kept, topic first; without it nobody does.
    """

    def __init__(
        self,
        settings: MqttSettings,
        topics: Sequence[str],
        take: Take,
        *,
        qos: Literal[0, 1],
        take_kept: Callable[[str, bytes], None] | None = None,
    ) -> None:
        super().__init__(settings, None)
        self._take_kept = take_kept
        self._topics = topics
        self._qos = qos
        self._take = take
        self._granted: asyncio.Future[UplinkError | None] = self._loop.create_future()
        self._paho.on_message = self._on_message
        self._paho.on_subscribe = self._on_subscribe
        if self._five:
            # Else the broker would send what PacketSocket lets pass.
            self._wishes = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            self._wishes.MaximumPacketSize = MAX_INCOMING_BYTES

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        try:
            async with asyncio.timeout(self._settings.connect_timeout_s):
                await self._subscribe()
        except TimeoutError:
            self.close("not subscribed")
            message = f"{self._where} does not answer the subscription"
            raise UplinkError(message) from None
        except BaseException:
            self.close("not subscribed")
            raise
        return self

    async def _subscribe(self) -> None:
        self._paho.subscribe(self._wanted())
        await asyncio.wait((self._granted, self._ended), return_when=asyncio.FIRST_COMPLETED)
        refusal = self._granted.result() if self._granted.done() else self._ended.result()
        if refusal is not None:
            raise refusal

    def _wanted(self) -> Any:  # noqa: ANN401 - one of paho's three forms, by version
        if not self._five:
            return [(topic, self._qos) for topic in self._topics]
        handling = _NEW_ONES_ONLY if self._take_kept is None else _KEPT_TOO
        options = SubscribeOptions(qos=self._qos, retainHandling=handling)
        return [(topic, options) for topic in self._topics]

    # ------------------------------------------------------------------------- what paho calls
    def _on_subscribe(
        self, _c: Client, _u: object, _id: int, codes: list[ReasonCode], _p: Properties | None
    ) -> None:
        if self._granted.done():
            return
        refused = [(t, c) for t, c in zip(self._topics, codes, strict=False) if c.is_failure]
        if refused:
            topic, code = refused[0]
            error = UplinkError(
                f"{self._where} refuses the subscription of {topic}: {code}",
                "may this user read it?",
            )
            self._granted.set_result(error)
        else:
            self._granted.set_result(None)

    def _on_message(self, _c: Client, _u: object, message: MQTTMessage) -> None:
        if not message.retain:
            self._take(bytes(message.payload))  # its topic may be no text: paho raises for that
        elif self._take_kept is not None:  # it is old, and nobody knows how old
            self._take_kept(message.topic, bytes(message.payload))
