"""The ATC formats: a frame is the device's own, and 8 bits of counter protect from no replay."""

import pytest

from drivers.ble import atc
from gateway.admission import Device
from gateway.core.context import Context
from gateway.core.refusal import BAD_TYPE, BAD_VALUE, DecodeError
from gateway.crypto import CcmKey, seal_ccm
from tests.pipeline.bench import Bench

ADDRESS = "A4:C1:38:8D:18:B2"
OWN = bytes.fromhex(ADDRESS.replace(":", ""))
KEY = bytes.fromhex("b9ea895fac7eea6d30532432a516f3a3")


def sealed(number: int) -> bytes:
    """Encrypt 21.5 Cel, 54.5 % and 97 % as ATC1441's firmware does."""
    head = bytes((number,))
    nonce = OWN[::-1] + b"\x0b\x16\x1a\x18" + head
    clear = bytes((123, 109, 97))
    return head + seal_ccm(
        key=KEY, nonce=nonce, clear=clear, tag_length=4, associated_data=b"\x11"
    )


@pytest.fixture
def bench() -> Bench:
    bench = Bench()
    device = Device(address=ADDRESS, urn="ugw:kiel:atc", key=CcmKey(KEY))
    bench.pipeline.relist([device])
    return bench


@pytest.mark.parametrize(
    "payload", ["a4c138bc7c4e0102284f0b6720", "8b376338c1a4ce0913107f0b521204"]
)
def test_a_frame_that_names_another_device_is_refused(payload: str) -> None:
    with pytest.raises(DecodeError) as caught:
        atc.decode(bytes.fromhex(payload), Context(OWN))
    assert caught.value.reason == BAD_TYPE


@pytest.mark.parametrize("payload", ["11d603fbfa7b6dfb1e26fd", "11d603fbfa7b6dfb"])
def test_clear_text_of_another_length_is_refused(payload: str) -> None:
    with pytest.raises(DecodeError) as caught:
        atc.decode(bytes.fromhex(payload), Context(OWN, bytes(7)))
    assert caught.value.reason == BAD_VALUE


def test_encrypted_measurements_go_on_where_the_counter_wraps_around(bench: Bench) -> None:
    """After 250 comes what was not heard, then 120: to a long counter that is a replay."""
    for number in (250, 255, 0, 120):
        bench.advertise(sealed(number), ADDRESS, uuid=0x181A)
    taken = bench.shelf.taken
    assert [one.link.frame_counter for one in taken] == [250, 255, 0, 120]
    flags = {flag for one in taken for result in one.results for flag in result[5]}
    assert flags == {"replay_possible"}
    assert bench.pipeline.counters() == {}


def test_an_encrypted_measurement_sent_twice_is_one(bench: Bench) -> None:
    for number in (7, 7, 8):
        bench.advertise(sealed(number), ADDRESS, uuid=0x181A)
    assert [one.link.frame_counter for one in bench.shelf.taken] == [7, 8]
    assert bench.health.frames.duplicate == 1


def test_a_forged_measurement_is_refused_and_hides_no_true_one(bench: Bench) -> None:
    forged = sealed(7)[:-1] + b"\x00"
    for payload in (forged, sealed(7)):
        bench.advertise(payload, ADDRESS, uuid=0x181A)
    assert bench.health.frames.refused == {"bad_mic": 1}
    assert len(bench.shelf.taken) == 1
