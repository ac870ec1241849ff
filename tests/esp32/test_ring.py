"""A ring keeps observations in sequence, in the memory it was given, until they are released."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.refusal import DecodeError
from gateway.esp32.ring import Ring

BOOT = "00000000-0000-4000-a000-000000000001"
ROOM = 1700


def _ring(size: int = 1000) -> Ring:
    return Ring("routine", "R" * 26, size)


def _texts(ring: Ring, first: int, count: int) -> list[tuple[int, str, str]]:
    return list(ring.batch(first, count, BOOT)[6])


def test_what_is_put_comes_back_as_a_slice_with_its_numbers() -> None:
    ring = _ring()
    assert ring.put(7, None, 0, "urn:a", ",ä}")
    assert ring.put(8, None, 0, "urn:b", ",}")
    assert ring.batch(1, 1, BOOT)[:6] == ("routine", "R" * 26, 1, BOOT, None, "")
    assert _texts(ring, 0, 2) == [
        (7, '{"seq":0,"device":"urn:a"', ",ä}"),
        (8, '{"seq":1,"device":"urn:b"', ",}"),
    ]


def test_what_was_known_of_the_time_comes_back_with_it() -> None:
    ring = _ring()
    ring.put(1 << 40, 1_795_000_000_000, 2, "urn:a", "}")
    assert ring.batch(0, 1, BOOT)[4:6] == (1_795_000_000_000, "holdover")
    assert _texts(ring, 0, 1)[0][0] == 1 << 40


def test_there_is_no_room_until_the_oldest_is_released() -> None:
    ring = _ring(100)
    assert ring.put(1, None, 0, "urn", "x" * 20)
    assert ring.put(2, None, 0, "urn", "x" * 20)
    assert not ring.put(3, None, 0, "urn", "x" * 20)
    ring.release(1, 1)
    assert not ring.put(3, None, 0, "urn", "x" * 20)
    ring.release(0, 1)
    assert ring.put(3, None, 0, "urn", "x" * 20)
    assert _texts(ring, 2, 1)[0][0] == 3


@pytest.mark.parametrize(("urn", "tail"), [("urn", "x" * 78), ("u" * 256, "")])
def test_what_can_never_fit_is_refused(urn: str, tail: str) -> None:
    ring = _ring(100 if tail else 1000)
    with pytest.raises(DecodeError, match="bad_length"):
        ring.put(1, None, 0, urn, tail)
    assert (ring.next, ring.used) == (0, 0)


def test_the_memory_it_was_given_never_grows() -> None:
    ring = _ring(300)
    buffer = ring.buffer
    for number in range(200):
        if not ring.put(number, None, 0, "urn", "x" * (number % 90)):
            ring.release(ring.first, 1)
    assert ring.buffer is buffer
    assert len(buffer) == 300


def test_a_bundle_ends_where_the_time_quality_changes_or_the_clock_stepped() -> None:
    ring = _ring()
    for offset, quality in ((None, 0), (5000, 1), (5009, 1), (5010, 1), (5010, 2)):
        ring.put(1, offset, quality, "urn", "}")
    counts = []
    while ring.unsent < ring.next:
        count, _, _, is_closed = ring.pack(ROOM)
        counts.append((count, is_closed))
        ring.unsent += count
    assert counts == [(1, True), (2, True), (1, True), (1, False)]


def test_a_bundle_is_as_old_as_the_oldest_in_it() -> None:
    ring = _ring()
    for heard_ms in (50, 30, 40):
        ring.put(heard_ms, None, 0, "urn", "}")
    assert ring.pack(ROOM)[2] == 30


def test_an_observation_larger_than_a_packet_is_a_bundle_of_its_own() -> None:
    ring = _ring(4000)
    ring.put(1, None, 0, "urn", "x" * 3000)
    ring.put(1, None, 0, "urn", "x")
    count, size, _, is_closed = ring.pack(ROOM)
    assert (count, is_closed) == (1, True)
    assert size > 3000


@given(st.lists(st.tuples(st.integers(0, 120), st.integers(0, 5)), max_size=60))
def test_whatever_is_released_in_whatever_order_the_rest_is_as_it_was(
    steps: list[tuple[int, int]],
) -> None:
    ring = _ring(400)
    held: dict[int, str] = {}
    for size, pick in steps:
        tail = "é" * (size // 2)
        if ring.put(size, None, 0, "urn", tail):
            held[ring.next - 1] = tail
        elif held:
            seq = sorted(held)[pick % len(held)]
            ring.release(seq, 1)
            del held[seq]
        assert ring.held == len(held)
        assert ring.used <= 400
        assert ring.first == min(held, default=ring.next)
        assert {seq: _texts(ring, seq, 1)[0][2] for seq in held} == held
