"""What a model says, the driver reads: every model there is against the driver of its format."""

import struct
import sys
from collections.abc import Sequence
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Final

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.conformance.examples import Example, of_codec
from gateway.core import vocabulary
from gateway.errors import SimulatorError
from gateway.sim.bluez_air import Advertisement
from gateway.sim.models import MODELS, Catalogue, Model, Quantity, Readings, Sender
from gateway.sim.models.model import Value
from gateway.sim.sensors import LoraPacket
from tests.sim.reading import Read, poll, read, registry

ADDRESS: Final = "A4:C1:38:5C:0F:FE"
KEY: Final = bytes(range(16))
ROOM_OF_ADVERTISEMENT: Final = 31  # bytes, Bluetooth 4
EXTENDED: Final = {"ruuvi-e1"}

# Of whose examples none is reproduced, and why that cannot be.
OWN_CHOICE: Final = "the format leaves to the sender which objects it sends"
# Of recorded frames that name their sensor themselves: its address, where the example says none.
ADDRESSES: Final = {
    "govee-event": "A4:C1:38:5C:EC:3D",
    "inkbird-iam-t2": "A4:C1:00:A1:3E:29",
    "inkbird-ibbq": "30:E2:83:7D:B5:02",
    "qingping": "58:2D:34:60:D5:CD",
    "ruuvi-6": "CB:B8:33:4C:88:4F",
    "ruuvi-e1": "CB:B8:33:4C:88:4F",
    "ruuvi-rawv2": "CB:B8:33:4C:88:4F",
}
SERIALS: Final = {"govee-event": 0xDE43}  # its clock, which is no counter to the driver
NOT_REPRODUCED: Final = {
    "bthome-v1": OWN_CHOICE,
    "bthome-v2": OWN_CHOICE,
    "bthome-v2-encrypted": OWN_CHOICE,
    "cayenne-lpp": OWN_CHOICE,
    "govee-h5055": "of the recorded ones none has two probes and all alarms",
    "govee-h5198": "of the recorded ones none has two probes and all alarms",
    "sensirion": "several ticks are one hundredth, and hundredths are what is published",
}


# Of values that are rounded twice, to steps and to decimals: the other step.
ROUNDED_ALSO_TO: Final = {"sensorpush-ht1": 0.001, "sensirion": 175 / 65_535}


def sender_of(model: Model) -> Sender:
    if model.medium == "lora":
        return Sender("lora:17")
    return Sender(ADDRESS, KEY if model.encrypted else b"")


def _values(quantity: Quantity) -> st.SearchStrategy[Value]:
    if quantity.choices:
        return st.sampled_from(quantity.choices)
    if vocabulary.lookup(quantity.observed_property).type == "boolean":
        return st.booleans()
    return st.floats(quantity.low, quantity.high)


def readings_of(model: Model) -> st.SearchStrategy[Readings]:
    def counted(serial: int, values: dict[str, Value]) -> Readings:
        counts = {one.name: serial % one.counts for one in model.sends if one.counts}
        return Readings(serial=serial, values={**values, **counts})

    measured = {one.name: _values(one) for one in model.sends if not one.counts}
    return st.builds(counted, st.integers(1, 1 << 33), st.fixed_dictionaries(measured))


def sent(model: Model, sender: Sender, readings: Readings) -> Advertisement | LoraPacket:
    content = model.encode(sender, readings)
    if model.medium == "lora":
        return LoraPacket(address=17, payload=content, rssi_dbm=-80, snr_db=5)
    return model.report(sender, content)


def received(model: Model, sender: Sender, readings: Readings) -> Read:
    if model.serve is not None:
        return poll(model, sender, model.serve(sender, lambda: readings))
    return read(model, sender, sent(model, sender, readings))


def judge(model: Model, readings: Readings, found: Read) -> None:
    """Fail unless what was read is what was said, to the format's resolution, and no more."""
    quantities = {one.name: one for one in model.sends}
    part = model.part(readings.serial)
    assert set(found.values) - set(model.implies) == set(part)
    for name in part:
        said, got, quantity = readings.values[name], found.values[name], quantities[name]
        if isinstance(said, (str, bool)):
            assert got == said, name
        else:
            steps = (quantity.step + ROUNDED_ALSO_TO.get(model.driver, 0)) / 2
            rounding = steps + abs(said) * (quantity.relative + 1e-9) + 1e-9
            assert got == pytest.approx(said, abs=rounding), name
    if model.serial == "" or model.encrypted:
        assert found.counter == readings.serial % (model.counts or 1 << 32)


