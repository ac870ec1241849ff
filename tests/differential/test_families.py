"""The adapter of the parser libraries: loaded when needed, in our words, and giving way."""

import subprocess
import sys

import pytest
from xiaomi_ble.parser import EncryptionScheme

from drivers.host import families
from drivers.host.families import DRIVERS, PARSERS, Family
from gateway.core import terms
from gateway.core.context import Context
from gateway.core.refusal import BAD_MIC, BAD_TYPE, NO_KEY, NOT_ENCRYPTED, DecodeError
from gateway.registry import discover

BY_MODEL = {family.MODEL: family for family in DRIVERS}
KEY = bytes.fromhex("231d39c1d7cc1ab1aee224cd096db932")
SEALED = ((0x16, 0xFCD2, bytes.fromhex("41a47266c95f730011223378237214")),)
ADDRESS = bytes.fromhex("5448e68f80a5")

_LOADED = """
import sys
from gateway.registry import discover
discover()
print([m for m in sys.modules if m.endswith("_ble") or "habluetooth" in m])
"""

# What each library's makers or users published, and what it has to be in our words.
SAMPLES = [
    (
        "bthome-ble",
        ((0x16, 0xFCD2, bytes.fromhex("4002ca0903bf13")),),
        {("air_temperature", ""): (2506, 2), ("relative_humidity", ""): (5055, 2)},
    ),
    (
        "ruuvitag-ble",
        ((0xFF, 0x0499, bytes.fromhex("0512fc5394c37c0004fffc040cac364200cdcbb8334c884f")),),
        {("air_temperature", ""): (243, 1), ("battery_voltage", ""): (2977, 3)},
    ),
    (
        "govee-ble",
        ((0xFF, 0xEC88, bytes.fromhex("0003519e6400")), (0x09, 0, b"GVH5075_2762")),
        {("air_temperature", ""): (217, 1), ("battery_level", ""): (100, 0)},
    ),
    (
        "inkbird-ble",
        ((0xFF, 0x0860, bytes.fromhex("2b100001a64506")), (0x09, 0, b"sps")),
        {("battery_level", ""): (69, 0)},
    ),
]


def readings_of(
    model: str, structures: tuple[tuple[int, int, bytes], ...]
) -> dict[tuple[str, str], tuple[object, int]]:
    """Return what a family makes of an advertisement."""
    found = BY_MODEL[model].decode(structures, Context(ADDRESS))
    return {(name, channel): (value, scale) for name, value, scale, channel in found}


@pytest.mark.parametrize(("model", "structures", "wanted"), SAMPLES, ids=[s[0] for s in SAMPLES])
def test_a_published_sample_is_told_in_words_of_the_vocabulary(
    model: str,
    structures: tuple[tuple[int, int, bytes], ...],
    wanted: dict[tuple[str, str], tuple[object, int]],
) -> None:
    found = readings_of(model, structures)
    assert found.items() >= wanted.items()
    for (name, _), (value, scale) in found.items():
        assert terms.fits(name, value, scale)  # type: ignore[arg-type]  # that is the question


def test_every_library_is_there_and_says_no_to_what_is_not_its_own() -> None:
    for family in DRIVERS:
        assert family.MISSING == ""
        with pytest.raises(DecodeError, match=BAD_TYPE):
            family.decode(((0xFF, 0xFFFE, b"strange"),), Context(bytes(6)))


def test_an_encrypted_frame_needs_its_key_and_no_other() -> None:
    bthome = BY_MODEL["bthome-ble"]
    for key, reason in ((None, NO_KEY), (bytes(16), BAD_MIC)):
        context = Context(ADDRESS)
        context.key = key
        with pytest.raises(DecodeError, match=reason):
            bthome.decode(SEALED, context)
    context = Context(ADDRESS)
    context.key = KEY
    assert ("air_temperature", 2506, 2, "") in bthome.decode(SEALED, context)


