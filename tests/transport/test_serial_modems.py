"""Modems that need care: at another baud rate, without a sender, falling out of reception."""

import asyncio
import os
import termios
from pathlib import Path
from typing import TYPE_CHECKING, cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.clock import SystemClock
from gateway.model import TransportState
from gateway.sim.serial_modem import SerialModem
from gateway.transport.serial import SENDERS, SerialSettings
from gateway.transport.serial.speeds import Speeds
from tests.brokers import strict_run
from tests.transport.places import AtSerial, Listed, SerialPlace, until

if TYPE_CHECKING:
    from gateway.sim.modem_lora_e5 import ModemLoraE5
    from gateway.sim.modem_rak_rui3 import ModemRakRui3
    from gateway.sim.modem_rylr998 import ModemRylr998

UP, DEAF = TransportState.UP, TransportState.DEAF
IMPATIENT_S = 0.05


def _settings(port: Path, baud: int, *bauds: int, probe_after_s: float = 60.0) -> SerialSettings:
    return SerialSettings(
        device=str(port),
        baud=baud,
        bauds=bauds,
        sender=SENDERS["word"],
        answer_limit_s=IMPATIENT_S,
        probe_after_s=probe_after_s,
    )


# ------------------------------------------------------------------------------------ patience
def test_however_often_commands_are_tried_the_transport_shows_that_it_lives(
    at_serial: AtSerial, port: Path
) -> None:
    async def scenario(place: SerialPlace) -> None:
        vitals, silent = place.health.vitals, list[bool]()

        def slow(data: bytes) -> None:
            if data == b"AT\r\n":
                place.uart.write(b"+OK\r\n")
            else:
                silent.append(place.transport.name in vitals.ask_again())
                vitals.ask_all()

        place.uart.on_data = slow
        place.hardware.plug()
        await until(lambda: len(silent) >= 3)
        assert silent[1:3] == [False, False]

    at_serial(scenario, _settings(port, 115200), plugged=False)


# --------------------------------------------------------------------------------- baud rates
def test_bytes_at_another_speed_are_not_understood_either_way(port: Path) -> None:
    async def scenario() -> None:
        modem = SerialModem(port, "reyax-rylr998")
        heard: list[bytes] = []
        modem.uart.on_data = heard.append
        modem.plug()
        descriptor = os.open(port, os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY)
        attributes = termios.tcgetattr(descriptor)
        for speed, understood in ((termios.B9600, False), (termios.B115200, True)):
            attributes[4] = attributes[5] = speed
            termios.tcsetattr(descriptor, termios.TCSAFLUSH, attributes)
            assert modem.uart.write(b"+OK\r\n") is understood
            assert (os.read(descriptor, 99) == b"+OK\r\n") is understood
            os.write(descriptor, b"AT\r\n")
            await until(lambda: heard)
            assert (heard.pop() == b"AT\r\n") is understood
        os.close(descriptor)
        modem.unplug()

    strict_run(scenario())


def test_a_modem_at_another_baud_rate_is_found_and_the_rate_said(
    at_serial: AtSerial, port: Path
) -> None:
    async def scenario(place: SerialPlace) -> None:
        model = cast("ModemRylr998", place.hardware.model)
        model.settings["IPR"] = "57600"
        place.hardware.plug()
        await place.is_(DEAF, "does not answer at 9600, 115200 or 57600 baud")
        await place.hears()
        await place.is_(UP, "answers at 57600 baud, not at 9600: set baud to 57600")
        opened = place.counters["opened"]
        place.hardware.replug()
        await place.counts("opened", opened + 1)
        await place.hears()
        assert place.counters["opened"] == opened + 1  # at the rate it was found at

    chosen = SerialSettings(
        device=str(port), baud=9600, bauds=(115200, 9600, 57600), answer_limit_s=IMPATIENT_S
    )
    at_serial(scenario, chosen, plugged=False)


