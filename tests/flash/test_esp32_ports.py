"""Which ports may be boards, and which of them is the one that was plugged in when asked for."""

from types import SimpleNamespace

import pytest

from tests.flash.boards import Watched
from ugw_flash.esp32.ports import Port, boards, is_port, judged, next_port
from ugw_flash.outcome import NoDeviceError, RefusedError

OLD = Port(path="/dev/ttyUSB0")
NEW = Port(path="/dev/ttyUSB1")
OTHER = Port(path="/dev/ttyACM0")
MODEM = Port(path="/dev/ttyS0", reason="it is not at USB")


def found(vid: int | None, pid: int | None = 0) -> SimpleNamespace:
    return SimpleNamespace(
        device="/dev/ttyUSB0", vid=vid, pid=pid, description="CP2102", serial_number="0001"
    )


@pytest.mark.parametrize(
    ("vid", "pid", "hint"),
    [
        (0x303A, 0x1001, "ESP32-S3"),
        (0x303A, 0x4001, "Espressif"),
        (0x10C4, 0xEA60, "CP210x"),
        (0x1A86, 0x55D4, "CH340"),
        (0x0403, 0x6001, "FTDI"),
    ],
)
def test_a_port_that_may_be_a_board_is_hinted_at(vid: int, pid: int, hint: str) -> None:
    port = judged(found(vid, pid))
    assert hint in port.chip_hint
    assert port.reason == ""
    assert port.vid_pid == f"{vid:04x}:{pid:04x}"
    assert (port.description, port.serial) == ("CP2102", "0001")


@pytest.mark.parametrize("vid", [None, 0x2341])
def test_any_other_has_to_be_named(vid: int | None) -> None:
    assert "--port" in judged(found(vid)).reason


def test_the_ports_of_this_machine_can_be_asked_for() -> None:
    assert all(port.path for port in boards())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/dev/ttyUSB0", True),
        ("/dev/cu.usbserial-1", True),
        ("/dev/serial/by-id/usb-x", True),
        ("COM12", True),
        (r"\\.\COM12", True),
        ("rfc2217://127.0.0.1:4000", True),
        ("/dev/sdb", False),
        ("card.img", False),
        ("COMBINED.img", False),
    ],
)
def test_a_port_is_told_from_a_card(text: str, expected: bool) -> None:  # noqa: FBT001
    assert is_port(text) is expected


def taken(*looks: list[Port]) -> Port:
    """Wait at a desk where these are seen, look by look."""
    seen = iter(looks)
    return next_port([OLD.path], Watched(), lambda: None, lambda: next(seen))


def test_the_board_is_the_one_that_appears_not_the_only_one_there_is() -> None:
    assert taken([OLD], [OLD], [OLD, NEW]) == NEW
    assert taken([OLD, MODEM], [OLD, MODEM, NEW]) == NEW


def test_one_that_is_pulled_out_and_plugged_in_again_has_appeared() -> None:
    assert taken([OLD], [], [OLD]) == OLD


def test_of_two_at_once_neither_is_taken() -> None:
    with pytest.raises(RefusedError, match="/dev/ttyUSB1, /dev/ttyACM0") as caught:
        taken([OLD], [OLD, NEW, OTHER])
    assert "--port" in caught.value.remedy


def test_nobody_waits_for_ever() -> None:
    with pytest.raises(NoDeviceError, match="no board was plugged in"):
        next_port([], Watched(), lambda: None, list)
