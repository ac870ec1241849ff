"""For the same frames the Pi and the ESP32 say the same: every example of every shared driver.

Each is played as frames through the Pi's real pipeline and through the ESP32's on the real
MicroPython, at the same times, named and found by what it sends, with a key and without. What
comes out is compared byte for byte: observations as they are sent, counters, reasons of refusals.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

import pytest

from gateway.conformance.examples import Sample, of_codec
from gateway.crypto import seal_ccm
from gateway.driver import LISTED_SERVICE, LOCAL_NAME, MANUFACTURER_DATA, LoadedDriver
from gateway.model import Structure
from tests.esp32.same import (
    ALL_BLE,
    BY_PATH,
    DRIVERS,
    INTAKE,
    Case,
    Outcome,
    on_the_esp32,
    on_the_pi,
    path_of,
)

# What an ESP32 does not read: LoRaWAN needs keys and counters of its own, drivers/host CPython.
LEFT_OUT = ("drivers/host: families", "LoRaWAN: uplinks, ports, vendors' codecs")
FOREIGN_KEY = "000102030405060708090a0b0c0d0e0f"
ADDRESS = "C0:FF:EE:00:00:01"


def _address(sample: Sample) -> str:
    return bytes.fromhex(sample.address).hex(":").upper() or ADDRESS


def _structures(driver: LoadedDriver, sample: Sample) -> list[Structure]:
    """Return an example as a device would advertise it."""
    payload = bytes.fromhex(sample.payload)
    identifier = getattr(sample, "identifier", None)
    name = getattr(sample, "local_name", "").encode()
    found: list[Structure] = [(LOCAL_NAME, 0, name)] if name else []
    if driver.payload == "manufacturer":
        listed = [one for one in driver.matches if one.ad_type == LISTED_SERVICE]
        found += [
            (LISTED_SERVICE, identifier, b"") for one in listed if one.identifier == identifier
        ]
        if len(payload) >= 2:
            company = int.from_bytes(payload[:2], "little")
            found.append((MANUFACTURER_DATA, company, payload[2:]))
        return found
    fitting = [one for one in driver.matches if identifier in (None, one.identifier)]
    starting = [one for one in fitting if payload.startswith(one.prefix)]
    match = (starting or fitting or list(driver.matches))[0]
    return [*found, (match.ad_type, match.identifier, payload)]


def _damaged(structures: list[Structure]) -> list[Structure]:
    if not structures:
        return structures
    *rest, (kind, identifier, data) = structures
    return [*rest, (kind, identifier, data[:-1] + bytes(((data or b" ")[-1] ^ 0x10,)))]


def _advertised(driver: LoadedDriver, sample: Sample) -> Iterator[Case]:
    address, structures = _address(sample), _structures(driver, sample)
    steps = [
        ["ble", address, -71, structures, 1_000],
        ["ble", address, -70, structures, 2_000],  # a repeat
        ["ble", address, -69, structures, 70_000],  # none any more
        ["ble", address, -68, _damaged(structures), 71_000],
        ["ble", "C0:FF:EE:00:00:99", -68, structures, 72_000],  # a stranger
    ]
    line = {"address": address, "urn": "urn:dev:mac:c0ffeefffe000001"}
    for chosen in ({"driver": path_of(driver)}, {"drivers": ALL_BLE}):
        yield {"devices": [{**line, **chosen}], "intake": INTAKE, "steps": steps}
    for key in {sample.key, FOREIGN_KEY} - {""}:
        keyed = {**line, "driver": path_of(driver), "key": key, "class": "event"}
        yield {"devices": [keyed], "intake": INTAKE, "steps": steps}


def _sent(driver: LoadedDriver, sample: Sample) -> Iterator[Case]:
    line = {"address": "lora:17", "urn": "ugw:kiel:bin-07", "driver": path_of(driver)}
    digits = sample.payload.upper().encode().hex()
    for payload, is_hex in ((sample.payload, False), (digits, True), (sample.payload, True)):
        steps = [
            ["lora", "lora:17", -99, payload, 1_000, -7.25],
            ["lora", "lora:17", -98, payload, 2_000, 9.75],
            ["lora", "lora:17", -97, payload, 61_000, 7],
            ["lora", "lora:18", -97, payload, 61_000, 7],
        ]
        yield {"devices": [{**line, "hex": is_hex}], "intake": INTAKE, "steps": steps}


def _polled(driver: LoadedDriver, sample: Sample) -> Iterator[Case]:
    line = {"address": _address(sample), "urn": "ugw:kiel:x", "poll": path_of(driver)}
    steps = [["poll", _address(sample), -71, sample.payload, at] for at in (1_000, 2_000)]
    yield {"devices": [line], "intake": INTAKE, "steps": steps}


def _in_a_row(driver: LoadedDriver) -> Iterator[Case]:
    """Yield all examples of a driver as if one device said them: counters jump, keys fail."""
    document = of_codec(driver)
    keys = {sample.key for sample in document.examples} | {""}
    steps = [
        ["ble", ADDRESS, -71, _structures(driver, sample), 1_000 + 7_000 * number]
        for number, sample in enumerate(document.examples)
    ]
    for key in sorted(keys):
        line = {"address": ADDRESS, "urn": "ugw:kiel:x", "driver": path_of(driver)}
        keyed = {**line, "key": key} if key else line
        yield {"devices": [keyed], "intake": INTAKE, "steps": steps}


def _cases() -> Iterator[tuple[str, Case]]:
    for driver in DRIVERS:
        document = of_codec(driver)
        play = _polled if driver.poll else _advertised if driver.matches else _sent
        samples: list[Sample] = [*document.examples, *document.refused]
        for sample in samples:
            for case in play(driver, sample):
                yield f"{driver.model}: {sample.name}", case
        if driver.matches:
            for case in _in_a_row(driver):
                yield f"{driver.model}: all", case


# -------------------------------------------------------------------------------- beside examples
KEY = "231d39c1d7cc1ab1aee224cd096db932"
SEALED = {
    "address": ADDRESS,
    "urn": "ugw:kiel:s",
    "driver": "ble.bthome_v2",
    "key": KEY,
    "class": "event",
}
PLAIN = {"address": ADDRESS, "urn": "ugw:kiel:p", "driver": "ble.bthome_v2"}


def _said(data: bytes) -> list[Structure]:
    return [(0x16, 0xFCD2, data)]


def _sealed(counter: int) -> bytes:
    """Encrypt BTHome objects as the device does."""
    count, info = counter.to_bytes(4, "little"), b"\x41"
    nonce = bytes.fromhex(ADDRESS.replace(":", "")) + b"\xd2\xfc" + info + count
    clear = bytes.fromhex("02ca0903bf13")
    box = seal_ccm(key=bytes.fromhex(KEY), nonce=nonce, clear=clear, tag_length=4)
    return info + box[:-4] + count + box[-4:]


def _counted(*counters: int | bool) -> Iterator[list[object]]:
    """Yield frames with these counters, a minute apart; a state: a restart, unclean or not."""
    for number, counter in enumerate(counters):
        if isinstance(counter, bool):
            yield ["restart", counter]
        else:
            yield ["ble", ADDRESS, -60, _said(_sealed(counter)), 61_000 * number]


def _thermometer(number: int, at_ms: int) -> list[object]:
    return ["ble", ADDRESS, -60, _said(bytes((0x40, 0x02, number & 0xFF, number >> 8))), at_ms]


def _beside() -> Iterator[tuple[str, Case]]:
    for counters in (
        (1000, 1000, 999, 1001),  # a repeat, a recording, the next
        (1000, 50, 51, 60, 1000, 1001, 1002),  # a restart is flagged until past the highest
        (1000, False, 1001, 1002),
        (1000, True, 1001, 1002),  # after an unclean end the first is flagged
        (1000, 50, True, 51, 999, False, 1000, 1001),
        (0, 1, 0),
    ):
        yield f"counters {counters}", _case(SEALED, list(_counted(*counters)))
    burst = [_thermometer(number, 125 * number) for number in range(30)]
    later = [_thermometer(100 + number, 10_000 + 750 * number) for number in range(40)]
    yield "rate", _case(PLAIN, burst + later)
    yield (
        "rate of forged frames",
        _case(
            {**SEALED, "key": FOREIGN_KEY},
            [["ble", ADDRESS, -60, _said(_sealed(n)), 10 * n] for n in range(30)],
        ),
    )
    levels = ("normal", "elevated", "critical", "full", "normal")
    for klass in ("routine", "event"):
        steps: list[list[object]] = []
        for number, level in enumerate(levels):
            steps.append(["level", level])
            at_ms = 1_000_000 * number
            steps += [_thermometer(7 * number + n, at_ms + 20_000 * n) for n in range(40)]
        yield f"thinning, {klass}", _case({**PLAIN, "class": klass}, steps)
    packets = [_said(bytes((0x40, 0x00, n, 0x02, n, 1))) for n in (1, 1, 2, 2, 1)]
    copies = [["ble", ADDRESS, -60 - n, p, 500 * n] for n, p in enumerate(packets * 3)]
    yield "copies", _case(PLAIN, copies)
    answers = [sample.payload for sample in of_codec(BY_PATH["ble.flower_care"]).examples]
    both = [
        _thermometer(1, 1_000),
        _thermometer(1, 2_000),
        *[["poll", ADDRESS, -60, answer, 3_000] for answer in (*answers, "00")],
        _thermometer(1, 4_000),
        _thermometer(2, 5_000),
    ]
    yield "polls between", _case({**PLAIN, "poll": "ble.flower_care"}, both)
    unwindowed = {"repeat_window_ms": 0, "burst": 3, "per_minute": 600}
    yield "no window", {**_case(PLAIN, copies), "intake": unwindowed}
    yield from _mixed()


def _mixed() -> Iterator[tuple[str, Case]]:
    """Yield advertisements of several structures each: who reads them, and which."""
    chance = random.Random(5)  # noqa: S311 - the same each time, nothing secret
    pool = [
        structure
        for driver in DRIVERS
        if driver.matches
        for sample in of_codec(driver).examples[:4]
        for structure in _structures(driver, sample)
    ]
    pool += [(0xFF, 0x004C, bytes.fromhex("0215") + bytes(21)), (LOCAL_NAME, 0, b"nobody")]
    for number in range(300):
        heard = [chance.sample(pool, chance.randint(1, 4)) for _ in range(2)]
        # Of one AD type in a row: the ESP32 takes others beside them for a scan response.
        heard[1] = [*heard[0][:-1], (*heard[0][-1][:2], heard[0][-1][2][::-1])]
        steps = [["ble", ADDRESS, -60, said, 1_000 + 1_000 * n] for n, said in enumerate(heard)]
        driver = chance.choice([driver for driver in DRIVERS if driver.matches])
        for chosen in ({"driver": path_of(driver)}, {"drivers": ALL_BLE}):
            line = {"address": ADDRESS, "urn": "ugw:kiel:x", **chosen}
            yield f"mixed {number}", _case(line, steps)


def _case(line: Mapping[str, object], steps: Sequence[Sequence[object]]) -> Case:
    return {"devices": [line], "intake": INTAKE, "steps": steps}


CASES = [*_cases(), *_beside()]


@pytest.mark.parametrize("kind", ["32", "float32"])
def test_the_esp32_says_what_the_pi_says(kind: str, tmp_path: Path) -> None:
    # Debian's interpreter has AES, the one with floats of 32 bits, built here, has not.
    played = [at for at, (_, case) in enumerate(CASES) if kind == "32" or not _has_key(case)]
    outcomes = on_the_esp32(kind, [CASES[at][1] for at in played], tmp_path)
    for at, outcome in zip(played, outcomes, strict=True):
        assert outcome == _expected(at), CASES[at]


@cache
def _expected(at: int) -> Outcome:
    return on_the_pi(CASES[at][1])


def _has_key(case: Case) -> bool:
    return any("key" in line for line in case["devices"])


def test_every_shared_driver_is_played() -> None:
    played = {name.split(":", maxsplit=1)[0] for name, _ in CASES}
    assert played >= {driver.model for driver in DRIVERS}
