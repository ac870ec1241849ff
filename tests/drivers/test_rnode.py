"""An RNode is set by KISS frames, each of which it answers by what is then in force."""

import pytest

from drivers.modem.rnode import Modem
from gateway.sim.modem_rnode import ModemRnode
from tests.drivers.conversation import Conversation

WANTED = {
    "band_hz": 0x33C0DB00,  # of bytes that have to be escaped
    "bandwidth_khz": 125,
    "tx_power_dbm": 14,
    "spreading_factor": 9,
    "coding_rate": 1,
}


@pytest.fixture
def talk() -> Conversation:
    return Conversation(Modem(), ModemRnode())


def test_its_settings_are_those_that_were_wanted(talk: Conversation) -> None:
    assert talk.set_up(**WANTED) == ""
    assert dict(talk.model.radio) == WANTED


def test_a_start_wants_a_new_setup(talk: Conversation) -> None:
    assert talk.modem.restarted
    talk.set_up()
    assert not talk.modem.restarted


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("band_hz", 1),
        ("bandwidth_khz", 7),
        ("tx_power_dbm", 23),
        ("spreading_factor", 13),
        ("coding_rate", 5),
        ("coding_rate", "1"),
    ],
)
def test_a_value_that_it_would_not_take_is_refused_by_name(name: str, value: int) -> None:
    with pytest.raises(ValueError, match=f"^{name}: "):
        Modem().setup({name: value})


def test_a_value_that_it_keeps_instead_is_told(talk: Conversation) -> None:
    talk.set_up(**WANTED)
    told = talk.tell([(b"\xc0\x03\x63\xc0", "\x03\x63")])
    assert told == "0x03: answered 0e, expected 63"


def test_packets_come_whole_with_their_signal_once_it_is_set_up(talk: Conversation) -> None:
    talk.receive(b"before")
    talk.set_up(**WANTED)
    talk.receive(b"\xc0\xdb\x00", rssi_dbm=-101, snr_db=-3)
    assert talk.packets == [("", b"\xc0\xdb\x00", -101, -3.0)]


def test_one_whose_radio_is_off_answers_a_probe_otherwise(talk: Conversation) -> None:
    talk.set_up(**WANTED)
    probe = talk.modem.probe()
    assert probe is not None
    assert talk.tell([probe]) == ""
    talk.model.lapse()
    assert talk.tell([probe]) == "0x06: answered 00, expected 01"


def test_an_error_is_the_answer_to_what_was_asked() -> None:
    modem = Modem()
    modem.ask((b"\xc0\x06\x01\xc0", "\x06\x01"))
    modem.feed(b"\xc0\x90\x01\xc0")
    assert modem.answer == "0x06: the radio does not start"


def test_what_is_sent_is_escaped_and_not_waited_for(talk: Conversation) -> None:
    talk.set_up(**WANTED)
    assert talk.tell(talk.modem.send("lora:1", b"\xc0\xdb!")) == ""
    assert isinstance(talk.model, ModemRnode)
    assert list(talk.model.sent) == [b"\xc0\xdb!"]
    for payload in (b"", bytes(255)):
        with pytest.raises(ValueError, match="payload"):
            talk.modem.send("lora:1", payload)
