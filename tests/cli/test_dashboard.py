"""The page of the demo says what there is to see, in the lines that there are."""

from io import StringIO

import pytest
from rich.console import Console, RenderableType

from gateway.cli.dashboard import Broker, Page, Sensor, Store, summary
from gateway.health import Health
from gateway.model import Observation, Result, TransportState
from tests.fakes import FakeClock, observe, streams

CLOCK = FakeClock()
UP = Broker(
    host="127.0.0.1", port=1883, version="5", connected=True, in_flight=2, window=8, note=""
)
DOWN = Broker(
    host="127.0.0.1",
    port=1883,
    version="5",
    connected=False,
    in_flight=0,
    window=8,
    note="back in 6 s",
)
EMPTY = Store(usable=True, bundles=0, oldest_age_s=None)


def a_page(  # noqa: PLR0913 - what a page shows, each with a default
    *,
    sensors: list[Sensor] | None = None,
    health: Health | None = None,
    broker: Broker = UP,
    store: Store = EMPTY,
    log: tuple[str, ...] = (),
    lines: int | None = None,
    over: bool = False,
) -> Page:
    return Page(
        gateway="kiel/gw-demo",
        now_ns=CLOCK.boot_ns() + 3_000_000_000,
        sensors=[Sensor(name="Park 1")] if sensors is None else sensors,
        health=health or Health(CLOCK),
        broker=broker,
        store=store,
        log=log,
        lines=lines,
        over=over,
    )


def shown(page: RenderableType, width: int = 100) -> list[str]:
    """Return the lines on a terminal of this width, without colours."""
    console = Console(file=StringIO(), width=width, force_terminal=True, color_system=None)
    with console.capture() as captured:
        console.print(page)
    return [line.rstrip() for line in captured.get().splitlines()]


def words_of(page: RenderableType, beginning: str) -> str:
    return " ".join(line_of(page, beginning).split())


def line_of(page: RenderableType, beginning: str) -> str:
    (line,) = [line for line in shown(page) if line.startswith(beginning)]
    return line


def heard(*results: Result) -> Observation:
    template = observe(streams()[0], CLOCK)
    return Observation(
        klass=template.klass,
        stream=template.stream,
        seq=template.seq,
        device=template.device,
        heard_at_ns=template.heard_at_ns,
        results=results,
        link=template.link,
    )


# ----------------------------------------------------------------------------------------- sensors
def test_a_sensor_stands_there_with_its_signal_values_and_age() -> None:
    newest = heard(
        ("battery_level", 76, 0, "", "", ()),
        ("air_temperature", 2134, 2, "", "", ()),
        ("relative_humidity", 5625, 2, "", "", ()),
        ("count", 4, 0, "", "", ()),
    )
    page = a_page(sensors=[Sensor(name="School 1", newest=newest, count=4)])
    words = words_of(page, "School 1")
    assert words == "School 1 ▆ -71 dBm 21.3 °C 56.2 % battery 76 % 3 s ago 4"


def test_a_missing_value_leaves_its_place_empty() -> None:
    newest = heard(
        ("air_temperature", None, 0, "", "missing", ()),
        ("atmospheric_pressure", 10042, 1, "", "", ()),
    )
    page = a_page(sensors=[Sensor(name="Park 1", newest=newest, count=1)])
    assert words_of(page, "Park 1") == "Park 1 ▆ -71 dBm 1004.2 hPa 3 s ago 1"


def test_a_sensor_that_was_not_heard_is_there_and_says_so() -> None:
    assert words_of(a_page(), "Park 1") == "Park 1 not heard yet"


@pytest.mark.parametrize("lines", range(16, 45))
def test_the_page_keeps_to_the_lines_it_is_given(lines: int) -> None:
    sensors = [Sensor(name=f"Sensor {number}") for number in range(25)]
    page = a_page(sensors=sensors, lines=lines, log=("one", "two", "three"))
    printed = shown(page)
    names = [line for line in printed if line.startswith("Sensor ")]
    assert len(printed) <= lines
    assert len(names) == 25 or len(printed) == lines  # no line is wasted
    assert ("sensors fit in here" in printed[0]) == (len(names) < 25)


def test_where_not_all_sensors_fit_those_shown_are_from_all_over() -> None:
    sensors = [Sensor(name=f"Sensor {number}.") for number in range(20)]
    # Nine are title, heads, an empty line, radios, broker, backlog, both laws and what they mean.
    printed = shown(a_page(sensors=sensors, lines=13))
    assert [line.split(".")[0] for line in printed[2:6]] == [
        "Sensor 0",
        "Sensor 5",
        "Sensor 10",
        "Sensor 15",
    ]


