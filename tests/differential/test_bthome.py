"""BTHome, versions 1 and 2, against bthome-ble: what either reads of frames that are in order.

Where the two differ, and the format page is on our side:
- 0x58 is in steps of 0.35 Cel; the library rounds it to tenths.
- Two masses, distances or volumes of different units in one frame: the library keeps the last.
- A button's or a dial's code without a name: the library says nothing.
- An object cut short: the library keeps what was before it, we refuse the frame.
- Text of no characters: the library leaves it out.
Device type and firmware version are no sensors to the library; it keeps them elsewhere.
"""

import struct
from decimal import Decimal
from typing import Any

import pytest
from bthome_ble import BTHomeBluetoothDeviceData
from hypothesis import given
from hypothesis import strategies as st

from drivers.ble import bthome_v1, bthome_v1_encrypted, bthome_v2
from gateway.crypto import seal_ccm
from gateway.driver import codec
from tests.differential.agreement import ADDRESS, Said, advertised, differences, read, said

V1, V1_SEALED, V2 = (
    codec(module, foreign=False) for module in (bthome_v1, bthome_v1_encrypted, bthome_v2)
)
KEY = "231d39c1d7cc1ab1aee224cd096db932"
OTHER_ADDRESS = "54:48:E6:8F:80:A5"
UNITS = (("06", "07"), ("40", "41"), ("47", "48"), ("48", "4e"))  # that the library mixes up

SIZES = {  # of the numbers of version 2; the format page, April 2026
    1: "01 09 2e 2f 46 57 59 60 64 65",
    2: "02 03 06 07 08 0c 0d 0e 12 13 14 3d 3f 40 41 43 44 45 47 48 49 4a 51 52 56 5a 5d 5e 5f 61",
    3: "04 05 0a 0b 42 4b",
    4: "3e 4c 4d 4e 4f 50 55 5b 5c 62 63",
}
STATES = [0x0F, 0x10, 0x11, *range(0x15, 0x2E)]


def _numbers() -> list[st.SearchStrategy[bytes]]:
    return [
        st.binary(min_size=size, max_size=size).map(bytes.fromhex(kind).__add__)
        for size, kinds in SIZES.items()
        for kind in kinds.split()
    ]


def _lengthy(kind: int, content: bytes) -> bytes:
    return bytes((kind, len(content))) + content


def _command(code: int, arguments: bytes) -> bytes:
    return bytes((0x3B, len(arguments), code)) + arguments


objects = st.one_of(
    *_numbers(),
    st.builds(lambda kind, on: bytes((kind, on)), st.sampled_from(STATES), st.integers(0, 1)),
    st.sampled_from([0, 1, 2, 3, 4, 5, 6, 0x80, 0x81]).map(lambda code: bytes((0x3A, code))),
    st.builds(lambda code, n: bytes((0x3C, code, n)), st.integers(0, 2), st.integers(0, 255)),
    st.builds(_command, st.integers(0, 4), st.binary(max_size=31)),
    st.text(min_size=1, max_size=20).map(lambda text: _lengthy(0x53, text.encode())),
    st.binary(min_size=1, max_size=40).map(lambda raw: _lengthy(0x54, raw)),
    st.integers(0, 255).map(lambda number: bytes((0x00, number))),
)


def _unmixed(frame: list[bytes]) -> bool:
    kinds = {one[:1].hex() for one in frame}
    return not any(kinds >= set(pair) for pair in UNITS)


frames = (
    st.lists(objects, max_size=8)
    .filter(_unmixed)
    .map(lambda several: b"".join(sorted(several, key=lambda one: one[0])))
)


def library(uuid: int, payload: bytes, *, key: str = "", address: str = ADDRESS) -> Said:
    """Return what the library says, as it hears the frame for the first time."""
    parser = BTHomeBluetoothDeviceData(bytes.fromhex(key) or None)
    update = parser.update(advertised(service={uuid: payload}, address=address))
    found = said(update)
    for device_key, event in update.events.items():
        arguments = (event.event_properties or {}).get("args")
        if arguments:
            _, number = device_key.key.partition("_")[::2]
            _say_arguments(found, event, bytes.fromhex(arguments), number)
    return found


def _say_arguments(found: Said, event: Any, arguments: bytes, number: str) -> None:  # noqa: ANN401 - the library's
    """Add the arguments of a command; we count those that are there, the library the commands."""
    channel = "" if number in {"", "1"} else number
    if event.event_type in {"step_up", "step_down"} and len(arguments) == 1:
        found["command_steps", channel] = Decimal(arguments[0])
    else:
        found["command_arguments", channel] = arguments.hex()


@given(frame=frames, info=st.sampled_from([0x40, 0x44]))
def test_what_a_frame_of_version_2_says(frame: bytes, info: int) -> None:
    payload = bytes((info,)) + frame
    assert differences(read(V2, payload), library(0xFCD2, payload)) == ""


