"""Every metric: its name, its kind, what it means, and where its values come from.

This table is what /metrics serves and what docs/reference/metrics.md says. Base units; no label
holds a device's address or id, and none has more values than the configuration or a short list.
"""

import os
import time
from collections.abc import Callable, Iterable
from typing import Final, Literal

import msgspec

from gateway.clock import ClockState
from gateway.health import Health
from gateway.model import Level, TransportState
from gateway.report import age_s
from gateway.version import __version__
from gateway.web.inside import Inside, resident_bytes

_NS_PER_S: Final = 1e9
_MS_PER_S: Final = 1e3

Sample = tuple[tuple[str, ...], float]  # values of the labels, value
Read = Callable[[Inside], Iterable[Sample]]


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """One metric family. A counter's name ends in `_total`."""

    name: str
    kind: Literal["counter", "gauge"]
    help: str
    read: Read
    labels: tuple[str, ...] = ()


# --------------------------------------------------------------------------------------- reading
def _one(read: Callable[[Inside], float | None]) -> Read:
    """Return a reader of one value; there is no sample while it is not known."""

    def samples(inside: Inside) -> Iterable[Sample]:
        value = read(inside)
        return () if value is None else (((), float(value)),)

    return samples


def _state(states: Iterable[str], read: Callable[[Inside], str]) -> Read:
    """Return a reader of a state: 1 for the one that holds, 0 for all others."""

    def samples(inside: Inside) -> Iterable[Sample]:
        now = read(inside)
        return [((state,), float(state == now)) for state in states]

    return samples


def _ended(*names: str) -> Callable[[object], Iterable[Sample]]:
    def samples(counters: object) -> Iterable[Sample]:
        return [((name,), float(getattr(counters, name))) for name in names]

    return samples


_FRAMES: Final = _ended(
    "unlisted", "duplicate", "limited", "coalesced", "thinned", "unknown", "empty", "decoded"
)
_OBSERVATIONS: Final = _ended("delivered", "set_aside", "dropped")


def _refused(inside: Inside) -> Iterable[Sample]:
    return [((reason,), n) for reason, n in sorted(_health(inside).frames.refused.items())]


def _puback(inside: Inside) -> Iterable[Sample]:
    return [((f"0x{code:02X}",), n) for code, n in sorted(_health(inside).refusals.items())]


def _laws(inside: Inside) -> Iterable[Sample]:
    health = _health(inside)
    return (("frames",), health.frames_law()), (("observations",), health.observations_law())


def _transport_states(inside: Inside) -> Iterable[Sample]:
    for record in _health(inside).transports.values():
        for state in TransportState:
            yield (record.name, record.kind, state.value), float(record.state is state)


def _transport_counters(inside: Inside) -> Iterable[Sample]:
    for record in _health(inside).transports.values():
        for counter, value in sorted(record.counters.items()):
            yield (record.name, record.kind, counter), value


def _sensors(inside: Inside) -> Iterable[Sample]:
    agent = inside.agent
    heard = [listing.heard_at_ns is not None for listing in agent.pipeline.listed()]
    silent = len(agent.silent())
    return (("listed",), len(heard)), (("heard",), sum(heard)), (("silent",), silent)


def _disk_free(inside: Inside) -> float | None:
    try:
        medium = os.statvfs(inside.agent.settings.store.path)
    except OSError:  # the store says so itself
        return None
    return medium.f_bavail * medium.f_frsize


def _max_error_s(inside: Inside) -> float | None:
    error_ms = inside.agent.clock.reading().max_error_ms
    return None if error_ms is None else error_ms / _MS_PER_S


def _acknowledged_ago_s(inside: Inside) -> float | None:
    at_ns = _health(inside).acknowledged_at_ns
    return None if at_ns is None else (inside.agent.clock.boot_ns() - at_ns) / _NS_PER_S


def _reload_ok(inside: Inside) -> float | None:
    last = inside.reloader.last
    return None if last is None else float(last.ok)


def _health(inside: Inside) -> Health:
    return inside.agent.health


