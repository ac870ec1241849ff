"""What is announced, when again, and how a device that is gone is taken away."""

import asyncio

import msgspec
import pytest

from gateway.backlog import MAX_MEMORY_CHARACTERS
from gateway.bulletin.announcements import ALL_NS, EACH_NS, REMEMBER_AFTER_NS
from gateway.bulletin.memory import ANNOUNCED
from gateway.config import Settings, load_model
from tests.bulletin.board import ROOT, SITE, Board, Said, said_on, settings, temperature
from tests.fakes import NS

A = "ugw:kiel:a"
META_A = f"{ROOT}/meta/a"


def topics(said: list[Said]) -> list[str]:
    return [one.topic.removeprefix(ROOT + "/") for one in said]


def remembered(board: Board) -> dict[str, list[list[str]]]:
    asyncio.run(board.store.work())
    devices: dict[str, list[list[str]]] = msgspec.json.decode(board.store.words[ANNOUNCED])[
        "devices"
    ]
    return devices


def next_run(board: Board, *devices: str) -> Board:
    """Start again on the same store, with these devices configured."""
    asyncio.run(board.store.work())
    again = Board(settings(*devices), memories=board.store.words)
    again.store.words = {**board.store.words, **again.store.words}
    return again


def test_the_gateway_and_each_device_are_announced_and_retained() -> None:
    said = Board(settings("a", "b")).settle_all(2)
    assert topics(said) == ["meta", "meta/a", "meta/b"]
    assert all(one.retain for one in said)
    assert said[0].json()["schema"] == "ugw.gateway/1"
    assert (said[1].json()["device"], said[1].json()["schema"]) == (A, "ugw.device/1")


def test_another_connection_hears_nothing_that_has_not_changed() -> None:
    board = Board(settings("a", "b"))
    board.settle_all(2)
    board.reconnect()
    assert not board.settle_all(2 * EACH_NS / NS, 1)


def test_what_the_broker_did_not_acknowledge_is_announced_again() -> None:
    board = Board(settings("a"))
    board.bulletin.pump()
    board.reconnect()
    assert sorted(topics(board.settle_all(2 * EACH_NS / NS, 1))) == ["meta", "meta/a"]


def test_what_the_broker_refuses_stops_no_other_and_is_tried_again() -> None:
    board = Board(settings("a"))
    board.bulletin.pump()
    [refused] = board.voice.acknowledge(0x87)
    assert refused.topic == f"{ROOT}/meta"
    assert topics(board.settle_all(2)) == ["meta/a"]
    assert topics(board.settle_all(2 * EACH_NS / NS, 1)) == ["meta"]


def test_an_announcement_the_broker_can_never_take_is_not_tried_again() -> None:
    board = Board(settings("a"))
    board.voice.max_packet_bytes = 600
    assert not board.settle_all(3 * EACH_NS / NS, 1)
    assert board.bulletin.tallies["announcement"].impossible == 2


def test_a_thousand_devices_are_announced_at_ten_a_second_one_by_one() -> None:
    board = Board(settings(*[f"n-{number}" for number in range(256)]))
    said: list[Said] = []
    for _ in range(10):
        said += board.settle()
        assert board.bulletin.pump() == board.clock.boot_ns() + ALL_NS
        board.clock.pass_s(ALL_NS / NS)
    assert len(said) == 10


def test_a_property_seen_for_the_first_time_is_announced_once_a_minute_at_most() -> None:
    board = Board(settings("a"))
    board.settle_all(2)
    for channel in ("", "2", "3"):
        board.hear(A, temperature(1, channel))
        board.clock.pass_s(1)
    said = said_on(META_A, board.settle_all(2 * EACH_NS / NS, 1))
    assert [len(one["properties"]) for one in said] == [3]
    board.hear(A, temperature(2))
    assert not said_on(META_A, board.settle_all(2 * EACH_NS / NS, 1))


def test_a_revision_is_the_same_after_a_restart_that_changed_nothing() -> None:
    board = Board(settings("a"))
    board.hear(A, temperature(1))
    [before] = said_on(META_A, board.settle_all(1))
    board.announcements.finish()
    again = next_run(board, "a")
    assert said_on(META_A, again.settle_all(2)) == [before]


# ------------------------------------------------------------------------------------- taken away
def test_a_device_removed_while_the_agent_was_off_is_taken_away_with_its_state() -> None:
    board = Board(settings("a", "b"))
    board.settle_all(2)
    second = next_run(board, "b")
    said = [one for one in second.settle_all(2) if not one.payload]
    assert sorted(topics(said)) == ["meta/a", "state/a"]
    assert all(one.retain for one in said)
    assert set(remembered(second)) == {"b"}
    third = next_run(second, "b")
    assert all(one.payload for one in third.settle_all(2))


def test_a_device_is_taken_away_even_if_it_takes_several_runs() -> None:
    board = Board(settings("a"))
    board.settle_all(2)
    second = next_run(board)
    second.bulletin.pump()
    second.voice.acknowledge()  # the gateway's
    second.clock.pass_s(1)
    second.bulletin.pump()
    second.voice.acknowledge()  # one of the two that take it away
    third = next_run(second)
    assert {"meta/a", "state/a"} <= set(topics(third.settle_all(2)))


