"""Simulated sensors repeat themselves by seed, and the drivers read what they send."""

from collections.abc import Iterator
from itertools import islice, pairwise, takewhile
from statistics import mean

import pytest

from gateway.core.judgement import judge
from gateway.errors import SimulatorError
from gateway.sim.bluez_air import Advertisement
from gateway.sim.models import MODELS, Sender
from gateway.sim.sensors import (
    Beacon,
    Emission,
    LoraPacket,
    Phone,
    Sensor,
    SensorOptions,
    timeline,
)
from tests.sim.reading import Read, Values, poll, read
from tests.sim.worlds import BTHOME, OTHER

ADDRESS = "C0:FF:EE:00:00:01"
KEY = bytes(range(16))
ADVERTISING = [name for name, model in MODELS.items() if model.serve is None]
FOLLOWED = [name for name in ADVERTISING if MODELS[name].serial is not None]


def options(model: str, **changes: object) -> SensorOptions:
    address = "lora:17" if MODELS[model].medium == "lora" else ADDRESS
    key = KEY if MODELS[model].encrypted else b""
    values: dict[str, object] = {"address": address, "every_s": 1.0, "key": key, **changes}
    return SensorOptions(model=model, **values)  # type: ignore[arg-type]


def sensor(model: str, *, seed: int = 1, **changes: object) -> Sensor:
    return Sensor(options(model, **changes), seed=seed)


def content(emission: Emission) -> bytes:
    copy = emission.copies[0]
    if isinstance(copy, LoraPacket):
        return copy.payload
    (data,) = (*copy.services.values(), *copy.manufacturer.values())
    return data


def said(emission: Emission) -> tuple[object, ...]:
    """Return all that a receiver can see of a frame, but for its strength."""
    copy = emission.copies[0]
    if isinstance(copy, LoraPacket):
        return (copy.payload,)
    return tuple(sorted(copy.services.items())), tuple(sorted(copy.manufacturer.items()))


def heard(of: Sensor, emission: Emission) -> Read:
    """Read it as the gateway would."""
    copy = emission.copies[0]
    if isinstance(copy, LoraPacket) and of.options.payload == "hex":
        clear = bytes.fromhex(copy.payload.decode())
        copy = LoraPacket(address=17, payload=clear, rssi_dbm=-80, snr_db=5)
    return read(of.model, Sender(of.options.address, of.options.key), copy)


def values(of: Sensor, count: int) -> Iterator[Values]:
    return (heard(of, emission).values for emission in emissions(of, count))


def number(values: Values, name: str) -> float:
    value = values[name]
    assert isinstance(value, (int, float))
    return value


def emissions(of: Sensor, count: int) -> Iterator[Emission]:
    return (of.emit() for _ in range(count))


@pytest.mark.parametrize("model", FOLLOWED)
def test_the_same_seed_gives_the_same_bytes_and_another_gives_others(model: str) -> None:
    once = list(emissions(sensor(model, seed=7), 50))
    again = list(emissions(sensor(model, seed=7), 50))
    other = list(emissions(sensor(model, seed=8), 50))
    assert once == again
    assert once != other


def test_two_sensors_of_one_seed_measure_differently() -> None:
    first, second = (sensor("bthome-v2", address=address) for address in (ADDRESS, OTHER))
    assert content(first.emit()) != content(second.emit())
    assert first.gap_s() != second.gap_s()


def test_a_sensor_sends_the_same_whoever_else_is_on_the_air() -> None:
    def heard(*others: str) -> list[tuple[float, Emission]]:
        crowd = [sensor("bthome-v2", address=address) for address in (*others, ADDRESS)]
        all_of_them = takewhile(lambda due: due[0] < 20, timeline(crowd))
        return [due for due in all_of_them if due[1].address == ADDRESS]

    assert heard() == heard("C0:FF:EE:00:00:02", "C0:FF:EE:00:00:03")


@pytest.mark.parametrize("model", ADVERTISING)
def test_what_it_measures_is_plausible_to_the_vocabulary(model: str) -> None:
    of = sensor(model)
    for emission in emissions(of, 60):
        for name, value in heard(of, emission).values.items():
            observed, _, channel = name.partition("/")
            ((*_, flags),) = judge([(observed, _scaled(value), 6, channel)], ())
            assert flags == (), f"{name} is {value}"


