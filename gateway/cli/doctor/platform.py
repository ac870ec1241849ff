"""The way to the platform: the broker's name, the connection with its certificates, the broker.

The agent's word counts for what it does itself; what it does not say is tried as by `ugw check`.
"""

from collections.abc import Iterator, Mapping

from gateway.cli.doctor.finding import Finding, Light, Link, Value
from gateway.cli.local_agent import Status
from gateway.cli.preflight import State, Verdict, network
from gateway.config import Settings
from gateway.config.mqtt import is_loopback

Verdicts = Mapping[str, Verdict]

_REDUCED = "reduced"


def reached(verdicts: Verdicts) -> bool:
    """Whether the broker's port answers, with a certificate that is trusted."""
    verdict = verdicts.get(network.CONNECTION)
    return verdict is not None and (verdict.state is State.OK or _ends_soon(verdict))


# ---------------------------------------------------------------------------------------- the name
def name(settings: Settings | None, verdicts: Verdicts) -> Iterator[Finding]:
    """Say whether the broker's name is resolved."""
    verdict = verdicts.get(network.NAME)
    if settings is None or verdict is None:
        yield _not_tried(Link.NAME)
        return
    host = settings.mqtt.host
    if verdict.state is not State.OK:
        yield _failed(Link.NAME, "name.bad", verdict, host=host)
    else:
        found = verdict.text.removeprefix(f"{host} is ")
        is_address = host[:1].isdecimal() or ":" in host
        which = "name.address" if is_address else "name.good"
        yield _good(Link.NAME, which, host=host, found=found)


# ---------------------------------------------------------------------------------- the connection
def tls(settings: Settings | None, verdicts: Verdicts) -> Iterator[Finding]:
    """Say whether a connection is made, and how long both certificates hold."""
    verdict = verdicts.get(network.CONNECTION)
    if settings is None or verdict is None or verdict.state is State.SKIPPED:
        yield _not_tried(Link.TLS)
    elif verdict.state is State.OK:
        yield _connected(settings, verdict)
    elif _ends_soon(verdict):
        yield _ending("tls.ends", verdict)
    else:
        yield _failed(Link.TLS, "tls.bad", verdict)
    own = verdicts.get(network.CERTIFICATE)
    if own is not None and own.state is State.WARNING:
        ends = _ends_soon(own)
        yield _ending("tls.own_ends", own) if ends else _failed(Link.TLS, "tls.own_bad", own)


def _connected(settings: Settings, verdict: Verdict) -> Finding:
    if settings.mqtt.tls is not None:
        return _good(Link.TLS, "tls.good", found=verdict.text)
    host = settings.mqtt.host
    if is_loopback(host):
        return _good(Link.TLS, "tls.local", host=host)
    values: dict[str, Value] = {"host": host}
    return Finding(link=Link.TLS, light=Light.YELLOW, id="tls.clear", values=values)


def _ends_soon(verdict: Verdict) -> bool:
    return verdict.state is State.WARNING and verdict.remedy == network.RENEW


def _ending(which: str, verdict: Verdict) -> Finding:
    values: dict[str, Value] = {"found": verdict.text}
    return Finding(link=Link.TLS, light=Light.YELLOW, id=which, values=values)


# -------------------------------------------------------------------------------------- the broker
def broker(agent: Status | None, verdicts: Verdicts) -> Iterator[Finding]:
    """Say how it stands with the broker: by the agent's word, or by a visit in its name."""
    if agent is None:
        yield from _visited(verdicts)
        return
    uplink, waiting = agent.uplink, agent.status.backlog.observations
    where: dict[str, Value] = {"host": uplink.host, "port": uplink.port}
    if not uplink.connected:
        said: dict[str, Value] = {"cause": uplink.cause, "remedy": uplink.remedy}
        said |= {**where, "waiting": waiting}
        yield Finding(link=Link.BROKER, light=Light.RED, id="broker.away", values=said)
        return
    if agent.status.guarantee == _REDUCED:
        yield Finding(link=Link.BROKER, light=Light.YELLOW, id="broker.reduced", values=where)
    else:
        since_s = int(uplink.since_s or 0)
        yield _good(Link.BROKER, "broker.connected", since_s=since_s, **where)
    if bundles := agent.status.set_aside.bundles:
        refused: dict[str, Value] = {"bundles": bundles}
        yield Finding(link=Link.BROKER, light=Light.YELLOW, id="broker.set_aside", values=refused)


def _visited(verdicts: Verdicts) -> Iterator[Finding]:
    admitted, allowed = verdicts.get(network.BROKER), verdicts.get(network.PUBLISH)
    if admitted is None or allowed is None or admitted.state is State.SKIPPED:
        yield _not_tried(Link.BROKER)
    elif admitted.state is not State.OK:
        yield _failed(Link.BROKER, "broker.refuses", admitted)
    elif allowed.state is State.WARNING:
        yield _failed(Link.BROKER, "broker.denies", allowed)
    else:
        yield _good(Link.BROKER, "broker.admits", found=admitted.text)


def _good(link: Link, which: str, **values: Value) -> Finding:
    return Finding(link=link, light=Light.GREEN, id=which, values=values)


def _failed(link: Link, which: str, verdict: Verdict, **more: Value) -> Finding:
    values: dict[str, Value] = {"cause": verdict.text, "remedy": verdict.remedy, **more}
    return Finding(link=link, light=Light.RED, id=which, values=values)


def _not_tried(link: Link) -> Finding:
    return Finding(link=link, light=Light.UNKNOWN, id="chain.not_tried")
