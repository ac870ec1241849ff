"""The simulated board does what the agent relies on, as the chip does it: traps included."""

import asyncio
import signal
import termios
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.sim import esp32_image, esp32_wire
from gateway.sim.bluez_air import (
    Advertisement,
    Characteristic,
    Peripheral,
    Service,
    uuid_text,
)
from gateway.sim.esp32 import BROWN_OUT, Board
from gateway.sim.esp32_image import Flash
from gateway.sim.esp32_wire import SCAN_RESPONSE, Report, reports
from gateway.sim.uart import Uart
from tests.esp32.boards import programs, scripted

HANG_GUARD_S = 60.0
ADDRESS = "C0:FF:EE:00:00:01"
FLAGS = b"\x02\x01\x06"

Body = Callable[[Board], Coroutine[Any, Any, None]]


@asynccontextmanager
async def _running(directory: Path, **parts: Any) -> AsyncGenerator[Board]:  # noqa: ANN401 - of Parts
    async with scripted(directory, "vm_board", **parts) as board:
        await board.power_on()
        await board.said("started")
        yield board


def _play(directory: Path, body: Body, **parts: Any) -> None:  # noqa: ANN401 - of Parts
    async def main() -> None:
        async with asyncio.timeout(HANG_GUARD_S), _running(directory, **parts) as board:
            await body(board)

    asyncio.run(main())


async def _do(board: Board, command: str, *said: str) -> None:
    """Have it do something; return when it says more of this than before."""
    before = board.console.count(said[0])
    board.enter(f"{command}\n")
    await board.said_again(said[0], before)
    await board.said(*said)


async def _hear(board: Board, *given: Report) -> list[bool]:
    answers: list[bool] = []
    for report in given:
        board.hear(report, answers.append)
    await board.settle()
    return answers


# --------------------------------------------------------------------------------------- Bluetooth
def test_reports_are_heard_while_a_scan_runs_and_in_memory_that_is_used_again(
    tmp_path: Path,
) -> None:
    async def scenario(board: Board) -> None:
        report = Report(ADDRESS, FLAGS, rssi_dbm=-71, address_type=1)
        assert await _hear(board, report) == [False], "nothing scans yet"
        await _do(board, "scan", "scanning", "same True", "inactive 19", "twice 114")
        assert await _hear(board, report, report) == [True, True]
        assert board.heard == 2
        await _do(board, "show", "heard [(1, 'c0ffee000001', 3, -71, '020106'), (1,")
        await board.said("kept ['dbdbdb', 'dbdbdb']")
        await _do(board, "stop", "scan done")
        assert await _hear(board, report) == [False]

    _play(tmp_path, scenario)


def test_a_window_ends_by_itself(tmp_path: Path) -> None:
    async def scenario(board: Board) -> None:
        await _do(board, "window 50", "scanning")
        await board.said("scan done")
        assert await _hear(board, Report(ADDRESS, FLAGS)) == [False]

    _play(tmp_path, scenario)


@pytest.mark.parametrize("scan", ["passive", "active"])
def test_only_an_active_scan_has_scan_responses_each_a_report_of_its_own(
    tmp_path: Path, scan: str
) -> None:
    async def scenario(board: Board) -> None:
        await _do(board, f"scan {scan}", "scanning")
        given = reports(Advertisement(address=ADDRESS, name="Tag", manufacturer={0x0499: b"\x05"}))
        assert await _hear(board, *given) == [True, scan == "active"]
        await _do(board, "show", "heard [(0, 'c0ffee000001', 0, -60, '02010604ff990405')")
        response = f"'c0ffee000001', {SCAN_RESPONSE}, -60, '0409546167'"
        await board.said("kept")
        assert (response in board.console) == (scan == "active")

    _play(tmp_path, scenario)


def test_what_is_too_long_for_an_esp32_is_not_heard(tmp_path: Path) -> None:
    async def scenario(board: Board) -> None:
        await _do(board, "scan", "scanning")
        given = [Report(ADDRESS, bytes(size)) for size in (31, 32, 0)]
        assert await _hear(board, *given) == [True, False, True]

    _play(tmp_path, scenario)


def test_an_exception_in_a_handler_is_the_last_that_it_heard(tmp_path: Path) -> None:
    async def scenario(board: Board) -> None:
        await _do(board, "scan", "scanning")
        await _do(board, "fail", "fails")
        assert await _hear(board, Report(ADDRESS, FLAGS), Report(ADDRESS, FLAGS)) == [True, False]
        await board.said("ValueError: (5, 5)")

    _play(tmp_path, scenario)


