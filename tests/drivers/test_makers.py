"""Makers whose devices are told by their names: who reads what of a real advertisement."""

import pytest

from gateway.core.advertisement import LISTED_SERVICE, MANUFACTURER, NAME
from gateway.core.context import Context
from gateway.model import Structure
from gateway.registry import discover

REGISTRY = discover()
IBEACON = (MANUFACTURER, 0x004C, bytes.fromhex("0215494e54454c4c495f524f434b535f48575075f2ff0c"))
GOVEE_SERVICE = (LISTED_SERVICE, 0xEC88, b"")
INKBIRD_SERVICE = (LISTED_SERVICE, 0xFFF0, b"")
SENSORPUSH_SERVICE = (LISTED_SERVICE, 0xEF09000011D642BA93B89DD7EC090AB0, b"")


def made(company: int, rest: str) -> Structure:
    """Return manufacturer data."""
    return (MANUFACTURER, company, bytes.fromhex(rest))


def called(name: str) -> Structure:
    """Return a name."""
    return (NAME, 0, name.encode())


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("GVH5104_311C", "govee-thermometer"),
        ("GVH5106_4E05", "govee-h5106"),
        ("GVH5181_2EC8", "govee-probes"),
        ("B51782BC8", "govee-thermometer"),
        ("sps", "inkbird-ibs"),
        ("TP357S (2142)", "thermopro-tp3"),
        ("TP972S", "thermopro-tp9"),
    ],
)
def test_the_name_chooses_the_layout(name: str, model: str) -> None:
    found, _ = REGISTRY.recognise((made(1, "01010ed13298"), IBEACON, called(name)), None)
    assert found is not None
    assert found.model == model


@pytest.mark.parametrize("turn", [1, -1], ids=["beacon last", "beacon first"])
def test_a_govee_is_read_beside_its_ibeacon_whichever_bluez_lists_first(turn: int) -> None:
    carried = (made(1, "010103fc2662"), IBEACON)[::turn]
    sent = (*carried, called("GVH5104_311C"), GOVEE_SERVICE)
    for before in ((), sent):
        driver, payload = REGISTRY.recognise(sent, None, before)
        assert driver is not None
        readings = driver.decode(payload, Context())
        assert readings[0] == ("air_temperature", 261, 1, "")


def test_a_named_driver_reads_a_device_whose_name_did_not_come_along() -> None:
    driver = REGISTRY.by_model("govee-h5106")
    assert REGISTRY.recognise((made(1, "01010ed13298"),), None)[0] is None
    found, payload = REGISTRY.recognise((made(1, "01010ed13298"),), driver)
    assert found is driver
    assert driver.decode(payload, Context())[2] == ("pm2_5", 0, 0, "")


def test_of_the_values_bluez_has_collected_the_fresh_one_is_read() -> None:
    old = [made(0xD1C2, "0014220b01"), made(0xD2C2, "0014220b01")]
    before = (*old, called("TP357S (C890)"))
    now = (old[0], made(0xCFC2, "0014220b01"), old[1], called("TP357S (C890)"))
    driver, payload = REGISTRY.recognise(now, None, before)
    assert driver is not None
    assert driver.decode(payload, Context())[0] == ("air_temperature", 207, 1, "")


def test_a_company_id_that_is_a_temperature_is_not_taken_for_its_owner() -> None:
    """0.76 Cel of an Inkbird is the number of Apple."""
    apple = made(0x004C, "c712000000" + "5606")
    driver, payload = REGISTRY.recognise((apple, called("sps"), INKBIRD_SERVICE), None)
    assert driver is not None
    assert payload == b"\x4c\x00" + apple[2]


def test_another_page_of_a_sensorpush_says_nothing_and_is_in_order() -> None:
    sent = (made(0x0001, "000000"), called("SensorPush HT.w 0CA1"), SENSORPUSH_SERVICE)
    driver, payload = REGISTRY.recognise(sent, None)
    assert driver is not None
    assert driver.decode(payload, Context()) == []


def test_a_button_of_govee_is_not_taken_for_a_thermometer_by_its_other_structure() -> None:
    sent = (
        made(0xEC88, "0108f30ad232393756340105"),
        made(0xEF88, "f30a0000648248e86020622588c02fd258cb3f1b8544d930"),
        called("GV51225634"),
    )
    driver, payload = REGISTRY.recognise(sent, None)
    assert driver is not None
    assert driver.model == "govee-event"
    assert ("button_event", "press", 0, "") in driver.decode(payload, Context())
