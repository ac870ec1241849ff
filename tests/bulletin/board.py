"""A bulletin whose broker, clock, store and losses are the test's."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec

from gateway.backlog import require_rememberable
from gateway.bulletin import Announcements, Bulletin, Memory, Notices, States, Surroundings
from gateway.clock import ClockState
from gateway.config import Settings, load_model
from gateway.health import Health
from gateway.model import Link, Loss, Moment, Observation, Outcome, Result
from gateway.uplink.status import Identity
from gateway.uplink.topics import Topics
from tests.fakes import FakeClock
from tests.schema.validator import Validator

ROOT = "ugw/v1/kiel/gw-1"
EVENT = f"{ROOT}/event"
SITE = "config_version: 1\ngateway: {org: kiel, id: gw-1}\nmqtt: {host: 127.0.0.1}\n"


def settings(*devices: str, more: str = "") -> Settings:
    """Return a site with Bluetooth devices of these ids."""
    lines = [
        f'  - {{address: "C0:FF:EE:00:00:{number:02X}", id: {name}{more}}}'
        for number, name in enumerate(devices)
    ]
    text = SITE + ("devices:\n" + "\n".join(lines) if lines else "")
    return load_model(text, "gateway.yaml", Settings)


class Said(msgspec.Struct):
    """A message as the broker got it."""

    topic: str
    payload: bytes
    retain: bool
    done: Callable[[Outcome], None]

    def json(self) -> Any:  # noqa: ANN401 - whatever it says
        return msgspec.json.decode(self.payload)


class FakeVoice:
    """A connection whose other end is the test; a strict one: what it is told keeps the schema."""

    def __init__(self) -> None:
        self._validator = Validator()
        self.connected = True
        self.max_packet_bytes = 268_435_460
        self.said: list[Said] = []
        self.outstanding: list[Said] = []

    def say(
        self, topic: str, payload: bytes, *, retain: bool, done: Callable[[Outcome], None]
    ) -> None:
        assert self.connected
        faults = self._validator.faults(topic, payload, retain=retain)
        assert not faults, f"{faults} of {topic}: {payload!r}"
        said = Said(topic, payload, retain, done)
        self.said.append(said)
        self.outstanding.append(said)

    def acknowledge(self, reason_code: int = 0) -> list[Said]:
        """End what is outstanding; return it."""
        ended, self.outstanding = self.outstanding, []
        for said in ended:
            said.done(Outcome(reason_code))
        return ended

    def lose(self) -> None:
        """End the connection."""
        self.connected = False
        ended, self.outstanding = self.outstanding, []
        for said in ended:
            said.done(Outcome(None, "gone"))


class FakeStore:
    """Words kept, once the test lets the store have its turn."""

    def __init__(self) -> None:
        self.words: dict[str, str] = {}
        self.errands: list[Callable[[], Awaitable[object]]] = []

    async def remember(self, key: str, value: str) -> None:
        require_rememberable(key, value)
        self.words[key] = value

    async def work(self) -> None:
        """Do what was ordered."""
        while self.errands:
            await self.errands.pop(0)()


class FakeLosses:
    """Loss ranges that the test lets grow; what was told exactly as it is now is forgotten."""

    def __init__(self) -> None:
        self.on_loss: Callable[[], None] = lambda: None
        self.ranges: list[Loss] = []

    def untold(self) -> Sequence[Loss]:
        return list(self.ranges)

    def told(self, losses: Sequence[Loss]) -> None:
        self.ranges = [each for each in self.ranges if each not in losses]

    def drop(self, stream: str, first: int, last: int, clock: FakeClock) -> None:
        """Lose numbers; a range that adjoins grows."""
        at = Moment(clock.boot_id, clock.boot_ns())
        for index, known in enumerate(self.ranges):
            if known.stream == stream and known.last + 1 == first:
                self.ranges[index] = msgspec.structs.replace(known, last=last, at=at)
                break
        else:
            self.ranges.append(Loss(stream, first, last, "full", at))
        self.on_loss()


class Board:
    """The bulletin and all around it."""

    def __init__(
        self,
        given: Settings | None = None,
        *,
        memories: Mapping[str, str] | None = None,
        state: ClockState = ClockState.SYNCED,
    ) -> None:
        self.clock = FakeClock(state)
        self.health = Health(self.clock)
        self.voice = FakeVoice()
        self.store = FakeStore()
        self.losses = FakeLosses()
        self.congested = False
        topics = Topics(ROOT)
        self.notices = Notices(
            topics.event, Identity(org="kiel", gateway="gw-1", software="ugw 0"), self.clock
        )
        self.notices.attend(self.losses)
        self.health.on_notice = self.notices.take
        self.announcements = Announcements(
            "ugw 0",
            memory=Memory(self.store, self.store.errands.append),
            congested=lambda: self.congested,
        )
        self.states = States(topics, self.health, lambda: self.congested)
        self.bulletin = Bulletin(
            Surroundings(self.voice, self.clock, lambda: 0.5, self.health.vitals),
            notices=self.notices,
            announcements=self.announcements,
            states=self.states,
        )
        self.announcements.begin(given or settings(), memories or {})

    def hear(self, device: str, *results: Result, rssi_dbm: int | None = -71) -> None:
        """Let a device say something."""
        observation = Observation(
            klass="routine",
            stream="S",
            seq=0,
            device=device,
            heard_at_ns=self.clock.boot_ns(),
            results=results,
            link=Link("ble", rssi_dbm),
        )
        self.states.note(observation)

    def settle(self, most: int = 1_000) -> list[Said]:
        """Send and acknowledge until nothing more is due now; return what was said."""
        said: list[Said] = []
        for _ in range(most):
            self.bulletin.pump()
            ended = self.voice.acknowledge()
            if not ended:
                return said
            said += ended
        message = f"still talking: {said[-3:]}"
        raise AssertionError(message)

    def settle_all(self, seconds: float = 60.0, step_s: float = 0.05) -> list[Said]:
        """Do so again and again while time passes."""
        said = self.settle()
        for _ in range(int(seconds / step_s)):
            self.clock.pass_s(step_s)
            said += self.settle()
        return said

    def reconnect(self) -> None:
        """Lose the connection and have another."""
        self.voice.lose()
        self.voice.connected = True
        self.bulletin.opened()


def temperature(mantissa: int, channel: str = "", quality: str = "") -> Result:
    """One result of a thermometer, in hundredths."""
    return ("air_temperature", mantissa, 2, channel, quality, ())


def said_on(topic: str, said: Sequence[Said]) -> list[Any]:
    """Return what was said on one topic; None where it was taken away."""
    return [one.json() if one.payload else None for one in said if one.topic == topic]
