"""A board for tests of the connection: MicroPython with an ESP32's heap, running vm_uplink.py."""

import asyncio
import contextlib
import json
import signal
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.brokers import HANG_S
from tests.esp32.machines import ROOT, command, environment, umqtt
from ugw_flash.esp32.compile import cross_compile

HEAP = "56k"
SCRIPT = ROOT / "tests/esp32/vm_uplink.py"
_MODULES = (
    "gateway/__init__",
    "gateway/core/__init__",
    "gateway/core/backoff",
    "gateway/esp32/__init__",
    "gateway/esp32/clock",
    "gateway/esp32/dial",
    "gateway/esp32/names",
    "gateway/esp32/overlay",
    "gateway/esp32/uplink",
)
_PATIENCE_MS = 15000  # of dial.py

Said = dict[str, Any]


def compiled(folder: Path, patience_ms: int = _PATIENCE_MS) -> Path:
    """Compile what the connection is made of, as it is on the flash; return the folder.

    It gives up on a broker after `patience_ms`.
    """
    for module in _MODULES:
        out = folder / f"{module}.mpy"
        out.parent.mkdir(parents=True, exist_ok=True)
        text = (ROOT / f"{module}.py").read_text(encoding="utf-8")
        if patience_ms != _PATIENCE_MS and module.endswith("dial"):
            line = f"_PATIENCE_MS = {_PATIENCE_MS}\n"
            assert line in text
            text = text.replace(line, f"_PATIENCE_MS = {patience_ms}\n")
        cross_compile(text, f"{module}.py", out)
    return folder


class Board:
    """One run of vm_uplink.py; `said` is what it has said so far."""

    def __init__(self, modules: Path, **asked: Any) -> None:  # noqa: ANN401 - the script's own
        settings = {"host": "127.0.0.1", **asked}
        self._command = command("32", SCRIPT, json.dumps(settings), heap=HEAP)
        self._environment = environment(modules, umqtt())
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._changed = asyncio.Condition()
        self.said: list[Said] = []

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            cwd=ROOT,
            env=self._environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        self._reading = asyncio.create_task(self._read(self._process), name="board")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process is not None
        assert self._reading is not None
        self.power_off()
        await self._process.wait()
        await self._reading

    def power_off(self) -> None:
        """End it at once, if it has not ended."""
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGKILL)

    def press_enter(self) -> None:
        """Let it go on that waits for it."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")

    async def until(self, event: str, times: int = 1) -> Said:
        """Return what it says at the `times`-th of these events."""
        await self.when(lambda: len(self.all(event)) >= times)
        return self.all(event)[times - 1]

    async def until_cause(self, words: str) -> Said:
        """Return what it says at the first cause with these words."""

        def found() -> list[Said]:
            return [each for each in self.all("cause") if words in each["cause"]]

        await self.when(lambda: bool(found()))
        return found()[0]

    async def when(self, condition: Callable[[], bool]) -> None:
        """Wait until it has said what fulfils the condition."""
        async with self._changed, asyncio.timeout(HANG_S):
            await self._changed.wait_for(lambda: condition() or self._ended())
        assert condition(), self.said

    def all(self, event: str) -> list[Said]:
        """Return all of one kind so far."""
        return [each for each in self.said if each.get("event") == event]

    def _ended(self) -> bool:
        return any(each.get("event") == "gone" for each in self.said)

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            await self._take(line.decode(errors="replace"))
        await self._take('{"event": "gone"}')

    async def _take(self, line: str) -> None:
        try:
            said = json.loads(line)
        except ValueError:
            said = {"event": "noise", "text": line}
        async with self._changed:
            self.said.append(said)
            self._changed.notify_all()
