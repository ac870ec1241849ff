"""Every kind of modem under the agent: set up, heard through noise, pulled out, hung, mended."""

from collections.abc import Callable
from random import Random
from typing import Final

import pytest

from gateway.registry import discover
from gateway.sim.modems import MODEMS
from gateway.sim.serial_modem import SerialModem
from tests.scenarios.air import MODEM
from tests.scenarios.stage import SERIAL, Setting, Stage

Play = Callable[..., None]

REGISTRY: Final = discover()
NOISE_BYTES: Final = 100
WANTED: Final = {  # as drivers call it: as the configuration does, for it, for the model
    "band_hz": ("band: 868.125MHz", 868_125_000),
    "spreading_factor": ("spreading_factor: 8", 8),
    "bandwidth_khz": ("bandwidth: 250kHz", 250),
    "tx_power_dbm": ("tx_power_dbm: 10", 10),
    "sync_word": ("sync_word: 0x34", 0x34),
    "address": ("address: 3", 3),
}


def _wanted(kind: str) -> dict[str, int]:
    """Return what this kind is to be set to: of all that is wanted what it knows."""
    known = REGISTRY.modem(kind).settings
    return {name: value for name, (_, value) in WANTED.items() if name in known}


def _setting(kind: str) -> Setting:
    words = [WANTED[name][0] for name in _wanted(kind)]
    return Setting(
        plain=0,
        encrypted=0,
        ruuvi=0,
        lora=4,
        every_s=0.15,
        modem=kind,
        modem_settings=", ".join(("probe_after: 1s", *words)),
    )


def _is_as_wanted(modem: SerialModem) -> bool:
    radio = modem.model.radio
    wanted = _wanted(modem.kind)
    return {name: radio[name] for name in wanted if name in radio} == wanted


@pytest.mark.parametrize("kind", sorted(MODEMS))
def test_a_modem_is_set_up_heard_and_mended(play: Play, kind: str) -> None:
    async def scenario(stage: Stage) -> None:
        modem = stage.world.modems[MODEM]
        modem.model.spurious_errors = 7
        await stage.start_agent()
        assert _is_as_wanted(modem), modem.model.radio
        async with stage.sending():
            await stage.arrived(10)
            await _through_noise(stage, modem)
            await _pulled_out_and_plugged_in(stage, modem)
            await _hung(stage, modem)
            await _fallen_out_of_reception(stage, modem)
            await _started_anew(stage, modem)
        await stage.all_arrived()
        await stage.end_agent()
        told = stage.transport(SERIAL)
        assert (told["state"], told.get("cause", "")) == ("up", "")

    play(scenario, _setting(kind))


async def _through_noise(stage: Stage, modem: SerialModem) -> None:
    chance = Random(5)  # noqa: S311 - has to be repeatable
    for _ in range(5):
        modem.uart.write(chance.randbytes(NOISE_BYTES))
        await stage.arrived(3)


async def _pulled_out_and_plugged_in(stage: Stage, modem: SerialModem) -> None:
    await stage.all_arrived()  # what is on its way when it is pulled, nobody can save
    modem.unplug()
    await stage.until(lambda: stage.transport(SERIAL)["state"] == "down")
    with stage.unheard():  # a port takes what nobody has it open for
        modem.plug()
        await stage.until(lambda: stage.transport(SERIAL)["state"] == "up")
    assert _is_as_wanted(modem), modem.model.radio
    await stage.arrived(10)


async def _hung(stage: Stage, modem: SerialModem) -> None:
    """Let it take everything and say nothing, until its power was cut."""
    if REGISTRY.modem(modem.kind).connect().probe() is None:
        return  # one that says nothing by itself: nobody can tell
    modem.uart.silent = True
    await stage.until(lambda: stage.transport(SERIAL)["state"] == "deaf")
    with stage.unheard():
        modem.uart.silent = False
        modem.uart.write(modem.model.boot())
        await stage.until(lambda: stage.transport(SERIAL)["state"] == "up")
    await stage.arrived(10)
    assert _is_as_wanted(modem), modem.model.radio


async def _fallen_out_of_reception(stage: Stage, modem: SerialModem) -> None:
    if modem.model.lapse():
        await stage.arrived(10)


async def _started_anew(stage: Stage, modem: SerialModem) -> None:
    """Let it start by itself, as after a dip of its supply; it may not say so."""
    modem.uart.write(modem.model.boot())
    await stage.until(lambda: _is_as_wanted(modem))
    await stage.arrived(10)
