"""Unmodified bleak on a simulated BlueZ: what is heard, what is not kept, how it is scanned."""

import logging
from typing import Literal

import msgspec
import pytest

from gateway.model import TransportState
from gateway.sim import bluez_names as names
from gateway.sim import bluez_profiles
from gateway.sim.bluez import BluezOptions
from gateway.sim.bluez_air import Advertisement, uuid_text
from gateway.transport.ble import BleSettings
from tests.transport.places import SENSOR, AtBle, BlePlace, until

UP, DOWN = TransportState.UP, TransportState.DOWN
STRANGER = "DE:AD:BE:EF:00:0%d"
PATTERNS = ((0x16, 0, b"\xd2\xfc"),)
MANUFACTURER_ALONE = ((0xFF, 0, b"\x99\x04"),)
PASSIVE = BleSettings(patterns=PATTERNS)
LONG_UUID = BleSettings(patterns=((0x21, 0, bytes(range(16))),))
ACTIVE = BleSettings(scan="active")
BOTH = pytest.mark.parametrize("settings", [PASSIVE, ACTIVE], ids=["passive", "active"])


# ------------------------------------------------------------------------------------ hearing
@BOTH
def test_an_advertisement_becomes_one_frame_with_all_its_structures(
    at_ble: AtBle, settings: BleSettings
) -> None:
    long_uuid = 0x6E400001_B5A3_F393_E0A9_E50E24DCCA9E
    report = Advertisement(
        address=SENSOR,
        rssi_dbm=-71,
        manufacturer={0x0499: b"\x05\x12", 0x004C: b""},
        services={uuid_text(0xFCD2): b"\x40\x02", uuid_text(long_uuid): b"\x01"},
        name="Lessingplatz \N{LATIN SMALL LETTER O WITH DIAERESIS}",
    )

    async def scenario(place: BlePlace) -> None:
        await place.is_(UP)
        before_ns = place.health.clock.boot_ns()
        place.world.advertise(report)
        await until(lambda: place.intake.frames)
        frame = place.intake.frames[0]
        assert (frame.medium, frame.source, frame.address) == ("ble", "ble:hci0", SENSOR)
        assert set(frame.structures) == {
            (0xFF, 0x0499, b"\x05\x12"),
            (0xFF, 0x004C, b""),
            (0x16, 0xFCD2, b"\x40\x02"),
            (0x16, long_uuid, b"\x01"),
            (0x03, 0xFCD2, b""),  # BlueZ since 5.69: service data makes its UUID one of the UUIDs
            (0x03, long_uuid, b""),
            (0x09, 0, b"Lessingplatz \xc3\xb6"),
        }
        assert frame.rssi_dbm == -71
        assert before_ns <= frame.heard_at_ns <= place.health.clock.boot_ns()

    at_ble(scenario, settings)


@pytest.mark.parametrize("scan", ["passive", "active"])
@pytest.mark.parametrize("size", [40, 252], ids=["Ruuvi E1", "the longest there is"])
def test_an_extended_advertisement_is_heard_whole(
    at_ble: AtBle, scan: Literal["passive", "active"], size: int
) -> None:
    """One of Bluetooth 4 has 26 bytes of manufacturer data at most."""
    data = b"\xe1" + bytes(index % 256 for index in range(1, size))

    async def scenario(place: BlePlace) -> None:
        await place.is_(UP)
        place.world.advertise(Advertisement(address=SENSOR, manufacturer={0x0499: data}))
        await until(lambda: place.intake.frames)
        assert place.intake.frames[0].structures == ((0xFF, 0x0499, data),)

    at_ble(scenario, BleSettings(scan=scan, patterns=((0xFF, 0, b"\x99\x04\xe1"),)))


@pytest.mark.parametrize("rssi_needs_change", [False, True])
def test_an_active_scan_hears_every_advertisement_also_an_unchanged_one(
    at_ble: AtBle, *, rssi_needs_change: bool
) -> None:
    async def scenario(place: BlePlace) -> None:
        await place.is_(UP)
        for _ in range(20):
            services = {uuid_text(0xFCD2): b"\x40\x00\x07"}
            place.world.advertise(Advertisement(address=SENSOR, services=services))
        await until(lambda: len(place.intake.frames) == 20)

    at_ble(scenario, ACTIVE, bluez=BluezOptions(rssi_needs_change=rssi_needs_change))


