"""A medium that hangs for ever in a write does not keep the process alive."""

import subprocess
import sys
from pathlib import Path

HANG_S = 30

# Given up on as `patience.store_in_time` does it, only sooner.
PROGRAM = """
import asyncio, sys, threading
from pathlib import Path
from gateway.backlog.sqlite import SqliteBacklog
from gateway.model import Stream

async def main():
    backlog = SqliteBacklog(Path(sys.argv[1]))
    await backlog.open([Stream("S", "routine")])
    backlog._database.save_counters = lambda _counters: threading.Event().wait()
    try:
        async with asyncio.timeout(0.1):
            await backlog.save_counters({"C0:FF:EE:00:00:01": 1})
    except TimeoutError:
        print("given up")

asyncio.run(main())
"""


def test_a_process_ends_although_its_store_hangs(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=HANG_S,
        check=False,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "given up\n", "")
