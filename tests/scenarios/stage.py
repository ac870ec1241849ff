"""One scenario's stage: a simulated world, a real broker, a strict platform, the agent as it runs.

Whatever a scenario does, at its end it is judged the same way (`Stage.judge`): nothing lost,
nothing invented, nothing twice under another key, both laws exact in every status, no word of a
stranger.
"""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

from gateway.model import Bundle
from gateway.sim.agent_config import AgentOptions, device_name
from gateway.sim.bluez_air import Advertisement
from gateway.sim.ledger import KILL_MARGIN_NS, Ledger, Sent
from gateway.sim.sensors import Emission, LoraPacket, Sensor, SensorOptions
from gateway.sim.world import World
from tests.brokers import Mosquitto, Subscriber
from tests.scenarios.agents import AgentProcess, boot_ns, contents, copy_store, kept_rows
from tests.scenarios.judge import Json, Judge
from tests.scenarios.link import SlowLink
from tests.scenarios.spoken import Spoken

HANG_GUARD_S: Final = 30.0  # no promise: only the end of a wait that would never end
POLL_S: Final = 0.02
BLE: Final = "ble:hci0"
MODEM: Final = "usb-lora"
SERIAL: Final = f"serial:{MODEM}"
KEY: Final = bytes(range(16))
ROOT: Final = "ugw/v1/kiel/gw-sim"
LORA_STRANGER: Final = 60_999  # its address is looked for in all that is written

# Nothing is limited by policy, unless a scenario is about that.
OPEN_INTAKE: Final = "intake: {burst: 10000, per_second: 1000}"


class Setting(NamedTuple):
    """What a scenario begins with; of each model so many sensors."""

    plain: int = 3
    encrypted: int = 3
    ruuvi: int = 2
    lora: int = 2
    crowd: tuple[SensorOptions, ...] = ()  # listed, silent by themselves, followed by nobody
    every_s: float = 0.4
    scan: str = "passive"
    intake: str = OPEN_INTAKE
    delivery: str = "delivery: {}"
    acl: str = ""
    link_delay_s: float = 0.0  # 0: straight to the broker

    def sensors(self) -> Iterable[SensorOptions]:
        """Yield the sensors that the site lists."""
        kinds = (
            ("bthome-v2", "A4:C1:38:00:00:{:02X}", self.plain),
            ("bthome-v2-encrypted", "A4:C1:38:00:01:{:02X}", self.encrypted),
            ("ruuvi-rawv2", "CB:B8:33:4C:88:{:02X}", self.ruuvi),
            ("cayenne-lpp", "lora:{}", self.lora),
        )
        for model, address, count in kinds:
            for number in range(count):
                yield SensorOptions(
                    model=model,
                    address=address.format(number + 1),
                    every_s=self.every_s,
                    key=KEY if "encrypted" in model else b"",
                )


class _HeardWorld(World):
    """A world that somebody listens to beside the agent."""

    def __init__(self, spoken: Spoken) -> None:
        super().__init__(modems=[MODEM])
        self._spoken = spoken
        self.packets = 0  # that the modem passed on

    def transmit(self, emission: Emission) -> bool:
        """Send, noting what was said."""
        self._spoken.note(emission)
        return super().transmit(emission)

    def _deliver(self, copy: Advertisement | LoraPacket) -> bool:
        taken = super()._deliver(copy)
        self.packets += taken and isinstance(copy, LoraPacket)
        return taken

    def lora(self, address: int, payload: bytes) -> None:
        """Let a LoRa node say anything, past the ledger."""
        packet = LoraPacket(address=address, payload=payload, rssi_dbm=-80, snr_db=5)
        assert self._deliver(packet), "the port is full"

    @property
    def audible(self) -> int:
        """How many frames the agent could hear: every one, whoever sent it."""
        assert not self.bluez.counters.overrun
        return self.bluez.counters.signalled + self.packets


class Stranger:
    """A sensor like ours that this site does not list: all the agent needs to decode it."""

    def __init__(self, model: str, address: str) -> None:
        self._sensor = Sensor(SensorOptions(model=model, address=address, every_s=0.5), seed=7)
        self.first_s, self.gap_s = self._sensor.first_s, self._sensor.gap_s

    def emit(self) -> Emission:
        """Measure and send; nobody follows its serial."""
        emission = self._sensor.emit()
        return Emission(address=emission.address, serial=None, copies=emission.copies)


