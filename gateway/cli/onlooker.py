"""Somebody who watches an agent work and can say at any moment what there is to see.

It stands between pipeline and delivery, where every observation passes, and changes nothing.
"""

import logging
from collections import Counter, deque
from collections.abc import Callable
from typing import Final

from gateway.app import Agent
from gateway.cli.dashboard import Broker, Page, Sensor, Store
from gateway.config.findings import printable
from gateway.model import Observation
from gateway.pipeline import Sink
from gateway.report import age_s

_MESSAGES: Final = 3


class Onlooker:
    """Watches one agent from before its run, and what is said meanwhile."""

    def __init__(self, agent: Agent, messages: "Messages") -> None:
        self._agent = agent
        self._messages = messages
        self._newest: dict[str, Observation] = {}  # by device, as many as are listed
        self._counts = Counter[str]()
        agent.tap(self._watch)

    @property
    def connected(self) -> bool:
        """Whether the agent can send."""
        return self._agent.uplink.connected

    def page(self, *, note: str = "", lines: int | None = None, over: bool = False) -> Page:
        """Return what there is to see now, on so many lines; `note` is said of the broker."""
        agent = self._agent
        given = agent.settings.gateway
        return Page(
            gateway=f"{given.org}/{given.id}",
            now_ns=agent.clock.boot_ns(),
            sensors=[
                Sensor(
                    name=device.name or device.urn,
                    newest=self._newest.get(device.urn),
                    count=self._counts[device.urn],
                )
                for device in agent.devices
            ],
            health=agent.health,
            broker=self._broker(note),
            store=self._store(),
            log=tuple(self._messages.newest),
            lines=lines,
            over=over,
        )

    def _broker(self, note: str) -> Broker:
        mqtt, sender = self._agent.settings.mqtt, self._agent.delivery.sender
        return Broker(
            host=mqtt.host,
            port=mqtt.port,
            version=mqtt.version,
            connected=self.connected,
            in_flight=sender.in_flight,
            window=sender.window,
            note=note,
        )

    def _store(self) -> Store:
        keeper = self._agent.delivery.keeper
        return Store(
            usable=keeper.state != "memory-only",
            bundles=self._agent.backlog.bundles,
            oldest_age_s=age_s(keeper.oldest, self._agent.clock),
        )

    def _watch(self, sink: Sink) -> Sink:
        return _Watched(sink, self._see)

    def _see(self, observation: Observation) -> None:
        self._newest[observation.device] = observation
        self._counts[observation.device] += 1


class _Watched:
    """A sink with somebody looking on."""

    def __init__(self, sink: Sink, see: Callable[[Observation], None]) -> None:
        self._sink = sink
        self._see = see

    @property
    def has_room(self) -> bool:
        return self._sink.has_room

    async def room(self) -> None:
        await self._sink.room()

    def offer(self, observation: Observation) -> None:
        self._see(observation)
        self._sink.offer(observation)

    def flush(self) -> float:
        return self._sink.flush()


class Messages(logging.Handler):
    """The newest messages of this process: on a page, they would write across it."""

    def __init__(self) -> None:
        super().__init__()
        self.newest: deque[str] = deque(maxlen=_MESSAGES)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one, as a line that cannot drive the terminal."""
        self.newest.append(printable(record.getMessage()))

    def take_over(self) -> None:
        """Have all messages here: the agent's, and what libraries warn of."""
        logging.basicConfig(handlers=[self], level=logging.WARNING, force=True)
        logging.getLogger("gateway").setLevel(logging.INFO)
