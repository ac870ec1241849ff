"""The RAK modem with RUI3: set up with as little disturbance as it allows, and kept receiving."""

import pytest

from drivers.modem.rak_rui3 import SETTINGS, Modem
from gateway.sim.modem_rak_rui3 import ModemRakRui3
from tests.drivers.conversation import HEARD, packet, refused, told

ALL: dict[str, int | str] = {
    "band_hz": 868_300_000,
    "spreading_factor": 9,
    "bandwidth_khz": 250,
    "coding_rate": 2,
    "preamble": 12,
    "tx_power_dbm": 10,
    "sync_word": 0x12,
}


def test_its_settings_arrive_and_then_it_receives() -> None:
    modem, model = Modem(), ModemRakRui3()
    told(modem, model, modem.setup(ALL))
    assert dict(model.radio) == ALL
    assert set(ALL) == set(SETTINGS)
    assert list(modem.feed(model.receive(packet()))) == [HEARD]
    assert not modem.restarted


def test_without_settings_nothing_of_the_radio_is_changed() -> None:
    modem, model = Modem(), ModemRakRui3()
    before = dict(model.radio)
    told(modem, model, modem.setup({}))
    assert dict(model.radio) == before
    assert list(modem.feed(model.receive(packet()))) == [HEARD]


def test_it_is_restarted_for_its_mode_alone() -> None:
    modem, model = Modem(), ModemRakRui3()
    told(modem, model, modem.setup(ALL))
    assert (model.mode, model.starts) == (0, 1)
    again = told(modem, model, modem.setup(ALL))
    assert model.starts == 1
    assert b"AT+NWM=0\r\n" not in again


def test_a_start_that_nobody_asked_for_is_told() -> None:
    modem, model = Modem(), ModemRakRui3()
    told(modem, model, modem.setup({}))
    modem.feed(model.boot())
    restarted = [modem.restarted]
    told(modem, model, modem.setup({}))
    restarted.append(modem.restarted)
    assert restarted == [True, False]


def test_a_setup_while_it_receives_is_taken() -> None:
    modem, model = Modem(), ModemRakRui3()
    told(modem, model, modem.setup({}))
    told(modem, model, modem.setup({"spreading_factor": 12}))
    assert model.radio["spreading_factor"] == 12
    assert model.receives


def test_the_probe_leaves_one_that_receives_alone_and_has_another_receive_again() -> None:
    modem, model = Modem(), ModemRakRui3()
    told(modem, model, modem.setup({}))
    told(modem, model, [modem.probe()])  # answered AT_BUSY_ERROR
    model.lapse()
    told(modem, model, [modem.probe()])
    assert list(modem.feed(model.receive(packet()))) == [HEARD]


def test_what_it_sends_is_sent_and_afterwards_it_is_told_to_receive() -> None:
    modem, model = Modem(), ModemRakRui3()
    told(modem, model, modem.setup({}))
    told(modem, model, modem.send("lora:17", b"hello"))
    assert list(model.sent) == [b"hello"]
    assert model.receive(packet()) == b""
    told(modem, model, modem.chores())
    assert list(modem.chores()) == []
    assert list(modem.feed(model.receive(packet()))) == [HEARD]


def test_old_firmware_is_told_to_receive_after_every_packet() -> None:
    modem, model = Modem(), ModemRakRui3()
    model.is_old = True
    told(modem, model, modem.setup({}))
    for _ in range(3):
        assert list(modem.feed(model.receive(packet()))) == [HEARD]
        model.lapse()
        told(modem, model, modem.chores())


def test_errors_are_said_with_the_command() -> None:
    modem, model = Modem(), ModemRakRui3()
    assert refused(modem, model, modem.setup(ALL)[4]) == (
        "AT+PFREQ=868300000: answered AT_MODE_NO_SUPPORT, expected OK"
    )
    told(modem, model, modem.setup({}))
    assert "AT_PARAM_ERROR" in refused(modem, model, (b"AT+PRECV=65536\r\n", "OK"))


def test_another_value_than_was_set_is_no_success() -> None:
    modem = Modem()
    modem.ask((b"AT+PSF=?\r\n", "AT+PSF=9"))
    modem.feed(b"AT+PSF=7\r\n\r\nOK\r\n")
    assert modem.answer == "AT+PSF=?: answered AT+PSF=7, expected AT+PSF=9"


def test_a_repeated_command_is_not_taken_for_its_answer() -> None:
    modem = Modem()
    modem.ask((b"AT+PSF=9\r\n", "OK"))
    modem.feed(b"AT+PSF=9\r\n")
    assert modem.answer is None
    modem.feed(b"OK\r\n")
    assert modem.answer == ""


def test_old_lines_of_different_packets_with_a_silence_between_make_none() -> None:
    modem = Modem()
    modem.feed(b"+EVT:RXP2P, RSSI -60, SNR 11\r\n")
    assert modem.idle() == []
    assert modem.feed(b"+EVT:AABB\r\n") == []
    assert (modem.counters["frames"], modem.counters["bad_frames"]) == (0, 2)


@pytest.mark.parametrize(
    "wrong",
    [
        {"band_hz": 149_999_999},
        {"spreading_factor": 4},
        {"spreading_factor": 13},
        {"bandwidth_khz": 200},
        {"bandwidth_khz": "wide"},
        {"coding_rate": 5},
        {"preamble": 4},
        {"tx_power_dbm": 23},
        {"sync_word": 256},
    ],
    ids=str,
)
def test_a_setting_the_modem_would_refuse_is_named(wrong: dict[str, int | str]) -> None:
    name = next(iter(wrong))
    with pytest.raises(ValueError, match=f"^{name}: "):
        Modem().setup(wrong)


@pytest.mark.parametrize("payload", [b"", b"x" * 256])
def test_a_packet_the_modem_cannot_send_is_refused(payload: bytes) -> None:
    with pytest.raises(ValueError, match=r"^payload: "):
        Modem().send("", payload)
