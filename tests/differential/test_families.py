"""The adapter of the parser libraries: loaded when needed, in our words, and giving way."""

import subprocess
import sys

import pytest

from drivers.host import families
from drivers.host.families import DRIVERS, PARSERS, Family
from gateway.core import vocabulary
from gateway.core.context import Context
from gateway.core.refusal import BAD_MIC, BAD_TYPE, NO_KEY, DecodeError
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
        assert vocabulary.fits(name, value, scale)  # type: ignore[arg-type]  # that is the question


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


def test_the_parsers_kept_are_bounded() -> None:
    ruuvi = BY_MODEL["ruuvitag-ble"]
    for number in range(PARSERS + 10):
        ruuvi.decode(SAMPLES[1][1], Context(number.to_bytes(6, "big")))
    assert len(families._parsers) == PARSERS  # noqa: SLF001 - the bound is inside


def test_each_device_has_a_parser_of_its_own() -> None:
    made = [BY_MODEL["bthome-ble"]._of(Context(bytes([n] * 6))) for n in (1, 2, 1)]  # noqa: SLF001
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