def _scaled(value: float | bool | str | None) -> int | str | None:  # noqa: FBT001 - any value
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return round(value * 1e6) if is_number else value  # type: ignore[operator, return-value]


@pytest.mark.parametrize("model", FOLLOWED)
def test_each_frame_carries_its_serial_where_the_ledger_looks_for_it(model: str) -> None:
    of = sensor(model, first_serial=65_530)
    assert of.place is not None
    for emission in emissions(of, 20):
        found = heard(of, emission)
        name = f"{of.place.observed_property}/{of.place.channel}".rstrip("/")
        seen = of.place.number(number(found.values, name)) if name else found.counter
        assert seen == emission.serial


@pytest.mark.parametrize("model", FOLLOWED)
def test_no_frame_says_the_same_as_the_one_before(model: str) -> None:
    sent = [said(emission) for emission in emissions(sensor(model, every_s=0.1), 60)]
    assert all(before != after for before, after in pairwise(sent))


def test_a_sensor_that_says_always_the_same_is_not_followed() -> None:
    beacon = sensor("ibeacon")
    first, second = beacon.emit(), beacon.emit()
    assert said(first) == said(second)
    assert not first.followed
    fixed = sensor(
        "govee-thermometer", values={"temperature": 20.0, "humidity": 50.0, "battery": 80}
    )
    assert not fixed.emit().followed


def test_an_alarm_that_nobody_sets_anew_tells_no_frames_apart() -> None:
    probe = sensor("govee-probes", values={"probe_temperature": 50.0})
    sent = list(emissions(probe, 20))
    assert {heard(probe, one).values["target_temperature"] for one in sent} == {
        heard(probe, sent[0]).values["target_temperature"]
    }
    assert not any(one.followed for one in sent)


def test_a_door_stays_as_it_is_for_a_while_and_a_sensor_in_order_says_so() -> None:
    states = [one["opening_open"] for one in values(sensor("govee-event"), 200)]
    changes = sum(before != after for before, after in pairwise(states))
    assert 0 < changes < 40
    assert {one["calibrating"] for one in values(sensor("aranet"), 100)} == {False}


def test_uptime_goes_by_as_the_sensor_sends() -> None:
    uptimes = [one["uptime"] for one in values(sensor("thermobeacon", every_s=60.0), 3)]
    assert uptimes == [60, 120, 180]


@pytest.mark.parametrize("model", ["environmental-sensing", "flower-care"])
def test_a_sensor_that_is_connected_to_says_hello_and_measures_when_it_is_read(model: str) -> None:
    of = sensor(model)
    assert of.peripheral is not None
    hello = of.emit()
    (report,) = hello.copies
    assert isinstance(report, Advertisement)
    assert not hello.followed
    assert not any((report.services, report.manufacturer))
    polls = [poll(of.model, Sender(ADDRESS), of.peripheral).values for _ in range(5)]
    assert all(before != after for before, after in pairwise(polls))
    assert set(polls[0]) == {one.name for one in of.model.sends}


def test_the_counter_of_an_encrypted_sensor_rises_with_every_frame() -> None:
    of = sensor("bthome-v2-encrypted")
    assert [heard(of, one).counter for one in emissions(of, 5)] == [1, 2, 3, 4, 5]


def test_a_raw_payload_is_the_bytes_of_the_hexadecimal_one() -> None:
    as_hex = content(sensor("cayenne-lpp").emit())
    raw = content(sensor("cayenne-lpp", payload="raw").emit())
    assert bytes.fromhex(as_hex.decode()) == raw


def test_values_drift_and_the_battery_only_falls() -> None:
    series = list(values(sensor("ruuvi-rawv2"), 2000))
    temperatures = [number(one, "air_temperature") for one in series]
    assert max(temperatures) - min(temperatures) > 0.2
    steps = [abs(b - a) for a, b in pairwise(temperatures)]
    assert mean(steps) < 0.2
    voltages = [number(one, "battery_voltage") for one in series]
    assert voltages == sorted(voltages, reverse=True)
    assert voltages[0] > voltages[-1]


