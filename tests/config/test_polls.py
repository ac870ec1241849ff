"""`poll`: what it takes, what it is refused for, and what becomes of it."""

from pathlib import Path

import pytest

from gateway import assembly
from gateway.clock import SystemClock
from gateway.codecs.workshop import Workshop
from gateway.config import InvalidConfigError, Settings, load
from gateway.errors import ConfigError
from gateway.registry import discover
from gateway.vitals import Vitals

REGISTRY = discover()
CLOCK = SystemClock()
WORKSHOP = Workshop(CLOCK, chance=lambda: 0.5, pulse=Vitals(CLOCK.boot_ns).pulse)
NS = 1_000_000_000
HEAD = """\
config_version: 1
gateway: {org: kiel, id: gw-1}
mqtt: {host: 127.0.0.1}
transports: [{kind: ble, adapter: hci1}, {kind: ble, adapter: hci0}]
devices:
"""
ADDRESS = "C4:7C:8D:00:00:01"
FLAGS = {(0x01, 0, b"\x04"), (0x01, 0, b"\x05"), (0x01, 0, b"\x06")}


def _load(tmp_path: Path, device: str) -> Settings:
    path = tmp_path / "gateway.yaml"
    path.write_text(f"{HEAD}  - {{{device}}}\n")
    names = REGISTRY.models()
    return load(path, drivers=names, pollers=REGISTRY.pollers(), environ={"KEY": "00" * 16})


@pytest.mark.parametrize(("every", "expected_s"), [("", 3600), (", every: 10min", 600)])
def test_a_device_is_polled_as_often_as_said_or_as_its_driver_has_it(
    tmp_path: Path, every: str, expected_s: int
) -> None:
    settings = _load(tmp_path, f'address: "{ADDRESS}", poll: {{driver: flower-care{every}}}')
    (poll,) = assembly.polls(settings, REGISTRY, "hci1").each
    assert (poll.address, poll.device) == (ADDRESS, "urn:dev:mac:c47c8dfffe000001")
    assert poll.every_ns == expected_s * NS
    (device,) = assembly.devices(settings, REGISTRY, WORKSHOP)
    assert device.poll is not None
    assert device.poll is REGISTRY.by_model("flower-care")
    assert device.poll.poll is poll.ask
    assert device.driver is None


def test_the_first_adapter_polls_and_no_other(tmp_path: Path) -> None:
    settings = _load(tmp_path, f'address: "{ADDRESS}", poll: {{driver: flower-care}}')
    assert assembly.polls(settings, REGISTRY, "hci0").each == ()


def test_a_passive_scan_also_finds_what_can_be_connected_to(tmp_path: Path) -> None:
    listed = f'address: "{ADDRESS}", driver: bthome-v2'
    alone = assembly.patterns(_load(tmp_path, listed), REGISTRY)
    polled = _load(tmp_path, f"{listed}, poll: {{driver: environmental-sensing}}")
    assert set(assembly.patterns(polled, REGISTRY)) == {*alone, *FLAGS}
    assert not FLAGS & set(alone)


@pytest.mark.parametrize(
    ("device", "said"),
    [
        ('address: "{}", poll: {{driver: flower-care, every: 9s}}', "must be from 10s to 31d"),
        ('address: "{}", poll: {{driver: flower-car}}', "did you mean 'flower-care'"),
        ('address: "{}", poll: {{driver: bthome-v2}}', "the driver bthome-v2 polls nothing"),
        ('address: "{}", poll: {{every: 10s}}', "driver"),
        (
            'address: "{}", key: env:KEY, poll: {{driver: flower-care}}',
            "a device with a key is not polled",
        ),
        (
            "address: lora:1, driver: cayenne-lpp, poll: {{driver: flower-care}}",
            "only Bluetooth LE devices can be connected to",
        ),
    ],
)
def test_what_cannot_be_polled_is_refused(tmp_path: Path, device: str, said: str) -> None:
    with pytest.raises(InvalidConfigError) as refused:
        _load(tmp_path, device.format(ADDRESS))
    text = "\n".join(str(finding) for finding in refused.value.findings)
    assert said in text, text


def test_a_driver_that_only_polls_is_refused_in_the_place_of_one_that_listens(
    tmp_path: Path,
) -> None:
    settings = _load(tmp_path, f'address: "{ADDRESS}", driver: flower-care')
    with pytest.raises(ConfigError, match="the driver flower-care polls: it belongs in poll"):
        list(assembly.devices(settings, REGISTRY, WORKSHOP))
