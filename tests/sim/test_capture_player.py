"""A capture is heard in a world by programs that know nothing of captures."""

import asyncio
import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from gateway.config import load
from gateway.errors import SimulatorError
from gateway.registry import discover
from gateway.sim.bluez_air import Advertisement
from gateway.sim.capture import CaptureFile, Header, Heard, Record, Writer, open_source
from gateway.sim.capture.player import FASTEST, Player
from gateway.sim.capture.stage import Stage
from gateway.sim.capture.survey import Survey
from gateway.sim.inside.loop import VirtualLoop
from gateway.sim.lorawan_node import LorawanNode
from gateway.sim.sensors import SensorOptions
from gateway.sim.world import World
from tests.sim.captures import HEADER, KEY, LAMP, NODE, PARK, STARTED_US, heard, written
from tests.sim.worlds import Heard as Scanned
from tests.sim.worlds import InWorld, active, until

REGISTRY = discover()
RUUVI = SensorOptions(model="ruuvi-rawv2", address=LAMP, every_s=0.2)


def surveyed(path: Path, modem: str = "") -> Survey:
    return Survey(open_source(path, modem), REGISTRY, modem)


# --------------------------------------------------------------------------------- who is needed
def test_a_survey_says_which_devices_send_and_which_ports_they_need(tmp_path: Path) -> None:
    node = LorawanNode("26011bda", KEY, KEY)
    source = "serial:usb-lora"
    uplink = Record(
        at_us=9, medium="lora", source=source, address="eui:00", payload=node.send(b"x")
    )
    records = [
        *heard(RUUVI, for_s=1),
        *heard(SensorOptions(model="cayenne-lpp", address=NODE), for_s=90),
        Record(at_us=1, medium="lora", source="serial:../x", address="lora:9", payload=b"\0"),
        Record(at_us=2, medium="ble", source="ble:hci0", address=PARK, payload=b"x", polled=True),
        uplink.__class__(
            at_us=9,
            medium="lora",
            source=source,
            address="eui:70b3d57ed0001234",
            payload=uplink.payload,
            is_uplink=True,
        ),
        Record(at_us=9, medium="lora", source="ttn:x", address="eui:70b3d57ed0001234", port=1),
    ]
    survey = surveyed(written(tmp_path / "a.jsonl", records))
    assert survey.listed() == [{"address": LAMP}]
    assert survey.nodes == [NODE, "lora:9", "eui:70b3d57ed0001234"]
    ports = [(port.name, port.kind, port.sender) for port in survey.ports.values()]
    assert ports == [
        ("usb-lora", "reyax-rylr998", ""),
        ("modem-2", "rn2483", "word"),
        ("modem-3", "rn2483", "lorawan"),
    ]
    assert survey.silent == 2


def test_words_of_modems_need_the_modem_that_said_them(tmp_path: Path) -> None:
    words = [
        Record(at_us=1, medium="serial", source="serial:log", payload=b"x", modem=modem)
        for modem in ("reyax-rylr998", "rn2483")
    ]
    path = written(tmp_path / "a.jsonl", words)
    ports = Survey(open_source(path), REGISTRY, senders={"rn2483": "byte"}).ports.values()
    assert [(port.name, port.kind, port.sender) for port in ports] == [
        ("log", "reyax-rylr998", ""),
        ("modem-2", "rn2483", "byte"),
    ]


@pytest.mark.parametrize("modem", ["", "modern"])
def test_a_modem_that_nobody_can_simulate_is_refused(tmp_path: Path, modem: str) -> None:
    frames = heard(SensorOptions(model="cayenne-lpp", address=NODE, every_s=1), for_s=2)
    words = Record(at_us=1, medium="serial", source="serial:log", payload=b"x", modem="modern")
    path = written(tmp_path / "a.jsonl", frames if modem else [words])
    with pytest.raises(SimulatorError, match="no simulated modem 'modern'"):
        surveyed(path, modem)