def test_a_modem_that_hung_comes_back_at_its_rate_and_nothing_else_is_claimed(
    at_serial: AtSerial, port: Path
) -> None:
    async def scenario(place: SerialPlace) -> None:
        await place.hears()
        for _ in range(5):
            place.uart.silent = True
            await place.is_(DEAF)
            place.uart.silent = False
            await place.hears()
            await place.is_(UP)
            assert place.record.cause == ""

    chosen = SerialSettings(
        device=str(port),
        bauds=(115200, 9600),
        probe_after_s=IMPATIENT_S,
        answer_limit_s=IMPATIENT_S,
    )
    at_serial(scenario, chosen)


@given(others=st.lists(st.sampled_from([300, 1200, 9600, 57600]), max_size=4, unique=True))
def test_every_rate_has_its_turn_and_every_second_is_the_known_one(others: list[int]) -> None:
    speeds = Speeds(115200, others)
    turns: list[int] = []
    for _ in range(2 * len(others) + 1):
        turns.append(speeds.turn())
        speeds.mute()
        speeds.mute()  # also twice in one opening
    assert turns[::2] == [115200] * (len(others) + 1)
    assert turns[1::2] == others


def test_an_answer_counts_for_the_rate_of_its_opening_alone() -> None:
    speeds = Speeds(115200, (9600,))
    speeds.turn()
    speeds.mute()
    speeds.answered()  # late, in the same opening
    assert (speeds.note, speeds.turn()) == ("", 115200)


# ------------------------------------------------------------------------------------ senders
@pytest.mark.parametrize(
    ("word", "packet", "found"),
    [
        ("byte", b"\x11", ("lora:17", b"")),
        ("byte", b"\xff\x01\x02", ("lora:255", b"\x01\x02")),
        ("byte", b"", None),
        ("word", b"\x01\x02\x03", ("lora:258", b"\x03")),
        ("word", b"\xff\xff", ("lora:65535", b"")),
        ("word", b"\x11", None),
    ],
)
def test_the_number_in_front_of_a_packet_is_its_sender(
    word: str, packet: bytes, found: tuple[str, bytes] | None
) -> None:
    assert SENDERS[word].read(packet, Listed(SystemClock())) == found


def test_a_lorawan_uplink_is_handed_over_whole_and_anything_else_is_nameless(
    at_serial: AtSerial, port: Path
) -> None:
    uplink = bytes.fromhex("40F17DBE4900020001954378762B11FF0D")

    async def scenario(place: SerialPlace) -> None:
        await place.is_(UP)
        place.intake.addresses.add("lorawan:49be7df1")
        place.uart.write(b"+EVT:RXP2P:-60:11:" + uplink.hex().encode() + b"\r\n")
        await place.counts("frames")
        (frame,) = place.intake.frames
        assert (frame.payload, frame.content, frame.is_uplink) == (uplink, uplink, True)
        assert place.intake.asked == [uplink]  # once: it may cost the MICs of many nodes
        place.uart.write(b"+EVT:RXP2P:-60:11:A0B1\r\n")
        await place.counts("nameless_packets")
        assert place.intake.unlisted == 0

    settings = msgspec.structs.replace(_settings(port, 115200), sender=SENDERS["lorawan"])
    at_serial(scenario, settings, kind="rak-rui3")


def test_a_packet_too_short_for_its_sender_is_counted_and_forgotten(
    at_serial: AtSerial, port: Path
) -> None:
    async def scenario(place: SerialPlace) -> None:
        await place.hears()
        assert {frame.address for frame in place.intake.frames} == {"lora:17"}
        assert not any(frame.is_uplink for frame in place.intake.frames)
        place.uart.write(b"+EVT:RXP2P:-60:11:AA\r\n")
        await place.counts("nameless_packets")
        assert len(place.intake.frames) == place.counters["frames"] - 1
        assert place.intake.unlisted == 0

    at_serial(scenario, _settings(port, 115200), kind="rak-rui3")


