"""The ports that a simulated chip hangs on, from the host's side."""

import asyncio
import os
import socket
import struct
from pathlib import Path

import pytest
import serial

from gateway.sim.esp_rom.cable import Port, plugged_in
from gateway.sim.esp_rom.chip import SimulatedChip
from gateway.sim.esp_rom.protocol import Command
from gateway.sim.esp_rom.pty_wire import PtyWire
from gateway.sim.esp_rom.slip import frame
from tests.brokers import strict_run

SYNC = b"\x07\x07\x12\x20" + b"\x55" * 32
GUARD_S = 30.0  # no promise: only the end of a wait that would never end


def address_of(port: str) -> tuple[str, int]:
    """Return where a port listens."""
    host, _, number = port.partition("://")[2].rpartition(":")
    return host, int(number)


def read(descriptor: int, size: int) -> bytes:
    """Read so many bytes, or all that are there."""
    data = b""
    while len(data) < size:
        try:
            data += os.read(descriptor, 65536)
        except BlockingIOError:
            break
    return data


def test_what_finds_no_room_is_lost_unless_it_waits() -> None:
    async def story() -> None:
        wire = PtyWire(lambda _: None)
        host = os.open(wire.name, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        wire.send(b"x" * 100_000, waits=False)
        wire.send(b"x" * 100_000, waits=False)
        assert len(read(host, 200_000)) < 100_000
        wire.send(b"y" * 100_000, waits=True)
        wire.send(b"lost", waits=False)
        data = b""
        while len(data) < 100_000:
            data += read(host, 100_000 - len(data))
            await asyncio.sleep(0)
        assert data == b"y" * 100_000
        os.close(host)
        wire.unplug()

    strict_run(story())


def test_a_pty_that_is_pulled_out_ends_for_its_host_and_its_name_is_gone() -> None:
    with plugged_in(SimulatedChip(), "pty") as plug:
        host = os.open(plug.port, os.O_RDWR | os.O_NOCTTY)
        plug.unplug()
        with pytest.raises(OSError, match="error"):
            os.write(host, b"anybody?")
        os.close(host)
        assert not Path(plug.port).exists()


def answers(host: socket.socket) -> bool:
    """Ask for a synchronisation; whether the ROM answers."""
    host.sendall(frame(struct.pack("<BBHI", 0, Command.SYNC, len(SYNC), 0) + SYNC))
    said = b""
    while SYNC[:4] not in said and (data := host.recv(4096)):
        said += data
    return SYNC[:4] in said


def ends(host: socket.socket) -> bool:
    """Read to the end; whether it came."""
    try:
        while host.recv(4096):
            pass
    except ConnectionError:
        pass  # it was cut off
    return True


@pytest.mark.parametrize("port", ["socket", "rfc2217"])
def test_a_second_host_is_sent_away_and_the_first_one_stays(port: Port) -> None:
    with (
        plugged_in(SimulatedChip(), port, boot_held=True) as plug,
        socket.create_connection(address_of(plug.port), GUARD_S) as first,
    ):
        assert answers(first)
        with socket.create_connection(address_of(plug.port), GUARD_S) as second:
            assert ends(second)
        assert answers(first)


@pytest.mark.parametrize("port", ["socket", "rfc2217"])
def test_a_socket_that_is_pulled_out_ends_and_takes_nobody_any_more(port: Port) -> None:
    with plugged_in(SimulatedChip(), port, boot_held=True) as plug:
        with socket.create_connection(address_of(plug.port), GUARD_S) as host:
            assert answers(host)
            plug.unplug()
            assert ends(host)
        with pytest.raises(ConnectionError):
            socket.create_connection(address_of(plug.port), GUARD_S)


@pytest.mark.filterwarnings("ignore:set(Daemon|Name):DeprecationWarning")  # pyserial's client
def test_every_byte_goes_over_rfc2217_in_both_directions() -> None:
    heard = bytearray()

    class Echo:
        def start(self, _: object, say: object) -> None: ...
        def hear(self, data: bytes) -> None:
            heard.extend(data)

        def stop(self) -> None: ...
        async def ended(self) -> None: ...

    content = bytes(range(256)) * 3
    chip = SimulatedChip(runs=Echo())
    chip.flash.load(0x1000, b"\xe9")
    with plugged_in(chip, "rfc2217") as plug:
        with serial.serial_for_url(plug.port, 115200, timeout=GUARD_S) as host:
            host.write(content)
            plug.do(lambda: plug.chip._say(content))  # noqa: SLF001 - as its application does
            assert host.read(len(content)) == content
        assert heard == content


def test_the_name_of_a_port_that_was_unplugged_leads_to_no_other_chip() -> None:
    with plugged_in(SimulatedChip(), "pty") as gone:
        gone.unplug()
        with plugged_in(SimulatedChip(), "pty") as other:
            assert other.port != gone.port
        with plugged_in(SimulatedChip(), "pty") as other:
            assert other.port != gone.port
        assert not Path(gone.port).exists()
