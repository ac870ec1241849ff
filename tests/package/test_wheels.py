"""Which wheels a package is made of: those that are locked, and run where it will be installed."""

import hashlib
import subprocess
import tomllib
from collections.abc import Iterable
from importlib.metadata import Distribution
from itertools import pairwise
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

from gateway.errors import UgwError
from tests.package.wheelmaking import wheel
from tools.package import licences, wheels
from tools.package.lock import Pin, pins
from tools.package.pip import NoWheelError
from tools.package.target import MACHINES, RELEASES, Target

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ROOT / "tools/lock"
ARM64 = Target.of("arm64", "trixie")
ARMHF = Target.of("armhf", "bookworm")
HASH = f"sha256:{'0' * 64}"


def locked(name: str, target: Target = ARM64) -> list[Pin]:
    return pins((LOCKS / f"{name}.txt").read_text(encoding="utf-8"), target)


def runs(name: str, target: Target) -> bool:
    return bool(parse_wheel_filename(name)[3] & frozenset(target.tags()))


# ------------------------------------------------------------------------------------------- where
@pytest.mark.parametrize(
    ("name", "target", "there"),
    [
        ("a-1-cp313-cp313-manylinux2014_aarch64.manylinux_2_17_aarch64.whl", ARM64, True),
        ("a-1-cp311-abi3-manylinux_2_34_aarch64.whl", ARM64, True),
        ("a-1-py3-none-any.whl", ARM64, True),
        ("a-1-cp313-cp313-manylinux_2_42_aarch64.whl", ARM64, False),
        ("a-1-cp311-cp311-manylinux_2_17_aarch64.whl", ARM64, False),
        ("a-1-cp313-cp313-manylinux_2_17_x86_64.whl", ARM64, False),
        ("a-1-cp313-cp313-musllinux_1_2_aarch64.whl", ARM64, False),
        ("a-1-cp311-cp311-manylinux_2_31_armv7l.whl", ARMHF, True),
        ("a-1-cp311-cp311-linux_armv6l.whl", ARMHF, True),
        ("a-1-cp311-cp311-manylinux_2_39_armv7l.whl", ARMHF, False),
    ],
)
def test_a_wheel_runs_where_python_machine_and_libraries_are_its_own(
    name: str, target: Target, *, there: bool
) -> None:
    assert runs(name, target) is there


@pytest.mark.parametrize("words", [("riscv64", "trixie"), ("arm64", "sid")])
def test_no_package_is_made_for_an_unknown_system(words: tuple[str, str]) -> None:
    with pytest.raises(UgwError, match="no package is made for") as refused:
        Target.of(*words)
    assert "It is one of: " in refused.value.remedy


def test_a_version_is_newer_than_the_one_before_it_for_dpkg_too() -> None:
    bookworm, trixie = (Target.of("arm64", suite) for suite in ("bookworm", "trixie"))
    rising = [
        bookworm.debian_version("0.1.0.dev0"),
        bookworm.debian_version("0.1.0rc1"),
        bookworm.debian_version("0.1.0"),
        trixie.debian_version("0.1.0"),
        bookworm.debian_version("0.1.1"),
    ]
    for older, newer in pairwise(rising):
        subprocess.run(["dpkg", "--compare-versions", older, "lt", newer], check=True)


# ---------------------------------------------------------------------------------------- the lock
def test_what_is_shipped_is_what_was_tested() -> None:
    tested = {pin.name: pin for pin in locked("dev")}
    shipped = locked("package")
    assert shipped
    assert [pin for pin in shipped if tested.get(pin.name) != pin] == []


def test_all_that_ugw_needs_is_shipped() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    needed = [*project["dependencies"], *extras["report"], *extras["codecs"]]
    names = {canonicalize_name(Requirement(line).name) for line in needed}
    assert names - {pin.name for pin in locked("package")} == set()


def test_nothing_of_another_system_is_locked_for_a_gateway() -> None:
    names = {pin.name for pin in locked("package")}
    assert not {name for name in names if name.startswith(("winrt", "pyobjc", "colorama"))}


@pytest.mark.parametrize("line", ["tiny==1.0", f"tiny>=1.0 --hash={HASH}", "tiny @ file:///tiny"])
def test_a_line_that_locks_nothing_is_refused(line: str) -> None:
    with pytest.raises(UgwError, match="does not lock tiny"):
        pins(line, ARM64)


def test_a_line_that_is_none_is_refused() -> None:
    with pytest.raises(UgwError, match="no requirement: -r other"):
        pins("-r other.txt", ARM64)


# --------------------------------------------------------------------------------------- gathering
def tiny(name: str) -> Pin:
    (made,) = pins(f"{name}==1.0 --hash={HASH}", ARM64)
    return made


