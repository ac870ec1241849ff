"""What the demo shows: an agent's state at one moment, as a page for the terminal.

Pure: it is handed an agent and what was heard last, and returns what rich can print.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from gateway.admission import Device
from gateway.app import Agent
from gateway.core import vocabulary, wire
from gateway.health import Frames, Health
from gateway.model import Observation, Result, TransportState

_NS_PER_S = 1_000_000_000
_BARS = "▁▂▃▄▅▆▇█"
_WEAKEST_DBM, _STRONGEST_DBM = -110, -50
_UNITS = {"Cel": "°C", "ug/m3": "µg/m³", "m/s2": "m/s²", "1": "", "uS/cm": "µS/cm", "deg": "°"}
_SHORT = {
    "air_temperature": "",
    "relative_humidity": "",
    "atmospheric_pressure": "",
    "battery_level": "bat ",
    "battery_voltage": "bat ",
}
_FRESH_S = 2
_VALUES = 3  # of one sensor, on its line


class Last(msgspec.Struct, frozen=True):
    """The newest observation of a device, and how many there were."""

    observation: Observation
    count: int


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """What the page is about, beside the agent."""

    agent: Agent
    last: Mapping[str, Last]
    events: Sequence[str] = ()  # the agent's newest messages


def page(page: Page, height: int) -> RenderableType:
    """Return the whole page for a terminal of this many lines."""
    foot = _foot(page)
    room = height - len(foot) - 5  # title, table head and rules
    return Group(_title(page), _sensors(page, max(3, room)), *foot)


def _title(page: Page) -> Text:
    given = page.agent.settings.gateway
    name = f"{given.org}/{given.id}"
    return Text.assemble(("ugw", "bold"), f"  gateway {name}  ", ("Ctrl-C ends it", "dim"))


# ----------------------------------------------------------------------------------------- sensors
def _sensors(page: Page, room: int) -> RenderableType:
    table = Table(box=None, expand=True, pad_edge=False, header_style="dim")
    table.add_column("sensor", no_wrap=True, ratio=3)
    table.add_column("signal", no_wrap=True)
    table.add_column("last values", no_wrap=True, ratio=6)
    table.add_column("age", no_wrap=True, justify="right")
    table.add_column("heard", no_wrap=True, justify="right")
    devices = page.agent.devices
    shown = devices if len(devices) <= room else devices[: room - 1]
    now_ns = page.agent.clock.boot_ns()
    for device in shown:
        table.add_row(*_sensor(device, page.last.get(device.urn), now_ns))
    if len(shown) < len(devices):
        more = f"... and {len(devices) - len(shown)} more: enlarge the terminal"
        table.add_row(Text(more, "dim"))
    return table


def _sensor(device: Device, last: Last | None, now_ns: int) -> tuple[RenderableType, ...]:
    name = device.name or device.urn
    if last is None:
        return Text(name), Text("·", "dim"), Text("not heard yet", "dim"), "", ""
    observation = last.observation
    age_s = (now_ns - observation.heard_at_ns) // _NS_PER_S
    style = "bold" if age_s < _FRESH_S else ""
    values = "  ".join(_value(result) for result in _telling(observation.results))
    return (
        Text(name, style),
        _signal(observation.link.rssi_dbm),
        Text(values, style),
        Text(f"{age_s} s", style),
        str(last.count),
    )


def _telling(results: Iterable[Result]) -> list[Result]:
    """Return the results worth a place: named ones first, counters last."""
    order = list(_SHORT)
    named = [result for result in results if result[4] != "missing"]
    return sorted(named, key=lambda r: order.index(r[0]) if r[0] in order else len(order))[
        :_VALUES
    ]


def _value(result: Result) -> str:
    name, value, scale, channel, _, _ = result
    known = vocabulary.unit(name)
    unit = _UNITS.get(known, known)
    label = _SHORT.get(name, f"{name} ") + (
        f"{channel} " if channel and name not in _SHORT else ""
    )
    if isinstance(value, bool) or not isinstance(value, int):
        return f"{label}{value}"
    return f"{label}{_rounded(value, scale)} {unit}".rstrip()


def _rounded(value: int, scale: int) -> str:
    """Render a number for the eye: a tenth is enough."""
    tenths = value if scale <= 1 else round(value / 10 ** (scale - 1))
    return wire.decimal(tenths, min(scale, 1))


def _signal(rssi_dbm: int | None) -> Text:
    if rssi_dbm is None:
        return Text("")
    share = (rssi_dbm - _WEAKEST_DBM) / (_STRONGEST_DBM - _WEAKEST_DBM)
    bar = _BARS[min(len(_BARS) - 1, max(0, int(share * len(_BARS))))]
    colour = "green" if share > 0.5 else "yellow" if share > 0.2 else "red"  # noqa: PLR2004 - for the eye
    return Text.assemble((bar, colour), f" {rssi_dbm} dBm")


# -------------------------------------------------------------------------------------- the rest
def _foot(page: Page) -> list[RenderableType]:
    agent, health = page.agent, page.agent.health
    return [
        Text(""),
        _transports(health),
        _uplink(page),
        _store(agent),
        _law("frames", _frames(health.frames), health.waiting(), health.frames_law()),
        _observations(health),
        *(Text(f"              {event}", "dim", no_wrap=True) for event in page.events),
    ]


def summary(page: Page) -> RenderableType:
    """Return the page without its sensors, for what is no terminal."""
    return Group(*_foot(page))


def _transports(health: Health) -> Text:
    text = Text("radios        ")
    for record in health.transports.values():
        up = record.state is TransportState.UP
        text.append("● " if up else "○ ", "green" if up else "red")
        text.append(f"{record.name} {record.state.value}")
        text.append(f" ({record.cause})  " if record.cause else "  ", "dim")
    return text


def _uplink(page: Page) -> Text:
    agent = page.agent
    up = agent.uplink.connected
    sender = agent.delivery.sender
    text = Text("uplink        ")
    text.append("● " if up else "○ ", "green" if up else "red")
    mqtt = agent.settings.mqtt
    text.append(f"{mqtt.host}:{mqtt.port} MQTT {mqtt.version}")
    text.append(f"  in flight {sender.in_flight}/{sender.window}")
    resent = agent.health.observations.resent
    text.append(f"  sent again {resent}" if resent else "", "dim")
    return text


def _store(agent: Agent) -> Text:
    state = agent.delivery.keeper.state
    text = Text("backlog       ")
    text.append("● " if state == "ok" else "○ ", "green" if state == "ok" else "red")
    waiting = agent.health.in_backlog()
    text.append(
        f"{waiting} observations in {agent.backlog.bundles} bundles", "bold" if waiting else ""
    )
    return text.append(f"  store {state}, {agent.backlog.bytes_used / 1000:.0f} kB", "dim")


def _frames(frames: Frames) -> dict[str, int]:
    terms = {name: getattr(frames, name) for name in Frames.__struct_fields__ if name != "refused"}
    return {**terms, "refused": sum(frames.refused.values())}


def _law(name: str, terms: dict[str, int], waiting: int, remainder: int) -> Text:
    heard = terms.pop("heard")
    decoded = terms.pop("decoded")
    ended = {**terms, "waiting": waiting, "decoded": decoded}
    text = Text(f"{name:14}").append_text(_verdict(remainder))
    return text.append(f"heard {heard} = " + _sum(ended))


def _observations(health: Health) -> Text:
    o = health.observations
    ended = {
        "delivered": o.delivered,
        "set aside": o.set_aside,
        "dropped": o.dropped,
        "in memory": health.in_memory(),
        "in backlog": health.in_backlog(),
    }
    text = Text(f"{'observations':14}").append_text(_verdict(health.observations_law()))
    begun = f"recovered {o.recovered} + observed {o.observed} = "
    return text.append((begun if o.recovered else f"observed {o.observed} = ") + _sum(ended))


def _verdict(remainder: int) -> Text:
    return Text("✓ ", "green") if remainder == 0 else Text(f"✗ {remainder} ", "bold red")


def _sum(terms: dict[str, int]) -> str:
    """Write a sum without its zeros."""
    counted = [f"{name} {value}" for name, value in terms.items() if value]
    return " + ".join(counted) or "0"
