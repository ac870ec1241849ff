"""A release put on the broker for named gateways, and who runs it.

First all pieces, then the offer of each gateway, so that whoever takes it finds all of it. Pieces
of what they were offered before are removed, unless others are offered it still. A gateway has
confirmed when its status names the release: what is on trial is left again unless a message of it
is acknowledged.
"""

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from gateway.errors import UgwError
from gateway.model import Outcome
from gateway.mqtt import Connection, MqttSettings
from gateway.subscription import Subscription
from ugw_flash.updates.release import Release

_IN_FLIGHT: Final = 32
_QUIET_S: Final = 1.0  # what the broker has kept comes at once, or there is none
_LEAVE_S: Final = 10.0
_FAILURE: Final = 0x80  # and above (MQTT 5, 2.4)
_SOFTWARE: Final = "_software"

Say = Callable[[str], None]
Progress = Callable[[int, int], None]  # pieces done, of how many


class PublishError(UgwError):
    """The broker does not take a release."""


class Targets(NamedTuple):
    """The gateways a release is for: of one organisation, below one topic."""

    root: str  # with {org} and {id}, as in mqtt.topic_root
    org: str
    gateways: tuple[str, ...]

    def root_of(self, gateway: str) -> str:
        """Return what a gateway's topics begin with."""
        return self.root.replace("{org}", self.org).replace("{id}", gateway)

    @property
    def software(self) -> str:
        """What the topics of all pieces begin with: beside the gateways', where none can be."""
        return f"{self.root_of(self.gateways[0]).rpartition('/')[0]}/{_SOFTWARE}/"


async def publish(
    settings: MqttSettings, release: Release, targets: Targets, progress: Progress
) -> int:
    """Put a release on the broker and offer it. Returns how many old pieces were removed."""
    kept = await _kept(settings, [f"{targets.software}#", f"{targets.root_of('+')}/update"])
    pieces = list(release.pieces())
    place = targets.software + release.digest + "/"
    async with Connection(settings, None) as connection:
        sender = _Sender(connection)
        for number, piece in enumerate(pieces):
            if kept.get(place + str(number)) != piece:
                await sender.send(place + str(number), piece)
            progress(number + 1, len(pieces))
        await sender.settle()
        for gateway in targets.gateways:
            await sender.send(f"{targets.root_of(gateway)}/update", release.offer)
        await sender.settle()
        needless = list(_needless(kept, targets, release))
        for topic in needless:
            await sender.send(topic, b"")
        await sender.settle()
        await connection.disconnect("done", within_s=_LEAVE_S)
    return len(needless)


async def withdraw(settings: MqttSettings, targets: Targets) -> None:
    """Offer these gateways nothing any more."""
    async with Connection(settings, None) as connection:
        sender = _Sender(connection)
        for topic in _offers(targets):
            await sender.send(topic, b"")
        await sender.settle()
        await connection.disconnect("done", within_s=_LEAVE_S)


async def confirmations(
    settings: MqttSettings, release: Release, targets: Targets, within_s: float, say: Say
) -> set[str]:
    """Wait until each gateway's status names the release; return those that do not in time."""
    missing = set(targets.gateways)
    done = asyncio.Event()

    def take(payload: bytes) -> None:
        gateway, software = _running(payload)
        if gateway in missing and software == release.software:
            missing.discard(gateway)
            say(f"{gateway}: runs {software}")
        elif gateway in missing and software:
            say(f"{gateway}: runs {software} still")
        if not missing:
            done.set()

    topics = [f"{targets.root_of(gateway)}/status" for gateway in targets.gateways]
    listening = Subscription(
        settings, topics, take, qos=1, take_kept=lambda _, payload: take(payload)
    )
    async with listening as connection:
        waits = [asyncio.create_task(done.wait()), asyncio.create_task(connection.wait_closed())]
        await asyncio.wait(waits, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
        for each in waits:
            each.cancel()
        connection.close("done")
    return missing


def _running(payload: bytes) -> tuple[str, str]:
    """Return what a status says of gateway and software; empty: it says nothing."""
    try:
        status = json.loads(payload)
        if status.get("state") == "online":
            return str(status["gateway"]), str(status.get("software", ""))
    except (ValueError, KeyError, AttributeError):
        pass  # a will, or somebody else's
    return "", ""


def _offers(targets: Targets) -> list[str]:
    return [f"{targets.root_of(gateway)}/update" for gateway in targets.gateways]


def _needless(kept: Mapping[str, bytes], targets: Targets, release: Release) -> Iterator[str]:
    """Yield the pieces of releases that these gateways were offered, and nobody is any more."""
    ours = _offers(targets)
    before = {_digest(kept[offer]) for offer in ours if kept.get(offer)}
    others = {_digest(offer) for topic, offer in kept.items() if _is_offer(topic, ours)}
    for topic in kept:
        if topic.startswith(targets.software):
            digest = topic.removeprefix(targets.software).partition("/")[0]
            if digest in before - others - {release.digest}:
                yield topic


def _is_offer(topic: str, ours: Sequence[str]) -> bool:
    return topic.endswith("/update") and topic not in ours


def _digest(offer: bytes) -> str:
    return Release(0, "", offer, b"", {}).digest


async def _kept(settings: MqttSettings, topics: Sequence[str]) -> dict[str, bytes]:
    """Return what the broker has kept under topics."""
    found: dict[str, bytes] = {}
    came = asyncio.Event()

    def take_kept(topic: str, payload: bytes) -> None:
        found[topic] = payload
        came.set()

    listening = Subscription(settings, topics, lambda _: None, qos=1, take_kept=take_kept)
    async with listening as connection:
        while True:
            came.clear()
            try:
                await asyncio.wait_for(came.wait(), _QUIET_S)
            except TimeoutError:
                break
        connection.close("done")
    return found


class _Sender:
    """Sends retained messages, a few at a time, and notices what the broker refuses."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._room = asyncio.Semaphore(_IN_FLIGHT)
        self._refused: list[str] = []

    async def send(self, topic: str, payload: bytes) -> None:
        """Send one; of none that comes later than a refusal."""
        await self._room.acquire()
        self._check()

        def done(outcome: Outcome) -> None:
            self._room.release()
            code = outcome.reason_code
            if code is None or code >= _FAILURE:
                self._refused.append(f"{topic}: {outcome.cause or code}")

        self._connection.publish(topic, payload, retain=True, done=done)

    async def settle(self) -> None:
        """Wait for what is on its way."""
        for _ in range(_IN_FLIGHT):
            await self._room.acquire()
        for _ in range(_IN_FLIGHT):
            self._room.release()
        self._check()

    def _check(self) -> None:
        if self._refused:
            cause = f"the broker does not take {self._refused[0]}"
            raise PublishError(cause, remedy="may this user write there, and retain messages?")