class Stage:
    """Everything around the agent, and the agent. Entered, all but the agent is running."""

    def __init__(self, directory: Path, setting: Setting) -> None:
        self._directory = directory
        self._setting = setting
        self._spoken = Spoken()
        self._judge = Judge("kiel", "gw-sim")
        self._read = 0
        self._stack = AsyncExitStack()
        self._config = Path()
        self._copies: list[Path] = []
        self._away_since_ns: int | None = None
        self.world = _HeardWorld(self._spoken)
        self.broker = Mosquitto(directory / "broker", acl=setting.acl)
        self.platform = Subscriber(self.broker.port)
        self.runs: list[AgentProcess] = []

    async def __aenter__(self) -> Self:
        self.broker.start()
        self._stack.callback(self.broker.kill)
        await self._stack.enter_async_context(self.world)
        await self._stack.enter_async_context(self.platform)
        port = self.broker.port
        if self._setting.link_delay_s:
            link = SlowLink(self.broker.port, self._setting.link_delay_s)
            port = (await self._stack.enter_async_context(link)).port
        lines = ("clock: {source: system}", self._setting.intake, self._setting.delivery, "")
        agent = AgentOptions(mqtt_port=port, scan=self._setting.scan, extra="\n".join(lines))
        for options in self._setting.sensors():
            sensor = self.world.add_sensor(options)
            device = device_name(options, agent)
            self._spoken.listen(device, options, sensor.model.serial)
        followed = len(self.world.sensors)
        for options in self._setting.crowd:
            self.world.add_sensor(options)
        self._config = self.world.agent_config(self._directory / "agent", agent)
        del self.world.sensors[followed:]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for run in self.runs:
            run.kill()
        await self._stack.aclose()

    # ------------------------------------------------------------------------------------- waiting
    async def until(self, condition: Callable[[], bool], *, guard_s: float = HANG_GUARD_S) -> None:
        """Return as soon as it holds, with all messages judged that have come."""
        with suppress(TimeoutError):
            async with asyncio.timeout(guard_s):
                while not self._holds(condition):  # noqa: ASYNC110 - processes set no event
                    await asyncio.sleep(POLL_S)
                return
        said = self.agent.log if self.runs else ""
        text = (
            f"it did not come about; missing {self.ledger.missing()[:5]}; the agent said:\n{said}"
        )
        raise AssertionError(text)

    def _holds(self, condition: Callable[[], bool]) -> bool:
        self.read()
        return condition()

    async def passed(self, seconds: float) -> None:
        """Return when so much time has passed, for scenarios that are about time."""
        clock_s = asyncio.get_running_loop().time
        end_s = clock_s() + seconds
        await self.until(lambda: clock_s() >= end_s, guard_s=seconds + HANG_GUARD_S)

    def read(self) -> Judge:
        """Judge what has come since; return the judge."""
        new, self._read = self.platform.messages[self._read :], len(self.platform.messages)
        for message in new:
            observations = self._judge.take(message)
            for observation in observations:
                self._spoken.check(observation)
            if observations:
                self.ledger.received(message.payload)
        return self._judge

    @property
    def ledger(self) -> Ledger:
        """The books of what was sent and what arrived."""
        return self.world.ledger

    def missing(self) -> list[Sent]:
        """Return what was heard and has not arrived."""
        return self.ledger.missing()

    async def all_arrived(self, *, guard_s: float = HANG_GUARD_S) -> None:
        """Return at a moment at which all that was heard has arrived."""
        await self.until(lambda: not self.missing(), guard_s=guard_s)

    async def arrived(self, more: int) -> None:
        """Return when so many more different frames have arrived."""
        self.read()
        enough = self.ledger.arrived_count + more
        await self.until(lambda: self.ledger.arrived_count >= enough)

    async def sent(self, more: int, *, guard_s: float = HANG_GUARD_S) -> None:
        """Return when so many more frames were sent."""
        enough = self.ledger.sent_count + more
        await self.until(lambda: self.ledger.sent_count >= enough, guard_s=guard_s)

    # --------------------------------------------------------------------------------------- agent
    @property
    def agent(self) -> AgentProcess:
        """The agent that runs, or ran last."""
        return self.runs[-1]

    @property
    def store(self) -> Path:
        """The folder of its store."""
        return self._directory / "agent" / "store"

    async def start_agent(self) -> AgentProcess:
        """Start it with the one configuration; return when it hears."""
        self.runs.append(self._run_agent())
        await self.logged(f"transport {BLE} is up", f"transport {SERIAL} is up")
        self._hears_again()
        return self.agent

    def another_agent(self) -> AgentProcess:
        """Start one more on the same configuration, beside the one that runs."""
        self.runs.insert(0, self._run_agent())
        return self.runs[0]

    def _run_agent(self) -> AgentProcess:
        log = self._directory / f"agent{len(self.runs)}.log"
        return AgentProcess(self._config, log, self.world.environment())

    async def logged(self, *texts: str) -> None:
        """Return when the agent has said each of the texts."""
        await self.until(lambda: all(text in self.agent.log for text in texts))

    def kill_agent(self) -> list[Bundle]:
        """Kill it, copy its store; return the rows in the copy."""
        self._away_since_ns = self.agent.kill()
        copy = copy_store(self.store, self._directory / f"killed{len(self.runs)}")
        self._copies.append(copy)
        return kept_rows(copy)

    def _hears_again(self) -> None:
        """Excuse what was not accepted yet when it ended, and what was sent while it was away."""
        if self._away_since_ns is not None:
            self.ledger.away(self._away_since_ns - KILL_MARGIN_NS, boot_ns())
            self._away_since_ns = None

    async def end_agent(self) -> None:
        """Ask it to end, in order; return when the platform has heard its farewell."""
        self._away_since_ns = boot_ns()
        self.agent.terminate()
        await self.until(lambda: self.agent.code is not None)
        assert self.agent.code == 0, self.agent.log
        await self.until(lambda: self.read().last["state"] == "offline")

    # -------------------------------------------------------------------------------------- air
    @asynccontextmanager
    async def sending(self) -> AsyncGenerator[None]:
        """Let all sensors send meanwhile."""
        task = asyncio.create_task(self.world.run(), name="sensors")
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    @contextmanager
    def unheard(self) -> Generator[None]:
        """Excuse what is sent meanwhile: nobody can hear it."""
        since_ns = boot_ns()
        yield
        self.ledger.away(since_ns, boot_ns())

    def transport(self, name: str, status: Json | None = None) -> Json:
        """Return what a status, by default the newest, says of a transport."""
        told = self.read().last if status is None else status
        return next(t for t in told["transports"] if t["name"] == name)

    def permit(self, acl: str) -> None:
        """Give the broker another access list; it takes it up without a restart."""
        path = self._directory / "broker" / "acl"
        path.write_text(acl)
        os.kill(self.broker.pid, signal.SIGHUP)

    # ----------------------------------------------------------------------------------- judgement
    def judge(self) -> None:
        """Judge the whole run."""
        judge = self.read()
        self._hears_again()
        assert not self.missing(), f"heard and lost: {self.missing()}"
        assert not self.ledger.contradictions()
        assert not self._of_sensors(self.ledger.repeats()), "arrived under two keys"
        assert not self._of_sensors(self.ledger.invented())
        judge.judge_ends()
        for copy in self._copies:
            for bundle in kept_rows(copy):
                end = bundle.first_seq + len(bundle.entries)
                assert set(range(bundle.first_seq, end)) <= judge.numbers[bundle.stream]
        self._judge_privacy()
        for run in self.runs:
            assert "Traceback" not in run.log, run.log
            assert "CRITICAL" not in run.log, run.log

    def _of_sensors(self, frames: list[tuple[str, int]]) -> list[tuple[str, int]]:
        return [frame for frame in frames if self._spoken.knows(frame[0])]

    def _judge_privacy(self) -> None:
        """No address that is not listed, in whatever form, anywhere."""
        texts: list[bytes | str] = [run.log for run in self.runs]
        for store in (self.store, *self._copies):
            texts += contents(store)
        for message in self.platform.messages:
            texts += (message.topic, message.payload)
        assert not self.ledger.leaks(texts)
        stranger = str(LORA_STRANGER).encode()
        assert not [t for t in texts if stranger in (t.encode() if isinstance(t, str) else t)]


Body = Callable[[Stage], Coroutine[Any, Any, None]]


def play(body: Body, directory: Path, setting: Setting, *, guard_s: float) -> None:
    """Play one scenario to its end and judge it."""

    async def main() -> None:
        async with asyncio.timeout(guard_s), Stage(directory, setting) as stage:
            await body(stage)
            stage.judge()

    asyncio.run(main())
