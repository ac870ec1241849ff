"""`ugw radio scan` shows what has a driver, in memory only, and no stranger."""

import asyncio
import fcntl
import os
import pty
import signal
import sys
import termios
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from gateway.backlog.sqlite.opening import LOCK
from gateway.cli import ear as ears
from gateway.cli.ear import Ear
from gateway.clock import SystemClock
from gateway.config import DEFAULT_PATH, DeviceSettings, load
from gateway.exit_codes import ExitCode
from gateway.model import Frame
from gateway.registry import discover
from gateway.sim.lorawan_node import LorawanNode
from gateway.sim.sensors import Phone, SensorOptions
from gateway.sim.world import World
from tests.brokers import strict_run
from tests.cli.calling import read_until
from tests.cli.places import Ended, configuration, radios, ugw

KEY = bytes(range(16))
LAMP, SCHOOL, PARK = "C0:FF:EE:00:00:01", "C0:FF:EE:00:01:01", "C0:FF:EE:00:02:01"
NODE = "{address: 'lora:17', driver: cayenne-lpp}"
BTHOME = 0xFCD2
FOR = "4s"  # every sensor speaks several times a second


def a_world(*, modems: tuple[str, ...] = ()) -> World:
    """Make a world with sensors of all kinds, and phones that are nobody's business."""
    world = World(modems=modems)
    for model, address, key in (
        ("bthome-v2", LAMP, b""),
        ("bthome-v2-encrypted", SCHOOL, KEY),
        ("ruuvi-rawv2", PARK, b""),
        *((("cayenne-lpp", "lora:17", b""), ("cayenne-lpp", "lora:18", b"")) if modems else ()),
    ):
        kind = "random" if address == PARK else "public"
        options = SensorOptions(
            model=model, address=address, address_type=kind, every_s=0.3, key=key
        )
        world.add_sensor(options)
    for number in range(5):
        world.noise.append(Phone(number, every_s=0.1, rotate=3, seed=world.seed))
    return world


@asynccontextmanager
async def sending(world: World) -> AsyncGenerator[None]:
    async with world:
        task = asyncio.create_task(world.run(), name="sensors")
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


def scanned(
    world: World,
    directory: Path,
    *words: str,
    devices: str = "[]",
    prepare: Callable[[World], None] | None = None,
) -> Ended:
    """Scan in a world; no stranger's address may be found in what is said."""

    async def scene() -> Ended:
        async with sending(world):
            if prepare is not None:
                prepare(world)
            path = configuration(directory, transports=radios(world), devices=devices)
            return await ugw("radio", "scan", "-c", str(path), *words, environ=world.environment())

    ended = strict_run(scene())
    assert "Traceback" not in ended.err
    assert not world.ledger.leaks([ended.out, ended.err])
    assert world.ledger.strangers, "no stranger passed by"
    return ended


def by_address(ended: Ended) -> dict[str, dict[str, Any]]:
    return {device["address"]: device for device in ended.json()["devices"]}


def test_what_a_driver_recognises_is_shown_with_what_it_says_and_nothing_is_kept(
    tmp_path: Path,
) -> None:
    world = a_world(modems=("usb-lora",))
    ended = scanned(
        world,
        tmp_path,
        *("--for", FOR, "--json"),
        devices=f"[{{address: '{LAMP}', name: Lamp}}, {NODE}]",
    )

    assert ended.code == ExitCode.OK
    found = by_address(ended)
    assert set(found) == {LAMP, SCHOOL, PARK, "lora:17", "lora:18"}
    lamp = found[LAMP]
    assert (lamp["listed"], lamp["name"], lamp["driver"]) == (True, "Lamp", "bthome-v2")
    assert lamp["entry"] is None
    assert lamp["frames"] > 1
    assert lamp["everyS"] > 0
    assert "air_temperature" in {value["observedProperty"] for value in lamp["values"]}
    assert found[SCHOOL]["values"] == []
    assert found[SCHOOL]["remark"] == "encrypted: it needs its key"
    assert found[PARK]["addressType"] == "random"  # as BlueZ has it
    assert found[SCHOOL]["addressType"] == "public"
    assert found["lora:17"]["driver"] == "cayenne-lpp"
    assert found["lora:18"]["fits"] == ["cayenne-lpp"]
    assert found["lora:18"]["values"]
    assert list((tmp_path / "store").iterdir()) == []
    assert "others" not in ended.json()


