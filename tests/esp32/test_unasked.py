"""What a broker sends an ESP32 that nobody has asked for ends nothing and is not kept.

Some brokers subscribe their clients by themselves, and would do so again at the next connection.
"""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.brokers import strict_run
from tests.esp32.test_uplink import Start
from tests.esp32.test_uplink import modules as modules  # noqa: PLC0414 - a fixture
from tests.esp32.test_uplink import mosquitto as mosquitto  # noqa: PLC0414 - a fixture
from tests.esp32.uplink_board import Board
from tests.mqtt.test_unasked import MANY, PUBACK, PUBCOMP, PUBREC, Peer, unasked

COUNT = 50
STRAY = "stray"
SMALL, LARGE = b"x" * 20, b"x" * 4993  # it is taken; it is longer than what a board reads at once


async def served(modules: Path, peer: Peer) -> dict[str, Any]:
    """Let a board publish at a peer; what it tells at its end, to which it was connected."""
    async with (
        await asyncio.start_server(peer.serve, "127.0.0.1", 0) as server,
        Board(modules, port=server.sockets[0].getsockname()[1], count=COUNT) as board,
    ):
        end = await board.until("end")
    assert [each["cause"] for each in board.all("down")] == ["closed"]
    return end


@pytest.mark.parametrize("payload", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize(
    ("qos", "releases", "answers"),
    [
        (0, False, {}),
        (1, False, {PUBACK: len(MANY)}),
        (2, False, {PUBREC: len(MANY)}),
        (2, True, {PUBREC: len(MANY), PUBCOMP: len(MANY)}),
    ],
)
def test_it_is_answered_and_forgotten_and_our_messages_go_on(
    modules: Path, qos: int, answers: dict[int, int], payload: bytes, *, releases: bool
) -> None:
    """All of it stands before the first PUBACK, and is more than the heap would hold."""
    peer = Peer([unasked(qos, number, payload) for number in MANY], releases=releases)

    async def main() -> None:
        end = await served(modules, peer)
        assert (end["acked"], end["left"]) == (COUNT, 0)
        kinds = (PUBACK, PUBREC, PUBCOMP)
        assert {kind: peer.got[kind] for kind in kinds if peer.got[kind]} == answers

    strict_run(main())


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_one_that_is_larger_than_all_memory_ends_nothing(modules: Path, qos: int) -> None:
    peer = Peer([unasked(qos, 7, bytes(1_500_000)), unasked(1, 8, SMALL)])

    async def main() -> None:
        end = await served(modules, peer)
        assert (end["acked"], end["skipped"]) == (COUNT, 1)
        answers = Counter({PUBACK: 1}) + Counter({PUBREC: 1} if qos == 2 else {PUBACK: qos})
        assert {kind: peer.got[kind] for kind in answers} == answers

    strict_run(main())


async def run(*command: str) -> None:
    """Run one of mosquitto's programs to its end."""
    process = await asyncio.create_subprocess_exec(*command)
    assert await process.wait() == 0


def test_what_waits_with_qos_2_for_the_name_of_a_board_comes_once_and_no_more(
    modules: Path, mosquitto: Start
) -> None:
    """Somebody else has subscribed under it, or an administrator on the broker."""
    port = mosquitto().port
    to = ("-p", str(port), "-t", STRAY, "-q", "2")

    async def main() -> None:
        await run("mosquitto_sub", *to, "-i", "gw", "-c", "-E")
        for payload in ("first", "x" * 5_000, "last"):
            await run("mosquitto_pub", *to, "-m", payload)
        come: list[tuple[list[str], int]] = []
        for _ in range(2):
            async with Board(modules, port=port, count=COUNT) as board:
                end = await board.until("end")
            assert [each["cause"] for each in board.all("down")] == ["closed"]
            assert end["acked"] == COUNT
            come.append(([each["payload"] for each in board.all("message")], end["skipped"]))
        assert come == [(["first", "last"], 1), ([], 0)]

    strict_run(main())