def test_what_a_frame_does_not_say_is_not_told_again() -> None:
    """The libraries keep all they ever read, and hand it on with each frame."""
    bthome, context = BY_MODEL["bthome-ble"], Context(bytes([9] * 6))
    for payload, told in (
        ("4002ca09", [("air_temperature", 2506, 2, "")]),
        ("4003bf13", [("relative_humidity", 5055, 2, "")]),
        ("400f01", [("boolean_state", True, 0, "")]),
        ("403a01", [("button_event", "press", 0, "")]),
        ("4002ca09", [("air_temperature", 2506, 2, "")]),
        ("40ff", []),
    ):
        frame = ((0x16, 0xFCD2, bytes.fromhex(payload)),)
        assert bthome.decode(frame, context) == told


def test_a_frame_in_clear_is_not_taken_from_a_device_with_a_key() -> None:
    xiaomi, context = BY_MODEL["xiaomi-ble"], Context(bytes.fromhex("582d34359321"))
    context.key = KEY
    in_clear = ((0x16, 0xFE95, bytes.fromhex("5020aa01da219335342d580d1004fe004802")),)
    with pytest.raises(DecodeError, match=NOT_ENCRYPTED):
        xiaomi.decode(in_clear, context)
    parser = xiaomi._of(context).parser  # noqa: SLF001 - made to look as after a frame it opened
    parser.encryption_scheme, parser.bindkey_verified = EncryptionScheme.MIBEACON_4_5, True
    with pytest.raises(DecodeError, match=NOT_ENCRYPTED):
        xiaomi.decode(in_clear, context)


def test_nobody_can_fill_the_log_through_a_library(caplog: pytest.LogCaptureFixture) -> None:
    bthome, context = BY_MODEL["bthome-ble"], Context(bytes([8] * 6))
    context.key = bytes(16)
    with pytest.raises(DecodeError, match=BAD_MIC):
        bthome.decode(SEALED, context)
    assert bthome.decode(((0x16, 0xFCD2, bytes.fromhex("4002ca09")),), context) == []  # in clear
    assert not caplog.records


def test_what_only_a_doubles_arithmetic_left_is_not_told() -> None:
    assert families._number(214 * 0.1, 1, 0) == (214, 1)  # noqa: SLF001 - no library says so today


def test_the_parsers_kept_are_bounded() -> None:
    ruuvi = BY_MODEL["ruuvitag-ble"]
    for number in range(PARSERS + 10):
        ruuvi.decode(SAMPLES[1][1], Context(number.to_bytes(6, "big")))
    assert len(families._parsers) == PARSERS  # noqa: SLF001 - the bound is inside


def test_each_device_has_a_parser_of_its_own() -> None:
    bthome = BY_MODEL["bthome-ble"]
    made = [bthome._of(Context(bytes([n] * 6))).parser for n in (1, 2, 1)]  # noqa: SLF001
    assert made[0] is made[2]
    assert made[0] is not made[1]


def test_native_drivers_win_and_the_library_can_still_be_named() -> None:
    registry = discover()
    found = registry.for_structure(0xFF, 0x0499, SAMPLES[1][1][0][2])
    assert found is not None
    assert found.model == "ruuvi-rawv2"
    assert registry.by_model("ruuvitag-ble").payload == "advertisement"
    unknown = registry.for_structure(0xFF, 0x0499, b"\x77")
    assert unknown is not None
    assert unknown.model == "ruuvitag-ble"  # no native driver reads that format


def test_no_library_is_imported_before_a_frame_is_for_it() -> None:
    told = subprocess.run(
        [
            sys.executable,
            "-c",
            _LOADED,
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert told.stdout.strip() == "[]"


def test_a_library_that_is_not_installed_is_named_with_its_remedy() -> None:
    absent = Family("no_such_ble", "Parser", {"manufacturer_id": 1})
    assert "ble-families" in absent.MISSING