# --------------------------------------------------------------------------------------- the table
METRICS: Final = (
    Metric(
        name="ugw_build_info",
        kind="gauge",
        help="Always 1; the label tells the version of the software.",
        read=lambda _: (((__version__,), 1.0),),
        labels=("version",),
    ),
    Metric(
        name="ugw_uptime_seconds",
        kind="gauge",
        help="How long the agent has been running.",
        read=_one(lambda i: (i.agent.clock.boot_ns() - i.started_ns) / _NS_PER_S),
    ),
    Metric(
        name="ugw_stuck_tasks",
        kind="gauge",
        help="Tasks of the agent that give no sign of life; /healthz names them.",
        read=_one(lambda i: len(i.stuck())),
    ),
    Metric(
        name="ugw_ready",
        kind="gauge",
        help="1 while /readyz says so: the store can be written, the configuration is valid, a "
        "source is up.",
        read=_one(lambda i: not list(i.reasons())),
    ),
    Metric(
        name="ugw_configuration_reload_ok",
        kind="gauge",
        help="1 if the last reload was applied, 0 if it was refused; none before the first.",
        read=_one(_reload_ok),
    ),
    # ------------------------------------------------------------------------------------- frames
    Metric(
        name="ugw_frames_heard_total",
        kind="counter",
        help="Every advertisement and every LoRa packet, before anything is known of it.",
        read=_one(lambda i: _health(i).frames.heard),
    ),
    Metric(
        name="ugw_frames_total",
        kind="counter",
        help="Frames by how they ended; with the refused and the waiting ones they are the heard.",
        read=lambda i: _FRAMES(_health(i).frames),
        labels=("result",),
    ),
    Metric(
        name="ugw_frames_refused_total",
        kind="counter",
        help="Frames that are not what they claim to be, by reason.",
        read=_refused,
        labels=("reason",),
    ),
    Metric(
        name="ugw_frames_waiting",
        kind="gauge",
        help="Frames admitted and not decoded yet.",
        read=_one(lambda i: _health(i).waiting()),
    ),
    # ------------------------------------------------------------------------------- observations
    Metric(
        name="ugw_observations_recovered_total",
        kind="counter",
        help="Observations found in the store at start.",
        read=_one(lambda i: _health(i).observations.recovered),
    ),
    Metric(
        name="ugw_observations_observed_total",
        kind="counter",
        help="Observations made in this run.",
        read=_one(lambda i: _health(i).observations.observed),
    ),
    Metric(
        name="ugw_observations_total",
        kind="counter",
        help="Observations by how they ended; with those in memory and in the backlog they are "
        "the recovered and the observed.",
        read=lambda i: _OBSERVATIONS(_health(i).observations),
        labels=("result",),
    ),
    Metric(
        name="ugw_observations_in_memory",
        kind="gauge",
        help="Observations neither acknowledged nor on disk.",
        read=_one(lambda i: _health(i).in_memory()),
    ),
    Metric(
        name="ugw_observations_in_backlog",
        kind="gauge",
        help="Observations on disk and not acknowledged.",
        read=_one(lambda i: _health(i).in_backlog()),
    ),
    Metric(
        name="ugw_observations_unheard_total",
        kind="counter",
        help="Observations delivered to a broker that had nobody who wants them (PUBACK 0x10).",
        read=_one(lambda i: _health(i).observations.unheard),
    ),
    Metric(
        name="ugw_observations_resent_total",
        kind="counter",
        help="Observations published again, not acknowledged at first.",
        read=_one(lambda i: _health(i).observations.resent),
    ),
    Metric(
        name="ugw_law_difference",
        kind="gauge",
        help="By how much one of the two sums is wrong; anything but 0 is a bug worth reporting.",
        read=_laws,
        labels=("law",),
    ),
    # ------------------------------------------------------------------------------------ backlog
    Metric(
        name="ugw_backlog_level",
        kind="gauge",
        help="1 for how full the backlog is; above normal, routine devices are thinned.",
        read=_state(tuple(Level), lambda i: _health(i).level),
        labels=("level",),
    ),
    Metric(
        name="ugw_store_state",
        kind="gauge",
        help="1 for the state of the store.",
        read=_state(("ok", "memory-only", "quarantined"), lambda i: i.agent.delivery.keeper.state),
        labels=("state",),
    ),
    Metric(
        name="ugw_backlog_bundles",
        kind="gauge",
        help="Bundles on disk and not acknowledged.",
        read=_one(lambda i: i.agent.backlog.bundles),
    ),
    Metric(
        name="ugw_backlog_bytes",
        kind="gauge",
        help="What the store takes on the medium.",
        read=_one(lambda i: i.agent.backlog.bytes_used),
    ),
    Metric(
        name="ugw_backlog_limit_bytes",
        kind="gauge",
        help="The most it may take.",
        read=_one(lambda i: i.agent.backlog.max_bytes),
    ),
    Metric(
        name="ugw_backlog_oldest_age_seconds",
        kind="gauge",
        help="How long ago the oldest observation on disk was heard; none while nobody can know.",
        read=_one(lambda i: age_s(i.agent.delivery.keeper.oldest, i.agent.clock)),
    ),
    Metric(
        name="ugw_set_aside_bundles",
        kind="gauge",
        help="Bundles that the broker refused for good, kept for inspection.",
        read=_one(lambda i: i.agent.backlog.asides),
    ),
    Metric(
        name="ugw_set_aside_bytes",
        kind="gauge",
        help="Their size as messages.",
        read=_one(lambda i: i.agent.backlog.aside_bytes),
    ),
    Metric(
        name="ugw_disk_free_bytes",
        kind="gauge",
        help="Free space on the medium of the store.",
        read=_one(_disk_free),
    ),
    # ------------------------------------------------------------------------------------- uplink
    Metric(
        name="ugw_uplink_connected",
        kind="gauge",
        help="1 while the broker is connected.",
        read=_one(lambda i: _health(i).uplink.connected),
    ),
    Metric(
        name="ugw_uplink_session",
        kind="gauge",
        help="The number of the newest connection; it grows with each attempt, across restarts.",
        read=_one(lambda i: _health(i).uplink.session),
    ),
    Metric(
        name="ugw_uplink_last_acknowledged_age_seconds",
        kind="gauge",
        help="How long ago the broker acknowledged an observation; none before the first.",
        read=_one(_acknowledged_ago_s),
    ),
    Metric(
        name="ugw_publish_refused_total",
        kind="counter",
        help="Observation messages the broker refused, by the reason code of the PUBACK.",
        read=_puback,
        labels=("code",),
    ),
    Metric(
        name="ugw_publish_in_flight",
        kind="gauge",
        help="Messages under way without an acknowledgement.",
        read=_one(lambda i: i.agent.delivery.sender.in_flight),
    ),
    Metric(
        name="ugw_publish_window",
        kind="gauge",
        help="How many there may be; it shrinks on a slow link.",
        read=_one(lambda i: i.agent.delivery.sender.window),
    ),
    Metric(
        name="ugw_certificate_not_after_timestamp_seconds",
        kind="gauge",
        help="When the gateway's own certificate expires, in Unix time; none without one.",
        read=_one(lambda i: _health(i).uplink.certificate_until_s),
    ),
    # --------------------------------------------------------------------------------- transports
    Metric(
        name="ugw_transport_state",
        kind="gauge",
        help="1 for the state of a transport.",
        read=_transport_states,
        labels=("transport", "kind", "state"),
    ),
    Metric(
        name="ugw_transport_events_total",
        kind="counter",
        help="What each transport counts for itself: see counters.md, Transports.",
        read=_transport_counters,
        labels=("transport", "kind", "counter"),
    ),
    Metric(
        name="ugw_sensors",
        kind="gauge",
        help="Listed sensors, those heard in this run, and those that are silent.",
        read=_sensors,
        labels=("state",),
    ),
    # -------------------------------------------------------------------------- clock and process
    Metric(
        name="ugw_clock_state",
        kind="gauge",
        help="1 for the state of the clock.",
        read=_state(tuple(ClockState), lambda i: i.agent.clock.reading().state),
        labels=("state",),
    ),
    Metric(
        name="ugw_clock_max_error_seconds",
        kind="gauge",
        help="How wrong the clock may be, where the kernel tells.",
        read=_one(_max_error_s),
    ),
    Metric(
        name="ugw_process_resident_memory_bytes",
        kind="gauge",
        help="Memory the agent holds, shared pages included.",
        read=_one(lambda _: resident_bytes()),
    ),
    Metric(
        name="ugw_process_cpu_seconds_total",
        kind="counter",
        help="CPU time the agent has used.",
        read=_one(lambda _: time.process_time()),
    ),
)
