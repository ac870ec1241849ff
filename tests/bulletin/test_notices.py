"""Events: in order, until the broker has them, and no flood of them."""

import pytest

from gateway.bulletin.notices import GROWTH_PAUSE_NS, IMPOSSIBLE_PAUSE_NS, MOST_WAITING
from gateway.bulletin.refusals import INTERVAL_NS
from gateway.clock import ClockState
from gateway.model import Loss, Moment, TransportState
from tests.bulletin.board import EVENT, Board, said_on
from tests.fakes import NS

STREAM, OLD_STREAM = "STREAMROUTINE0001", "STREAMROUTINE0000"


def kinds(board: Board) -> list[str]:
    """Say all there is; return the events' kinds."""
    return [one["kind"] for one in said_on(EVENT, board.settle())]


def test_an_event_says_when_it_happened_not_when_it_is_sent() -> None:
    board = Board()
    board.voice.connected = False
    board.health.notify("store", ("state", "ok"))
    happened_ms = board.clock.boot_ns() // 1_000_000
    board.clock.pass_s(90)
    board.voice.connected = True
    [told] = said_on(EVENT, board.settle())
    assert told["uptimeMs"] == happened_ms
    assert told["sentTime"] == "2026-11-22T00:18:10.000Z"
    assert (told["boot"], told["state"]) == (board.clock.boot_id, "ok")


def test_an_event_of_an_unsynchronised_clock_has_no_wall_time() -> None:
    board = Board(state=ClockState.UNSYNCED)
    board.health.notify("store", ("state", "ok"))
    [told] = said_on(EVENT, board.settle())
    assert "sentTime" not in told


def test_events_are_not_retained_and_go_one_by_one_in_order() -> None:
    board = Board()
    for number in (1, 2, 3):
        board.health.notify("clock.step", ("byMs", number))
    for number in (1, 2, 3):
        board.bulletin.pump()
        [said] = [one for one in board.voice.outstanding if one.topic == EVENT]
        assert (said.json()["byMs"], said.retain) == (number, False)
        board.voice.acknowledge()


def test_an_event_lost_with_its_connection_is_sent_again() -> None:
    board = Board()
    board.health.notify("store", ("state", "ok"))
    board.bulletin.pump()
    board.reconnect()
    assert kinds(board) == ["store"]
    board.reconnect()
    assert kinds(board) == []


def test_a_refused_event_is_sent_again_after_a_while() -> None:
    board = Board()
    board.settle()
    board.health.notify("store", ("state", "ok"))
    board.bulletin.pump()
    board.voice.acknowledge(0x87)
    assert board.bulletin.pump() == board.clock.boot_ns() + NS // 2
    assert not board.voice.outstanding
    board.clock.pass_s(0.5)
    assert kinds(board) == ["store"]


def test_another_connection_is_asked_at_once() -> None:
    board = Board()
    board.health.notify("store", ("state", "ok"))
    board.bulletin.pump()
    board.voice.acknowledge(0x87)
    board.reconnect()
    assert kinds(board) == ["store"]


@pytest.mark.parametrize("reason_code", [0x90, 0x95, 0x99])
def test_an_event_the_broker_never_takes_does_not_stop_the_others(reason_code: int) -> None:
    board = Board()
    board.health.notify("store", ("state", "ok"))
    board.health.notify("clock.step", ("byMs", 1))
    board.bulletin.pump()
    board.voice.acknowledge(reason_code)
    assert kinds(board) == ["clock.step"]


def test_an_event_larger_than_the_brokers_packets_is_not_sent() -> None:
    board = Board()
    board.voice.max_packet_bytes = 1_024
    board.health.notify("store", ("state", "ok"), ("cause", "x" * 600))
    board.health.notify("clock.step", ("byMs", 1))
    assert kinds(board) == ["clock.step"]
    assert board.bulletin.tallies["notice"].impossible == 1


def test_of_too_many_events_the_oldest_are_given_up_and_counted() -> None:
    board = Board()
    board.voice.connected = False
    for number in range(MOST_WAITING + 3):
        board.health.notify("clock.step", ("byMs", number))
    board.voice.connected = True
    told = [one["byMs"] for one in said_on(EVENT, board.settle())]
    assert told == list(range(3, MOST_WAITING + 3))
    assert board.notices.given_up == 3


def test_an_event_given_up_while_it_was_under_way_takes_no_other_with_it() -> None:
    board = Board()
    board.health.notify("clock.step", ("byMs", 1))
    board.bulletin.pump()
    for number in range(2, MOST_WAITING + 2):
        board.health.notify("clock.step", ("byMs", number))
    told = [one["byMs"] for one in said_on(EVENT, board.settle())]
    assert told == list(range(1, MOST_WAITING + 2))