@pytest.mark.parametrize("name", MODELS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_the_driver_reads_what_the_model_says(name: str, data: st.DataObject) -> None:
    model = MODELS[name]
    readings = data.draw(readings_of(model))
    judge(model, readings, received(model, sender_of(model), readings))


@pytest.mark.parametrize("name", MODELS)
def test_the_driver_reads_the_ends_of_every_scale(name: str) -> None:
    model = MODELS[name]
    serial = 1 << 16
    for turn in range(max(1, len(model.turns))):
        for end in ("low", "high"):
            values: dict[str, Value] = {
                one.name: one.choices[0]
                if one.choices
                else (serial + turn) % one.counts
                if one.counts
                else _typed(one, getattr(one, end))
                for one in model.sends
            }
            readings = Readings(serial=serial + turn, values=values)
            judge(model, readings, received(model, sender_of(model), readings))


def _typed(quantity: Quantity, value: float) -> Value:
    is_state = vocabulary.lookup(quantity.observed_property).type == "boolean"
    return bool(value) if is_state else value


def test_every_driver_has_a_model_and_every_model_a_driver() -> None:
    drivers = {name for name in registry().models() if not registry().gives_way(name)}
    assert {model.driver for model in MODELS.values()} == drivers
    assert drivers <= set(MODELS)


def test_whoever_can_be_encrypted_has_a_model_that_is() -> None:
    sealing = {name for name in registry().models() if registry().by_model(name).sealed}
    encrypted = {model.driver for model in MODELS.values() if model.encrypted}
    assert encrypted == sealing


@pytest.mark.parametrize("name", MODELS)
def test_it_measures_what_the_vocabulary_knows_within_its_limits(name: str) -> None:
    for quantity in MODELS[name].sends:
        known = vocabulary.lookup(quantity.observed_property)
        if known.minimum is not None and known.maximum is not None and not quantity.counts:
            (least, scale), (most, other) = known.minimum, known.maximum
            assert least / 10**scale <= quantity.low <= quantity.high <= most / 10**other


@pytest.mark.parametrize("name", sorted(set(MODELS) - EXTENDED))
def test_its_advertisement_has_room_on_the_air(name: str) -> None:
    model = MODELS[name]
    if model.medium == "lora":
        return
    values: dict[str, Value] = {
        one.name: one.choices[0] if one.choices else one.low for one in model.sends
    }
    report = sent(model, sender_of(model), Readings(serial=1, values=values))
    assert isinstance(report, Advertisement)
    contents = (*report.manufacturer.values(), *report.services.values())
    flags, header = 3, 2
    data = flags + sum(header + 2 + len(content) for content in contents)
    lists = sum(header + (2 if number < 1 << 16 else 16) for number in model.listed)
    called = header + len(report.name or "")
    room = ROOM_OF_ADVERTISEMENT
    assert data <= room
    assert called <= room
    assert lists <= max(room - data, room - called)  # the name stands in the scan response


# ------------------------------------------------------------------------------- of other packages
ACME: Final = Model(
    title="An Acme X1.",
    driver="acme-x1",
    medium="manufacturer",
    sends=(Quantity(name="air_temperature", step=0.1, low=-40, high=60),),
    encode=lambda _, readings: bytes((0xFF, 0xFF, readings.raw("air_temperature") & 0xFF)),
    serial="air_temperature",
)


def offered(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> Catalogue:
    entry_point = EntryPoint(name=name, value=value, group="gateway.sensor_models")

    def found(*, group: str) -> list[EntryPoint]:
        assert group == entry_point.group
        return [entry_point]

    monkeypatch.setattr("gateway.sim.models.entry_points", found)
    return Catalogue({"bthome-v2": MODELS["bthome-v2"]})


def test_a_package_adds_a_model_by_its_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    catalogue = offered(monkeypatch, "acme-x1", f"{__name__}:ACME")
    assert catalogue["acme-x1"] is ACME
    assert list(catalogue) == ["bthome-v2", "acme-x1"]
    assert len(catalogue) == 2
    assert "acme-x2" not in catalogue


def test_a_package_is_not_loaded_for_a_model_that_is_built_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    catalogue = offered(monkeypatch, "acme-x1", "no.such.module:ACME")
    assert catalogue["bthome-v2"].driver == "bthome-v2"
    with pytest.raises(SimulatorError, match=r"acme-x1.*cannot be loaded: No module named 'no'"):
        list(catalogue)


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("acme-x1", f"{__name__}:ADDRESS", "is no gateway.sim.models.Model"),
        ("acme-x1", f"{__name__}:NOTHING", "cannot be loaded: .*NOTHING"),
        ("bthome-v2", f"{__name__}:ACME", "has the name of a built-in one"),
    ],
)
def test_what_a_package_offers_and_is_no_model_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, why: str
) -> None:
    catalogue = offered(monkeypatch, name, value)
    with pytest.raises(SimulatorError, match=why) as refused:
        list(catalogue)
    assert name in str(refused.value)
    assert refused.value.remedy


