"""Delivery on a desk: a clock turned by hand, a broker that acknowledges when it is told to.

Whatever is published is checked on the way: whole, contiguous, with the text that was offered, the
time quality that the schema asks for, and, when it is sent again, the same observations.
"""

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.esp32 import backlog
from gateway.esp32.backlog import Backlog
from gateway.esp32.delivery import Delivery
from gateway.esp32.pipeline import Counts
from tests.esp32.fake_segments import FakeSegments, Flash

LIMITS = {
    "commit_after_ms": 700,
    "live_max_age_ms": 60_000,
    "pace_ms": 20,
    "window": 8,
    "ack_timeout_ms": 10_000,
    "min_rate": 500,
    "store_bytes": 2048 * 40,
}
ROOT = "ugw/1/acme/site-1"
PACKET = 1536  # of the uplink, made once
URN = "urn:dev:mac:c0ffee000001"
UNIX_MS = 1_795_000_000_000
STEADY_MS = 10

vars(backlog)["urandom"] = lambda size: (
    b"\x80" * size
)  # back-off without chance, or nothing is repeatable


class FakeClock:
    """As gateway.esp32.clock.Clock to who reads it."""

    def __init__(self, boot: str) -> None:
        self.boot = boot
        self.ms = 1000
        self.offset_ms: int | None = None
        self.since_ms = 0
        self.held = False

    def now(self) -> int:
        return self.ms

    def state(self) -> str:
        if self.offset_ms is None:
            return "unsynced"
        return "holdover" if self.held else "synced"

    def max_error_ms(self) -> int | None:
        return None if self.offset_ms is None else 7

    def sync(self, offset_ms: int = UNIX_MS) -> None:
        if self.state() != "synced":
            self.since_ms = self.ms
        self.offset_ms, self.held = offset_ms, False

    def hold(self) -> None:
        if self.state() == "synced":
            self.held, self.since_ms = True, self.ms


class Sent:
    """One PUBLISH, as the broker has read it."""

    def __init__(self, topic: str, payload: str, pid: int, *, dup: bool) -> None:
        self.lane = topic.removeprefix(ROOT + "/obs/")
        self.text = payload
        self.pid, self.dup = pid, dup
        self.bundle: dict[str, Any] = json.loads(payload)
        self.stream: str = self.bundle["stream"]
        self.klass: str = self.bundle["class"]
        self.observations: list[dict[str, Any]] = self.bundle["observations"]
        self.seqs = [each["seq"] for each in self.observations]

    @property
    def keys(self) -> list[tuple[str, int]]:
        return [(self.stream, seq) for seq in self.seqs]

    @property
    def results(self) -> list[object]:
        return [each["results"] for each in self.observations]


class FakeUplink:
    """As gateway.esp32.uplink.Uplink to who sends, and the broker behind it."""

    def __init__(self) -> None:
        self.up = False
        self.busy = False  # the packet before is not wholly written
        self.sent: list[Sent] = []  # in this run, all of it
        self.open: dict[int, Sent] = {}  # without a PUBACK
        self.cause = ""
        self._pid = 65_530  # it wraps soon
        self._topic = ""
        self._parts: list[bytes] = []
        self._room = 0

    @property
    def can_send(self) -> bool:
        return self.up and not self.busy

    def begin(self, topic: str, room: int = 0) -> None:
        assert self.can_send
        self._topic, self._parts = topic, []
        self._room = max(PACKET, 8 + len(topic) + room) - 8 - len(topic)

    def add(self, text: str | bytes) -> None:
        data = text.encode() if isinstance(text, str) else text
        self._room -= len(data)
        assert self._room >= 0, "packet is full"
        self._parts.append(data)

    def send(self, retain: bool = False, pid: int = 0) -> int:  # noqa: FBT001, FBT002 - as it is
        assert not retain
        dup = pid > 0
        while not pid or (not dup and pid in self.open):
            pid = self._pid = self._pid % 65_535 + 1
        sent = Sent(self._topic, b"".join(self._parts).decode(), pid, dup=dup)
        before = self.open.get(pid)
        assert dup == (before is not None)
        if before is not None:
            assert (sent.lane, sent.keys) == (before.lane, before.keys)
            assert sent.results == before.results
        self.open[pid] = sent
        self.sent.append(sent)
        return pid

    def drop(self, cause: str) -> None:
        self.up, self.cause = False, cause


