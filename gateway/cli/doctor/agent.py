"""The agent itself: whether it runs, with which configuration, and what else it complains of."""

from collections.abc import Iterable, Iterator

from gateway.cli.doctor.finding import Finding, Light, Link, Value, overall
from gateway.cli.local_agent import AgentAwayError, Status
from gateway.config import InvalidConfigError


def look(
    agent: Status | None,
    away: AgentAwayError | None,
    invalid: InvalidConfigError | None,
    *,
    runs: bool,
) -> Iterator[Finding]:
    """Say how the agent is; `runs`: it holds its store, whether or not it answers."""
    if invalid is not None:
        first = invalid.findings[0].headline
        # One that runs has another, or may read what this user may not.
        light = Light.RED if agent is None else Light.YELLOW
        yield _finding(light, "agent.configuration", first=first, count=len(invalid.findings))
    if agent is None:
        values: dict[str, Value] = {
            "cause": str(away or ""),
            "remedy": away.remedy if away else "",
        }
        light, which = (Light.YELLOW, "agent.mute") if runs else (Light.RED, "agent.away")
        yield _finding(light, which, **values)
        return
    reload = agent.configuration.last_reload
    if reload is not None and not reload.ok:
        yield _finding(Light.RED, "agent.reload", first=(reload.cause.splitlines() or [""])[0])
    elif invalid is None:
        started_s = int(agent.process.started_ago_s)
        yield _finding(Light.GREEN, "agent.good", software=agent.status.software, for_s=started_s)


def rest(agent: Status | None, found: Iterable[Finding]) -> Iterator[Finding]:
    """Yield what the agent complains of where the chain would else be better than `ugw status`."""
    if agent is None:
        return
    theirs, ours = Light(agent.light), overall(found)
    if theirs is Light.GREEN or ours in (Light.RED, theirs):
        return
    for trouble in agent.troubles:
        if trouble.colour == theirs.value:
            said: dict[str, Value] = {"cause": trouble.cause, "remedy": trouble.remedy}
            yield _finding(theirs, "agent.trouble", **said)


def _finding(light: Light, which: str, **values: Value) -> Finding:
    return Finding(link=Link.AGENT, light=light, id=which, values=values)
