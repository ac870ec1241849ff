"""EBYTE's modems are transparent: packets are framed by their nodes, commands stand in between."""

import pytest

from drivers.modem import ebyte_e22, ebyte_e32, ebyte_e220
from gateway.core.cobs import framed
from gateway.sim.modem_ebyte import ModemE22, ModemEbyte
from tests.drivers.conversation import Conversation

WANTED = {"address": 0x1234, "network_id": 7, "band_hz": 868_125_000}


@pytest.fixture
def talk() -> Conversation:
    return Conversation(ebyte_e22.Modem(), ModemE22())


def e22(talk: Conversation) -> ModemE22:
    assert isinstance(talk.model, ModemE22)
    return talk.model


def test_its_registers_are_those_that_were_wanted_and_it_is_transparent_again(
    talk: Conversation,
) -> None:
    before = bytes(e22(talk).registers)
    assert talk.set_up(**WANTED) == ""
    assert dict(talk.model.radio) == WANTED
    assert e22(talk).mode == 0
    assert e22(talk).registers[3] == before[3], "the air rate is left"
    assert e22(talk).registers[6] == before[6], "the RSSI byte is left off"


def test_what_is_already_as_wanted_is_not_written(talk: Conversation) -> None:
    talk.set_up(**WANTED)
    assert talk.tell(talk.modem.setup(dict(WANTED))) == ""
    assert [line for line, _ in talk.modem.chores()] == [b"\xc0\xc1\xc2\xc3\x02\x00"]


def test_without_radio_settings_nothing_is_sent_on_the_air(talk: Conversation) -> None:
    assert talk.set_up(framing="cobs") == ""
    assert list(talk.modem.setup({})) == []
    assert talk.modem.probe() is None
    assert list(e22(talk).sent) == []


def test_one_that_is_configured_can_be_asked_for_a_sign_of_life(talk: Conversation) -> None:
    talk.set_up(**WANTED)
    probe = talk.modem.probe()
    assert probe is not None
    assert talk.tell([probe]) == ""
    assert talk.packets == []
    assert list(e22(talk).sent) == []


def test_one_whose_switching_is_off_does_not_answer(talk: Conversation) -> None:
    e22(talk).registers[4] = 0
    assert talk.set_up(**WANTED) == "no answer"
    assert talk.modem.probe() is None


def test_a_command_it_does_not_know_is_told(talk: Conversation) -> None:
    talk.tell([(b"\xc0\xc1\xc2\xc3\x02\x02", "\xc1\xc2\xc3\x02\x02")])
    assert talk.tell([(b"\xc1\x70\x09", "\xc1\x70\x09")]) == "c1 70 09: it does not know this"
    assert talk.modem.counters["error_lines"] == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("address", 65536),
        ("network_id", 256),
        ("band_hz", 868_000_000),
        ("band_hz", 410_124_000),
        ("framing", "lines"),
        ("rssi_byte", "yes"),
    ],
)
def test_a_value_that_it_would_not_take_is_refused_by_name(name: str, value: int | str) -> None:
    with pytest.raises(ValueError, match=f"^{name}: "):
        ebyte_e22.Modem().setup({name: value})


def test_packets_come_out_of_the_stream_with_their_signal(talk: Conversation) -> None:
    talk.set_up(**WANTED, rssi_byte="full")
    for number in range(3):
        talk.receive(bytes([0, number, 0]), rssi_dbm=-60 - number)
    assert talk.packets == [("", bytes([0, n, 0]), -60 - n, None) for n in range(3)]


def test_a_packet_around_an_answer_is_not_lost(talk: Conversation) -> None:
    talk.set_up(**WANTED)
    probe = talk.modem.probe()
    assert probe is not None
    talk.modem.ask(probe)
    line = framed(b"here")
    answer = b"\xc1\x00\x02\x9e\x9e"
    assert talk.modem.feed(line[:4] + answer[:2]) == []
    assert talk.modem.feed(answer[2:] + line[4:]) == [("", b"here", None, None)]
    assert talk.modem.answer == ""


@pytest.mark.parametrize(("form", "dbm"), [("full", -56), ("half", -100)])
def test_the_signal_is_read_as_the_model_writes_it(form: str, dbm: int) -> None:
    modem = ebyte_e220.Modem()
    modem.setup({"rssi_byte": form})
    assert modem.feed(framed(b"a")) == []
    assert modem.feed(b"\xc8") == [("", b"a", dbm, None)]


def test_a_packet_whose_signal_never_comes_is_handed_over_without() -> None:
    modem = ebyte_e220.Modem()
    modem.setup({"rssi_byte": "full"})
    assert modem.feed(framed(b"a")) == []
    assert modem.idle() == [("", b"a", None, None)]


def test_nodes_that_frame_nothing_are_told_apart_by_silence() -> None:
    modem = ebyte_e220.Modem()
    modem.setup({"framing": "gap", "rssi_byte": "full"})
    assert modem.feed(b"\x00\x11he") == []
    assert modem.feed(b"llo\xc8") == []
    assert modem.idle() == [("", b"\x00\x11hello", -56, None)]
    assert modem.idle() == []
    modem.feed(bytes(242))
    assert modem.idle() == []
    assert modem.counters["bad_frames"] == 1
    modem.feed(bytes(1000))
    assert modem.idle() == [], "a packet that long is none, and neither is its end"
    modem.feed(b"ok\xc8")
    assert modem.idle() == [("", b"ok", -56, None)]


def test_the_old_one_hands_on_and_nothing_else() -> None:
    talk = Conversation(ebyte_e32.Modem(), ModemEbyte())
    assert talk.set_up(framing="cobs") == ""
    talk.receive(b"hello")
    assert talk.packets == [("", b"hello", None, None)]
    assert talk.tell(talk.modem.send("lora:1", b"back")) == ""
    assert isinstance(talk.model, ModemEbyte)
    assert list(talk.model.sent) == [framed(b"back")]
    with pytest.raises(ValueError, match="payload"):
        talk.modem.send("lora:1", bytes(240))
