"""Polled drivers: what they ask for is what they read, and one of the user's ends no agent."""

from pathlib import Path
from types import ModuleType

import msgspec
import pytest

from gateway.core import gatt, refusal
from gateway.core.context import Context
from gateway.core.refusal import DecodeError
from gateway.driver import LoadedDriver, Request
from gateway.registry import Registry, discover

REGISTRY = discover()
POLLED = [driver for name in REGISTRY.models() if (driver := REGISTRY.by_model(name)).poll]
_SHORT_UUID = 2


class Example(msgspec.Struct):
    """What one poll read."""

    payload: str
    readings: list[object]


class Examples(msgspec.Struct):
    """The file beside a driver."""

    examples: list[Example]


def _examples(driver: LoadedDriver) -> list[bytes]:
    text = Path(driver.file).with_suffix(".json").read_bytes()
    found = msgspec.json.decode(text, type=Examples).examples
    return [bytes.fromhex(example.payload) for example in found]


def _values(payload: bytes) -> dict[str, list[bytes]]:
    """Take a payload apart, by UUID: a device that has just this."""
    values: dict[str, list[bytes]] = {}
    while payload:
        size = payload[0]
        assert size == _SHORT_UUID
        uuid = gatt.uuid(int.from_bytes(payload[1:3]))
        value, payload = payload[4 : 4 + payload[3]], payload[4 + payload[3] :]
        values.setdefault(uuid, []).append(value)
    return values


def _polled(driver: LoadedDriver, values: dict[str, list[bytes]]) -> tuple[bytes, list[Request]]:
    """Poll a device; return the payload, and what was asked."""
    assert driver.poll is not None
    requests = driver.poll(Context(bytes(6)))
    asked: list[Request] = []
    answer: bytes | None = None
    while True:
        try:
            what, service, uuid, data, number = requests.send(answer)
        except StopIteration as end:
            payload: bytes = end.value
            return payload, asked
        asked.append((what, service, uuid, data, number))
        alike = values.get(uuid, [])
        answer = alike[number] if what == gatt.READ and number < len(alike) else None


def test_there_are_some() -> None:
    assert {driver.model for driver in POLLED} >= {"environmental-sensing", "flower-care"}


@pytest.mark.parametrize("driver", POLLED, ids=lambda driver: driver.model)
def test_a_poll_of_a_device_that_has_an_example_reads_the_example(driver: LoadedDriver) -> None:
    for payload in _examples(driver):
        found, asked = _polled(driver, _values(payload))
        assert sorted(_values(found).items()) == sorted(_values(payload).items())
        assert found == payload or len(_values(payload)) > 1  # the table's order, not the file's
        assert len(asked) < 100


def test_a_flower_care_is_told_to_measure_before_it_is_read() -> None:
    _, asked = _polled(REGISTRY.by_model("flower-care"), {})
    assert asked[0] == (gatt.WRITE, gatt.uuid(0x1204), gatt.uuid(0x1A00), b"\xa0\x1f", 0)
    assert {request[0] for request in asked[1:]} == {gatt.READ}


# --------------------------------------------------------------------------------------- foreign
def _foreign(source: str) -> LoadedDriver:
    module = ModuleType("mine")
    module.__file__ = "/mine.py"
    common = 'API = 1\nMODEL = "mine"\nMATCH = {}\nSTRENGTH = 0\nINTERVAL_S = 60\n'
    decode = "def decode(payload, context):\n    return []\n"
    exec(common + decode + source, vars(module))  # noqa: S102 - what a user's file does
    registry = Registry()
    registry.add(module, foreign=True)
    return registry.by_model("mine")


def test_a_driver_of_the_user_polls_like_any_other() -> None:
    driver = _foreign(
        "from gateway.core import gatt\n"
        "def poll(context):\n"
        "    one = yield gatt.read('s', 'c')\n"
        "    two = yield gatt.read('s', 'd', 1)\n"
        "    return one + two\n"
    )
    payload, asked = _polled(driver, {"c": [b"1"], "d": [b"no", b"2"]})
    assert payload == b"12"
    assert [request[2:] for request in asked] == [("c", b"", 0), ("d", b"", 1)]


@pytest.mark.parametrize(
    "body",
    [
        "    raise KeyError\n    yield",
        "    yield (0, 's', 'c', b'', 0)\n    raise KeyError",
        "    yield 'read everything'",
        "    yield (0, 's', 'c', b'')",
        "    yield (0, 's', 'c', b'', 0)\n    return 'text'",
        "    return 5",
    ],
)
def test_what_no_driver_may_do_is_a_refusal(body: str) -> None:
    driver = _foreign(f"def poll(context):\n{body}\n")
    with pytest.raises(DecodeError, match=refusal.DRIVER_FAULT):
        _polled(driver, {})


def test_a_driver_may_refuse_while_it_asks() -> None:
    driver = _foreign(
        "from gateway.core.refusal import BAD_VERSION, DecodeError\n"
        "def poll(context):\n"
        "    yield (0, 's', 'c', b'', 0)\n"
        "    raise DecodeError(BAD_VERSION)\n"
    )
    with pytest.raises(DecodeError, match=refusal.BAD_VERSION):
        _polled(driver, {})