def test_a_key_in_the_configuration_opens_what_is_encrypted(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.touch(mode=0o600)
    key.write_text(KEY.hex())
    ended = scanned(
        a_world(),
        tmp_path,
        *("--for", FOR, "--json"),
        devices=f"[{{address: '{SCHOOL}', key: 'file:{key}'}}]",
    )

    school = by_address(ended)[SCHOOL]
    assert (school["encrypted"], school["remark"]) == (True, "")
    assert "relative_humidity" in {value["observedProperty"] for value in school["values"]}
    assert KEY.hex() not in ended.out


def test_what_is_printed_to_be_pasted_is_a_configuration(tmp_path: Path) -> None:
    listed = "[{address: 'D0:00:00:00:00:01', address_type: random, id: sensor-1}]"
    world = a_world(modems=("usb-lora",))
    ended = scanned(world, tmp_path, "--for", FOR, "--yaml", devices=listed)

    pasted = tmp_path / "pasted.yaml"
    keys = tmp_path / "keys"
    keys.touch(mode=0o600)
    keys.write_text(KEY.hex())
    head = (tmp_path / "gateway.yaml").read_text().split("devices:")[0]
    entries = ended.out.replace(f"/etc/ugw/keys/{SCHOOL.replace(':', '').lower()}", str(keys))
    pasted.write_text(f"{head}devices:\n{entries}")
    devices = {device.address: device for device in load(pasted).devices}
    assert set(devices) == {LAMP, SCHOOL, PARK, "lora:17", "lora:18"}
    assert devices[SCHOOL].key is not None
    assert devices["lora:18"].driver == "cayenne-lpp"
    ids = [device.id for device in devices.values() if device.medium == "ble"]
    assert list(filter(None, ids)) == ["sensor-2"]  # of the random one; the first was taken


def test_strangers_are_counted_only_when_asked_for_and_after_a_word_on_it(tmp_path: Path) -> None:
    ended = scanned(a_world(), tmp_path, "--for", FOR, "--json", "--all")

    assert ended.err.startswith("note: --all scans actively: each device in range")
    assert ended.json()["others"]["frames"] > 0
    assert ended.json()["others"]["strongest_dbm"] < 0
    assert set(by_address(ended)) == {LAMP, SCHOOL, PARK}


def test_a_modem_that_the_agent_has_is_said_to_be_the_agents(tmp_path: Path) -> None:
    held: list[int] = []

    def take(world: World) -> None:
        lock = os.open(tmp_path / "store" / LOCK, os.O_RDWR | os.O_CREAT)
        fcntl.flock(lock, fcntl.LOCK_EX)
        port = os.open(world.modems["usb-lora"].uart.tty, os.O_RDWR | os.O_NOCTTY)
        fcntl.flock(port, fcntl.LOCK_EX)
        fcntl.ioctl(port, termios.TIOCEXCL)
        held.extend((lock, port))

    (tmp_path / "store").mkdir(mode=0o700)
    ended = scanned(a_world(modems=("usb-lora",)), tmp_path, "--for", "2s", "--json", prepare=take)
    for descriptor in held:
        os.close(descriptor)

    assert ended.code == ExitCode.OK  # Bluetooth is heard beside it
    radio = {radio["name"]: radio for radio in ended.json()["radios"]}
    assert radio["ble:hci0"]["state"] == "up"
    assert radio["serial:usb-lora"]["state"] == "down"
    assert "the agent that runs has it" in radio["serial:usb-lora"]["cause"]


@pytest.mark.skipif(DEFAULT_PATH.exists(), reason="this machine has a configuration")
def test_before_there_is_a_configuration_the_usual_adapter_is_used() -> None:
    async def scene() -> Ended:
        world = a_world()
        async with sending(world):
            return await ugw("radio", "scan", "--for", FOR, environ=world.environment())

    ended = strict_run(scene())
    assert "listening with ble:hci0" in ended.err
    assert LAMP in ended.out
    assert "not listed" in ended.out
    assert "--yaml prints what to paste" in ended.out


def test_without_any_radio_it_fails_and_says_why(tmp_path: Path) -> None:
    path = configuration(tmp_path, transports="[{kind: ble}]")
    environ = {"DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={tmp_path / 'nowhere'}"}
    ended = strict_run(ugw("radio", "scan", "--for", "1s", "-c", str(path), environ=environ))

    assert ended.code == ExitCode.FAILED
    assert "no radio can be used: ble:hci0: no D-Bus" in ended.err


@pytest.mark.parametrize("limit", ["soon", "0s"])
def test_a_time_that_is_none_is_usage(tmp_path: Path, limit: str) -> None:
    path = configuration(tmp_path, transports="[{kind: ble}]")
    ended = strict_run(ugw("radio", "scan", "--for", limit, "-c", str(path)))
    assert ended.code == ExitCode.USAGE


def test_on_a_terminal_it_is_a_live_page_until_ctrl_c(tmp_path: Path) -> None:
    async def scene(world: World) -> tuple[str, str, int]:
        async with sending(world):
            path = configuration(tmp_path, transports=radios(world))
            ours, theirs = pty.openpty()
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "gateway", "radio", "scan", "-c", str(path)),
                stdin=theirs,
                stdout=theirs,
                stderr=theirs,
                env={**os.environ, **world.environment(), "TERM": "xterm", "COLUMNS": "100"},
                process_group=0,
            )
            os.close(theirs)
            try:
                page = await asyncio.to_thread(read_until, ours, LAMP)
                os.killpg(process.pid, signal.SIGINT)
                last = await asyncio.to_thread(read_until, ours, "--yaml prints")
                return page, last, await process.wait()
            finally:
                with suppress(ProcessLookupError):
                    process.kill()
                os.close(ours)

    page, last, code = strict_run(scene(a_world()))
    assert "\x1b[?1049h" in page  # a screen of its own
    assert LAMP in last
    assert code == ExitCode.OK


