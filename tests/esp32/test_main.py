"""What the agent on an ESP32 remembers of what it told, until the broker has acknowledged it."""

import asyncio
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.esp32 import console, journal, overlay
from gateway.esp32.losses import Losses
from gateway.esp32.main import Agent

OLD = {"routine": "R1", "event": "E1"}
NOW = {"routine": "R2", "event": "E2"}
LOSS = ("R2", 5, 9, "full", "boot", 90_000, None)


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Agent:
    monkeypatch.setattr(console, "say", lambda *_, **__: None)
    root = str(tmp_path)
    journal.begin(root, OLD)
    session, previous, _, _ = journal.begin(root, NOW)
    agent = Agent(root)
    made: Any = agent
    made.session, made.session_end, made.previous = session, session + 100, previous
    made.streams = NOW
    made.clock = SimpleNamespace(now=lambda: 0, boot="b", offset_ms=None)
    made.losses = Losses(root, made.clock, journal.declare(root, [LOSS]))
    made.delivery = SimpleNamespace(
        acknowledged=lambda _: False, on_down=lambda: None, next_seq=lambda _: 7
    )
    made.uplink = SimpleNamespace(cause="gone", set_last_will=lambda *_: None)
    made.site = SimpleNamespace(root="r", org="o", gateway="g", software="s")
    made.intake = SimpleNamespace(devices={})
    return agent


def _next_run(agent: Agent) -> list[str]:
    """Return the streams that the next run would tell of."""
    return [each[0] for each in journal.begin(agent.root, {"routine": "R3", "event": "E3"})[1]]


def test_how_earlier_runs_ended_is_told_again_until_a_status_is_acknowledged(agent: Agent) -> None:
    agent.letters[4] = ("status",)
    agent.acknowledged(3)
    agent.down()
    agent.acknowledged(4)
    assert _next_run(agent) == ["R1", "E1", "R2", "E2"]


def test_what_was_told_of_earlier_runs_is_not_told_by_the_next(agent: Agent) -> None:
    agent.letters[4] = ("status",)
    agent.acknowledged(4)
    assert [each[0] for each in agent.previous] == ["R1", "E1"]  # this run goes on saying it
    assert _next_run(agent) == ["R2", "E2"]


def test_a_loss_is_noted_until_its_event_is_acknowledged(agent: Agent) -> None:
    agent.letters[4] = ("loss", LOSS)
    agent.down()
    assert agent.losses.untold == [LOSS]
    agent.letters[5] = ("loss", LOSS)
    agent.acknowledged(5)
    assert agent.losses.untold == []
    assert journal.declare(agent.root, []) == []


@pytest.mark.parametrize("letter", [("loss", LOSS), ("status",)])
def test_flash_that_cannot_be_written_costs_no_connection(
    agent: Agent, letter: tuple[Any, ...]
) -> None:
    for name in ("losses", "run"):
        Path(agent.root, "state", f"{name}.json.new").mkdir()  # where it would be written
    agent.letters[4] = letter
    agent.acknowledged(4)
    assert journal.declare(agent.root, []) == [LOSS]  # the next run tells it once more
    assert _next_run(agent) == ["R1", "E1", "R2", "E2"]


def test_without_flash_sessions_go_on(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(name: str, *_: object) -> None:
        if name == "journal":
            raise OSError

    monkeypatch.setattr(overlay, "run", run)
    agent.session_end = agent.session + 1
    for session in range(agent.session + 1, agent.session + 4):
        agent.down()
        assert agent.session == session


def test_what_a_connection_took_along_is_due_again(agent: Agent) -> None:
    device = SimpleNamespace(state_due=False, meta_due=False)
    happened = ("clock.step", 91_000, ())
    agent.meta_due = False
    agent.letters.update({1: ("state", device), 2: ("event", happened), 3: ("status",)})
    agent.down()
    assert (device.state_due, device.meta_due, agent.meta_due) == (True, False, False)
    assert agent.events == [happened]
    agent.letters.update({1: ("announcement", device), 2: ("meta",)})
    agent.down()
    assert (device.meta_due, agent.meta_due) == (True, True)


@pytest.mark.parametrize(("is_kept", "ends"), [(True, (7, 7)), (False, (10, 0))])
def test_an_end_is_clean_only_if_all_that_waited_was_kept(
    agent: Agent,
    is_kept: bool,  # noqa: FBT001 - a case of the table
    ends: tuple[int, int],
) -> None:
    async def close() -> bool:
        return is_kept

    parts: Any = agent
    parts.delivery.close = close
    assert asyncio.run(agent.close()) is is_kept
    _, previous, _, _ = journal.begin(agent.root, {"routine": "R3", "event": "E3"})
    assert previous[-2:] == [
        ("R2", "routine", is_kept, ends[0]),
        ("E2", "event", is_kept, ends[1]),
    ]


def test_at_its_end_nothing_goes_on_but_network_and_uplink(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[str] = []

    async def forever() -> None:
        await asyncio.Event().wait()

    async def close() -> bool:
        called.append("store")
        return True

    async def leave() -> None:
        called.append("farewell")

    async def end() -> list[bool]:
        parts: Any = agent
        parts.delivery.close, parts.uplink.can_send = close, True
        parts.uplink.close = leave
        agent.runs = [forever] * 6
        agent.tasks = [asyncio.create_task(forever()) for _ in range(8)]
        await asyncio.sleep(0)
        await agent.restart("asked for")
        await asyncio.sleep(0)
        cancelled = [task.cancelled() for task in agent.tasks]
        for task in agent.tasks:
            task.cancel()
        return cancelled

    def run(name: str, function: str, *_: object) -> None:
        called.append(f"{name}.{function}")

    machine = SimpleNamespace(reset=lambda: called.append("reset"))
    monkeypatch.setitem(sys.modules, "machine", machine)
    monkeypatch.setattr(overlay, "run", run)
    monkeypatch.setattr(asyncio, "sleep_ms", lambda _: asyncio.sleep(0), raising=False)
    assert asyncio.run(end()) == [True, True, False, False, True, True, False, False]
    assert called == [
        "store",
        "roster.kept",
        "journal.close",
        "status.publish",
        "farewell",
        "restart.note",
        "reset",
    ]
