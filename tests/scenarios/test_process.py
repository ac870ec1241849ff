"""What happens to the agent's process: stopped, asked over and over, hindered, told to end.

The service manager is a stand-in that speaks systemd's protocol over a real socket.
"""

import asyncio
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from gateway.sim.agent_config import AgentOptions, device_name
from gateway.sim.process.levers import Levers
from gateway.sim.troubles import TROUBLES
from tests.managers import Manager, manager_on_a_path
from tests.scenarios.agents import AgentProcess, boot_ns
from tests.scenarios.killing import MortalStage
from tests.scenarios.stage import BLE, HANG_GUARD_S, POLL_S, SERIAL, Setting, Stage

Play = Callable[..., None]

CALM: Final = Setting(plain=3, encrypted=2, ruuvi=2, lora=2, every_s=0.4)
RELOADED: Final = "configuration reloaded changed="
STORM: Final = 200
NONE_TO_SPARE: Final = 3  # descriptors: those that are open stay, and no new one has a number
NO_BUS: Final = {"DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nonexistent/bus"}
CANNOT_START: Final = 4
FAILED: Final = 1  # the exit status of an end that could not keep all
END_GUARD_S: Final = 40.0  # no promise: a healthy end takes 4 s, one on a dead store 12 s
WATCHDOG_S: Final = 3.0
FED: Final = "WATCHDOG=1"
LOOKS: Final = 10
GUARD_S: Final = 240.0
ADVERTISERS: Final = {
    device_name(options, AgentOptions())
    for options in CALM.sensors()
    if not options.address.startswith("lora")
}


def in_mask(pid: int, mask: str, number: signal.Signals) -> bool:
    """Whether a signal is in a process's mask SigBlk (blocked) or SigCgt (caught) (proc(5))."""
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith(f"{mask}:"))
    return bool(int(line.split()[1], 16) >> (number - 1) & 1)


def test_storms_of_sighup_and_standing_still_cost_nothing_but_what_is_coalesced(
    play: Play,
) -> None:
    """The first storm comes while it starts. Of advertisements that pile up the newest counts."""

    async def scenario(stage: Stage) -> None:
        with manager_on_a_path() as manager:
            stage.environment = {"NOTIFY_SOCKET": manager.address}
            run = stage.another_agent()
            await stage.until(lambda: in_mask(run.pid, "SigBlk", signal.SIGHUP))
            await _storm(stage, run)
            await stage.logged("uplink up", RELOADED, f"{BLE} is up", f"{SERIAL} is up")
            assert manager.heard[0] == "READY=1", "told before the radios heard"
            async with stage.sending():
                await stage.arrived(10)
                since_ns = boot_ns()
                run.suspend()
                await stage.sent(40)
                run.resume()
                stage.ledger.excuse(since_ns, boot_ns(), ADVERTISERS)
                await _storm(stage, run)
                await stage.arrived(30)
            await stage.all_arrived()
            await stage.end_agent()
        counters = stage.read().last["counters"]
        assert counters["delivered"] + counters["coalesced"] == stage.ledger.sent_count

    play(scenario, CALM)


async def _storm(stage: Stage, run: AgentProcess) -> None:
    """Ask again and again; return when the last wish was heard."""
    before = run.log.count(RELOADED)
    for _ in range(STORM):
        run.hang_up()
    await stage.until(lambda: run.log.count(RELOADED) > before)


def test_without_a_file_descriptor_to_spare_it_goes_on_and_connects_once_it_has_one(
    play: Play,
) -> None:
    async def scenario(stage: Stage) -> None:
        run = await stage.start_agent()
        before = resource.prlimit(run.pid, resource.RLIMIT_NOFILE)
        async with stage.sending():
            await stage.arrived(10)
            resource.prlimit(run.pid, resource.RLIMIT_NOFILE, (NONE_TO_SPARE, before[1]))
            stage.broker.restart()
            await stage.logged("Too many open files")
            await stage.sent(40)
            resource.prlimit(run.pid, resource.RLIMIT_NOFILE, before)
            await stage.arrived(40)
        await stage.all_arrived()
        await stage.end_agent()

    play(scenario, CALM)


GOOD: Final = """\
config_version: 1
gateway: {org: kiel, id: gw-1}
mqtt: {host: 127.0.0.1, port: PORT, TLS}
store: {path: STORE}
transports:
  - {kind: ble, adapter: hci0}
http: {enabled: false}
"""


