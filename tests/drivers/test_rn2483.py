"""The RN2483 hears one packet and has to be told to hear again; its signal is asked for."""

import pytest

from drivers.modem.rn2483 import Modem
from gateway.sim.modem_rn2483 import ModemRn2483
from tests.drivers.conversation import Conversation


@pytest.fixture
def talk() -> Conversation:
    return Conversation(Modem(), ModemRn2483())


def model_of(talk: Conversation) -> ModemRn2483:
    assert isinstance(talk.model, ModemRn2483)
    return talk.model


def test_its_settings_are_those_that_were_wanted(talk: Conversation) -> None:
    wanted = {
        "band_hz": 868_300_000,
        "spreading_factor": 9,
        "bandwidth_khz": 250,
        "coding_rate": 2,
        "preamble": 12,
        "sync_word": 0x1A,
        "tx_power_dbm": -2,
    }
    assert talk.set_up(**wanted) == ""
    assert dict(talk.model.radio) == wanted
    assert model_of(talk).hears
    assert talk.set_up(**wanted) == "", "also while it hears"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("band_hz", 433_000_000),
        ("spreading_factor", 6),
        ("bandwidth_khz", 62),
        ("coding_rate", 0),
        ("preamble", 65536),
        ("sync_word", 256),
        ("tx_power_dbm", 21),
    ],
)
def test_a_value_that_it_would_not_take_is_refused_by_name(name: str, value: int) -> None:
    with pytest.raises(ValueError, match=f"^{name}: "):
        Modem().setup({name: value})


def test_what_it_refuses_itself_is_told(talk: Conversation) -> None:
    told = talk.set_up(tx_power_dbm=20)
    assert told == "radio set pwr 20: answered invalid_param, expected ok"


def test_after_each_packet_it_is_told_to_hear_again_and_asked_for_the_signal(
    talk: Conversation,
) -> None:
    talk.set_up()
    for number in range(3):
        talk.receive(bytes([number]), rssi_dbm=-100 - number, snr_db=-number)
        assert not model_of(talk).hears
        assert talk.do_chores() == ""
        assert model_of(talk).hears
    assert talk.packets == [("", bytes([n]), -100 - n, -n) for n in range(3)]
    assert talk.modem.counters["frames"] == 3


def test_firmware_that_does_not_know_the_rssi_is_asked_once(talk: Conversation) -> None:
    model_of(talk).tells_rssi = False
    talk.set_up()
    talk.receive(b"a")
    assert talk.do_chores() == ""
    talk.receive(b"b")
    assert [line for line, _ in talk.modem.chores()] == [b"radio rx 0\r\n"]
    talk.tell(talk.modem.chores())
    assert [line for line, _ in talk.modem.chores()] == [b"radio get snr\r\n"]
    talk.do_chores()
    assert talk.packets == [("", b"a", None, 8), ("", b"b", None, 8)]


def test_a_start_wants_a_new_setup(talk: Conversation) -> None:
    assert talk.modem.restarted
    talk.set_up()
    assert not talk.modem.restarted


def test_a_packet_whose_signal_nobody_tells_is_handed_over_without(talk: Conversation) -> None:
    talk.set_up()
    talk.receive(b"a")
    assert talk.packets == []
    talk.be_silent()
    assert talk.packets == [("", b"a", None, None)]
    assert [line for line, _ in talk.modem.chores()] == [b"radio rx 0\r\n"]


def test_a_probe_has_one_that_no_longer_hears_hear_again(talk: Conversation) -> None:
    talk.set_up()
    assert talk.model.lapse()
    probe = talk.modem.probe()
    assert probe is not None
    assert talk.tell([probe]) == ""
    assert model_of(talk).hears


def test_a_reception_that_ended_in_an_error_is_begun_again(talk: Conversation) -> None:
    talk.set_up()
    model_of(talk).hears = False
    talk.modem.feed(b"radio_err\r\n")
    assert talk.do_chores() == ""
    assert model_of(talk).hears


def test_after_sending_it_hears_again(talk: Conversation) -> None:
    talk.set_up()
    assert talk.tell(talk.modem.send("lora:1", b"hello")) == ""
    assert list(model_of(talk).sent) == [b"hello"]
    assert talk.do_chores() == ""
    assert model_of(talk).hears
    for payload in (b"", bytes(256)):
        with pytest.raises(ValueError, match="payload"):
            talk.modem.send("lora:1", payload)
