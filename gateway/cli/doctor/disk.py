"""Whether what is not yet acknowledged is safe: the medium, the room on it, the store.

It reads what the kernel has counted and what `ugw check` finds by writing a file and removing it.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from gateway.cli.doctor.finding import Finding, Light, Link, Value
from gateway.cli.doctor.machine import Machine
from gateway.cli.local_agent import Status
from gateway.cli.preflight import State, Verdict
from gateway.cli.preflight.store import NAMES, SPACE

_ERRORS: Final = "/sys/fs/ext4/*/errors_count"  # of all times, until fsck clears it
_LIGHTS: Final = {State.WARNING: Light.YELLOW, State.FAILED: Light.RED}
_MEMORY_ONLY, _QUARANTINED, _NORMAL = "memory-only", "quarantined", "normal"


def look(
    machine: Machine, folder: Path, verdicts: Mapping[str, Verdict], agent: Status | None
) -> Iterator[Finding]:
    """Say all that is wrong with the disk the store lies on, or that it is well."""
    # Who may not write the store finds it unusable; the agent that has it knows better.
    names = NAMES if agent is None else (SPACE,)
    tried = _tried({name: verdicts[name] for name in names if name in verdicts})
    found = [*_medium(machine, folder), *tried, *_of_the_agent(agent)]
    if found:
        yield from found
        return
    medium = machine.medium(folder)
    free_bytes = 0 if medium is None else medium.free_bytes
    yield _finding(Light.GREEN, "disk.good", path=str(folder), free_bytes=free_bytes)


def _finding(light: Light, name: str, **values: Value) -> Finding:
    return Finding(link=Link.DISK, light=light, id=name, values=values)


def _medium(machine: Machine, folder: Path) -> Iterator[Finding]:
    medium = machine.medium(folder)
    if medium is not None and medium.read_only:
        yield _finding(Light.RED, "disk.read_only", path=str(folder))
    for path in machine.paths(_ERRORS):
        count = machine.read(path) or ""
        if count.isdecimal() and int(count):
            device = Path(path).parent.name
            yield _finding(Light.YELLOW, "disk.errors", device=device, count=int(count))


def _tried(verdicts: Mapping[str, Verdict]) -> Iterator[Finding]:
    for name, verdict in verdicts.items():
        if verdict.state in _LIGHTS:
            light, said = _LIGHTS[verdict.state], {"cause": verdict.text, "remedy": verdict.remedy}
            yield _finding(light, f"disk.{name}", **said)


def _of_the_agent(agent: Status | None) -> Iterator[Finding]:
    """Say what the agent knows of its store, which it has and nobody else may try."""
    if agent is None:
        return
    told, lacks = agent.status, agent.store
    if told.store_state == _MEMORY_ONLY:
        yield _finding(Light.RED, "disk.memory_only", cause=lacks.cause, remedy=lacks.remedy)
    elif lacks.cause:
        yield _finding(Light.RED, "disk.gives_up", cause=lacks.cause, remedy=lacks.remedy)
    if told.store_state == _QUARANTINED:
        yield _finding(Light.YELLOW, "disk.quarantined")
    if told.level != _NORMAL:
        waiting = told.backlog.observations
        yield _finding(Light.YELLOW, "disk.filling", waiting=waiting)
