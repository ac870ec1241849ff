"""The suite finds what it is there for: each defect planted here is found by its check.

The drivers are those that `ugw drivers new` writes, which keep every promise as they are.
"""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from gateway.conformance import suite, template
from gateway.conformance.checks import Finding, Outcome
from gateway.conformance.portable import micropython
from gateway.crypto import seal_ccm
from gateway.registry import Registry, discover

Edit = Callable[[dict[str, Any]], object]

LENGTH = "    if len(payload) != 6:"
BEFORE_THE_FIELDS = "    readings: list"
REMEMBERS = """\
    seen = decode.__dict__.setdefault("seen", set())
    if payload in seen:
        return []
    seen.add(payload)
"""
# Of all frames only its first example, for each of the others would take as long in every check.
SLOW_WITH_ONE = r"""
    if payload == b"\x01\x08\x56\x6d\x0b\xb8":
        sum(range(2_000_000))
"""


def made(folder: Path, kind: str) -> Path:
    """Write a driver of a kind."""
    return template.write("acme-x1", kind, folder)[0]


def changed(file: Path, old: str, new: str) -> None:
    """Change a file in one place."""
    text = file.read_text("utf-8")
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {file}"
    file.write_text(text.replace(old, new), "utf-8")


def edited(file: Path, edit: Edit) -> None:
    """Change the examples beside a driver."""
    path = file.with_suffix(".json")
    document = json.loads(path.read_text("utf-8"))
    edit(document)
    path.write_text(json.dumps(document), "utf-8")


def loaded(folder: Path) -> Registry:
    """Load the drivers of a folder beside the built-in ones."""
    registry = discover(folder)
    assert registry.quarantined == []
    return registry


def failed(outcomes: Iterable[Outcome]) -> dict[str, tuple[Finding, ...]]:
    """Return what was found, by check."""
    return {outcome.check: outcome.findings for outcome in outcomes if not outcome.is_good}


def examined(folder: Path) -> dict[str, tuple[Finding, ...]]:
    """Return what the suite finds in the driver of a folder."""
    return failed(suite.outcomes("acme-x1", loaded(folder)))


@pytest.mark.parametrize("kind", template.KINDS)
def test_what_a_driver_begins_with_keeps_every_promise(kind: str, tmp_path: Path) -> None:
    made(tmp_path, kind)
    outcomes = list(suite.outcomes("acme-x1", loaded(tmp_path)))
    assert failed(outcomes) == {}
    assert len(outcomes) == len(suite.checks("acme-x1", loaded(tmp_path)))


# ------------------------------------------------------------------------------- in the examples
@pytest.mark.parametrize(
    ("check", "edit"),
    [
        ("documented", lambda d: d.update(source=" ")),
        ("documented", lambda d: d.update(examples=[])),
        ("documented", lambda d: d.update(refused=[])),
        ("documented", lambda d: d.update(model="acme-x2")),
        ("documented", lambda d: d["examples"][0].update(mistyped=1)),
        ("examples", lambda d: d["examples"][0]["readings"][0].__setitem__(1, "21.35")),
        ("examples", lambda d: d["examples"][0]["readings"][0].__setitem__(1, "21.340")),
        ("examples", lambda d: d["examples"][0]["readings"].pop()),
        ("examples", lambda d: d["examples"][0].update(counter=1)),
        ("examples", lambda d: d["examples"][0].update(payload="02")),
        ("refusals", lambda d: d["refused"][0].update(reason="bad_type")),
        ("refusals", lambda d: d["refused"][0].update(payload="0108566d0bb8")),
    ],
)
def test_examples_that_do_not_hold_are_found(check: str, edit: Edit, tmp_path: Path) -> None:
    edited(made(tmp_path, "ble"), edit)
    assert check in examined(tmp_path)


def test_a_driver_without_examples_is_told_so_and_nothing_more(tmp_path: Path) -> None:
    made(tmp_path, "ble").with_suffix(".json").unlink()
    [outcome] = suite.outcomes("acme-x1", loaded(tmp_path))
    assert outcome.check == "documented"
    assert "acme_x1.json" in outcome.findings[0].what


# --------------------------------------------------------------------------------- in a codec
@pytest.mark.parametrize(
    ("check", "old", "new"),
    [
        # An index past the end is an IndexError, of bytes that are read without gateway.core.
        ("damage", "if len(payload) != 6:", "if len(payload) > 6:"),
        ("noise", "    if len(payload) != 6:", "    len(payload) < 99 or 1 / 0\n" + LENGTH),
        ("damage", "DecodeError(BAD_TYPE)", 'DecodeError("a reason of its own")'),
        ("damage", "raw = read(payload, offset)", "raw = read(payload, offset) / 1"),
        ("vocabulary", '("battery_voltage",', '("volts",'),
        ("vocabulary", '("relative_humidity",', '("air_temperature",'),
        ("vocabulary", '("relative_humidity",', '("motion",'),
        ("vocabulary", 'scale, ""))', 'scale, "Channel_1"))'),
        ("stateless", BEFORE_THE_FIELDS, REMEMBERS + BEFORE_THE_FIELDS),
        ("quick", BEFORE_THE_FIELDS, SLOW_WITH_ONE + BEFORE_THE_FIELDS),
        ("claims", '"manufacturer_id": 0xFFFF', '"service_uuid": 0xFCD2'),
        ("claims", r'"prefix": b"\x01"', r'"prefix": b"\x02"'),
        ("claims", r', "prefix": b"\x01"', r', "prefix": b"\x01\x08"'),
        (
            "compiles",
            BEFORE_THE_FIELDS,
            "    match payload:\n        case _: pass\n" + BEFORE_THE_FIELDS,
        ),
        ("micropython", BEFORE_THE_FIELDS, "    payload.removeprefix(b'')\n" + BEFORE_THE_FIELDS),
    ],
)
def test_a_defect_of_a_codec_is_found(check: str, old: str, new: str, tmp_path: Path) -> None:
    changed(made(tmp_path, "ble"), old, new)
    if check == "micropython" and micropython() is None:
        pytest.skip("no MicroPython here: run tools/micropython, or name one in UGW_MICROPYTHON")
    assert check in examined(tmp_path)


