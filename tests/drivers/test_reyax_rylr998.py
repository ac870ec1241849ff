"""The REYAX modem: packets by length, replies among packets, settings as its guide has them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.modem.reyax_rylr998 import SETTINGS, Modem

PACKET = b"+RCV=17,4,ABCD,-40,10\r\n"
HEARD = ("lora:17", b"ABCD", -40, 10)

ALL: dict[str, int | str] = {
    "address": 1,
    "network_id": 18,
    "band_hz": 868_100_000,
    "spreading_factor": 9,
    "bandwidth_khz": 125,
    "coding_rate": 1,
    "preamble": 12,
    "tx_power_dbm": 14,
    "password": "FABC0002",
}


def answer(modem: Modem) -> str | None:
    """Return what a modem has been answered by now."""
    return modem.answer


def asked(line: bytes = b"AT+BAND=868100000\r\n", expected: str = "+OK") -> Modem:
    """Return a modem that has been asked something."""
    modem = Modem()
    modem.ask((line, expected))
    return modem


# ----------------------------------------------------------------------------------------- packets
def packet(address: int, payload: bytes, rssi_dbm: int, snr_db: int) -> bytes:
    """Return what the modem says of a packet."""
    head = f"+RCV={address},{len(payload)},".encode()
    return head + payload + f",{rssi_dbm},{snr_db}\r\n".encode()


PIECES = st.one_of(
    st.binary(max_size=20), st.sampled_from([b"\r\n", b"+RCV=", b",", b"\x00", PACKET, b"+OK\r\n"])
)
PACKETS = st.tuples(
    st.integers(0, 65535),
    st.lists(PIECES, max_size=8).map(lambda pieces: b"".join(pieces)[:240]),
    st.integers(-164, 0),
    st.integers(-32, 31),
)
NOISE = st.sampled_from([b"", b"\r\n", b"+OK\r\n", b"+ERR=12\r\n", b"\xff\xfe\x00\r\n", b"hm\n"])


@given(st.lists(st.tuples(NOISE, PACKETS), max_size=6))
def test_packets_are_read_by_length_whatever_is_in_them(
    said: list[tuple[bytes, tuple[int, bytes, int, int]]],
) -> None:
    modem = Modem()
    stream = b"".join(noise + packet(*fields) for noise, fields in said)
    expected = [(f"lora:{address}", *rest) for _, (address, *rest) in said]
    assert modem.feed(stream) == expected
    assert modem.counters["bad_frames"] == 0


@pytest.mark.parametrize("length", [0, 3, 5, 9, 27, 28, 50, 240])
def test_a_length_that_lies_costs_that_packet_alone(length: int) -> None:
    modem = Modem()
    frames = modem.feed(f"+RCV=9,{length},LIAR,-50,5\r\n".encode() + PACKET + PACKET)
    frames += modem.idle()
    assert frames[-2:] == [HEARD, HEARD]
    assert [frame[0] for frame in frames[:-2]] in ([], ["lora:9"])
    assert not [frame for frame in frames if frame[:2] == ("lora:9", b"LIAR")]


def test_a_packet_cut_short_does_not_hold_up_the_next_for_longer_than_a_silence() -> None:
    modem = Modem()
    assert modem.feed(b"+RCV=9,240,only a beginning" + PACKET) == []
    assert modem.idle() == [HEARD]
    assert modem.feed(PACKET) == [HEARD]
    assert modem.counters["bad_frames"] == 1


def test_a_silence_with_nothing_pending_changes_nothing() -> None:
    modem = Modem()
    modem.feed(PACKET)
    before = dict(modem.counters)
    assert modem.idle() == []
    assert modem.counters == before


def test_the_end_of_an_overlong_line_is_no_reply() -> None:
    """61 bytes are skipped at a time: with one more the rest of the line would be `+OK`."""
    for size in range(60, 200):
        modem = asked()
        modem.feed(b"~" * size)
        modem.feed(b"+OK\r\n")
        assert answer(modem) is None, size
        assert modem.counters["overlong_lines"] == (size + len("+OK\r\n") > 64), size


@pytest.mark.parametrize("size", range(140))
def test_a_packet_is_found_behind_noise_of_any_length_and_every_byte_is_counted(size: int) -> None:
    modem = Modem()
    assert modem.feed(b"~" * size + PACKET + b"~" * size + b"\r\n" * (size > 0)) == [HEARD]
    assert modem.counters["garbage_bytes"] == 2 * size + 2 * (size > 0)


def test_after_a_silence_a_line_begins_anew() -> None:
    modem = asked()
    modem.feed(b"~" * 100)
    modem.idle()
    modem.feed(b"+OK\r\n")
    assert answer(modem) == ""
    assert modem.counters["garbage_bytes"] == 100


# ----------------------------------------------------------------------------------------- answers
def test_a_packet_may_come_between_a_command_and_its_reply() -> None:
    modem = asked()
    assert modem.feed(PACKET + b"+OK") == [HEARD]
    assert answer(modem) is None
    modem.feed(b"\r\n")
    assert answer(modem) == ""


def test_a_refused_command_says_which_and_why() -> None:
    modem = asked(b"AT+PARAMETER=9,7,1,24\r\n")
    modem.feed(b"+ERR=18\r\n")
    assert answer(modem) == "AT+PARAMETER: +ERR=18 (preamble not allowed)"


def test_an_error_of_reception_is_not_the_answer_to_a_command() -> None:
    modem = asked()
    modem.feed(b"+ERR=12\r\n+ERR=19\r\n")
    assert answer(modem) is None
    modem.feed(b"+OK\r\n")
    assert answer(modem) == ""
    assert modem.counters["error_lines"] == 2


def test_an_error_nobody_asked_for_is_counted() -> None:
    modem = Modem()
    modem.feed(b"+ERR=2\r\n+ERR=x\r\n+ERR=999\r\n")
    assert answer(modem) == ""
    assert modem.counters["error_lines"] == 3


def test_a_query_that_reports_another_value_says_both() -> None:
    modem = asked(b"AT+ADDRESS?\r\n", "+ADDRESS=1")
    modem.feed(b"+ADDRESS=2\r\n")
    assert answer(modem) == "AT+ADDRESS?: answered +ADDRESS=2, expected +ADDRESS=1"


def test_a_reply_to_something_else_is_not_taken() -> None:
    modem = asked(b"AT+ADDRESS?\r\n", "+ADDRESS=1")
    modem.feed(b"+OK\r\n+BAND=868100000\r\n")
    assert answer(modem) is None
    assert modem.counters["stray_replies"] == 2


def test_the_echo_of_a_command_is_ignored() -> None:
    modem = asked()
    modem.feed(b"AT+BAND=868100000\r\n+OK\r\n")
    assert answer(modem) == ""
    assert modem.counters["unknown_lines"] == 0


def test_a_start_puts_the_settings_in_doubt_until_the_next_setup() -> None:
    modem = Modem()
    restarted = [modem.restarted]
    modem.feed(b"\xff\x00+READY\r\n")
    restarted.append(modem.restarted)
    modem.setup({})
    restarted.append(modem.restarted)
    assert restarted == [False, True, False]
    assert modem.counters["restarts"] == 1


# ---------------------------------------------------------------------------------------- settings
def test_settings_become_commands_and_queries_that_verify_them() -> None:
    assert Modem().setup(ALL) == [
        (b"AT\r\n", "+OK"),
        (b"AT+MODE?\r\n", "+MODE="),
        (b"AT+MODE=0\r\n", "+OK"),
        (b"AT+ADDRESS=1\r\n", "+OK"),
        (b"AT+ADDRESS?\r\n", "+ADDRESS=1"),
        (b"AT+NETWORKID=18\r\n", "+OK"),
        (b"AT+NETWORKID?\r\n", "+NETWORKID=18"),
        (b"AT+BAND=868100000\r\n", "+OK"),
        (b"AT+BAND?\r\n", "+BAND=868100000"),
        (b"AT+CRFOP=14\r\n", "+OK"),
        (b"AT+CRFOP?\r\n", "+CRFOP=14"),
        (b"AT+PARAMETER=9,7,1,12\r\n", "+OK"),
        (b"AT+PARAMETER?\r\n", "+PARAMETER=9,7,1,12"),
        (b"AT+CPIN=FABC0002\r\n", "+OK"),
    ]
    assert set(ALL) == set(SETTINGS)


def test_one_radio_parameter_brings_the_factory_values_of_the_others() -> None:
    commands = Modem().setup({"spreading_factor": 11, "bandwidth_khz": 500})
    assert commands[3] == (b"AT+PARAMETER=11,9,1,12\r\n", "+OK")


def test_the_password_is_in_no_answer() -> None:
    for reply in (b"+ERR=4\r\n", b"+OK=1\r\n"):
        modem = asked(*Modem().setup(ALL)[-1])
        modem.feed(reply)
        assert modem.answer
        assert "FABC" not in modem.answer


@pytest.mark.parametrize(
    "wrong",
    [
        {"address": -1},
        {"address": 65536},
        {"address": "one"},
        {"network_id": 2},
        {"network_id": 16},
        {"network_id": 17},
        {"network_id": 19},
        {"band_hz": 868},
        {"spreading_factor": 4},
        {"spreading_factor": 12},
        {"spreading_factor": 10},
        {"spreading_factor": 11, "bandwidth_khz": 250},
        {"bandwidth_khz": 200},
        {"coding_rate": 0},
        {"coding_rate": 5},
        {"preamble": 3},
        {"preamble": 25},
        {"preamble": 8, "network_id": 6},
        {"tx_power_dbm": 23},
        {"password": "FABC002"},
        {"password": "FABC000G"},
    ],
    ids=str,
)
def test_a_setting_the_modem_would_refuse_is_named(wrong: dict[str, int | str]) -> None:
    name = next(iter(wrong))
    with pytest.raises(ValueError, match=f"^{name}: "):
        Modem().setup(wrong)


def test_a_packet_can_be_sent() -> None:
    assert Modem().send("lora:17", b"A,B\r\n") == [(b"AT+SEND=17,5,A,B\r\n\r\n", "+OK")]
    assert Modem().send("lora:0", b"x" * 240)


@pytest.mark.parametrize("payload", [b"", b"x" * 241, b"a\x00b"])
def test_a_packet_the_modem_cannot_send_is_refused(payload: bytes) -> None:
    with pytest.raises(ValueError, match=r"^payload: "):
        Modem().send("lora:17", payload)
