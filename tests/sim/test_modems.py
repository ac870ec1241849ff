"""The models of modems speak their vendors' grammar: errors, and what surprises a program, too."""

import pytest

from gateway.sim.modem_la66 import ModemLa66
from gateway.sim.modem_lora_e5 import ModemLoraE5
from gateway.sim.modem_rak_rui3 import ModemRakRui3
from gateway.sim.modem_rylr998 import RYLR896, ModemRylr998
from gateway.sim.modems import MODEMS
from gateway.sim.sensors import LoraPacket

PACKET = LoraPacket(address=17, payload=b"\x00\xfeA", rssi_dbm=-97, snr_db=-3)


def said(model: ModemRakRui3 | ModemLoraE5 | ModemLa66 | ModemRylr998, *commands: bytes) -> bytes:
    """Return the answer to the last of some commands."""
    return [model.feed(command + b"\r\n") for command in commands][-1]


@pytest.mark.parametrize(
    ("commands", "answer"),
    [
        ([b"AT"], b"\r\nOK\r\n"),
        ([b"AT+NWM=?"], b"AT+NWM=1\r\n\r\nOK\r\n"),
        ([b"hello"], b"\r\nAT_ERROR\r\n"),
        ([b"AT+HELLO"], b"\r\nAT_COMMAND_NOT_FOUND\r\n"),
        ([b"AT+PSF=9"], b"\r\nAT_MODE_NO_SUPPORT\r\n"),
        ([b"AT+NWM=3"], b"\r\nAT_PARAM_ERROR\r\n"),
        ([b"AT+NWM=0", b"AT+PSF=13"], b"\r\nAT_PARAM_ERROR\r\n"),
        ([b"AT+NWM=0", b"AT+PBW=500", b"AT+PBW=?"], b"AT+PBW=2\r\n\r\nOK\r\n"),
        ([b"AT+NWM=0", b"AT+SYNCWORD=1424", b"AT+SYNCWORD=?"], b"AT+SYNCWORD=1424\r\n\r\nOK\r\n"),
        ([b"AT+NWM=0", b"AT+PRECV=65534", b"AT+PSF=9"], b"\r\nAT_BUSY_ERROR\r\n"),
        (
            [b"AT+NWM=0", b"AT+PRECV=65533", b"AT+PRECV=65534"],
            b"P2P_RX_ON already\r\n\r\nAT_BUSY_ERROR\r\n",
        ),
        ([b"AT+NWM=0", b"AT+PRECV=65534", b"AT+PSEND=00"], b"\r\nAT_BUSY_ERROR\r\n"),
        ([b"AT+NWM=0", b"AT+PSEND=0"], b"\r\nAT_PARAM_ERROR\r\n"),
        ([b"AT+NWM=0", b"AT+PSEND=00"], b"\r\nOK\r\n+EVT:TXP2P DONE\r\n"),
    ],
)
def test_a_rak_answers_as_its_firmware_does(commands: list[bytes], answer: bytes) -> None:
    assert said(ModemRakRui3(), *commands) == answer


def test_a_rak_restarts_for_its_mode_in_the_middle_of_its_answer() -> None:
    answer = said(ModemRakRui3(), b"AT+NWM=0")
    assert answer.startswith(b"OKRAKwireless")
    assert answer.endswith(b"Current Work Mode: LoRa P2P.\r\n")


@pytest.mark.parametrize(
    ("order", "packets"), [(b"0", 0), (b"1000", 1), (b"65535", 1), (b"65534", 3), (b"65533", 3)]
)
def test_a_rak_receives_for_as_long_as_it_was_told(order: bytes, packets: int) -> None:
    model = ModemRakRui3()
    said(model, b"AT+NWM=0", b"AT+PRECV=" + order)
    line = b"+EVT:RXP2P:-97:-3:00FE41\r\n"
    assert [model.receive(PACKET) for _ in range(3)] == [line] * packets + [b""] * (3 - packets)


@pytest.mark.parametrize(
    ("commands", "answer"),
    [
        ([b"AT"], b"+AT: OK\r\n"),
        ([b""], b"+INFO: Input timeout\r\n"),
        ([b"hello"], b"+AT: ERROR(-10)\r\n"),
        ([b"AT+HELLO"], b"+HELLO: ERROR(-10)\r\n"),
        ([b"AT+" + b"x" * 600], b"+AT: ERROR(-21)\r\n"),
        ([b"AT+MODE=HELLO"], b"+MODE: ERROR(-1)\r\n"),
        ([b"AT+MODE"], b"+MODE: LWOTAA\r\n"),
        ([b"AT+TEST=RXLRPKT"], b"+TEST: ERROR(-12)\r\n"),
        ([b"AT+MODE=TEST", b"AT+TEST=RFCFG,868"], b"+TEST: ERROR(-11)\r\n"),
        ([b"AT+MODE=TEST", b"AT+TEST=HELLO"], b"+TEST: ERROR(-1)\r\n"),
        (
            [b"AT+MODE=TEST", b"AT+TEST=RFCFG,902.3,SF7,125,12,15,14,ON,OFF,OFF"],
            (
                b"+TEST: RFCFG F:902300000, SF7, BW125K, TXPR:12, RXPR:15, POW:14dBm, CRC:ON,"
                b" IQ:OFF, NET:OFF\r\n"
            ),
        ),
        ([b"AT+MODE=TEST", b'AT+TEST=TXLRPKT, "0"'], b"+TEST: ERROR(-1)\r\n"),
        ([b"AT+UART=BR, 4800"], b"+UART: ERROR(-1)\r\n"),
    ],
)
def test_a_lora_e5_answers_as_its_firmware_does(commands: list[bytes], answer: bytes) -> None:
    assert said(ModemLoraE5(), *commands) == answer


