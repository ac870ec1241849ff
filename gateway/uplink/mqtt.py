"""The uplink over MQTT: connected whenever the broker lets it be, and honest about it.

It keeps nothing: a bundle is handed to the connection of the moment, and ends with it. What it
says by itself is status: birth with each connection, heartbeat, will and farewell.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from gateway.clock import Clock
from gateway.core.backoff import delay_s
from gateway.errors import UplinkError
from gateway.model import Lane, Outcome
from gateway.mqtt import (
    MAX_PACKET_BYTES,
    RECEIVE_MAXIMUM,
    Connection,
    Done,
    MqttSettings,
    VersionRefusedError,
    Will,
)
from gateway.uplink import status
from gateway.uplink.heartbeat import Heartbeat
from gateway.uplink.status import Identity, Standing, StatusReport, StatusSource
from gateway.uplink.topics import Topics

log = logging.getLogger(__name__)

FIRST_S: Final = 1.0  # back-off, with full jitter
MOST_S: Final = 60.0
# A connection that lasted this long was a good one: the next back-off starts anew. Shorter ones do
# not count, or two gateways with one client id would throw each other out every second.
STEADY_NS: Final = 60_000_000_000
FAREWELL_S: Final = 0.5


class Chances(msgspec.Struct, frozen=True):
    """Time and chance as the uplink meets them; `chance` is uniform in [0, 1)."""

    clock: Clock
    chance: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


class Speaker(msgspec.Struct, frozen=True):
    """Who speaks, of what, and where."""

    identity: Identity
    report: StatusSource
    topics: Topics


def _ignore_up() -> None:
    """Nobody has hung in yet."""


def _ignore_down(_cause: str) -> None:
    """Nobody has hung in yet."""


def _ignore_told(_report: StatusReport) -> None:
    """Nobody has hung in yet."""


class MqttUplink:
    """The Uplink of gateway.model. Its listeners hang themselves in before `run`.

    `on_up` is called when observations can be sent, after the birth; `on_down`, with the cause,
    once for each `on_up`; `on_told` when the broker has a report. `first_session` must exceed
    every number this installation has used.
    """

    def __init__(
        self, settings: MqttSettings, speaker: Speaker, *, first_session: int, chances: Chances
    ) -> None:
        self.on_up: Callable[[], None] = _ignore_up
        self.on_down: Callable[[str], None] = _ignore_down
        self.on_told: Callable[[StatusReport], None] = _ignore_told
        self._settings = settings
        self._speaker = speaker
        self._session = first_session - 1
        self._chances = chances
        self._connection: Connection | None = None
        self._heartbeat: Heartbeat | None = None
        self._standing = Standing(self._session, "full")
        self._reported: StatusReport | None = None
        self._receive_maximum = RECEIVE_MAXIMUM
        self._max_packet_bytes = MAX_PACKET_BYTES
        self._five_worked = False
        self._steady = False  # the connection before was a good one
        self._leaving = False
        self._logged = ""

    @property
    def connected(self) -> bool:
        """Whether a PUBLISH can be sent now."""
        return self._connection is not None and self._connection.connected

    @property
    def receive_maximum(self) -> int:
        """How many unacknowledged PUBLISHes the last broker allows, one set apart for status."""
        return max(1, self._receive_maximum - 1)

    @property
    def max_packet_bytes(self) -> int:
        """The last broker's Maximum Packet Size."""
        return self._max_packet_bytes

    @property
    def session(self) -> int:
        """The number of the newest connection, whether it came about or not."""
        return self._session

    def publish(self, lane: Lane, payload: bytes, done: Done) -> None:
        """Send with QoS 1; `done` is called once, from the event loop, never from within."""
        if self._connection is None:
            outcome = Outcome(None, "not connected")
            asyncio.get_running_loop().call_soon(done, outcome)
        else:
            self._connection.publish(self._speaker.topics.observations(lane), payload, done=done)

    def drop(self, cause: str) -> None:
        """Give this connection up at once; `run` makes the next."""
        if self._connection is not None:
            self._connection.close(cause)

    def tell(self) -> None:
        """Publish status now: something in it has changed. Without a connection the birth will."""
        if self._heartbeat is not None:
            self._heartbeat.tell()

    async def run(self) -> None:
        """Stay connected until cancelled or until `farewell` has closed the last connection."""
        attempt = 0
        while True:
            self._steady = False
            error = await self._attempt()
            if self._leaving:
                return
            self._log_down(error)
            attempt = 0 if self._steady else attempt
            wait_s = delay_s(attempt, self._chances.chance(), first_s=FIRST_S, most_s=MOST_S)
            await self._chances.sleep(wait_s)
            attempt += 1

    async def farewell(self) -> None:
        """Say that this is an orderly stop, and disconnect; at most FAREWELL_S, never an error."""
        self._leaving = True
        connection, heartbeat = self._connection, self._heartbeat
        if connection is None or heartbeat is None:
            return
        heartbeat.stop()
        try:
            async with asyncio.timeout(FAREWELL_S):
                await self._say_offline(connection)
                await connection.disconnect(within_s=FAREWELL_S)
        except TimeoutError:
            # Dropped, not disconnected: then the will says that we are gone.
            connection.close("the broker did not take our leave")

    async def _attempt(self) -> UplinkError:
        """Connect and serve; return why it did not come about or ended."""
        try:
            return await self._serve(self._settings)
        except VersionRefusedError as error:
            if self._five_worked:
                return error
        except UplinkError as error:
            return error
        try:
            return await self._serve(msgspec.structs.replace(self._settings, version="3.1.1"))
        except UplinkError as error:
            return error

    async def _serve(self, settings: MqttSettings) -> UplinkError:
        self._session += 1
        will = status.will(self._speaker.identity, self._session)
        async with Connection(settings, Will(self._speaker.topics.status, will)) as connection:
            self._log_up(settings)
            five = settings.version == "5"
            self._five_worked = self._five_worked or five
            self._standing = Standing(self._session, "full" if five else "reduced")
            self._receive_maximum = connection.receive_maximum
            self._max_packet_bytes = connection.max_packet_bytes
            return await self._attend(connection)

    async def _attend(self, connection: Connection) -> UplinkError:
        heartbeat = Heartbeat(
            send=self._status_sender(connection), render=self._online, told=self._told
        )
        self._connection, self._heartbeat = connection, heartbeat
        since_ns = self._chances.clock.boot_ns()
        try:
            heartbeat.tell()
            self.on_up()
            error = await self._beat_until_closed(connection, heartbeat)
        finally:
            self._connection, self._heartbeat = None, None
        self._steady = self._chances.clock.boot_ns() - since_ns >= STEADY_NS
        self.on_down(str(error))
        return error

    async def _beat_until_closed(
        self, connection: Connection, heartbeat: Heartbeat
    ) -> UplinkError:
        chances = self._chances
        async with asyncio.TaskGroup() as group:
            beating = group.create_task(
                heartbeat.run(chances.chance, chances.sleep), name="uplink.heartbeat"
            )
            error = await connection.wait_closed()
            beating.cancel()
        return error

    def _online(self) -> bytes:
        self._reported = self._speaker.report()
        return status.online(self._speaker.identity, self._standing, self._reported)

    def _told(self) -> None:
        if self._reported is not None:
            self.on_told(self._reported)

    def _status_sender(self, connection: Connection) -> Callable[[bytes, Done], None]:
        topic = self._speaker.topics.status

        def send(payload: bytes, done: Done) -> None:
            connection.publish(topic, payload, retain=True, done=done)

        return send

    async def _say_offline(self, connection: Connection) -> None:
        told = asyncio.Event()
        speaker = self._speaker
        payload = status.offline(speaker.identity, self._standing, speaker.report())
        self._status_sender(connection)(payload, lambda _outcome: told.set())
        await told.wait()

    # One line per change of state, as key=value.
    def _log_up(self, settings: MqttSettings) -> None:
        line = "uplink up host=%s port=%d version=%s session=%d"
        log.info(line, settings.host, settings.port, settings.version, self._session)
        self._logged = ""

    def _log_down(self, error: UplinkError) -> None:
        if str(error) != self._logged:
            self._logged = str(error)
            log.warning("uplink down cause=%r remedy=%r", str(error), error.remedy)
