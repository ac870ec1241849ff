"""An advertisement and what is on the air of it are one thing in two forms."""

from gateway.sim.bluez_air import (
    AD_FLAGS,
    AD_LOCAL_NAME,
    AD_MANUFACTURER,
    AD_SERVICE_DATA_16,
    AD_SERVICE_DATA_32,
    AD_SERVICE_DATA_128,
    AD_TX_POWER,
    AD_UUIDS_16,
    AD_UUIDS_32,
    AD_UUIDS_128,
    Advertisement,
    uuid_text,
)
from tests.sim.worlds import ADDRESS, BTHOME

MIDDLE = uuid_text(0x12345678)
LONG = uuid_text(0x00000001_B5A3_F393_E0A9_E50E24DCCA9E)
LONG_OCTETS = bytes.fromhex("9ecadc240ee5a9e093f3a3b501000000")
FULL = Advertisement(
    address=ADDRESS,
    manufacturer={0x0499: b"\x05"},
    services={BTHOME: b"\x40", MIDDLE: b"\x02", LONG: b"\x01"},
    uuids=(uuid_text(0x181A), LONG, MIDDLE),
    name="Tag",
    tx_power_dbm=-4,
    flags=0x04,
)


def test_on_the_air_are_all_structures_each_uuid_as_short_as_it_can_be() -> None:
    assert FULL.ad_structures() == [
        (AD_FLAGS, b"\x04"),
        (AD_MANUFACTURER, b"\x99\x04\x05"),
        (AD_SERVICE_DATA_16, b"\xd2\xfc\x40"),
        (AD_SERVICE_DATA_32, b"\x78\x56\x34\x12\x02"),
        (AD_SERVICE_DATA_128, LONG_OCTETS + b"\x01"),
        (AD_UUIDS_16, b"\x1a\x18"),
        (AD_UUIDS_32, b"\x78\x56\x34\x12"),
        (AD_UUIDS_128, LONG_OCTETS),
        (AD_TX_POWER, b"\xfc"),
        (AD_LOCAL_NAME, b"Tag"),
    ]


def test_an_advertisement_without_flags_has_none_on_the_air() -> None:
    assert Advertisement(address=ADDRESS, flags=0).ad_structures() == []


def test_flags_and_transmit_power_come_from_the_structures_that_have_them() -> None:
    structures = [(AD_FLAGS, 0, b"\x1a"), (AD_TX_POWER, 0, b"\xfc")]
    report = Advertisement.of(ADDRESS, structures)
    assert (report.flags, report.tx_power_dbm) == (0x1A, -4)
    assert Advertisement.of(ADDRESS, []) == Advertisement(address=ADDRESS)
