"""The chain walked link by link: what the machine says, what is tried, what the agent knows.

Nothing is started or changed. Where the agent runs, the broker is not bothered; where it does not,
the broker is visited as `ugw check` does, which leaves an event there.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from typing import Final, Protocol

import msgspec

from gateway.cli.doctor import (
    acknowledgement,
    agent,
    disk,
    network,
    platform,
    power,
    radios,
    sensors,
    timekeeping,
)
from gateway.cli.doctor.finding import Finding
from gateway.cli.doctor.machine import Machine
from gateway.cli.local_agent import AgentAwayError, Sensor, Status
from gateway.cli.preflight import Probe, Verdict, examine
from gateway.clock import ClockReading
from gateway.config import InvalidConfigError, Settings, Whereabouts

_LOOK_S: Final = 1.0  # between two looks at what the broker has acknowledged


class AgentAsked(Protocol):
    """The agent of this machine, as far as it can be asked."""

    def status(self) -> Status:
        """Return how it is. Raises AgentAwayError."""
        ...

    def sensors(self) -> list[Sensor]:
        """Return what it hears. Raises AgentAwayError."""
        ...

    def runs(self) -> bool:
        """Whether it runs, though it may not answer."""
        ...


class Host(Protocol):
    """A clock, as gateway.clock has it."""

    def reading(self) -> ClockReading:
        """Return what is known of the time."""
        ...


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """What there is to look at; without settings the configuration cannot be used: `invalid`."""

    machine: Machine
    clock: Host
    wall_s: Callable[[], float]
    where: Whereabouts
    settings: Settings | None
    invalid: InvalidConfigError | None
    probes: list[Probe]
    asked: AgentAsked


class Patience(msgspec.Struct, frozen=True):
    """For how long an acknowledgement is waited for, and by which clock."""

    wait_s: float
    now_s: Callable[[], float]
    pause: Callable[[float], Awaitable[object]]
    waiting: Callable[[float], None]
    """Told how many seconds are left, at every look."""


class Examination:
    """One walk along the chain; `agent` and `sensors` are those of its end."""

    def __init__(self, site: Site, patience: Patience) -> None:
        self.agent: Status | None = None
        self.sensors: list[Sensor] = []
        self.findings: list[Finding] = []
        self._site = site
        self._patience = patience
        self._away: AgentAwayError | None = None
        self._within_s = patience.wait_s

    async def walk(self) -> AsyncGenerator[Finding]:
        """Yield what is found, link by link, in their order."""
        for finding in power.look(self._site.machine):
            yield self._note(finding)
        verdicts: dict[str, Verdict] = {}
        await examine(self._site.probes, lambda verdict: verdicts.update({verdict.name: verdict}))
        self._ask()
        for finding in self._here(verdicts):
            yield self._note(finding)
        await self._wait()
        for finding in self._beyond(verdicts):
            yield self._note(finding)
        for finding in list(agent.rest(self.agent, self.findings)):
            yield self._note(finding)

    def _note(self, finding: Finding) -> Finding:
        self.findings.append(finding)
        return finding

    def _here(self, verdicts: dict[str, Verdict]) -> Iterator[Finding]:
        site = self._site
        yield from disk.look(site.machine, site.where.store.path, verdicts, self.agent)
        state = site.clock.reading().state
        yield from timekeeping.look(site.machine, state, site.wall_s(), self.agent)
        connected = self.agent is not None and self.agent.uplink.connected
        yield from network.look(site.machine, reached=connected or platform.reached(verdicts))
        yield from platform.name(site.settings, verdicts)
        yield from platform.tls(site.settings, verdicts)

    def _beyond(self, verdicts: dict[str, Verdict]) -> Iterator[Finding]:
        known, away = self.agent, self._away
        yield from platform.broker(known, verdicts)
        yield from agent.look(known, away, self._site.invalid, runs=self._site.asked.runs())
        yield acknowledgement.judge(known, away, self._within_s)
        yield from radios.look(self._site.settings, verdicts, known)
        yield from sensors.look(known, self.sensors)

    # ----------------------------------------------------------------------------------- the agent
    def _ask(self) -> None:
        try:
            self.agent, self.sensors = self._site.asked.status(), self._site.asked.sensors()
            self._away = None
        except AgentAwayError as away:
            self.agent, self._away = None, away

    async def _wait(self) -> None:
        """Give the agent time until it has an acknowledgement to show; none, where none runs."""
        patience = self._patience
        until_s = patience.now_s() + patience.wait_s
        self._within_s = acknowledgement.patience_s(self.sensors, patience.wait_s)
        if not self._site.where.http.enabled:
            return
        # It may answer those who may not see whether it has its store.
        while not self._is_shown() and (self.agent is not None or self._site.asked.runs()):
            left_s = until_s - patience.now_s()
            if left_s <= 0:
                return
            patience.waiting(left_s)
            await patience.pause(min(left_s, _LOOK_S))
            self._ask()

    def _is_shown(self) -> bool:
        return self.agent is not None and acknowledgement.is_fresh(self.agent, self._within_s)
