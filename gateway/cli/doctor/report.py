"""The report of a site, `ugw.site-report/1`: what is handed over when an installer leaves.

config/schema has its JSON Schema. It holds no secret, and no address of a sensor beyond the name
that messages call it by.
"""

import platform
from collections.abc import Mapping
from typing import Final

import msgspec

from gateway.cli.doctor import sensors
from gateway.cli.doctor.examination import Examination
from gateway.cli.doctor.finding import Finding, Light, Link, Value, is_acknowledged, overall
from gateway.cli.doctor.language import tell
from gateway.cli.doctor.machine import Machine
from gateway.cli.doctor.signal import Signal
from gateway.cli.doctor.words.text import Language
from gateway.cli.local_agent import Backlog, Sensor
from gateway.clock import ClockReading, ClockState
from gateway.config import Settings
from gateway.core import wire
from gateway.version import __version__

SCHEMA: Final = "ugw.site-report/1"
_MODEL: Final = "/proc/device-tree/model"
_RELEASE: Final = "/etc/os-release"
_MS_PER_S: Final = 1000


class _Part(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A part of the report: what is not known is left out."""


class Check(_Part, frozen=True, kw_only=True):
    """A finding, in words."""

    link: Link
    light: Light
    id: str
    says: str
    about: str = ""
    cause: str = ""
    remedy: str = ""
    values: Mapping[str, Value] = {}


class SensorLine(_Part, frozen=True, kw_only=True):
    """A listed sensor, and how it is heard."""

    device: str
    name: str = ""
    medium: str
    light: Light
    signal: Signal
    rssi: int | None = None
    snr: float | None = None
    spreading_factor: int | None = None
    last_heard_ago_s: float | None = None
    expected_interval_s: float | None = None
    silent: bool
    observations: int


class Waiting(_Part, frozen=True, kw_only=True):
    """What is on disk and not acknowledged."""

    bundles: int
    observations: int
    bytes: int


class Place(_Part, frozen=True, kw_only=True):
    """Where it hangs (WGS 84)."""

    lat: float
    lon: float


class System(_Part, frozen=True, kw_only=True):
    """What ugw runs on."""

    model: str = ""
    os: str = ""
    kernel: str
    python: str


class SiteReport(_Part, frozen=True, kw_only=True):
    """All of it."""

    schema: str
    org: str = ""
    gateway: str = ""
    name: str = ""
    location: Place | None = None
    hardware: str = ""
    report_time: str = ""
    language: Language
    light: Light
    acknowledged: bool
    software: str
    agent: str = ""
    system: System
    backlog: Waiting | None = None
    checks: list[Check]
    sensors: list[SensorLine]


def made(
    examined: Examination,
    settings: Settings | None,
    *,
    system: System,
    time: str,
    language: Language,
) -> SiteReport:
    """Put together what an examination has found; `time` is when, "" where nobody knows."""
    agent = examined.agent
    given = settings.gateway if settings else None
    org, gateway = (given.org, given.id) if given else ("", "")
    if agent is not None:
        org, gateway = agent.status.org, agent.status.gateway
    return SiteReport(
        schema=SCHEMA,
        org=org,
        gateway=gateway,
        name=(given.name if given else None) or "",
        location=_place(settings),
        hardware=(given.hardware if given else None) or "",
        report_time=time,
        language=language,
        light=overall(examined.findings),
        acknowledged=is_acknowledged(examined.findings),
        software=f"ugw {__version__}",
        agent=agent.status.software if agent else "",
        system=system,
        backlog=_waiting(agent.status.backlog) if agent else None,
        checks=[check(finding, language) for finding in examined.findings],
        sensors=_sensors(examined),
    )


def check(finding: Finding, language: Language) -> Check:
    """Put a finding into words."""
    told = tell(finding, language)
    return Check(
        link=finding.link,
        light=finding.light,
        id=finding.id,
        about=finding.about,
        says=told.says,
        cause=told.cause,
        remedy=told.remedy,
        values=finding.values,
    )


def encode(report: SiteReport) -> bytes:
    """Write it as JSON for people and programs."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"


def when(reading: ClockReading, wall_s: float) -> str:
    """Return the time of now in RFC 3339; "" where the clock cannot be believed."""
    if reading.state is ClockState.UNSYNCED:
        return ""
    return wire.rfc3339_ms(int(wall_s * _MS_PER_S))


def system_of(machine: Machine) -> System:
    """Ask a machine what it is."""
    release = machine.read(_RELEASE) or ""
    named = dict(line.split("=", 1) for line in release.splitlines() if "=" in line)
    return System(
        model=machine.read(_MODEL) or "",
        os=named.get("PRETTY_NAME", "").strip('"'),
        kernel=f"{platform.release()} {platform.machine()}",
        python=platform.python_version(),
    )


def _place(settings: Settings | None) -> Place | None:
    where = settings.gateway.location if settings else None
    return None if where is None else Place(lat=float(where.lat), lon=float(where.lon))


def _waiting(backlog: Backlog) -> Waiting:
    return Waiting(bundles=backlog.bundles, observations=backlog.observations, bytes=backlog.bytes)


def _sensors(examined: Examination) -> list[SensorLine]:
    """Return the sensors with their lights: a finding of the link for each, in one order."""
    found = [each for each in examined.findings if each.link is Link.SENSOR]
    if len(found) != len(examined.sensors):  # none is listed, or nobody could be asked
        return []
    pairs = zip(examined.sensors, found, strict=True)
    return [_line(sensor, finding.light) for sensor, finding in pairs]


def _line(sensor: Sensor, light: Light) -> SensorLine:
    return SensorLine(
        device=sensor.device,
        name=sensor.name,
        medium=sensor.medium,
        light=light,
        signal=sensors.verdict(sensor),
        rssi=sensor.rssi,
        snr=sensor.snr,
        spreading_factor=sensor.spreading_factor,
        last_heard_ago_s=sensor.last_heard_ago_s,
        expected_interval_s=sensor.expected_interval_s,
        silent=sensor.silent,
        observations=sensor.observations,
    )
