"""What is wrong with a gateway, and what helps: judged from its status alone.

The one judge of the page and of `ugw status`. Red is what /healthz and /readyz say too, and sums
that are wrong; yellow is all else that somebody should see to.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final, Literal

import msgspec

from gateway.uplink.certificates import WARN_DAYS

Colour = Literal["green", "yellow", "red"]

_LEVELS: Final = {
    "elevated": "routine sensors are thinned to one observation a minute",
    "critical": "routine sensors are thinned to one observation in ten minutes",
    "full": "routine sensors are thinned to one observation in ten minutes",
}


class Trouble(msgspec.Struct, frozen=True):
    """What is wrong, how bad it is, and what helps."""

    colour: Colour
    cause: str
    remedy: str = ""


def light(troubles: Iterable[Trouble]) -> Colour:
    """Return the colour of the worst."""
    colours = {trouble.colour for trouble in troubles}
    if "red" in colours:
        return "red"
    return "yellow" if colours else "green"


def troubles(status: dict[str, Any]) -> Iterator[Trouble]:
    """Yield what is wrong by the answer to `/status`, the worst first."""
    for task in status["health"]["stuck"]:
        yield Trouble("red", f"the task {task} gives no sign of life", "systemctl restart ugw")
    for law, difference in status["laws"].items():
        if difference:
            yield Trouble("red", f"the sum of {law} is wrong by {difference}", "report this bug")
    for reason in status["ready"]["reasons"]:
        yield Trouble("red", reason["cause"], reason["remedy"])
    yield from _of_the_broker(status["uplink"], status["status"])
    yield from _of_the_store(status["status"])
    yield from _of_sources(status)


def _of_the_broker(uplink: dict[str, Any], told: dict[str, Any]) -> Iterator[Trouble]:
    if not uplink["connected"]:
        cause = f"the broker is not connected: {uplink['cause']}"
        yield Trouble("yellow", f"{cause}. What is heard is kept meanwhile", uplink["remedy"])
    elif told["guarantee"] == "reduced":
        cause = "the broker speaks MQTT 3.1.1: what it denies is not known"
        yield Trouble("yellow", cause, "use a broker with MQTT 5")
    for lane in uplink["unheard"]:
        cause = f"the broker has nobody for what is sent on obs/{lane}"
        yield Trouble("yellow", cause, "does the platform subscribe to our topics?")
    if bundles := told["setAside"]["bundles"]:
        cause = f"the broker refused {bundles} bundles for good"
        yield Trouble("yellow", cause, "ugw backlog set-aside list")
    days = uplink["certificateDays"]
    if days is not None and days < WARN_DAYS:
        ends = f"expires in {days} days" if days >= 0 else f"has expired {-days} days ago"
        remedy = "renew it: the files are taken up as soon as they change"
        yield Trouble("yellow", f"the gateway's certificate {ends}", remedy)


def _of_the_store(told: dict[str, Any]) -> Iterator[Trouble]:
    if (level := told["level"]) != "normal":
        # Why it is full is red, and stands above: /readyz says it.
        cause = f"the store is filling up: {level}, and {_LEVELS.get(level, 'thins out')}"
        yield Trouble("yellow", cause, "bring the broker back, or see whether it takes enough")
    if told["storeState"] == "quarantined":
        cause = "the store is quarantined: its file was damaged or failed, and was replaced"
        yield Trouble("yellow", cause, "if it happens again, exchange the card")


def _of_sources(status: dict[str, Any]) -> Iterator[Trouble]:
    for source in status["transports"]:
        if source["state"] != "up":
            yield Trouble("yellow", f"{source['name']} is {source['state']}: {source['cause']}")
    for driver in status["drivers"]:
        where = f"{driver['file']}:{driver['line']}"
        cause = f"driver {driver['name']} is not used: {where}: {driver['reason']}"
        yield Trouble("yellow", cause, "mend it, or remove it")
    for sensor in status["silent"]:
        cause = f"{sensor['name'] or sensor['device']} is silent"
        yield Trouble("yellow", cause, "is it in range, and its battery good?")
    for sensor in status["unread"]:
        yield Trouble(
            "yellow", f"{sensor['name'] or sensor['device']} cannot be read: {sensor['cause']}"
        )
    if status["status"]["clock"]["state"] == "unsynced":
        yield Trouble("yellow", "the clock is not synchronised", "timedatectl timesync-status")
