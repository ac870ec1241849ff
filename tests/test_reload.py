"""A changed configuration: applied whole, or refused whole with every reason."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway import assembly
from gateway.app import Agent, OpenStore
from gateway.backlog.memory import MemoryBacklog
from gateway.config import Settings, load
from gateway.config.changes import changes, concern
from gateway.registry import discover
from gateway.reload import Reloader
from tests.brokers import HANG_S

BEFORE = """\
config_version: 1
gateway: {org: kiel, id: gw-1, name: before}
mqtt: {host: 127.0.0.1, port: 1, username: "file:FOLDER/user"}
transports: [{kind: ble}]
devices:
  - {address: "C0:FF:EE:00:00:01", key: "file:FOLDER/key"}
  - {address: "lora:17", driver: cayenne-lpp}
"""
KEY = "231d39c1d7cc1ab1aee224cd096db932"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Write a configuration and its secrets."""
    for name, secret in (("user", "us"), ("key", KEY)):
        _write_secret(tmp_path / name, secret)
    path = tmp_path / "gateway.yaml"
    path.write_text(BEFORE.replace("FOLDER", str(tmp_path)))
    return path


def _write_secret(path: Path, secret: str) -> None:
    path.write_text(secret)
    path.chmod(0o600)


def edit(path: Path, before: str, after: str) -> None:
    """Change one place of a configuration."""
    text = path.read_text()
    assert text.count(before) == 1
    path.write_text(text.replace(before, after))


def remove(path: Path) -> None:
    """Take a configuration away."""
    path.unlink()


# ---------------------------------------------------------------------------------------- changes
@pytest.mark.parametrize(
    ("before", "after", "keys"),
    [
        ("before}", "after}", ["gateway.name"]),
        ("port: 1,", "port: 2,", ["mqtt.port"]),
        ("lora:17", "lora:18", ["devices"]),
        ("driver: cayenne-lpp}", "driver: cayenne-lpp, class: event}", ["devices"]),
        ("{kind: ble}", "{kind: ble, scan: active}", ["transports"]),
        ("transports:", "delivery: {pace: 50ms}\ntransports:", ["delivery.pace"]),
        ("transports:", "store: {max_size: 64MB}\ntransports:", ["store.max_size"]),
        ("transports:", "delivery: {pace: 20ms}\ntransports:", []),  # the default, written out
    ],
)
def test_a_change_is_named_by_its_key_and_what_stayed_is_not(
    path: Path, before: str, after: str, keys: list[str]
) -> None:
    was = load(path)
    edit(path, before, after)
    assert list(changes(was, load(path))) == keys


@pytest.mark.parametrize(("name", "key"), [("user", "mqtt.username"), ("key", "devices")])
def test_a_secret_that_changed_in_its_file_is_a_change(path: Path, name: str, key: str) -> None:
    was = load(path)
    secret = path.with_name(name)
    _write_secret(secret, secret.read_text()[::-1])
    assert list(changes(was, load(path))) == [key]


def test_a_key_concerns_its_section_and_no_section_that_begins_alike() -> None:
    assert concern(["mqtt.port"], "mqtt")
    assert concern(["gateway.id"], "store", "gateway.id")
    assert concern(["store"], "store")
    assert not concern(["gateway.identity"], "gateway.id")
    assert not concern(["devices"], "device", "mqtt")
    assert not concern([], "mqtt")


# ------------------------------------------------------------------------------------ the reloader
class Scene:
    """A running agent and its reloader."""

    def __init__(self, agent: Agent, path: Path) -> None:
        self.agent = agent
        self.path = path
        self.heard_of: list[str] = []
        self.reloader = Reloader(
            agent,
            lambda: load(path, drivers=agent.registry.models()),
            path,
            {"http": self._applier("http"), "log": self._applier("log")},
        )

    def _applier(self, name: str) -> Callable[[Settings], None]:
        def apply(_settings: Settings) -> None:
            self.heard_of.append(name)

        return apply

    def tasks(self) -> dict[str, int]:
        """Which task is which transport's."""
        return {
            task.get_name(): id(task)
            for task in asyncio.all_tasks()
            if task.get_name() in self.agent.health.transports
        }


@asynccontextmanager
async def running(path: Path) -> AsyncGenerator[Scene]:
    """Run an agent without any hardware, its broker nowhere."""
    streams = assembly.mint_streams()
    backlog = MemoryBacklog()
    recovery = await backlog.open(streams)
    agent = Agent(load(path), discover(), OpenStore(backlog, streams, recovery))
    began, stop = asyncio.Event(), asyncio.Event()
    agent.on_running = began.set
    task = asyncio.create_task(agent.run(stop))
    async with asyncio.timeout(HANG_S):
        await began.wait()
        yield Scene(agent, path)
        stop.set()
        await task


