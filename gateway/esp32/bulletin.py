"""What is told beside observations: events, announcements, last values; as the Pi tells them.

An overlay, run every few seconds. It says what is due and what there is room for, and goes; what
the broker has not acknowledged is due again (docs/reference/schema.md).
"""

import binascii

from gateway.core import vocabulary
from gateway.core.identity import topic_level
from gateway.core.wire import decimal, quote, rfc3339_ms

TYPE_CHECKING = False  # MicroPython has no typing; the build leaves all of this out
if TYPE_CHECKING:
    from gateway.esp32.devices import Device
    from gateway.esp32.main import Agent

_MOST_WAITING = 6  # letters on their way at once: they stand back behind observations
_STATE_MS = 10_000  # between two of one device
_META_MS = 60_000
_GROWTH_MS = 10_000  # between two tellings of a range that goes on growing


async def work(agent: "Agent") -> None:
    """Say what is due, losses and events first."""
    await _losses(agent)
    await _events(agent)
    if agent.meta_due:
        agent.meta_due = not await _letter(agent, "/meta", agent.site.about, True, ("meta",))
    for device in agent.devices():
        if agent.delivery.level != "normal" or agent.delivery.congested():
            return  # they are for people who look on
        await _announce(agent, device)
        await _state(agent, device)


async def _letter(
    agent: "Agent", topic: str, text: str, retain: bool, subject: "tuple[object, ...]"
) -> bool:
    """Publish one, if there is a connection and a place for it; whether it went."""
    uplink = agent.uplink
    if len(agent.letters) >= _MOST_WAITING or not await agent.writable():
        return False
    uplink.begin(agent.site.root + topic, len(text) + 200)
    uplink.add(text)
    agent.letters[uplink.send(retain)] = subject
    return True


# ------------------------------------------------------------------------------------------ events
def event(agent: "Agent", kind: str, at: "tuple[str, int]", fields: str) -> str:
    """Render an event: `at` is boot and uptime in ms, `fields` its own, rendered, from a comma."""
    site, clock = agent.site, agent.clock
    sent = ""
    if clock.offset_ms is not None:
        sent = f',"sentTime":"{rfc3339_ms(clock.offset_ms + clock.now())}"'
    return (
        f'{{"schema":"ugw.event/1","org":{quote(site.org)},"gateway":{quote(site.gateway)}{sent}'
        f',"boot":{quote(at[0])},"uptimeMs":{at[1]},"kind":"{kind}"{fields}}}'
    )


async def _losses(agent: "Agent") -> None:
    """Tell the loss ranges that the broker does not have yet; one that grew is told again."""
    now = agent.clock.now()
    for loss in agent.losses.untold:
        if now < agent.told_at.get(loss[0], -_GROWTH_MS) + _GROWTH_MS:
            continue
        stream, first, last, reason, boot, at_ms, _ = loss
        fields = f',"stream":{quote(stream)},"from":{first},"to":{last},"reason":"{reason}"'
        text = event(agent, "loss", (boot, at_ms), fields)
        if not await _letter(agent, "/event", text, False, ("loss", loss)):
            return
        agent.told_at[stream] = now


async def _events(agent: "Agent") -> None:
    while agent.events:
        happened = agent.events.pop(0)  # others may come meanwhile, or come back
        kind, at_ms, fields = happened
        text = event(agent, kind, (agent.clock.boot, at_ms), _fields(fields))
        if not await _letter(agent, "/event", text, False, ("event", happened)):
            agent.events.insert(0, happened)
            return


def _fields(fields: "tuple[object, ...]") -> str:
    """Render name, value, name, value, ...; without values that are empty texts.

    A value in bytes is rendered already.
    """
    text = ""
    for at in range(0, len(fields), 2):
        value = fields[at + 1]
        if isinstance(value, bytes):
            text += f',"{fields[at]}":' + value.decode()
        elif value != "":
            text += f',"{fields[at]}":{quote(value) if isinstance(value, str) else value}'
    return text


# --------------------------------------------------------------------------------------- devices
async def _announce(agent: "Agent", device: "Device") -> None:
    if not device.meta_due or agent.clock.now() < device.meta_at_ms:
        return
    text = announcement(device)
    topic = "/meta/" + topic_level(device.urn)
    if await _letter(agent, topic, text, True, ("announcement", device)):
        device.meta_due = False
        device.meta_at_ms = agent.clock.now() + _META_MS


def announcement(device: "Device") -> str:
    """Render what a device is. `metaRev` is the CRC-32 of all the rest, as the Pi computes it."""
    head = f'{{"schema":"ugw.device/1","device":{quote(device.urn)}'
    known = dict(device.properties)  # configured: (property, channel) -> more, rendered
    for result in device.results or ():
        known.setdefault((result[0], result[3]), "")
    told = ",".join([_property(key, known[key]) for key in sorted(known)[:64]])
    rest = device.about + (f',"properties":[{told}]' if told else "") + "}"
    revision = max(1, binascii.crc32((head + rest).encode()))
    return f'{head},"metaRev":{revision}{rest}'


def _property(key: "tuple[str, str]", more: str) -> str:
    name, channel = key
    on = f',"channel":{quote(channel)}' if channel else ""
    return f'{{"observedProperty":{quote(name)}{on},"unit":"{vocabulary.unit(name)}"{more}}}'


async def _state(agent: "Agent", device: "Device") -> None:
    if not device.state_due or agent.clock.now() < device.state_at_ms:
        return
    topic = "/state/" + topic_level(device.urn)
    if await _letter(agent, topic, state(agent, device), True, ("state", device)):
        device.state_due = False
        device.state_at_ms = agent.clock.now() + _STATE_MS


def state(agent: "Agent", device: "Device") -> str:
    """Render the newest value of each property; null where it is bad or missing."""
    clock = agent.clock
    at_ms, results = device.observed_ms or 0, device.results or ()
    quality, time = "unknown", ""
    if clock.offset_ms is not None:
        quality = "exact" if clock.state() == "synced" else "holdover"
        if at_ms < agent.believed_since_ms:
            quality = "reconstructed"
        time = f',"time":"{rfc3339_ms(clock.offset_ms + at_ms)}"'
    text = f'{{"device":{quote(device.urn)}{time},"timeQuality":"{quality}"'
    if device.rssi is not None:
        text += f',"rssi":{device.rssi}'
    named = [(f"{r[0]}.{r[3]}" if r[3] else r[0], r) for r in results]
    for name, result in sorted(named, key=lambda pair: pair[0]):
        text += f",{quote(name)}:{_value(result)}"
    return text + "}"


def _value(result: "tuple[str, int | str | None, int, str, str, tuple[str, ...]]") -> str:
    _, value, scale, _, quality, _ = result
    if value is None or quality in ("bad", "missing"):
        return "null"
    if isinstance(value, str):
        return quote(value)
    return decimal(value, scale) if type(value) is int else "true" if value else "false"
