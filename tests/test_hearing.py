"""The set of running transports: what did not change goes on hearing."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import msgspec
import pytest

from gateway import assembly
from gateway.health import Health
from gateway.hearing import Hearing, Plan, Source
from gateway.transport import ble
from tests.brokers import strict_run
from tests.fakes import FakeClock


class Wish(msgspec.Struct, frozen=True):
    """A plan: served by its equal alone."""

    volume: int

    def serves(self, wanted: Plan) -> bool:
        return self == wanted


class Radio:
    """A transport that hears nothing, and counts how often it was begun and ended."""

    kind = "ble"

    def __init__(self, name: str, health: Health) -> None:
        self.name = name
        self.began = 0
        self.ended = 0
        health.transport(name, self.kind)
        health.vitals.pulse(name)

    async def run(self) -> None:
        self.began += 1
        try:
            await asyncio.Event().wait()
        finally:
            self.ended += 1


class Band:
    """Radios by name, made when they are wanted."""

    def __init__(self) -> None:
        self.health = Health(FakeClock())
        self.made: list[Radio] = []

    def source(self, name: str, volume: int = 1) -> Source:
        return Source(name, Wish(volume), lambda: self._make(name))

    def _make(self, name: str) -> Radio:
        radio = Radio(name, self.health)
        self.made.append(radio)
        return radio

    @asynccontextmanager
    async def hearing(self) -> AsyncGenerator[Hearing]:
        async with asyncio.TaskGroup() as group:
            hearing = Hearing(group, self.health)
            yield hearing
            await hearing.end()

    @property
    def lives(self) -> list[tuple[str, int, int]]:
        return [(radio.name, radio.began, radio.ended) for radio in self.made]


def test_what_did_not_change_is_left_alone_while_others_come_and_go() -> None:
    async def scene() -> None:
        band = Band()
        async with band.hearing() as hearing:
            await hearing.become([band.source("a"), band.source("b"), band.source("c")])
            await asyncio.sleep(0)
            await hearing.become([band.source("a"), band.source("b", 2), band.source("d")])
            await asyncio.sleep(0)
            assert band.lives == [
                ("a", 1, 0),
                ("b", 1, 1),
                ("c", 1, 1),
                ("b", 1, 0),
                ("d", 1, 0),
            ]
            assert set(band.health.transports) == {"a", "b", "d"}
            assert set(band.health.vitals.names) == {"a", "b", "d"}
        assert all(began == ended == 1 for _, began, ended in band.lives)

    strict_run(scene())


def test_nothing_begins_after_the_end() -> None:
    async def scene() -> None:
        band = Band()
        async with band.hearing() as hearing:
            await hearing.become([band.source("a")])
            await hearing.end()
            await hearing.become([band.source("a", 2), band.source("b")])
            await asyncio.sleep(0)
        assert [name for name, _, _ in band.lives] == ["a"]

    strict_run(scene())


def test_a_bug_in_a_transport_ends_the_agent() -> None:
    class Broken(Radio):
        async def run(self) -> None:
            raise ZeroDivisionError

    async def scene() -> None:
        band = Band()
        async with band.hearing() as hearing:
            await hearing.become([Source("a", Wish(1), lambda: Broken("a", band.health))])
            await asyncio.Event().wait()

    with pytest.raises(ExceptionGroup) as caught:
        asyncio.run(scene())
    assert caught.group_contains(ZeroDivisionError)


A, B = (0, 0xFF, b"\x01"), (0, 0x16, b"\x02")


@pytest.mark.parametrize(
    ("now", "wanted", "served"),
    [
        ({"patterns": (A, B)}, {"patterns": (A, B)}, True),
        ({"patterns": (A, B)}, {"patterns": (A,)}, True),  # a device less: it may hear too much
        ({"patterns": (A, B)}, {"patterns": ()}, True),
        ({"patterns": (A,)}, {"patterns": (A, B)}, False),  # it would not hear what is new
        ({"patterns": ()}, {"patterns": (A,)}, False),
        ({"patterns": (A,), "scan": "active"}, {"patterns": (B,), "scan": "active"}, True),
        ({"patterns": (A,), "scan": "active"}, {"patterns": (A,)}, False),
        ({"patterns": (A,)}, {"patterns": (A,), "adapter": "hci1"}, False),
    ],
)
def test_a_scan_is_begun_anew_only_if_it_would_miss_what_is_wanted(
    now: dict[str, object],
    wanted: dict[str, object],
    served: bool,  # noqa: FBT001 - a case's verdict
) -> None:
    running = assembly.BlePlan(msgspec.convert(now, ble.BleSettings))
    assert running.serves(assembly.BlePlan(msgspec.convert(wanted, ble.BleSettings))) is served
