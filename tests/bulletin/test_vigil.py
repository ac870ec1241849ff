"""The watch over silent sensors: its events, and what it remembers."""

import asyncio
from pathlib import Path

import pytest

from gateway.bulletin import Memory, Vigil
from gateway.bulletin.memory import SILENT
from gateway.config import BleSettings, Settings, load_model
from gateway.model import TransportState
from gateway.silence import TICK_NS
from tests.bulletin.board import EVENT, SITE, Board, said_on, settings
from tests.fakes import NS

ADDRESS, DEVICE = "C0:FF:EE:00:00:00", "ugw:kiel:a"


def site(*devices: str, interval: str = "60s") -> Settings:
    return with_adapter(settings(*devices, more=f", expected_interval: {interval}"))


def with_adapter(given: Settings) -> Settings:
    return given.model_copy(update={"transports": [BleSettings(kind="ble")]})


class Watched:
    """A board with a vigil and one transport that is up, the adapter if not said otherwise."""

    def __init__(
        self, given: Settings, memories: dict[str, str] | None = None, *, up: str = "ble:hci0"
    ) -> None:
        self.board = Board(given)
        for transport in given.transports:
            self.board.health.transport(transport.name, transport.kind)
        self.board.health.report(up, TransportState.UP)
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
    assert not Watched(with_adapter(settings("a"))).minutes(60)


def test_another_configuration_does_not_tell_a_silence_again() -> None:
    watched = Watched(site("a", "b"))
    watched.minutes(20)
    watched.vigil.configure(site("a", "b", interval="90s"))
    assert not watched.minutes(20)
    assert set(watched.vigil.silent) == {DEVICE, "ugw:kiel:b"}


ALL_WAYS = """
transports:
  - {kind: ble}
  - {kind: serial, device: /dev/modem, modem: reyax-rylr998}
  - {kind: serial, device: /dev/pilot, modem: rak-rui3, sender: lorawan}
  - {kind: semtech-udp}
  - {kind: chirpstack, host: localhost}
  - {kind: the-things-stack, host: localhost}
devices:
  - {address: "C0:FF:EE:00:00:00", id: tag, expected_interval: 60s}
  - {address: "lora:17", driver: some, id: bin, expected_interval: 60s}
  - {address: "eui:70b3d57ed0001234", driver: some, id: served, expected_interval: 60s}
  - address: "eui:70b3d57ed0001235"
    driver: some
    id: opened
    expected_interval: 60s
    lorawan: {dev_addr: "26011f22", nwk_s_key: "file:KEY", app_s_key: "file:KEY"}
"""


@pytest.mark.parametrize(
    ("up", "silent"),
    [
        ("ble:hci0", "tag"),
        ("serial:modem", "bin"),
        ("serial:pilot", "opened"),
        ("semtech-udp:127.0.0.1:1700", "opened"),
        ("chirpstack:localhost", "served"),
        ("the-things-stack:localhost", "served"),
    ],
)
def test_silent_is_only_who_would_have_been_heard_by_what_was_up(
    tmp_path: Path, up: str, silent: str
) -> None:
    key = tmp_path / "key"
    key.touch(mode=0o600)
    key.write_text("00" * 16)
    given = load_model(SITE + ALL_WAYS.replace("KEY", str(key)), "gateway.yaml", Settings)
    watched = Watched(given, up=up)
    assert watched.minutes(20) == [("sensor.silent", f"ugw:kiel:{silent}", 600)]