# ----------------------------------------------------------------------------------------- the ear
def an_advertisement(address: str, structure: tuple[int, int, bytes]) -> Frame:
    return Frame(
        medium="ble",
        source="ble:hci0",
        address=address,
        heard_at_ns=1,
        content=structure,
        structures=(structure,),
        rssi_dbm=-70,
    )


SOMETHING = (0x16, BTHOME, b"\x40\x02\xca\x09")


def test_no_more_devices_are_remembered_than_have_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ears, "MOST", 2)
    ear = Ear(discover(), (), SystemClock())
    for number in range(5):
        ear.hear(an_advertisement(f"C0:FF:EE:00:00:0{number}", SOMETHING))
    ear.hear(an_advertisement("C0:FF:EE:00:00:01", SOMETHING))

    assert {address: each.frames for address, each in ear.heard.items()} == {
        "C0:FF:EE:00:00:00": 1,
        "C0:FF:EE:00:00:01": 2,
    }
    assert (ear.others.frames, ear.others.strongest_dbm) == (3, -70)


def test_what_nobody_recognises_is_a_number_and_may_be_forgotten_by_bluez() -> None:
    ear = Ear(discover(), (), SystemClock())
    stranger = "5A:00:00:00:00:01"
    assert ear.admits(stranger, None) is not None
    ear.hear(an_advertisement(stranger, (0xFF, 0x004C, b"phone")))

    assert not ear.lists(stranger)
    assert ear.heard == {}
    assert ear.others.frames == 1


def an_uplink(ear: Ear, phy: bytes) -> None:
    """Let a LoRaWAN gateway hear a packet."""
    frame = Frame(
        medium="lora",
        source="semtech-udp:127.0.0.1:1700",
        address=ear.sender(phy),
        heard_at_ns=1,
        content=phy,
        payload=phy,
        is_uplink=True,
        rssi_dbm=-99,
    )
    ear.hear(frame)


def test_an_uplink_is_shown_if_its_keys_are_in_the_configuration_and_else_only_counted(
    tmp_path: Path,
) -> None:
    keys = tmp_path / "key"
    keys.touch(mode=0o600)
    keys.write_text("00" * 16)
    listed = DeviceSettings.model_validate(
        {
            "address": "eui:70b3d57ed0001234",
            "driver": "cayenne-lpp",
            "lorawan": {
                "dev_addr": "26011f22",
                "nwk_s_key": f"file:{keys}",
                "app_s_key": f"file:{keys}",
            },
        }
    )
    ear = Ear(discover(), (listed,), SystemClock())
    an_uplink(ear, LorawanNode("26011f22", bytes(16), bytes(16), counter=7).send(b"\1\x67\1\x10"))
    an_uplink(ear, LorawanNode("26011f22", bytes(range(16)), bytes(16)).send(b"\1\x67\1\x10"))
    an_uplink(ear, LorawanNode("26011f23", bytes(16), bytes(16)).send(b"\1\x67\1\x10"))

    (heard,) = ear.heard.values()
    assert (heard.address, heard.port, heard.frames) == ("eui:70b3d57ed0001234", 1, 1)
    assert heard.results[0][:3] == ("air_temperature", 272, 1)
    assert ear.others.frames == 2
