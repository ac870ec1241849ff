"""Unmodified bleak scans the simulated BlueZ, and finds BlueZ's habits there."""

import pytest
from bleak import BleakScanner
from bleak.exc import BleakDBusError, BleakError

from gateway.sim.bluez import BluezOptions
from gateway.sim.bluez_air import Advertisement
from gateway.sim.world import World
from tests.sim.worlds import (
    ADDRESS,
    BTHOME,
    OTHER,
    Heard,
    InWorld,
    active,
    bthome,
    monitored,
    passive,
    until,
)


def equal_reports(world: World, *, rssi_dbm: int = -60) -> bool:
    return world.advertise(
        Advertisement(address=ADDRESS, rssi_dbm=rssi_dbm, manufacturer={1: b"same"})
    )


def test_an_active_scanner_hears_every_report_with_its_content(in_world: InWorld) -> None:
    async def body(world: World) -> None:
        heard = Heard()
        async with active(heard):
            for number in range(20):
                assert world.advertise(bthome(number))
            await until(lambda: len(heard) == 20)
        contents = [data.service_data[BTHOME][2] for _, data in heard.reports]
        assert contents == list(range(20))
        assert heard.reports[0][1].rssi == -60

    in_world(body)


def test_nobody_is_told_of_a_report_while_nobody_scans(in_world: InWorld) -> None:
    async def body(world: World) -> None:
        assert not world.advertise(bthome(1))
        assert world.bluez.counters.unwanted == 1
        assert world.bluez.counters.signalled == 0

    in_world(body)


def test_with_duplicate_data_each_report_shows_its_own_content(in_world: InWorld) -> None:
    async def body(world: World) -> None:
        heard = Heard()
        async with active(heard):
            world.advertise(Advertisement(address=ADDRESS, manufacturer={16: b"a"}))
            world.advertise(Advertisement(address=ADDRESS, manufacturer={32: b"b"}))
            await until(lambda: len(heard) == 2)
        assert heard.manufacturer_data == [{16: b"a"}, {32: b"b"}]

    in_world(body)


def test_without_duplicate_data_old_content_stays_beside_new(in_world: InWorld) -> None:
    async def body(world: World) -> None:
        heard = Heard()
        async with active(heard, duplicates=False):
            world.advertise(Advertisement(address=ADDRESS, manufacturer={16: b"a"}))
            world.advertise(Advertisement(address=ADDRESS, manufacturer={32: b"b"}))
            await until(lambda: len(heard) == 2)
        assert heard.manufacturer_data == [{16: b"a"}, {16: b"a", 32: b"b"}]

    in_world(body)


def test_up_to_bluez_5_87_equal_reports_are_signalled_for_their_strength(
    in_world: InWorld,
) -> None:
    async def body(world: World) -> None:
        async with active(Heard(), duplicates=False):
            assert [equal_reports(world) for _ in range(5)] == [True] * 5

    in_world(body)


def test_a_later_bluez_signals_only_a_change_of_8_db(in_world: InWorld) -> None:
    async def body(world: World) -> None:
        async with active(Heard(), duplicates=False):
            strengths = (-60, -57, -67, -68, -61)
            signalled = [equal_reports(world, rssi_dbm=rssi) for rssi in strengths]
        assert signalled == [True, False, False, True, False]

    in_world(body, bluez=BluezOptions(rssi_needs_change=True))


def test_a_later_bluez_signals_equal_reports_all_the_same_with_duplicate_data(
    in_world: InWorld,
) -> None:
    async def body(world: World) -> None:
        async with active(Heard()):
            assert [equal_reports(world) for _ in range(5)] == [True] * 5

    in_world(body, bluez=BluezOptions(rssi_needs_change=True))


def test_a_second_scanner_on_one_connection_is_refused_with_in_progress(
    in_world: InWorld,
) -> None:
    async def body(_: World) -> None:
        async with active(Heard()):
            with pytest.raises(BleakDBusError, match="InProgress"):
                await active(Heard()).start()

    in_world(body)


def test_a_filter_by_service_keeps_other_devices_away(in_world: InWorld) -> None:
    async def body(world: World) -> None:
        heard = Heard()
        async with BleakScanner(heard, service_uuids=[BTHOME]):
            assert not world.advertise(Advertisement(address=OTHER))
            assert world.advertise(Advertisement(address=ADDRESS, uuids=(BTHOME,)))
            await until(lambda: len(heard) == 1)
        assert heard.addresses == [ADDRESS]

    in_world(body)


def test_each_adapter_hears_for_its_own_scanner(in_world: InWorld) -> None:
    async def body(world: World) -> None:
        heard = Heard()
        async with active(heard, adapter="hci1"):
            world.advertise(bthome(1))
            await until(lambda: len(heard) == 1)
        assert world.bluez.counters.unwanted == 1  # hci0's
        assert world.bluez.counters.signalled == 1

    in_world(body, adapters=("hci0", "hci1"))


def test_the_end_of_a_scan_invalidates_the_signal_strength(in_world: InWorld) -> None:
    async def body(world: World) -> None:
        heard = Heard()
        async with active(heard, duplicates=False):
            equal_reports(world)
            await until(lambda: len(heard) == 1)
        async with active(heard, duplicates=False):
            assert equal_reports(world)  # nothing but the RSSI is new

    in_world(body, bluez=BluezOptions(rssi_needs_change=True))


def test_a_passive_scanner_hears_what_its_patterns_match_and_nothing_else(
    in_world: InWorld,
) -> None:
    async def body(world: World) -> None:
        heard = Heard()
        async with passive(heard):
            await until(lambda: monitored(world))
            assert not world.advertise(Advertisement(address=OTHER, manufacturer={1: b"x"}))
            same_bytes = {0xFCD2: b"as manufacturer data"}
            assert not world.advertise(Advertisement(address=OTHER, manufacturer=same_bytes))
            for number in range(20):
                assert world.advertise(bthome(number))
            await until(lambda: len(heard) == 20)
        assert set(heard.addresses) == {ADDRESS}
        assert not [call for call in world.bluez.calls if call.member == "StartDiscovery"]

    in_world(body)


def test_a_passive_scanner_is_gone_once_it_has_stopped(in_world: InWorld) -> None:
    async def body(world: World) -> None:
        async with passive(Heard()):
            await until(lambda: monitored(world))
        assert not monitored(world)
        assert not world.advertise(bthome(1))

    in_world(body)


def test_without_experimental_there_is_no_passive_scanning(in_world: InWorld) -> None:
    async def body(_: World) -> None:
        with pytest.raises(BleakError, match="passive scanning"):
            await passive(Heard()).start()

    in_world(body, bluez=BluezOptions(monitors=False))


def test_a_device_not_heard_for_a_while_is_removed_and_found_anew(in_world: InWorld) -> None:
    async def body(world: World) -> None:
        heard = Heard()
        async with active(heard):
            world.advertise(bthome(1))
            await until(lambda: world.bluez.device_count == 1)
            await until(lambda: world.bluez.device_count == 0)
            world.advertise(bthome(2))
            await until(lambda: len(heard) == 2)

    in_world(body, bluez=BluezOptions(temporary_timeout_s=0.05))


def test_a_burst_larger_than_any_socket_buffer_arrives_whole(in_world: InWorld) -> None:
    async def body(world: World) -> None:
        heard = Heard()
        async with active(heard):
            for number in range(3000):
                assert world.advertise(bthome(number))
            await until(lambda: len(heard) == 3000)
        contents = [data.service_data[BTHOME][2] for _, data in heard.reports]
        assert contents == [number & 0xFF for number in range(3000)]

    in_world(body)