# -------------------------------------------------------------------------------------- over bleak
def test_what_was_heard_by_bluetooth_is_heard_again_in_the_same_order(
    in_world: InWorld, tmp_path: Path
) -> None:
    frames = heard(RUUVI, SensorOptions(model="bthome-v2", address=PARK, every_s=0.3), for_s=20)
    path = written(tmp_path / "a.jsonl", frames)
    player: list[Player] = []

    async def body(world: World) -> None:
        player.append(Player(world, surveyed(path), speed=FASTEST))
        assert not await player[0].heard(0.0)
        found = Scanned()
        async with active(found):
            assert await player[0].heard()
            await player[0].play(CaptureFile(path))
            await until(lambda: len(found) >= len(frames))
        assert found.addresses == [frame.address for frame in frames]
        said = [data for data in found.manufacturer_data if data]
        of_lamp = [frame.structures for frame in frames if frame.address == LAMP]
        assert [list(each.values()) for each in said] == [[one[0][2]] for one in of_lamp]

    in_world(body)
    assert (player[0].played, player[0].unheard) == (len(frames), 0)


def test_a_name_that_is_no_text_is_played_as_bluez_shows_it(
    in_world: InWorld, tmp_path: Path
) -> None:
    named = [
        Record(
            at_us=0,
            medium="ble",
            source="ble:hci0",
            address=LAMP,
            structures=((0x09, 0, name), (0xFF, 1, name)),
        )
        for name in (b"Lamp", b"  La\0mp", b"\xff")
    ]
    path = written(tmp_path / "a.jsonl", named)

    async def body(world: World) -> None:
        found = Scanned()
        async with active(found):
            await Player(world, surveyed(path), speed=FASTEST).play(CaptureFile(path))
            await until(lambda: len(found) >= len(named))
        assert [data.local_name for _, data in found.reports] == ["Lamp", "La", "\ufffd"]

    in_world(body)