@given(frame=frames, counter=st.integers(0, 0xFFFFFFFF), info=st.sampled_from([0x41, 0x43, 0x45]))
def test_what_an_encrypted_frame_of_version_2_says(frame: bytes, counter: int, info: int) -> None:
    address = bytes.fromhex(ADDRESS.replace(":", ""))
    number = counter.to_bytes(4, "little")
    nonce = address + b"\xd2\xfc" + bytes((info,)) + number
    sealed = seal_ccm(key=bytes.fromhex(KEY), nonce=nonce, clear=frame, tag_length=4)
    front = bytes((info,)) + (address[::-1] if info & 2 else b"")
    payload = front + sealed[:-4] + number + sealed[-4:]
    if len(frame) >= 2:  # the library does not open less
        theirs = library(0xFCD2, payload, key=KEY)
        assert differences(read(V2, payload, key=KEY), theirs) == ""


@given(raw=st.integers(-128, 127))
def test_a_temperature_in_steps_of_0_35_is_what_the_library_rounds(raw: int) -> None:
    payload = bytes((0x40, 0x58, raw & 0xFF))
    ours = read(V2, payload)
    assert ours == {("air_temperature", ""): Decimal(raw) * Decimal("0.35")}
    tenth = {"air_temperature": Decimal("0.05")}
    assert differences(ours, library(0xFCD2, payload), tenth) == ""


@given(kind=st.integers(0, 0xFFFF), parts=st.binary(min_size=3, max_size=4))
def test_device_type_and_firmware(kind: int, parts: bytes) -> None:
    version = bytes((0xF1 if len(parts) == 4 else 0xF2,)) + parts
    payload = b"\x40\xf0" + kind.to_bytes(2, "little") + version
    parser = BTHomeBluetoothDeviceData()
    update = parser.update(advertised(service={0xFCD2: payload}))
    assert read(V2, payload) == {
        ("device_type_id", ""): parser.device_type_id,
        ("firmware_version", ""): update.devices[None].sw_version,
    }


# ------------------------------------------------------------------------------------- version 1
# Id: what version 1 has a number for, of any length and of either sign.
WHOLE = st.builds(
    lambda kind, signed, raw: bytes((len(raw) + 1 | signed << 5, kind)) + raw,
    st.sampled_from([*range(1, 0x0F), 0x12, 0x13, 0x14, 0x2E, 0x2F, 0x51, 0x52]),
    st.integers(0, 1),
    st.binary(min_size=1, max_size=4),
)
objects_v1 = st.one_of(
    WHOLE,
    st.builds(lambda kind, on: bytes((2, kind, on)), st.sampled_from(STATES), st.integers(0, 1)),
    st.integers(0, 6).map(lambda code: bytes((2, 0x3A, code))),
    st.builds(lambda code, n: bytes((3, 0x3C, code, n)), st.integers(0, 2), st.integers(0, 255)),
    st.text(min_size=1, max_size=7).map(lambda text: _typed(3, 0x53, text.encode())),
    st.binary(min_size=1, max_size=30).map(lambda raw: _typed(4, 0x54, raw)),
    st.binary(min_size=4, max_size=4).map(lambda raw: _typed(5, 0x50, raw)),
    st.integers(0, 255).map(lambda number: bytes((2, 0, number))),
)
frames_v1 = (
    st.lists(objects_v1, max_size=8)
    .filter(lambda several: not {6, 7} <= {one[1] for one in several})
    .map(b"".join)
)


def _typed(form: int, kind: int, content: bytes) -> bytes:
    return bytes((len(content) + 1 | form << 5, kind)) + content


@given(payload=frames_v1)
def test_what_a_frame_of_version_1_says(payload: bytes) -> None:
    assert differences(read(V1, payload), library(0x181C, payload)) == ""


@given(
    value=st.binary(min_size=2, max_size=2)
    | st.binary(min_size=4, max_size=4)
    | st.binary(min_size=8, max_size=8),
    kind=st.sampled_from([2, 3, 4]),
)
def test_a_float_of_version_1_is_rounded_to_the_step_of_its_object(
    value: bytes, kind: int
) -> None:
    """To the nearest of two steps; halfway between them, the library's float decides."""
    number = struct.unpack({2: "<e", 4: "<f", 8: "<d"}[len(value)], value)[0]
    if not abs(number) < 1 << 50:  # where a float still holds every step of a hundredth
        return
    payload = _typed(2, kind, value)
    [ours] = read(V1, payload).values()
    assert isinstance(ours, Decimal)
    [theirs] = library(0x181C, payload).values()
    assert isinstance(theirs, Decimal)
    assert abs(ours * 100 - Decimal(number)) <= Decimal("0.5")
    assert abs(ours - theirs) <= Decimal("0.01")


