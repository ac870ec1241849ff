"""Drivers are found by what they match; the user's win; a broken one costs nobody else a thing."""

import logging
import sys
import timeit
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest

from gateway.core import refusal
from gateway.core.context import Context
from gateway.core.refusal import DecodeError
from gateway.driver import InterfaceError, Modem
from gateway.errors import DriverError
from gateway.model import Structure
from gateway.registry import Registry, discover

MANUFACTURER, SERVICE = 0xFF, 0x16
RUUVI, BTHOME = 0x0499, 0xFCD2

DRIVER = '''"""A driver of the user: API, MODEL, MATCH, STRENGTH and def decode( stand below."""
API = 1
MODEL = "{model}"
MATCH = {match}
STRENGTH = {strength}


def decode(payload, context):
    return [("co2", len(payload), 0, "")]
'''
MODEM = '''"""A modem of the user."""
API = 1
MODEL = "{model}"
BAUD = 9600
SETTINGS = ("address",)


class Modem:
    pass
'''


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of the user's drivers."""
    return tmp_path


def write(folder: Path, name: str, text: str) -> Path:
    """Put a driver's file into the folder."""
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def driver(model: str, match: str = "{}", strength: int = 1) -> str:
    """Return a driver's text."""
    return DRIVER.format(model=model, match=match, strength=strength)


def module(name: str, **attributes: object) -> ModuleType:
    """Return a module as an import would, in order but for `attributes`; None: it has none."""
    made = ModuleType(name)
    made.__file__ = f"{name}.py"
    defaults = {
        "API": 1,
        "MODEL": name,
        "MATCH": {"manufacturer_id": RUUVI, "prefix": b"\x05"},
        "STRENGTH": 1,
        "decode": lambda _payload, _context: [],
    }
    for key, value in {**defaults, **attributes}.items():
        if value is not None:
            setattr(made, key, value)
    return made


def reasons(registry: Registry) -> list[str]:
    """Return why drivers are set aside."""
    return [quarantined.reason for quarantined in registry.quarantined]


def model_of(registry: Registry, *structure: object) -> str | None:
    """Return the MODEL of the driver found for a structure."""
    found = registry.for_structure(*structure)  # type: ignore[arg-type]  # as a transport has it
    return found.model if found is not None else None


# --------------------------------------------------------------------------------------- recognise
def test_the_built_in_drivers_are_all_there() -> None:
    registry = discover()
    assert {"bthome-v2", "cayenne-lpp", "ruuvi-rawv2"} <= set(registry.models())
    assert "reyax-rylr998" in registry.modems()
    assert registry.quarantined == []


def test_a_structure_is_recognised_by_its_beginning() -> None:
    registry = discover()
    assert model_of(registry, MANUFACTURER, RUUVI, b"\x05...") == "ruuvi-rawv2"
    assert model_of(registry, SERVICE, BTHOME, b"") == "bthome-v2"
    for strange in (
        (MANUFACTURER, RUUVI, b"\x77..."),
        (MANUFACTURER, RUUVI, b""),
        (MANUFACTURER, BTHOME, b"@"),
        (SERVICE, RUUVI, b"\x05"),
        (0x09, 0, b"Ruuvi"),
    ):
        assert registry.for_structure(*strange) is None


def test_of_several_the_longest_prefix_reads_it() -> None:
    registry = Registry()
    registry.add(module("two", MATCH={"manufacturer_id": RUUVI, "prefix": b"\x05\x01"}))
    registry.add(module("none", MATCH={"manufacturer_id": RUUVI}))
    registry.add(module("one", MATCH={"manufacturer_id": RUUVI, "prefix": b"\x05"}))
    for data, model in ((b"\x05\x01\x02", "two"), (b"\x05\x02", "one"), (b"\x05", "one")):
        assert model_of(registry, MANUFACTURER, RUUVI, data) == model
    assert model_of(registry, MANUFACTURER, RUUVI, b"\x06") == "none"
    assert model_of(registry, MANUFACTURER, RUUVI, b"") == "none"


