"""What a gateway makes of a capture: its own admission, decoding and judging, on captured time.

The stops are the agent's (gateway.pipeline), so what comes out is what it would have published:
repeats are merged, rates are limited, recordings are refused. The numbers of `frames` add up.
The same capture gives the same observations.
"""

import asyncio
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

from gateway import assembly
from gateway.bundle import pack
from gateway.clock import ClockReading, ClockSource, ClockState
from gateway.codecs.workshop import Workshop
from gateway.config import Settings, load
from gateway.config.loading import load_model
from gateway.core import wire
from gateway.health import Frames, Health
from gateway.model import CLASSES, Observation, Stream
from gateway.pipeline import Pipeline
from gateway.registry import Registry, discover
from gateway.sim.capture.file import Heard
from gateway.sim.capture.sources import open_source
from gateway.sim.capture.words import Words, senders

NAME: Final = "capture"  # of what has no other: organisation, gateway, streams, boot
_NS_PER_US: Final = 1000
_NS_PER_MS: Final = 1_000_000
_US_PER_MS: Final = 1000
_TURN_S: Final = 0.001  # between two looks whether a vendor's codec has answered


class Said(NamedTuple):
    """One observation, as it would be published."""

    address: str  # of the device, as it was heard
    observation: Observation
    text: str  # of JSON

    @property
    def json(self) -> dict[str, Any]:
        """Its fields, as docs/reference/schema.md has them."""
        fields: dict[str, Any] = json.loads(self.text)
        return fields


def golden(
    path: Path | str,
    devices: Sequence[Mapping[str, Any]] | Path,
    *,
    modem: str = "",
    drivers: Path | None = None,
) -> list[dict[str, Any]]:
    """Return the observations in a capture, for tests: it must decode to these.

    `devices` are entries as in the configuration (`[{"address": "C0:FF:EE:00:00:01"}]`), or a
    whole configuration's file; `drivers` is a folder with yours. Raises SimulatorError for a file
    that cannot be read, InvalidConfigError for devices that cannot be listed. Where a device has a
    vendor's codec, not to be called within an event loop.
    """
    registry = drivers_in(drivers)
    settings = load_for(registry, devices) if isinstance(devices, Path) else listing(devices)
    listener = Listener(settings, registry)
    return [said.json for said in listener.listen(open_source(Path(path), modem))]


@cache
def _ours() -> Registry:
    return discover()


def drivers_in(folder: Path | None) -> Registry:
    """Return the drivers there are, with those of a folder."""
    return _ours() if folder is None else discover(folder)


def load_for(registry: Registry, path: Path) -> Settings:
    """Load a configuration for these drivers. Raises InvalidConfigError."""
    return load(
        path,
        drivers=(*registry.models(), *registry.missing),
        modems={name: registry.modem(name).check for name in registry.modems()},
        pollers=registry.pollers(),
    )


def listing(devices: Sequence[Mapping[str, Any]], gateway: str = "") -> Settings:
    """Return a configuration that lists these devices. Raises InvalidConfigError."""
    document = {
        "config_version": 1,
        "gateway": {"org": NAME, "id": gateway or NAME},
        "mqtt": {"host": "localhost"},
        "devices": [dict(device) for device in devices],
    }
    return load_model(json.dumps(document, indent=1), "devices", Settings)


