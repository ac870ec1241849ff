"""What the console answers to a question for one thing.

An overlay, loaded for one answer. It says what the agent shows of itself and no more: neither a
password nor a key is within its reach.
"""

import asyncio
import time

from gateway.core.wire import rfc3339_ms
from gateway.esp32 import console

TYPE_CHECKING = False  # MicroPython has no typing; the build leaves all of this out
if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.esp32.main import Agent

_PACE_MS = 20
_SENSORS = 64


async def answer(agent: "Agent", command: str) -> None:
    """Answer a command."""
    if command == "restart":
        print("What waits is put away, then the board starts anew.")
        agent.fault = "asked for at the console"
        return
    answers = {"sensors": _sensors, "network": _network, "time": _time, "log": _log}
    if command not in answers:
        print(f"There is no command {command}. Type help and press Enter.")
        return
    for text in answers[command](agent):
        print(text)
        await asyncio.sleep_ms(_PACE_MS)


def _sensors(agent: "Agent") -> "Iterator[str]":
    now, count = agent.clock.now(), 0
    for device in agent.devices():
        count += 1
        if count > _SENSORS:
            continue
        if device.heard_ms is None:
            yield f"{device.urn} has not been heard yet"
        else:
            signal = "" if device.rssi is None else f", {device.rssi} dBm"
            yield f"{device.urn} was heard {(now - device.heard_ms) // 1000} s ago{signal}"
        if device.unread:
            yield f"  and cannot be read: {device.unread}"
    if count > _SENSORS:
        yield f"and {count - _SENSORS} more"
    if not count:
        yield "No sensor is listed. List them in gateway.yaml and write the board again."


def _network(agent: "Agent") -> "Iterator[str]":
    link, uplink, mqtt = agent.link, agent.uplink, agent.site.mqtt
    wireless = hasattr(link.nic, "connect")
    where = "the Wi-Fi " + agent.site.network["ssid"] if wireless else "Ethernet"
    if link.up:
        yield f"Joined {where} as {link.nic.ifconfig()[0]}, name server {', '.join(link.dns())}."
    else:
        yield f"Not joined {where}: {link.cause or 'trying'}."
    if link.up and wireless:
        yield f"Its signal is {link.nic.status('rssi')} dBm; below -80 it gets difficult."
    state = "connected" if uplink.up else f"not connected: {uplink.cause}"
    how = "" if mqtt["tls"] else " WITHOUT TLS"
    yield f"The broker {mqtt['host']}:{mqtt['port']}{how} is {state}."


def _time(agent: "Agent") -> "Iterator[str]":
    clock = agent.clock
    state = clock.state()
    if state == "unsynced":
        yield "It is not known. Asked are " + ", ".join(agent.site.time["servers"]) + "."
        yield "What is heard is kept in order, and dated once one of them answers."
        return
    now = rfc3339_ms((clock.offset_ms or 0) + clock.now())
    yield f"It is {now}, to within {clock.max_error_ms()} ms."
    if state == "holdover":
        yield "No time server has answered for long: the clock drifts, and what it dates says so."


def _log(_: "Agent") -> "Iterator[str]":
    now = time.ticks_ms()
    for at, line in console.said:
        yield f"{time.ticks_diff(now, at) // 1000} s ago: {line}"
