"""The ESP32's serial port, on MicroPython, against every simulated modem, over a real pty."""

import asyncio
import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from importlib import import_module
from pathlib import Path

import pytest

from gateway.sim.modems import MODEMS
from gateway.sim.sensors import LoraPacket
from gateway.sim.serial_modem import SerialModem
from tests.brokers import strict_run
from tests.esp32.machines import ROOT, command, environment

HANG_GUARD_S = 20.0
SPIN = [bytes([at % 255 + 1]) * (at % 240 + 1) for at in range(200)]  # the modem ends at a NUL
SCRIPT = ROOT / "tests/esp32/vm_uart.py"


class Board:
    """A MicroPython with one port, a modem on that, and what the port has said."""

    def __init__(self, modem: SerialModem) -> None:
        self.modem = modem
        self.heard: list[tuple[str, bytes, str, str]] = []
        self.states: list[tuple[str, str]] = []
        self._written: list[str] = []
        self._news = asyncio.Event()

    async def listen(self, said: asyncio.StreamReader) -> None:
        """Take what it says, to its end."""
        while line := (await said.readline()).decode():
            what, _, rest = line.rstrip().partition(" ")
            if what == "heard":
                address, payload, rssi, snr = rest.split()
                payload = "" if payload == "-" else payload
                self.heard.append((address, bytes.fromhex(payload), rssi, snr))
            elif what == "state":
                state, _, cause = rest.partition(" ")
                self.states.append((state, cause))
            else:
                self._written.append(line)
            self._news.set()

    def has_heard(self, packets: int) -> bool:
        """Whether so many packets were heard."""
        return len(self.heard) >= packets

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait for what the port says to fulfil a condition."""
        try:
            async with asyncio.timeout(HANG_GUARD_S):
                while not condition():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            pytest.fail(f"heard {len(self.heard)}, {self.states[-3:]}, {self._written[-20:]}")

    async def is_(self, state: str, cause: str = "") -> None:
        """Wait until it is so."""
        await self.until(
            lambda: self.states and self.states[-1][0] == state and cause in self.states[-1][1]
        )

    def send(self, payload: bytes) -> bool:
        """Have node 17 send a packet."""
        packet = LoraPacket(address=17, payload=payload, rssi_dbm=-97, snr_db=-3)
        return self.modem.receive(packet)

    async def hears(self, payload: bytes) -> None:
        """Send a packet and wait for it."""
        before = len(self.heard)
        assert self.send(payload)
        await self.until(lambda: len(self.heard) > before)
        address, heard, *_ = self.heard[-1]
        assert (address, heard) == ("lora:17", payload)


@asynccontextmanager
async def board(
    modem: SerialModem, *settings: str, baud: int = 0, sender: str = "-", probe_ms: int = 60_000
) -> AsyncGenerator[Board, None]:
    """Run a MicroPython with a port to a modem."""
    path, driver = str(modem.uart.link), modem.kind.replace("-", "_")
    baud = baud or import_module("drivers.modem." + driver).BAUD
    place = Board(modem)
    started = await asyncio.create_subprocess_exec(
        *command("32", SCRIPT, path, driver, str(baud), sender, str(probe_ms), *settings),
        cwd=ROOT,
        env=environment(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert started.stdout is not None
    listening = asyncio.create_task(place.listen(started.stdout), name="console")
    try:
        yield place
    finally:
        if started.returncode is None:
            started.kill()
        await started.wait()
        await listening
        modem.unplug()


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    """Run a scenario to its end."""

    async def ran() -> None:
        await scenario()

    strict_run(ran())


@pytest.fixture
def rylr998(tmp_path: Path) -> SerialModem:
    return SerialModem(tmp_path / "modem", "reyax-rylr998")


# ---------------------------------------------------------------------------------- every modem
@pytest.mark.parametrize("kind", sorted(MODEMS))
def test_every_modem_is_set_up_and_its_packets_are_heard(kind: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        modem = SerialModem(tmp_path / "modem", kind)
        modem.plug()
        sender = "-" if modem.model.addresses else "word"
        async with board(modem, sender=sender) as place:
            await place.is_("up")
            for payload in (b"one", b"\x01\xfe\xff", b"three"):
                await place.hears(payload)

    run(scenario)


# ------------------------------------------------------------------------------------ a RYLR998
def test_a_modem_gets_its_settings_and_two_hundred_packets_arrive_to_the_byte(
    rylr998: SerialModem,
) -> None:
    async def scenario() -> None:
        rylr998.plug()
        async with board(rylr998, "address=7", "network_id=5", "password=00C0FFEE") as place:
            await place.is_("up")
            assert rylr998.model.radio["address"] == 7
            assert rylr998.model.radio["network_id"] == 5
            for at in range(0, len(SPIN), 10):  # what the chip's own buffer holds
                for payload in SPIN[at : at + 10]:
                    assert place.send(payload)
                await place.until(partial(place.has_heard, at + 10))
            assert place.heard == [("lora:17", payload, "-97", "-3") for payload in SPIN]

    run(scenario)


def test_noise_and_half_a_packet_cost_no_other_packet(rylr998: SerialModem) -> None:
    async def scenario() -> None:
        rylr998.plug()
        async with board(rylr998) as place:
            await place.is_("up")
            for noise in (os.urandom(300), b"+RCV=17,200,abc", b"\x00\xff" * 500, b"+RCV=1,5\r\n"):
                rylr998.uart.write(noise + b"\r\n")
                assert place.send(b"whole")
                await place.until(lambda: place.heard and place.heard[-1][1] == b"whole")
                place.heard.clear()

    run(scenario)


def test_a_modem_that_restarts_is_set_up_again(rylr998: SerialModem) -> None:
    async def scenario() -> None:
        rylr998.plug()
        async with board(rylr998, "address=7", "password=00C0FFEE") as place:
            await place.is_("up")
            for _ in range(2):
                rylr998.uart.write(rylr998.model.boot())  # which forgets the password
                assert not vars(rylr998.model)["password"]
                while not vars(rylr998.model)["password"]:  # noqa: ASYNC110 - it has no event
                    await asyncio.sleep(0.005)
            await place.hears(b"again")

    run(scenario)


def test_a_modem_that_falls_silent_is_deaf_until_it_is_back(rylr998: SerialModem) -> None:
    async def scenario() -> None:
        rylr998.plug()
        async with board(rylr998, probe_ms=300) as place:
            await place.is_("up")
            rylr998.uart.silent = True
            await place.is_("deaf", "check baud and wiring")
            rylr998.uart.silent = False
            await place.is_("up")
            await place.hears(b"back")

    run(scenario)


def test_a_modem_that_answers_and_does_not_receive_is_set_up_again(rylr998: SerialModem) -> None:
    async def scenario() -> None:
        rylr998.plug()
        async with board(rylr998, probe_ms=300) as place:
            await place.is_("up")
            assert rylr998.model.lapse()
            async with asyncio.timeout(HANG_GUARD_S):
                while not place.send(b"awake"):  # noqa: ASYNC110 - it has no event
                    await asyncio.sleep(0.01)
            await place.until(lambda: place.heard)

    run(scenario)


def test_a_modem_at_another_rate_is_deaf_and_the_remedy_named(rylr998: SerialModem) -> None:
    async def scenario() -> None:
        rylr998.model.feed(b"AT+IPR=9600\r\n")
        rylr998.plug()
        async with board(rylr998) as place:
            await place.is_("deaf", "check baud")
            rylr998.model.feed(b"\r\nAT+IPR=115200\r\n")
            await place.is_("up")
            await place.hears(b"found")

    run(scenario)


def test_a_modem_that_takes_no_command_is_heard_all_the_same(rylr998: SerialModem) -> None:
    async def scenario() -> None:
        rylr998.plug()
        rylr998.uart.on_data = lambda _data: None  # the line to it is broken
        async with board(rylr998) as place:
            await place.is_("deaf")
            await place.hears(b"one")
            await place.is_("up", "answer")

    run(scenario)


def test_a_port_that_cannot_be_opened_is_tried_again(rylr998: SerialModem) -> None:
    async def scenario() -> None:
        async with board(rylr998) as place:
            await place.is_("down", "ENOENT")
            rylr998.plug()
            await place.is_("up")
            rylr998.replug()
            await place.is_("down")
            await place.is_("up")
            await place.hears(b"plugged")

    run(scenario)


def test_a_setting_the_modem_does_not_take_is_named(rylr998: SerialModem) -> None:
    async def scenario() -> None:
        rylr998.plug()
        async with board(rylr998, "network_id=99") as place:
            await place.is_("down", "network_id: 3 to 18")

    run(scenario)


def test_a_packet_without_room_for_its_sender_is_none(tmp_path: Path) -> None:
    async def scenario() -> None:
        modem = SerialModem(tmp_path / "modem", "reyax-rylr998")
        modem.plug()
        async with board(modem, sender="word") as place:
            await place.is_("up")
            for payload in (b"\x01", b"\x01\x02", b"\x01\x02x"):
                assert place.send(payload)
            await place.until(lambda: len(place.heard) == 2)
            assert [heard[:2] for heard in place.heard] == [("lora:258", b""), ("lora:258", b"x")]

    run(scenario)
