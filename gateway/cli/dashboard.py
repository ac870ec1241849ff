"""What the demo shows: a gateway at one moment, as a page for the terminal.

Pure: a `Page` is something rich can print. Where lines are few, sensors give way to the rest.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from gateway.cli.readings import value_text
from gateway.cli.signs import law, light, signal
from gateway.core import vocabulary, wire
from gateway.health import Frames, Health
from gateway.model import Observation, Result, TransportState

_NS_PER_S: Final = 1_000_000_000
_FRESH_S: Final = 2
# The quantities with a column of their own; the first of the others stands beside them.
_TEMPERATURE, _HUMIDITY = "air_temperature", "relative_humidity"
_ANOTHER: Final = {
    "atmospheric_pressure": "",
    "battery_level": "battery ",
    "analog_input": "input ",
}
_HEAD_LINES: Final = 2  # title and column heads
_FEWEST_SENSORS: Final = 3


class Sensor(msgspec.Struct, frozen=True, kw_only=True):
    """A listed device: its newest observation, and how many there were."""

    name: str
    newest: Observation | None = None
    count: int = 0


class Broker(msgspec.Struct, frozen=True, kw_only=True):
    """The broker as the uplink sees it. `note` is what the demo does to it."""

    host: str
    port: int
    version: str
    connected: bool
    in_flight: int
    window: int
    note: str = ""


class Store(msgspec.Struct, frozen=True, kw_only=True):
    """What waits on disk."""

    usable: bool
    bundles: int
    oldest_age_s: int | None


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """A gateway at one moment.

    `now_ns` is boot time, `log` the newest messages, the oldest first, `lines` what the terminal
    has, None for no limit.
    """

    gateway: str
    now_ns: int
    sensors: Sequence[Sensor]
    health: Health
    broker: Broker
    store: Store
    log: Sequence[str] = ()
    lines: int | None = None
    over: bool = False  # the last page: nothing of it will change

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Give the sensors the lines that the rest leaves them."""
        foot = console.render_lines(_foot(self), options, pad=False)
        shown = len(self.sensors)
        if self.lines is not None:
            room = self.lines - len(foot) - _HEAD_LINES
            shown = min(shown, max(_FEWEST_SENSORS, room))
        yield _title(self, shown)
        yield _sensors(self, shown)
        for line in foot:
            yield from line
            yield Segment.line()


def summary(page: Page) -> RenderableType:
    """Return the page without its sensors, for what is no terminal."""
    heard = sum(sensor.count > 0 for sensor in page.sensors)
    return Group(f"{heard} of {len(page.sensors)} sensors heard", _foot(page))


def _title(page: Page, shown: int) -> Text:
    total = len(page.sensors)
    few = f"  {shown} of {total} sensors fit in here" if shown < total else ""
    how = "" if page.over else "  Ctrl-C ends it"
    return Text.assemble("gateway ", (page.gateway, "bold"), (few + how, "dim"))


# ----------------------------------------------------------------------------------------- sensors
def _sensors(page: Page, shown: int) -> RenderableType:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("sensor", no_wrap=True)
    table.add_column("signal", no_wrap=True)
    table.add_column("temp.", no_wrap=True, justify="right")
    table.add_column("humidity", no_wrap=True, justify="right")
    table.add_column("and", no_wrap=True)
    table.add_column("heard", no_wrap=True, justify="right")
    table.add_column("times", no_wrap=True, justify="right")
    for sensor in _spread(page.sensors, shown):
        table.add_row(*_row(sensor, page.now_ns))
    return table


