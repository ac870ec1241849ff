"""Whether the clock can be believed, and who keeps it right. Only asked, never set."""

import time
from collections.abc import Iterator
from typing import Final

import msgspec

from gateway.cli.doctor.finding import Finding, Light, Link, Value
from gateway.cli.doctor.machine import Machine
from gateway.cli.local_agent import Status
from gateway.clock import ClockState

_SHOW: Final = (
    "timedatectl",
    "show-timesync",
    "--property=ServerName",
    "--property=ServerAddress",
)
_IS_ON: Final = ("timedatectl", "show", "--property=NTP")
_CHRONY: Final = ("chronyc", "-c", "-n", "tracking")
_CHRONY_FIELDS: Final = 5  # reference as a number, its name, stratum, ...
_NOBODY: Final = ("", "0.0.0.0", "[::]")  # noqa: S104 - what chrony says without a source
# No gateway of this version runs before it was written.
_FIRST_YEAR: Final = 2026


class Keeper(msgspec.Struct, frozen=True):
    """Who keeps the clock right: the server, "" where it is not known; off: nobody is to."""

    server: str = ""
    off: bool = False


def look(
    machine: Machine, state: ClockState, wall_s: float, agent: Status | None
) -> Iterator[Finding]:
    """Say how the clock is, by the kernel's word and the agent's, which remembers this boot's."""
    if state is ClockState.UNSYNCED and agent is not None:
        state = _remembered(agent)
    yield judge(state, wall_s, keeper(machine))


def _remembered(agent: Status) -> ClockState:
    held = agent.status.clock.state == ClockState.HOLDOVER
    return ClockState.HOLDOVER if held else ClockState.UNSYNCED


def judge(state: ClockState, wall_s: float, kept: Keeper) -> Finding:
    """Say it; `wall_s` is what the machine shows, Unix time."""
    shown = time.gmtime(wall_s)
    date: dict[str, Value] = {"date": time.strftime("%Y-%m-%d %H:%M UTC", shown)}
    if shown.tm_year < _FIRST_YEAR:
        return _finding(Light.RED, "time.past", **date)
    if state is ClockState.SYNCED:
        if kept.server:
            return _finding(Light.GREEN, "time.good", server=kept.server, **date)
        return _finding(Light.GREEN, "time.kept", **date)
    if kept.off:
        return _finding(Light.YELLOW, "time.off", **date)
    if state is ClockState.HOLDOVER:
        return _finding(Light.YELLOW, "time.holdover", **date)
    return _finding(Light.YELLOW, "time.unsynchronised", **date)


def _finding(light: Light, name: str, **values: Value) -> Finding:
    return Finding(link=Link.TIME, light=light, id=name, values=values)


def keeper(machine: Machine) -> Keeper:
    """Ask systemd's service, then chrony."""
    said = machine.run(*_SHOW)
    told = dict(line.split("=", 1) for line in (said or "").splitlines() if "=" in line)
    if server := told.get("ServerName") or told.get("ServerAddress"):
        return Keeper(server)
    if server := _chrony(machine):
        return Keeper(server)
    return Keeper(off=machine.run(*_IS_ON) == "NTP=no")


def _chrony(machine: Machine) -> str:
    fields = (machine.run(*_CHRONY) or "").split(",")
    server = fields[1] if len(fields) >= _CHRONY_FIELDS else ""
    return "" if server in _NOBODY else server