def test_what_was_said_while_the_loop_stood_still_comes_at_once_after_it(tmp_path: Path) -> None:
    async def scenario(board: Board) -> None:
        await _do(board, "scan", "scanning")
        await board.vitals()
        board.enter("block 300\n")
        given = [Report(ADDRESS, bytes((number,))) for number in range(200)]
        assert await _hear(board, *given) == [True] * 200
        await board.said("blocked")
        assert (await board.vitals()).stall_ms >= 250

    _play(tmp_path, scenario)


def test_a_device_is_connected_to_read_written_and_listened_to(tmp_path: Path) -> None:
    written: list[bytes] = []
    value = Characteristic(uuid=uuid_text(0x2A19), value=b"\x5a", flags=("read", "notify"))
    control = Characteristic(
        uuid="b42e2a68-ade7-11e4-89d3-123b93f75cba", flags=("write",), on_write=written.append
    )
    services = (Service(uuid=uuid_text(0x180F), characteristics=(value, control)),)
    device = Peripheral(address=ADDRESS, services=services)
    sixteen = bytes.fromhex(control.uuid.replace("-", ""))[::-1]

    async def scenario(board: Board) -> None:
        await _do(board, "gatt gap_connect c0ffee000001", "event 8 65535 0 b'\\xc0\\xff")
        board.peripherals.add(device)
        await _do(board, "gatt gap_connect c0ffee000001", "event 7 1 0 b'\\xc0\\xff")
        await _do(board, "gatt gattc_exchange_mtu", "event 21 1 247")
        await _do(board, "gatt gattc_discover_services", "event 10 1 0")
        assert "event 9 1 1 6 b'\\x0f\\x18'" in board.console
        await _do(board, "gatt gattc_discover_characteristics 1 6", "event 12 1 0")
        assert "event 11 1 4 3 18 b'\\x19*'" in board.console
        assert f"event 11 1 6 6 8 {sixteen!r}" in board.console
        await _do(board, "gatt gattc_discover_descriptors 3 4", "event 14 1 0")
        assert "event 13 1 4 b'\\x02)'" in board.console
        await _do(board, "gatt gattc_read 3", "event 16 1 3 0", "event 15 1 3 b'Z'")
        await _do(board, "gatt gattc_read 9", "event 16 1 9 266")
        await _do(board, "gatt gattc_write 6 0102", "event 17 1 6 0")
        assert written == [b"\x01\x02"]
        assert not board.peripherals.notify(ADDRESS, value.uuid, b"\x59")
        await _do(board, "gatt gattc_write 4 0100", "event 17 1 4 0")
        assert board.peripherals.notify(ADDRESS, value.uuid, b"\x59")
        await board.said("event 18 1 3 b'Y'")
        board.peripherals.remove(ADDRESS)
        await board.said("event 8 1 0 b'\\xc0\\xff")

    _play(tmp_path, scenario)


# -------------------------------------------------------------------------------------------- chip
@pytest.mark.parametrize("how", ["endless", "block 60000"])
def test_a_watchdog_that_is_not_fed_ends_whatever_hangs(tmp_path: Path, how: str) -> None:
    async def scenario(board: Board) -> None:
        await _do(board, "watched 400 fed", "watched")
        board.enter(f"{how}\n")
        assert await board.ended() == -signal.SIGALRM

    _play(tmp_path, scenario, reboots=False)


def test_a_watchdog_that_is_fed_lets_it_run(tmp_path: Path) -> None:
    async def scenario(board: Board) -> None:
        await _do(board, "watched 400 fed", "watched")
        await asyncio.sleep(1)  # the silence is the claim
        await _do(board, "led 1", "led")
        assert board.boots == 1

    _play(tmp_path, scenario)


def test_after_a_reset_it_starts_by_itself_knows_why_and_has_kept_what_stays_on(
    tmp_path: Path,
) -> None:
    async def scenario(board: Board) -> None:
        await _do(board, "cause", "cause 1 b'' 2000")
        await _do(board, "keep", "kept")
        board.enter("stubborn\n")
        await board.said_again("started", 1)
        await _do(board, "cause", "cause 2 b'over a reset' 2026")
        assert "never said" not in board.console
        board.enter("watched 50 never\n")
        await board.said_again("started", 2)
        await _do(board, "cause", "cause 3 b'over a reset' 2026")
        await board.cut_power()
        await board.power_on()
        await board.said_again("started", 3)
        await _do(board, "cause", "cause 1 b'' 2000")

    _play(tmp_path, scenario)


