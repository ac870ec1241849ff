"""A bench in real time: the real agent runs, fails, is killed in it, and nothing outlives it."""

import asyncio
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import SimulatorError
from gateway.sim.bench import BenchOptions
from gateway.sim.broker import Offer
from gateway.sim.process.bench import ProcessBench
from gateway.sim.sensors import SensorOptions
from tests.brokers import strict_run
from tests.sim.test_world import alive
from tests.sim.worlds import until

HOUR_S = 3600
MODEM = "usb-lora"
TAGS = tuple(
    SensorOptions(model="bthome-v2", address=f"A4:C1:38:00:00:{number:02X}", every_s=0.1)
    for number in range(1, 4)
)
MODEMS = {MODEM: "reyax-rylr998"}
NODE = SensorOptions(model="cayenne-lpp", address="lora:1", every_s=0.1)
OPEN = "intake: {burst: 10000, per_second: 1000}"
HANG_S = 25.0  # strict_run's own is 30
needs_mosquitto = pytest.mark.skipif(
    shutil.which("mosquitto") is None, reason="no mosquitto: apt-get install mosquitto"
)


class Books:
    """The ledger of a bench, with what has come so far."""

    def __init__(self, bench: ProcessBench) -> None:
        self._bench = bench
        self._read = 0
        self.observations: list[Mapping[str, Any]] = []

    def all_arrived(self) -> bool:
        self.read()
        return not self._bench.air.ledger.missing()

    def read(self) -> None:
        mine = f"/{self._bench.options.gateway}/obs/"
        new, self._read = self._bench.messages[self._read :], len(self._bench.messages)
        for message in new:
            if mine in message.topic:
                self._bench.air.ledger.received(message.payload)
                self.observations += json.loads(message.payload)["observations"]

    async def close(self) -> None:
        """Wait until all that was heard has arrived; nothing may be wrong with it then."""
        await self._bench.until(self.all_arrived, within_s=HANG_S)
        ledger = self._bench.air.ledger
        assert ledger.sent_count > 0
        assert ledger.arrived_count > 0
        assert not ledger.invented()
        assert not ledger.repeats()
        assert not ledger.contradictions()


def statuses(bench: ProcessBench) -> list[Mapping[str, Any]]:
    return [json.loads(one.payload) for one in bench.messages if one.topic.endswith("/status")]


def states(bench: ProcessBench) -> list[str]:
    return [one["state"] for one in statuses(bench)]


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def in_bench(
    body: Callable[[ProcessBench], Awaitable[None]], options: BenchOptions
) -> ProcessBench:
    bench = ProcessBench(options)

    async def main() -> None:
        async with bench:
            await body(bench)

    strict_run(main())
    return bench


def test_what_was_heard_arrives_across_a_kill_and_an_orderly_end() -> None:
    async def body(bench: ProcessBench) -> None:
        books = Books(bench)
        await bench.gateway.start()
        await bench.broker.stop()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", bench.way.port)
        await bench.run(2.5)  # longer than it takes to be accepted
        assert bench.gateway.rss_bytes > 10_000_000
        bench.gateway.kill()
        assert not bench.gateway.running
        assert bench.gateway.code == -signal.SIGKILL
        assert b"air_temperature" in bench.gateway.files()["backlog.db, its rows unpacked"]
        await bench.broker.start()
        await bench.gateway.start()
        await bench.run(0.3)
        await books.close()
        assert await bench.gateway.stop() == 0
        assert await bench.gateway.stop() == 0  # it has ended: how, is known
        assert bench.gateway.starts == 2
        assert states(bench)[-1] == "offline"
        assert len(bench.messages_at_s) == len(bench.messages)
        assert 0 < bench.messages_at_s[0] <= bench.messages_at_s[-1] <= bench.at_s

    bench = in_bench(body, BenchOptions(sensors=(*TAGS, NODE), modems=MODEMS, settings=OPEN))
    assert "stopped clean" in bench.gateway.log, "what it said outlives its files"