@given(frame=frames_v1, counter=st.integers(0, 0xFFFFFFFF))
def test_what_an_encrypted_frame_of_version_1_says(frame: bytes, counter: int) -> None:
    number = counter.to_bytes(4, "little")
    nonce = bytes.fromhex(ADDRESS.replace(":", "")) + b"\x1e\x18" + number
    sealed = seal_ccm(
        key=bytes.fromhex(KEY), nonce=nonce, clear=frame, tag_length=4, associated_data=b"\x11"
    )
    payload = sealed[:-4] + number + sealed[-4:]
    if len(frame) >= 4:  # the library does not open less
        theirs = library(0x181E, payload, key=KEY)
        assert differences(read(V1_SEALED, payload, key=KEY), theirs) == ""


# ----------------------------------------------------------------------------- published samples
# All frames of bthome-ble's own tests that both read alike: tests/test_parser_v1.py and _v2.py.
SAMPLES_V1 = """
    02000c0404138a01 2302ca090303bf13 23025d090303b71802015d 0404138a01 0405138a14 4306fe70
    03073e1d 2308ca06 020960 040a138a14 040b021b00 030c020c 020f01 021001 021100
    030d120c030e021c 0312e204 a5505d396164 03133301 0314020c 023a04 033c0103
    0200b4021000030cbe0b
"""
SAMPLES_V2 = """
    40002e01641e012e34451601 400009 400008 4000bd 4000be 4000fd 40002f 40feca09
    40015dfe5d0903b718 42b2188d38c1a404138a01 4004138a01 4404138a01 4002ca0903bf13
    400009015d025d0903b718 4005138a14 40065e1f 40073e1d 4008ca06 400960 400a138a14 400b021b00
    400c020c 400f01 401001 401100 402d01 400d120c0e021c 4012e204 40133301 4014020c 403a04
    403a003a013a03 403a80 403c0103 403f020c 40400c00 40414e00 40424e3400 40434e34 40444e34
    40624099dfff 40451101 404632 40478756 4048dc87 4049dc87 404a020c 404b138a14 404c41018a01
    404d12138a14 404e87562a01 404f87562a01 44505d396164 44518756 40630057d0ff 44528756
    44530c48656c6c6f20576f726c6421 44540c48656c6c6f20576f726c6421 405587562a01 4056e803 4057ea
    4059ea 405aeaea 405bea0234ea 405c02fbffff 405d02ea 4002ca0902cf09
    4002ca0902cf0902cf0803b71803b717015d 4000010b0000004a0d0901330ce90c 40005201643a01
    440021015e3a01 440023015e3a00 4000a70c780b1000 4003bf1302ca09 405e3f755f11d5 406001 4061ac0d
    406402 40015d025d0903b718
"""
SEALED = [  # service data, address, key
    ("41a47266c95f730011223378237214", OTHER_ADDRESS, KEY),
    ("41e445f3c9962b332211006c7c4519", OTHER_ADDRESS, KEY),
    ("413e932cc7175f34221100553876af", OTHER_ADDRESS, KEY),
    ("41ba0db07aeef6ffffffff21fd4600", OTHER_ADDRESS, KEY),
    ("41de40b50e676600000000d7cb95de", OTHER_ADDRESS, KEY),
    ("4187b90011223372b0231f", OTHER_ADDRESS, KEY),
    ("43a5808fe64854f196c06ffb4900112233f08ecbde", OTHER_ADDRESS, KEY),
    (
        "450aeb84467f85ba0100003188788c",
        "B4:35:22:F5:3D:A4",
        "90bffd73cb6b26ef58a7a8eba9232036",
    ),
]


@pytest.mark.parametrize("sample", SAMPLES_V1.split())
def test_a_sample_of_version_1(sample: str) -> None:
    payload = bytes.fromhex(sample)
    assert differences(read(V1, payload), library(0x181C, payload)) == ""


@pytest.mark.parametrize("sample", SAMPLES_V2.split())
def test_a_sample_of_version_2(sample: str) -> None:
    payload = bytes.fromhex(sample)
    assert differences(read(V2, payload), library(0xFCD2, payload)) == ""


@pytest.mark.parametrize(("sample", "address", "key"), SEALED)
def test_an_encrypted_sample_of_version_2(sample: str, address: str, key: str) -> None:
    payload = bytes.fromhex(sample)
    ours = read(V2, payload, address=address, key=key)
    assert ours
    assert differences(ours, library(0xFCD2, payload, key=key, address=address)) == ""


def test_an_encrypted_sample_of_version_1() -> None:
    payload = bytes.fromhex("fba435e4d3c312fb0011223357d90a99")
    ours = read(V1_SEALED, payload, address=OTHER_ADDRESS, key=KEY)
    assert ours
    assert differences(ours, library(0x181E, payload, key=KEY, address=OTHER_ADDRESS)) == ""
