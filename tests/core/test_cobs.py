"""Packets through a line of bytes: framed, found again behind noise, never mistaken."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.cobs import CRC_SIZE, framed, packet_in

packets = st.binary(max_size=600)
noise = st.binary(max_size=60).map(lambda data: data.replace(b"\0", b""))


@given(packet=packets)
def test_a_packet_comes_out_as_it_went_in_and_holds_no_zero_on_the_way(packet: bytes) -> None:
    line = framed(packet)
    assert line.endswith(b"\0")
    assert b"\0" not in line[:-1]
    assert packet_in(line[:-1]) == packet


@given(packet=packets, before=noise)
def test_noise_right_before_a_packet_does_not_cost_it(packet: bytes, before: bytes) -> None:
    assert packet_in(before + framed(packet)[:-1]) == packet


@given(packet=st.binary(min_size=1, max_size=60), data=st.data())
def test_a_damaged_packet_is_none(packet: bytes, data: st.DataObject) -> None:
    line = bytearray(framed(packet)[:-1])
    line[data.draw(st.integers(0, len(line) - 1))] ^= data.draw(st.integers(1, 255))
    found = packet_in(bytes(line).replace(b"\0", b"\x01"))
    assert found is None or found == packet  # a stuffing byte alone may have been hit twice


@given(junk=st.binary(max_size=300))
def test_what_is_no_packet_is_none(junk: bytes) -> None:
    found = packet_in(junk.replace(b"\0", b"\x01"))
    assert found is None or len(found) <= len(junk) - CRC_SIZE


def test_the_longest_runs_without_a_zero_are_split() -> None:
    for size in (249, 250, 251, 253, 254, 255, 508, 509):
        packet = b"\x01" * size
        assert packet_in(framed(packet)[:-1]) == packet


def test_junk_that_could_begin_anywhere_is_given_up_soon() -> None:
    tail = framed(b"kept")[:-1]
    assert packet_in(b"\x01" * 20 + tail) == b"kept"
    assert packet_in(b"\x01" * 200 + tail) is None