def test_a_package_that_fails_when_it_is_imported_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "acme_sensors.py").write_text("X1 = Model()\n")
    monkeypatch.setattr("sys.path", [str(tmp_path), *sys.path])
    catalogue = offered(monkeypatch, "acme-x1", "acme_sensors:X1")
    with pytest.raises(SimulatorError, match=r"acme-x1.*name 'Model' is not defined"):
        list(catalogue)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"serial": "air_temprature"}, "does not send air_temprature"),
        ({"turns": (("co2",), ("air_temperature",))}, "does not send co2"),
        ({"medium": "gatt"}, "is of medium gatt"),
    ],
)
def test_a_model_that_contradicts_itself_is_refused_where_it_is_made(
    changes: dict[str, object], why: str
) -> None:
    with pytest.raises(SimulatorError, match=why):
        msgspec.structs.replace(ACME, **changes)


# ---------------------------------------------------------------------------------------- examples
def reproduced(name: str, example: Example) -> bool:
    """Whether the model says an example's readings in the example's bytes."""
    model = MODELS[name]
    said = {
        _name(one): list(one)[1] for one in example.readings if _name(one) not in model.implies
    }
    serial = SERIALS.get(name, 1) if example.counter is None else example.counter
    counts = {one.name: serial % one.counts for one in model.sends if one.counts}
    if said.keys() | counts.keys() != set(model.part(serial)) or None in said.values():
        return False
    if model.encrypted and not example.key:
        return False
    given = {
        one.name: _typed_as_said(one, said[one.name]) for one in model.sends if one.name in said
    }
    values: dict[str, Value] = {one.name: one.low for one in model.sends}
    address = example.address or ADDRESSES.get(name, ADDRESS).replace(":", "")
    sender = Sender(bytes.fromhex(address).hex(":").upper(), bytes.fromhex(example.key))
    readings = Readings(serial=serial, values={**values, **counts, **given})
    try:
        return _payload(model, sender, readings).hex() == example.payload
    except (ValueError, OverflowError, struct.error):  # a text or a number of another product
        return False


def _name(reading: Sequence[object]) -> str:
    return f"{reading[0]}/{reading[2]}" if len(reading) > 2 else str(reading[0])


def _typed_as_said(quantity: Quantity, said: object) -> Value:
    return str(said) if quantity.choices else said if isinstance(said, bool) else float(str(said))


def _payload(model: Model, sender: Sender, readings: Readings) -> bytes:
    """Return what stands in the examples: with the company id where the driver reads that too."""
    if model.serve is not None:
        return poll(model, sender, model.serve(sender, lambda: readings)).payload
    content = model.encode(sender, readings)
    is_whole = registry().by_model(model.driver).payload == "manufacturer"
    return content if is_whole or model.medium == "lora" else content[2:]


@pytest.mark.parametrize("name", MODELS)
def test_it_says_the_readings_of_a_recorded_frame_in_the_same_bytes(name: str) -> None:
    examples = of_codec(registry().by_model(MODELS[name].driver)).examples
    same = [one.name for one in examples if reproduced(name, one)]
    assert bool(same) != (name in NOT_REPRODUCED)