def test_devices_come_and_go_and_the_scan_goes_on(path: Path) -> None:
    async def scene() -> None:
        async with running(path) as here:
            before = here.tasks()
            edit(path, "lora:17", "lora:18")
            outcome = await here.reloader.reload()
            assert (outcome.ok, outcome.changed) == (True, ("devices",))
            assert here.agent.pipeline.lists("lora:18")
            assert here.agent.pipeline.lists("C0:FF:EE:00:00:01")
            assert not here.agent.pipeline.lists("lora:17")
            assert here.tasks() == before
            assert here.heard_of == []

    asyncio.run(scene())


def test_a_transport_that_changed_is_begun_anew_under_the_running_agent(path: Path) -> None:
    async def scene() -> None:
        async with running(path) as here:
            before = here.tasks()
            edit(path, "{kind: ble}", "{kind: ble, scan: active}, {kind: ble, adapter: hci1}")
            assert (await here.reloader.reload()).ok
            after = here.tasks()
            assert set(after) == {"ble:hci0", "ble:hci1"}
            assert after["ble:hci0"] != before["ble:hci0"]
            edit(path, ", {kind: ble, adapter: hci1}", "")
            assert (await here.reloader.reload()).ok
            assert here.tasks() == {"ble:hci0": after["ble:hci0"]}
            assert set(here.agent.health.transports) == {"ble:hci0"}

    asyncio.run(scene())


def test_those_beside_the_agent_hear_of_what_concerns_them(path: Path) -> None:
    async def scene() -> None:
        async with running(path) as here:
            edit(path, "transports:", "log: {level: debug}\ntransports:")
            assert (await here.reloader.reload()).changed == ("log.level",)
            assert here.heard_of == ["log"]

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("faulty", "findings"),
    [
        ("devicse: []\nlog: {level: loud}\n", ["gateway.yaml:8:", "gateway.yaml:9:"]),
        ("\t: {{", ["gateway.yaml:"]),
    ],
)
def test_a_faulty_file_changes_nothing_and_every_finding_is_said(
    path: Path, faulty: str, findings: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    async def scene() -> None:
        async with running(path) as here:
            settings, tasks = here.agent.settings, here.tasks()
            edit(path, "lora:17", "lora:18")
            edit(path, "cayenne-lpp}\n", "cayenne-lpp}\n" + faulty)
            with caplog.at_level(logging.ERROR, logger="gateway.reload"):
                outcome = await here.reloader.reload()
            assert not outcome.ok
            for finding in findings:
                assert finding in outcome.cause
                assert finding in caplog.text
            assert here.agent.settings is settings
            assert here.agent.pipeline.lists("lora:17")
            assert not here.agent.pipeline.lists("lora:18")
            assert here.tasks() == tasks
            assert here.reloader.last == outcome

    asyncio.run(scene())


def test_a_file_that_is_gone_changes_nothing(path: Path) -> None:
    async def scene() -> None:
        async with running(path) as here:
            remove(path)
            outcome = await here.reloader.reload()
            assert not outcome.ok
            assert "gateway.yaml" in outcome.cause
            assert here.agent.pipeline.lists("lora:17")

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("before", "after", "key"),
    [
        ("id: gw-1", "id: gw-2", "gateway.id"),
        ("org: kiel", "org: jena", "gateway.org"),
        ("transports:", "store: {max_size: 64MB}\ntransports:", "store.max_size"),
        ("transports:", "clock: {source: system}\ntransports:", "clock.source"),
        ("transports:", "delivery: {pace: 50ms}\ntransports:", "delivery.pace"),
    ],
)
def test_what_only_a_restart_can_change_is_named_and_holds_back_all_the_rest(
    path: Path, before: str, after: str, key: str
) -> None:
    async def scene() -> None:
        async with running(path) as here:
            edit(path, "lora:17", "lora:18")
            edit(path, before, after)
            outcome = await here.reloader.reload()
            assert (outcome.ok, outcome.changed) == (False, ())
            assert key in outcome.cause
            assert "restart" in outcome.cause
            assert here.agent.pipeline.lists("lora:17")
            assert not here.agent.pipeline.lists("lora:18")

    asyncio.run(scene())


def test_an_unchanged_file_is_a_reload_that_changes_nothing(path: Path) -> None:
    async def scene() -> None:
        async with running(path) as here:
            outcome = await here.reloader.reload()
            assert (outcome.ok, outcome.changed, here.heard_of) == (True, (), [])

    asyncio.run(scene())
