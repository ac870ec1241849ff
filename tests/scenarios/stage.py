"""One scenario's stage: a simulated world, a real broker, a strict platform, the agent as it runs.

Whatever a scenario does, at its end it is judged the same way (`Stage.judge`): nothing lost,
nothing invented, nothing twice under another key, both laws exact in every status, no word of a
stranger, and every message that came true to the strict schema.
"""

import asyncio
import os
import re
import signal
from collections.abc import (
    AsyncGenerator,
    Callable,
    Coroutine,
    Generator,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

from gateway.model import Bundle
from gateway.sim.agent_config import AgentOptions, device_name
from gateway.sim.broker import Offer, ScriptedBroker
from gateway.sim.expectations.leaks import Addresses
from gateway.sim.ledger import KILL_MARGIN_NS, Ledger, Sent
from gateway.sim.proxy import Line, Proxy
from gateway.sim.sensors import SensorOptions
from tests.brokers import Mosquitto, ServerTls, Subscriber, Taken, free_port
from tests.scenarios.agents import (
    AgentProcess,
    BoardRun,
    boot_ns,
    contents,
    copy_store,
    kept_numbers,
    kept_rows,
)
from tests.scenarios.air import MODEM, HeardBoard, HeardWorld
from tests.scenarios.judge import Judge
from tests.scenarios.media import SmallMedium
from tests.scenarios.spoken import Spoken
from tests.schema.published import Json

HANG_GUARD_S: Final = 30.0  # no promise: only the end of a wait that would never end
POLL_S: Final = 0.02
BLE: Final = "ble:hci0"
SERIAL: Final = f"serial:{MODEM}"
KEY: Final = bytes(range(16))
GATEWAY: Final = "gw-sim"
ROOT: Final = f"ugw/v1/kiel/{GATEWAY}"
LORA_STRANGER: Final = 60_999  # its address is looked for in all that is written

# Nothing is limited by policy, unless a scenario is about that.
OPEN_INTAKE: Final = "intake: {burst: 10000, per_second: 1000}"
HEARS_FRAMES: Final = 40  # of the sensors': after so many also the modem is set up
BOARD_INTAKE: Final = "intake: {burst: 1000, per_second: 1000}"  # it counts no further


class Setting(NamedTuple):
    """What a scenario begins with; of each model so many sensors."""

    gateway: str = GATEWAY
    agent: str = "pi"  # or on a simulated board: "files" it loads, "frozen" in its firmware
    plain: int = 3
    encrypted: int = 3
    ruuvi: int = 2
    lora: int = 2
    modem: str = "reyax-rylr998"
    modem_settings: str = ""
    crowd: tuple[SensorOptions, ...] = ()  # listed, silent by themselves, followed by nobody
    every_s: float = 0.4
    scan: str = "passive"
    intake: str = OPEN_INTAKE
    delivery: str = "delivery: {}"
    clock: str = "clock: {source: system}"
    http: str = "http: {enabled: false}"  # agents of several scenarios run at once
    acl: str = ""
    line: Line | None = None  # the way to the broker; None: straight
    tls: ServerTls | None = None  # the platform goes by a door of its own, without
    offer: Offer | None = None  # of a scripted broker; None: it is mosquitto
    events: int = 0  # so many of the plain sensors are of class event
    sheds: bool = False  # routine may be thinned out, and what is lost is declared
    troubles: tuple[str, ...] = ()  # what storeState may be beside ok

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


class Stage:
    """Everything around the agent, and the agent. Entered, all but the agent is running.

    `beside` another stage it has a world and an agent of its own, and that one's broker.
    """

    def __init__(
        self, directory: Path, setting: Setting, *, beside: "Stage | None" = None
    ) -> None:
        self._directory = directory
        self._setting = setting
        self.on_board = setting.agent != "pi"
        # A board is off by as much as the answer of its time server was under way.
        self.spoken = Spoken(earliest_s=0.25) if self.on_board else Spoken()
        self.store = directory / "agent" / "store"  # where the test finds it
        self.root = f"ugw/v1/kiel/{setting.gateway}"
        self.neighbour = beside
        self._judge = Judge(self.root, losses=setting.sheds, troubles=setting.troubles)
        self._events: set[str] = set()  # devices of that class
        self._read = 0
        self._stack = AsyncExitStack()
        self._config = Path()
        self._copies: list[Path] = []
        self._away_since_ns: int | None = None
        self.air: HeardWorld | HeardBoard = (
            HeardBoard(self.spoken, setting.modem, setting.agent)
            if self.on_board
            else HeardWorld(self.spoken, setting.modem)
        )
        self.door: int = beside.door if beside else free_port()  # of the platform
        self.broker: Mosquitto = beside.broker if beside else self._make_broker()
        self.scripted: ScriptedBroker = (
            beside.scripted if beside else ScriptedBroker(setting.offer)
        )
        platform = Subscriber(self.door, name=f"platform-{setting.gateway}")
        self.platform = Taken(self.scripted) if setting.offer else platform
        self.runs: list[AgentProcess] = []
        self.environment: Mapping[str, str] = {}  # of agents to come, beside the world's
        self.within: Sequence[str] = ()  # what their command is to run in

        if beside is not None:
            beside.neighbour = self

    def _make_broker(self) -> Mosquitto:
        return Mosquitto(
            self._directory / "broker",
            acl=self._setting.acl,
            tls=self._setting.tls,
            lines=(f"listener {self.door} 127.0.0.1",),
        )

    async def __aenter__(self) -> Self:
        given = self._setting
        await self._stack.enter_async_context(self.air)
        port = await self._start_broker()
        await self._stack.enter_async_context(self.platform)
        self.link = Proxy(port, given.line)
        if given.line is not None:
            port = (await self._stack.enter_async_context(self.link)).port
        intake = BOARD_INTAKE if self.on_board and given.intake == OPEN_INTAKE else given.intake
        clock = "clock: {}" if self.on_board else given.clock
        lines = (clock, intake, given.delivery, given.http, "")
        agent = AgentOptions(
            gateway=given.gateway,
            mqtt_port=port,
            scan=given.scan,
            modem=given.modem_settings,
            extra="\n".join(lines),
        )
        for options in self._setting.sensors():
            sensor = self.air.add_sensor(options)
            device = device_name(options, agent)
            assert sensor.place is not None, "its frames cannot be told apart"
            self.spoken.listen(device, options, sensor.place)
        followed = len(self.air.sensors)
        for options in self._setting.crowd:
            self.air.add_sensor(options)
        self._config = self.air.agent_config(self._directory / "agent", agent)
        del self.air.sensors[followed:]
        for sensor in self.air.sensors[: given.events]:
            self._make_event(sensor.options.address)
            self._events.add(device_name(sensor.options, agent))
        return self

    @property
    def world(self) -> HeardWorld:
        """The world of an agent on Linux."""
        assert isinstance(self.air, HeardWorld)
        return self.air

    @property
    def board(self) -> HeardBoard:
        """The world of an agent on a board."""
        assert isinstance(self.air, HeardBoard)
        return self.air

    def _make_event(self, address: str) -> None:
        entry = f'{{address: "{address}"'
        text = self._config.read_text()
        assert text.count(entry) == 1
        self._config.write_text(text.replace(entry, f"{entry}, class: event"))

    async def _start_broker(self) -> int:
        is_scripted = self._setting.offer is not None
        if self.neighbour is None and is_scripted:
            await self._stack.enter_async_context(self.scripted)
        elif self.neighbour is None:
            self.broker.start()
            self._stack.callback(self.broker.kill)
        return self.scripted.port if is_scripted else self.broker.port

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for run in self.runs:
            run.kill()  # a board's last run, whichever is asked
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
        status = self._judge.statuses[-1] if self._judge.statuses else {}
        counted = {name: status.get(name) for name in ("state", "counters", "dropped")}
        text = f"it did not come about; missing {self.missing()[:5]}; last told {counted};"
        text += f" the agent said:\n{said}"
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
            if self.neighbour and message.topic.startswith(f"{self.neighbour.root}/"):
                continue
            observations = self._judge.take(message)
            for observation in observations:
                self.spoken.check(observation)
            if observations:
                self.ledger.received(message.payload)
        return self._judge

    @property
    def ledger(self) -> Ledger:
        """The books of what was sent and what arrived."""
        return self.air.ledger

    def missing(self) -> list[Sent]:
        """Return what was heard and has not arrived, and should have."""
        late = self.ledger.missing()
        return [one for one in late if not self._setting.sheds or one.device in self._events]

    async def all_arrived(self, *, guard_s: float = HANG_GUARD_S) -> None:
        """Return at a moment at which all that was heard has arrived."""
        await self.until(lambda: not self.air.on_the_way and not self.missing(), guard_s=guard_s)

    async def all_heard(self) -> None:
        """Return when nothing is on its way to the agent, strangers' frames neither.

        What a radio takes it hands on in order, so one that has arrived says so of those before.
        """
        self.air.transmit(self.air.sensors[0].emit())
        await self.all_arrived()

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
    def config(self) -> Path:
        """The agent's configuration, which may be rewritten between two runs."""
        return self._config

    async def start_agent(self) -> AgentProcess:
        """Start it with the one configuration; return when it hears."""
        if self.on_board:
            return await self.start_board()
        self.runs.append(self._run_agent())
        await self.logged(f"transport {BLE} is up", f"transport {SERIAL} is up")
        self._hears_again()
        return self.agent

    async def start_board(self, *, connected: bool = True) -> AgentProcess:
        """Flash the board if that was not done; give it power; return when it hears.

        Not `connected`: there is no broker to be ready with, only sensors to be heard.
        """
        if not self.runs:
            made = self.board.flash(self._config, reboots=False)
            self.store = made.directory / "root/store"
        run = BoardRun(self.board.board)
        self.runs.append(run)
        before = self.board.audible
        await run.start(ready=connected)
        await self.until(lambda: connected or self.board.audible > before + HEARS_FRAMES)
        self._hears_again()
        return run

    def another_agent(self) -> AgentProcess:
        """Start one more on the same configuration, beside the one that runs."""
        self.runs.insert(0, self._run_agent())
        return self.runs[0]

    def _run_agent(self) -> AgentProcess:
        log = self._directory / f"agent{len(self.runs)}.log"
        environment = {**self.air.environment(), **self.environment}
        return AgentProcess(self._config, log, environment, within=self.within)

    def live_on(self, medium: SmallMedium) -> None:
        """Have the store of all agents to come on a medium of its own, until the end."""
        self.store, self.within = medium.store, medium.within
        self._stack.callback(medium.close)

    async def logged(self, *texts: str) -> None:
        """Return when the agent has said each of the texts."""
        await self.until(lambda: all(text in self.agent.log for text in texts))

    def kill_agent(self) -> list[Bundle]:
        """Kill it, copy its store; return the rows in the copy."""
        self._away_since_ns = self.agent.kill()
        copy = copy_store(self.store, self._directory / f"killed{len(self.runs)}")
        self._copies.append(copy)
        return [] if self.on_board else kept_rows(copy)

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
        task = asyncio.create_task(self.air.run(), name="sensors")
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
        assert not self.scripted.violations
        judge.judge_messages()
        judge.judge_ends()
        judge.judge_losses(exactly=not self._copies)
        for copy in self._copies:
            for stream, numbers in kept_numbers(copy).items():
                assert numbers <= judge.numbers[stream] | judge.lost.numbers[stream]
        self._judge_privacy()
        for run in self.runs:
            assert "Traceback" not in run.log, run.log
            assert "CRITICAL" not in run.log, run.log

    def _of_sensors(self, frames: list[tuple[str, int]]) -> list[tuple[str, int]]:
        return [frame for frame in frames if self.spoken.knows(frame[0])]

    def _judge_privacy(self) -> None:
        """No address that is not listed, in whatever form, anywhere."""
        texts = [run.log.encode() for run in self.runs]
        for store in (copy_store(self.store, self._directory / "end"), *self._copies):
            texts += contents(store)
        for message in self.platform.messages:
            texts += (message.topic.encode(), message.payload)
        strangers = Addresses(self.ledger.strangers)
        assert not {found for text in texts for found in strangers.in_bytes(text)}
        # Not within a longer number: a time in ms holds these digits now and then.
        stranger = re.compile(rb"(?<!\d)%d(?!\d)" % LORA_STRANGER)
        assert not [text for text in texts if stranger.search(text)]


Body = Callable[[Stage], Coroutine[Any, Any, None]]


def play(body: Body, directory: Path, setting: Setting, *, guard_s: float) -> None:
    """Play one scenario to its end and judge it."""

    async def main() -> None:
        async with asyncio.timeout(guard_s), Stage(directory, setting) as stage:
            await body(stage)
            stage.judge()

    asyncio.run(main())