def test_a_modem_that_is_plugged_in_again_and_an_agent_that_stalled_are_heard_again() -> None:
    async def body(bench: ProcessBench) -> None:
        books = Books(bench)
        await bench.gateway.start()
        modem = bench.air.modems[MODEM]
        modem.unplug()
        await bench.until(lambda: f"serial:{MODEM} is down" in bench.gateway.log)
        modem.plug()
        is_up = f"serial:{MODEM} is up"
        await bench.until(lambda: bench.gateway.log.count(is_up) == 2)
        bench.gateway.stall(is_stalled=True)
        assert state_of(bench.gateway.pid) == "T"
        assert bench.gateway.files()
        assert state_of(bench.gateway.pid) == "T", "who looks into its files lets it be"
        bench.gateway.stall(is_stalled=False)
        await bench.until(lambda: state_of(bench.gateway.pid) != "T")
        await bench.run(0.3)
        await books.close()
        assert {"lora", "ble"} == {one["link"]["medium"] for one in books.observations}

    in_bench(body, BenchOptions(sensors=(*TAGS, NODE), modems=MODEMS, settings=OPEN))


@needs_mosquitto
def test_a_subscriber_gets_everything_across_a_restart_of_a_real_broker() -> None:
    async def body(bench: ProcessBench) -> None:
        books = Books(bench)
        await bench.gateway.start()
        await bench.run(0.3)
        await bench.broker.stop()
        await bench.run(0.3)
        await bench.broker.start()
        await books.close()
        bench.broker.hang_up()
        bench.broker.freeze()
        bench.broker.thaw()
        await bench.run(0.3)
        await books.close()
        assert states(bench).count("online") >= 2

    in_bench(body, BenchOptions(sensors=TAGS, settings=OPEN, broker="mosquitto"))


@needs_mosquitto
def test_a_real_broker_refuses_what_only_a_scripted_one_can_be_told() -> None:
    async def body(bench: ProcessBench) -> None:
        for name in ("script", "offer", "connects", "received"):
            with pytest.raises(SimulatorError, match="mosquitto cannot") as caught:
                getattr(bench.broker, name)
            assert "scripted" in caught.value.remedy
        with pytest.raises(SimulatorError, match="0x8B"):
            bench.broker.disconnect(0x8B)

    in_bench(
        body, BenchOptions(broker="mosquitto", offer=Offer(receive_maximum=3, versions=(5, 4)))
    )
    with pytest.raises(SimulatorError, match="but a receive_maximum"):
        ProcessBench(BenchOptions(broker="mosquitto", offer=Offer(reason_code=0x87)))


def test_a_disk_that_fails_and_a_clock_that_steps_cost_nothing_and_a_power_cut_is_a_boot() -> None:
    async def body(bench: ProcessBench) -> None:
        books = Books(bench)
        await bench.gateway.start()
        bench.clock.step(HOUR_S)
        bench.way.refused = True
        bench.way.cut()
        bench.disk.trouble("eio")
        running = asyncio.create_task(bench.run(2.0))
        await bench.until(lambda: "(injected by the simulator)" in bench.gateway.log)
        bench.disk.heal()
        await bench.until(lambda: "store works again" in bench.gateway.log)
        await running
        bench.way.refused = False
        await books.close()
        assert "clock stepped by_ms=3" in bench.gateway.log
        bench.gateway.kill()
        bench.clock.show(0)
        bench.clock.synced(is_synced=False)
        await bench.gateway.start()
        await bench.run(0.3)
        await books.close()
        assert books.observations[-1]["timeQuality"] == "unknown"
        assert len({one["boot"] for one in statuses(bench) if "boot" in one}) == 2

    in_bench(body, BenchOptions(sensors=TAGS, settings=OPEN, launcher=True))