class Index:
    """Stands for pip: has wheels of some, and fails as pip does for the first it lacks."""

    def __init__(self, *names: str) -> None:
        self._names = names

    def __call__(self, asked: Iterable[Pin], target: Target, folder: Path) -> None:
        del target
        wanted = list(asked)
        for pin in wanted:
            if pin.name not in self._names:
                raise NoWheelError(pin.name)
        for pin in wanted:
            wheel(folder, pin.name)


def folders(tmp_path: Path) -> tuple[Path, Path]:
    for name in ("wheels", "brought"):
        (tmp_path / name).mkdir()
    return tmp_path / "wheels", tmp_path / "brought"


def test_all_wheels_that_are_nowhere_are_named_at_once(tmp_path: Path) -> None:
    into, brought = folders(tmp_path)
    asked = [tiny(name) for name in ("here", "cffi", "msgspec")]
    with pytest.raises(UgwError, match=r"of trixie \(Python 3\.13\) of: cffi 1\.0, msgspec 1\.0$"):
        wheels.gather(asked, ARM64, into, brought, Index("here"))


def test_wheels_that_are_brought_fill_the_gaps_and_nothing_else(tmp_path: Path) -> None:
    into, brought = folders(tmp_path)
    for name in ("cffi", "here"):
        wheel(brought, name, tag="cp313-cp313-linux_aarch64")
    wheels.gather([tiny("here"), tiny("cffi")], ARM64, into, brought, Index("here"))
    names = sorted(path.name for path in into.iterdir())
    assert names == ["cffi-1.0-cp313-cp313-linux_aarch64.whl", "here-1.0-py3-none-any.whl"]


@pytest.mark.parametrize(
    ("version", "tag"), [("1.1", "cp313-cp313-linux_aarch64"), ("1.0", "cp313-cp313-linux_armv7l")]
)
def test_a_wheel_of_another_version_or_machine_fills_no_gap(
    tmp_path: Path, version: str, tag: str
) -> None:
    into, brought = folders(tmp_path)
    wheel(brought, "cffi", version, tag)
    with pytest.raises(UgwError, match=r"of: cffi 1\.0"):
        wheels.gather([tiny("cffi")], ARM64, into, brought, Index())


def test_a_folder_that_is_none_is_said(tmp_path: Path) -> None:
    with pytest.raises(UgwError, match="is no folder of wheels"):
        wheels.gather([tiny("cffi")], ARM64, tmp_path, tmp_path / "nowhere", Index())


def test_what_was_gathered_is_locked_by_its_own_hashes(tmp_path: Path) -> None:
    made = wheel(tmp_path)
    digest = hashlib.sha256(made.read_bytes()).hexdigest()
    assert wheels.requirements(tmp_path) == f"tiny==1.0 --hash=sha256:{digest}\n"


def test_every_system_has_its_own_wheels() -> None:
    everything = {(each, suite) for each in MACHINES for suite in RELEASES}
    best = {next(iter(Target.of(*each).tags())) for each in everything}
    assert len(best) == len(everything)


# ---------------------------------------------------------------------------------------- licences
def distribution(tmp_path: Path, *lines: str) -> Distribution:
    folder = tmp_path / "tiny-1.0.dist-info"
    folder.mkdir()
    head = ("Metadata-Version: 2.4", "Name: tiny", "Version: 1.0")
    (folder / "METADATA").write_text("".join(f"{line}\n" for line in (*head, *lines)))
    return Distribution.at(folder)


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("License-Expression: EPL-2.0 OR BSD-3-Clause", "EPL-2.0 OR BSD-3-Clause"),
        ("Classifier: License :: OSI Approved :: MIT License", "MIT License"),
        ("License: ISC", "ISC"),
    ],
)
def test_a_licence_is_told_in_its_most_exact_words(tmp_path: Path, line: str, named: str) -> None:
    assert licences.licence(distribution(tmp_path, line)) == named


@pytest.mark.parametrize(
    "line",
    [
        "License-Expression: GPL-3.0-or-later",
        "License: LGPLv3+",
        "Classifier: License :: OSI Approved :: GNU Affero General Public License v3",
    ],
)
def test_what_would_bind_who_hands_it_on_is_not_handed_on(tmp_path: Path, line: str) -> None:
    with pytest.raises(UgwError, match=r"tiny 1\.0 is under .*: it is not handed on"):
        licences.licence(distribution(tmp_path, line))


def test_what_names_no_licence_is_not_handed_on(tmp_path: Path) -> None:
    with pytest.raises(UgwError, match=r"tiny 1\.0 names no licence"):
        licences.licence(distribution(tmp_path))
