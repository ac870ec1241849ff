"""Each link of the doctor's chain: what it is told, and what it makes of it."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cli.doctor import (
    acknowledgement,
    agent,
    disk,
    network,
    platform,
    power,
    radios,
    sensors,
    signal,
    timekeeping,
)
from gateway.cli.doctor.finding import Finding, Light, Link, is_acknowledged, overall
from gateway.cli.doctor.language import tell
from gateway.cli.doctor.machine import Medium, ThisMachine
from gateway.cli.doctor.signal import Signal
from gateway.cli.doctor.words.text import Language
from gateway.cli.local_agent import AgentAwayError
from gateway.cli.preflight import Verdict
from gateway.clock import ClockState
from gateway.config import InvalidConfigError
from gateway.config.findings import Finding as ConfigFinding
from tests.cli.sites import LO, ON_THE_NETWORK, ROUTE, FakeMachine, interface, ip, sensor, status

GREEN, YELLOW, RED, UNKNOWN = Light.GREEN, Light.YELLOW, Light.RED, Light.UNKNOWN
STORE = Path("/var/lib/ugw")
NOW_S = 1_795_368_000.0  # 2026-11-22
THROTTLED = "/sys/devices/platform/soc/soc:firmware/get_throttled"
ON_A_PI5 = "/sys/devices/platform/soc@107c000000/soc@107c000000:firmware/get_throttled"
MONITOR = {"/sys/class/hwmon/hwmon1/name": "rpi_volt\n"}
ALARM = "/sys/class/hwmon/hwmon1/in0_lcrit_alarm"


def told(*found: Finding) -> list[tuple[Light, str]]:
    """Return what was found, having put it into words: none of its values may be missing."""
    for each in found:
        for language in Language:
            assert "{" not in "".join(tell(each, language))
    return [(each.light, each.id) for each in found]


# ------------------------------------------------------------------------------------------- power
@pytest.mark.parametrize(
    ("files", "programs", "expected"),
    [
        ({THROTTLED: "0\n"}, {}, (GREEN, "power.good")),
        ({THROTTLED: "50005\n"}, {}, (YELLOW, "power.low")),
        ({THROTTLED: "50000\n"}, {}, (YELLOW, "power.was_low")),
        ({ON_A_PI5: "10000\n"}, {}, (YELLOW, "power.was_low")),
        ({THROTTLED: "e0008\n"}, {}, (YELLOW, "power.hot")),
        ({THROTTLED: "e0000\n"}, {}, (GREEN, "power.good")),
        ({**MONITOR, ALARM: "1\n"}, {}, (YELLOW, "power.low")),
        ({**MONITOR, ALARM: "0\n"}, {}, (GREEN, "power.good")),
        ({**MONITOR, ALARM: "1\n", THROTTLED: "0\n"}, {}, (YELLOW, "power.low")),
        ({"/sys/class/hwmon/hwmon0/name": "cpu_thermal"}, {}, (UNKNOWN, "power.unknown")),
        ({}, {("vcgencmd", "get_throttled"): "throttled=0x50000"}, (YELLOW, "power.was_low")),
        ({}, {("vcgencmd", "get_throttled"): "VCHI failed"}, (UNKNOWN, "power.unknown")),
        ({}, {}, (UNKNOWN, "power.unknown")),
    ],
)
def test_the_supply_is_judged_by_the_firmwares_word(
    tmp_path: Path,
    files: dict[str, str],
    programs: dict[tuple[str, ...], str],
    expected: tuple[Light, str],
) -> None:
    assert told(*power.look(FakeMachine(tmp_path, files, programs))) == [expected]


# -------------------------------------------------------------------------------------------- disk
def test_a_disk_is_well_where_nothing_speaks_against_it(tmp_path: Path) -> None:
    files = {"/sys/fs/ext4/mmcblk0p2/errors_count": "0"}
    assert told(*disk.look(FakeMachine(tmp_path, files), STORE, {}, status())) == [
        (GREEN, "disk.good")
    ]


def test_every_fault_of_a_disk_is_told(tmp_path: Path) -> None:
    machine = FakeMachine(
        tmp_path,
        {"/sys/fs/ext4/mmcblk0p2/errors_count": "3\n"},
        medium=Medium(read_only=True, free_bytes=0),
    )
    failing = status(status__storeState="memory-only", status__level="critical")
    little = {"space": Verdict.warning("space", "2 MB free", "free some space")}
    assert told(*disk.look(machine, STORE, little, failing)) == [
        (RED, "disk.read_only"),
        (YELLOW, "disk.errors"),
        (YELLOW, "disk.space"),
        (RED, "disk.memory_only"),
        (YELLOW, "disk.filling"),
    ]


def test_of_the_store_the_agent_knows_better_than_who_may_not_write_it(tmp_path: Path) -> None:
    refused = {"store": Verdict.failed("store", f"{STORE} cannot be written: x", "check x")}
    machine = FakeMachine(tmp_path)
    assert told(*disk.look(machine, STORE, refused, None)) == [(RED, "disk.store")]
    assert told(*disk.look(machine, STORE, refused, status())) == [(GREEN, "disk.good")]


def test_a_store_that_gives_up_the_old_and_one_that_was_replaced_are_told(tmp_path: Path) -> None:
    full = status(store={"cause": "no room in the store x: y", "remedy": "free some space"})
    replaced = status(status__storeState="quarantined")
    machine = FakeMachine(tmp_path)
    assert told(*disk.look(machine, STORE, {}, full)) == [(RED, "disk.gives_up")]
    assert told(*disk.look(machine, STORE, {}, replaced)) == [(YELLOW, "disk.quarantined")]


def test_this_machine_tells_of_a_medium_by_the_nearest_folder_that_is_there(
    tmp_path: Path,
) -> None:
    medium = ThisMachine().medium(tmp_path / "not" / "there")
    assert medium is not None
    assert not medium.read_only
    assert medium.free_bytes > 0


def test_this_machine_says_nothing_of_what_is_not_there(tmp_path: Path) -> None:
    machine = ThisMachine(tmp_path)
    assert machine.read("/proc/none") is None
    assert machine.paths("/sys/none/*") == []
    assert machine.run("no-such-program") is None
    assert machine.run("false") is None
    assert machine.run("echo", "a") == "a"


# -------------------------------------------------------------------------------------------- time
SHOW = ("timedatectl", "show-timesync", "--property=ServerName", "--property=ServerAddress")
IS_ON = ("timedatectl", "show", "--property=NTP")
CHRONY = ("chronyc", "-c", "-n", "tracking")


@pytest.mark.parametrize(
    ("state", "programs", "wall_s", "expected"),
    [
        ("synced", {SHOW: "ServerName=ntp.kiel.example\n"}, NOW_S, (GREEN, "time.good")),
        ("synced", {CHRONY: "A9FE,192.0.2.7,3,1.5,0.0"}, NOW_S, (GREEN, "time.good")),
        ("synced", {CHRONY: "00000000,,0,0.0,0.0"}, NOW_S, (GREEN, "time.kept")),
        ("synced", {}, NOW_S, (GREEN, "time.kept")),
        ("unsynced", {IS_ON: "NTP=yes"}, NOW_S, (YELLOW, "time.unsynchronised")),
        ("unsynced", {IS_ON: "NTP=no"}, NOW_S, (YELLOW, "time.off")),
        ("unsynced", {}, 12.0, (RED, "time.past")),
        ("holdover", {}, NOW_S, (YELLOW, "time.holdover")),
    ],
)
def test_the_clock_is_judged_by_the_kernel_and_by_what_it_shows(
    tmp_path: Path,
    state: str,
    programs: dict[tuple[str, ...], str],
    wall_s: float,
    expected: tuple[Light, str],
) -> None:
    machine = FakeMachine(tmp_path, {}, programs)
    found = timekeeping.look(machine, ClockState(state), wall_s, None)
    assert told(*found) == [expected]


def test_the_agent_remembers_that_the_clock_was_right_in_this_boot(tmp_path: Path) -> None:
    held = status(status__clock={"state": "holdover"})
    found = timekeeping.look(FakeMachine(tmp_path), ClockState.UNSYNCED, NOW_S, held)
    assert told(*found) == [(YELLOW, "time.holdover")]


# ----------------------------------------------------------------------------------------- network
WLAN = [LO, interface("wlan0", "10.0.0.8")]
BY_WLAN = [{"dst": "default", "gateway": "10.0.0.1", "dev": "wlan0", "metric": 600}]
WIRELESS = """\
Inter-| sta-|   Quality        |   Discarded packets               | Missed | WE
 face | tus | link level noise |  nwid  crypt   frag  retry   misc | beacon | 22
 wlan0: 0000   54.  -{}.  -256        0      0      0      0      0        0