# ---------------------------------------------------------------------------------- encryption
KEY = bytes(range(16))
SEALED = r'''"""Sealed: 02 FF CCCCCCCC, then what is encrypted, with a tag of 4 bytes."""

from gateway.core.context import Context
from gateway.core.fields import i16be, take, u8, u32be
from gateway.core.refusal import BAD_LENGTH, NO_KEY, DecodeError

API, MODEL, STRENGTH = 1, "acme-x1", 3
MATCH = {"manufacturer_id": 0xFFFF, "prefix": b"\x02"}


def sealed(payload, context):
    counter = u32be(payload, 2)
    nonce = context.address + take(payload, 2, 4) + b"\x00\x00\x00"
    return nonce, payload[6:], 4, take(payload, 0, 2), counter


def decode(payload, context):
    clear = context.opened
    if clear is None:
        raise DecodeError(NO_KEY)
    if len(clear) != 2:
        raise DecodeError(BAD_LENGTH)
    return [("air_temperature", i16be(clear, 0) + u8(payload, 1), 1, "")]
'''


def a_sealed_driver(folder: Path) -> Path:
    """Write a driver of encrypted frames, with one of them."""
    file = folder / "acme_x1.py"
    file.write_text(SEALED)
    address, head, counter = bytes(range(6)), b"\x02\x00", b"\x00\x00\x00\x07"
    ciphertext = seal_ccm(
        key=KEY,
        nonce=address + counter + bytes(3),
        clear=b"\x00\xd5",
        tag_length=4,
        associated_data=head,
    )
    frame = (head + counter + ciphertext).hex()
    example = {
        "name": "21.3 Cel",
        "payload": frame,
        "address": address.hex(),
        "key": KEY.hex(),
        "counter": 7,
        "readings": [["air_temperature", "21.3"]],
    }
    refused = [{"name": "no key", "payload": frame, "reason": "no_key"}]
    document = {"model": "acme-x1", "source": "made", "examples": [example], "refused": refused}
    file.with_suffix(".json").write_text(json.dumps(document))
    return file


def test_a_driver_of_encrypted_frames_keeps_every_promise(tmp_path: Path) -> None:
    a_sealed_driver(tmp_path)
    assert examined(tmp_path) == {}


@pytest.mark.parametrize(
    ("check", "old", "new"),
    [
        # The byte after the first is no longer authenticated, and still part of the value.
        ("sealed", "take(payload, 0, 2), counter", r'b"\x02\x00", counter'),
        ("clear-text", "if len(clear) != 2:", "if clear[1] and len(clear) > 2:"),
    ],
)
def test_a_defect_of_a_driver_of_encrypted_frames_is_found(
    check: str, old: str, new: str, tmp_path: Path
) -> None:
    changed(a_sealed_driver(tmp_path), old, new)
    assert check in examined(tmp_path)


# --------------------------------------------------------------------------------- polls, modems
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("yield gatt.read(_SERVICE, _VALUES)", "yield gatt.read(_SERVICE, _ORDER)"),
        ("yield gatt.write(_SERVICE, _ORDER, b", "yield gatt.write(_SERVICE, _ORDER, b'x' + b"),
        ("return values or b", "return values and b"),
        ("return values or b", "return values[:99] or b"),
        (
            "    values = yield",
            "    while True: yield gatt.read(_SERVICE, _VALUES)\n    values = yield",
        ),
        ("    return values", "    yield gatt.read(_SERVICE, _VALUES)\n    return values"),
    ],
)
def test_a_defect_of_a_polled_driver_is_found(old: str, new: str, tmp_path: Path) -> None:
    changed(made(tmp_path, "polled"), old, new)
    assert "poll" in examined(tmp_path)


@pytest.mark.parametrize(
    ("check", "old", "new"),
    [
        ("examples", "(-40, 40)", "(0, 40)"),
        ("cuts", "self._lines.feed(data)]", 'self._lines.feed(data + b"\\n")]'),
        ("noise", "start = line.rfind(_START)", "start = line.find(_START, 0, 4)"),
        ("damage", "_START in self._lines.abandon()", "self._lines.abandon()[0] > 9"),
        ("bounded", "_LONGEST = 600", "_LONGEST = 600_000"),
        ("any-bytes", "if len(fields) != 4:", "if len(fields) < 3:"),
        ("probe", 'return (b"AT\\r\\n", "OK")', "return None"),
        ("probe", "        self.answer = None\n", "        self.answer = ''\n"),
        (
            "chores",
            "        return []\n\n    def send",
            "        return [self.probe()]\n\n    def send",
        ),
        ("setup", "commands = [self.probe()]", "commands = [(b'', settings['x'])]"),
        (
            "compiles",
            "        self.answer = None\n",
            "        match 1:\n            case _: pass\n",
        ),
    ],
)
def test_a_defect_of_a_modem_driver_is_found(
    check: str, old: str, new: str, tmp_path: Path
) -> None:
    changed(made(tmp_path, "modem"), old, new)
    assert check in examined(tmp_path)
