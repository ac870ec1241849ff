"""A scenario as it is played, on the terminal: where it stands, what happens, who is heard.

What happens stands on top: where a terminal is too small, sensors are left out, never the news.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.rule import Rule
from rich.text import Text

from gateway.cli.terminal import facts, table
from gateway.sim.theatre import Event, Look, Outcome
from gateway.sim.theatre.outcome import span

_EVENTS: Final = 12
_SENSORS: Final = 15
_FEW: Final = 3  # sensors and events that are shown however small the terminal is
_AROUND: Final = 2  # the title, and the rule below it
_PER_GATEWAY: Final = 9  # its rule, its facts, its sensors' heading, the sum of those left out
_GOOD: Final = "green"
_BAD: Final = "bold red"

Tell = Callable[[Event], None]
Performed = Callable[[Tell, Callable[[Look], None]], Outcome]


def shown(name: str, tell: Tell, performed: Performed) -> Outcome:
    """Perform while the terminal shows how it goes; what happened is told as well."""
    page = Page(name)
    console = Console(stderr=True)
    with Live(page.render(console.height), console=console, auto_refresh=False) as live:

        def on_event(event: Event) -> None:
            tell(event)
            page.events.append(event)

        def on_look(look: Look) -> None:
            page.looks[look.gateway] = look
            live.update(page.render(console.height), refresh=True)

        outcome = performed(on_event, on_look)
        live.update(page.render(console.height), refresh=True)
    return outcome


class Page:
    """What stands on the page: the newest look at each gateway, and the newest events."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.looks: dict[str, Look] = {}
        self.events: deque[Event] = deque(maxlen=_EVENTS)

    def render(self, height: int) -> RenderableType:
        """Lay it out for a terminal of so many lines."""
        at_s = max((look.at_s for look in self.looks.values()), default=0.0)
        parts: list[RenderableType] = [Text(f"{self.name}   {clock(at_s)}", "bold")]
        parts.append(Rule("what happens", align="left", style="dim"))
        news = list(self.events)[-max(_FEW, height // 4) :]
        parts += [self._told(each) for each in news]
        room = height - _AROUND - len(news)
        for look in self.looks.values():
            most = min(_SENSORS, max(_FEW, room // len(self.looks) - _PER_GATEWAY))
            parts += [Rule(look.gateway, align="left", style="dim"), _state(look)]
            parts.append(_sensors(look.sensors, most))
        return Group(*parts)

    def _told(self, event: Event) -> Text:
        whose = f"{event.gateway}  " if event.gateway and len(self.looks) > 1 else ""
        line = f"{clock(event.at_s)}  {whose}{event.what}"
        return Text(line, no_wrap=True, overflow="ellipsis")


def clock(seconds: float) -> str:
    """Return a time since the start as people read it: 3d 04:05:06.7; before it is the start."""
    whole, tenths = divmod(round(max(seconds, 0.0) * 10), 10)
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    text = f"{hour:02d}:{minute:02d}:{second:02d}.{tenths}"
    return f"{days}d {text}" if days else text


def _state(look: Look) -> RenderableType:
    agent = Text("runs", _GOOD) if look.running else Text("does not run", _BAD)
    laws = Text("hold", _GOOD) if look.laws_hold else Text("broken", _BAD)
    return facts(
        (
            ("agent", agent),
            ("says", f"{look.state or 'nothing yet'}, store {look.store_state or 'unknown'}"),
            ("laws", laws),
            ("sent", f"{look.sent}, delivered {look.delivered}, missing {look.missing}"),
            ("backlog", str(look.backlog)),
            ("latency", _latency(look)),
        ),
        width=10,
    )


def _latency(look: Look) -> str:
    if look.latency_p50_s is None or look.latency_p99_s is None:
        return "nothing delivered yet"
    return f"half within {_short(look.latency_p50_s)}, 99 % within {_short(look.latency_p99_s)}"


def _short(seconds: float) -> str:
    return f"{seconds * 1e3:.0f} ms" if seconds < 1 else span(seconds)


def _sensors(sensors: Sequence[tuple[str, int, int]], most: int) -> RenderableType:
    rows = [(name, str(sent), str(heard)) for name, sent, heard in sensors[:most]]
    if more := sensors[most:]:
        rows.append(
            (f"{len(more)} more", str(sum(s for _, s, _ in more)), str(sum(h for *_, h in more)))
        )
    return table(("SENSOR", "SENT", "DELIVERED"), rows, right=("SENT", "DELIVERED"))
