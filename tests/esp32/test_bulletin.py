"""What an ESP32 tells beside observations is what the Pi tells of the same, to the byte."""

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.clock import ClockReading, ClockState
from gateway.config.devices import DeviceSettings
from gateway.esp32 import bulletin, status
from gateway.model import Level, Loss, Moment, PreviousStream, TransportState
from gateway.uplink import event, meta, state
from gateway.uplink import status as pi

BOOT = "3f0b1c3e-6a0e-4d43-9c0b-2f4a8a5f7a11"
OFFSET_MS = 1_795_228_800_000
NOW_MS = 93_512
IDENTITY = pi.Identity(org="kiel", gateway="gw-1", software="ugw 0.1.0")
STREAMS = {"routine": "7ZJ0V9N4Y2K8Q6T1M5B3C7D9EF", "event": "01KAMX7Q3F8T5V4C2M9XWHA6RD"}
COUNTERS = {"heard": 12, "unlisted": 3, "refused.bad_mic": 1, "inMemory": 2}
LOSSES = [
    (STREAMS["routine"], 5, 9, "full", BOOT, 90_000, None),
    ("OLD", 1, 1, "damaged", "another-boot", 5, 1_795_000_000_000),
    ("OLDER", 4, 7, "full", "yet-another", 77, None),
]


