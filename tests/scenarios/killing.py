"""Lives of a real agent, each ended at another instant, and one ledger over all of them.

Sensors send, the broker comes and goes, and SIGKILL falls: some time after it hears, while it
starts, at a write of its store, in its farewell, in the checkpoint of its end. At the end of each
round all is judged (`Stage.judge`): what was sent 1.5 s or more before a kill arrives; so does
every row in the copy of the store that was taken at it; each run that recorded its streams is
declared, with the end that it had and no number lower than what it had kept.

With a slow sync (given, or found on this machine) the promised second does not hold: then what was
accepted is the rows in the copies, and what the broker had acknowledged.

The plan of a round comes from its seed; the instants are those of the real machine.
"""

import asyncio
import random
import re
import sqlite3
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, get_args

from gateway.model import Bundle
from gateway.sim.ledger import KILL_MARGIN_NS
from gateway.sim.process.levers import Levers
from gateway.sim.troubles import TROUBLES, DiskTrouble
from tests.scenarios.agents import AgentProcess, boot_ns, kept_rows
from tests.scenarios.stage import Setting, Stage
from tests.scenarios.strikes import Patience, Writes

if TYPE_CHECKING:
    from tests.schema.published import Json

Moment = Literal["running", "starting", "opening", "committing", "farewell", "checkpoint", "end"]
Weather = Literal["up", "stopped", "frozen"]

MOMENTS: Final[Sequence[Moment]] = get_args(Moment)
WEATHERS: Final[Sequence[Weather]] = get_args(Weather)
AWAY: Final[Sequence[Weather]] = ("stopped", "frozen")
SITE: Final = Setting(plain=3, encrypted=2, ruuvi=2, lora=2, events=1, every_s=0.4)
HANG_GUARD_S: Final = 60.0  # no promise: only the end of a wait that would never end

_STARTS_S: Final = 1.0  # about as long as a start takes: a kill falls in the midst of it
_FAREWELL_S: Final = 0.3  # the same of an end
# Writes there are at least, of a transaction, of a start, of a checkpoint.
_MOST_WRITES: Final[Mapping[Moment, int]] = {"committing": 6, "opening": 8, "checkpoint": 3}
_WRITES_WITHIN_S: Final = 8.0  # longer than a deadline: a commit comes
_PROMPT_S: Final = 0.3  # a sync that takes longer voids the promise of a second
_STORE: Final = "backlog.db"
_LOG: Final = f"{_STORE}-wal"
_UNREAD_NS: Final = 200_000_000  # sent so shortly before it is told to end, it may stand unread


class Life(NamedTuple):
    """One life of the agent: how the broker is, and when it ends."""

    moment: Moment
    weather: Weather
    then: Weather  # how the broker is when it ends
    after_s: float
    writes: int  # and at which write, where that is the moment


class Toll(NamedTuple):
    """What a round has cost, and shown."""

    ends: Counter[Moment]
    kills: int
    prompt: int  # kills at which the promise of a second held, and was judged
    rows: int  # found in the copies of stores taken at kills
    arrived: int  # different frames


def granted_bytes() -> int:
    """Return the memory that the systemd unit grants. It counts what is resident, prlimit more."""
    unit = Path(__file__).parents[2] / "config/ugw.service"
    (granted,) = re.findall(r"^MemoryMax=(\d+)M$", unit.read_text(), re.MULTILINE)
    return int(granted) * 1024 * 1024


def plan(seed: int, longest_s: float) -> Iterator[Life]:
    """Yield lives without an end: of each kind one, in a new order each time."""
    chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
    kinds: list[Moment] = ["running"]  # the first one hears: afterwards there is a store
    while True:
        moment = kinds.pop(0)
        spans = {"starting": _STARTS_S, "farewell": _FAREWELL_S}
        yield Life(
            moment=moment,
            weather=chance.choice(WEATHERS),
            then=chance.choice(_endings(moment)),
            after_s=chance.uniform(0, spans.get(moment, longest_s)),
            writes=chance.randint(1, _MOST_WRITES.get(moment, 1)),
        )
        kinds = kinds or chance.sample(MOMENTS, len(MOMENTS))


def _endings(moment: Moment) -> Sequence[Weather]:
    return AWAY if moment == "committing" else WEATHERS