@BOTH
def test_content_is_equal_exactly_when_the_device_says_the_same_again(
    at_ble: AtBle, settings: BleSettings
) -> None:
    said = Advertisement(
        address=SENSOR, services={uuid_text(0xFCD2): b"\x40\x02"}, manufacturer={0x0499: b"\x05"}
    )
    others = (
        {"services": {uuid_text(0xFCD2): b"\x40\x03"}},
        {"manufacturer": {0x0499: b"\x06"}},
        {"manufacturer": {0x0499: b"\x06", 0x004C: b"\x05"}},
        {"name": "Lessingplatz"},
    )

    async def scenario(place: BlePlace) -> None:
        await place.is_(UP)
        await _contents(place, said, rssi_dbm=-70)
        again = await _contents(place, said, rssi_dbm=-40)
        before = again[-1]
        assert again[0] == before
        report = said
        for other in others:
            report = msgspec.structs.replace(report, **other)
            now = (await _contents(place, report, rssi_dbm=-70))[-1]
            assert now != before
            before = now

    at_ble(scenario, settings)


async def _contents(place: BlePlace, report: Advertisement, *, rssi_dbm: int) -> list[object]:
    """Have it advertised; return the content of all frames so far."""
    enough = len(place.intake.frames) + 1
    place.world.advertise(msgspec.structs.replace(report, rssi_dbm=rssi_dbm))
    await until(lambda: len(place.intake.frames) >= enough)
    return [frame.content for frame in place.intake.frames]


def test_a_change_that_is_no_advertisement_is_not_heard(at_ble: AtBle) -> None:
    async def scenario(place: BlePlace) -> None:
        await place.hears()
        place.world.bluez.power(on=False)  # BlueZ withdraws the signal strength: bleak calls back
        await place.is_(DOWN)
        place.world.bluez.power(on=True)
        await place.hears()
        assert all(frame.rssi_dbm == -60 for frame in place.intake.frames)

    at_ble(scenario, ACTIVE)