# ------------------------------------------------------------------------------------------- given
def test_a_given_value_is_sent_and_all_others_are_as_they_would_have_been() -> None:
    free = list(values(sensor("ruuvi-rawv2"), 50))
    fixed = list(values(sensor("ruuvi-rawv2", values={"temperature": 21.5}), 50))
    assert {one["air_temperature"] for one in fixed} == {21.5}
    between = list(values(sensor("ruuvi-rawv2", values={"temperature": (20, 21)}), 50))
    for one, other, third in zip(free, fixed, between, strict=True):
        assert {**one, "air_temperature": 21.5} == other
        assert {**third, "air_temperature": 21.5} == other


def test_a_value_between_two_stays_between_them_and_drifts() -> None:
    for seed in range(20):
        of = sensor("bthome-v2", seed=seed, values={"relative_humidity": (60.0, 62.0)})
        humidities = [number(one, "relative_humidity") for one in values(of, 50)]
        assert min(humidities) >= 60
        assert max(humidities) <= 62
        assert max(humidities) - min(humidities) > 0.02


def test_a_sensor_whose_usual_mark_is_fixed_is_known_by_another_value() -> None:
    of = sensor("govee-thermometer", values={"air_temperature": -5.0})
    assert of.place is not None
    assert of.place.observed_property == "relative_humidity"
    found = list(values(of, 50))
    assert {one["air_temperature"] for one in found} == {-5.0}
    humidities = [one["relative_humidity"] for one in found]
    assert all(before != after for before, after in pairwise(humidities))


def test_a_state_and_a_channel_can_be_given() -> None:
    of = sensor("atc", values={"opening_open": True})
    assert {one["opening_open"] for one in values(of, 30)} == {True}
    of = sensor("ruuvi-rawv2", values={"acceleration/z": 9.80665})
    assert {one["acceleration/z"] for one in values(of, 5)} == {9.80665}


@pytest.mark.parametrize(
    ("model", "given", "why"),
    [
        ("bthome-v2", {"co2": 400}, "it does not measure that; it measures battery_level"),
        ("bthome-v2", {"count": 7}, "it counts its frames there"),
        ("bthome-v2", {"temperature": 900}, "it sends -40 to 60"),
        ("bthome-v2", {"temperature": (24, 18)}, "the lower one first"),
        ("bthome-v2", {"temperature": [18, 20, 24]}, "it is a number, or the lowest and"),
        ("bthome-v2", {"temperature": float("nan")}, "it sends -40 to 60"),
        ("bthome-v2", {"temperature": "warm"}, "it is a number"),
        ("bthome-v2", {"temperature": True}, "it is a number"),
        ("atc", {"switch_on": 1}, "it is true or false"),
        ("aranet", {"device_state": "blue"}, "it is one of green, yellow, red"),
    ],
)
def test_a_value_that_cannot_be_is_refused_with_the_reason(
    model: str, given: dict[str, object], why: str
) -> None:
    with pytest.raises(SimulatorError, match=why):
        sensor(model, values=given)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"address": "lora:17"}, "it does not send by LoRa"),
        ({"address": "C0:FF:EE"}, "an address is needed"),
        ({"key": b"short"}, "it needs a key of 16 bytes, not 5"),
        ({"every_s": 0.0}, "every_s is above 0"),
        ({"battery_percent": 101.0}, "its battery has 0 to 100 percent"),
        ({"battery_life_s": -1.0}, "its battery lives 0 s or longer"),
    ],
)
def test_a_sensor_that_cannot_be_is_refused_with_the_reason(
    changes: dict[str, object], why: str
) -> None:
    with pytest.raises(SimulatorError, match=why):
        Sensor(options("bthome-v2-encrypted", **changes), seed=1)


def test_a_model_that_does_not_exist_is_refused_with_the_one_that_was_meant() -> None:
    with pytest.raises(SimulatorError, match=r"no model of a sensor 'ruvi-rawv2'.*'ruuvi-rawv2'"):
        Sensor(SensorOptions(model="ruvi-rawv2", address=ADDRESS), seed=1)


