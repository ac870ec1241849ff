"""The watch over silent sensors: its events, and what it remembers."""

import asyncio

from gateway.bulletin import Memory, Vigil
from gateway.bulletin.memory import SILENT
from gateway.config import Settings
from gateway.model import TransportState
from gateway.silence import TICK_NS
from tests.bulletin.board import EVENT, Board, said_on, settings
from tests.fakes import NS

ADDRESS, DEVICE = "C0:FF:EE:00:00:00", "ugw:kiel:a"


def site(*devices: str, interval: str = "60s") -> Settings:
    return settings(*devices, more=f", expected_interval: {interval}")


class Watched:
    """A board with a vigil and an adapter that is up."""

    def __init__(self, given: Settings, memories: dict[str, str] | None = None) -> None:
        self.board = Board(given)
        self.board.health.transport("ble:hci0", "ble")
        self.board.health.report("ble:hci0", TransportState.UP)
        self.board.settle_all(2)
        self.heard: dict[str, int] = {}
        memory = Memory(self.board.store, self.board.store.errands.append)
        self.vigil = Vigil(self.board.health, memory, self.heard.get)
        self.vigil.begin(given, memories or {})

    def minutes(self, number: int) -> list[tuple[str, str, int]]:
        """Let minutes pass; return kind, device and gap of what was told."""
        said = []
        for _ in range(number * 60 * NS // TICK_NS):
            self.board.clock.pass_s(TICK_NS / NS)
            self.vigil.tick()
            said += said_on(EVENT, self.board.settle())
        return [(one["kind"], one["device"], one["gapS"]) for one in said]

    def words(self) -> dict[str, str]:
        asyncio.run(self.board.store.work())
        return self.board.store.words


def test_silence_is_told_and_remembered_and_so_is_its_end() -> None:
    watched = Watched(site("a"))
    assert watched.minutes(20) == [("sensor.silent", DEVICE, 600)]
    assert watched.words()[SILENT] == DEVICE
    assert list(watched.vigil.silent) == [DEVICE]
    watched.heard[ADDRESS] = watched.board.clock.boot_ns()
    assert watched.minutes(5) == [("sensor.back", DEVICE, 1_200)]
    assert not watched.words()[SILENT]


def test_a_restart_does_not_tell_a_silence_again() -> None:
    first = Watched(site("a", "b"))
    assert len(first.minutes(20)) == 2
    second = Watched(site("a", "b"), first.words())
    assert not second.minutes(20)
    second.heard[ADDRESS] = second.board.clock.boot_ns()
    assert [kind for kind, _, _ in second.minutes(1)] == ["sensor.back"]


def test_a_device_without_an_expected_interval_is_not_watched() -> None:
    assert not Watched(settings("a")).minutes(60)


def test_another_configuration_does_not_tell_a_silence_again() -> None:
    watched = Watched(site("a", "b"))
    watched.minutes(20)
    watched.vigil.configure(site("a", "b", interval="90s"))
    assert not watched.minutes(20)
    assert set(watched.vigil.silent) == {DEVICE, "ugw:kiel:b"}
