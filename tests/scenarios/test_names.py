"""The broker's name leads nowhere, elsewhere, or to too many places; and nothing waits for it.

A real agent asks a real name server through glibc. With addresses and ports of loopback alone.
"""

import socket
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest

from gateway.sim.broker import Offer
from tests.scenarios.agents import copy_store, kept_rows
from tests.scenarios.names import NXDOMAIN, SERVFAIL, asking, door, name_server
from tests.scenarios.stage import Setting, Stage

Play = Callable[..., None]

HOST: Final = "broker.city.test"
NAMED: Final = {"UGW__MQTT__HOST": HOST, "UGW__MQTT__ALLOW_CLEARTEXT": "true"}
HERE: Final = "127.0.0.1"  # where the broker is
PORTAL, MOVED, NOBODY, HOLE = "127.0.0.61", "127.0.0.62", "127.0.0.63", "127.0.0.64"
QUICK: Final = ("timeout:1", "attempts:1")
PATIENT: Final = ("timeout:30", "attempts:1")  # longer than an attempt to connect may take
FEW: Final = Setting(plain=2, encrypted=0, ruuvi=1, lora=1, offer=Offer())


class Again:
    """Lets the agent try again at once, by changing what makes no difference."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._keepalive_s = 30

    def now(self) -> None:
        config = self._stage.config
        before = config.read_text().replace(f"keepalive: {self._keepalive_s}s, ", "")
        self._keepalive_s += 1
        after = before.replace("mqtt: {", f"mqtt: {{keepalive: {self._keepalive_s}s, ", 1)
        config.write_text(after)
        self._stage.agent.hang_up()


def said(stage: Stage, cause: str) -> Callable[[], bool]:
    return lambda: any(cause in line for line in stage.agent.log.splitlines() if "down" in line)


@pytest.mark.slow
def test_whatever_the_name_server_says_is_told_apart_and_everything_heard_is_kept(
    play: Play, tmp_path: Path
) -> None:
    async def scenario(stage: Stage) -> None:
        stage.within, stage.environment = asking(tmp_path, *QUICK), NAMED
        port = stage.scripted.port
        async with name_server() as names, door(PORTAL, port):
            names.code = NXDOMAIN
            await stage.start_agent()
            again = Again(stage)
            async with stage.sending():
                await stage.until(said(stage, f"cannot resolve {HOST}: Name or service not known"))
                names.code = SERVFAIL
                again.now()
                await stage.until(said(stage, f"cannot resolve {HOST}: Temporary failure"))
                names.code, names.addresses = 0, (PORTAL,)
                again.now()
                await stage.until(said(stage, f"{HOST}:{port} answers, but not with MQTT"))
                names.addresses = (NOBODY,)
                again.now()
                await stage.until(said(stage, f"{HOST}:{port} refuses connections"))
                assert not stage.read().arrivals
                names.addresses = (HERE,)
                again.now()
                await stage.all_arrived()
            await stage.all_arrived()
            await stage.end_agent()

    play(scenario, FEW)


@pytest.mark.slow
def test_while_a_name_server_does_not_answer_all_that_is_heard_is_kept_and_the_end_is_in_order(
    play: Play, tmp_path: Path
) -> None:
    """A resolver that waits in the agent's loop would keep nothing for half a minute."""

    async def scenario(stage: Stage) -> None:
        stage.within, stage.environment = asking(tmp_path, *PATIENT), NAMED
        async with name_server() as names:
            names.silent = True
            await stage.start_agent()
            async with stage.sending():
                await stage.until(lambda: names.asked > 0)
                await stage.sent(20)
                rows = 0
                for number in range(3):  # the first question is still open
                    await stage.passed(1.5)
                    kept = len(kept_rows(copy_store(stage.store, tmp_path / f"copy{number}")))
                    assert kept > rows
                    rows = kept
                assert "uplink down" not in stage.agent.log
                await stage.until(said(stage, f"the name server did not answer for {HOST}"))
            await stage.until(lambda: not stage.air.on_the_way)
            stage.agent.terminate()
            await stage.until(lambda: stage.agent.code is not None)
            assert stage.agent.code == 0, "though a question is still open"
            names.silent, names.addresses = False, (HERE,)
            with stage.unheard():
                await stage.start_agent()
            await stage.all_arrived()
            await stage.end_agent()

    play(scenario, FEW)


@pytest.mark.slow
def test_a_broker_that_moves_is_found_where_it_is_now_and_dead_addresses_cost_moments(
    play: Play, tmp_path: Path
) -> None:
    async def scenario(stage: Stage) -> None:
        stage.within, stage.environment = asking(tmp_path, *QUICK), NAMED
        port = stage.scripted.port
        async with name_server() as names:
            names.addresses = (HERE,)
            await stage.start_agent()
            async with stage.sending():
                await stage.arrived(10)
                asked = names.asked
                async with door(MOVED, port, to=port):
                    with hole(port):
                        names.addresses = (HOLE, NOBODY, HOLE, NOBODY, MOVED)
                        stage.scripted.hang_up()
                        await stage.all_arrived()
                        await stage.arrived(10)
                    names.addresses = (HERE,)
                assert names.asked > asked, "it was asked anew"
                await stage.arrived(10)
            await stage.all_arrived()
            await stage.end_agent()

    play(scenario, FEW)


def hole(port: int) -> ExitStack:
    """Return an address that answers no SYN: the queue of its listener is full."""
    stack = ExitStack()
    listener, first = (stack.enter_context(socket.socket()) for _ in range(2))
    listener.bind((HOLE, port))
    listener.listen(0)
    first.connect((HOLE, port))
    return stack
