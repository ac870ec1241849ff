"""Ruuvi's format 6: the luminosity is a power, made without a float."""

from decimal import ROUND_HALF_UP, Decimal, localcontext

import pytest

from drivers.ble import ruuvi_6
from gateway.core.context import Context


def luminosity(code: int) -> Decimal:
    """Return what the driver makes of a code, in lux."""
    payload = b"\x06" + bytes(12) + bytes((code,)) + bytes(6)
    [reading] = [one for one in ruuvi_6.decode(payload, Context()) if one[0] == "illuminance"]
    assert reading[1] is not None
    return Decimal(reading[1]).scaleb(-reading[2])


@pytest.mark.parametrize("code", range(255))
def test_every_luminosity_is_exact_to_a_hundredth_of_a_lux(code: int) -> None:
    with localcontext(prec=50):
        exact = Decimal(65536) ** (Decimal(code) / 254) - 1
        assert luminosity(code) == exact.quantize(Decimal("0.01"), ROUND_HALF_UP)


def test_the_examples_of_the_format_page() -> None:
    """Its 244.06 lx for 0x80 is what its own formula does not give."""
    assert [luminosity(code) for code in (0x00, 0x01, 0x10, 0xFE)] == [
        Decimal(text) for text in ("0", "0.04", "1.01", "65535")
    ]
    assert luminosity(0xD9) == Decimal("13026.67")
