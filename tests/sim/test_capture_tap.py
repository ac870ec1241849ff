"""A tap takes down what is wanted, knows whose uplinks are whose, and is bounded."""

import pytest

from gateway.clock import SystemClock
from gateway.crypto import AesKey
from gateway.lorawan import Session
from gateway.model import Frame
from gateway.sim.capture import tap as taps
from gateway.sim.capture.tap import Tap
from gateway.sim.lorawan_node import LorawanNode
from tests.sim.captures import KEY, LAMP, PARK

NODE = "eui:70b3d57ed0001234"


def a_frame(address: str) -> Frame:
    return Frame(medium="ble", source="ble:hci0", address=address, heard_at_ns=1, content=b"x")


def test_strangers_are_counted_and_forgotten_unless_everybody_is_wanted() -> None:
    tap, everybody = Tap([LAMP], SystemClock()), Tap([LAMP], SystemClock(), everybody=True)
    assert tap.admits(LAMP, b"x") is not None
    assert tap.admits(LAMP, b"x") is not None, "a repeat was on the air too"
    assert tap.admits(PARK, b"x") is None
    assert (tap.heard, tap.unwanted) == (3, 1)
    assert everybody.admits(PARK, b"x") is not None
    assert everybody.admits("", b"x") is None


def test_of_strangers_nothing_is_kept_elsewhere_and_nobody_connects_to_them() -> None:
    for tap in (Tap([LAMP], SystemClock()), Tap([LAMP], SystemClock(), everybody=True)):
        assert tap.lists(LAMP)
        assert tap.wants(LAMP)
        assert not tap.lists(PARK)
        assert not tap.wants(PARK)


def test_an_uplink_is_its_nodes_where_the_keys_fit() -> None:
    session = Session(0x26011BDA, AesKey(KEY), AesKey(KEY))
    tap = Tap([NODE], SystemClock(), sessions={NODE: session})
    assert tap.sender(LorawanNode("26011bda", KEY, KEY).send(b"x")) == NODE
    twin = LorawanNode("26011bda", bytes(16), bytes(16)).send(b"x")
    assert tap.sender(twin) == "lorawan:26011bda"
    assert tap.sender(b"noise") == ""
    assert tap.admits(tap.sender(twin), twin) is None


def test_what_the_medium_is_too_slow_for_is_counted_as_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(taps, "MOST_WAITING", 2)
    tap = Tap([LAMP], SystemClock())
    for _ in range(3):
        tap.hear(a_frame(LAMP))
    assert len(tap.take()) == 2
    assert tap.lost == 1
    assert tap.take() == []
    tap.hear(a_frame(LAMP))
    assert len(tap.take()) == 1
