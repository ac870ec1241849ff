"""What watches a real board sees a simulated one as it is: well, and when it starts anew."""

import asyncio
import io
import json
import os
import sys
import tty
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.sim.esp32 import Board
from tests.esp32.machines import ROOT
from tests.hardware.esp32_board import LATE_S, Console, Findings, Platform, Watch, laws
from tests.scenarios.conftest import play as play  # noqa: PLC0414 - a fixture
from tests.scenarios.stage import Setting, Stage

Play = Callable[..., None]

BOARD = Setting(agent="esp32", plain=2, encrypted=0, ruuvi=1, lora=0, every_s=0.5)
HOURS = "0.0015"
EVERY = "1"


@asynccontextmanager
async def line(board: Board) -> AsyncGenerator[str]:
    """Give a board's console a serial port of its own."""
    near, far = os.openpty()
    tty.setraw(far)
    os.set_blocking(near, False)
    asyncio.get_running_loop().add_reader(
        near, lambda: board.enter(os.read(near, 4096).decode(errors="replace"))
    )

    async def talk() -> None:
        told = len(board.console)
        while True:
            text = board.console
            os.write(near, text[told:].encode())
            told = len(text)
            await asyncio.sleep(0.02)

    talking = asyncio.create_task(talk(), name="console")
    try:
        yield os.ttyname(far)
    finally:
        talking.cancel()
        asyncio.get_running_loop().remove_reader(near)
        os.close(near)
        os.close(far)


async def watched(stage: Stage, seen: Path, port: str) -> tuple[int | None, dict[str, Any]]:
    """Run the script as a person would; how it ended, and what it saw."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.hardware.esp32_board", port),
        *("--hours", HOURS, "--every", EVERY, "--json", str(seen)),
        *("--broker", f"127.0.0.1:{stage.door}", "--root", stage.root),
        cwd=ROOT,
    )
    await process.wait()
    return process.returncode, json.loads(await asyncio.to_thread(seen.read_text))


@pytest.mark.long
def test_a_board_that_is_well_is_found_well(play: Play, tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.start_agent()
        async with stage.sending(), line(stage.board.board) as port:
            code, seen = await watched(stage, tmp_path / "seen.json", port)
        assert seen["wrong"] == []
        assert code == 0
        assert seen["answers"] >= 2
        assert seen["observations"] > 0
        assert seen["statuses"] > 0
        assert seen["counters"]["observed"] > 0
        await stage.all_arrived()
        await stage.end_agent()

    play(scenario, BOARD)


@pytest.mark.long
def test_a_board_without_power_is_found_out(play: Play, tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.start_agent()
        async with line(stage.board.board) as port:
            await stage.end_agent()
            code, seen = await watched(stage, tmp_path / "seen.json", port)
        assert code == 1
        assert "the console does not answer" in seen["wrong"]

    play(scenario, BOARD)


@pytest.mark.parametrize(
    ("counters", "found"),
    [
        ({"heard": 3, "unlisted": 1, "refused.bad_mic": 1, "decoded": 1}, 0),
        ({"heard": 4, "unlisted": 1, "refused.bad_mic": 1, "decoded": 1}, 1),
        ({"observed": 2, "recovered": 1, "delivered": 2, "inBacklog": 1}, 0),
        ({"observed": 2, "recovered": 1, "delivered": 2}, 1),
    ],
)
def test_what_does_not_add_up_is_found(counters: dict[str, int], found: int) -> None:
    assert len(list(laws(counters))) == found


def status(next_seq: int, settled_below: int, lost: tuple[int, int] | None = None) -> bytes:
    """Return a status of a board with one stream."""
    ranges = [{"stream": "s", "from": lost[0], "to": lost[1]}] if lost else []
    stream = {"stream": "s", "nextSeq": next_seq, "settledBelow": settled_below}
    said: dict[str, Any] = {"state": "online", "counters": {}}
    said |= {"dropped": ranges, "streams": [stream]}
    return json.dumps(said).encode()


@pytest.mark.parametrize(
    ("came", "lost", "found"),
    [
        ((5, 6, 7), None, []),
        ((7, 5, 6, 6), None, []),
        ((5, 7), None, ["s: 6 is settled, and never came"]),
        ((5, 7), (6, 6), []),
        ((), (5, 6), ["s: 7 is settled, and never came"]),
    ],
)
def test_a_number_that_is_settled_and_never_came_is_found(
    came: tuple[int, ...], lost: tuple[int, int] | None, found: list[str]
) -> None:
    platform, findings = Platform("r"), Findings(io.StringIO())
    platform.came("status", status(5, 5))
    for number in came:
        bundle = {"stream": "s", "observations": [{"seq": number}]}
        platform.came("obs/live", json.dumps(bundle).encode())
    platform.came("status", status(8, 8, lost))
    platform.check(findings, 0.0)
    assert findings.wrong == [], "it may still be under way"
    platform.check(findings, LATE_S + 1)
    assert findings.wrong == found


class Said(Console):
    """A console that says what it is given, and is connected to nothing."""

    def __init__(self, text: bytes) -> None:
        self._rest = text

    def lines(self) -> Iterator[str]:
        """Yield what it was given."""
        yield from self.whole(b"")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b"ugw READY gateway=gw-1 session=7\r\n", []),
        (b"ugw> st\r\x1b[Kugw network down cause=cable\r\nugw> st", []),
        (b"MemoryError: memory allocation failed\r\n", ["MemoryError: memory allocation failed"]),
        (b"Guru Meditation Error: Core  1\r\n", ["Guru Meditation Error: Core  1"]),
        (b"ugw starts because='watchdog'\r\n", ["it started anew by itself"]),
        (b"ugw> \r\x1b[Kugw trouble cause='x'\r\n", ["trouble cause='x'"]),
    ],
)
def test_what_a_console_says_of_trouble_is_found(text: bytes, found: list[str]) -> None:
    findings = Findings(io.StringIO())
    Watch(Said(text), None, findings).look()
    assert findings.wrong == found