class MortalStage(Stage):
    """A stage whose agent is ended again and again.

    `sync_s`: its medium does what `levers` tell it, at first to take so long for each sync.
    """

    def __init__(self, directory: Path, *, sync_s: float | None = None) -> None:
        super().__init__(directory, SITE)
        self.command: Sequence[str] = ("-m", "gateway")
        self.patience = Patience()
        self.ends: Counter[Moment] = Counter()
        self.kills = 0
        self.prompt = 0
        self.rows = 0
        self._folder = directory
        self.levers = Levers(directory / "levers")
        self._is_real = sync_s is None  # the medium
        self.within = ("prlimit", f"--data={granted_bytes()}")
        self._deaf_since_ns: int | None = 0  # until the first one hears
        self._weather: Weather = "up"
        self._owed: list[Json] = []  # what is to be declared of runs that have ended
        self._kept = defaultdict[str, set[int]](set)  # numbers in rows that a run has left
        if sync_s is not None:
            self.medium("slow", sync_s)
            launcher = "gateway.sim.process.launcher"
            self.command = ("-m", launcher, str(self.levers.path), "--")

    def medium(self, trouble: DiskTrouble, seconds: float = 0.0) -> None:
        """Let the medium be in trouble from now on; "slow" by nothing is none."""
        number = TROUBLES.index(trouble) + 1
        self.levers.pull(trouble_number=number, slow_ns=round(seconds * 1e9))

    def _run_agent(self) -> AgentProcess:
        log = self._folder / f"agent{len(self.runs)}.log"
        environment = {**self.air.environment(), **self.environment}
        return AgentProcess(
            self.config, log, environment, within=self.within, command=self.command
        )

    def spawn_agent(self) -> AgentProcess:
        """Start it, and do not wait for anything."""
        self.runs.append(self._run_agent())
        return self.agent

    def write_down(self) -> None:
        """Leave what the platform got, in its order, beside the logs and the copies of stores."""
        lines = (
            f"{'retained' if one.retain else 'live':9}{one.topic} {one.payload.decode()}\n"
            for one in self.platform.messages
        )
        (self._folder / "messages.txt").write_text("".join(lines))

    # ---------------------------------------------------------------------------------- the broker
    def turn(self, weather: Weather) -> None:
        """Let the broker be up, stopped in order, or frozen: the kernel answers for it."""
        if self._weather == "frozen":
            self.broker.thaw()
        if self._weather == "stopped" and weather != "stopped":
            self.broker.start()
        if weather == "stopped" and self._weather != "stopped":
            self.broker.stop()
        if weather == "frozen":
            self.broker.freeze()
        self._weather = weather

    # ------------------------------------------------------------------------------------ the ends
    def kill_agent(self) -> list[Bundle]:
        """Kill it, copy its store, note what that run owes; return the rows in the copy."""
        is_prompt = self._is_real and self.patience.worst_s(5.0) < _PROMPT_S
        has_ended = self.agent.code == 0
        rows = super().kill_agent()
        self.kills += not has_ended
        self.prompt += is_prompt and not has_ended
        self.rows += len(rows)
        if not has_ended:
            assert self._away_since_ns is not None
            self._deaf(self._away_since_ns - KILL_MARGIN_NS if is_prompt else 0)
        self._owe()
        return rows

    def terminate_agent(self) -> None:
        """Ask it to end; from now on it does not listen."""
        self._deaf(boot_ns() - _UNREAD_NS)
        self.agent.terminate()

    async def ended(self) -> None:
        """See that it ends in order."""
        await self.until(lambda: self.agent.code is not None, guard_s=HANG_GUARD_S)
        assert self.agent.code == 0, self.agent.log
        self._owe()

    def _deaf(self, since_ns: int) -> None:
        if self._deaf_since_ns is None or since_ns < self._deaf_since_ns:
            self._deaf_since_ns = since_ns

    def _hears_again(self) -> None:
        if self._deaf_since_ns is not None:
            self.ledger.away(self._deaf_since_ns, boot_ns())
        self._deaf_since_ns = self._away_since_ns = None

    # -------------------------------------------------------------------------------- declarations
    def _owe(self) -> None:
        """Note how the runs ended that the store remembers, from the newest copy or itself."""
        copy = self._folder / f"killed{len(self.runs)}"
        folder = copy if copy.exists() else self.store
        ends: dict[str, int] = {}
        for row in kept_rows(folder):
            stop = row.first_seq + len(row.entries)
            ends[row.stream] = max(ends.get(row.stream, 0), stop)
            self._kept[row.stream].update(range(row.first_seq, stop))
        with closing(sqlite3.connect(folder / _STORE)) as store:
            found = store.execute("SELECT id, clean, next_seq FROM stream").fetchall()
        for stream, is_clean, next_seq in found:
            end = "clean" if is_clean else "unclean"
            least = next_seq if next_seq is not None else ends.get(stream, 0)
            self._owed.append({"stream": stream, "end": end, "nextSeq": least})

    async def rows_arrived(self) -> None:
        """Wait for every row that a run has left: on a slow medium the ledger excuses more."""
        judge = self.read()
        await self.until(
            lambda: all(
                numbers <= judge.numbers[stream] | judge.lost.numbers[stream]
                for stream, numbers in self._kept.items()
            ),
            guard_s=HANG_GUARD_S,
        )

    def judge(self) -> None:
        """Judge the whole run, and what was declared of runs that were cut off."""
        super().judge()
        declared: dict[str, Json] = {}
        for status in self.read().statuses:
            declared.update({one["stream"]: one for one in status["previous"]})
        for owed in self._owed:
            told = declared[owed["stream"]]
            assert told["end"] == owed["end"], (told, owed)
            assert told["nextSeq"] >= owed["nextSeq"], (told, owed)