# ----------------------------------------------------------------------- staying in reception
def test_a_modem_that_answers_and_does_not_receive_is_told_to(
    at_serial: AtSerial, port: Path
) -> None:
    async def scenario(place: SerialPlace) -> None:
        await place.hears()
        place.hardware.model.lapse()
        await place.hears()
        assert place.counters["opened"] == 1
        assert "mute" not in place.counters

    for kind, baud in (("rak-rui3", 115200), ("lora-e5", 9600)):
        at_serial(scenario, _settings(port, baud, probe_after_s=IMPATIENT_S), kind=kind)


def test_a_modem_that_says_it_sleeps_is_set_up_again(at_serial: AtSerial, port: Path) -> None:
    async def scenario(place: SerialPlace) -> None:
        await place.counts("probes")  # the setup, which would mend it too, is over
        place.hardware.model.lapse()
        await place.counts("lapses")
        await place.hears()
        assert place.counters["opened"] == 1

    chosen = SerialSettings(
        device=str(port), probe_after_s=IMPATIENT_S, answer_limit_s=IMPATIENT_S
    )
    at_serial(scenario, chosen)


def test_a_modem_that_started_without_a_word_is_set_up_again(
    at_serial: AtSerial, port: Path
) -> None:
    async def scenario(place: SerialPlace) -> None:
        model = cast("ModemLoraE5", place.hardware.model)
        await place.hears()
        assert model.boot() == b""
        await until(lambda: model.mode == "TEST")
        await place.hears()
        assert place.counters["lapses"] >= 1

    at_serial(scenario, _settings(port, 9600, probe_after_s=IMPATIENT_S), kind="lora-e5")


def test_what_ends_a_reception_is_answered_at_once_by_the_order_to_receive(
    at_serial: AtSerial, port: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.transport.serial.supervisor._TICK_S", 3600.0)  # not by the clock

    async def scenario(place: SerialPlace) -> None:
        model = cast("ModemRakRui3", place.hardware.model)
        await place.is_(UP)
        for packets in range(1, 6):
            await until(lambda: model.receives)
            model.lapse()
            place.uart.write(b"+EVT:RXP2P RECEIVE TIMEOUT\r\n")
            await until(lambda: model.receives)  # no probe is due for a minute
            place.send()
            await place.counts("frames", packets)
        assert "probes" not in place.counters

    at_serial(scenario, _settings(port, 115200), kind="rak-rui3")


def test_an_order_that_is_refused_is_said_and_given_again_but_not_without_a_pause(
    at_serial: AtSerial, port: Path
) -> None:
    asked: list[bytes] = []

    async def scenario(place: SerialPlace) -> None:
        await place.is_(UP)
        place.uart.on_data = lambda data: _refuse(place, asked, data)
        place.uart.write(b"+EVT:RXP2P RECEIVE TIMEOUT\r\n")
        await place.is_(TransportState.DOWN, "the modem refused AT+PRECV=65534")
        for _ in range(100):
            await asyncio.sleep(0)  # turns in which a loop without a pause would have gone on
        assert len(asked) <= 3 * place.counters["failed_chores"]
        place.uart.on_data = lambda data: _answer(place, data)
        await place.is_(UP)
        await place.hears()

    at_serial(scenario, _settings(port, 115200), kind="rak-rui3")


def _refuse(place: SerialPlace, asked: list[bytes], data: bytes) -> None:
    asked.append(data)
    place.uart.write(b"\r\nAT_ERROR\r\n")


def _answer(place: SerialPlace, data: bytes) -> None:
    place.uart.write(place.hardware.model.feed(data))


def test_the_mode_is_set_once_and_the_restart_it_brings_is_no_surprise(
    at_serial: AtSerial, port: Path
) -> None:
    async def scenario(place: SerialPlace) -> None:
        model = cast("ModemRakRui3", place.hardware.model)
        assert model.mode == 1  # as it is delivered
        place.hardware.plug()
        await place.hears()
        place.hardware.replug()
        await place.counts("opened", 2)
        await place.hears()
        assert model.mode == 0
        assert model.starts == 3  # plugged in twice, and once for the mode

    at_serial(scenario, _settings(port, 115200), kind="rak-rui3", plugged=False)