def test_disk_and_clock_can_be_told_unless_the_agent_runs_without_the_launcher() -> None:
    async def body(bench: ProcessBench) -> None:
        await bench.gateway.start()
        assert bench.air.bluez.listened, "it is up, although it says nothing"
        with pytest.raises(SimulatorError, match="own disk and clock") as caught:
            bench.disk.trouble("eio")
        assert "launcher=True" in caught.value.remedy
        with pytest.raises(SimulatorError, match="runs already"):
            await bench.gateway.start()
        bench.gateway.kill()
        bench.disk.trouble("readonly")
        with pytest.raises(SimulatorError, match="injected by the simulator"):
            await bench.gateway.start()

    in_bench(body, BenchOptions(settings="log: {level: warning}"))
    with pytest.raises(SimulatorError, match="another program"):
        in_bench(_step, BenchOptions(command=SLEEPER))


async def _step(bench: ProcessBench) -> None:
    bench.clock.step(1)


def test_an_agent_that_cannot_start_is_quoted() -> None:
    async def body(bench: ProcessBench) -> None:
        with pytest.raises(SimulatorError, match=r"ended with code 3(?s:.)*nonsense"):
            await bench.gateway.start()
        assert not bench.gateway.running

    in_bench(body, BenchOptions(settings="nonsense: 1"))


# ------------------------------------------------------------------------------- another program
STRANGER = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
ours = [name for name in os.environ if name.startswith(("UGW__", "NOTIFY_SOCKET"))]
print(os.environ["DBUS_SYSTEM_BUS_ADDRESS"], sys.argv[1], child.pid, *ours, flush=True)
time.sleep(60)
"""
SLEEPER = (sys.executable, "-c", "import time; time.sleep(60)")


def test_another_program_gets_the_bus_and_the_configuration_and_leaves_nobody_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("UGW__MQTT__HOST", "of.the.one.who.tests")
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/of/the/one/who/tests")
    said: list[str] = []

    async def body(bench: ProcessBench) -> None:
        await bench.gateway.start()
        await bench.until(lambda: bench.gateway.log.endswith("\n"))
        said.extend(bench.gateway.log.split())
        assert said[0] == bench.air.environment()["DBUS_SYSTEM_BUS_ADDRESS"]
        assert Path(said[1]) == bench.config
        assert said[3:] == ["UGW__CLOCK__SOURCE"], "what is meant for an agent of ours"
        said[3:] = [str(bench.gateway.pid)]
        assert bench.gateway.files() == {}
        bench.gateway.stall(is_stalled=True)
        await bench.until(lambda: [state_of(int(pid)) for pid in said[2:]] == ["T", "T"])

    in_bench(body, BenchOptions(command=(sys.executable, "-c", STRANGER, "{config}")))
    assert not [pid for pid in said[2:] if alive(int(pid))]
    with pytest.raises(SimulatorError, match="cannot be started") as caught:
        in_bench(_start, BenchOptions(command=("no-such-program",)))
    assert "no-such-program" in caught.value.remedy


def test_a_power_cut_is_another_boot_and_the_kill_of_a_process_is_not() -> None:
    async def body(bench: ProcessBench) -> None:
        cuts: list[int] = []
        bench.gateway.on_power_cut = lambda: cuts.append(bench.gateway.starts)
        for is_power in (False, True):
            await bench.gateway.start()
            bench.gateway.kill(power=is_power)
        assert cuts == [2]
        with pytest.raises(SimulatorError, match="does not run"):
            bench.gateway.kill()

    in_bench(body, BenchOptions(command=SLEEPER))


def test_an_agent_that_ends_by_itself_has_a_code_and_what_it_missed_is_excused() -> None:
    async def body(bench: ProcessBench) -> None:
        await bench.gateway.start()
        await bench.until(lambda: bench.gateway.code is not None)
        assert bench.gateway.code == await bench.gateway.stop() == 7
        sensor = bench.air.sensors[0]
        bench.air.ledger.sent(sensor.options.address, 1, bench.air.now_ns())
        assert bench.air.ledger.missing()
        await bench.gateway.start()
        assert not bench.air.ledger.missing()

    mortal = (sys.executable, "-c", "raise SystemExit(7)")
    in_bench(body, BenchOptions(command=mortal, sensors=TAGS[:1]))


async def _start(bench: ProcessBench) -> None:
    await bench.gateway.start()


# ---------------------------------------------------------------------------- nothing outlives it
def test_nothing_survives_a_bench_whose_test_fails() -> None:
    bench = ProcessBench(BenchOptions(command=SLEEPER))
    left: list[int | None] = []

    async def main() -> None:
        async with bench:
            await bench.gateway.start()
            bench.gateway.stall(is_stalled=True)  # not even then
            left.extend((bench.gateway.pid, bench.air.bus.pid))
            pytest.fail("the test's own assertion")

    with pytest.raises(pytest.fail.Exception, match="own assertion"):
        asyncio.run(main())
    assert len(left) == 2
    assert not [pid for pid in left if pid is None or alive(pid)]
    assert not bench.directory.exists()


DOOMED = """
import asyncio, signal, sys
from gateway.sim.bench import BenchOptions
from gateway.sim.process.bench import ProcessBench

