"""The status message, field by field, as the schema has it."""

from typing import Any

import msgspec
import pytest

from gateway.clock import ClockReading, ClockState
from gateway.health import Health
from gateway.model import Level, Loss, Moment, PreviousStream, TransportState
from gateway.uplink import status
from gateway.uplink.status import (
    BacklogStatus,
    Identity,
    SetAsideStatus,
    Standing,
    StatusReport,
    StreamStatus,
    TransportStatus,
)
from tests.fakes import EPOCH_NS, NS, FakeClock

IDENTITY = Identity(org="kiel", gateway="gw-kiel-0042", software="ugw 0.1.0")
STANDING = Standing(12, "full")


def report(**changes: Any) -> StatusReport:  # noqa: ANN401 - StatusReport's own
    values: dict[str, Any] = {
        "boot": "b0075eed",
        "boot_ns": 1_000 * NS,
        "wall_ns": EPOCH_NS + 1_000 * NS,
        "clock": ClockReading(ClockState.SYNCED, 18),
        **changes,
    }
    return StatusReport(**values)


def rendered(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - StatusReport's own
    document: dict[str, Any] = msgspec.json.decode(
        status.online(IDENTITY, STANDING, report(**changes))
    )
    return document


def test_a_full_report_stands_in_the_schemas_words_and_order() -> None:
    document = rendered(
        streams=(StreamStatus(id="s1", klass="routine", next_seq=9, settled_below=7),),
        previous=(PreviousStream("s0", "event", clean=False, next_seq=4),),
        dropped=(Loss("s0", 1, 3, "full", Moment("an earlier boot", 0, 0)),),
        level=Level.ELEVATED,
        store_state="memory-only",
        backlog=BacklogStatus(bundles=1, observations=2, bytes_used=3, oldest_age_s=4),
        set_aside=SetAsideStatus(bundles=5, bytes_used=6),
        transports=(
            TransportStatus(name="ble:hci0", kind="ble", state=TransportState.UP, since_s=5),
            TransportStatus(
                name="lora", kind="serial", state=TransportState.DOWN, since_s=6, cause="unplugged"
            ),
        ),
        counters={"heard": 1, "refused.bad_mic": 2},
    )
    expected = {
        "schema": "ugw.status/1",
        "org": "kiel",
        "gateway": "gw-kiel-0042",
        "session": 12,
        "sentTime": "2026-11-22T00:16:40.000Z",
        "software": "ugw 0.1.0",
        "state": "online",
        "boot": "b0075eed",
        "uptimeMs": 1_000_000,
        "clock": {
            "state": "synced",
            "source": "kernel",
            "maxErrorMs": 18,
            "bootTimeMs": EPOCH_NS // 1_000_000,
        },
        "streams": [{"stream": "s1", "class": "routine", "nextSeq": 9, "settledBelow": 7}],
        "previous": [{"stream": "s0", "class": "event", "end": "unclean", "nextSeq": 4}],
        "dropped": [
            {
                "stream": "s0",
                "from": 1,
                "to": 3,
                "reason": "full",
                "at": "1970-01-01T00:00:00.000Z",
            }
        ],
        "level": "elevated",
        "storeState": "memory-only",
        "guarantee": "full",
        "backlog": {"bundles": 1, "observations": 2, "bytes": 3, "oldestAgeS": 4},
        "setAside": {"bundles": 5, "bytes": 6},
        "transports": [
            {"name": "ble:hci0", "kind": "ble", "state": "up", "sinceS": 5},
            {"name": "lora", "kind": "serial", "state": "down", "sinceS": 6, "cause": "unplugged"},
        ],
        "counters": {"heard": 1, "refused.bad_mic": 2},
    }
    assert document == expected
    assert list(document) == list(expected)


def test_a_clock_that_nobody_synchronises_dates_nothing() -> None:
    document = rendered(clock=ClockReading(ClockState.UNSYNCED))
    assert "sentTime" not in document
    assert document["clock"] == {"state": "unsynced", "source": "kernel"}


def test_only_the_newest_32_loss_ranges_are_told() -> None:
    ranges = tuple(Loss("s", n, n, "full", Moment("b", 0)) for n in range(40))
    told = rendered(dropped=ranges)["dropped"]
    assert [loss["from"] for loss in told] == list(range(8, 40))


@pytest.mark.parametrize(
    ("moment", "state", "told"),
    [
        (Moment("another", 500 * NS, EPOCH_NS), ClockState.UNSYNCED, "2026-11-22T00:08:20.000Z"),
        (Moment("b0075eed", 500 * NS), ClockState.SYNCED, "2026-11-22T00:08:20.000Z"),
        (Moment("b0075eed", 500 * NS), ClockState.UNSYNCED, None),
        (Moment("another", 500 * NS), ClockState.SYNCED, None),
    ],
    ids=["known then", "known since", "not known", "another boot's"],
)
def test_a_loss_is_dated_as_soon_as_somebody_knows_when_it_was(
    moment: Moment, state: ClockState, told: str | None
) -> None:
    loss = Loss("s", 1, 3, "full", moment)
    [shown] = rendered(dropped=(loss,), clock=ClockReading(state))["dropped"]
    assert shown.get("at") == told


def test_the_farewell_is_a_whole_report_and_clean() -> None:
    document = msgspec.json.decode(status.offline(IDENTITY, STANDING, report()))
    assert (document["state"], document["clean"]) == ("offline", True)
    assert set(rendered()) < set(document)


def test_the_will_says_only_what_is_true_whenever_it_is_read() -> None:
    assert status.will(IDENTITY, 12) == (
        b'{"schema":"ugw.status/1","org":"kiel","gateway":"gw-kiel-0042","session":12,'
        b'"software":"ugw 0.1.0","state":"offline","clean":false}'
    )


def test_the_counters_are_the_terms_of_both_laws() -> None:
    health = Health(FakeClock())
    health.frames.heard, health.frames.decoded = 5, 2
    health.frames.refuse("bad_mic")
    health.frames.refuse("truncated")
    health.waiting = lambda: 1
    health.observations.observed, health.observations.delivered = 9, 4
    health.in_memory, health.in_backlog = (lambda: 3), (lambda: 2)
    told = status.counters(health)
    ended = ["unlisted", "duplicate", "limited", "coalesced", "thinned", "unknown"]
    ended += [name for name in told if name.startswith("refused.")]
    ended += ["empty", "waiting", "decoded"]
    assert told["heard"] - sum(told[name] for name in ended) == health.frames_law() == 0
    kept = ["delivered", "setAside", "dropped", "inMemory", "inBacklog"]
    balance = told["recovered"] + told["observed"] - sum(told[name] for name in kept)
    assert balance == health.observations_law() == 0
    assert set(told) == {"heard", *ended, "recovered", "observed", *kept, "unheard"}


def test_transports_tell_their_state_and_for_how_long() -> None:
    clock = FakeClock()
    health = Health(clock)
    health.transport("ble:hci0", "ble")
    clock.pass_s(90.5)
    assert status.transports(health) == (
        TransportStatus(
            name="ble:hci0", kind="ble", state=TransportState.DOWN, since_s=90, cause="starting"
        ),
    )