def test_a_battery_empties_over_its_life_and_then_there_is_silence() -> None:
    of = sensor("bthome-v2", battery_percent=50.0, battery_life_s=100.0)
    sent = list(emissions(of, 60))
    levels = [heard(of, one).values["battery_level"] for one in sent if one.copies]
    assert levels == list(range(49, 0, -1))
    assert not any(one.copies for one in sent[50:])


def test_a_battery_without_a_life_hardly_empties() -> None:
    of = sensor("bthome-v2", battery_percent=80.0)
    assert {one["battery_level"] for one in values(of, 400)} == {80}


def test_loss_takes_its_part_of_the_frames_and_their_serials() -> None:
    sent = list(emissions(sensor("bthome-v2", loss=0.25), 1000))
    lost = sum(not emission.copies for emission in sent)
    assert 150 < lost < 350
    assert [emission.serial for emission in sent] == list(range(1, 1001))


def test_copies_have_one_content_and_a_strength_each() -> None:
    emission = sensor("bthome-v2", copies=20).emit()
    reports = [copy for copy in emission.copies if isinstance(copy, Advertisement)]
    assert len(reports) == 20
    assert len({report.services[BTHOME] for report in reports}) == 1
    assert len({report.rssi_dbm for report in reports}) > 1


def test_intervals_vary_by_the_jitter_and_stay_on_average() -> None:
    times = [at_s for at_s, _ in islice(timeline([sensor("bthome-v2", jitter=0.2)]), 500)]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert min(gaps) >= 0.8
    assert max(gaps) <= 1.2
    assert mean(gaps) == pytest.approx(1.0, abs=0.05)


def test_a_timeline_is_in_order_and_leaves_nobody_out() -> None:
    crowd = [sensor("bthome-v2", address=f"C0:FF:EE:00:00:{number:02X}") for number in range(9)]
    due = list(islice(timeline(crowd), 90))
    assert [at_s for at_s, _ in due] == sorted(at_s for at_s, _ in due)
    assert len({emission.address for _, emission in due}) == 9


# --------------------------------------------------------------------------------------- strangers
def test_what_passers_by_carry_changes_its_address_and_has_no_serial() -> None:
    for person in range(20):
        phone = Phone(person, every_s=1.0, rotate=5, seed=1)
        sent = [phone.emit() for _ in range(20)]
        assert len({emission.address for emission in sent}) == 4
        assert {emission.serial for emission in sent} == {None}
        assert len({int(emission.address[:2], 16) >> 6 for emission in sent} & {1, 3}) == 1


def test_passers_by_carry_things_of_several_makers() -> None:
    crowd = [Phone(person, every_s=1.0, rotate=5, seed=1).emit() for person in range(200)]
    reports = [copy for one in crowd for copy in one.copies if isinstance(copy, Advertisement)]
    companies = {company for report in reports for company in report.manufacturer}
    assert companies == {0x004C, 0x0075, 0x0006}
    assert {uuid[:8] for report in reports for uuid in report.services} == {"0000fe2c"}
    sizes = [len(data) for one in reports for _, data in one.ad_structures()]
    assert max(sizes) <= 29  # with type and length it is what an advertisement has room for


def test_a_beacon_stays_what_it_is_and_its_drivers_know_it() -> None:
    beacons = [Beacon(number, every_s=1.0, seed=1) for number in range(8)]
    known: set[str] = set()
    for beacon in beacons:
        sent = [beacon.emit() for _ in range(6)]
        assert len({emission.address for emission in sent}) == 1
        for emission in sent:
            (report,) = emission.copies
            assert isinstance(report, Advertisement)
            name = "ibeacon" if report.manufacturer else "eddystone"
            found = read(MODELS[name], Sender(emission.address), report)
            known |= set(found.values)
    assert known >= {"beacon_id", "beacon_minor", "url", "uptime", "tx_power"}


def test_strangers_of_one_seed_say_the_same() -> None:
    phones = [Phone(1, every_s=1, rotate=3, seed=4), Phone(1, every_s=1, rotate=3, seed=4)]
    first, second = ([phone.emit() for _ in range(9)] for phone in phones)
    assert first == second
    beacons = [Beacon(1, every_s=1, seed=4), Beacon(1, every_s=1, seed=4)]
    third, fourth = ([beacon.emit() for _ in range(9)] for beacon in beacons)
    assert third == fourth
