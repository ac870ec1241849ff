"""The way to the platform: name, connection, certificates, CONNECT, the right to publish.

Each step needs those before it; what can no longer be tried is said to be skipped. It connects as
the agent will, with its name and its will, takes leave, and leaves one message behind: an event
`agent.check`. While an agent runs it does not connect, for a broker throws out the first of two
clients with one name.
"""

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Final

import msgspec

from gateway import assembly
from gateway.aside import aside
from gateway.certification import is_placeholder
from gateway.cli.preflight.verdict import State, Verdict
from gateway.clock import ClockState, SystemClock
from gateway.config import Settings
from gateway.core import puback
from gateway.crypto import validity_of
from gateway.dial import TlsSettings, dial
from gateway.errors import UplinkError
from gateway.model import Moment, Outcome
from gateway.mqtt import Connection, MqttSettings, Will
from gateway.reasons import VersionRefusedError
from gateway.uplink import event, status
from gateway.uplink.certificates import CLOCK_REMEDY, WARN_DAYS, utc_text
from gateway.uplink.event import Event
from gateway.uplink.status import Identity
from gateway.uplink.topics import Topics
from gateway.version import __version__

NAME, CONNECTION, CERTIFICATE, BROKER, PUBLISH = (
    "name",
    "connection",
    "certificate",
    "broker",
    "publish",
)

RENEW: Final = "renew it"  # the remedy where a certificate still holds, though not for long

_RESOLVE_S: Final = 4.0
_CONNECT_S: Final = 5.0  # TCP and TLS; and again until CONNACK
_ACK_S: Final = 3.0
_LEAVE_S: Final = 0.5
_DAY_S: Final = 86_400
_NS_PER_MS: Final = 1_000_000
_BEFORE: Final = "not tried, for what stands above did not work"
_AGENT: Final = "not tried, for an agent is running and has the connection: ugw status"


async def look(settings: Settings, *, agent_runs: bool) -> AsyncGenerator[Verdict]:
    """Say step by step how far the way is open."""
    mqtt = assembly.mqtt_settings(settings)
    resolved = await _resolve(mqtt.host)
    yield resolved
    reached = resolved if resolved.state is not State.OK else await _reach(mqtt)
    yield reached if resolved.state is State.OK else Verdict.skipped(CONNECTION, _BEFORE)
    if mqtt.tls is not None and mqtt.tls.cert is not None:
        yield _own_certificate(mqtt.tls)
    if agent_runs or (reached.state is State.WARNING and reached.remedy != RENEW):
        why = _AGENT if agent_runs else _BEFORE
        yield Verdict.skipped(BROKER, why)
        yield Verdict.skipped(PUBLISH, why)
        return
    async for verdict in _converse(settings, mqtt):
        yield verdict


def names(settings: Settings) -> tuple[str, ...]:
    """Return what `look` will speak of."""
    tls = settings.mqtt.tls
    own = (CERTIFICATE,) if tls is not None and tls.cert is not None else ()
    return (NAME, CONNECTION, *own, BROKER, PUBLISH)


# ----------------------------------------------------------------------------------- the network
async def _resolve(host: str) -> Verdict:
    def ask() -> list[str]:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        return [str(address[0]) for *_, address in found]

    try:
        async with asyncio.timeout(_RESOLVE_S):
            addresses = await aside(ask, name="name resolution")
    except TimeoutError:
        cause = f"the name server did not answer for {host}"
        return Verdict.warning(NAME, cause, "is the network up? see /etc/resolv.conf")
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        cause = f"cannot resolve {host}: {reason}"
        return Verdict.warning(NAME, cause, "check mqtt.host and the name server")
    if addresses == [host]:
        return Verdict.ok(NAME, f"{host} is an address already")
    return Verdict.ok(NAME, f"{host} is {', '.join(dict.fromkeys(addresses))}")


async def _reach(mqtt: MqttSettings) -> Verdict:
    """Connect, with TLS where it is configured: chain, host name and dates are checked by it."""
    try:
        opened = await dial(mqtt.host, mqtt.port, tls=mqtt.tls, timeout_s=_CONNECT_S)
    except UplinkError as error:
        return Verdict.of(CONNECTION, error)
    with opened:
        where = f"{mqtt.host}:{mqtt.port}"
        if not isinstance(opened, ssl.SSLSocket):
            return Verdict.ok(CONNECTION, f"{where} answers; in clear, as configured")
        certificate = opened.getpeercert() or {}
        ends_at_s = ssl.cert_time_to_seconds(str(certificate["notAfter"]))
        return _dated(CONNECTION, f"{where}, {opened.version()}; its certificate", ends_at_s)


