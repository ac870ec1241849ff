"""Whether the broker has acknowledged an observation of this gateway, end to end: the green light.

Only the agent that runs can know: it heard a sensor, sent what it said, and got the PUBACK. That
the broker is connected proves nothing here, and what an earlier run left behind does not either.
"""

from typing import Final

from gateway.cli.doctor.finding import Finding, Light, Link, Value
from gateway.cli.local_agent import AgentAwayError, Sensor, Status

_REDUCED: Final = "reduced"
_LIVE: Final = "live"


def proven(agent: Status) -> int:
    """Return how many observations of this run the broker has acknowledged, at the least.

    `delivered` also counts what earlier runs left, and of a stream what was given up is settled.
    """
    counted = agent.status.counters
    lost = counted.get("setAside", 0) + counted.get("dropped", 0)
    settled = sum(stream.settled_below for stream in agent.status.streams)
    by_counters = counted.get("delivered", 0) - counted.get("recovered", 0)
    return max(0, by_counters, settled - lost)


def patience_s(sensors: list[Sensor], wait_s: float) -> float:
    """Return how old the newest acknowledgement may be: where all are slow, so is it."""
    expected = [each.expected_interval_s for each in sensors if each.expected_interval_s]
    return max(wait_s, min(expected, default=0.0))


def is_fresh(agent: Status, within_s: float) -> bool:
    """Whether the broker has just acknowledged an observation of this run."""
    uplink = agent.uplink
    newest_s = uplink.last_ack_ago_s
    return uplink.connected and newest_s is not None and newest_s <= within_s and proven(agent) > 0


def judge(agent: Status | None, away: AgentAwayError | None, within_s: float) -> Finding:
    """Say it; `within_s` is how old the newest acknowledgement may be."""
    if agent is None:
        values: dict[str, Value] = {"cause": str(away or "")}
        return _said(Light.RED, "no_agent", values)
    values = {"count": proven(agent), "within_s": int(within_s)}
    if not agent.uplink.connected:
        return _said(Light.RED, "not_connected", values)
    if not proven(agent):
        heard = agent.status.counters.get("observed", 0)
        return _said(Light.RED, "none" if heard else "nothing_heard", values)
    values["ago_s"] = int(agent.uplink.last_ack_ago_s or 0)
    doubt = _doubt(agent, within_s)
    return _said(Light.YELLOW if doubt else Light.GREEN, doubt or "good", values)


def _doubt(agent: Status, within_s: float) -> str:
    """Return why an acknowledgement does not mean that the platform has it; "" if it does."""
    if not is_fresh(agent, within_s):
        return "old"
    if agent.status.guarantee == _REDUCED:
        return "reduced"
    return "nobody" if _LIVE in agent.uplink.unheard else ""


def _said(light: Light, which: str, values: dict[str, Value]) -> Finding:
    name = f"{Link.ACKNOWLEDGEMENT}.{which}"
    return Finding(link=Link.ACKNOWLEDGEMENT, light=light, id=name, values=values)
