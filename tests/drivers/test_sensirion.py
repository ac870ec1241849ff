"""Sensirion: every type of sample against the formulas of Sensirion's own description."""

from collections.abc import Callable
from fractions import Fraction

import pytest

from drivers.ble import sensirion
from gateway.core.context import Context
from gateway.core.refusal import BAD_TYPE, DecodeError

Formula = Callable[[int], Fraction]


def ticks(span: int, start: int = 0) -> Formula:
    return lambda raw: Fraction(raw * span, 65535) + start


def steps(divisor: int) -> Formula:
    return lambda raw: Fraction(raw, divisor)


T, RH, RH_SHT4X = ticks(175, -45), ticks(100), ticks(125, -6)
WHOLE, TENTHS, FIFTHS, PM = steps(1), steps(10), steps(5), ticks(1000)
PERCENT_AS_PPM: Formula = lambda raw: Fraction(raw * 10_000, 100)  # noqa: E731 - as its neighbours

# github.com/Sensirion/ble-services, ble-ad-sample-types.yml, file-version 0.1.0; 1F of
# github.com/Sensirion/arduino-upt-core.
TYPES: dict[int, list[tuple[str, Formula]]] = {
    0x03: [("T", T), ("RH", RH), ("VOC", WHOLE)],
    0x04: [("T", T), ("RH", RH)],
    0x06: [("T", T), ("RH", RH_SHT4X)],
    0x08: [("T", T), ("RH", RH), ("CO2", WHOLE)],
    0x0A: [("T", T), ("RH", RH), ("CO2", WHOLE)],
    0x0C: [("T", T), ("RH", RH), ("CO2", WHOLE), ("PM2.5", PM)],
    0x0E: [("T", T), ("RH", RH), ("HCHO", FIFTHS)],
    0x10: [("T", T), ("RH", RH), ("VOC", WHOLE), ("PM2.5", PM)],
    0x14: [("T", T), ("RH", RH), ("CO2", WHOLE), ("VOC", WHOLE), ("PM2.5", PM), ("HCHO", FIFTHS)],
    0x16: [("T", T), ("RH", RH), ("VOC", WHOLE), ("NOx", WHOLE)],
    0x18: [("T", T), ("RH", RH), ("VOC", WHOLE), ("NOx", WHOLE), ("PM2.5", TENTHS)],
    0x1A: [
        *(("T", T), ("RH", RH), ("CO2", WHOLE), ("VOC", WHOLE), ("NOx", WHOLE)),
        ("PM2.5", TENTHS),
    ],
    0x1C: [("T", T), ("RH", RH), ("CO2", WHOLE), ("PM2.5", TENTHS)],
    0x1E: [("T", T), ("RH", RH), ("VOC", WHOLE), ("PM2.5", TENTHS)],
    0x1F: [
        *(("T", T), ("RH", RH), ("CO2", WHOLE), ("VOC", WHOLE), ("PM2.5", TENTHS)),
        ("HCHO", FIFTHS),
    ],
    0x20: [
        *(("T", T), ("RH", RH), ("CO2", WHOLE), ("VOC", WHOLE), ("PM2.5", TENTHS)),
        ("HCHO", FIFTHS),
    ],
    0x22: [("PM1", TENTHS), ("PM2.5", TENTHS), ("PM4", TENTHS), ("PM10", TENTHS)],
    0x24: [("CO2", WHOLE)],
    0x26: [("AV", ticks(1024)), ("T", T)],
    0x28: [("T", T), ("RH", RH_SHT4X), ("H2", PERCENT_AS_PPM), ("P", WHOLE)],
    0x2A: [("T", T), ("RH", RH), ("PM2.5", TENTHS)],
    0x2C: [
        *(("T", T), ("RH", RH), ("HCHO", FIFTHS), ("VOC", WHOLE), ("NOx", WHOLE)),
        ("PM2.5", TENTHS),
    ],
}
PROPERTIES = {
    "T": "air_temperature",
    "RH": "relative_humidity",
    "CO2": "co2",
    "VOC": "voc_index",
    "NOx": "nox_index",
    "HCHO": "formaldehyde_mole_fraction",
    "PM1": "pm1",
    "PM2.5": "pm2_5",
    "PM4": "pm4",
    "PM10": "pm10",
    "AV": "air_velocity",
    "H2": "h2_mole_fraction",
    "P": "atmospheric_pressure",
}


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: f"{kind:02x}")
def test_a_sample_is_what_its_description_says_to_half_a_step(kind: int) -> None:
    fields = TYPES[kind]
    for first in range(0, 65536, 257):
        raws = [(first + 9973 * at) % 65536 for at in range(len(fields))]
        payload = bytes((0, kind, 0, 0)) + b"".join(raw.to_bytes(2, "little") for raw in raws)
        readings = sensirion.decode(payload, Context())
        assert [reading[0] for reading in readings] == [PROPERTIES[name] for name, _ in fields]
        for raw, (_, formula), (_, value, scale, _) in zip(raws, fields, readings, strict=True):
            assert value is not None
            assert abs(Fraction(value, 10**scale) - formula(raw)) <= Fraction(1, 2 * 10**scale)
            exact = formula(raw) * 10**scale
            assert exact.denominator > 1 or value == exact


@pytest.mark.parametrize("kind", sorted(set(range(256)) - set(TYPES)))
def test_a_type_without_a_description_is_refused(kind: int) -> None:
    with pytest.raises(DecodeError) as caught:
        sensirion.decode(bytes((0, kind)) + bytes(10), Context())
    assert caught.value.reason == BAD_TYPE