def test_a_lora_e5_takes_another_rate_when_it_starts() -> None:
    model = ModemLoraE5()
    assert said(model, b"AT+UART=BR, 115200") == b"+UART: BR, 115200\r\n"
    assert model.baud == 9600
    assert said(model, b"AT+RESET") == b"+RESET: OK\r\n"
    assert model.baud == 115200


def test_a_lora_e5_reports_a_packet_in_two_lines_until_it_sends() -> None:
    model = ModemLoraE5()
    said(model, b"AT+MODE=TEST", b"AT+TEST=RXLRPKT")
    lines = b'+TEST: LEN:3, RSSI:-97, SNR:-3\r\n+TEST: RX "00FE41"\r\n'
    assert [model.receive(PACKET), model.receive(PACKET)] == [lines, lines]
    answer = said(model, b'AT+TEST=TXLRPKT, "00"')
    assert answer == b'+TEST: TXLRPKT "00"\r\n+TEST: TX DONE\r\n'
    assert model.receive(PACKET) == b""


@pytest.mark.parametrize(
    ("commands", "answer"),
    [
        ([b"AT"], b"\r\nOK\r\n"),
        ([b"hello"], b"\r\nAT_ERROR\r\n"),
        ([b"AT+HELLO=1"], b"\r\nAT_ERROR\r\n"),
        ([b"AT+SEND=?"], b"\r\nAT_ERROR\r\n"),
        ([b"AT+SF=4,4"], b"Error Parameter\r\n\r\nAT_PARAM_ERROR\r\n"),
        ([b"AT+SF=7"], b"Error Parameter\r\n\r\nAT_PARAM_ERROR\r\n"),
        ([b"AT+FRE=868.1,868.1"], b"Error Parameter\r\n\r\nAT_PARAM_ERROR\r\n"),
        ([b"AT+FRE=868.100,868.100", b"AT+FRE=?"], b"868.100,868.100\r\n\r\nOK\r\n"),
        ([b"AT+BW=1,1"], b"Attention:Take effect after ATZ\r\n\r\nOK\r\n"),
        ([b"AT+SEND=0,xx,0,0"], b"Error Parameter\r\n\r\nAT_PARAM_ERROR\r\n"),
    ],
)
def test_an_la66_answers_as_its_firmware_does(commands: list[bytes], answer: bytes) -> None:
    assert said(ModemLa66(), *commands) == answer


def test_an_la66_works_with_what_it_had_at_its_start() -> None:
    model = ModemLa66()
    said(model, b"AT+SF=7,7", b"AT+RXMOD=0,0")
    assert model.radio["spreading_factor"] == 12
    assert model.receive(PACKET) == b"\r\nrxDone\r\nData: (HEX:) 00 fe 41 \r\n\r\nRssi= -97\r\n"
    assert list(model.sent) == [PACKET.payload]  # acknowledged by radio, as it is delivered
    assert b"LA66 P2P Firmware" in said(model, b"ATZ")
    assert model.radio["spreading_factor"] == 7
    assert model.receive(PACKET) == b""


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        (b"AT+NETWORKID=0", b"+OK\r\n"),
        (b"AT+NETWORKID=18", b"+ERR=15\r\n"),
        (b"AT+CRFOP=16", b"+ERR=15\r\n"),
        (b"AT+CPIN=FABC0002", b"+ERR=15\r\n"),
        (b"AT+MODE?", b"+MODE=0\r\n"),
        (b"AT+PARAMETER?", b"+PARAMETER=12,7,1,4\r\n"),
    ],
)
def test_an_rylr896_has_limits_of_its_own(command: bytes, answer: bytes) -> None:
    assert said(ModemRylr998(RYLR896), command) == answer


@pytest.mark.parametrize("kind", sorted(MODEMS))
def test_no_bytes_confuse_a_model_for_good(kind: str) -> None:
    fresh, confused = MODEMS[kind](), MODEMS[kind]()
    confused.feed(bytes(range(256)) * 20)
    confused.boot()
    fresh.boot()
    assert confused.feed(b"\r\nAT\r\n") == fresh.feed(b"\r\nAT\r\n")
