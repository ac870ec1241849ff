"""The brokers of benches in real time: the scripted one, and a real mosquitto with its face.

What a real broker cannot be told, it refuses with SimulatorError; it never pretends. While a
broker is down, the ways to it refuse as its own port does.
"""

import asyncio
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Final, NoReturn, Self

import msgspec

from gateway.errors import SimulatorError
from gateway.sim.broker import Delivered, ScriptedBroker
from gateway.sim.broker_script import Offer
from gateway.sim.process.listener import Listener
from gateway.sim.process.mosquitto import Mosquitto
from gateway.sim.proxy import Proxy

_POLL_S: Final = 0.01


class ScriptedHere(ScriptedBroker):
    """The scripted broker at the end of these `ways`."""

    def __init__(self, offer: Offer | None = None) -> None:
        super().__init__(offer)
        self.ways = list[Proxy]()

    async def start(self) -> None:
        """Listen, on the same port as before."""
        await super().start()
        _stand_behind(self.ways)

    async def stop(self) -> None:
        """End all connections without a word, and listen no more."""
        _leave(self.ways)
        await super().stop()


class _Refused:
    """What only the scripted broker has."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __get__(self, instance: object, owner: type) -> NoReturn:
        raise _scripted(self._what)

    def __set__(self, instance: object, value: object) -> NoReturn:
        raise _scripted(self._what)


class MosquittoBroker:
    """A mosquitto, and a subscriber of everything: an async context.

    `delivered` is what that subscriber got. `violations` is empty: a real broker keeps no record.
    """

    offer = _Refused("be told what to offer")
    script = _Refused("be given a script")
    connects = _Refused("say who connected")
    received = _Refused("say what reached it")

    def __init__(self, directory: Path, offer: Offer | None = None) -> None:
        self.violations: list[str] = []
        self.ways = list[Proxy]()  # by which the agents come
        self._mosquitto = Mosquitto(directory, lines=_limits(offer or Offer()))
        self._listener = Listener(self._mosquitto.port)

    @property
    def port(self) -> int:
        """Where it listens, on 127.0.0.1."""
        return self._mosquitto.port

    @property
    def delivered(self) -> list[Delivered]:
        """What a subscriber of everything got, in order."""
        return self._listener.delivered

    @property
    def delivered_at_s(self) -> list[float]:
        """When, by the loop's clock."""
        return self._listener.delivered_at_s

    async def __aenter__(self) -> Self:
        try:
            await self.start()
            await self._listener.__aenter__()
        except BaseException:
            self._mosquitto.kill()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            await self._listener.__aexit__(kind, error, trace)
        finally:
            self._mosquitto.kill()

    async def start(self) -> None:
        """Take connections, at the same address as before. Without effect while it runs."""
        if self._mosquitto.runs:
            return
        self._mosquitto.launch()
        while not self._mosquitto.answers():  # noqa: ASYNC110 - processes set no event
            await asyncio.sleep(_POLL_S)
        _stand_behind(self.ways)

    async def stop(self) -> None:
        """End it in order: sessions and what is retained survive. It may have ended already."""
        if not self._mosquitto.runs:
            return
        _leave(self.ways)
        self._mosquitto.terminate()
        while self._mosquitto.runs:  # noqa: ASYNC110 - likewise
            await asyncio.sleep(_POLL_S)

    def freeze(self) -> None:
        """Stop it from running at all; the kernel goes on acknowledging for it."""
        self._mosquitto.freeze()

    def thaw(self) -> None:
        """Let it go on."""
        self._mosquitto.thaw()

    def hang_up(self) -> None:
        """End all connections of agents without a word."""
        for way in self.ways:
            way.cut()

    def disconnect(self, code: int) -> NoReturn:
        """Refuse: nobody can have mosquitto say that."""
        what = f"end connections with reason code 0x{code:02X}"
        raise _scripted(what)


def _stand_behind(ways: Iterable[Proxy]) -> None:
    for way in ways:
        way.broker_away = False


def _leave(ways: Iterable[Proxy]) -> None:
    for way in ways:
        way.broker_away = True


def _limits(offer: Offer) -> tuple[str, ...]:
    """Return mosquitto's words for what is offered. Raises SimulatorError where it has none."""
    has_words = Offer(
        receive_maximum=offer.receive_maximum, maximum_packet_size=offer.maximum_packet_size
    )
    if msgspec.structs.replace(offer, versions=tuple(sorted(offer.versions))) != has_words:
        what = "offer anything but a receive_maximum and a maximum_packet_size"
        raise _scripted(what)
    words = {
        "max_inflight_messages": offer.receive_maximum,
        "max_packet_size": offer.maximum_packet_size,
    }
    return tuple(f"{word} {limit}" for word, limit in words.items() if limit is not None)


def _scripted(what: str) -> SimulatorError:
    cause = f"mosquitto cannot {what}"
    return SimulatorError(cause, "use the scripted broker, which is the usual one")
