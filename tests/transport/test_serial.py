"""A modem on a pty: packets become frames, and whatever happens to the port, they do again."""

import asyncio
import os
import stat
import struct
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import cast

import pytest
import serial
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drivers.modem.reyax_rylr998 import Modem
from gateway.clock import SystemClock
from gateway.health import Health
from gateway.model import TransportState
from gateway.sim.modem_rylr998 import ModemRylr998
from gateway.transport.serial import SerialSettings, SerialTransport
from gateway.transport.serial.port import LineErrors, Port, line_errors
from tests.brokers import strict_run
from tests.transport.places import AtSerial, HandClock, Listed, SerialPlace, until

UP, DOWN, DEAF = TransportState.UP, TransportState.DOWN, TransportState.DEAF
NOBODY = 65534
PASSWORD = "FABC0002"  # noqa: S105 - of a simulated modem


def rylr998(place: SerialPlace) -> ModemRylr998:
    """Return the model of the modem at a place."""
    return cast("ModemRylr998", place.hardware.model)


def _impatient(port: Path) -> SerialSettings:
    return SerialSettings(device=str(port), probe_after_s=0.05, answer_limit_s=0.05)


# ------------------------------------------------------------------------------------ hearing
def test_a_packet_becomes_a_frame_with_its_signal(at_serial: AtSerial) -> None:
    async def scenario(place: SerialPlace) -> None:
        await place.is_(UP)
        before_ns = place.health.clock.boot_ns()
        await place.hears()
        frame = place.intake.frames[0]
        assert (frame.medium, frame.source, frame.address) == (
            "lora",
            "serial:usb-lora",
            "lora:17",
        )
        assert (frame.payload, frame.rssi_dbm, frame.snr_db) == (b"0001", -97, -3)
        assert before_ns <= frame.heard_at_ns <= place.health.clock.boot_ns()

    at_serial(scenario)