def _own_certificate(tls: TlsSettings) -> Verdict:
    """Say when the gateway's own certificate will do; that it is one was checked at load."""
    path = Path(tls.cert or "")
    try:
        content = path.read_bytes()
        begins_at_s, ends_at_s = validity_of(content)
        placeholder = is_placeholder(content)
    except (OSError, ValueError) as error:
        return Verdict.warning(CERTIFICATE, f"{path} cannot be read: {error}")
    if placeholder:
        cause = f"{path} is a placeholder: this gateway has no certificate yet"
        return Verdict.warning(CERTIFICATE, cause, "see why: systemctl status ugw-enrol")
    if begins_at_s > time.time():
        cause = f"our certificate is not valid before {utc_text(begins_at_s)}: {path}"
        return Verdict.warning(CERTIFICATE, cause, CLOCK_REMEDY)
    return _dated(CERTIFICATE, f"the gateway's own, {path},", ends_at_s)


def _dated(name: str, what: str, ends_at_s: float) -> Verdict:
    days = int((ends_at_s - time.time()) // _DAY_S)
    date = time.strftime("%Y-%m-%d", time.gmtime(ends_at_s))
    if days < 0:
        cause = f"{what} has expired on {date}"
        return Verdict.warning(name, cause, "renew it; or is this gateway's clock wrong?")
    text = f"{what} holds for {days} more days, until {date}"
    if days < WARN_DAYS:
        return Verdict.warning(name, text, RENEW)
    return Verdict.ok(name, text)


# ------------------------------------------------------------------------------------ the broker
async def _converse(settings: Settings, mqtt: MqttSettings) -> AsyncGenerator[Verdict]:
    """Connect as the agent does, publish one event, take leave."""
    given = msgspec.structs.replace(mqtt, connect_timeout_s=_CONNECT_S)
    try:
        verdicts = await _visit(settings, given)
    except VersionRefusedError as refused:
        yield Verdict.of(BROKER, refused)
        yield Verdict.skipped(PUBLISH, _unknowable("3.1.1"))
    except UplinkError as error:
        yield Verdict.of(BROKER, error)
        yield Verdict.skipped(PUBLISH, _BEFORE)
    else:
        for verdict in verdicts:
            yield verdict


async def _visit(settings: Settings, mqtt: MqttSettings) -> tuple[Verdict, Verdict]:
    """Return what the broker says to CONNECT and to PUBLISH. Raises UplinkError."""
    org, gateway = settings.gateway.org, settings.gateway.id
    identity = Identity(org=org, gateway=gateway, software=f"ugw {__version__}")
    topics = Topics(settings.topic_root)
    # The agent's own will, as no connection's: whoever knows a later one ignores it.
    will = Will(topics.status, status.will(identity, 0))
    async with Connection(mqtt, will) as connection:
        welcome = f"admits {mqtt.client_id} with MQTT {mqtt.version}"
        outcome = await _publish(connection, topics.event, _event(identity, settings))
        await connection.disconnect("checked", within_s=_LEAVE_S)
    return Verdict.ok(BROKER, welcome), _judged(outcome, topics, mqtt.version)


def _event(identity: Identity, settings: Settings) -> bytes:
    clock = SystemClock(settings.clock.source)
    believed = clock.reading().state is not ClockState.UNSYNCED
    sent_ms = clock.wall_ns() // _NS_PER_MS if believed else None
    checked = Event("agent.check", (), Moment(clock.boot_id, clock.boot_ns()))
    return event.render(identity, checked, sent_ms)


async def _publish(connection: Connection, topic: str, payload: bytes) -> Outcome:
    ended: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

    def done(outcome: Outcome) -> None:
        if not ended.done():
            ended.set_result(outcome)

    connection.publish(topic, payload, done=done)
    try:
        async with asyncio.timeout(_ACK_S):
            return await ended
    except TimeoutError:
        return Outcome(None, f"no acknowledgement within {_ACK_S:g} s")


def _judged(outcome: Outcome, topics: Topics, version: str) -> Verdict:
    """Say what an acknowledgement says of the right to publish."""
    code, allow = outcome.reason_code, f"allow it {topics.root}/#"
    if code is None:
        cause = f"a message to {topics.event} was not acknowledged: {outcome.cause}"
        return Verdict.warning(PUBLISH, cause, f"some brokers do so to what they deny: {allow}")
    if code >= puback.FAILURE:
        cause = f"the broker denies {topics.event}: {outcome.cause} (0x{code:02X})"
        return Verdict.warning(PUBLISH, cause, f"in the broker's access list {allow}")
    if version != "5":
        return Verdict.skipped(PUBLISH, _unknowable(version))
    unheard = "; nobody subscribes to it" if code == puback.NO_MATCHING_SUBSCRIBERS else ""
    return Verdict.ok(PUBLISH, f"allowed on {topics.event}{unheard}")


def _unknowable(version: str) -> str:
    return f"cannot be known: with MQTT {version} a broker acknowledges also what it denies"
