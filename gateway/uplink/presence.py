"""What one connection says of the agent: birth, heartbeat, farewell, all on the retained status.

The will, which says that the agent is gone, belongs to the connection.
"""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec

from gateway.model import Outcome
from gateway.uplink import status
from gateway.uplink.heartbeat import Heartbeat
from gateway.uplink.said import Said
from gateway.uplink.status import Identity, Standing, StatusReport, StatusSource
from gateway.uplink.topics import Topics


class Speaker(msgspec.Struct, frozen=True):
    """Who speaks, of what, and where."""

    identity: Identity
    report: StatusSource
    topics: Topics


class Presence:
    """`told` is called with a report that the broker has."""

    def __init__(
        self,
        said: Said,
        speaker: Speaker,
        standing: Standing,
        told: Callable[[StatusReport], None],
    ) -> None:
        self._said = said
        self._speaker = speaker
        self._standing = standing
        self._on_told = told
        self._reported: StatusReport | None = None
        self._heartbeat = Heartbeat(send=self._send, render=self._online, told=self._told)

    def tell(self) -> None:
        """Publish status now, or as soon as the one before it is acknowledged."""
        self._heartbeat.tell()

    def stop(self) -> None:
        """Say nothing any more but the farewell."""
        self._heartbeat.stop()

    async def beat(
        self, chance: Callable[[], float], sleep: Callable[[float], Awaitable[None]]
    ) -> None:
        """Tell again and again until cancelled."""
        await self._heartbeat.run(chance, sleep)

    async def say_offline(self) -> None:
        """Say that this is an orderly end; return when that is acknowledged or lost."""
        self.stop()
        told = asyncio.Event()
        speaker = self._speaker
        payload = status.offline(speaker.identity, self._standing, speaker.report())
        self._send(payload, lambda _outcome: told.set())
        await told.wait()

    def _send(self, payload: bytes, done: Callable[[Outcome], None]) -> None:
        topic = self._speaker.topics.status
        self._said.publish(topic, payload, retain=True, turn="status", done=done)

    def _online(self) -> bytes:
        self._reported = self._speaker.report()
        return status.online(self._speaker.identity, self._standing, self._reported)

    def _told(self) -> None:
        if self._reported is not None:
            self._on_told(self._reported)