class DeskDelivery(Delivery):
    """Delivery over a flash in memory."""

    flash: Flash

    def open(self) -> Backlog:
        if not self.store:
            self.store = Backlog(self, FakeSegments(self.flash))  # type: ignore[arg-type]
        return self.store


class Offered:
    """One observation, and what was known of the time when it was."""

    def __init__(self, heard_ms: int, clock: FakeClock) -> None:
        self.heard_ms, self.boot = heard_ms, clock.boot
        known = clock.offset_ms is not None and heard_ms >= clock.since_ms
        self.offset_ms = clock.offset_ms if known else None
        self.quality = {"synced": "exact", "holdover": "holdover"}[clock.state()] if known else ""


class Desk:
    """One gateway: a flash that stays, and the runs over it."""

    def __init__(self, *, cap: int = 1000, **limits: int) -> None:
        self.flash = Flash(cap)
        self.limits = LIMITS | limits
        self.runs = 0
        self.offered: dict[tuple[str, int], Offered] = {}
        self.results: dict[tuple[str, int], object] = {}
        self.acknowledged: set[tuple[str, int]] = set()
        self.lost: dict[tuple[str, int], str] = {}
        self.cut: set[tuple[str, int]] = set()  # what a power cut took
        self._checked = 0
        self.start()

    def start(self) -> None:
        """Power on."""
        self.runs += 1
        self.streams = {klass: f"{self.runs:020d}{klass:.6}" for klass in ("event", "routine")}
        self.clock = FakeClock(f"00000000-0000-4000-a000-{self.runs:012d}")
        self.counts = Counts()
        self.uplink = FakeUplink()
        self._checked = 0
        site: Any = SimpleNamespace(
            org="acme", gateway="site-1", root=ROOT, path="", delivery=self.limits
        )
        clock: Any = self.clock
        uplink: Any = self.uplink
        self.delivery = DeskDelivery(site, clock, self.counts, uplink, self.streams)
        self.delivery.flash = self.flash
        self.delivery.on_loss = self._lose
        self.delivery.open().recover()

    def power_cut(self) -> None:
        """Power off, and on again."""
        self.cut |= set(self.offered) - self.placed(ring=False)
        self.start()

    def _lose(self, stream: str, first: int, last: int, reason: str) -> None:
        for seq in range(first, last + 1):
            assert (stream, seq) not in self.lost
            self.lost[stream, seq] = reason

    # --------------------------------------------------------------------------------------- doing
    def offer(self, klass: str = "routine", *, size: int = 100, age_ms: int = 0) -> None:
        stream, seq = self.streams[klass], self.delivery.next_seq(klass)
        number = len(self.offered)
        results: list[object] = [number, "ä" * (size // 2)]
        tail = f',"results":{json.dumps(results, ensure_ascii=False)},"link":{{}}}}'
        heard_ms = max(0, self.clock.ms - age_ms)
        self.offered[stream, seq] = Offered(heard_ms, self.clock)
        self.results[stream, seq] = results
        try:
            self.delivery.offer(klass, URN, heard_ms, tail)
        except ValueError:
            del self.offered[stream, seq], self.results[stream, seq]
            raise
        self.counts.observed += 1

    def up(self) -> None:
        if not self.uplink.up:
            self.uplink.up = True
            self.delivery.on_up()

    def down(self) -> None:
        self.uplink.up = False
        self.delivery.on_down()

    def wait(self, ms: int) -> None:
        """Let time pass, in the steps that delivery asks for."""
        end = self.clock.ms + ms
        while self.clock.ms < end:
            step = self.delivery.tick()
            assert step > 0
            self.clock.ms = min(end, self.clock.ms + step)
        self.delivery.tick()

    def acknowledge(self, sent: Sent) -> bool:
        self.uplink.open.pop(sent.pid, None)
        was_ours = self.delivery.acknowledged(sent.pid)
        if was_ours:
            self.acknowledged |= set(sent.keys) - set(self.lost)
        return was_ours

    def acknowledge_all(self) -> None:
        while self.uplink.open:
            self.acknowledge(next(iter(self.uplink.open.values())))

    def drain(self) -> None:
        """Let all go right until nothing is left."""
        self.flash.broken, self.flash.cap, self.uplink.busy = False, 1000, False
        self.down()
        self.up()
        for _ in range(1000):
            self.acknowledge_all()
            if not self.delivery.in_memory() and not self.flash.rows:
                return
            self.wait(100)
        pytest.fail("it does not end")

    # ------------------------------------------------------------------------------------- looking
    @property
    def store_state(self) -> str:
        return self.delivery.store_state

    def lanes(self) -> list[tuple[str, str, list[int]]]:
        return [(each.lane, each.klass, each.seqs) for each in self.uplink.sent]

    def placed(self, *, ring: bool = True) -> set[tuple[str, int]]:
        """Return the numbers that are somewhere, each in one place."""
        places = [set(self.acknowledged), set(self.lost)]
        places += [
            {(row[1], row[2] + at) for at in range(len(list(row[6])))}
            for row in self.flash.rows.values()
        ]
        if ring:
            for each in self.delivery.rings:
                walk = each.walk(each.first, each.next)
                held = enumerate([head[1] < 4 for _, head in walk], each.first)
                places.append({(each.stream, seq) for seq, is_held in held if is_held})
        assert sum(map(len, places)) == len(set().union(*places))
        return set().union(*places)

    def check(self) -> None:
        """Check all that holds at every moment."""
        counts, delivery = self.counts, self.delivery
        held = delivery.in_memory() + delivery.in_backlog()
        assert counts.recovered + counts.observed == counts.delivered + counts.dropped + held
        assert set(self.offered) - self.cut == self.placed() - self.cut
        assert len(delivery.flights) <= self.limits["window"]
        for klass, stream in self.streams.items():
            unsettled = [
                seq
                for name, seq in set(self.offered) - self.acknowledged - set(self.lost)
                if name == stream
            ]
            assert delivery.settled_below(klass) <= min(
                unsettled, default=delivery.next_seq(klass)
            )
        for sent in self.uplink.sent[self._checked :]:
            self._check_sent(sent)
        self._checked = len(self.uplink.sent)

    def _check_sent(self, sent: Sent) -> None:
        assert sent.seqs == list(range(sent.seqs[0], sent.seqs[0] + len(sent.seqs)))
        assert sent.results == [self.results[key] for key in sent.keys]
        assert len({each["timeQuality"] for each in sent.observations}) == 1
        for key, seen in zip(sent.keys, sent.observations, strict=True):
            self._check_time(self.offered[key], seen)

    def _check_time(self, offered: Offered, seen: dict[str, Any]) -> None:
        now = self.clock
        quality, offset_ms = offered.quality, offered.offset_ms
        if not quality and offered.boot == now.boot and now.offset_ms is not None:
            quality, offset_ms = "reconstructed", now.offset_ms
        if offset_ms is None:
            quality = "unknown"
            assert (seen["boot"], seen["uptimeMs"]) == (offered.boot, offered.heard_ms)
        else:
            at = datetime.fromisoformat(seen["phenomenonTime"])
            unix_ms = (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
            assert abs(unix_ms - offered.heard_ms - offset_ms) < STEADY_MS
        assert seen["timeQuality"] == quality