class Packets:
    """An uplink that keeps what it is given."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, bool]] = []
        self._topic, self._text = "", ""

    def begin(self, topic: str, _room: int = 0) -> None:
        self._topic, self._text = topic, ""

    def add(self, text: str) -> None:
        self._text += text

    def send(self, retain: bool = False) -> int:  # noqa: FBT001, FBT002 - as the device's has it
        self.sent.append((self._topic, self._text, retain))
        return len(self.sent)


def _clock(state_: str) -> SimpleNamespace:
    return SimpleNamespace(
        boot=BOOT,
        now=lambda: NOW_MS,
        state=lambda: state_,
        offset_ms=None if state_ == "unsynced" else OFFSET_MS,
        max_error_ms=lambda: None if state_ == "unsynced" else 18,
    )


def _agent(clock_state: str = "synced") -> Any:  # noqa: ANN401 - whatever an overlay looks at
    delivery = SimpleNamespace(
        next_seq=lambda klass: 48 if klass == "routine" else 0,
        settled_below=lambda klass: 40 if klass == "routine" else 0,
        backlog=lambda: (2, 17, 4096, 33),
        level="elevated",
        store_state="memory-only",
    )
    transports = [
        SimpleNamespace(name="ble", kind="ble", state="up", since_ms=3_512, cause=""),
        SimpleNamespace(name="lora", kind="serial", state="down", since_ms=512, cause='says "no"'),
    ]
    return SimpleNamespace(
        site=SimpleNamespace(org="kiel", gateway="gw-1", software="ugw 0.1.0", root="r"),
        clock=_clock(clock_state),
        uplink=Packets(),
        delivery=delivery,
        session=7,
        streams=STREAMS,
        previous=[("OLD", "routine", False, 12), ("OLD2", "event", True, 3)],
        losses=SimpleNamespace(latest=LOSSES, untold=[]),
        believed_since_ms=50_000,
        transports=lambda: transports,
        counters=COUNTERS.items,
    )


def _report(clock_state: str) -> pi.StatusReport:
    known = clock_state != "unsynced"
    reading = ClockReading(
        state=ClockState(clock_state),
        offset_ns=OFFSET_MS * 1_000_000 if known else None,
        max_error_ms=18 if known else None,
    )
    losses = [
        Loss(stream, first, last, reason, Moment(boot, at * 1_000_000, _ns(offset)))
        for stream, first, last, reason, boot, at, offset in LOSSES
    ]
    return pi.StatusReport(
        boot=BOOT,
        boot_ns=NOW_MS * 1_000_000,
        wall_ns=(OFFSET_MS + NOW_MS) * 1_000_000,
        clock=reading,
        clock_source="sntp",
        streams=(
            pi.StreamStatus(id=STREAMS["routine"], klass="routine", next_seq=48, settled_below=40),
            pi.StreamStatus(id=STREAMS["event"], klass="event", next_seq=0, settled_below=0),
        ),
        previous=(
            PreviousStream("OLD", "routine", clean=False, next_seq=12),
            PreviousStream("OLD2", "event", clean=True, next_seq=3),
        ),
        dropped=tuple(losses),
        level=Level.ELEVATED,
        store_state="memory-only",
        backlog=pi.BacklogStatus(bundles=2, observations=17, bytes_used=4096, oldest_age_s=33),
        transports=(
            pi.TransportStatus(name="ble", kind="ble", state=TransportState.UP, since_s=90),
            pi.TransportStatus(
                name="lora",
                kind="serial",
                state=TransportState.DOWN,
                since_s=93,
                cause='says "no"',
            ),
        ),
        counters=COUNTERS,
    )


def _ns(ms: int | None) -> int | None:
    return None if ms is None else ms * 1_000_000


@pytest.mark.parametrize("clock_state", ["synced", "holdover", "unsynced"])
@pytest.mark.parametrize(("online", "render"), [(True, pi.online), (False, pi.offline)])
def test_its_status_is_that_of_a_pi_on_mqtt_3(
    clock_state: str,
    online: bool,  # noqa: FBT001 - a case of the table
    render: Callable[..., bytes],
) -> None:
    agent = _agent(clock_state)
    status.publish(agent, online=online)
    wanted = render(IDENTITY, pi.Standing(7, "reduced"), _report(clock_state)).decode()
    assert agent.uplink.sent == [("r/status", wanted, True)]


def test_nothing_is_settled_that_is_lost_and_not_told_yet() -> None:
    agent = _agent()
    agent.losses.untold = [("OLD", 1, 1, "damaged", BOOT, 5, None), *LOSSES[:1]]
    status.publish(agent, online=True)
    settled = [each["settledBelow"] for each in json.loads(agent.uplink.sent[0][1])["streams"]]
    assert settled == [5, 0]


def test_its_will_is_that_of_a_pi() -> None:
    assert status.will(_agent(), 9) == pi.will(IDENTITY, 9).decode()


@pytest.mark.parametrize("clock_state", ["synced", "unsynced"])
def test_an_event_is_told_as_a_pi_tells_it(clock_state: str) -> None:
    happened = event.Event("clock.step", (("byMs", -42),), Moment(BOOT, 91_000_000_000))
    sent_ms = None if clock_state == "unsynced" else OFFSET_MS + NOW_MS
    told = bulletin.event(_agent(clock_state), "clock.step", (BOOT, 91_000), ',"byMs":-42')
    assert told == event.render(IDENTITY, happened, sent_ms).decode()


RESULTS = (
    ("air_temperature", -2134, 2, "", "", ()),
    ("air_temperature", 5, 0, "2", "bad", ("out_of_range",)),
    ("acceleration", 12, 3, "x", "", ()),
    ("door_open", True, 0, "", "", ()),
    ("battery_voltage", None, 0, "", "missing", ()),
    ("x_text", 'a"b', 0, "", "", ()),
)


def _device(**more: Any) -> Any:  # noqa: ANN401 - what an overlay looks at
    fields = {
        "urn": "urn:dev:mac:c0ffeefffe000001",
        "results": RESULTS,
        "properties": {},
        "about": "",
        "rssi": -71,
        "observed_ms": 90_000,
    }
    return SimpleNamespace(**{**fields, **more})


@pytest.mark.parametrize(
    ("clock_state", "heard_ms", "quality"),
    [
        ("synced", 90_000, "exact"),
        ("holdover", 90_000, "holdover"),
        ("synced", 40_000, "reconstructed"),
        ("unsynced", 90_000, "unknown"),
    ],
)
def test_last_values_are_told_as_a_pi_tells_them(
    clock_state: str, heard_ms: int, quality: str
) -> None:
    told = bulletin.state(_agent(clock_state), _device(observed_ms=heard_ms))
    timing = state.Timing(quality, None if quality == "unknown" else OFFSET_MS + heard_ms)
    values: dict[tuple[str, str], Any] = {(each[0], each[3]): each for each in RESULTS}
    wanted = state.render("urn:dev:mac:c0ffeefffe000001", timing, -71, values)
    assert told == wanted.decode()


def test_a_device_is_announced_as_a_pi_announces_it() -> None:
    given = DeviceSettings.model_validate(
        {
            "address": "C0:FF:EE:00:00:01",
            "name": "Pegel",
            "properties": [
                {"observed_property": "air_temperature", "statistic": "mean", "period": "10min"}
            ],
        }
    )
    wanted = meta.device(
        "urn:dev:mac:c0ffeefffe000001", given, [(each[0], each[3]) for each in RESULTS]
    ).decode()
    about = ',"name":"Pegel","medium":"ble","class":"routine"'
    more = {("air_temperature", ""): ',"statistic":"mean","periodS":600'}
    assert bulletin.announcement(_device(about=about, properties=more)) == wanted