# ------------------------------------------------------------------------------------ transports
def test_a_transport_is_told_when_it_goes_and_when_it_comes() -> None:
    board = Board()
    board.health.transport("ble:hci0", "ble")
    up, down, deaf = TransportState.UP, TransportState.DOWN, TransportState.DEAF
    for state, cause in [
        (down, "no adapter"),
        (down, "powered off"),
        (up, ""),
        (up, "a remark"),
        (deaf, "nothing heard"),
        (down, "restarted"),
        (up, "again"),
    ]:
        board.health.report("ble:hci0", state, cause)
    told = said_on(EVENT, board.settle())
    assert [(one["kind"], one.get("cause")) for one in told] == [
        ("transport.down", "no adapter"),
        ("transport.up", None),
        ("transport.down", "nothing heard"),
        ("transport.up", "again"),
    ]
    assert {one["name"] for one in told} == {"ble:hci0"}


# ---------------------------------------------------------------------------------- refused frames
def refuse(board: Board, device: str = "ugw:kiel:a", reason: str = "bad_mic") -> None:
    board.health.notify("refused", ("device", device), ("reason", reason))


def test_refused_frames_are_told_at_once_and_then_by_their_number() -> None:
    board = Board()
    refuse(board)
    assert [one["count"] for one in said_on(EVENT, board.settle())] == [1]
    for _ in range(7):
        refuse(board)
    assert not said_on(EVENT, board.settle())
    due_ns = board.bulletin.pump()
    assert due_ns == board.clock.boot_ns() + INTERVAL_NS
    board.clock.pass_s(INTERVAL_NS / NS)
    [told] = said_on(EVENT, board.settle())
    assert (told["device"], told["reason"], told["count"]) == ("ugw:kiel:a", "bad_mic", 7)
    board.clock.pass_s(INTERVAL_NS / NS)
    assert not said_on(EVENT, board.settle())
    refuse(board)
    assert [one["count"] for one in said_on(EVENT, board.settle())] == [1]


def test_refused_frames_of_another_device_or_reason_are_another_matter() -> None:
    board = Board()
    refuse(board)
    refuse(board, device="ugw:kiel:b")
    refuse(board, reason="truncated")
    assert len(said_on(EVENT, board.settle())) == 3


# ------------------------------------------------------------------------------------------ losses
def test_a_loss_is_told_once_the_broker_has_it() -> None:
    board = Board()
    board.losses.drop(STREAM, 1, 5, board.clock)
    board.bulletin.pump()
    board.reconnect()
    [told] = said_on(EVENT, board.settle())
    assert (told["kind"], told["from"], told["to"]) == ("loss", 1, 5)
    board.reconnect()
    assert not said_on(EVENT, board.settle())


def test_a_loss_that_grew_while_it_was_under_way_is_told_again_but_not_at_once() -> None:
    board = Board()
    board.settle()
    board.losses.drop(STREAM, 1, 5, board.clock)
    board.bulletin.pump()
    board.losses.drop(STREAM, 6, 9, board.clock)
    board.voice.acknowledge()
    assert not said_on(EVENT, board.settle())
    assert board.bulletin.pump() == board.clock.boot_ns() + GROWTH_PAUSE_NS
    board.clock.pass_s(GROWTH_PAUSE_NS / NS)
    assert [(one["from"], one["to"]) for one in said_on(EVENT, board.settle())] == [(1, 9)]
    assert not board.losses.ranges


def test_many_losses_of_one_stream_do_not_wait_for_each_other() -> None:
    board = Board()
    for first in range(0, 50, 10):
        board.losses.drop(STREAM, first, first + 3, board.clock)
    assert [one["from"] for one in said_on(EVENT, board.settle())] == [0, 10, 20, 30, 40]


def test_losses_and_notices_are_told_in_the_order_they_happened() -> None:
    board = Board()
    board.voice.connected = False
    board.losses.ranges.append(Loss(OLD_STREAM, 0, 0, "full", Moment("an-earlier-boot", 9**18)))
    board.health.notify("clock.step", ("byMs", 1))
    board.clock.pass_s(1)
    board.losses.drop(STREAM, 1, 5, board.clock)
    board.clock.pass_s(1)
    board.health.notify("clock.step", ("byMs", 2))
    board.voice.connected = True
    assert kinds(board) == ["loss", "clock.step", "loss", "clock.step"]


@pytest.mark.parametrize("too_large", [True, False])
def test_a_loss_that_this_broker_cannot_take_is_kept_and_stops_no_other(
    *, too_large: bool
) -> None:
    board = Board()
    board.settle()
    board.losses.drop(STREAM, 1, 5, board.clock)
    if too_large:
        board.voice.max_packet_bytes = 100
    board.bulletin.pump()
    board.voice.acknowledge(0x95)
    board.health.notify("clock.step", ("byMs", 1))
    board.voice.max_packet_bytes = 1_000_000
    assert kinds(board) == ["clock.step"]
    assert board.bulletin.pump() == board.clock.boot_ns() + IMPOSSIBLE_PAUSE_NS
    board.clock.pass_s(IMPOSSIBLE_PAUSE_NS / NS)
    assert kinds(board) == ["loss"]


def test_a_flood_of_notices_gives_up_no_loss() -> None:
    board = Board()
    board.voice.connected = False
    board.losses.drop(STREAM, 1, 5, board.clock)
    for number in range(1, 2 * MOST_WAITING):
        board.health.notify("clock.step", ("byMs", number))
    board.voice.connected = True
    assert kinds(board).count("loss") == 1
