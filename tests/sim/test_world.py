"""A world is there at once, hears its own sensors, and leaves nothing behind."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import serial

from gateway import config
from gateway.errors import SimulatorError
from gateway.sim.agent_config import AgentOptions
from gateway.sim.bluez_air import Advertisement
from gateway.sim.sensors import SensorOptions
from gateway.sim.world import World
from tests.sim.worlds import ADDRESS, Heard, InWorld, active, bthome, until

KEY = bytes(range(16))
PROMISED_S = 0.1  # to start and to stop
ORPHAN_MAKER = """
import asyncio
from gateway.sim.world import World

async def main():
    world = World(modems=("usb-lora",))
    await world.start()
    print(world.bus.pid, world.directory, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def tag(**changes: object) -> SensorOptions:
    values: dict[str, object] = {"address": ADDRESS, "every_s": 0.02, **changes}
    return SensorOptions(model="bthome-v2", **values)  # type: ignore[arg-type]


def test_a_world_leaves_neither_process_nor_file_behind() -> None:
    async def body() -> tuple[int | None, Path]:
        async with World(modems=("usb-lora",)) as world:
            assert world.directory.exists()
            return world.bus.pid, world.directory

    pid, directory = asyncio.run(body())
    assert pid is not None
    assert not alive(pid)
    assert not directory.exists()


def test_a_world_is_made_and_gone_at_once() -> None:
    async def body() -> float:
        began_s = time.monotonic()
        async with World(modems=("usb-lora",)):
            pass
        return time.monotonic() - began_s

    assert min(asyncio.run(body()) for _ in range(3)) < 10 * PROMISED_S


def test_the_bus_holds_none_of_our_pipes() -> None:
    async def body() -> list[str]:
        async with World() as world:
            held = Path(f"/proc/{world.bus.pid}/fd")
            return [str((held / number).readlink()) for number in "012"]

    stdin, stdout, stderr = asyncio.run(body())
    assert (stdin, stdout) == ("/dev/null", "/dev/null")
    assert stderr.endswith("bus.err")


def test_a_killed_simulator_takes_its_bus_with_it() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", ORPHAN_MAKER], stdout=subprocess.PIPE, text=True
    ) as simulator:
        assert simulator.stdout is not None
        pid, directory = simulator.stdout.readline().split()
        assert alive(int(pid))
        os.kill(simulator.pid, signal.SIGKILL)
        assert simulator.stdout.read() == ""  # nobody holds the pipe
    asyncio.run(asyncio.wait_for(until(lambda: not alive(int(pid))), 30))
    subprocess.run(["rm", "-r", directory], check=True)


def test_without_dbus_daemon_the_error_names_the_remedy_and_nothing_is_left(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    world = World()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SimulatorError, match="not installed") as caught:
        asyncio.run(world.start())
    assert "apt install dbus-daemon" in caught.value.remedy
    assert not world.directory.exists()


def test_a_daemon_that_cannot_start_is_quoted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stub = tmp_path / "dbus-daemon"
    stub.write_text("#!/bin/sh\necho 'no more sockets' >&2\nexit 1\n")
    stub.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(SimulatorError, match="no more sockets"):
        asyncio.run(World().start())


def test_a_path_too_long_for_a_socket_is_refused_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    with pytest.raises(SimulatorError, match="too long"):
        asyncio.run(World().start())
    assert not any(deep.iterdir())


def test_two_worlds_do_not_know_each_other(in_world: InWorld) -> None:
    async def body(world: World) -> None:
        async with World() as other, active(Heard()):
            assert world.advertise(bthome(1))
            assert not other.advertise(bthome(1))

    in_world(body)


def test_what_sensors_send_is_heard_and_noted_in_the_ledger(in_world: InWorld) -> None:
    async def body(world: World) -> None:
        heard = Heard()
        world.add_sensor(tag(copies=3))
        async with active(heard):
            await world.run(duration_s=0.2)
            sent = world.ledger.sent_count
            assert sent >= 5
            await until(lambda: len(heard) == 3 * sent)

    in_world(body)


def test_a_frame_that_nobody_listened_for_is_not_in_the_ledger(in_world: InWorld) -> None:
    async def body(world: World) -> None:
        sensor = world.add_sensor(tag())
        assert not world.transmit(sensor.emit())
        assert world.ledger.sent_count == 0

    in_world(body)


