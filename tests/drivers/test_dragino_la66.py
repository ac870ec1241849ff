"""The LA66: its flash is written once, and what it is set to is in effect."""

import pytest

from drivers.modem.dragino_la66 import SETTINGS, Modem
from gateway.sim.modem_la66 import ModemLa66
from tests.drivers.conversation import packet, refused, told

ALL: dict[str, int | str] = {
    "band_hz": 868_125_000,
    "spreading_factor": 9,
    "bandwidth_khz": 250,
    "coding_rate": 2,
    "preamble": 12,
    "tx_power_dbm": 10,
    "sync_word": 0x34,
}
HEARD = ("", b"\x00\x11ABC", -97, None)


def test_its_settings_are_in_effect_after_the_setup() -> None:
    modem, model = Modem(), ModemLa66()
    told(modem, model, modem.setup(ALL))
    assert dict(model.radio) == ALL
    assert set(ALL) == set(SETTINGS)
    assert model.starts == 1
    assert not modem.restarted


def test_what_it_has_is_neither_written_again_nor_a_reason_to_restart() -> None:
    modem, model = Modem(), ModemLa66()
    told(modem, model, modem.setup(ALL))
    written = told(modem, model, modem.setup(ALL))
    assert model.starts == 1
    assert all(line == b"AT\r\n" or line.endswith(b"=?\r\n") for line in written)


def test_it_acknowledges_no_packet_by_radio() -> None:
    modem, model = Modem(), ModemLa66()
    told(modem, model, modem.setup({}))
    assert list(modem.feed(model.receive(packet()))) == [HEARD]
    assert list(model.sent) == []


def test_a_version_that_tells_no_signal_is_heard_after_a_silence() -> None:
    modem, model = Modem(), ModemLa66()
    model.says_rssi = False
    told(modem, model, modem.setup({}))
    assert list(modem.feed(model.receive(packet()))) == []
    assert list(modem.idle()) == [("", b"\x00\x11ABC", None, None)]


def test_one_that_writes_text_is_set_to_write_digits() -> None:
    modem, model = Modem(), ModemLa66()
    model.settings["RXDAFORM"] = "1"
    told(modem, model, modem.setup({}))
    assert list(modem.feed(model.receive(packet()))) == [HEARD]


def test_a_start_that_nobody_asked_for_is_told() -> None:
    modem, model = Modem(), ModemLa66()
    told(modem, model, modem.setup({}))
    modem.feed(model.boot())
    restarted = [modem.restarted]
    told(modem, model, modem.setup({}))
    restarted.append(modem.restarted)
    assert restarted == [True, False]
    assert modem.counters["unknown_lines"] == 0


def test_the_probe_finds_one_that_does_not_receive_for_ever() -> None:
    modem, model = Modem(), ModemLa66()
    told(modem, model, modem.setup({}))
    told(modem, model, [modem.probe()])
    model.settings["RXMOD"] = "30,0"
    assert refused(modem, model, modem.probe()) == ("AT+RXMOD=?: answered 30,0, expected 65535,0")


def test_one_with_its_lorawan_firmware_is_told_by_what_it_does_not_know() -> None:
    modem = Modem()
    modem.ask(modem.setup(ALL)[1])
    modem.feed(b"\r\nAT_ERROR\r\n")
    assert modem.answer == "AT+FRE=?: answered AT_ERROR, expected a value"


def test_a_query_that_is_answered_by_its_status_alone_is_not_answered() -> None:
    modem = Modem()
    modem.ask(modem.setup(ALL)[1])
    modem.feed(b"OK\r\n")
    assert modem.answer == "AT+FRE=?: answered OK, expected a value"


def test_what_it_sends_is_sent() -> None:
    modem, model = Modem(), ModemLa66()
    told(modem, model, modem.setup({}))
    told(modem, model, modem.send("", b"hello"))
    assert list(model.sent) == [b"hello"]
    assert list(modem.chores()) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"band_hz": 868_000_500},
        {"band_hz": 100_000_000},
        {"spreading_factor": 4},
        {"bandwidth_khz": 62},
        {"coding_rate": 0},
        {"preamble": 0},
        {"tx_power_dbm": 23},
        {"sync_word": 0x13},
    ],
    ids=str,
)
def test_a_setting_the_modem_would_refuse_is_named(wrong: dict[str, int | str]) -> None:
    name = next(iter(wrong))
    with pytest.raises(ValueError, match=f"^{name}: "):
        Modem().setup(wrong)


@pytest.mark.parametrize("payload", [b"", b"x" * 231])
def test_a_packet_the_modem_cannot_send_is_refused(payload: bytes) -> None:
    with pytest.raises(ValueError, match=r"^payload: "):
        Modem().send("", payload)
