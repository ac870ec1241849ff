"""Last values: newest only, not too often, and never in the way of observations."""

import pytest

from gateway.bulletin.states import ALL_NS, EACH_NS
from gateway.clock import ClockState
from gateway.model import Level
from gateway.uplink.meta import MOST_PROPERTIES
from tests.bulletin.board import ROOT, Board, Said, said_on, settings, temperature
from tests.fakes import NS

A, B = "ugw:kiel:a", "ugw:kiel:b"


def states(said: list[Said]) -> list[Said]:
    return [one for one in said if "/state/" in one.topic]


def quiet(state: ClockState = ClockState.SYNCED) -> Board:
    """Return a site with two devices that have been announced."""
    board = Board(settings("a", "b"), state=state)
    board.settle_all(1)
    return board


def test_the_values_of_a_device_are_retained_on_its_topic() -> None:
    board = quiet()
    board.hear(A, temperature(2134))
    [said] = states(board.settle())
    assert (said.topic, said.retain) == (f"{ROOT}/state/a", True)
    assert said.json() == {
        "device": A,
        "time": "2026-11-22T00:16:41.000Z",
        "timeQuality": "exact",
        "rssi": -71,
        "air_temperature": 21.34,
    }


def test_what_was_seen_once_stays_and_the_newest_wins() -> None:
    board = quiet()
    board.hear(A, temperature(2134), ("count", 7, 0, "", "", ()))
    board.hear(A, temperature(2200), temperature(-1, channel="2"))
    [said] = states(board.settle())
    values = {name: value for name, value in said.json().items() if name[0] in "ac"}
    assert values == {"air_temperature": 22, "air_temperature.2": -0.01, "count": 7}


def test_a_value_turned_bad_is_not_replaced_by_an_old_one() -> None:
    board = quiet()
    board.hear(A, temperature(2134))
    board.hear(A, temperature(9900, quality="bad"))
    [said] = states(board.settle())
    assert said.json()["air_temperature"] is None


def test_a_device_is_told_once_in_ten_seconds_and_then_its_newest() -> None:
    board = quiet()
    told: list[float] = []
    for tenth in range(300):
        board.hear(A, temperature(tenth))
        told += [one.json()["air_temperature"] for one in states(board.settle())]
        board.clock.pass_s(0.1)
    assert told == [0, 1, 2]


def test_not_more_than_twenty_a_second_and_everybody_in_turn() -> None:
    names = [f"n-{number}" for number in range(100)]
    board = Board(settings(*names))
    board.settle_all(20)
    for name in names:
        board.hear(f"ugw:kiel:{name}", temperature(1))
    said = states(board.settle())
    assert len(said) == 1
    assert board.bulletin.pump() == board.clock.boot_ns() + ALL_NS
    for _ in range(19):
        board.clock.pass_s(ALL_NS / NS)
        board.hear("ugw:kiel:n-0", temperature(2))  # has had its turn
        said += states(board.settle())
    assert [one.topic for one in said] == [f"{ROOT}/state/{name}" for name in names[:20]]


def test_a_state_under_way_is_followed_by_the_newest_alone() -> None:
    board = quiet()
    board.hear(A, temperature(1))
    board.bulletin.pump()
    for value in range(2, 9):
        board.clock.pass_s(5)
        board.hear(A, temperature(value))
        board.bulletin.pump()
    assert len(states(board.voice.outstanding)) == 1
    board.voice.acknowledge()
    assert [one.json()["air_temperature"] for one in states(board.settle())] == [0.08]
    assert not states(board.settle_all(60, 1))


def test_a_state_lost_with_its_connection_is_told_by_the_next_with_the_newest() -> None:
    board = quiet()
    board.hear(A, temperature(1))
    board.bulletin.pump()
    board.reconnect()
    board.hear(B, temperature(5))
    said = said_on(f"{ROOT}/state/a", board.settle_all(EACH_NS / NS))
    assert [one["air_temperature"] for one in said] == [0.01]


def test_a_refused_state_is_told_later_with_the_newest() -> None:
    board = quiet()
    board.hear(A, temperature(1))
    board.bulletin.pump()
    board.voice.acknowledge(0x97)
    board.hear(A, temperature(2))
    assert [one.json()["air_temperature"] for one in states(board.settle_all(60, 1))] == [0.02]


@pytest.mark.parametrize("level", [Level.ELEVATED, Level.CRITICAL, Level.FULL])
def test_no_state_while_the_store_fills(level: Level) -> None:
    board = quiet()
    board.health.enter(level)
    board.hear(A, temperature(1))
    assert not states(board.settle_all(60, 1))
    board.health.enter(Level.NORMAL)
    assert len(states(board.settle_all(1, 1))) == 1


def test_no_state_and_no_announcement_while_observations_wait_for_a_slot() -> None:
    board = Board(settings("a"))
    board.congested = True
    board.hear(A, temperature(1))
    assert not board.settle_all(60, 1)
    board.congested = False
    topics = [one.topic for one in board.settle_all(1)]
    assert topics.count(f"{ROOT}/state/a") == topics.count(f"{ROOT}/meta/a") == 1


def test_while_it_stands_back_it_looks_once_a_second_and_not_all_the_time() -> None:
    board = Board(settings("a"))
    board.congested = True
    board.hear(A, temperature(1))
    assert board.bulletin.pump() == board.clock.boot_ns() + NS


def test_a_clock_that_nobody_set_gives_no_time_and_one_set_later_reconstructs_it() -> None:
    board = quiet(ClockState.UNSYNCED)
    board.hear(A, temperature(1))
    [first] = states(board.settle())
    assert "time" not in first.json()
    assert first.json()["timeQuality"] == "unknown"
    board.hear(A, temperature(2))
    heard_ns = board.clock.boot_ns()
    board.clock.pass_s(60)
    board.clock.state = ClockState.SYNCED
    [second] = states(board.settle())
    assert second.json()["timeQuality"] == "reconstructed"
    assert second.json()["time"] == "2026-11-22T00:16:41.000Z"
    assert heard_ns == 1_001 * NS
    board.hear(A, temperature(3))
    board.clock.pass_s(60)
    board.clock.state = ClockState.HOLDOVER
    [third] = states(board.settle())
    assert third.json()["timeQuality"] == "holdover"


def test_a_device_has_no_more_properties_than_an_announcement_can_name() -> None:
    board = quiet()
    for number in range(2 * MOST_PROPERTIES):
        board.hear(A, temperature(1), temperature(number, channel=f"c-{number:03d}"))
    [said] = states(board.settle())
    names = [name for name in said.json() if name.startswith("air_")]
    assert len(names) == MOST_PROPERTIES
    assert names[-1] == f"air_temperature.c-{MOST_PROPERTIES - 2:03d}"


def test_a_device_that_is_listed_no_longer_is_not_told() -> None:
    board = quiet()
    board.hear(A, temperature(1))
    board.bulletin.configure(settings("b"))
    assert said_on(f"{ROOT}/state/a", board.settle_all(120, 1)) == [None]