@BOTH
def test_nothing_of_an_unlisted_device_is_kept_or_logged(
    at_ble: AtBle, settings: BleSettings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    async def scenario(place: BlePlace) -> None:
        await place.is_(UP)
        for number in range(9):
            place.advertise(STRANGER % number)
        await until(lambda: place.intake.unlisted == 9)
        await place.world.bluez.crash()
        await place.is_(DOWN)
        await place.world.bluez.start()
        await place.hears()
        assert {frame.address for frame in place.intake.frames} == {SENSOR}
        seen = caplog.text + repr(place.record)
        assert "DE:AD" not in seen
        assert "DE_AD" not in seen

    at_ble(scenario, settings)


def test_one_line_is_logged_per_change_of_state(
    at_ble: AtBle, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    async def scenario(place: BlePlace) -> None:
        await place.hears()
        await place.is_(UP)
        place.world.bluez.power(on=False)
        await place.is_(DOWN)
        place.world.bluez.power(on=True)
        await place.hears()
        await place.is_(UP)

    at_ble(scenario, ACTIVE)
    up, down, up_again = [record.getMessage() for record in caplog.records]
    assert up == up_again == "transport ble:hci0 is up"
    assert down.startswith("transport ble:hci0 is down: adapter hci0 is powered off: rfkill")


# ------------------------------------------------------------------------------ how it scans
def test_a_passive_scan_asks_no_device_for_anything(at_ble: AtBle) -> None:
    async def scenario(place: BlePlace) -> None:
        await place.hears()
        await place.is_(UP)
        assert place.record.cause == ""
        assert place.calls("StartDiscovery") == 0

    at_ble(scenario, PASSIVE)


@pytest.mark.parametrize(
    ("settings", "bluez", "reason"),
    [
        (PASSIVE, BluezOptions(monitors=False), "BlueZ offers no passive scan"),
        (BleSettings(), BluezOptions(), "no listed device has a pattern"),
        (PASSIVE, BluezOptions(profile="5.82", offload=False), "this BlueZ does not find"),
        (LONG_UUID, BluezOptions(profile="5.82", offload=False), "this BlueZ does not find"),
    ],
)
def test_where_no_passive_scan_is_to_be_had_it_is_active_and_says_so(
    at_ble: AtBle, settings: BleSettings, bluez: BluezOptions, reason: str
) -> None:
    async def scenario(place: BlePlace) -> None:
        await place.hears()
        await place.is_(UP, f"active scan: {reason}")
        assert place.calls("StartDiscovery") == 1
        assert place.counters["active_instead_of_passive"] == 1

    at_ble(scenario, settings, bluez=bluez)


def test_service_data_is_looked_for_actively_from_the_first_release_that_does_not_find_it(
    at_ble: AtBle, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Of BlueZ's tags 5.69 is the first with its commit bc2ab4ba3.
    first = msgspec.structs.replace(bluez_profiles.PROFILES["5.82"], version=(5, 69))
    monkeypatch.setattr(bluez_profiles, "PROFILES", {"5.69": first})

    async def scenario(place: BlePlace) -> None:
        await place.is_(UP, "active scan: this BlueZ does not find")

    at_ble(scenario, PASSIVE, bluez=BluezOptions(profile="5.69", offload=False))


def test_where_a_passive_scan_is_refused_it_is_active_until_the_next_start(at_ble: AtBle) -> None:
    async def scenario(place: BlePlace) -> None:
        await place.is_(DOWN)
        fault = place.world.bluez.fail("RegisterMonitor", names.NOT_SUPPORTED)
        place.world.bluez.power(on=True)
        await place.hears()
        await place.is_(UP, "active scan: the passive one was refused: BlueZ refuses to scan")
        place.world.bluez.faults.lift(fault)
        await place.world.bluez.crash()
        await place.world.bluez.start()
        await until(lambda: place.calls("RegisterMonitor") == 2)
        await place.hears()
        await place.is_(UP)
        assert place.record.cause == ""

    async def from_off(place: BlePlace) -> None:
        await place.is_(UP)
        place.world.bluez.power(on=False)
        place.world.bluez.calls.clear()
        await scenario(place)

    at_ble(from_off, PASSIVE)


def test_at_the_end_the_scan_is_stopped(at_ble: AtBle) -> None:
    places: list[BlePlace] = []

    async def scenario(place: BlePlace) -> None:
        places.append(place)
        await place.hears()

    at_ble(scenario, ACTIVE)
    at_ble(scenario, PASSIVE)
    assert places[0].calls("StopDiscovery") == 1
    assert places[1].calls("UnregisterMonitor") == 1


# ---------------------------------------------------------------------------- many strangers
@BOTH
def test_above_the_limit_bluez_and_bleak_forget_strangers_and_nobody_else(
    at_ble: AtBle, settings: BleSettings
) -> None:
    async def scenario(place: BlePlace) -> None:
        await place.hears()
        place.advertise("AA:AA:AA:AA:AA:AA")
        await until(lambda: place.intake.unlisted == 1)
        friend = names.device_path("hci0", "AA:AA:AA:AA:AA:AA")
        await place.set_flag(friend, names.DEVICE, "Trusted", value=True)
        for number in range(200):
            place.advertise(f"DE:AD:BE:EF:01:{number:02X}")
        await place.counts("forgotten_devices", 200)
        removed = [
            call.body[0] for call in place.world.bluez.calls if call.member == "RemoveDevice"
        ]
        assert len(removed) == 200
        assert all("dev_DE_AD" in path for path in removed)
        await place.hears()

    limited = BleSettings(scan=settings.scan, patterns=settings.patterns, most_listed=100)
    at_ble(scenario, limited)


@pytest.mark.parametrize(
    ("bluez", "patterns"),
    [
        (BluezOptions(profile="5.66", offload=False), PATTERNS),
        (BluezOptions(profile="5.82", offload=True), PATTERNS),
        (BluezOptions(profile="5.82", offload=False), MANUFACTURER_ALONE),
    ],
    ids=["compares as it should", "the adapter compares", "nothing in service data is wanted"],
)
def test_where_what_is_wanted_would_be_found_the_scan_is_passive(
    at_ble: AtBle, bluez: BluezOptions, patterns: tuple[tuple[int, int, bytes], ...]
) -> None:
    async def scenario(place: BlePlace) -> None:
        await place.is_(UP)
        assert place.calls("StartDiscovery") == 0

    at_ble(scenario, BleSettings(patterns=patterns), bluez=bluez)
