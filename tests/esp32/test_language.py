"""What runs on an ESP32 keeps to the Python that MicroPython knows, and compiles for it."""

import ast
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.esp32.machines import ROOT
from tests.esp32.subset import found_in, joined_in
from ugw_flash.esp32.compile import CompileError, cross_compile
from ugw_flash.esp32.folding import folded

FOLDERS = (*("gateway/core", "gateway/esp32"), *("drivers/ble", "drivers/lora", "drivers/modem"))
FILES = sorted(str(p.relative_to(ROOT)) for f in FOLDERS for p in (ROOT / f).glob("*.py"))

# Where a float is meant: what it stands for is no measured value, or is proven exact by its tests.
FLOATS = {
    "gateway/core/backoff.py": "a pause, in seconds, with chance in it",
    "gateway/core/ebyte.py": "megahertz in a message to people",
    "gateway/esp32/backlog.py": "chance, as backoff.py takes it",
    "gateway/esp32/dial.py": "chance, as backoff.py takes it",
    "gateway/esp32/link.py": "the limits of a pause",
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_for_the_chip_keeps_to_the_subset(name: str) -> None:
    text = (ROOT / name).read_text()
    is_modem = name.startswith("drivers/modem/")  # IDLE_S, SNR: both sides' interface has seconds
    found = found_in(ast.parse(text), floats=name in FLOATS or is_modem)

    assert found + joined_in(text) == []


@pytest.mark.parametrize("name", FLOATS)
def test_floats_are_allowed_only_where_there_are_any(name: str) -> None:
    assert any("float" in each.rule for each in found_in(ast.parse((ROOT / name).read_text())))


def test_each_compiles_as_a_board_gets_it(tmp_path: Path) -> None:
    sources = [(name, folded((ROOT / name).read_text())) for name in FILES]

    def compiled(source: tuple[str, str]) -> str:
        name, text = source
        out = tmp_path / f"{name.replace('/', '.')}.mpy"
        try:
            cross_compile(text, "x", out, shown=name)
        except CompileError as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(4) as pool:
        assert [said for said in pool.map(compiled, sources) if said] == []


PLANTED = [
    ("import typing", "no module typing"),
    ("from dataclasses import dataclass", "no module dataclasses"),
    ("def f():\n    import re", "no module re"),
    ("from __future__ import annotations", "no module __future__"),
    ("from . import wire", "absolute"),
    ("from gateway.core.wire import *", "star import"),
    ("match x:\n    case 1: pass", "no match"),
    ("try:\n    pass\nexcept* OSError: pass", "except*"),
    ("def f(a, /): pass", "positional-only"),
    ("x = lambda a, /: a", "positional-only"),
    ("x = [*a]", "* in displays"),
    ("x = (*a, b)", "* in displays"),
    ("x = {*a}", "* in displays"),
    ("x = {**a}", "** in displays"),
    ("class A(metaclass=M): pass", "metaclasses"),
    ("with (\n    a() as b,\n    c() as d,\n): pass", "parentheses"),
    ("x = a.removeprefix('b')", "removeprefix"),
    ("x = h.hexdigest()", "hexdigest"),
    ("x = n.bit_length()", "bit_length"),
    ("x = asyncio.timeout(1)", "asyncio.timeout"),
    ("x = asyncio.Queue()", "asyncio.Queue"),
    ("x = time.monotonic()", "monotonic"),
    ("x = os.path", "os.path"),
    ("x = hashlib.sha512(b'')", "hashlib.sha512"),
    ("try: pass\nexcept TimeoutError: pass", "no TimeoutError"),
    ("x = int.from_bytes(a, 'big', signed=True)", "from_bytes"),
    ("x = int.from_bytes(a, 'big', True)", "from_bytes"),
    ("x = n.to_bytes(2, 'big', signed=True)", "to_bytes"),
    ("x = json.dumps(a, sort_keys=True)", "json.dumps"),
    ("x = 'a b'.split(' ', maxsplit=1)", "split takes no keywords"),
    ("x = struct.unpack('<?', a)", "struct"),
    ("x = zip(a, b, strict=True)", "strict"),
    ("x = deque()", "length"),
    ("x = 0.1", "float"),
    ("x = a / b", "use //"),
    ("a /= 2", "use //"),
    ("x = f'{a!a}'", "!a"),
    ("x = f'{f\"{a}\"}'", "hold no f-strings"),
    ("class A:\n    def __init_subclass__(cls): pass", "never calls"),
    ("Pair = tuple[int, int]", "outside annotations"),
]


@pytest.mark.parametrize(("source", "rule"), PLANTED)
def test_what_the_chip_lacks_is_noticed(source: str, rule: str) -> None:
    assert any(rule in each.rule for each in found_in(ast.parse(source)))


JOINED = [
    "x = (\n    f'{a}'\n    ',{\"b\":0}'\n)",
    "x = '}' f'{a}'",
    "x = (f'a'  # no field\n    'b' r'{')",
]


@pytest.mark.parametrize("source", JOINED)
def test_braces_beside_an_f_string_are_noticed(source: str) -> None:
    assert [each.line for each in joined_in(source)] == [2 if "\n    f" in source else 1]


APART = [
    "x = f'{a}' + '{b}'",
    "x = f'{a}' f'{b}{{'",
    "x = '{' '}'",
    "x = f'{a}' 'b'",
    "f'{a}'; '{'",
]


@pytest.mark.parametrize("source", APART)
def test_literals_that_do_not_touch_or_have_no_braces_are_not(source: str) -> None:
    assert joined_in(source + "\n") == []


ALLOWED = [
    "def f(a: 'dict[str, int] | None', b: dict[str, int]) -> list[int]: ...",
    "x: dict[str, int] = {}",
    "if TYPE_CHECKING:\n    from typing import Any\n    State = dict[str, Any]",
    "a, *b = c",
    "f(*a, **b)",
    "x = f'{a!r:>{b}}'",
    "x = a.startswith(('b', 'c'))",
    "x = json.dumps(a, separators=(',', ':'))",
    "with open(a) as b, open(c) as d: pass",
    "async def f():\n    await asyncio.wait_for(g(), 1)",
]


@pytest.mark.parametrize("source", ALLOWED)
def test_what_it_has_is_not(source: str) -> None:
    assert found_in(ast.parse(source)) == []


@pytest.mark.parametrize("source", ["def f(a, /): pass", "x = [*a]", "match x:\n    case 1: pass"])
def test_mpy_cross_refuses_what_only_cpython_parses(source: str, tmp_path: Path) -> None:
    with pytest.raises(CompileError, match=r"core/x\.py does not compile"):
        cross_compile(source, "x", tmp_path / "x.mpy", shown="core/x.py")
