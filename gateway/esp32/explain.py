"""What the console answers first: what runs, what is wrong, and what to do about it.

An overlay, loaded for one answer. It says what the agent shows of itself and no more: neither a
password nor a key is within its reach.
"""

import asyncio

TYPE_CHECKING = False  # MicroPython has no typing; the build leaves all of this out
if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.esp32.main import Agent

_PACE_MS = (
    20  # a line of 120 characters takes 10 ms of the serial line, the rest is for the others
)
_WIDE = 60  # characters of counters in a line
_HELP = """\
status    what runs, what is wrong, what to do; counters
sensors   each sensor: when it was last heard, and how well
network   Wi-Fi or Ethernet, and the broker
time      what the clock is worth
log       what was said last
restart   start anew; what waits to be sent is kept
help      this
Ctrl-C ends the agent and leads to the Python prompt; the watchdog then restarts the board."""


async def answer(agent: "Agent", command: str) -> None:
    """Answer `help` or `status`; without a command, say what this is and how it is."""
    for text in _HELP.split("\n") if command == "help" else _status(agent, command):
        print(text)
        await asyncio.sleep_ms(_PACE_MS)


def _status(agent: "Agent", command: str) -> "Iterator[str]":
    site = agent.site
    up = span(agent.clock.now())
    yield f"This is the gateway {site.gateway} of {site.org}, {site.software}, up for {up}."
    troubles = 0
    for text in _troubles(agent):
        troubles += 1
        yield text
    if not troubles:
        yield "All is well: what is heard is delivered."
    if command:
        yield from _counters(agent)
    else:
        yield "Type a command and press Enter: status, sensors, network, time, log, restart, help."


def _troubles(agent: "Agent") -> "Iterator[str]":
    link, uplink, delivery = agent.link, agent.uplink, agent.delivery
    if not link.up:
        yield "! There is no network: " + (link.cause or "it is being joined") + "."
        yield "  " + _remedy(link.cause)
    elif not uplink.up:
        mqtt = agent.site.mqtt
        yield f"! The broker {mqtt['host']}:{mqtt['port']} is not connected: {uplink.cause}."
        yield "  What is heard is kept. Does it run, and does this network let that port out?"
    if link.up and agent.clock.state() != "synced":
        yield "! No time server answers. What is heard is kept in order, and dated when one does."
        yield f"  Does this network let UDP port {agent.site.time['port']} out?"
    for transport in agent.transports():
        if transport.state != "up":
            yield f"! {transport.name} is {transport.state}: {transport.cause}."
    if delivery.level != "normal":
        yield f"! The store fills up ({delivery.level}): sensors are taken less often meanwhile."
    if delivery.store_state != "ok":
        yield f"! The store is {delivery.store_state}: without power, what waits is lost."


def _remedy(cause: str) -> str:
    if "password" in cause:
        return "Correct esp32.wifi.password in gateway.yaml and write the board again."
    if "reach" in cause:
        return "Is the name right, is it near enough, and on 2.4 GHz? This board hears no other."
    if "DHCP" in cause:
        return "Does that network have a DHCP server, and room for one more?"
    if "cable" in cause:
        return "Plug it in at both ends, and look for the light at the socket."
    return "It is tried again and again; what is heard is kept."


def _counters(agent: "Agent") -> "Iterator[str]":
    bundles, observations, size, oldest_s = agent.delivery.backlog()
    yield f"Session {agent.session}; in memory {agent.delivery.in_memory()} observations."
    if bundles:
        since = "" if oldest_s is None else f", the oldest for {span(oldest_s * 1000)}"
        yield f"In the store {observations} observations, {size} bytes{since}."
    text = ""
    for name, value in agent.counters():
        if value:
            text += f"{name} {value}  "
        if len(text) > _WIDE:
            yield text
            text = ""
    if text:
        yield text


def span(ms: int) -> str:
    """Return a time that has passed, in words."""
    seconds = ms // 1000
    if seconds < 120:
        return f"{seconds} s"
    if seconds < 7200:
        return f"{seconds // 60} min"
    return f"{seconds // 3600} h {seconds // 60 % 60} min"