def test_a_packet_of_an_unlisted_node_is_only_counted(
    at_serial: AtSerial, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")

    async def scenario(place: SerialPlace) -> None:
        await place.is_(UP)
        place.transmit(6174)
        await place.hears()
        assert place.intake.unlisted == 1
        assert all(frame.address == "lora:17" for frame in place.intake.frames)
        assert "6174" not in caplog.text + repr(place.record)

    at_serial(scenario)


def test_a_flood_is_taken_whole_and_others_have_their_turn(at_serial: AtSerial) -> None:
    async def scenario(place: SerialPlace) -> None:
        await place.is_(UP)
        turns = 0
        while place.sent < 5_000:
            room = place.uart.written_bytes - place.counters["received_bytes"] < 16_000
            if room:
                place.send()
            else:
                turns += 1  # our own, between two reads of the transport
                await asyncio.sleep(0)
        await place.counts("frames", 5_000)
        assert place.uart.dropped_bytes == 0
        assert len(place.intake.frames) == 5_000
        assert turns >= 5_000 * 20 // 16_000

    at_serial(scenario)


# ------------------------------------------------------------------------------------- the port
def test_a_modem_that_is_plugged_in_later_is_found(at_serial: AtSerial) -> None:
    async def scenario(place: SerialPlace) -> None:
        await place.is_(DOWN, "not there: plug the modem in")
        place.hardware.plug()
        await place.hears()
        await place.is_(UP)

    at_serial(scenario, plugged=False)


def test_after_a_replug_under_another_name_it_hears_again(at_serial: AtSerial) -> None:
    async def scenario(place: SerialPlace) -> None:
        await place.hears()
        before = place.uart.tty
        place.hardware.unplug()
        await place.is_(DOWN)
        place.hardware.plug()
        assert place.uart.tty != before
        await place.hears()
        await place.is_(UP)
        assert place.counters["opened"] >= 2

    at_serial(scenario)


def test_a_replug_that_nobody_could_see_is_noticed_too(at_serial: AtSerial) -> None:
    async def scenario(place: SerialPlace) -> None:
        await place.hears()
        place.hardware.replug()
        await place.hears()
        await place.is_(UP)

    at_serial(scenario)


def test_half_a_packet_of_the_last_opening_spoils_no_packet_of_the_next(
    at_serial: AtSerial, port: Path
) -> None:
    async def scenario(place: SerialPlace) -> None:
        await place.is_(UP)  # set up
        await place.hears()
        newest = b"%04d" % place.sent
        await until(lambda: place.intake.frames[-1].payload == newest)  # none is on its way
        half, received = b"+RCV=17,240,half", place.counters["received_bytes"]
        place.uart.write(half)
        await place.counts("received_bytes", received + len(half))
        place.hardware.replug()
        await place.counts("opened", 2)
        await place.is_(UP)  # its answer was not taken for the other half
        await place.hears()
        assert place.counters["bad_frames"] == 1
        assert "failed_setups" not in place.counters
        assert all(len(frame.payload) == 4 for frame in place.intake.frames)

    # No silence gives it up: only the new opening does.
    at_serial(scenario, SerialSettings(device=str(port), idle_s=60.0))


def test_a_terminal_that_hangs_up_has_ended_too() -> None:
    async def scenario() -> None:
        ours, theirs = os.pipe()  # at its end it reads as a terminal does after a hang-up: empty
        heard: list[bytes] = []
        port = Port("ttyX", cast("serial.Serial", os.fdopen(ours, "rb")), heard.append)
        os.write(theirs, b"+OK")
        await until(lambda: heard)
        os.close(theirs)
        await until(port.ended.is_set)
        assert (heard, port.cause) == ([b"+OK", b""], "ttyX was unplugged")
        await port.close()

    strict_run(scenario())


def test_a_port_in_use_is_said_to_be(at_serial: AtSerial, port: Path) -> None:
    async def scenario(place: SerialPlace) -> None:
        place.hardware.plug()
        other = serial.Serial(str(port), exclusive=True)
        try:
            await place.is_(DOWN, "used by another program")
        finally:
            other.close()
        await place.hears()

    at_serial(scenario, plugged=False)


@contextmanager
def _without_rights(path: Path) -> Generator[None]:
    """Take the rights to a file away from this process, also where it is root's."""
    mode = stat.S_IMODE(path.stat().st_mode)
    path.chmod(0)
    if os.geteuid() == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if os.getuid() == 0:
            os.seteuid(0)
        path.chmod(mode)


def test_a_port_without_permission_is_said_to_be_with_the_remedy(at_serial: AtSerial) -> None:
    async def scenario(place: SerialPlace) -> None:
        await place.is_(DOWN, "not there")
        place.hardware.plug()
        with _without_rights(Path(place.uart.tty)):
            await place.is_(DOWN, "permission denied: add the user to group dialout")
        await place.hears()

    at_serial(scenario, plugged=False)


def test_at_the_end_the_port_is_free(at_serial: AtSerial) -> None:
    opened: list[int] = []

    async def scenario(place: SerialPlace) -> None:
        await place.hears()
        tty = place.uart.tty
        opened.append(_openings(tty))

    async def afterwards(place: SerialPlace) -> None:
        await place.is_(UP)
        opened.append(_openings(place.uart.tty))

    at_serial(scenario)
    at_serial(afterwards)
    assert opened == [2, 2]  # the simulator's own, and ours


def _openings(tty: str) -> int:
    """How often this process has a tty open."""
    targets: list[str] = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the listing's own
            targets.append(str(descriptor.readlink()))
    return targets.count(tty)


# ---------------------------------------------------------------------------------- what it says
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(garbage=st.binary(min_size=1, max_size=300))
def test_after_any_garbage_it_hears_again(at_serial: AtSerial, garbage: bytes) -> None:
    async def scenario(place: SerialPlace) -> None:
        await place.is_(UP)
        place.uart.write(garbage)
        await place.hears()
        assert place.record.state is UP

    at_serial(scenario)


def test_a_packet_that_stops_halfway_is_given_up_and_the_next_one_heard(
    at_serial: AtSerial,
) -> None:
    async def scenario(place: SerialPlace) -> None:
        await place.is_(UP)
        place.uart.write(b"+RCV=17,240,half")
        await place.counts("bad_frames")
        await place.hears()
        assert place.counters["garbage_bytes"] >= len(b"+RCV=17,240,half")

    at_serial(scenario)


def test_a_packet_that_is_still_arriving_is_waited_for(at_serial: AtSerial, port: Path) -> None:
    clock = HandClock()

    async def scenario(place: SerialPlace) -> None:
        await place.is_(UP)
        clock.forward(30)  # since the last sign of life, none since the last byte
        place.uart.write(b"+RCV=17,4,00")
        received = place.counters["received_bytes"]
        await place.counts("received_bytes", received + 12)
        asked = clock.asked
        await until(lambda: clock.asked > asked)  # it has looked after the modem
        place.uart.write(b"99,-97,-3\r\n")
        await place.counts("frames")
        assert place.intake.frames[-1].payload == b"0099"

    at_serial(scenario, SerialSettings(device=str(port), idle_s=60.0), clock=clock)


def test_errors_that_the_modem_reports_unasked_are_counted(at_serial: AtSerial) -> None:
    async def scenario(place: SerialPlace) -> None:
        place.hardware.model.spurious_errors = 1
        await place.hears()
        await place.counts("error_lines")
        await place.is_(UP)

    at_serial(scenario)


# ----------------------------------------------------------------------------- setting it up
def test_the_modem_gets_its_settings(at_serial: AtSerial, port: Path) -> None:
    wanted: dict[str, int | str] = {"address": 1, "network_id": 6, "band_hz": 868_500_000}

    async def scenario(place: SerialPlace) -> None:
        await place.is_(UP)
        settings_now = rylr998(place).settings
        assert (settings_now["ADDRESS"], settings_now["NETWORKID"]) == ("1", "6")
        assert settings_now["BAND"] == "868500000"

    at_serial(scenario, SerialSettings(device=str(port), modem=wanted))


def test_a_modem_that_restarted_is_set_up_again(at_serial: AtSerial, port: Path) -> None:
    async def scenario(place: SerialPlace) -> None:
        model = rylr998(place)
        await place.is_(UP)
        assert model.password == PASSWORD
        place.uart.write(model.boot())  # which forgets it
        await until(lambda: model.password == PASSWORD)
        await place.hears()
        assert place.counters["opened"] == 1

    at_serial(scenario, SerialSettings(device=str(port), modem={"password": PASSWORD}))


def test_a_setting_that_the_modem_refuses_is_said_and_packets_are_heard_all_the_same(
    at_serial: AtSerial, port: Path
) -> None:
    async def scenario(place: SerialPlace) -> None:
        place.uart.on_data = lambda data: _refuse(place, b"AT+CRFOP", data)
        place.hardware.plug()
        await place.is_(DOWN, "the modem refused AT+CRFOP")
        await place.hears()
        await place.is_(UP, "the modem refused AT+CRFOP")
        assert place.counters["opened"] == 1

    chosen = SerialSettings(device=str(port), modem={"tx_power_dbm": 14})
    at_serial(scenario, chosen, plugged=False)


def test_a_setting_that_no_modem_would_take_is_refused_at_once(port: Path) -> None:
    chosen = SerialSettings(device=str(port), modem={"address": 65536})
    with pytest.raises(ValueError, match="address"):
        SerialTransport(chosen, Modem(), Listed(SystemClock()), Health(SystemClock()))


# ------------------------------------------------------------------------------- signs of life
def test_a_silent_modem_that_answers_is_up(at_serial: AtSerial, port: Path) -> None:
    async def scenario(place: SerialPlace) -> None:
        await place.counts("probes", 3)
        assert place.record.state is UP
        assert place.counters["opened"] == 1

    at_serial(scenario, _impatient(port))


def test_a_modem_that_gives_no_sign_of_life_is_deaf_and_opened_anew_until_it_does(
    at_serial: AtSerial, port: Path
) -> None:
    async def scenario(place: SerialPlace) -> None:
        await place.hears()
        place.uart.silent = True
        await place.is_(DEAF, "the modem does not answer at 115200 baud")
        await place.counts("mute", 3)
        place.uart.silent = False
        await place.hears()
        await place.is_(UP)
        assert place.counters["opened"] >= 3

    at_serial(scenario, _impatient(port))


def test_a_modem_that_only_makes_noise_is_deaf_too(at_serial: AtSerial, port: Path) -> None:
    async def scenario(place: SerialPlace) -> None:
        await place.is_(UP)
        place.uart.on_data = lambda _: _make_noise(place)
        await place.is_(DEAF, "the modem does not answer")

    at_serial(scenario, _impatient(port))


def test_a_modem_that_hears_but_takes_no_commands_is_listened_to_while_it_is_tried(
    at_serial: AtSerial, port: Path
) -> None:
    async def scenario(place: SerialPlace) -> None:
        place.uart.on_data = lambda _: None
        await place.is_(DEAF)
        await place.hears()
        await place.is_(UP, "the modem did not answer")

    at_serial(scenario, _impatient(port))


def _refuse(place: SerialPlace, command: bytes, data: bytes) -> None:
    answer = place.hardware.model.feed(data)
    place.uart.write(b"+ERR=4\r\n" if data.startswith(command) else answer)


def _make_noise(place: SerialPlace) -> None:
    place.uart.write(b"\xff\n")


# ------------------------------------------------------------------------------ kernel counters
def test_a_port_without_kernel_counters_shows_none(at_serial: AtSerial, port: Path) -> None:
    async def scenario(place: SerialPlace) -> None:
        await place.counts("probes", 3)
        assert "kernel_overruns" not in place.counters

    at_serial(scenario, _impatient(port))


def test_what_the_kernel_lost_is_read_from_its_counters() -> None:
    names = {"frame": 1, "overrun": 20, "parity": 300, "brk": 4_000, "buf_overrun": 50_000}
    raw = struct.pack("20i", 9, 9, 9, 9, 9, 9, *names.values(), *[9] * 9)
    assert line_errors(raw) == LineErrors(overruns=50_020, damaged=301)