# ------------------------------------------------------------------------------------ over a modem
@contextmanager
def program_on(world: World, greeting: bytes) -> Generator[int]:
    """Open the world's one port as a program does, and say something to the modem."""
    (modem,) = world.modems.values()
    port = os.open(modem.uart.link, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        os.write(port, greeting)
        yield port
    finally:
        os.close(port)


async def said(port: int, what: bytes) -> bytes:
    """Read until something was said."""
    found = b""

    def more() -> bool:
        nonlocal found
        with suppress(BlockingIOError):
            found += os.read(port, 4096)
        return what in found

    await until(more)
    return found


def play_on_port(
    path: Path, greeting: bytes, last: bytes, *, modem: str = ""
) -> tuple[bytes, Player]:
    """Play at the highest speed to a program on the port; return what it has read."""
    survey = surveyed(path, modem)

    async def scene() -> tuple[bytes, Player]:
        async with asyncio.timeout(30), Stage(survey).world as world:
            player = Player(world, survey, speed=FASTEST)
            with program_on(world, greeting) as port:
                assert await player.heard()
                playing = asyncio.create_task(player.play(open_source(path, modem)))
                found = await said(port, last)
                await playing
            return found, player

    return asyncio.run(scene())


def test_nodes_are_heard_through_a_modem_and_nothing_is_dropped(tmp_path: Path) -> None:
    sensor = SensorOptions(model="cayenne-lpp", address=NODE, every_s=1.0)
    frames = heard(sensor, for_s=1000)  # more bytes than a port without a reader can hold
    path = written(tmp_path / "a.jsonl", frames)
    found, player = play_on_port(path, b"AT\r\n", frames[-1].payload)
    lines = [line.split(b",") for line in found.splitlines() if line.startswith(b"+RCV=17,")]
    assert [line[2] for line in lines] == [frame.payload for frame in frames]
    assert player.unheard == 0


def test_an_uplink_arrives_as_it_was_sent(tmp_path: Path) -> None:
    uplink = LorawanNode("26011bda", KEY, KEY).send(b"x")
    record = Record(
        at_us=0,
        medium="lora",
        source="serial:a",
        address="eui:70b3d57ed0001234",
        payload=uplink,
        is_uplink=True,
    )
    path = written(tmp_path / "a.jsonl", [record])
    words = f"radio_rx  {uplink.hex().upper()}".encode()
    found, player = play_on_port(path, b"radio rx 0\r\n", words)
    assert words in found
    assert player.unheard == 0


def test_the_words_of_a_modem_come_out_of_its_port_byte_by_byte(tmp_path: Path) -> None:
    path = tmp_path / "screen.log"
    path.write_text("[1.0] +READY\n[1.1] +RCV=17,4,41FF,-71,9\n[1.2] gar\x01bage\n")
    found, _ = play_on_port(path, b"AT\r\n", b"bage\r\n", modem="reyax-rylr998")
    assert found.endswith(b"+READY\r\n+RCV=17,4,41FF,-71,9\r\ngar\x01bage\r\n")


# ----------------------------------------------------------------------------------------- in time
class Listening:
    """A world that notes when it hears what."""

    def __init__(self) -> None:
        self.at_s: list[float] = []
        self.bluez = SimpleNamespace(congested=False, listened=True)
        self.modems: dict[str, object] = {}

    def advertise(self, report: Advertisement) -> bool:
        assert report.address == LAMP
        self.at_s.append(asyncio.get_running_loop().time())
        return True

    async def settle(self) -> None:
        """Nothing is under way."""


def played_at(path: Path, speed: float) -> list[float]:
    """Return when frames come, in virtual seconds since the first."""
    world = Listening()
    player = Player(cast("World", world), surveyed(path), speed=speed)
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(player.play(CaptureFile(path)))
    return [round(at_s - world.at_s[0], 6) for at_s in world.at_s]


@pytest.fixture
def two_sessions(tmp_path: Path) -> Path:
    frames = [
        Record(at_us=at_us, medium="ble", source="ble:hci0", address=LAMP)
        for at_us in (5_000_000, 5_500_000, 65_500_000)
    ]
    path = written(tmp_path / "a.jsonl", frames)
    with Writer(path, Header.at(STARTED_US + 10**12), append=True) as writer:
        writer.write(frames[:2])
    return path


@pytest.mark.parametrize(
    ("speed", "expected"),
    [
        (1, [0, 0.5, 60.5, 61.5, 62]),
        (10, [0, 0.05, 6.05, 6.15, 6.2]),
        (0.5, [0, 1, 121, 123, 124]),
        (FASTEST, [0] * 5),
    ],
)
def test_times_between_frames_are_kept_and_days_between_sessions_are_not(
    two_sessions: Path, speed: float, expected: list[float]
) -> None:
    assert played_at(two_sessions, speed) == expected


def test_at_any_speed_the_configuration_is_one_that_an_agent_takes(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        async with stage.world:
            load(stage.write_config(tmp_path, ("127.0.0.1", 1883)))

    for speed in (1e-300, 0.0001, FASTEST):
        asyncio.run(scene(Stage(Survey([], REGISTRY), speed=speed)))


def test_others_have_their_turn_while_frames_are_left_out() -> None:
    frames = [
        Record(at_us=0, medium="ble", source="ble:hci0", address=LAMP, polled=number > 0)
        for number in range(1000)
    ]
    player = Player(cast("World", Listening()), Survey([], REGISTRY), speed=FASTEST)
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def scene() -> None:
        counting = asyncio.create_task(count())
        await player.play(Heard(HEADER, frame) for frame in frames)
        counting.cancel()

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(scene())
    assert turns > 10


def test_a_frame_that_no_radio_hears_is_left_out_and_counted() -> None:
    polled = Record(at_us=0, medium="ble", source="ble:hci0", address=LAMP, polled=True)
    player = Player(cast("World", Listening()), Survey([], REGISTRY))
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(player.play([Heard(HEADER, polled)]))
    assert (player.played, player.left_out) == (0, 1)
    assert player.told == "0 frames played, 1 left out"
