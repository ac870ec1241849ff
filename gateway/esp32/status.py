"""The status message on an ESP32: what the agent is and holds, to the byte as the Pi says it.

An overlay: imported when a status is due, forgotten afterwards. It is written straight into the
uplink's packet, piece by piece: nobody has the memory for it twice (docs/reference/schema.md).
"""

from gateway.core.wire import quote, rfc3339_ms

TYPE_CHECKING = False  # MicroPython has no typing; the build leaves all of this out
if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.esp32.ble import Scanner
    from gateway.esp32.clock import Clock
    from gateway.esp32.delivery import Delivery
    from gateway.esp32.main import Agent
    from gateway.esp32.uart import Port

_SLACK = 32  # bytes: numbers may grow meanwhile
_RANGES = 16  # told here; all of them went out as events


def will(agent: "Agent", session: int) -> str:
    """Return what the broker says when we are gone: no more than will still be true then."""
    return "{" + _head(agent, session) + ',"state":"offline","clean":false}'


def publish(agent: "Agent", online: bool) -> int:
    """Publish birth and heartbeat, or the farewell of an orderly stop; return the packet id."""
    uplink = agent.uplink
    state = '"online"' if online else '"offline","clean":true'
    room = _SLACK  # written twice, so that no memory is taken that is not needed
    for piece in _pieces(agent, state):
        room += len(piece.encode())
    uplink.begin(agent.site.root + "/status", room)
    for piece in _pieces(agent, state):
        uplink.add(piece)
    return uplink.send(True)


def _pieces(agent: "Agent", state: str) -> "Iterator[str]":
    clock, now = agent.clock, agent.clock.now()
    sent_ms = None if clock.offset_ms is None else clock.offset_ms + now
    yield "{" + _head(agent, agent.session, sent_ms)
    yield f',"state":{state},"boot":{quote(clock.boot)},"uptimeMs":{now},'
    yield _clock(clock)
    yield ',"streams":['
    yield ",".join([_stream(agent, klass) for klass in ("routine", "event")])
    yield '],"previous":'
    yield ended(agent.previous)
    yield ',"dropped":['
    yield ",".join([_loss(clock, *loss) for loss in agent.losses.latest[-_RANGES:]])
    yield _store(agent.delivery)
    yield ',"setAside":{"bundles":0,"bytes":0},"transports":['
    yield ",".join([_transport(each, now) for each in agent.transports()])
    yield '],"counters":{'
    yield ",".join([f'"{name}":{value}' for name, value in agent.counters()])
    yield "}}"


def _head(agent: "Agent", session: int, sent_ms: int | None = None) -> str:
    site = agent.site
    sent = "" if sent_ms is None else f',"sentTime":"{rfc3339_ms(sent_ms)}"'
    return (
        f'"schema":"ugw.status/1","org":{quote(site.org)},"gateway":{quote(site.gateway)}'
        f',"session":{session}{sent},"software":{quote(site.software)}'
    )


def _clock(clock: "Clock") -> str:
    error = clock.max_error_ms()
    text = f'"clock":{{"state":"{clock.state()}","source":"sntp"'
    if error is not None:
        text += f',"maxErrorMs":{error}'
    if clock.offset_ms is not None:
        text += f',"bootTimeMs":{clock.offset_ms}'
    return text + "}"


def _stream(agent: "Agent", klass: str) -> str:
    stream = agent.streams[klass]
    settled = agent.delivery.settled_below(klass)
    for loss in agent.losses.untold:
        if loss[0] == stream:
            settled = min(settled, loss[1])  # until the broker knows that it is lost
    return (
        f'{{"stream":{quote(stream)},"class":"{klass}"'
        f',"nextSeq":{agent.delivery.next_seq(klass)},"settledBelow":{settled}}}'
    )


def ended(streams: "list[tuple[str, str, bool, int]]") -> str:
    """Return how streams of earlier runs ended; the event `agent.start` says it too."""
    return "[" + ",".join([_ended(*each) for each in streams]) + "]"


def _ended(stream: str, klass: str, clean: bool, next_seq: int) -> str:
    end = "clean" if clean else "unclean"
    return f'{{"stream":{quote(stream)},"class":"{klass}","end":"{end}","nextSeq":{next_seq}}}'


def _loss(  # noqa: PLR0913, PLR0917 - a loss range's six, as the journal has them
    clock: "Clock",
    stream: str,
    first: int,
    last: int,
    reason: str,
    boot: str,
    at_ms: int,
    offset_ms: int | None,
) -> str:
    if offset_ms is None and boot == clock.boot and clock.state() != "unsynced":
        offset_ms = clock.offset_ms
    at = "" if offset_ms is None else f',"at":"{rfc3339_ms(at_ms + offset_ms)}"'
    return f'{{"stream":{quote(stream)},"from":{first},"to":{last},"reason":"{reason}"{at}}}'


def _store(delivery: "Delivery") -> str:
    bundles, observations, used, oldest_s = delivery.backlog()
    oldest = "" if oldest_s is None else f',"oldestAgeS":{oldest_s}'
    return (
        f'],"level":"{delivery.level}","storeState":"{delivery.store_state}"'
        f',"guarantee":"reduced","backlog":{{"bundles":{bundles}'
        f',"observations":{observations},"bytes":{used}{oldest}}}'
    )


def _transport(transport: "Scanner | Port", now: int) -> str:
    since = (now - transport.since_ms) // 1000
    cause = f',"cause":{quote(transport.cause)}' if transport.cause else ""
    return (
        f'{{"name":{quote(transport.name)},"kind":"{transport.kind}"'
        f',"state":"{transport.state}","sinceS":{since}{cause}}}'
    )