def _spread(sensors: Sequence[Sensor], shown: int) -> Iterator[Sensor]:
    """Yield so many of them, from all over the list: neighbours in it are of a kind."""
    for number in range(shown):
        yield sensors[number * len(sensors) // shown]


def _row(sensor: Sensor, now_ns: int) -> tuple[RenderableType, ...]:
    newest = sensor.newest
    if newest is None:
        return sensor.name, "", "", "", Text("not heard yet", "dim")
    age_s = (now_ns - newest.heard_at_ns) // _NS_PER_S
    results = {result[0]: result for result in newest.results if result[1] is not None}
    temperature, humidity = results.pop(_TEMPERATURE, None), results.pop(_HUMIDITY, None)
    cells = (
        sensor.name,
        signal(newest.link.rssi_dbm),
        _value(temperature),
        _value(humidity),
        _another(results),
        f"{age_s} s ago",
        str(sensor.count),
    )
    style = "bold" if age_s < _FRESH_S else ""
    return tuple(Text.assemble(cell, style=style) for cell in cells)


def _another(results: Mapping[str, Result]) -> str:
    """Say one more thing that a sensor measured."""
    for name, label in _ANOTHER.items():
        if name in results:
            return f"{label}{_value(results[name])}"
    return ""


def _value(result: Result | None) -> str:
    if result is None:
        return ""
    name, value, scale, *_ = result
    if isinstance(value, bool) or not isinstance(value, int):
        return str(value)
    number = f"{value / 10**scale:.1f}" if scale else wire.decimal(value, 0)
    return value_text(number, vocabulary.unit(name))


# ------------------------------------------------------------------------------------ all the rest
def _foot(page: Page) -> RenderableType:
    lines = Table.grid(padding=(0, 2))
    lines.add_column(no_wrap=True, style="dim")
    lines.add_column()
    lines.add_row()
    if not page.over:
        lines.add_row("radios", _radios(page.health))
        lines.add_row("broker", _broker(page.broker, page.store))
    lines.add_row("backlog", _backlog(page))
    lines.add_row("frames", _frames(page.health))
    lines.add_row("observations", _observations(page.health))
    lines.add_row("", _laws(page.health))
    for number, message in enumerate(page.log):
        shown = Text(message, "dim", no_wrap=True, overflow="ellipsis")
        lines.add_row("" if number else "log", shown)
    return lines


def _radios(health: Health) -> Text:
    text = Text()
    for number, radio in enumerate(health.transports.values()):
        up = radio.state is TransportState.UP
        text.append("   " if number else "").append_text(light(up=up))
        text.append(radio.name if up else f"{radio.name} {radio.state.value}: {radio.cause}")
    return text


def _broker(broker: Broker, store: Store) -> Text:
    place = f"{broker.host}:{broker.port}"
    text = light(up=broker.connected)
    if broker.connected:
        text.append(f"connected to {place}, MQTT {broker.version}; ")
        text.append(f"in flight {broker.in_flight} of {broker.window}")
    else:
        text.append(f"not connected to {place}", "bold red")
        where = "the store" if store.usable else "memory"
        text.append(f": what is heard waits in {where}", "red")
    return text.append(f"  ({broker.note})" if broker.note else "", "dim")


def _backlog(page: Page) -> Text:
    health, store = page.health, page.store
    text = light(up=store.usable)
    if not store.usable:
        text.append(f"the store cannot be used: {health.in_memory()} wait in memory", "bold red")
    elif waiting := health.in_backlog():
        text.append(
            f"{waiting} observations in {store.bundles} bundles wait on disk", "bold yellow"
        )
        age = "" if store.oldest_age_s is None else f", the oldest for {store.oldest_age_s} s"
        text.append(age, "yellow")
    else:
        text.append("empty")
    return text


def _frames(health: Health) -> Text:
    counted = {name: getattr(health.frames, name) for name in Frames.__struct_fields__}
    heard, decoded = counted.pop("heard"), counted.pop("decoded")
    counted["refused"] = sum(health.frames.refused.values())
    return law(
        f"heard {heard}",
        {**counted, "waiting": health.waiting(), "decoded": decoded},
        health.frames_law(),
    )


def _observations(health: Health) -> Text:
    o = health.observations
    places = {
        "set aside": o.set_aside,
        "dropped": o.dropped,
        "in memory": health.in_memory(),
        "in backlog": health.in_backlog(),
        "delivered": o.delivered,
    }
    begun = f"recovered {o.recovered} + " if o.recovered else ""
    return law(f"{begun}observed {o.observed}", places, health.observations_law())


def _laws(health: Health) -> Text:
    """Say what the two sums above mean."""
    if health.frames_law() or health.observations_law():
        return Text("this must never be: please report it", "bold red")
    return Text("both add up; unlisted are strangers, counted and forgotten", "dim")