"""


@pytest.mark.parametrize(
    ("programs", "reached", "expected"),
    [
        (ON_THE_NETWORK, False, (GREEN, "network.good")),
        (ip([LO, interface("eth0", "10.0.0.7")], []), False, (YELLOW, "network.no_route")),
        (ip([LO, interface("eth0", "10.0.0.7")], []), True, (GREEN, "network.local")),
        (ip([LO, interface("eth0", "169.254.3.4")], []), False, (RED, "network.no_address")),
        (ip([LO, interface("eth0")], []), False, (RED, "network.no_address")),
        (ip([LO, interface("eth0", link=False)], []), False, (RED, "network.no_link")),
        (ip([LO, interface("eth0", link=False)], []), True, (YELLOW, "network.no_link")),
        (ip([LO], []), False, (RED, "network.no_interface")),
        ({("ip", "-json", "address"): "unknown option"}, False, (UNKNOWN, "network.unknown")),
        ({}, False, (UNKNOWN, "network.unknown")),
    ],
)
def test_of_a_network_the_first_thing_that_is_missing_is_told(
    tmp_path: Path,
    programs: dict[tuple[str, ...], str],
    reached: bool,  # noqa: FBT001 - a parameter of the test
    expected: tuple[Light, str],
) -> None:
    machine = FakeMachine(tmp_path, {}, programs)
    assert told(*network.look(machine, reached=reached)) == [expected]


@pytest.mark.parametrize(("level", "expected"), [(56, "network.good"), (84, "network.weak")])
def test_weak_wifi_is_told(tmp_path: Path, level: int, expected: str) -> None:
    files = {"/proc/net/wireless": WIRELESS.format(level)}
    machine = FakeMachine(tmp_path, files, ip(WLAN, BY_WLAN))
    (found,) = network.look(machine, reached=True)
    assert found.id == expected
    assert ("level_dbm", -84) in found.values.items() or level == 56


def test_the_interface_of_the_best_way_out_is_told(tmp_path: Path) -> None:
    both = [LO, interface("wlan0", "10.0.0.8"), interface("eth0", "10.0.0.7")]
    machine = FakeMachine(tmp_path, {}, ip(both, [*BY_WLAN, {**ROUTE, "metric": 100}]))
    (found,) = network.look(machine, reached=True)
    assert found.values["interface"] == "eth0"


def test_the_real_ip_is_understood() -> None:
    picture = network.read(ThisMachine())
    if picture is None:
        pytest.skip("there is no program ip here")
    assert all(each.ifname != "lo" for each in picture.interfaces)


# ------------------------------------------------------------------------ name, connection, broker
def test_without_a_configuration_the_way_is_not_tried() -> None:
    assert (
        told(*platform.name(None, {}), *platform.tls(None, {}), *platform.broker(None, {}))
        == [(UNKNOWN, "chain.not_tried")] * 3
    )


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({}, [(GREEN, "broker.connected")]),
        ({"uplink__connected": False}, [(RED, "broker.away")]),
        ({"status__guarantee": "reduced"}, [(YELLOW, "broker.reduced")]),
        (
            {"status__setAside": {"bundles": 2, "bytes": 9}},
            [(GREEN, "broker.connected"), (YELLOW, "broker.set_aside")],
        ),
    ],
)
def test_the_broker_is_judged_by_the_agents_word(
    parts: dict[str, Any], expected: list[tuple[Light, str]]
) -> None:
    assert told(*platform.broker(status(**parts), {})) == expected


# --------------------------------------------------------------------------------- acknowledgement
def counted(**counters: int) -> dict[str, Any]:
    return {"status__counters": {"heard": 9, "decoded": 9, "observed": 0, **counters}}


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (counted(observed=6, delivered=4), (GREEN, "good")),
        (counted(), (RED, "nothing_heard")),
        (counted(observed=6, delivered=0), (RED, "none")),
        # What an earlier run left behind is no proof that a sensor is heard today.
        (counted(observed=0, recovered=9, delivered=9), (RED, "nothing_heard")),
        (counted(observed=6, recovered=9, delivered=9), (RED, "none")),
        (counted(observed=6, recovered=9, delivered=10), (GREEN, "good")),
        (
            {**counted(observed=6, recovered=90, delivered=8), "streams": [4, 0]},
            (GREEN, "good"),
        ),
        # Settled, but set aside or given up: not delivered.
        (
            {**counted(observed=6, delivered=0, setAside=3, dropped=1), "streams": [4, 0]},
            (RED, "none"),
        ),
        ({**counted(observed=6, delivered=6), "uplink__lastAckAgoS": 121}, (YELLOW, "old")),
        ({**counted(observed=6, delivered=6), "uplink__lastAckAgoS": 120}, (GREEN, "good")),
        ({**counted(observed=6, delivered=6), "uplink__connected": False}, (RED, "not_connected")),
        (
            {**counted(observed=6, delivered=6), "status__guarantee": "reduced"},
            (YELLOW, "reduced"),
        ),
        ({**counted(observed=6, delivered=6), "uplink__unheard": ["live"]}, (YELLOW, "nobody")),
        ({**counted(observed=6, delivered=6), "uplink__unheard": ["replay"]}, (GREEN, "good")),
    ],
)
def test_green_light_needs_a_fresh_acknowledgement_of_an_observation_of_this_run(
    parts: dict[str, Any], expected: tuple[Light, str]
) -> None:
    streams = [{"settledBelow": below} for below in parts.pop("streams", [])]
    known = status(**parts, status__streams=streams)
    light, which = expected
    assert told(acknowledgement.judge(known, None, 120.0)) == [(light, f"acknowledgement.{which}")]


def test_without_an_agent_nothing_is_acknowledged() -> None:
    away = AgentAwayError("no agent is running (127.0.0.1:8080: Connection refused)", "start it")
    found = acknowledgement.judge(None, away, 120.0)
    assert told(found) == [(RED, "acknowledgement.no_agent")]


def test_where_all_sensors_are_slow_an_acknowledgement_may_be_as_old() -> None:
    hourly, daily = sensor(expectedIntervalS=3600), sensor(expectedIntervalS=86_400)
    assert acknowledgement.patience_s([hourly, daily], 120.0) == 3600
    assert acknowledgement.patience_s([sensor(expectedIntervalS=60)], 120.0) == 120
    assert acknowledgement.patience_s([sensor(expectedIntervalS=None)], 120.0) == 120
    assert acknowledgement.patience_s([], 120.0) == 120


# ------------------------------------------------------------------------------------------- agent
def test_the_agent_is_judged_by_whether_it_runs_and_took_its_configuration() -> None:
    away = AgentAwayError("no agent is running (x)", "systemctl start ugw")
    refused = {"agoS": 3, "ok": False, "cause": "gateway.yaml:3:1: a\ngateway.yaml:4:1: b"}
    reloaded = status(configuration__lastReload=refused)
    assert told(*agent.look(status(), None, None, runs=True)) == [(GREEN, "agent.good")]
    assert told(*agent.look(reloaded, None, None, runs=True)) == [(RED, "agent.reload")]
    assert told(*agent.look(None, away, None, runs=False)) == [(RED, "agent.away")]
    assert told(*agent.look(None, away, None, runs=True)) == [(YELLOW, "agent.mute")]


def test_a_configuration_that_cannot_be_used_is_no_end_to_an_agent_that_runs_with_another() -> (
    None
):
    wrong = ConfigFinding(file="gateway.yaml", line=3, column=1, message="not known")
    invalid = InvalidConfigError([wrong, wrong])
    away = AgentAwayError("no agent is running (x)", "systemctl start ugw")
    (found,) = agent.look(status(), None, invalid, runs=True)
    assert told(found) == [(YELLOW, "agent.configuration")]
    assert tell(found, Language.EN).cause == "gateway.yaml:3:1: not known"
    assert told(*agent.look(None, away, invalid, runs=False)) == [
        (RED, "agent.configuration"),
        (RED, "agent.away"),
    ]


@pytest.mark.parametrize("light", ["yellow", "red"])
def test_the_chain_is_never_better_than_what_the_agent_says_of_itself(light: str) -> None:
    troubles = [
        {"colour": "red", "cause": "the task keep gives no sign of life", "remedy": "restart"},
        {"colour": "yellow", "cause": "driver x is not used: y: z", "remedy": "mend it"},
    ]
    known = status(light=light, troubles=[each for each in troubles if each["colour"] == light])
    found = [acknowledgement.judge(status(), None, 120.0)]
    assert overall(found) is GREEN
    found += agent.rest(known, found)
    assert overall(found) is Light(light)


# ------------------------------------------------------------------------------------------ radios
def radio(name: str, state: str, cause: str = "") -> dict[str, Any]:
    return {"name": name, "state": state, "sinceS": 9, "cause": cause}


@pytest.mark.parametrize(
    ("transports", "expected"),
    [
        (
            [radio("serial:usb", "up"), radio("ble:hci0", "up")],
            [(GREEN, "radio.up"), (GREEN, "radio.up")],
        ),
        (
            [radio("ble:hci0", "down", "adapter hci0 is powered off: bluetoothctl power on")],
            [(RED, "radio.down"), (UNKNOWN, "radio.no_lora")],
        ),
        (
            [radio("ble:hci0", "deaf", "x"), radio("serial:usb", "up", "active scan: y")],
            [(YELLOW, "radio.deaf"), (GREEN, "radio.remark")],
        ),
        ([radio("semtech-udp:1", "up")], [(UNKNOWN, "radio.no_bluetooth"), (GREEN, "radio.up")]),
    ],
)
def test_a_radio_that_is_down_is_red_where_no_other_hears(
    transports: list[dict[str, Any]], expected: list[tuple[Light, str]]
) -> None:
    assert told(*radios.look(None, {}, status(transports=transports))) == expected


def test_of_radios_nobody_knows_nothing_is_said() -> None:
    assert told(*radios.look(None, {}, None)) == [(UNKNOWN, "chain.not_tried")] * 2


# ----------------------------------------------------------------------------------------- sensors
@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({}, (GREEN, "sensor.good")),
        ({"rssi": -85}, (GREEN, "sensor.weak")),
        ({"rssi": -93}, (YELLOW, "sensor.bad")),
        ({"rssi": None}, (GREEN, "sensor.heard")),
        ({"silent": True}, (YELLOW, "sensor.silent")),
        ({"silent": True, "lastHeardAgoS": None}, (YELLOW, "sensor.never")),
        ({"lastHeardAgoS": None, "rssi": None}, (YELLOW, "sensor.not_yet")),
        (
            {"medium": "lora", "rssi": -120, "snr": -12.0, "spreadingFactor": 12},
            (GREEN, "sensor.weak"),
        ),
        (
            {"medium": "lora", "rssi": -120, "snr": -12.0, "spreadingFactor": 7},
            (YELLOW, "sensor.bad"),
        ),
    ],
)
def test_a_sensor_is_judged_by_when_and_how_well_it_was_heard(
    parts: dict[str, Any], expected: tuple[Light, str]
) -> None:
    assert told(*sensors.look(status(), [sensor(**parts)])) == [expected]


def test_a_sensor_that_cannot_be_read_tells_why() -> None:
    unread = [{"device": "urn:dev:mac:c0ffeefffe000001", "name": "Lamp", "cause": "it is away"}]
    (found,) = sensors.look(status(unread=unread), [sensor()])
    assert told(found) == [(YELLOW, "sensor.unread")]
    assert tell(found, Language.EN).cause == "it is away"


def test_no_listed_sensor_and_no_agent_are_told_apart() -> None:
    assert told(*sensors.look(status(), [])) == [(YELLOW, "sensor.none")]
    assert told(*sensors.look(None, [])) == [(UNKNOWN, "sensor.unknown")]


@given(
    rssi=st.integers(-140, 0),
    snr=st.floats(-25, 15),
    factor=st.sampled_from([None, 6, 7, 8, 9, 10, 11, 12]),
)
def test_a_better_signal_is_never_judged_worse(rssi: int, snr: float, factor: int | None) -> None:
    order = [Signal.BAD, Signal.WEAK, Signal.GOOD]
    before = order.index(signal.of_lora(rssi, snr, factor))
    assert order.index(signal.of_lora(rssi + 5, snr + 5, factor)) >= before
    assert order.index(signal.of_lora(rssi, snr, 12)) >= before
    assert order.index(signal.of_ble(rssi + 5)) >= order.index(signal.of_ble(rssi))


def test_what_no_radio_told_is_not_judged() -> None:
    assert signal.of_ble(None) is Signal.UNKNOWN
    assert signal.of_lora(None, None, 7) is Signal.UNKNOWN
    assert signal.of_lora(-100, None, None) is Signal.GOOD


# --------------------------------------------------------------------------------------- the light
findings = st.builds(
    Finding,
    link=st.sampled_from(Link),
    light=st.sampled_from(Light),
    id=st.just("power.good"),
)


@given(st.lists(findings, max_size=12))
def test_no_light_is_green_without_an_acknowledged_observation(found: list[Finding]) -> None:
    light = overall(found)
    lights = {each.light for each in found}
    if light is GREEN:
        assert is_acknowledged(found)
        assert not lights & {YELLOW, RED}
    if RED in lights:
        assert light is RED
    assert light is not UNKNOWN
