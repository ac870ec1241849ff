"""Radio and port break under the agent: it says so, mends it, and loses nothing it could hear."""

from collections.abc import Awaitable, Callable
from itertools import takewhile
from random import Random

import pytest

from tests.scenarios.air import MODEM
from tests.scenarios.stage import BLE, SERIAL, Setting, Stage

Play = Callable[..., None]
Fault = Callable[[Stage], Awaitable[None]]

NOISE_BYTES = 100


async def _bluetoothd_crashes(stage: Stage) -> None:
    await stage.world.bluez.crash()
    await _is_down(stage, BLE, "bluetoothd")
    await stage.world.bluez.start()


async def _the_adapter_is_replugged(stage: Stage) -> None:
    stage.world.bluez.unplug_adapter()
    await _is_down(stage, BLE, "adapter hci0")
    stage.world.bluez.plug_adapter()


async def _the_adapter_is_switched_off_and_on(stage: Stage) -> None:
    stage.world.bluez.power(on=False)
    await _is_down(stage, BLE, "adapter hci0")
    stage.world.bluez.power(on=True)


async def _d_bus_restarts(stage: Stage) -> None:
    await stage.world.bluez.crash()
    await stage.world.bus.stop()
    await _is_down(stage, BLE, "D-Bus")
    await stage.world.bus.start()
    await stage.world.bluez.start()


async def _is_down(stage: Stage, transport: str, cause: str) -> None:
    """Wait until it is told to be down, and why: the next attempt may have found another cause."""

    def told() -> bool:
        said = [stage.transport(transport, status) for status in stage.read().statuses]
        since_up = takewhile(lambda one: one["state"] != "up", reversed(said))
        return any(cause in one["cause"] for one in since_up)

    await stage.until(told)


@pytest.mark.parametrize("scan", ["passive", "active"])
def test_whatever_ends_the_scan_is_told_mended_and_costs_only_what_nobody_could_hear(
    play: Play, scan: str
) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.start_agent()
        async with stage.sending():
            for fault in (
                _bluetoothd_crashes,
                _the_adapter_is_replugged,
                _the_adapter_is_switched_off_and_on,
                _d_bus_restarts,
            ):
                await stage.arrived(20)
                await stage.all_arrived()  # what is on its way when it breaks, nobody can save
                await fault(stage)
                await stage.until(lambda: stage.transport(BLE)["state"] == "up")
            await stage.arrived(40)
        await stage.all_arrived()
        await stage.end_agent()
        assert stage.transport(SERIAL)["state"] == "up"

    play(scenario, Setting(scan=scan, every_s=0.5))


def test_a_modem_that_is_replugged_under_another_name_is_found_again(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        modem = stage.world.modems[MODEM]
        modem.model.spurious_errors = 3
        await stage.start_agent()
        async with stage.sending():
            ttys: set[str] = set()
            for _ in range(2):
                await stage.arrived(20)
                await stage.all_arrived()
                ttys.add(modem.uart.tty)
                modem.unplug()
                await _is_down(stage, SERIAL, "was unplugged")
                await stage.arrived(6)  # of the others
                with stage.unheard():  # a port takes what nobody has it open for
                    modem.plug()
                    await stage.until(lambda: stage.transport(SERIAL)["state"] == "up")
            assert len(ttys) == 2
            await stage.arrived(40)
        await stage.all_arrived()
        await stage.end_agent()

    play(scenario, Setting(plain=2, encrypted=2, ruuvi=2, lora=5, every_s=0.5))


def test_garbage_on_the_line_costs_no_packet_that_comes_whole(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        chance = Random(5)  # noqa: S311 - has to be repeatable
        modem = stage.world.modems[MODEM]
        await stage.start_agent()
        async with stage.sending():
            for _ in range(20):
                modem.uart.write(chance.randbytes(NOISE_BYTES))
                modem.uart.write(b"+RCV=17,240,torn" + b"\r\n")
                await stage.arrived(4)
        await stage.all_arrived()
        assert modem.uart.dropped_bytes == 0
        await stage.end_agent()
        assert stage.transport(SERIAL)["state"] == "up"

    play(scenario, Setting(plain=1, encrypted=1, ruuvi=1, lora=5))
