"""An update over the air with nothing left out: the files as flashed, a broker, boot, both slots.

The board is a simulated one with PSRAM, started through its own /main.py. In the copies that are
flashed pauses are shortened, and the trial of the release that reaches no broker; nothing else is
changed.
"""

import asyncio
import hashlib
import json
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from gateway.mqtt import MqttSettings
from gateway.sim.esp32 import BOOT, READY, Board, Parts
from gateway.sim.esp32_image import Flash
from gateway.sim.esp32_time import TimeServer
from tests.brokers import Mosquitto, Subscriber
from tests.esp32.boards import programs
from tests.flash.releases import key
from ugw_flash.esp32 import files
from ugw_flash.esp32.compile import cross_compile, source_root
from ugw_flash.esp32.folding import folded
from ugw_flash.esp32.site import SITE, read_site
from ugw_flash.updates import publish
from ugw_flash.updates.publish import Targets
from ugw_flash.updates.release import Release, make, manifest_of
from ugw_flash.updates.signing import public_pem

DRIVERS = ("ble.ruuvi_rawv2",)
TARGETS = Targets("ugw/v1/{org}/{id}", "kiel", ("gw-1",))
STATUS = TARGETS.root_of("gw-1") + "/status"
CONFIGURATION = """\
config_version: 1
gateway: {{org: kiel, id: gw-1}}
mqtt: {{host: 127.0.0.1, port: {port}}}
transports: [{{kind: ble}}]
devices: [{{address: "C0:FF:EE:00:00:01", driver: ruuvi-rawv2}}]
esp32: {{wifi: {{ssid: simulated}}, time_servers: [127.0.0.1], update_key: "{folder}/update.pub"}}
"""
GUARD_S = 60.0  # no promise: only the end of a wait that would never end
PAUSE = (b"PAUSE_MS = 5000", b"PAUSE_MS = 50")
HASTY = {
    "main": [("_ROUND_MS = 1_000", "_ROUND_MS = 100")],
    "update": [("_LOOK_MS = 20", "_LOOK_MS = 2")],
}
TRIED = "another version is to be tried"
MODULE = "gateway/esp32/{}.mpy"


@cache
def flashed() -> dict[str, bytes]:
    """Return what `ugw flash files` puts on a board beside its site: version 1."""
    made, _ = files.version(DRIVERS, 1, "ugw one")
    assert PAUSE[0] in made["main.py"]
    made["main.py"] = made["main.py"].replace(*PAUSE)
    version = {
        path.removeprefix("a/"): data
        for path, data in made.items()
        if path.startswith("a/") and path != "a/manifest"
    }
    with tempfile.TemporaryDirectory() as folder:
        for name in ("main", "update"):
            version[MODULE.format(name)] = compiled(name, Path(folder))
    made |= {f"a/{path}": data for path, data in version.items()}
    return {**made, "a/manifest": manifest_of(version, 1, "ugw one")}


def compiled(name: str, folder: Path, change: Callable[[str], str] = str) -> bytes:
    """Compile a module of gateway/esp32, changed, and hasty."""
    source = (source_root() / f"gateway/esp32/{name}.py").read_text()
    for slow, hasty in HASTY.get(name, ()):
        assert slow in source
        source = source.replace(slow, hasty)
    cross_compile(folded(change(source)), name, folder / "compiled.mpy")
    return (folder / "compiled.mpy").read_bytes()


def release(number: int, folder: Path, **changed: Callable[[str], str]) -> Release:
    """Return a release in which modules of gateway/esp32 are others."""
    content = {
        path.removeprefix("a/"): data
        for path, data in flashed().items()
        if path.startswith("a/") and path != "a/manifest"
    }
    for name, change in changed.items():
        content[MODULE.format(name)] = compiled(name, folder, change)
    return make(content, number, f"ugw release {number}", key())


def longer(source: str) -> str:
    return source + '\nCHANGED = "in this release"\n'


def not_importable(source: str) -> str:
    return "import nowhere\n" + source


def impatient(source: str) -> str:
    assert "_TRIAL_MS = 600000" in source
    return source.replace("_TRIAL_MS = 600000", "_TRIAL_MS = 1000")


def unconnected(source: str) -> str:
    head = "async def dial("
    assert head in source
    return source.replace(
        head, "async def dial(*_):\n    raise OSError(113)\n\n\nasync def other("
    )


class Stand:
    """A board with its broker, and who looks at what it publishes."""

    def __init__(self, broker: Mosquitto, board: Board, platform: Subscriber) -> None:
        self.broker = broker
        self.board = board
        self.platform = platform
        self.root = board.directory / "root"

    def slots(self) -> dict[str, Any]:
        state: dict[str, Any] = json.loads((self.root / "slots.json").read_text())
        return state

    async def offer(self, release: Release) -> None:
        """Publish a release as `ugw flash publish` does."""
        settings = MqttSettings(host="127.0.0.1", port=self.broker.port, client_id="desk")
        await publish.publish(settings, release, TARGETS, lambda *_: None)

    async def runs(self, software: str, more: Callable[[], bool] = lambda: True) -> None:
        """Return when the board's status names a software, and its slots are at rest."""

        def told() -> bool:
            texts = [message.payload for message in self.platform.messages]
            status = json.loads(texts[-1]) if texts else {}
            online = status.get("state") == "online" and status.get("software") == software
            return online and "tries" not in self.slots() and more()

        try:
            async with asyncio.timeout(GUARD_S):
                while not told():  # noqa: ASYNC110 - a file sets no event
                    await asyncio.sleep(0.02)
        except TimeoutError:
            pytest.fail(f"{software} does not run: {self.slots()}\n{self.board.console}")


