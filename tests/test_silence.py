"""Silent sensors: told once, and never for the gateway's own deafness."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model import TransportState
from gateway.silence import LEAST_NS, TICK_NS, Change, Hearing, Sensor, Silence
from tests.fakes import NS

START_NS = 1_000 * NS
UP, DOWN, DEAF = TransportState.UP, TransportState.DOWN, TransportState.DEAF
TEN_MINUTES = LEAST_NS // TICK_NS  # ticks
BLE, LORA = "ugw:kiel:ble", "ugw:kiel:lora"


def sensor(way: str, interval_s: int = 60) -> Sensor:
    return Sensor(
        address=way,
        device=f"ugw:kiel:{way}",
        way=way,
        interval_ns=interval_s * NS,
    )


class Site:
    """Sensors, transports and a clock that goes from tick to tick."""

    def __init__(self, *sensors: Sensor, silent: tuple[str, ...] = ()) -> None:
        self.now_ns = START_NS
        self.silence = Silence(sensors, silent, START_NS)
        self.transports: dict[str, Hearing] = {}
        self.heard: dict[str, int] = {}
        self.set("ble:hci0", "ble", UP)
        self.set("serial:usb", "lora", UP)

    def set(self, name: str, way: str, state: TransportState) -> None:
        """Let a transport enter a state now."""
        self.transports[name] = Hearing(way, state, self.now_ns)

    def hear(self, address: str) -> None:
        """Let a frame come now."""
        self.heard[address] = self.now_ns

    def ticks(self, number: int) -> list[Change]:
        """Let ticks pass; return what has changed."""
        changes: list[Change] = []
        for _ in range(number):
            self.now_ns += TICK_NS
            changes += self.silence.tick(self.now_ns, self.transports.values(), self.heard.get)
        return changes


@pytest.mark.parametrize(("interval_s", "limit_s"), [(1, 600), (200, 600), (900, 2_700)])
def test_a_sensor_is_silent_after_three_intervals_but_not_before_ten_minutes(
    interval_s: int, limit_s: int
) -> None:
    site = Site(sensor("ble", interval_s))
    assert not site.ticks(limit_s // 10 - 1)
    assert site.ticks(1) == [Change(BLE, silent=True, gap_ns=limit_s * NS)]
    assert not site.ticks(1_000)


def test_a_silent_sensor_that_is_heard_is_back_once_with_the_length_of_its_silence() -> None:
    site = Site(sensor("ble"))
    site.ticks(TEN_MINUTES)
    assert site.silence.silent == [BLE]
    site.ticks(5)
    site.hear("ble")
    assert site.ticks(3) == [Change(BLE, silent=False, gap_ns=LEAST_NS + 5 * TICK_NS)]
    assert not site.silence.silent


def test_a_sensor_that_is_heard_is_never_silent() -> None:
    site = Site(sensor("ble"))
    for _ in range(20):
        site.hear("ble")
        assert not site.ticks(TEN_MINUTES - 1)


@pytest.mark.parametrize("state", [DOWN, DEAF])
def test_while_the_gateway_cannot_hear_no_sensor_is_silent(state: TransportState) -> None:
    site = Site(sensor("ble"), sensor("lora"))
    site.set("ble:hci0", "ble", state)
    changes = site.ticks(10 * TEN_MINUTES)
    assert [change.device for change in changes] == [LORA]


def test_the_time_before_and_after_a_deafness_counts() -> None:
    site = Site(sensor("ble"))
    assert not site.ticks(TEN_MINUTES // 2)
    site.set("ble:hci0", "ble", DEAF)
    assert not site.ticks(1_000)
    site.set("ble:hci0", "ble", UP)
    assert not site.ticks(TEN_MINUTES // 2 - 1)
    assert site.ticks(1)


def test_one_of_two_adapters_is_enough_to_listen() -> None:
    site = Site(sensor("ble"))
    site.set("ble:hci0", "ble", DOWN)
    site.set("ble:hci1", "ble", UP)
    assert not site.ticks(TEN_MINUTES - 1)
    assert site.ticks(1)


def test_two_adapters_do_not_count_twice() -> None:
    site = Site(sensor("ble"))
    site.set("ble:hci1", "ble", UP)
    assert not site.ticks(TEN_MINUTES - 1)


def flap(site: Site, name: str) -> None:
    """Let an adapter go after a tick and come back a second before the next."""
    site.now_ns += TICK_NS - NS
    site.set(name, "ble", UP)
    site.now_ns -= TICK_NS - NS


def test_an_adapter_that_flaps_between_the_ticks_listened_only_since_it_is_back() -> None:
    site = Site(sensor("ble"))
    for _ in range(10 * TEN_MINUTES - 1):
        flap(site, "ble:hci0")
        assert not site.ticks(1)
    flap(site, "ble:hci0")
    assert site.ticks(1)


def test_beside_an_adapter_that_flaps_the_steady_one_listens() -> None:
    site = Site(sensor("ble"))
    for _ in range(TEN_MINUTES - 1):
        flap(site, "ble:hci1")
        assert not site.ticks(1)
    flap(site, "ble:hci1")
    assert site.ticks(1)


def test_a_gateway_without_transports_accuses_nobody() -> None:
    site = Site(sensor("ble"))
    site.transports.clear()
    assert not site.ticks(10 * TEN_MINUTES)


def test_time_in_which_the_agent_stood_still_does_not_count() -> None:
    site = Site(sensor("ble"))
    site.now_ns += 3_600 * NS  # a suspended machine
    assert not site.ticks(TEN_MINUTES - 2)
    assert site.ticks(1)


def test_who_was_silent_before_the_restart_is_not_told_again_but_can_be_back() -> None:
    site = Site(sensor("ble"), sensor("lora"), silent=(BLE, "ugw:kiel:gone"))
    assert [change.device for change in site.ticks(3 * TEN_MINUTES)] == [LORA]
    site.hear("ble")
    assert [(change.device, change.silent) for change in site.ticks(1)] == [(BLE, False)]


@given(
    st.lists(
        st.tuples(st.sampled_from([UP, DOWN, DEAF]), st.integers(1, 40), st.booleans()),
        max_size=30,
    )
)
def test_whatever_comes_silence_needs_ten_minutes_of_listening_and_changes_alternate(
    steps: list[tuple[TransportState, int, bool]],
) -> None:
    site = Site(sensor("ble"))
    listened = 0  # ticks since the last frame in which the adapter was up
    silent = False
    for state, ticks, heard in steps:
        if heard and state is UP:
            site.hear("ble")
            listened = 0
        if site.transports["ble:hci0"].state is not state:
            site.set("ble:hci0", "ble", state)
        for _ in range(ticks):
            listened += state is UP
            for change in site.ticks(1):
                assert change.silent is not silent
                silent = change.silent
                assert not silent or listened >= TEN_MINUTES
        assert silent or listened <= TEN_MINUTES + 1
