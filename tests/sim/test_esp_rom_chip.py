"""A simulated chip on its board: its pins, its speed, what its faults do to what it says."""

import asyncio
import struct
from collections.abc import Awaitable, Callable

import pytest

from gateway.sim.esp_rom.chip import CONSOLE_BAUD, Runs, SimulatedChip
from gateway.sim.esp_rom.faults import Faults
from gateway.sim.esp_rom.protocol import Command
from gateway.sim.esp_rom.silicon import Silicon
from gateway.sim.esp_rom.slip import frame
from gateway.sim.uart import garbled
from tests.brokers import strict_run

SYNC = b"\x07\x07\x12\x20" + b"\x55" * 32


class FakeWire:
    """A line whose host notes what it reads."""

    def __init__(self, baud: int | None = CONSOLE_BAUD) -> None:
        self.baud = baud
        self.said = b""
        self.is_there = True
        self.says = asyncio.Event()

    def send(self, data: bytes, *, waits: bool) -> None:
        """Read it."""
        del waits
        self.said += data
        self.says.set()

    def unplug(self) -> None:
        """Be gone."""
        self.is_there = False


def plugged(chip: SimulatedChip, test: Callable[[FakeWire], Awaitable[None]]) -> None:
    """Run a test with a chip that has power."""

    async def run() -> None:
        wire = FakeWire()
        chip.plug(wire)
        await test(wire)
        chip.unplug()

    strict_run(run())


def is_running(chip: SimulatedChip, what: Runs) -> bool:
    """Whether it runs that by now."""
    return chip.running == what


def sync(chip: SimulatedChip) -> None:
    """Send a synchronisation."""
    chip.take(frame(struct.pack("<BBHI", 0, Command.SYNC, len(SYNC), 0) + SYNC))


def test_esptools_sequence_of_dtr_and_rts_ends_in_the_loader_and_a_plain_reset_does_not() -> None:
    chip = SimulatedChip()

    async def test(wire: FakeWire) -> None:
        assert (chip.running, wire.said.count(b"boot:0x13")) == ("application", 1)
        chip.set_lines(dtr=False, rts=True)
        assert is_running(chip, "nothing")
        chip.set_lines(dtr=True, rts=True)  # EN rises slowly: the other line is still to move
        assert is_running(chip, "nothing")
        chip.set_lines(dtr=True, rts=False)
        assert is_running(chip, "loader")
        assert b"waiting for download" in wire.said
        chip.set_lines(dtr=False, rts=False)
        assert is_running(chip, "loader")
        chip.set_lines(dtr=False, rts=True)
        chip.set_lines(dtr=False, rts=False)
        assert (chip.running, wire.said.count(b"boot:0x13")) == ("application", 2)

    plugged(chip, test)


def test_both_lines_let_go_at_once_end_in_the_application(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.sim.esp_rom.chip._RISE_S", 0.01)
    chip = SimulatedChip()

    async def test(wire: FakeWire) -> None:
        chip.set_lines(dtr=False, rts=True)
        chip.set_lines(dtr=True, rts=True)
        wire.says = asyncio.Event()
        await wire.says.wait()
        assert chip.running == "application"

    plugged(chip, test)


def test_where_boot_is_not_wired_or_downloads_are_off_every_reset_starts_the_application() -> None:
    for chip in (
        SimulatedChip(faults=Faults(boot_unwired=True)),
        SimulatedChip(Silicon(download="off")),
    ):

        async def test(_: FakeWire, chip: SimulatedChip = chip) -> None:
            chip.set_lines(dtr=False, rts=True)
            chip.set_lines(dtr=True, rts=False)
            assert chip.running == "application"

        plugged(chip, test)


def test_a_button_held_brings_the_loader_whatever_the_lines_do() -> None:
    chip = SimulatedChip(faults=Faults(boot_unwired=True))
    chip.boot_held = True

    async def test(wire: FakeWire) -> None:
        sync(chip)
        assert wire.said.count(frame(struct.pack("<BBHII", 1, 8, 4, 0x20120707, 0))) == 8

    plugged(chip, test)


def test_the_rom_takes_the_hosts_speed_the_stub_does_not() -> None:
    chip = SimulatedChip()
    chip.boot_held = True

    async def test(wire: FakeWire) -> None:
        wire.baud = 9600
        sync(chip)
        assert b"\x07\x07\x12\x20" in wire.said  # as the value that the ROM answers
        wire.said, wire.baud = b"", 460800
        sync(chip)
        assert wire.said == b""
        wire.baud = 9600
        sync(chip)
        assert b"\x07\x07\x12\x20" in wire.said

    plugged(chip, test)


def test_at_another_speed_the_console_cannot_be_read() -> None:
    chip = SimulatedChip()

    async def test(wire: FakeWire) -> None:
        readable, wire.said, wire.baud = wire.said, b"", 460800
        chip.reset()
        assert wire.said == garbled(readable[: -len(b"invalid header: 0xffffffff\r\n")]) + garbled(
            b"invalid header: 0xffffffff\r\n"
        )

    plugged(chip, test)


def test_an_empty_flash_has_nothing_to_start() -> None:
    async def test(wire: FakeWire) -> None:
        assert wire.said.endswith(b"invalid header: 0xffffffff\r\n")

    plugged(SimulatedChip(), test)


def test_a_reply_gets_lost_as_often_as_said() -> None:
    chip = SimulatedChip(faults=Faults(lost_replies={Command.SYNC: 2}))
    chip.boot_held = True

    async def test(wire: FakeWire) -> None:
        wire.said = b""
        sync(chip)
        sync(chip)
        assert wire.said == b""
        sync(chip)
        assert wire.said != b""

    plugged(chip, test)


def test_a_mute_chip_says_nothing_at_all() -> None:
    chip = SimulatedChip(faults=Faults(mute=True))
    chip.boot_held = True

    async def test(wire: FakeWire) -> None:
        sync(chip)
        assert wire.said == b""
        assert chip.commands == [Command.SYNC]  # it hears

    plugged(chip, test)
