"""SIGKILL at any moment: what `append` returned for is there, and the store opens at once."""

import asyncio
import ctypes
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

from gateway.backlog.sqlite import SqliteBacklog
from tests.backlog.places import bundle, run_streams

KILLS: Final = 8
_PR_SET_PDEATHSIG: Final = 1
_libc = ctypes.CDLL(None)  # loaded here: nothing may be loaded between fork and exec

AGENT: Final = """
import asyncio, sys
from pathlib import Path
from gateway.backlog.sqlite import SqliteBacklog
from tests.backlog.places import bundle, run_streams

async def main():
    backlog = SqliteBacklog(Path(sys.argv[1]))
    routine, event = run_streams(sys.argv[2])
    await backlog.open((routine, event))
    while True:
        bundles = [bundle(routine, 7), bundle(event)]
        rows = await backlog.append(bundles, {"one": routine.next_seq})
        for each in bundles:
            print("kept", *each.key, flush=True)
        if routine.next_seq % 35 == 0:
            print("settling", *bundles[1].key, flush=True)
            await backlog.settle(rows[1:])

asyncio.run(main())
"""


def _die_with_parent() -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _killed_agent(directory: Path, run: str, lines: int) -> tuple[set[str], set[str]]:
    """Run an agent, kill it once it has said `lines` lines; what it said was kept and settled."""
    with subprocess.Popen(
        [sys.executable, "-c", AGENT, str(directory), run],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=_die_with_parent,  # noqa: PLW1509 - calls one function, loaded before
    ) as agent:
        assert agent.stdout is not None
        said = [agent.stdout.readline() for _ in range(lines)]
        agent.kill()
        said += agent.stdout.readlines()
    assert agent.returncode == -signal.SIGKILL
    whole = [line.split() for line in said if line.endswith("\n")]
    kept = {" ".join(key) for word, *key in whole if word == "kept"}
    return kept, {" ".join(key) for word, *key in whole if word == "settling"}


def test_every_row_that_append_returned_for_outlives_sigkill(tmp_path: Path) -> None:
    chance = random.Random()  # noqa: S311 - the moments of the kills
    kept: set[str] = set()
    settled: set[str] = set()
    for life in range(KILLS):
        more, gone = _killed_agent(tmp_path, f"LIFE{life}", chance.randrange(2, 400))
        kept |= more
        settled |= gone
    assert len(kept) > KILLS

    async def main() -> None:
        backlog = SqliteBacklog(tmp_path)
        recovery = await backlog.open(run_streams("LAST"))
        assert (recovery.quarantined, recovery.unclean) == ("", True)
        assert len(recovery.previous) == 2 * KILLS
        found: set[str] = set()
        while leased := await backlog.lease(256):
            found |= {f"{each.bundle.stream} {each.bundle.first_seq}" for each in leased}
            assert all(
                each.bundle.entries == bundle_again(each.bundle.stream, each.bundle.first_seq)
                for each in leased[:1]
            )
            await backlog.settle([each.row for each in leased])
        assert kept - settled <= found
        await backlog.close((), {})

    asyncio.run(main())


def bundle_again(stream: str, first_seq: int) -> object:
    """Return the entries that the agent put into this bundle."""
    routine, event = run_streams(stream.partition("-")[0])
    which, count = (routine, 7) if stream == routine.id else (event, 1)
    return bundle(which, count, first_seq=first_seq).entries
