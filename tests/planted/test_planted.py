"""The planted defects as they are written down, and the runner on a small tree of its own."""

import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.planted import witness
from tests.planted.__main__ import try_all
from tests.planted.catalogue import DEFECTS
from tests.planted.defect import Defect
from tests.planted.soundness import complaints
from tests.planted.tree import ROOT, Tree
from tests.planted.trial import Colour, run

# ---------------------------------------------------------------------------------- the catalogue


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.name)
def test_a_defect_can_be_planted_and_its_tests_exist(defect: Defect) -> None:
    assert list(complaints(ROOT, defect)) == []


def test_a_defect_names_only_what_there_is(tmp_path: Path) -> None:
    """An agent that ends over a name it does not know shows nothing of what its tests look for."""
    for number, defect in enumerate(DEFECTS):
        planted = (ROOT / defect.file).read_text().replace(defect.before, defect.after)
        (tmp_path / f"{number}_{Path(defect.file).name}").write_text(planted)
    ruff = [sys.executable, "-m", "ruff", "check", "--isolated", "--select=F821"]
    ended = subprocess.run([*ruff, tmp_path], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout


def test_each_defect_has_a_name_of_its_own() -> None:
    assert [name for name, count in Counter(d.name for d in DEFECTS).items() if count > 1] == []


# -------------------------------------------------------------------------------------- the runner
TILL_TEXT = """\
def total(a, b):
    return a + b


def change(paid, price):
    return paid - price
"""
TESTS_TEXT = """\
import threading

import pytest
from shop.till import change, total


def test_total():
    assert total(1, 2) == 3


@pytest.mark.parametrize("paid", [3, 5])
def test_change(paid):
    assert change(paid, 3) == paid - 3


def test_a_customer_waits_for_change():
    if change(5, 3) == 0:
        threading.Event().wait()


def test_opened():
    assert total(1, 2) == 4


@pytest.mark.skip(reason="closed on Sundays")
def test_closed():
    assert total(1, 2) == 3
"""
TILL = "shop/till.py"
TESTS = "tests/test_till.py"


def _make_shop(root: Path) -> None:
    for folder in ("shop", "tests/planted", "gateway/sim"):
        (root / folder).mkdir(parents=True)
    (root / TILL).write_text(TILL_TEXT)
    (root / TESTS).write_text(TESTS_TEXT)
    (root / "gateway/sim/pytest_plugin.py").touch()  # every pytest here looks for it
    shutil.copy(witness.__file__, root / "tests/planted")


def _defect(after: str = "a * b", *tests: str) -> Defect:
    return Defect(
        name=f"adds {after}",
        file=TILL,
        before="a + b",
        after=after,
        red=tuple(f"{TESTS}::{test}" for test in tests or ("test_total",)),
    )


SOUND = _defect()


@pytest.fixture
def shop(tmp_path: Path) -> Tree:
    _make_shop(tmp_path / "source")
    return Tree(tmp_path / "copy", tmp_path / "source")


@pytest.mark.parametrize(
    ("spoilt", "complaint"),
    [
        (SOUND._replace(file="shop/x.py"), "shop/x.py: no such file"),
        (SOUND._replace(before="return"), f"{TILL}: the text to replace stands there 2 times"),
        (SOUND._replace(after="a + b"), f"{TILL}: is replaced by itself"),
        (SOUND._replace(after="a +"), f"{TILL}: is no Python with the defect, line 2"),
        (SOUND._replace(red=()), "names no test"),
        (SOUND._replace(red=(f"{TESTS}::test_x",)), f"{TESTS}::test_x: no such test"),
    ],
)
def test_a_defect_that_cannot_be_planted_is_told(
    tmp_path: Path, spoilt: Defect, complaint: str
) -> None:
    _make_shop(tmp_path)
    assert [told.startswith(complaint) for told in complaints(tmp_path, spoilt)] == [True]


def test_what_is_seen_is_told_from_what_is_not_and_from_what_does_not_even_start(
    shop: Tree, capsys: pytest.CaptureFixture[str]
) -> None:
    defects = [
        _defect("a * b", "test_total"),
        _defect("a - b", "test_total", "test_change"),
        _defect("a + c"),
        _defect("b - a", "test_closed"),
        _defect("a / b", "test_opened"),
        _defect("a + b +"),
    ]
    verdicts = try_all([shop], defects)
    assert [[result.colour for result in verdict.results.values()] for verdict in verdicts] == [
        [Colour.RED],
        [Colour.RED, Colour.GREEN],
        [Colour.BROKEN],
        [Colour.UNFIT],
        [Colour.UNFIT],
        [Colour.UNFIT],
    ]
    assert [verdict.is_seen for verdict in verdicts] == [True, *[False] * 5]
    assert "green: tests/test_till.py::test_change" in capsys.readouterr().out
    assert (shop.root / TILL).read_text() == TILL_TEXT


def test_a_test_that_hangs_is_ended_and_counts_as_red(shop: Tree) -> None:
    defect = _defect()._replace(before="paid - price", after="0")
    with shop.planted(defect):
        results = run(shop, [f"{TESTS}::test_a_customer_waits_for_change"], patience_s=2)
    assert [result.colour for result in results.values()] == [Colour.HANGS]
    assert all(result.is_red for result in results.values())


def test_a_program_started_in_the_copy_is_the_copys(shop: Tree, tmp_path: Path) -> None:
    program = "import shop.till, sys; print(shop.till.__file__, sys.prefix)"
    said = subprocess.check_output([shop.python, "-c", program], text=True, cwd=tmp_path)
    assert said.split() == [str(shop.root / TILL), str(shop.root / ".venv")]