def test_a_weak_driver_is_chosen_by_its_name_alone() -> None:
    registry = Registry()
    registry.add(module("weak", STRENGTH=0))
    weak = registry.by_model("weak")
    assert registry.for_structure(MANUFACTURER, RUUVI, b"\x05") is None
    assert weak.claims((MANUFACTURER, RUUVI, b"\x05"))
    assert not weak.claims((MANUFACTURER, RUUVI, b"\x06"))
    assert not weak.claims((SERVICE, RUUVI, b"\x05"))


def test_a_driver_without_a_match_claims_nothing() -> None:
    codec = discover().by_model("cayenne-lpp")
    assert codec.matches == ()
    assert not codec.claims((MANUFACTURER, RUUVI, b"\x05"))
    assert not codec.claims((0, 0, b""))


def test_two_weak_drivers_may_match_the_same() -> None:
    registry = Registry()
    registry.add(module("a", STRENGTH=0))
    registry.add(module("b", STRENGTH=0))
    assert registry.models() == ("a", "b")


def values(
    registry: Registry, *structures: Structure, before: tuple[Structure, ...] = ()
) -> object:
    """Return who reads an advertisement that carries structures, and what of it."""
    found, payload = registry.recognise(structures, None, before)
    return (found.model, payload) if found is not None else None


IBEACON = (MANUFACTURER, 0x004C, b"\x02\x15" + bytes(21))
MAKER = {"MATCH": {"local_name": b"Acme"}, "PAYLOAD": "manufacturer"}
NAMED = (0x09, 0, b"Acme X1")


def test_a_name_comes_before_a_beacon_that_is_sent_beside_the_values() -> None:
    registry = Registry()
    registry.add(module("beacon", MATCH={"manufacturer_id": 0x004C, "prefix": b"\x02\x15"}))
    registry.add(module("acme", **MAKER))
    as_bleak_has_it = ((MANUFACTURER, 0x0001, b"abc"), IBEACON, NAMED)
    assert values(registry, *as_bleak_has_it) == ("acme", b"\x01\x00abc")
    again = values(registry, *as_bleak_has_it, before=as_bleak_has_it)
    assert again == ("acme", b"\x01\x00abc"), "the beacon is not taken for the fresh values"
    assert values(registry, IBEACON) == ("beacon", IBEACON[2])


def test_of_values_in_the_company_id_the_fresh_one_is_read() -> None:
    registry = Registry()
    registry.add(module("acme", **MAKER))
    old, new = (MANUFACTURER, 0x0102, b"x"), (MANUFACTURER, 0x0103, b"x")
    assert values(registry, old, NAMED) == ("acme", b"\x02\x01x")
    assert values(registry, new, old, NAMED, before=(old, NAMED)) == ("acme", b"\x03\x01x")
    assert values(registry, NAMED) is None, "a name, and nothing of its maker's"


def test_of_two_structures_of_one_type_the_first_is_read() -> None:
    registry = Registry()
    registry.add(module("a", MATCH={"manufacturer_id": 1}))
    registry.add(module("b", MATCH={"manufacturer_id": 2}))
    a, b = (MANUFACTURER, 1, b"x"), (MANUFACTURER, 2, b"y")
    assert values(registry, a, b) == ("a", b"x")
    assert values(registry, b, a) == ("b", b"y")


def test_two_built_in_drivers_cannot_take_each_others_place() -> None:
    registry = Registry()
    registry.add(module("a"))
    for rival in (module("b"), module("a", MATCH={})):
        with pytest.raises(InterfaceError, match=r"the same as in a\.py"):
            registry.add(rival)
    assert model_of(registry, MANUFACTURER, RUUVI, b"\x05") == "a"
    assert registry.models() == ("a",)


def test_a_name_nobody_has_is_refused_with_those_there_are() -> None:
    registry = discover()
    with pytest.raises(DriverError, match="'ruvi'") as caught:
        registry.by_model("ruvi")
    assert "ruuvi-rawv2" in caught.value.remedy
    with pytest.raises(DriverError, match="'rylr'") as caught:
        registry.modem("rylr")
    assert "reyax-rylr998" in caught.value.remedy


def test_a_modem_says_what_the_transport_needs() -> None:
    loaded = discover().modem("reyax-rylr998")
    assert loaded.baud == 115200
    assert "band_hz" in loaded.settings
    modem: Modem = loaded.connect()
    assert modem.answer == ""
    assert loaded.connect() is not modem


