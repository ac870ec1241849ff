"""What a running agent shows of itself: its status, its sensors, whether it lives and is ready.

Read from the running parts when somebody asks; nothing is kept here. The shapes are those of
docs/reference/http.md.
"""

import os
import time
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from gateway.app import Agent
from gateway.clock import ClockState
from gateway.config import DeviceSettings
from gateway.core import wire
from gateway.model import Result, TransportState
from gateway.reload import Reloader
from gateway.roster import Listing
from gateway.uplink import status
from gateway.uplink.certificates import days_left
from gateway.uplink.status import Standing
from gateway.web.troubles import light, troubles

STATUS: Final = "ugw.local-status/1"
SENSORS: Final = "ugw.local-sensors/1"

_NS_PER_S: Final = 1_000_000_000
_NS_PER_MS: Final = 1_000_000
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")

Json = dict[str, Any]


class Reason(msgspec.Struct, frozen=True):
    """Why the agent is not ready."""

    what: str  # "store", "configuration", "sources"
    cause: str
    remedy: str


class Inside:
    """A running agent, seen from inside."""

    def __init__(self, agent: Agent, reloader: Reloader) -> None:
        self.agent = agent
        self.reloader = reloader
        self.started_ns = agent.clock.boot_ns()

    # -------------------------------------------------------------------------------------- health
    def stuck(self) -> list[str]:
        """Return the names of tasks that give no sign of life."""
        return self.agent.health.vitals.stuck()

    def reasons(self) -> Iterator[Reason]:
        """Yield why it is not ready to do its work."""
        yield from self._store_reasons()
        last = self.reloader.last
        if last is not None and not last.ok:
            yield Reason("configuration", last.cause, "mend the file, then: systemctl reload ugw")
        records = self.agent.health.transports.values()
        if not records:
            yield Reason("sources", "no transport is configured", "see transports")
        elif not any(record.state is TransportState.UP for record in records):
            causes = "; ".join(f"{record.name}: {record.cause}" for record in records)
            yield Reason("sources", f"nothing is heard: {causes}", "ugw check says what is wrong")

    def _store_reasons(self) -> Iterator[Reason]:
        lacks = self.agent.health.store
        remedy = lacks.remedy or "ugw check says what is wrong"
        if self.agent.delivery.keeper.state == "memory-only":
            yield Reason("store", f"the store cannot be written: {lacks.cause}", remedy)
        elif lacks.cause:
            cause = f"the store gives up old observations for new ones: {lacks.cause}"
            yield Reason("store", cause, remedy)

    def healthz(self) -> Json:
        """Return whether every supervised task ticks."""
        stuck = self.stuck()
        return {"ok": not stuck, "stuck": stuck}

    def readyz(self) -> Json:
        """Return whether the agent can do its work, and if not, why."""
        reasons = [msgspec.to_builtins(reason) for reason in self.reasons()]
        return {"ok": not reasons, "reasons": reasons}

    # -------------------------------------------------------------------------------------- status
    def status(self) -> Json:
        """Return all that is known of the agent, and what is wrong with it."""
        known = self._known()
        found = list(troubles(known))
        return {**known, "light": light(found), "troubles": msgspec.to_builtins(found)}

    def _known(self) -> Json:
        health = self.agent.health
        return {
            "schema": STATUS,
            "status": self.published(),
            "uplink": self.uplink(),
            "store": self.store(),
            "configuration": self.configuration(),
            "refusals": {
                "frames": dict(sorted(health.frames.refused.items())),
                "puback": {f"0x{c:02X}": n for c, n in sorted(health.refusals.items())},
            },
            "transports": list(self._transports()),
            "laws": {"frames": health.frames_law(), "observations": health.observations_law()},
            "health": self.healthz(),
            "ready": self.readyz(),
            "drivers": [msgspec.to_builtins(each) for each in self.agent.registry.quarantined],
            "silent": list(self._silent()),
            "unread": list(self._unread()),
            "process": self.process(),
        }

    def published(self) -> Json:
        """Return the status as it would be published now."""
        agent = self.agent
        uplink = agent.health.uplink
        standing = Standing(uplink.session, "full" if uplink.version == "5" else "reduced")
        message = status.online(agent.identity, standing, agent.report())
        body: Json = msgspec.json.decode(message)
        return body

    def uplink(self) -> Json:
        """Return how it stands with the broker."""
        agent = self.agent
        uplink, sender = agent.health.uplink, agent.delivery.sender
        return {
            "connected": uplink.connected,
            "sinceS": self._ago_s(uplink.since_ns or None),
            "cause": uplink.cause,
            "remedy": uplink.remedy,
            "host": agent.settings.mqtt.host,
            "port": agent.settings.mqtt.port,
            "tls": agent.settings.mqtt.tls is not None,
            "version": uplink.version,
            "session": uplink.session,
            "inFlight": sender.in_flight,
            "window": sender.window,
            "lastAckAgoS": self._ago_s(agent.health.acknowledged_at_ns),
            "unheard": [
                lane.value for lane in agent.health.audience.missing(agent.clock.boot_ns())
            ],
            "certificateDays": days_left(uplink, agent.clock),
        }

    def store(self) -> Json:
        """Return why the store fails, or gives up the old for the new."""
        lacks = self.agent.health.store
        since_s = self._ago_s(lacks.since_ns) if lacks.cause else None
        return {"cause": lacks.cause, "remedy": lacks.remedy, "sinceS": since_s}

    def configuration(self) -> Json:
        """Return which configuration is in force, and what became of the last reload."""
        last = self.reloader.last
        return {
            "path": str(self.reloader.path),
            "loadedAt": self._rfc3339(self.reloader.loaded_at_ns),
            "loadedAgoS": self._ago_s(self.reloader.loaded_at_ns),
            "lastReload": None
            if last is None
            else {
                "at": self._rfc3339(last.at_ns),
                "agoS": self._ago_s(last.at_ns),
                "ok": last.ok,
                "cause": last.cause,
                "changed": list(last.changed),
            },
        }

    def process(self) -> Json:
        """Return what the process takes of the machine."""
        return {
            "pid": os.getpid(),
            "startedAgoS": self._ago_s(self.started_ns),
            "memoryBytes": resident_bytes(),
            "cpuS": round(time.process_time(), 2),
        }

    def _transports(self) -> Iterator[Json]:
        for record in self.agent.health.transports.values():
            yield {
                "name": record.name,
                "kind": record.kind,
                "state": record.state.value,
                "sinceS": self._ago_s(record.since_ns),
                "cause": record.cause,
                "counters": dict(sorted(record.counters.items())),
            }

    def _silent(self) -> Iterator[Json]:
        silent = self.agent.silent()
        for listing in self.agent.pipeline.listed():
            if listing.urn in silent:
                yield {"device": listing.urn, "name": listing.name}

    def _unread(self) -> Iterator[Json]:
        unread = self.agent.health.unread
        for listing in self.agent.pipeline.listed():
            if listing.urn in unread:
                cause = unread[listing.urn]
                yield {"device": listing.urn, "name": listing.name, "cause": cause}

    # ------------------------------------------------------------------------------------- sensors
    def sensors(self) -> Json:
        """Return the listed devices, in the configuration's order, and what they said last."""
        configured = {device.address: device for device in self.agent.settings.devices}
        silent = self.agent.silent()
        sensors = [
            self._sensor(listing, configured[listing.address], listing.urn in silent)
            for listing in self.agent.pipeline.listed()
        ]
        return {"schema": SENSORS, "sensors": sensors}

    def _sensor(self, listing: Listing, device: DeviceSettings, silent: bool) -> Json:  # noqa: FBT001 - one call
        last = listing.last
        return {
            "device": listing.urn,
            "name": listing.name,
            "address": listing.address,
            "driver": device.driver or listing.model or None,
            "medium": device.medium,
            "class": listing.klass,
            "expectedIntervalS": _seconds(device.expected_interval_ns),
            "lastHeardAgoS": self._ago_s(listing.heard_at_ns),
            "silent": silent,
            "rssi": listing.rssi_dbm,
            "snr": last.link.snr_db if last else None,
            "spreadingFactor": last.link.spreading_factor if last else None,
            "observations": listing.observations,
            "values": [_value(result) for result in self.agent.newest(listing)],
        }

    # ---------------------------------------------------------------------------------------- time
    def _ago_s(self, at_ns: int | None) -> int | None:
        return None if at_ns is None else (self.agent.clock.boot_ns() - at_ns) // _NS_PER_S

    def _rfc3339(self, at_ns: int) -> str | None:
        clock = self.agent.clock
        if clock.reading().state is ClockState.UNSYNCED:
            return None
        return wire.rfc3339_ms((at_ns + clock.wall_ns() - clock.boot_ns()) // _NS_PER_MS)


def resident_bytes() -> int:
    """Return what the process holds of the machine's memory (proc(5), statm)."""
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - at every scrape
        return int(file.read().split()[1]) * _PAGE_BYTES


def _seconds(duration_ns: int | None) -> float | int | None:
    if duration_ns is None:
        return None
    whole, rest = divmod(duration_ns, _NS_PER_S)
    return duration_ns / _NS_PER_S if rest else whole


def _value(result: Result) -> Json:
    """Return a result as messages have it, with what they leave out."""
    told: Json = msgspec.json.decode(wire.result(result))
    return {"channel": "", "quality": "good", "flags": [], **told}
