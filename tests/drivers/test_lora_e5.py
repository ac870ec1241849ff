"""The LoRa-E5 in its test mode: two lines a packet, and a start that it does not report."""

import pytest

from drivers.modem.lora_e5 import SETTINGS, Modem
from gateway.sim.modem_lora_e5 import ModemLoraE5
from tests.drivers.conversation import HEARD, packet, refused, told

ALL: dict[str, int | str] = {
    "band_hz": 868_125_000,
    "spreading_factor": 9,
    "bandwidth_khz": 250,
    "preamble": 10,
    "tx_power_dbm": 10,
    "sync_word": 0x34,
}


def test_its_settings_arrive_and_then_it_receives() -> None:
    modem, model = Modem(), ModemLoraE5()
    told(modem, model, modem.setup(ALL))
    assert dict(model.radio) == ALL
    assert set(ALL) == set(SETTINGS)
    assert list(modem.feed(model.receive(packet()))) == [HEARD]


def test_newer_firmware_which_says_pnet_is_understood() -> None:
    modem, model = Modem(), ModemLoraE5()
    model.is_new = True
    told(modem, model, modem.setup(ALL))


def test_one_setting_brings_the_factory_values_of_the_others() -> None:
    modem, model = Modem(), ModemLoraE5()
    written = told(modem, model, modem.setup({"spreading_factor": 12}))
    assert written[2] == b"AT+TEST=RFCFG,868.000,SF12,125,12,15,14,ON,OFF,OFF\r\n"


def test_one_that_has_started_refuses_the_probe_and_is_set_up_again() -> None:
    modem, model = Modem(), ModemLoraE5()
    told(modem, model, modem.setup(ALL))
    told(modem, model, [modem.probe()])
    assert model.boot() == b""
    assert refused(modem, model, modem.probe()) == (
        "AT+TEST=RXLRPKT: +TEST: ERROR(-12) (not in this mode)"
    )
    told(modem, model, modem.setup(ALL))
    assert list(modem.feed(model.receive(packet()))) == [HEARD]


def test_what_it_sends_is_sent_and_afterwards_it_is_told_to_receive() -> None:
    modem, model = Modem(), ModemLoraE5()
    told(modem, model, modem.setup({}))
    told(modem, model, modem.send("", b"hello"))
    assert list(model.sent) == [b"hello"]
    assert model.receive(packet()) == b""
    told(modem, model, modem.chores())
    assert list(modem.chores()) == []
    assert list(modem.feed(model.receive(packet()))) == [HEARD]


def test_another_configuration_than_was_set_is_no_success() -> None:
    modem = Modem()
    modem.ask(modem.setup(ALL)[2])
    modem.feed(b"+TEST: RFCFG F:868000000, SF7, BW125K\r\n")
    assert modem.answer
    assert "answered +TEST: RFCFG F:868000000" in modem.answer


def test_a_packet_between_a_command_and_its_reply_disturbs_neither() -> None:
    modem, model = Modem(), ModemLoraE5()
    told(modem, model, modem.setup({}))
    modem.ask(modem.probe())
    assert list(modem.feed(model.receive(packet()))) == [HEARD]
    assert modem.answer is None
    modem.feed(b"+TEST: RXLRPKT\r\n")
    assert modem.answer == ""


def test_halves_of_different_packets_with_a_silence_between_make_none() -> None:
    modem = Modem()
    modem.feed(b"+TEST: LEN:1, RSSI:-26, SNR:13\r\n")
    assert modem.idle() == []
    assert modem.feed(b'+TEST: RX "7F"\r\n') == []
    assert (modem.counters["frames"], modem.counters["bad_frames"]) == (0, 2)


@pytest.mark.parametrize(
    "wrong",
    [
        {"band_hz": 868_000_500},
        {"band_hz": 99_000_000},
        {"spreading_factor": 6},
        {"bandwidth_khz": 200},
        {"preamble": 5},
        {"tx_power_dbm": 23},
        {"sync_word": 0x13},
    ],
    ids=str,
)
def test_a_setting_the_modem_would_refuse_is_named(wrong: dict[str, int | str]) -> None:
    name = next(iter(wrong))
    with pytest.raises(ValueError, match=f"^{name}: "):
        Modem().setup(wrong)


@pytest.mark.parametrize("payload", [b"", b"x" * 223])
def test_a_packet_the_modem_cannot_send_is_refused(payload: bytes) -> None:
    with pytest.raises(ValueError, match=r"^payload: "):
        Modem().send("", payload)