def test_an_unknown_structure_costs_a_look_into_a_table() -> None:
    """2 us are promised, ten times that is the guard; 300 drivers, so that none is searched."""
    registry = Registry()
    for number in range(300):
        match = {"manufacturer_id": number, "prefix": b"\x01"}
        registry.add(module(f"d{number}", MATCH=match))
    rounds = 2000
    for structure in ((MANUFACTURER, 0xFFFE, b"\x01"), (MANUFACTURER, 150, b"\x02")):
        look = partial(registry.for_structure, *structure)
        spent = min(timeit.repeat(look, number=rounds, repeat=5))
        assert spent / rounds < 20e-6


# ------------------------------------------------------------------------------------ passive scan
def test_patterns_are_what_is_on_the_air() -> None:
    registry = Registry()
    long = 0x0000FEAA_1234_1000_8000_00805F9B34FB
    registry.add(module("a"))
    registry.add(module("b", MATCH={"service_uuid": BTHOME}))
    registry.add(module("c", MATCH={"service_uuid": 0x12345678, "prefix": b"\x01"}))
    registry.add(module("d", MATCH={"service_uuid": long}))
    registry.add(module("e", MATCH={}))
    assert registry.patterns() == (
        (0x16, 0, bytes.fromhex("d2fc")),
        (0x20, 0, bytes.fromhex("78563412 01")),
        (0x21, 0, bytes.fromhex("fb349b5f8000008000103412aafe0000")),
        (0xFF, 0, bytes.fromhex("9904 05")),
    )


def test_a_weak_driver_is_scanned_for_when_it_is_named() -> None:
    registry = Registry()
    registry.add(module("weak", STRENGTH=0))
    assert registry.patterns() == ()
    named = [registry.by_model("weak")]
    assert registry.patterns(named) == ((0xFF, 0, bytes.fromhex("990405")),)


# ----------------------------------------------------------------------------------- foreign ones
def test_a_driver_in_the_folder_is_used(folder: Path) -> None:
    write(folder, "acme.py", driver("acme", '{"manufacturer_id": 0x1234}'))
    write(folder, "_draft.py", "this is no Python")
    write(folder, "notes.txt", "neither is this")
    registry = discover(folder)
    found = registry.for_structure(MANUFACTURER, 0x1234, b"abc")
    assert found is not None
    assert found.foreign
    assert found.decode(b"abc", Context()) == [("co2", 3, 0, "")]
    assert registry.quarantined == []


def test_a_modem_in_the_folder_is_used(folder: Path) -> None:
    write(folder, "own.py", MODEM.format(model="own"))
    assert discover(folder).modem("own").baud == 9600


def test_a_driver_of_an_installed_package_is_used(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder, "acme_x1.py", driver("acme-x1", '{"manufacturer_id": 0x1234}'))
    info = folder / "acme-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1\n")
    points = "[gateway.drivers]\nx1 = acme_x1\nx2 = acme_x1:decode\nx3 = acme_x3\n"
    (info / "entry_points.txt").write_text(points)
    monkeypatch.syspath_prepend(folder)
    registry = discover()
    monkeypatch.delitem(sys.modules, "acme_x1")
    assert registry.by_model("acme-x1").foreign
    assert [(q.name, q.reason.split("(")[0]) for q in registry.quarantined] == [
        ("x2", "API: None, but this version knows 1"),
        ("x3", "ModuleNotFoundError"),
    ]