def test_a_lora_packet_comes_out_of_the_modem(in_world: InWorld) -> None:
    async def body(world: World) -> None:
        options = SensorOptions(model="cayenne-lpp", address="lora:17")
        sensor = world.add_sensor(options)
        modem = world.modems["usb-lora"]
        with serial.Serial(str(modem.uart.link), modem.model.baud, timeout=5) as port:
            assert world.transmit(sensor.emit())
            assert port.readline().startswith(b"+RCV=17,")
            port.write(b"AT+ADDRESS?\r\n")
            await until(lambda: port.in_waiting > 0)
            assert port.readline() == b"+ADDRESS=0\r\n"
        assert world.ledger.sent_count == 1
        modem.unplug()
        assert not world.transmit(sensor.emit())
        assert world.ledger.sent_count == 1

    in_world(body, modems=("usb-lora",))


def test_a_modem_says_ready_when_it_gets_power(in_world: InWorld) -> None:
    async def body(world: World) -> None:
        modem = world.modems["usb-lora"]
        modem.unplug()
        modem.plug()
        assert modem.uart.written_bytes == 2 * len(b"+READY\r\n")

    in_world(body, modems=("usb-lora",))


def test_the_agents_configuration_is_valid_and_names_every_sensor(
    in_world: InWorld, tmp_path: Path
) -> None:
    async def body(world: World) -> None:
        world.add_sensor(tag(name="Lessingplatz: Nord"))
        world.add_sensor(
            SensorOptions(model="bthome-v2-encrypted", address="C0:FF:EE:00:00:02", key=KEY)
        )
        world.add_sensor(SensorOptions(model="cayenne-lpp", address="lora:17", payload="raw"))
        path = world.agent_config(tmp_path, AgentOptions(mqtt_port=18_830, scan="active"))
        settings = config.load(path, environ={})
        assert [device.address for device in settings.devices] == [
            ADDRESS,
            "C0:FF:EE:00:00:02",
            "lora:17",
        ]
        assert settings.devices[0].name == "Lessingplatz: Nord"
        assert settings.devices[1].key is not None
        assert settings.mqtt.port == 18_830
        assert [transport.kind for transport in settings.transports] == ["ble", "serial"]

    in_world(body, modems=("usb-lora",))


@pytest.mark.parametrize(("host", "in_clear"), [("127.0.0.1", False), ("broker.example", True)])
def test_only_to_a_broker_elsewhere_the_configuration_asks_to_send_in_clear(
    in_world: InWorld, tmp_path: Path, host: str, *, in_clear: bool
) -> None:
    async def body(world: World) -> None:
        world.add_sensor(tag())
        path = world.agent_config(tmp_path, AgentOptions(mqtt_host=host))
        assert config.load(path, environ={}).mqtt.allow_cleartext is in_clear

    in_world(body)


def test_the_ledger_expects_the_names_that_the_configuration_gives(
    in_world: InWorld, tmp_path: Path
) -> None:
    async def body(world: World) -> None:
        sensor = world.add_sensor(SensorOptions(model="cayenne-lpp", address="lora:17"))
        path = world.agent_config(tmp_path, AgentOptions(org="flensburg", gateway="gw-7"))
        settings = config.load(path, environ={})
        named = settings.devices[0].urn(settings.gateway.org, settings.gateway.id)
        world.transmit(sensor.emit())
        assert [lost.device for lost in world.ledger.missing()] == [named]

    in_world(body, modems=("usb-lora",))


@pytest.mark.parametrize("kind", ["public", "random"])
def test_what_is_on_the_air_and_what_is_written_for_the_agent_agree(
    tmp_path: Path, kind: str
) -> None:
    async def scene() -> None:
        async with World() as world:
            options = SensorOptions(model="bthome-v2", address=ADDRESS, address_type=kind)
            sensor = world.add_sensor(options)
            path = world.agent_config(tmp_path, AgentOptions())
            settings = config.load(path)
            (device,) = settings.devices
            (copy,) = sensor.emit().copies
            assert isinstance(copy, Advertisement)
            assert device.address_type == copy.address_type == kind
            urn = settings.urn(device)
            assert (ADDRESS.replace(":", "")[-6:].lower() in urn) == (kind == "public")

    asyncio.run(scene())