class Listener:
    """An agent's stops 2 to 4, without radios, without an uplink. For one capture."""

    def __init__(self, settings: Settings, registry: Registry) -> None:
        self._clock = _CaptureClock()
        health = Health(self._clock)
        workshop = Workshop(self._clock, chance=lambda: 0.5, pulse=health.vitals.pulse)
        devices = list(assembly.devices(settings, registry, workshop))
        self.frames: Frames = health.frames
        self._workshop = workshop
        self._needs_loop = any(device.codec is not None for device in settings.devices)
        self._addresses = {device.urn: device.address for device in devices}
        self._sink = _Sink()
        self._pipeline = Pipeline(
            devices,
            registry=registry,
            streams={klass: Stream(id=NAME, klass=klass) for klass in CLASSES},
            sink=self._sink,
            health=health,
        )
        self._words = Words(registry, senders(settings), self._pipeline)

    @property
    def nameless(self) -> int:
        """How many packets a modem has told of without saying whose they are."""
        return self._words.nameless

    def listen(self, source: Iterable[Heard]) -> Iterator[Said]:
        """Yield what is said, frame by frame. Raises SimulatorError, DriverError."""
        if self._needs_loop:
            yield from asyncio.run(self._listen_with_codecs(source))
            return
        for heard in self._frames(source):
            self._offer(heard)
            yield from self._said(heard)

    def _frames(self, source: Iterable[Heard]) -> Iterator[Heard]:
        for heard in source:
            yield from self._words.frames(heard)
        yield from self._words.end()

    def _offer(self, heard: Heard) -> None:
        self._clock.become(heard)
        pipeline, record = self._pipeline, heard.record
        at_ns = pipeline.admits(record.address, record.content, record.rssi_dbm)
        if at_ns is not None:
            pipeline.hear(record.frame(at_ns))
            pipeline.work(pipeline.waiting())

    def _said(self, heard: Heard) -> Iterator[Said]:
        for observation in self._sink.take():
            entry = pack(observation)
            text = entry.head + self._clock.time_part(observation.heard_at_ns, heard) + entry.tail
            yield Said(self._addresses[observation.device], observation, text)

    async def _listen_with_codecs(self, source: Iterable[Heard]) -> list[Said]:
        """Listen, and wait for each answer of a vendor's codec, so that the order stays."""
        said: list[Said] = []
        async with asyncio.TaskGroup() as group:
            working = group.create_task(self._workshop.run(), name="codecs")
            for heard in self._frames(source):
                self._offer(heard)
                while self._pipeline.waiting():
                    await asyncio.sleep(_TURN_S)
                    self._pipeline.work(self._pipeline.waiting())
                said += self._said(heard)
            working.cancel()
        return said


class _Sink:
    """Where observations go: they are fetched at once."""

    has_room = True

    def __init__(self) -> None:
        self._waiting: list[Observation] = []

    async def room(self) -> None:
        """Wait for room, of which there always is some."""

    def offer(self, observation: Observation) -> None:
        """Take an observation over."""
        self._waiting.append(observation)

    def flush(self) -> float:
        """Let more come at any time."""
        return 0.0

    def take(self) -> list[Observation]:
        """Return what has come since."""
        taken, self._waiting = self._waiting, []
        return taken


class _CaptureClock:
    """The time at which each frame was heard. It never goes back, whatever sessions say."""

    boot_id = NAME
    source: ClockSource = "system"

    def __init__(self) -> None:
        self._now_ns = 0
        self._shift_ns = 0  # boot time minus time of day
        self._session: object = None

    def become(self, heard: Heard) -> None:
        """Go on to when a frame was heard."""
        unix_ns = heard.unix_us * _NS_PER_US
        if heard.header is not self._session:  # after a step back it counts from where it was
            self._session = heard.header
            self._shift_ns = max(0, self._now_ns - unix_ns)
        self._now_ns = max(self._now_ns, unix_ns + self._shift_ns)

    def boot_ns(self) -> int:
        """Nanoseconds; only differences mean anything."""
        return self._now_ns

    def wall_ns(self) -> int:
        """Nanoseconds since 1970."""
        return self._now_ns - self._shift_ns

    def reading(self) -> ClockReading:
        """Return what is known of the time."""
        return ClockReading(ClockState.SYNCED, offset_ns=-self._shift_ns, shown_ns=-self._shift_ns)

    def time_part(self, heard_at_ns: int, heard: Heard) -> str:
        """Render when something was heard, and how far that can be believed."""
        unix_ms = (heard_at_ns - self._shift_ns) // _NS_PER_MS
        if heard.header.clock == "unsynced":
            return wire.time_unknown(NAME, heard.record.at_us // _US_PER_MS)
        quality = "exact" if heard.header.clock == "synced" else heard.header.clock
        return wire.time_exact(unix_ms, quality)
