"""The simulated serial port, opened by the real pyserial."""

import os
import termios
from pathlib import Path
from typing import Self

import pytest
import serial

from gateway.errors import SimulatorError
from gateway.sim.uart import Uart
from gateway.sim.world import World
from tests.sim.worlds import InWorld, until

READ_LIMIT_S = 5.0


@pytest.fixture
def link(tmp_path: Path) -> Path:
    return tmp_path / "by-id" / "usb-lora"


def gone(link: Path) -> bool:
    return not link.is_symlink()


def opened(uart: Uart, **options: object) -> serial.Serial:
    return serial.Serial(str(uart.link), timeout=READ_LIMIT_S, **options)


class Plugged:
    """A port that is plugged in for one test, and what was written to it."""

    def __init__(self, link: Path) -> None:
        self.uart = Uart(link)
        self.written = bytearray()
        self.uart.on_data = self.written.extend
        self.uart.plug()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.uart.unplug()


def test_bytes_go_both_ways(in_world: InWorld, link: Path) -> None:
    async def body(_: World) -> None:
        with Plugged(link) as plugged, opened(plugged.uart) as port:
            assert plugged.uart.write(b"+READY\r\n")
            assert port.read(8) == b"+READY\r\n"
            port.write(b"AT\r\n")
            await until(lambda: plugged.written == b"AT\r\n")

    in_world(body)


def test_no_byte_value_is_changed_on_the_way(in_world: InWorld, link: Path) -> None:
    async def body(_: World) -> None:
        every = bytes(range(256))
        with Plugged(link) as plugged, opened(plugged.uart) as port:
            plugged.uart.write(every)
            assert port.read(256) == every
            port.write(every)
            await until(lambda: plugged.written == every)

    in_world(body)


def test_the_speed_that_a_program_sets_is_seen(in_world: InWorld, link: Path) -> None:
    async def body(_: World) -> None:
        with Plugged(link) as plugged, opened(plugged.uart, baudrate=57600):
            assert plugged.uart.speed == termios.B57600

    in_world(body)


def test_unplugged_the_port_ends_and_its_name_is_gone(in_world: InWorld, link: Path) -> None:
    async def body(_: World) -> None:
        with Plugged(link) as plugged, opened(plugged.uart) as port:
            plugged.uart.unplug()
            assert gone(link)
            with pytest.raises(serial.SerialException):
                port.read(1)
            with pytest.raises(serial.SerialException, match="No such file"):
                opened(plugged.uart)
            assert not plugged.uart.write(b"lost")
            assert plugged.uart.dropped_bytes == 4
            with pytest.raises(SimulatorError, match="not plugged in"):
                assert plugged.uart.speed

    in_world(body)


def test_plugged_in_again_the_name_leads_to_another_tty(in_world: InWorld, link: Path) -> None:
    async def body(_: World) -> None:
        with Plugged(link) as plugged:
            for _replug in range(3):
                before = plugged.uart.tty
                plugged.uart.replug()
                assert plugged.uart.tty != before
                assert os.readlink(link) == plugged.uart.tty  # noqa: PTH115 - as a program sees it
                with opened(plugged.uart) as port:
                    plugged.uart.write(b"back\n")
                    assert port.read(5) == b"back\n"

    in_world(body)


def test_what_nobody_reads_is_dropped_and_counted_and_never_waited_for(
    in_world: InWorld, link: Path
) -> None:
    async def body(_: World) -> None:
        with Plugged(link) as plugged, opened(plugged.uart):
            taken = [plugged.uart.write(b"x" * 512) for _line in range(1000)]
            assert taken[0]
            assert not taken[-1]
            uart = plugged.uart
            assert uart.written_bytes + uart.dropped_bytes == 512_000

    in_world(body)


def test_a_silent_port_takes_everything_and_passes_nothing_on(
    in_world: InWorld, link: Path
) -> None:
    async def body(_: World) -> None:
        with Plugged(link) as plugged, opened(plugged.uart) as port:
            plugged.uart.silent = True
            assert not plugged.uart.write(b"unheard")
            port.write(b"AT\r\n")
            await until(lambda: plugged.uart.ignored_bytes == 4)
            plugged.uart.silent = False
            plugged.uart.write(b"+OK\r\n")
            assert port.read(5) == b"+OK\r\n"
            assert not plugged.written

    in_world(body)
