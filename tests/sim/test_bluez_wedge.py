"""A wedged adapter takes every command and hears nothing, until what cures it is done."""

import pytest
from dbus_fast import Message, MessageType, Variant

from gateway.sim import bluez_names as names
from gateway.sim import systemd
from gateway.sim.bare import bare
from gateway.sim.bluez import BluezOptions
from gateway.sim.bluez_bus import BurstBus
from gateway.sim.bluez_faults import Cure
from gateway.sim.verbs import begin_fault
from gateway.sim.world import World
from tests.sim.test_bluez_faults import new
from tests.sim.worlds import Heard, InWorld, active, bthome

RESTART = ("RestartUnit", "ss", [systemd.UNIT, "replace"])
GET_UNIT = ("GetUnit", "s", [systemd.UNIT])


async def _hears(world: World) -> bool:
    """Whether a new scan hears an advertisement."""
    async with new(active(Heard())):
        return world.advertise(bthome(1))


async def _scan_anew(_: World) -> None:
    """Do no more than that."""


async def _cycle_power(world: World) -> None:
    for on in (False, True):
        body = [names.ADAPTER, "Powered", Variant("b", on)]
        call = Message(
            destination=names.SERVICE,
            path=names.adapter_path("hci0"),
            interface=names.PROPERTIES,
            member="Set",
            signature="ssv",
            body=body,
        )
        assert (await _asked(world, call)).message_type is MessageType.METHOD_RETURN


async def _restart(world: World) -> None:
    await world.bluez.stop()
    await world.bluez.start()


async def _asked(world: World, call: Message) -> Message:
    bus = BurstBus(world.bus.address)
    await bus.connect()
    answer = await bus.call(call)
    bus.disconnect()
    assert answer is not None
    return answer


async def _ask_systemd(world: World, member: str, signature: str, body: list[str]) -> Message:
    call = Message(
        destination=systemd.NAME,
        path="/org/freedesktop/systemd1",
        interface="org.freedesktop.systemd1.Manager",
        member=member,
        signature=signature,
        body=body,
    )
    return await _asked(world, call)


@pytest.mark.parametrize("cure", ["scan", "power", "service"])
def test_it_is_over_with_its_cure_and_not_before(in_world: InWorld, cure: Cure) -> None:
    async def body(world: World) -> None:
        async with begin_fault(bare(world), "ble.wedge", on="hci0", cure=cure):
            pass
        cured: list[bool] = []
        for remedy in (_scan_anew, _cycle_power, _restart):
            await remedy(world)
            cured.append(await _hears(world))
        at = ["scan", "power", "service"].index(cure)
        assert cured == [number >= at for number in range(3)]

    in_world(body)


def test_an_adapter_that_is_plugged_in_again_has_had_its_power_off(in_world: InWorld) -> None:
    async def body(world: World) -> None:
        world.bluez.wedge("power")
        world.bluez.unplug_adapter()
        world.bluez.plug_adapter()
        assert await _hears(world)

    in_world(body)


def test_bluetoothd_is_restarted_for_whom_polkit_permits_it(in_world: InWorld) -> None:
    async def body(world: World) -> None:
        owner = await _owner(world)
        assert (await _ask_systemd(world, *RESTART)).message_type is MessageType.METHOD_RETURN
        await world.systemd.stop()  # which waits for the job
        assert world.bluez.running
        assert await _owner(world) != owner

    in_world(body, bluez=BluezOptions(restart_permitted=True))


def test_it_is_not_restarted_for_others_as_the_real_one_says_it(in_world: InWorld) -> None:
    async def body(world: World) -> None:
        owner = await _owner(world)
        answer = await _ask_systemd(world, *RESTART)
        assert answer.error_name == systemd.DENIED
        assert await _owner(world) == owner

    in_world(body)


def test_systemd_knows_a_unit_that_runs_or_has_crashed_and_forgets_one_that_was_stopped(
    in_world: InWorld,
) -> None:
    async def body(world: World) -> None:
        states = [await _state(world)]
        await world.bluez.crash()
        states.append(await _state(world))
        await world.bluez.start()
        await world.bluez.stop()
        states.append(await _state(world))
        assert states == ["active", "failed", "org.freedesktop.systemd1.NoSuchUnit"]

    in_world(body)


async def _state(world: World) -> str:
    """Return the state of the unit, or the error where there is none."""
    found = await _ask_systemd(world, *GET_UNIT)
    if found.error_name:
        return found.error_name
    call = Message(
        destination=systemd.NAME,
        path=found.body[0],
        interface=names.PROPERTIES,
        member="Get",
        signature="ss",
        body=["org.freedesktop.systemd1.Unit", "ActiveState"],
    )
    return str((await _asked(world, call)).body[0].value)


async def _owner(world: World) -> str:
    call = Message(
        destination="org.freedesktop.DBus",
        path="/org/freedesktop/DBus",
        interface="org.freedesktop.DBus",
        member="GetNameOwner",
        signature="s",
        body=[names.SERVICE],
    )
    return str((await _asked(world, call)).body[0])
