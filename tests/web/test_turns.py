"""What takes long with thousands of sensors does not hold the agent up, whoever asks for it."""

import asyncio
import time
from pathlib import Path

import pytest
from starlette.types import Message, Scope

from gateway.web.application import application
from gateway.web.inside import Inside, Json
from tests.brokers import strict_run
from tests.web.places import place

ASKING = 8


def asked_for(path: str) -> Scope:
    return {
        "type": "http",
        "method": "GET",
        "path": path,
        "query_string": b"",
        "headers": [(b"host", b"localhost")],
    }


async def _nothing() -> Message:
    return {"type": "http.request"}


async def _ignore(_message: Message) -> None:
    """Be a client who does not listen."""


@pytest.mark.parametrize("path", ["/sensors", "/metrics", "/"])
def test_between_two_long_answers_everything_else_has_its_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    turns, made_in = 0, list[int]()

    def long(*_args: object) -> Json:
        made_in.append(turns)
        until = time.monotonic() + 0.005
        while time.monotonic() < until:  # it computes, and nothing else has its turn
            pass
        return {}

    def long_text(_inside: Inside) -> str:
        return str(long())

    async def everything_else() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def scene() -> None:
        async with place(tmp_path) as here:
            monkeypatch.setattr(here.inside, "sensors", long)
            monkeypatch.setattr("gateway.web.page.render", long_text)
            monkeypatch.setattr("gateway.web.exposition.text", long_text)
            asked = application(here.inside, here.agent.settings.http)
            others = asyncio.create_task(everything_else())
            scope = asked_for(path)
            await asyncio.gather(*(asked(scope, _nothing, _ignore) for _ in range(ASKING)))
            others.cancel()

    strict_run(scene())
    assert len(set(made_in)) == ASKING, "several in one turn of the loop"