def test_secrets_are_there_as_flashed_and_what_is_written_outlives_the_power(
    tmp_path: Path,
) -> None:
    async def scenario(board: Board) -> None:
        await _do(board, "secrets", "secret b'hush'", "no secret -4354", "no secret -4364")
        await board.said("new 2 b'\\x00\\x01'")
        board.brown_out()
        assert await board.ended() == BROWN_OUT
        assert (board.directory / "nvs/ugw/new").read_bytes() == b"\x00\x01"

    _play(tmp_path, scenario, flash=Flash(secrets={"wifi_psk": b"hush"}, drivers=None))


def test_a_pin_is_seen(tmp_path: Path) -> None:
    async def scenario(board: Board) -> None:
        await _do(board, "led 1", "led")
        assert (await board.vitals()).pins == 1 << 2
        await _do(board, "led 0", "led")
        assert (await board.vitals()).pins == 0

    _play(tmp_path, scenario)


def test_a_serial_port_has_the_speed_that_was_asked_for_and_never_waits(tmp_path: Path) -> None:
    async def main() -> None:
        port = Uart(tmp_path / "port")
        got = bytearray()
        came = asyncio.Event()

        def take(data: bytes) -> None:
            got.extend(data)
            came.set()

        port.on_data = take
        port.plug()
        port.write(b"old, before the chip had power")
        async with _running(tmp_path, uarts={1: port.link}) as board:
            await _do(board, "uart 57600", "nothing yet None 0")
            await came.wait()
            assert got == b"AT\r\n"
            assert port.speed == termios.B57600
            port.write(b"+OK\r\n")
            await board.said("uart b'+OK\\r\\n'")
        port.unplug()

    async def guarded() -> None:
        async with asyncio.timeout(HANG_GUARD_S):
            await main()

    asyncio.run(guarded())


# ----------------------------------------------------------------------------------------- network
def test_wifi_is_joined_when_asked_for_goes_away_and_comes_back_by_itself(tmp_path: Path) -> None:
    async def scenario(board: Board) -> None:
        await _do(board, "wifi", "wifi False 1000 0.0.0.0")
        await _do(board, "join", "refused: Wifi Not Started", "wifi True 1010 127.0.0.1")
        board.set_wifi(esp32_wire.AWAY)
        await _do(board, "wifi", "wifi False 201 0.0.0.0")
        await _do(board, "again", "refused: Wifi Internal State Error")
        board.set_wifi(esp32_wire.REFUSING)
        await _do(board, "wifi", "wifi False 202 0.0.0.0")
        board.set_wifi(esp32_wire.THERE)
        await _do(board, "wifi", "wifi True 1010 127.0.0.1")

    _play(tmp_path, scenario)


# ------------------------------------------------------------------------------------- flash, heap
def test_flash_keeps_files_over_a_power_cut_and_its_wear_is_counted(tmp_path: Path) -> None:
    async def scenario(board: Board) -> None:
        await _do(board, "read /site/a.txt", "read as flashed")
        before = await board.vitals()
        await _do(board, "write /state/x 20", "written")
        after = await board.vitals()
        assert after.erases - before.erases >= 5, "it moves on, block by block"
        assert 0 < after.worst_erases <= after.erases
        await board.cut_power()
        await board.power_on()
        await board.said_again("started", 1)
        await _do(board, "read /state/x", "read 1919")

    flash = Flash(files={"site/a.txt": b"as flashed"}, drivers=None)
    _play(tmp_path, scenario, flash=flash, blocks=64)


def test_the_power_may_go_in_the_midst_of_a_write_and_what_was_there_is_there(
    tmp_path: Path,
) -> None:
    async def scenario(board: Board) -> None:
        await _do(board, "write /state/x 1", "written")
        for starts in range(1, 8):
            board.fail_in_flash(starts)
            await board.vitals()  # it has taken notice: the console is another way to it
            board.enter("write /state/x 50\n")
            assert await board.ended() == BROWN_OUT
            await board.power_on()
            await board.said_again("started", starts)
            await _do(board, "read /state/x", "read ")

    _play(tmp_path, scenario, flash=Flash(drivers=None), blocks=64)


def test_the_heap_is_the_chips_beside_what_the_fakes_take(tmp_path: Path) -> None:
    async def scenario(board: Board) -> None:
        vitals = await board.vitals()
        fakes = esp32_image.allowance(programs(), littlefs=False)
        left = vitals.used + vitals.free - fakes
        assert esp32_image.FILES_HEAP_BYTES * 0.95 < left <= esp32_image.FILES_HEAP_BYTES
        assert vitals.largest_free > left / 4
        assert fakes < 24_000, "the fakes are to be small"

    _play(tmp_path, scenario)
