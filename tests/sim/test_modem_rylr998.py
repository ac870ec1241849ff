"""The modem's model speaks the grammar of the guide, and the driver understands it."""

import pytest

from drivers.modem import reyax_rylr998 as driver
from gateway.sim.modem_rylr998 import ModemRylr998
from gateway.sim.sensors import LoraPacket


@pytest.fixture
def modem() -> ModemRylr998:
    return ModemRylr998()


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        (b"AT\r\n", b"+OK\r\n"),
        (b"AT+ADDRESS=17\r\n", b"+OK\r\n"),
        (b"AT+ADDRESS?\r\n", b"+ADDRESS=0\r\n"),
        (b"AT+BAND=868500000,M\r\n", b"+OK\r\n"),
        (b"AT+PARAMETER=9,7,1,12\r\n", b"+OK\r\n"),
        (b"AT+PARAMETER?\r\n", b"+PARAMETER=9,7,1,12\r\n"),
        (b"AT+IPR=57600\r\n", b"+IPR=57600\r\n"),
        (b"AT+RESET\r\n", b"+RESET\r\n+READY\r\n"),
        (b"AT+FACTORY\r\n", b"+FACTORY\r\n"),
        (b"AT+SEND=50,5,HELLO\r\n", b"+OK\r\n"),
        (b"AT+SEND=50,3,a,b\r\n", b"+OK\r\n"),
        (b"AT+VER?\r\n", b"+VER=RYLR998_REYAX_V1.2.2\r\n"),
        (b"AT\n", b"+ERR=1\r\n"),
        (b"HELLO\r\n", b"+ERR=2\r\n"),
        (b"\r\n", b"+ERR=2\r\n"),
        (b"AT+NONSENSE?\r\n", b"+ERR=4\r\n"),
        (b"AT+NONSENSE=1\r\n", b"+ERR=4\r\n"),
        (b"AT+NONSENSE\r\n", b"+ERR=4\r\n"),
        (b"AT+SEND=50,6,HELLO\r\n", b"+ERR=5\r\n"),
        (b"AT+SEND=50,3,a\0b\r\n", b"+ERR=5\r\n"),
        (b"AT+SEND=50,241," + b"x" * 241 + b"\r\n", b"+ERR=13\r\n"),
        (b"AT+SEND=70000,1,x\r\n", b"+ERR=15\r\n"),
        (b"AT+ADDRESS=65536\r\n", b"+ERR=15\r\n"),
        (b"AT+NETWORKID=16\r\n", b"+ERR=15\r\n"),
        (b"AT+PARAMETER=12,7,1,12\r\n", b"+ERR=15\r\n"),
        (b"AT+PARAMETER=9,7,1\r\n", b"+ERR=15\r\n"),
        (b"AT+CPIN=short\r\n", b"+ERR=15\r\n"),
        (b"AT+\xff=1\r\n", b"+ERR=4\r\n"),
    ],
)
def test_a_command_has_its_answer(modem: ModemRylr998, command: bytes, answer: bytes) -> None:
    assert modem.feed(command) == answer


def test_commands_may_come_in_pieces_and_several_at_once(modem: ModemRylr998) -> None:
    assert modem.feed(b"AT+ADD") == b""
    assert modem.feed(b"RESS=9\r\nAT\r") == b"+OK\r\n"
    assert modem.feed(b"\nAT+ADDRESS?\r\n") == b"+OK\r\n+ADDRESS=9\r\n"


def test_settings_outlast_a_restart_and_the_password_does_not(modem: ModemRylr998) -> None:
    modem.feed(b"AT+ADDRESS=9\r\nAT+CPIN=0011AAFF\r\n")
    assert modem.feed(b"AT+CPIN?\r\n") == b"+CPIN=0011AAFF\r\n"
    assert modem.boot() == b"+READY\r\n"
    assert modem.feed(b"AT+ADDRESS?\r\n") == b"+ADDRESS=9\r\n"
    assert modem.feed(b"AT+CPIN?\r\n") == b"+ERR=4\r\n"


def test_a_packet_is_framed_by_its_length(modem: ModemRylr998) -> None:
    payload = b"a,b\r\n+RCV=1"
    line = modem.receive(LoraPacket(address=17, payload=payload, rssi_dbm=-99, snr_db=-7))
    assert line == b"+RCV=17,11,a,b\r\n+RCV=1,-99,-7\r\n"
    assert driver.Modem().feed(line) == [("lora:17", payload, -99, -7)]


def test_a_nul_ends_the_data_but_not_the_length(modem: ModemRylr998) -> None:
    line = modem.receive(LoraPacket(address=1, payload=b"ab\0cd", rssi_dbm=-50, snr_db=9))
    assert line == b"+RCV=1,5,ab,-50,9\r\n"


def test_asleep_it_hears_nothing(modem: ModemRylr998) -> None:
    modem.feed(b"AT+MODE=1\r\n")
    assert modem.receive(LoraPacket(address=1, payload=b"x", rssi_dbm=-50, snr_db=9)) == b""


def test_it_can_say_err_2_without_cause(modem: ModemRylr998) -> None:
    modem.spurious_errors = 2
    lines = [
        modem.receive(LoraPacket(address=1, payload=b"x", rssi_dbm=-50, snr_db=9))
        for _ in range(4)
    ]
    assert [b"+ERR=2\r\n" in line for line in lines] == [False, True, False, True]


def test_what_was_sent_can_be_looked_up(modem: ModemRylr998) -> None:
    modem.feed(b"AT+SEND=50,4,a,b,\r\n")
    assert list(modem.sent) == [(50, b"a,b,")]


def test_the_driver_sets_it_up_without_a_complaint(modem: ModemRylr998) -> None:
    wanted: dict[str, int | str] = {
        "address": 1,
        "network_id": 18,
        "band_hz": 868_500_000,
        "spreading_factor": 9,
        "bandwidth_khz": 125,
        "coding_rate": 1,
        "preamble": 12,
        "tx_power_dbm": 14,
        "password": "FFEEDD00",
    }
    talking = driver.Modem()
    for command in talking.setup(wanted):
        talking.feed(modem.feed(talking.ask(command)))
        assert talking.answer == "", command
    assert modem.settings["BAND"] == "868500000"
    assert modem.password == wanted["password"]