@asynccontextmanager
async def stand(folder: Path, blocks: int = 0) -> AsyncIterator[Stand]:
    """Flash a board, and give it a broker and the time."""
    broker = Mosquitto(folder / "broker")
    broker.start()
    (folder / "update.pub").write_bytes(public_pem(key()))
    config = folder / "gateway.yaml"
    config.write_text(CONFIGURATION.format(port=broker.port, folder=folder))
    try:
        async with TimeServer() as times, Subscriber(broker.port, topic=STATUS) as platform:
            made = read_site(config, environ={})
            site = json.loads(made.files[SITE])
            site["time"]["port"] = times.port
            content = {**flashed(), **made.files, SITE: json.dumps(site).encode()}
            flash = Flash(files=content, secrets=made.secrets, drivers=None)
            parts = Parts(programs=programs(), flash=flash, entry=BOOT, blocks=blocks)
            async with Board(folder / "chip", parts) as board:
                for empty in ("state", "store"):  # a copy of the files brings none
                    shutil.rmtree(board.directory / "root" / empty)
                yield Stand(broker, board, platform)
    finally:
        broker.kill()


def test_a_release_is_fetched_tried_and_kept_and_one_that_fails_is_left_for_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "_QUIET_S", 0.3)

    async def story() -> None:
        async with stand(tmp_path) as it:
            await it.board.power_on()
            await it.runs("ugw one")
            assert it.slots() == {"slot": "a"}

            good = release(2, tmp_path, explain=longer)
            await it.offer(good)
            await it.runs("ugw release 2")
            assert it.slots() == {"slot": "b", "failed": []}
            assert it.board.boots == 2

            broken = release(3, tmp_path, main=not_importable)
            await it.offer(broken)
            await it.runs("ugw release 2", lambda: it.slots()["failed"] == [broken.digest])
            await it.board.said("the offer was tried and failed")
            assert it.board.boots == 4

            silent = release(4, tmp_path, slots=impatient, dial=unconnected)
            await it.offer(silent)
            left = [broken.digest, silent.digest]
            await it.runs("ugw release 2", lambda: it.slots()["failed"] == left)
            assert it.slots()["slot"] == "b"
            assert it.board.boots == 6
            assert READY in it.board.console

    asyncio.run(story())


def whole(root: Path, slot: str) -> bool:
    """Whether all of a version is there, to the last byte."""
    manifest = root / slot / "manifest"
    lines = manifest.read_text().splitlines()[1:] if manifest.exists() else []
    for line in lines:
        digest, size, path = line.split(" ")
        data = (root / slot / path).read_bytes()
        if (hashlib.sha256(data).hexdigest(), len(data)) != (digest, int(size)):
            return False
    return len(lines) > 10


async def until(condition: Callable[[], bool], board: Board) -> None:
    """Return as soon as it holds; the pauses are shorter than what it waits for."""
    try:
        async with asyncio.timeout(GUARD_S):
            while not condition():  # noqa: ASYNC110 - a file sets no event
                await asyncio.sleep(0.001)
    except TimeoutError:
        pytest.fail(f"it did not come about:\n{board.console}")


def test_without_power_at_any_stage_of_it_a_whole_version_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "_QUIET_S", 0.3)

    async def story() -> None:
        async with stand(tmp_path) as it:
            there = (it.root / "b").joinpath
            stages = (
                there("manifest.new").exists,
                lambda: len(list(there("gateway").rglob("*.mpy"))) > 20,
                lambda: "tries" in it.slots(),
                lambda: it.slots().get("tries") == 2,
            )
            there("").mkdir()
            there("manifest").write_text("ugw-release 1 0 of which nothing else is left\n")
            await it.offer(release(2, tmp_path, explain=longer))
            for stage in stages:
                await it.board.power_on()
                await until(stage, it.board)
                await it.board.cut_power()
                assert whole(it.root, it.slots()["slot"])
                assert whole(it.root, "b") or not there("manifest").exists()
            await it.board.power_on()
            await it.runs("ugw release 2")
            assert it.slots() == {"slot": "b", "failed": []}

    asyncio.run(story())


def test_an_agent_that_is_no_files_says_that_it_takes_no_updates_and_takes_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "_QUIET_S", 0.3)

    async def story() -> None:
        async with stand(tmp_path) as it:
            (it.root / "a/manifest").unlink()  # as where it is part of the firmware
            await it.offer(release(2, tmp_path, explain=longer))
            await it.board.power_on()
            await it.board.ready()
            it.board.enter("status\n")
            await it.board.said("takes no updates because='the agent is part of the firmware'")
            await it.board.said("in memory 0 observations")
            assert it.slots() == {"slot": "a"}
            assert not (it.root / "b").exists()

    asyncio.run(story())


@pytest.mark.long
@pytest.mark.slow
def test_without_power_in_the_midst_of_writes_to_the_flash_it_starts_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "_QUIET_S", 0.3)

    async def story() -> None:
        async with stand(tmp_path, blocks=512) as it:
            board = it.board
            await board.power_on()
            await board.ready()
            await it.offer(release(2, tmp_path, explain=longer))
            for cut in range(40):
                board.fail_in_flash(7 + 13 * cut)
                await until(lambda: not board.runs or TRIED in board.console, board)
                if TRIED in board.console:
                    break
                before = board.console.count(READY)
                await board.power_on()
                await board.said_again(READY, before)
            assert cut > 5
            await it.board.cut_power()
            await it.board.power_on()
            await board.said("software='ugw release 2'")
            await it.board.cut_power()
            before = board.console.count(READY)
            await board.power_on()
            await board.said_again(READY, before)
            assert board.console.rstrip().count("Traceback") == 0

    asyncio.run(story())