def test_the_users_driver_wins_over_a_built_in_of_that_model_and_says_so(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = write(folder, "own.py", driver("ruuvi-rawv2", '{"manufacturer_id": 0x1234}'))
    with caplog.at_level(logging.WARNING):
        registry = discover(folder)
    assert registry.by_model("ruuvi-rawv2").file == str(file)
    assert model_of(registry, MANUFACTURER, 0x1234, b"") == "ruuvi-rawv2"
    assert model_of(registry, MANUFACTURER, RUUVI, b"\x05") is None
    assert str(file) in caplog.text
    assert "ruuvi_rawv2.py" in caplog.text


def test_the_users_driver_wins_over_a_built_in_of_that_match_and_says_so(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(folder, "own.py", driver("own", '{"manufacturer_id": 0x0499, "prefix": b"\\x05"}'))
    with caplog.at_level(logging.WARNING):
        registry = discover(folder)
    assert model_of(registry, MANUFACTURER, RUUVI, b"\x05") == "own"
    assert not registry.by_model("ruuvi-rawv2").foreign
    assert "ruuvi_rawv2.py" in caplog.text


def test_the_users_modem_wins_over_a_built_in(folder: Path) -> None:
    write(folder, "own.py", MODEM.format(model="reyax-rylr998"))
    assert discover(folder).modem("reyax-rylr998").foreign


def test_of_two_drivers_of_the_user_the_first_stays(folder: Path) -> None:
    write(folder, "a.py", driver("acme", '{"manufacturer_id": 1}'))
    write(folder, "b.py", driver("acme", '{"manufacturer_id": 2}'))
    write(folder, "c.py", driver("other", '{"manufacturer_id": 1}'))
    registry = discover(folder)
    assert model_of(registry, MANUFACTURER, 1, b"") == "acme"
    assert registry.for_structure(MANUFACTURER, 2, b"") is None
    first = folder / "a.py"
    assert [(q.name, q.line, q.reason) for q in registry.quarantined] == [
        ("b", 3, f"MODEL: the same as in {first}"),
        ("c", 4, f"MATCH: the same as in {first}"),
    ]


def test_a_folder_that_is_not_there_holds_no_drivers(folder: Path) -> None:
    assert discover(folder / "none").quarantined == []


def test_a_file_that_everybody_may_write_to_is_not_run(folder: Path) -> None:
    file = write(folder, "ours.py", driver("ours"))
    file.chmod(0o646)
    [quarantined] = discover(folder).quarantined
    assert quarantined.file == str(file)
    assert "chmod o-w" in quarantined.reason
    file.chmod(0o644)
    assert discover(folder).quarantined == []


# -------------------------------------------------------------------------------------- quarantine
BROKEN = {
    "no Python": ("API = 1\nMODEL = = 2\n", 2, "SyntaxError"),
    "imports what is not there": ("API = 1\n\nimport not_there_at_all\n", 3, "ModuleNotFound"),
    "raises": ("API = 1\nvalue = 1 / 0\n", 2, "ZeroDivisionError"),
    "ends the program": ("import sys\nsys.exit(3)\n", 2, "SystemExit"),
    "another version": (driver("x").replace("API = 1", "API = 2"), 2, "API: 2"),
    "no version": (driver("x").replace("API = 1", ""), 1, "API: None"),
    "capitals": (driver("X 1"), 3, "MODEL: 'X 1'"),
    "a match of no kind": (driver("x", '{"company": 1}'), 4, "MATCH: "),
    "no decode": (driver("x").replace("decode", "decipher"), 1, "decode: "),
    "too strong": (driver("x", strength=4), 5, "STRENGTH: 4"),
    "a modem without a baud rate": (MODEM.format(model="x").replace("BAUD", "B"), 1, "BAUD: None"),
    "a modem without settings": (
        MODEM.format(model="x").replace('("address",)', '"address"'),
        5,
        "SETTINGS: ",
    ),
}


@pytest.mark.parametrize(("text", "line", "reason"), BROKEN.values(), ids=list(BROKEN))
def test_a_broken_driver_is_set_aside_with_file_line_and_reason(
    folder: Path, caplog: pytest.LogCaptureFixture, text: str, line: int, reason: str
) -> None:
    write(folder, "acme.py", driver("acme"))
    file = write(folder, "broken.py", text)
    registry = discover(folder)
    [quarantined] = registry.quarantined
    assert (quarantined.name, quarantined.file, quarantined.line) == ("broken", str(file), line)
    assert quarantined.reason.startswith(reason)
    assert f"{file}:{line}" in caplog.text
    assert {"acme", "ruuvi-rawv2"} <= set(registry.models())


@pytest.mark.parametrize(
    "match",
    [
        None,
        [],
        {"manufacturer_id": 0x10000},
        {"manufacturer_id": -1},
        {"manufacturer_id": "0x0499"},
        {"manufacturer_id": 1, "service_uuid": 1},
        {"manufacturer_id": 1, "prefix": "5"},
        {"manufacturer_id": 1, "name": "x"},
        {"prefix": b"\x05"},
        {"service_uuid": 1 << 128},
    ],
    ids=str,
)
def test_a_match_of_another_form_is_refused(match: object) -> None:
    with pytest.raises(InterfaceError, match=r"^MATCH: "):
        Registry().add(module("x", MATCH=match))


@pytest.mark.parametrize("name", ["decode", "sealed", "packet_counter"])
def test_what_is_called_must_be_callable(name: str) -> None:
    with pytest.raises(InterfaceError, match=rf"^{name}: "):
        Registry().add(module("x", **{name: 5}))


def test_a_fault_in_a_foreign_driver_is_a_refusal_and_told_once(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = driver("ours").replace("return [", "return payload[99] or [")
    write(folder, "ours.py", text)
    loaded = discover(folder).by_model("ours")
    for _ in range(3):
        with pytest.raises(DecodeError, match=refusal.DRIVER_FAULT):
            loaded.decode(b"short", Context())
    (told,) = caplog.messages
    assert "ours.py:9: IndexError" in told


@pytest.mark.parametrize(
    "readings",
    [
        None,
        [("co2", 417)],
        [("co2", 417.5, 0, "")],
        [("co2", 417, 0.5, "")],
        [("co2", b"417", 0, "")],
        [("co2", 417, 10**9, "")],
        [('x_"', 417, 0, "")],
        [("co2", 417, 0, "A B")],
        [(["co2"], 417, 0, "")],
        (("co2", value, 0, "") for value in (417, 418)),
    ],
    ids=lambda given: type(given).__name__ + str(given) * isinstance(given, list),
)
def test_what_is_no_list_of_readings_is_a_fault_of_the_foreign_driver(
    readings: object, caplog: pytest.LogCaptureFixture
) -> None:
    registry = Registry()
    registry.add(module("x", decode=lambda _payload, _context: readings), foreign=True)
    with pytest.raises(DecodeError, match=refusal.DRIVER_FAULT):
        registry.by_model("x").decode(b"", Context())
    assert "driver x has a fault: x.py:1: ValidationError" in caplog.text


@pytest.mark.parametrize(
    "sealed",
    [(b"nonce",), (b"short", b"", 4, b"", 1), (bytes(13), b"", 5, b"", 1), (1, 2, 3, 4, 5)],
    ids=str,
)
def test_what_cannot_be_opened_by_anybody_is_a_fault_of_the_foreign_driver(sealed: object) -> None:
    registry = Registry()
    registry.add(module("x", sealed=lambda _payload, _context: sealed), foreign=True)
    opener = registry.by_model("x").sealed
    assert opener is not None
    with pytest.raises(DecodeError, match=refusal.DRIVER_FAULT):
        opener(b"", Context())


def test_what_a_foreign_driver_returns_in_order_is_left_as_it_is() -> None:
    readings = [("co2", 417, 0, ""), ("x_uptime", None, 0, "b-2"), ("motion", True, 0, "")]
    registry = Registry()
    registry.add(
        module(
            "x",
            decode=lambda _payload, _context: readings,
            sealed=lambda _payload, _context: (bytes(13), b"c", 4, b"", 1),
            packet_counter=lambda _payload: 7,
        ),
        foreign=True,
    )
    driver = registry.by_model("x")
    assert driver.sealed is not None
    assert driver.packet_counter is not None
    assert driver.decode(b"", Context()) == readings
    assert driver.sealed(b"", Context()) == (bytes(13), b"c", 4, b"", 1)
    assert driver.packet_counter(b"") == 7


def test_what_a_foreign_driver_refuses_keeps_its_reason(folder: Path) -> None:
    text = driver("ours").replace("return [", "raise DecodeError('truncated') or [")
    write(folder, "ours.py", "from gateway.core.refusal import DecodeError\n" + text)
    with pytest.raises(DecodeError, match=refusal.TRUNCATED):
        discover(folder).by_model("ours").decode(b"", Context())


def test_a_refused_driver_leaves_no_trace() -> None:
    registry = Registry()
    registry.add(module("x", MATCH={"manufacturer_id": 1}), foreign=True)
    with pytest.raises(InterfaceError):
        registry.add(module("y", MATCH={"manufacturer_id": 1}), foreign=True)
    assert registry.models() == ("x",)
    assert model_of(registry, MANUFACTURER, 1, b"") == "x"


def test_a_driver_that_needs_what_is_not_installed_is_refused_with_its_remedy() -> None:
    registry = Registry()
    registry.add(module("needy", MISSING="pip install it"), gives_way=True)
    assert registry.models() == ()
    assert model_of(registry, MANUFACTURER, RUUVI, b"\x05") is None
    with pytest.raises(DriverError, match="needs what is not installed") as caught:
        registry.by_model("needy")
    assert caught.value.remedy == "pip install it"


def test_a_driver_that_gives_way_leaves_its_place_to_whoever_comes() -> None:
    registry = Registry()
    registry.add(module("modest"), gives_way=True)
    assert model_of(registry, MANUFACTURER, RUUVI, b"\x05") == "modest"
    registry.add(module("native"))
    assert model_of(registry, MANUFACTURER, RUUVI, b"\x05") == "native"
    registry.add(module("other", MATCH={"manufacturer_id": RUUVI}), gives_way=True)
    assert model_of(registry, MANUFACTURER, RUUVI, b"\x06") == "other"
    registry.add(module("late"), gives_way=True)
    assert model_of(registry, MANUFACTURER, RUUVI, b"\x05") == "native"
    assert registry.by_model("late").claims((MANUFACTURER, RUUVI, b"\x05"))


def test_a_driver_is_found_by_any_of_its_matches() -> None:
    registry = Registry()
    alternatives = ({"local_name": b"TP35"}, {"listed_uuid": 0xFEE5}, {"service_uuid": BTHOME})
    registry.add(module("several", MATCH=alternatives, PAYLOAD="manufacturer"))
    for structure in ((0x09, 0, b"TP357 (1)"), (0x03, 0xFEE5, b""), (SERVICE, BTHOME, b"x")):
        assert model_of(registry, *structure) == "several"
    assert model_of(registry, 0x09, 0, b"TP3") is None


def test_a_maker_that_keeps_a_value_in_the_company_id_is_read_by_what_is_new() -> None:
    registry = Registry()
    registry.add(module("named", MATCH={"local_name": b"sps"}, PAYLOAD="manufacturer"))
    name, old, new = (0x09, 0, b"sps"), (MANUFACTURER, 0x0123, b"a"), (MANUFACTURER, 0x0456, b"b")
    for structures, before, payload in (
        ((old, name), (), b"\x23\x01a"),
        ((old, new, name), (old, name), b"\x56\x04b"),
        ((new, old, name), (old, name), b"\x56\x04b"),
        ((old, new, name), (old, new, name), b"\x56\x04b"),
    ):
        found, read = registry.recognise(structures, None, before)
        assert found is not None
        assert read == payload
    assert registry.recognise((name,), None) == (None, b""), "a name, and nothing of its maker's"
    driver = registry.by_model("named")
    assert registry.recognise((old,), driver) == (driver, b"\x23\x01a"), "named, and no name came"


def test_a_driver_found_by_name_makes_the_scan_active_where_it_is_named() -> None:
    registry = Registry()
    registry.add(module("named", MATCH={"local_name": b"sps"}, PAYLOAD="manufacturer"))
    registry.add(module("plain"))
    assert registry.patterns() != ()
    assert registry.patterns([registry.by_model("named")]) == ()


def test_who_gives_way_does_so_to_whoever_knows_another_structure() -> None:
    registry = Registry()
    registry.add(module("modest", MATCH={"local_name": b"shelly"}), gives_way=True)
    registry.add(module("native"))
    frame = ((MANUFACTURER, RUUVI, b"\x05"), (0x09, 0, b"shelly"))
    assert [d.model for d in (registry.recognise(frame, None)[0],) if d] == ["native"]
    assert [d.model for d in (registry.recognise(frame[1:], None)[0],) if d] == ["modest"]


@pytest.mark.parametrize("name", [b"spsensor-1", b"TP35-bthome", b"GV5075x"])
def test_a_name_that_another_s_begins_with_takes_no_frame_from_its_driver(name: bytes) -> None:
    registry = discover()
    frame = ((SERVICE, BTHOME, b"\x40\x02\xca\x09"), (0x09, 0, name))
    found, payload = registry.recognise(frame, None)
    assert found is not None
    assert found.model == "bthome-v2"
    assert payload == frame[0][2]
