"""The uplink over MQTT: connected whenever the broker lets it be, and honest about it.

It keeps nothing: a bundle is handed to the connection of the moment, and ends with it. What it
says by itself is status: birth with each connection, heartbeat, will and farewell. Why there is no
connection cannot be said that way: it stands in `Health.uplink` and in the log.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import msgspec

from gateway.clock import Clock
from gateway.errors import UplinkError
from gateway.health import Health
from gateway.model import Lane, Outcome
from gateway.mqtt import (
    MAX_PACKET_BYTES,
    RECEIVE_MAXIMUM,
    Connection,
    Done,
    MqttSettings,
    Will,
)
from gateway.reasons import VersionRefusedError
from gateway.uplink import status
from gateway.uplink.certificates import LOOK_S, Certificates
from gateway.uplink.link import Connect, Link
from gateway.uplink.patience import Patience
from gateway.uplink.presence import Presence, Speaker
from gateway.uplink.record import Record
from gateway.uplink.said import PatienceNs, Said
from gateway.uplink.status import Standing, StatusReport

__all__ = ["Chances", "MqttUplink", "Past", "Speaker"]

# A connection that lasted this long was a good one: the next back-off starts anew. Shorter ones do
# not count, or two gateways with one client id would throw each other out every second.
STEADY_NS: Final = 60_000_000_000
FAREWELL_S: Final = 0.5
RENEWED_S: Final = 2.0
OBSERVATIONS: Final = "obs"  # their turn where the broker allows few messages at a time


class Chances(msgspec.Struct, frozen=True):
    """Time, chance and the way out as the uplink meets them; `chance` is uniform in [0, 1).

    `look` is the sleep between two looks at the certificates.
    """

    clock: Clock
    chance: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    look: Callable[[float], Awaitable[None]] = asyncio.sleep
    connect: Connect = Connection


class Past(msgspec.Struct, frozen=True):
    """What earlier runs left.

    `first_session` exceeds every number this installation has used; `five_at` is the last
    "host:port" at which MQTT 5 has worked.
    """

    first_session: int
    five_at: str = ""


def _ignore_up() -> None:
    """Nobody has hung in yet."""


def _ignore_down(_cause: str) -> None:
    """Nobody has hung in yet."""


def _ignore_told(_report: StatusReport) -> None:
    """Nobody has hung in yet."""


def _ten_seconds(_under_way: int) -> int:
    """Nobody has hung in yet."""
    return 10_000_000_000


def _any_session(_session: int) -> bool:
    """Nobody has hung in yet."""
    return True


def _ignore_five(_where: str) -> None:
    """Nobody has hung in yet."""


class MqttUplink:
    """The Uplink of gateway.model. Its listeners hang themselves in before `run`.

    `on_up` is called when observations can be sent, after the birth; `on_down`, with the cause,
    once for each `on_up`; `on_told` when the broker has a report; `on_five`, before `on_up`, with
    the broker's "host:port" when MQTT 5 works there and was not known to.
    """

    def __init__(
        self,
        settings: MqttSettings,
        speaker: Speaker,
        *,
        past: Past,
        chances: Chances,
        health: Health,
    ) -> None:
        self.on_up: Callable[[], None] = _ignore_up
        self.on_down: Callable[[str], None] = _ignore_down
        self.on_told: Callable[[StatusReport], None] = _ignore_told
        self.on_five: Callable[[str], None] = _ignore_five
        self.may_use: Callable[[int], bool] = _any_session
        self.patience_ns: PatienceNs = _ten_seconds
        self._settings = settings
        self._speaker = speaker
        self._session = past.first_session - 1
        self._five_at = past.five_at
        self._chances = chances
        self._health = health
        self._record = Record(health)
        self._patience = Patience(chances.chance, chances.sleep)
        self._certificates = self._watched(settings)
        self._connection: Link | None = None  # that takes messages
        self._said: Said | None = None  # on that connection
        self._presence: Presence | None = None
        self._receive_maximum = RECEIVE_MAXIMUM
        self._max_packet_bytes = MAX_PACKET_BYTES
        self._steady = False  # the connection before was a good one
        self._renewed = asyncio.Event()  # no birth stands of a connection that was left in order
        self._renewed.set()
        self._leaving = False

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
    def outstanding_bytes(self) -> int:
        """What this connection was given, status and all, and is not acknowledged."""
        return 0 if self._connection is None else self._connection.outstanding_bytes

    @property
    def session(self) -> int:
        """The number of the newest connection, whether it came about or not."""
        return self._session

    # ------------------------------------------------------------------------------------ messages
    def publish(self, lane: Lane, payload: bytes, done: Done) -> None:
        """Send with QoS 1; `done` is called once, from the event loop, never from within."""
        topic = self._speaker.topics.observations(lane)
        if self._connection is None:
            _end_without_connection(done)
        else:
            self._connection.publish(topic, payload, retain=False, turn=OBSERVATIONS, done=done)

    def say(self, topic: str, payload: bytes, *, retain: bool, done: Done) -> None:
        """Send any other message below the root, as `publish` does.

        Where the broker allows few messages at a time, what begins with the same level below the
        root (`state`, `meta`, ...) waits for its like and takes turns with the others.
        """
        kind = topic.removeprefix(f"{self._speaker.topics.root}/").partition("/")[0]
        if self._connection is None or self._said is None:
            _end_without_connection(done)
        else:
            self._said.publish(topic, payload, retain=retain, turn=kind, done=done)

    def tell(self) -> None:
        """Publish status now: something in it has changed. Without a connection the birth will."""
        if self._presence is not None:
            self._presence.tell()

    # --------------------------------------------------------------------------------- connections
    def drop(self, cause: str) -> None:
        """Give this connection up at once; `run` makes the next."""
        if self._connection is not None:
            self._connection.close(cause)

    def reconfigure(self, settings: MqttSettings, speaker: Speaker) -> None:
        """Take over another configuration: the next connection is made with it, and now.

        The present one takes nothing more from here on. It is left in order as soon as what is
        outstanding is acknowledged, within FAREWELL_S; the rest ends as with any lost connection.
        """
        self._settings, self._speaker = settings, speaker
        self._certificates = self._watched(settings)
        self._renew("configuration changed")

    def number_from(self, session: int) -> None:
        """Give connections numbers from this one on: the present one is left for the next."""
        if session > self._session:
            self._session = session - 1
            self._renew("sessions are numbered by the right time")

    def _renew(self, cause: str) -> None:
        if self._connection is not None:
            self._renewed.clear()
        self._connection = None
        if self._presence is not None:
            self._presence.stop()
        self._patience.cut(cause)

    def _watched(self, settings: MqttSettings) -> Certificates:
        return Certificates(settings.tls, health=self._health)

    async def run(self) -> None:
        """Stay connected until cancelled or until `farewell` has closed the last connection."""
        async with asyncio.TaskGroup() as group:
            looking = group.create_task(self._look_at_certificates(), name="uplink.certificates")
            await self._stay_connected()
            looking.cancel()

    async def _look_at_certificates(self) -> None:
        while True:
            await self._chances.look(LOOK_S)
            if self._certificates.renewed():
                self._renew("certificates renewed")

    async def _stay_connected(self) -> None:
        while True:
            self._steady = False
            error = await self._attempt()
            if self._leaving:
                return
            self._record.down(error, meant=self._patience.is_cut)
            await self._patience.wait(steady=self._steady)

    async def farewell(self) -> None:
        """Say that this is an orderly stop, and disconnect; at most FAREWELL_S, never an error.

        After a connection that was left for another the status still says `online`, and no will
        ever says otherwise: the other one is waited for, RENEWED_S at most.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(RENEWED_S):
                await self._renewed.wait()
        self._leaving = True
        connection, presence = self._connection, self._presence
        if connection is None or presence is None:
            return
        try:
            async with asyncio.timeout(FAREWELL_S):
                await presence.say_offline()
                await connection.disconnect("stopped", within_s=FAREWELL_S)
        except TimeoutError:
            # Dropped, not disconnected: then the will says that we are gone.
            connection.close("the broker did not take our leave")

    async def _attempt(self) -> UplinkError:
        """Connect and serve; return why it did not come about or ended."""
        settings = self._settings
        try:
            return await self._serve(settings)
        except VersionRefusedError as error:
            if self._five_at == _where(settings):
                cause = f"{error}, and MQTT 5 has worked there before"
                remedy = "was the broker downgraded? then set mqtt.version to 3.1.1"
                return UplinkError(cause, remedy)
        except UplinkError as error:
            return error
        try:
            return await self._serve(msgspec.structs.replace(settings, version="3.1.1"))
        except UplinkError as error:
            return error

    async def _serve(self, settings: MqttSettings) -> UplinkError:
        speaker = self._speaker
        if not self.may_use(self._session + 1):
            cause = "the store has not yet reserved a number for another session"
            raise UplinkError(cause, "does storeState say ok?")
        self._session += 1
        self._patience.begin()
        self._certificates.use()
        self._record.attempt(settings, self._session)
        will = Will(speaker.topics.status, status.will(speaker.identity, self._session))
        async with self._chances.connect(settings, will) as connection:
            self._record.up()
            self._receive_maximum = connection.receive_maximum
            self._max_packet_bytes = connection.max_packet_bytes
            guarantee = self._learn_version(settings)
            standing = Standing(self._session, guarantee)
            self._said = Said(connection, self._chances.clock, self.patience_ns)
            presence = Presence(self._said, speaker, standing, self.on_told)
            return await self._attend(connection, presence, _Place(_where(settings), speaker))

    def _learn_version(self, settings: MqttSettings) -> status.Guarantee:
        if settings.version != "5":
            return "reduced"
        if self._five_at != _where(settings):
            self._five_at = _where(settings)
            self.on_five(self._five_at)
        return "full"

    async def _attend(self, connection: Link, presence: Presence, place: "_Place") -> UplinkError:
        self._connection, self._presence = connection, presence
        self._renewed.set()
        since_ns = self._chances.clock.boot_ns()
        try:
            presence.tell()
            self.on_up()
            error = await self._beat_until_closed(connection, presence, place)
        finally:
            self._connection, self._presence = None, None
        self._steady = self._chances.clock.boot_ns() - since_ns >= STEADY_NS
        self.on_down(str(error))
        return error

    async def _beat_until_closed(
        self, connection: Link, presence: Presence, place: "_Place"
    ) -> UplinkError:
        chances = self._chances
        async with asyncio.TaskGroup() as group:
            tasks = (
                group.create_task(
                    presence.beat(chances.chance, self._rest), name="uplink.heartbeat"
                ),
                group.create_task(self._retire(connection, presence, place), name="uplink.retire"),
            )
            error = await connection.wait_closed()
            for task in tasks:
                task.cancel()
        return error

    async def _rest(self, seconds: float) -> None:
        await self._chances.sleep(seconds)
        if self._said is not None:
            self._said.look()

    async def _retire(self, connection: Link, presence: Presence, place: "_Place") -> None:
        """When the next connection is to be another one, leave this one in order."""
        cause = await self._patience.cut_short()
        self._connection = None  # it came up while it was cut
        if place.has_moved(_where(self._settings), self._speaker):
            with suppress(TimeoutError):
                async with asyncio.timeout(FAREWELL_S):
                    await presence.say_offline()
        await connection.disconnect(cause, within_s=FAREWELL_S)


class _Place(msgspec.Struct, frozen=True):
    """Where a connection's birth stands, retained."""

    where: str
    speaker: Speaker

    def has_moved(self, where: str, speaker: Speaker) -> bool:
        """Whether the next birth will not overwrite it."""
        return (where, speaker.topics.status) != (self.where, self.speaker.topics.status)


def _end_without_connection(done: Done) -> None:
    asyncio.get_running_loop().call_soon(done, Outcome(None, "not connected"))


def _where(settings: MqttSettings) -> str:
    return f"{settings.host}:{settings.port}"