async def main():
    async with ProcessBench(BenchOptions(command=sys.argv[1:])) as bench:
        await bench.gateway.start()
        print(bench.gateway.pid, bench.air.bus.pid, bench.air.directory, flush=True)
        await asyncio.Event().wait()

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
asyncio.run(main())
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_nothing_runs_on_when_whoever_has_a_bench_is_interrupted_or_killed(
    how: signal.Signals,
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", DOOMED, "/bin/sh", "-c", '"$@" & wait', "sh", *SLEEPER],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as doomed:
        try:
            assert doomed.stdout is not None
            *pids, directory = doomed.stdout.readline().split()
            assert [pid for pid in pids if alive(int(pid))] == pids
            children = Path(f"/proc/{pids[0]}/task/{pids[0]}/children")
            asyncio.run(asyncio.wait_for(until(lambda: bool(children.read_text())), HANG_S))
            pids += children.read_text().split()
            doomed.send_signal(how)
            doomed.wait(HANG_S)
        finally:
            doomed.kill()  # else the end of `with` waits for it, whatever has failed
    if how is signal.SIGINT:
        assert not [pid for pid in pids if alive(int(pid))]
        assert not Path(directory).exists()
    asyncio.run(asyncio.wait_for(until(lambda: not any(alive(int(pid)) for pid in pids)), HANG_S))
    shutil.rmtree(directory, ignore_errors=True)


def test_two_benches_do_not_meet_and_beside_each_other_they_share_a_broker_alone(
    tmp_path: Path,
) -> None:
    def options(name: str, tag: SensorOptions, gateway: str) -> BenchOptions:
        return BenchOptions(sensors=[tag], directory=tmp_path / name, gateway=gateway)

    first = ProcessBench(options("first", TAGS[0], "gw-sim"))
    second = ProcessBench(options("second", TAGS[1], "gw-other"), beside=first)
    stranger = ProcessBench(options("stranger", TAGS[0], "gw-sim"))

    async def main() -> None:
        async with first, second, stranger:
            benches = (first, second, stranger)
            await asyncio.gather(*(one.gateway.start() for one in benches))
            await asyncio.gather(*(one.run(0.5) for one in benches))
            for bench in benches:
                await Books(bench).close()
            assert gateways(first) == gateways(second) == {"gw-sim", "gw-other"}
            assert gateways(stranger) == {"gw-sim"}

    strict_run(main())
    assert (tmp_path / "first" / "agent.log").exists(), "a directory that was given stays"


def gateways(bench: ProcessBench) -> set[str]:
    return {message.topic.split("/")[3] for message in bench.messages}