@contextmanager
def silent_broker() -> Generator[socket.socket]:
    """Listen, take connections, and never say a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(HANG_GUARD_S)
        yield listener


@pytest.mark.parametrize(
    ("tls", "ends_by"),
    [
        pytest.param("keepalive: 60s", signal.SIGTERM, id="waiting for CONNACK"),
        pytest.param("tls: {}", signal.SIGINT, id="in the TLS handshake"),
    ],
)
def test_told_to_end_while_it_connects_it_ends_in_order(
    tmp_path: Path, tls: str, ends_by: signal.Signals
) -> None:
    config = tmp_path / "gateway.yaml"
    with silent_broker() as listener:
        port = str(listener.getsockname()[1])
        text = GOOD.replace("PORT", port).replace("TLS", tls)
        config.write_text(text.replace("STORE", str(tmp_path / "store")))
        with subprocess.Popen(
            [sys.executable, "-m", "gateway", "run", "--config", config],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **NO_BUS},
        ) as agent:
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(HANG_GUARD_S)
                assert connection.recv(1), "it has not begun"
                agent.send_signal(ends_by)
                _, said = agent.communicate(timeout=END_GUARD_S)
    assert agent.returncode == 0, said
    assert "stopped clean" in said
    assert "Traceback" not in said


def test_told_to_end_while_its_store_does_not_open_it_does_not_wait_for_ever(
    tmp_path: Path,
) -> None:
    config = tmp_path / "gateway.yaml"
    text = GOOD.replace("PORT", "1").replace("TLS", "keepalive: 60s")
    config.write_text(text.replace("STORE", str(tmp_path / "store")))
    levers = Levers(tmp_path / "levers")
    levers.pull(trouble_number=TROUBLES.index("hang") + 1)
    launcher = ("-m", "gateway.sim.process.launcher", str(levers.path), "--")
    agent = AgentProcess(config, tmp_path / "agent.log", NO_BUS, command=launcher)
    try:
        wait_for((tmp_path / "store/backlog.lock").exists)
        assert in_mask(agent.pid, "SigCgt", signal.SIGTERM)
        agent.terminate()
        wait_for(lambda: agent.code is not None)
        assert agent.code == CANNOT_START, agent.log
        assert "cannot start: the store did not answer" in agent.log
    finally:
        agent.kill()


def wait_for(condition: Callable[[], bool]) -> None:
    """Return when it holds, or fail."""
    end_s = time.monotonic() + END_GUARD_S
    while not condition():
        assert time.monotonic() < end_s, "it did not come about"
        time.sleep(POLL_S)


def test_on_a_store_that_hangs_it_is_not_called_healthy_and_ends_in_bounded_time(
    tmp_path: Path,
) -> None:
    """What was not durable then is said to be lost; what was is delivered by the next run."""

    async def main() -> None:
        async with asyncio.timeout(GUARD_S), MortalStage(tmp_path, sync_s=0.0) as stage:
            async with stage.sending():
                await _told_to_end_on_a_store_that_hangs(stage)
                stage.medium("slow", 0.0)
                stage.turn("up")
                again = await stage.start_agent()
                await stage.arrived(10)
            assert "unclean=True" in again.log
            await stage.all_arrived()
            await stage.end_agent()
            stage.runs = [again]  # the other did say CRITICAL
            stage.judge()

    asyncio.run(main())


async def _told_to_end_on_a_store_that_hangs(stage: MortalStage) -> None:
    with manager_on_a_path() as manager:
        stage.environment = {
            "NOTIFY_SOCKET": manager.address,
            "WATCHDOG_USEC": str(int(WATCHDOG_S * 1e6)),
        }
        run = await stage.start_agent()
        await stage.until(lambda: manager.count(FED) >= 2)
        stage.turn("stopped")
        await stage.sent(60)
        stage.medium("hang")
        fed = await _fed_at_last(stage, manager)
        stage.terminate_agent()
        await stage.until(lambda: run.code is not None, guard_s=END_GUARD_S)
        assert manager.count(FED) == fed
    assert run.code == FAILED
    assert "observations could not be kept: the store did not answer" in run.log
    assert stage.kill_agent(), "nothing had been durable"
    stage.environment = {}


async def _fed_at_last(stage: Stage, manager: Manager) -> int:
    """How often the watchdog was fed before it would have bitten."""
    for _ in range(LOOKS):
        fed = manager.count(FED)
        await stage.passed(WATCHDOG_S)
        if manager.count(FED) == fed:
            return fed
    pytest.fail("the watchdog is fed although the store hangs")