# ------------------------------------------------------------------------------------------ health
def test_a_radio_that_is_down_says_why() -> None:
    health = Health(CLOCK)
    for name, state, cause in (
        ("ble:hci0", TransportState.UP, ""),
        ("serial:usb-lora", TransportState.DOWN, "unplugged"),
    ):
        health.transport(name, name.split(":")[0])
        health.report(name, state, cause)
    line = line_of(a_page(health=health), "radios")
    assert line.split("  ", 1)[1].strip() == "● ble:hci0   ○ serial:usb-lora down: unplugged"


def test_a_broker_that_is_there_shows_what_is_on_its_way() -> None:
    line = line_of(a_page(broker=UP), "broker")
    assert line.endswith("● connected to 127.0.0.1:1883, MQTT 5; in flight 2 of 8")


def test_an_outage_is_told_in_two_lines() -> None:
    health = Health(CLOCK)
    health.in_backlog = lambda: 38
    page = a_page(
        health=health,
        broker=DOWN,
        store=Store(usable=True, bundles=10, oldest_age_s=9),
    )
    waits = "what is heard waits in the store  (back in 6 s)"
    assert line_of(page, "broker").endswith(f"○ not connected to 127.0.0.1:1883: {waits}")
    waiting = "● 38 observations in 10 bundles wait on disk, the oldest for 9 s"
    assert line_of(page, "backlog").endswith(waiting)


def test_a_store_that_fails_is_said_with_what_depends_on_it() -> None:
    health = Health(CLOCK)
    health.in_memory = lambda: 7
    store = Store(usable=False, bundles=0, oldest_age_s=None)
    page = a_page(health=health, broker=DOWN, store=store)
    assert "what is heard waits in memory" in line_of(page, "broker")
    assert line_of(page, "backlog").endswith("○ the store cannot be used: 7 wait in memory")


# -------------------------------------------------------------------------------------------- laws
def balanced() -> Health:
    health = Health(CLOCK)
    health.frames.heard, health.frames.unlisted, health.frames.decoded = 12, 5, 4
    health.frames.refuse("bad_mic")
    health.frames.refuse("replayed")
    health.waiting = lambda: 1
    health.observations.observed, health.observations.delivered = 4, 1
    health.in_memory, health.in_backlog = (lambda: 1), (lambda: 2)
    return health


def test_both_laws_are_written_out_and_ticked() -> None:
    page = a_page(health=balanced())
    frames, observations = line_of(page, "frames"), line_of(page, "observations")
    assert frames.endswith("✓ heard 12 = unlisted 5 + refused 2 + waiting 1 + decoded 4")
    assert observations.endswith("✓ observed 4 = in memory 1 + in backlog 2 + delivered 1")


def test_what_an_earlier_run_left_is_part_of_the_law() -> None:
    health = balanced()
    health.observations.recovered, health.observations.delivered = 3, 4
    assert "✓ recovered 3 + observed 4 = " in line_of(a_page(health=health), "observations")


def test_before_anything_is_heard_the_laws_hold() -> None:
    page = a_page()
    assert line_of(page, "frames").endswith("✓ heard 0 = 0")
    assert line_of(page, "observations").endswith("✓ observed 0 = 0")


@pytest.mark.parametrize("law", ["frames", "observations"])
def test_a_law_that_is_broken_is_seen(law: str) -> None:
    health = balanced()
    health.frames.heard += law == "frames"
    health.observations.observed += law == "observations"
    page = a_page(health=health)
    assert "✗ off by 1: " in line_of(page, law)
    assert any("please report it" in line for line in shown(page))


# ------------------------------------------------------------------------------------ the variants
def test_messages_come_last_and_are_cut_at_the_edge() -> None:
    long = "uplink down cause='" + "x" * 200
    printed = shown(a_page(log=("transport ble:hci0 is up", long)), width=60)
    assert printed[-2].startswith("log ")
    assert printed[-2].endswith(" transport ble:hci0 is up")
    assert printed[-1].endswith("x…")


def test_the_last_page_says_nothing_of_what_is_over() -> None:
    printed = shown(a_page(over=True, broker=DOWN))
    assert not [line for line in printed if line.startswith(("radios", "broker"))]
    assert "Ctrl-C" not in printed[0]


def test_the_summary_counts_the_sensors() -> None:
    sensors = [Sensor(name="a", newest=heard(), count=1), Sensor(name="b")]
    printed = shown(summary(a_page(sensors=sensors)))
    assert printed[0] == "1 of 2 sensors heard"
    assert line_of(summary(a_page()), "frames").endswith("✓ heard 0 = 0")
