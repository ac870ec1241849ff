"""What city IT must hear of: transports that go and come, sensors that fall silent.

An overlay, run every ten seconds. A sensor is silent after three of its expected intervals without
a frame, ten minutes at least, of time in which a radio that could hear it was up: so a gateway
that was deaf accuses nobody (gateway/silence.py). Also: frames refused, told without flooding.
"""

TYPE_CHECKING = False  # MicroPython has no typing; the build leaves all of this out
if TYPE_CHECKING:
    from gateway.esp32.devices import Device
    from gateway.esp32.main import Agent

_LEAST_MS = 600_000
_INTERVALS = 3
_LONGEST_MS = 20_000  # of a look: an agent held up for longer heard nothing meanwhile
_REPEAT_MS = 600_000  # between two tellings of how often a device was refused for a reason


async def look(agent: "Agent") -> None:
    """Tell what has changed since the last look."""
    now = agent.clock.now()
    passed = min(now - agent.looked_ms, _LONGEST_MS)
    agent.looked_ms = now
    listening = agent.listening
    up = set()
    for radio in agent.radios:
        is_up = radio.state == "up"
        if is_up:
            up.add("ble" if radio.kind == "ble" else "lora")
        if is_up != agent.told_up.get(radio.name, True):
            kind = "transport.up" if is_up else "transport.down"
            agent.notify(kind, "name", radio.name, "cause", radio.cause)
            agent.told_up[radio.name] = is_up
    for medium in up:
        listening[medium] = listening.get(medium, 0) + passed
    for device in agent.devices():
        if device.expected_s:
            _judge(agent, device, now, listening.get(device.medium, 0))
    _refusals(agent, now)


def _judge(agent: "Agent", device: "Device", now: int, listened: int) -> None:
    # One that is polled may advertise and say nothing by it.
    heard = (device.observed_ms if device.poll else device.heard_ms) or 0
    if heard > device.judged_ms:
        if device.is_silent:
            gap = (heard - device.judged_ms) // 1000
            agent.notify("sensor.back", "device", device.urn, "gapS", gap)
        device.is_silent = False
        device.judged_ms, device.listened_ms = heard, listened
    elif not device.is_silent:
        limit = max(_LEAST_MS, _INTERVALS * 1000 * device.expected_s)
        if listened - device.listened_ms >= limit:
            device.is_silent = True
            gap = (now - device.judged_ms) // 1000
            agent.notify("sensor.silent", "device", device.urn, "gapS", gap)


def _refusals(agent: "Agent", now: int) -> None:
    for pair, told in list(agent.refusals.items()):
        count, until = told
        if count and now >= until:
            urn, reason = pair
            agent.notify("refused", "device", urn, "reason", reason, "count", count)
            agent.refusals[pair] = (0, now + _REPEAT_MS)
        elif now >= until:
            del agent.refusals[pair]
