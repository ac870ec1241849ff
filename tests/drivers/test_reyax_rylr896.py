"""The older REYAX modem: the same lines, other limits, a longer password; both are kept awake."""

import pytest

from drivers.modem import reyax_rylr998
from drivers.modem.reyax_rylr896 import SETTINGS, Modem
from gateway.sim.modem_rylr998 import RYLR896, RYLR998, Kind, ModemRylr998
from tests.drivers.conversation import packet, refused, told

PASSWORD = "00112233445566778899AABBCCDDEEFF"  # noqa: S105 - of a simulated modem
ALL: dict[str, int | str] = {
    "address": 1,
    "network_id": 6,
    "band_hz": 868_500_000,
    "spreading_factor": 10,
    "bandwidth_khz": 125,
    "coding_rate": 1,
    "preamble": 7,
    "tx_power_dbm": 14,
    "password": PASSWORD,
}


def test_its_settings_arrive_and_then_it_receives() -> None:
    modem, model = Modem(), ModemRylr998(RYLR896)
    told(modem, model, modem.setup(ALL))
    assert {**model.radio, "password": model.password} == ALL
    assert set(ALL) == set(SETTINGS)
    assert list(modem.feed(model.receive(packet(b"ABC")))) == [("lora:17", b"ABC", -97, -3)]


@pytest.mark.parametrize(
    ("connect", "kind"), [(Modem, RYLR896), (reyax_rylr998.Modem, RYLR998)], ids=["896", "998"]
)
def test_one_that_sleeps_says_so_when_probed_and_is_woken(
    connect: type[Modem | reyax_rylr998.Modem], kind: Kind
) -> None:
    modem, model = connect(), ModemRylr998(kind)
    told(modem, model, [modem.probe()])
    model.lapse()
    assert model.receive(packet(b"ABC")) == b""
    assert refused(modem, model, modem.probe()) == "AT+MODE?: answered +MODE=1, expected +MODE=0"
    told(modem, model, modem.setup({}))
    assert model.receive(packet(b"ABC"))


def test_one_that_is_awake_is_not_set_to_be() -> None:
    modem, model = Modem(), ModemRylr998(RYLR896)
    assert told(modem, model, modem.setup({})) == [b"AT\r\n", b"AT+MODE?\r\n"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"network_id": 17},
        {"band_hz": 409_000_000},
        {"spreading_factor": 6},
        {"bandwidth_khz": 200},
        {"preamble": 8},
        {"tx_power_dbm": 16},
        {"password": "FABC0002"},
    ],
    ids=str,
)
def test_a_setting_the_modem_would_refuse_is_named(wrong: dict[str, int | str]) -> None:
    name = next(iter(wrong))
    with pytest.raises(ValueError, match=f"^{name}: "):
        Modem().setup(wrong)
