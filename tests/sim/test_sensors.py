"""Simulated sensors repeat themselves by seed, and the drivers read what they send."""

from collections.abc import Iterator, Mapping
from itertools import islice, pairwise, takewhile
from statistics import mean
from types import ModuleType

import pytest

from drivers.ble import bthome_v2, ruuvi_rawv2
from drivers.lora import cayenne_lpp
from gateway.core.context import Context
from gateway.crypto import CcmKey
from gateway.model import Sealed
from gateway.sim.bluez_air import Advertisement
from gateway.sim.sensors import (
    MODELS,
    Emission,
    LoraPacket,
    Phone,
    Sensor,
    SensorOptions,
    timeline,
)
from tests.sim.worlds import BTHOME, OTHER

ADDRESS = "C0:FF:EE:00:00:01"
KEY = bytes(range(16))

DRIVERS: Mapping[str, ModuleType] = {
    "bthome-v2": bthome_v2,
    "bthome-v2-encrypted": bthome_v2,
    "ruuvi-rawv2": ruuvi_rawv2,
    "cayenne-lpp": cayenne_lpp,
}

Readings = dict[tuple[str, str], float]


def options(model: str, **changes: object) -> SensorOptions:
    address = "lora:17" if MODELS[model].medium == "lora" else ADDRESS
    values: dict[str, object] = {"address": address, "every_s": 1.0, "key": KEY, **changes}
    return SensorOptions(model=model, **values)  # type: ignore[arg-type]


def sensor(model: str, *, seed: int = 1, **changes: object) -> Sensor:
    return Sensor(options(model, **changes), seed=seed)


def content(emission: Emission) -> bytes:
    copy = emission.copies[0]
    if isinstance(copy, LoraPacket):
        return copy.payload
    (data,) = (*copy.services.values(), *copy.manufacturer.values())
    return data


def decoded(model: str, data: bytes) -> Readings:
    """Read it as the gateway would."""
    context = Context(address=bytes.fromhex(ADDRESS.replace(":", "")))
    if model == "bthome-v2-encrypted":
        sealed = bthome_v2.sealed(data, context)
        assert sealed is not None
        context.opened = CcmKey(KEY).open(Sealed(*sealed))
    if model == "cayenne-lpp":
        data = bytes.fromhex(data.decode())
    readings = DRIVERS[model].decode(data, context)
    return {
        (name, channel): value * 10.0**-scale
        for name, value, scale, channel in readings
        if isinstance(value, int)
    }


def emissions(of: Sensor, count: int) -> Iterator[Emission]:
    return (of.emit() for _ in range(count))


@pytest.mark.parametrize("model", MODELS)
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


@pytest.mark.parametrize("model", MODELS)
def test_the_driver_reads_plausible_values_from_it(model: str) -> None:
    for emission in emissions(sensor(model), 200):
        readings = decoded(model, content(emission))
        temperature = next(value for (name, _), value in readings.items() if "temp" in name)
        humidity = next(value for (name, _), value in readings.items() if "humid" in name)
        assert -30 <= temperature <= 50
        assert 5 <= humidity <= 100


@pytest.mark.parametrize("model", MODELS)
def test_each_frame_carries_its_serial_where_the_ledger_looks_for_it(model: str) -> None:
    place = MODELS[model].serial
    for emission in emissions(sensor(model, first_serial=65_530), 20):
        data = content(emission)
        if place.observed_property:
            found = decoded(model, data)[place.observed_property, place.channel]
        else:
            found = float(ruuvi_rawv2.packet_counter(data) or 0)
        assert found == emission.serial


def test_the_counter_of_an_encrypted_sensor_rises_with_every_frame() -> None:
    counters = [
        bthome_v2.packet_counter(content(emission))
        for emission in emissions(sensor("bthome-v2-encrypted"), 5)
    ]
    assert counters == [1, 2, 3, 4, 5]


def test_a_raw_payload_is_the_bytes_of_the_hexadecimal_one() -> None:
    as_hex = content(sensor("cayenne-lpp").emit())
    raw = content(sensor("cayenne-lpp", payload="raw").emit())
    assert bytes.fromhex(as_hex.decode()) == raw


def test_values_drift_and_the_battery_only_falls() -> None:
    series = [
        decoded("ruuvi-rawv2", content(emission))
        for emission in emissions(sensor("ruuvi-rawv2"), 2000)
    ]
    temperatures = [readings["air_temperature", ""] for readings in series]
    assert max(temperatures) - min(temperatures) > 0.2
    steps = [abs(b - a) for a, b in pairwise(temperatures)]
    assert mean(steps) < 0.2
    voltages = [readings["battery_voltage", ""] for readings in series]
    assert voltages == sorted(voltages, reverse=True)
    assert voltages[0] > voltages[-1]


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


def test_a_phone_changes_its_address_and_has_no_serial() -> None:
    phone = Phone(1, every_s=1.0, rotate=5, seed=1)
    sent = [phone.emit() for _ in range(20)]
    assert len({emission.address for emission in sent}) == 4
    assert {emission.serial for emission in sent} == {None}
    assert all(int(emission.address[:2], 16) >> 6 == 1 for emission in sent)