# -------------------------------------------------------------------------------------- the engine
async def play(stage: MortalStage, lives: Iterator[Life], kills: int) -> Toll:
    """Play lives until so many were cut off, then one that delivers everything; judge it all."""
    with stage.patience.looking(stage.store.parent):
        async with stage.sending():
            while stage.kills < kills:
                life = next(lives)
                await _live(stage, life)
                stage.ends[life.moment] += 1
            stage.turn("up")
            await stage.start_agent()
            await stage.arrived(10)
        await stage.all_arrived(guard_s=HANG_GUARD_S)
        await stage.rows_arrived()
        await stage.end_agent()
        stage.judge()
    return Toll(
        ends=stage.ends,
        kills=stage.kills,
        prompt=stage.prompt,
        rows=stage.rows,
        arrived=stage.ledger.arrived_count,
    )


async def _live(stage: MortalStage, life: Life) -> None:
    stage.turn(life.weather)
    if life.moment in {"starting", "opening"}:
        await _cut_start_short(stage, life)
    else:
        await stage.start_agent()
        await stage.passed(life.after_s if life.moment in {"running", "end"} else 0.0)
        stage.turn(life.then)
        await _end(stage, life)


async def _cut_start_short(stage: MortalStage, life: Life) -> None:
    if life.moment == "starting":
        stage.spawn_agent()
        await stage.passed(life.after_s)
    else:
        async with _struck(stage, life):
            stage.spawn_agent()
    stage.kill_agent()


async def _end(stage: MortalStage, life: Life) -> None:
    if life.moment == "end":
        stage.terminate_agent()
        await stage.ended()
        return
    if life.moment == "committing":
        async with _struck(stage, life, file=_LOG):
            pass
    elif life.moment == "farewell":
        stage.terminate_agent()
        await stage.passed(life.after_s)
    elif life.moment == "checkpoint":
        async with _struck(stage, life, file=_STORE):
            stage.terminate_agent()
    stage.kill_agent()


@asynccontextmanager
async def _struck(stage: MortalStage, life: Life, *, file: str = "") -> AsyncGenerator[None]:
    """Have the agent killed at a write of its store from now on, if there are so many."""
    with Writes(stage.store) as writes:
        yield
        strike = partial(writes.strike, life.writes, file, stage.agent)
        await asyncio.to_thread(strike, within_s=_WRITES_WITHIN_S)


class Round(NamedTuple):
    """What is to be played; `sync_s`: how long each sync is made to take."""

    seed: int
    kills: int
    longest_s: float
    sync_s: float = 0.0


def play_round(directory: Path, given: Round, *, guard_s: float) -> Toll:
    """Play a round on a stage of its own."""

    async def main() -> Toll:
        stage = MortalStage(directory, sync_s=given.sync_s or None)
        async with asyncio.timeout(guard_s), stage:
            try:
                return await play(stage, plan(given.seed, given.longest_s), given.kills)
            except BaseException:
                stage.write_down()
                raise

    return asyncio.run(main())