def test_a_device_is_remembered_before_it_is_announced() -> None:
    assert remembered(Board(settings("a"))) == {"a": []}


def test_a_healthy_start_with_the_same_devices_writes_nothing() -> None:
    again = next_run(Board(settings("a")), "a")
    again.settle_all(2)
    assert not again.store.errands


def test_properties_are_remembered_after_a_while_and_together() -> None:
    board = Board(settings("a"))
    asyncio.run(board.store.work())
    board.hear(A, temperature(1))
    board.settle_all(60, 1)
    board.hear(A, temperature(1, "2"))
    board.settle_all(60, 1)
    assert not board.store.errands
    board.clock.pass_s(REMEMBER_AFTER_NS / NS - 120)
    board.settle()
    assert remembered(board) == {"a": [["air_temperature", ""], ["air_temperature", "2"]]}


def test_a_device_that_comes_back_is_announced_again() -> None:
    board = Board(settings("a", "b"))
    board.settle_all(2)
    board.bulletin.configure(settings("b"))
    assert said_on(META_A, board.settle_all(120, 1)) == [None]
    board.bulletin.configure(settings("a", "b"))
    said = board.settle_all(120, 1)
    assert [one["device"] for one in said_on(META_A, said)] == [A]
    assert not said_on(f"{ROOT}/state/a", said)


def test_a_device_that_comes_back_at_once_keeps_its_state() -> None:
    board = Board(settings("a", "b"))
    board.settle_all(2)
    board.bulletin.configure(settings("b"))
    board.bulletin.configure(settings("a", "b"))
    assert not board.settle_all(120, 1)


def test_a_device_that_comes_and_goes_loses_its_state_each_time() -> None:
    board = Board(settings("a"))
    board.settle_all(2)
    for _ in range(2):
        board.bulletin.configure(settings())
        said: list[Said] = []
        for _ in range(200):
            board.clock.pass_s(1)
            board.bulletin.pump()
            said += board.voice.acknowledge()
            if said_on(f"{ROOT}/state/a", said):  # and the announcement not yet, perhaps
                break
        assert said_on(f"{ROOT}/state/a", said) == [None]
        board.bulletin.configure(settings("a"))
        board.clock.pass_s(2 * EACH_NS / NS)


def test_the_same_configuration_again_says_nothing() -> None:
    board = Board(settings("a"))
    board.settle_all(2)
    board.bulletin.configure(settings("a"))
    assert not board.settle_all(120, 1)


def test_another_root_has_everything_announced_below_it() -> None:
    board = Board(settings("a"))
    board.settle_all(2)
    text = SITE.replace("127.0.0.1", '127.0.0.1, topic_root: "ugw/v1/kiel/{id}"')
    moved = load_model(text.replace("gw-1", "gw-2"), "gateway.yaml", Settings)
    board.bulletin.configure(moved)
    [said] = board.settle_all(120, 1)
    assert said.topic == "ugw/v1/kiel/gw-2/meta"


def test_what_was_announced_under_another_root_is_left_alone() -> None:
    word = msgspec.json.encode({"root": "ugw/v1/kiel/other", "devices": {"old": []}}).decode()
    board = Board(settings("a"), memories={ANNOUNCED: word})
    assert topics(board.settle_all(2)) == ["meta", "meta/a"]


@pytest.mark.parametrize("word", ["", "not JSON", '{"root":1}', '{"devices":[]}'])
def test_a_word_that_cannot_be_read_is_no_word(word: str) -> None:
    board = Board(settings("a"), memories={ANNOUNCED: word})
    assert topics(board.settle_all(2)) == ["meta", "meta/a"]
    assert set(remembered(board)) == {"a"}


def test_a_remembered_property_that_the_vocabulary_lost_is_not_announced() -> None:
    word = {"root": ROOT, "devices": {"a": [["no_such_property", ""], ["count", ""]]}}
    board = Board(settings("a"), memories={ANNOUNCED: msgspec.json.encode(word).decode()})
    [said] = said_on(META_A, board.settle_all(2))
    assert [one["observedProperty"] for one in said["properties"]] == ["count"]


def test_of_very_many_devices_the_names_are_remembered_rather_than_the_properties() -> None:
    devices = {f"{number:064d}": [["air_temperature", ""]] * 20 for number in range(2_000)}
    word = msgspec.json.encode({"root": ROOT, "devices": devices}).decode()
    assert len(word) > MAX_MEMORY_CHARACTERS
    board = Board(settings("a"), memories={ANNOUNCED: word})
    assert remembered(board) == {"a": [], **{name: [] for name in devices}}


def test_a_word_is_never_longer_than_the_store_takes() -> None:
    word = msgspec.json.encode({"root": ROOT, "devices": {"x" * MAX_MEMORY_CHARACTERS: []}})
    board = Board(settings("a"), memories={ANNOUNCED: word.decode()})
    assert remembered(board) == {"a": []}


def test_while_the_store_fails_only_the_newest_word_waits() -> None:
    board = Board(settings("a"))
    board.bulletin.configure(settings("a", "b"))
    board.bulletin.configure(settings("a", "b", "c"))
    assert len(board.store.errands) == 1
    assert set(remembered(board)) == {"a", "b", "c"}
