"""The package as a file: what is in it, what its own inspection finds, what is equal twice.

It is made of few wheels here; made whole and installed: test_debian.py.
"""

import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import NamedTuple

import pytest

from gateway.errors import UgwError
from tests.package.wheelmaking import wheel
from tools.package import deb, environment, inspection, pip, wheelhouse, wheels
from tools.package.target import Target

ROOT = Path(__file__).resolve().parents[2]
TARGET = Target.of("arm64", "trixie")
EPOCH_S = 2_000_000_000  # ahead of the clock: dpkg-deb alone would only set back what is later
SITE = "opt/ugw/.venv/lib/python3.13/site-packages"
AARCH64 = b"\x7fELF\x02\x01\x01" + bytes(11) + (183).to_bytes(2, "little") + bytes(44)
X86_64 = AARCH64[:18] + (62).to_bytes(2, "little") + AARCH64[20:]


class Made(NamedTuple):
    """A package, and what it was made of."""

    package: Path
    root: Path
    wheels: Path

    def altered(self, folder: Path, path: str, content: bytes, mode: int = 0o644) -> Path:
        """Return it with another file in it, made by dpkg-deb alone."""
        root = folder / "root"
        shutil.copytree(self.root, root, symlinks=True)
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
        (root / path).chmod(mode)
        made = folder / "altered.deb"
        # gzip, for the time it takes
        command = ("dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "--build", root, made)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return made


def make(folder: Path, gathered: Path) -> Made:
    """Make a package of wheels as `make package` does."""
    requirements = folder / "requirements.txt"
    requirements.parent.mkdir(exist_ok=True)
    requirements.write_text(wheels.requirements(gathered))
    root = folder / "root"
    site = environment.make(root, requirements, gathered, TARGET)
    deb.fill(root, ROOT, site)
    package = deb.build(root, "0.1.0.dev0", TARGET, EPOCH_S, folder)
    return Made(package, root, gathered)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("package")
    gathered = folder / "wheels"
    gathered.mkdir()
    native = {"tiny.cpython-313-aarch64-linux-gnu.so": AARCH64}
    wheel(gathered, tag="cp313-cp313-manylinux_2_17_aarch64", files=native)
    pip.build(ROOT, gathered, EPOCH_S)
    return make(folder, gathered)


def ran(*words: str | Path) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def test_its_own_inspection_finds_nothing_wrong(made: Made) -> None:
    traces = [str(made.root.parent), str(ROOT)]
    assert inspection.findings(made.package, TARGET, traces) == []


def test_it_asks_for_the_python_it_was_made_for_and_nothing_that_an_image_lacks(
    made: Made,
) -> None:
    assert made.package.name == "urban-gateway_0.1.0~dev0+deb13_arm64.deb"
    asked = [
        ran("dpkg-deb", "--field", made.package, key).strip() for key in ("Version", "Depends")
    ]
    assert asked == ["0.1.0~dev0+deb13", "python3 (>= 3.13), python3 (<< 3.14)"]


def test_its_environment_runs_on_the_systems_own_python(made: Made) -> None:
    programs = made.root / environment.FOLDER / "bin"
    assert {path.name for path in programs.iterdir()} == {"python", "python3", "python3.13", "ugw"}
    assert (programs / "python3").readlink() == Path("/usr/bin/python3")
    settings = (programs.parent / "pyvenv.cfg").read_text().splitlines()
    assert settings == [
        "home = /usr/bin",
        "include-system-site-packages = false",
        "version = 3.13",
    ]


def test_what_says_what_is_installed_tells_the_truth(made: Made) -> None:
    for distribution in environment.distributions(made.root / SITE):
        files = distribution.files or []
        assert files
        assert [file for file in files if not (made.root / SITE / file).exists()] == []


def test_the_units_and_the_command_find_their_program(made: Made) -> None:
    for name in ("ugw.service", "ugw-enrol.service"):
        unit = (made.root / "usr/lib/systemd/system" / name).read_text()
        assert "ExecStart=/opt/ugw/.venv/bin/ugw " in unit
    assert "/opt/ugw/.venv/bin/ugw" in (made.root / "usr/bin/ugw").read_text()
    assert (made.root / "opt/ugw/.venv/bin/ugw").stat().st_mode & 0o111


def test_whose_work_is_in_it_is_said(made: Made) -> None:
    said = (made.root / "usr/share/doc/urban-gateway/copyright").read_text()
    rows = [line.split() for line in said.splitlines()[-2:]]
    assert rows == [["tiny", "1.0", "MIT"], ["urban-gateway", "0.1.0.dev0", "Apache-2.0"]]


def test_nothing_in_it_is_configuration_for_dpkg_to_ask_about(made: Made) -> None:
    assert not (made.root / "etc").exists()
    assert not (made.root / "DEBIAN/conffiles").exists()


def test_made_twice_it_is_equal_to_the_byte(made: Made, tmp_path: Path) -> None:
    again = make(tmp_path / "again", made.wheels)
    assert again.package.read_bytes() == made.package.read_bytes()


class Defect(NamedTuple):
    """A file that makes a package bad."""

    path: str
    content: bytes = b""
    mode: int = 0o644


@pytest.mark.parametrize(
    ("defect", "finding"),
    [
        (Defect(f"{SITE}/a.so", X86_64), "a.so is for another machine (62, not 183)"),
        (Defect("opt/ugw/open", mode=0o666), "./opt/ugw/open has mode 666"),
        (Defect("opt/ugw/mighty", mode=0o4755), "./opt/ugw/mighty has mode 4755"),
        (Defect(f"{SITE}/a/__pycache__/a.pyc"), "a.pyc does not belong into a package"),
        (Defect(f"{SITE}/a.txt", b"in /here/where"), "a.txt names /here/where, of the machine"),
        (Defect("DEBIAN/postinst", b"#!/bin/sh\nif\n", 0o755), "postinst is no shell"),
    ],
    ids=lambda given: given.path.rpartition("/")[2] if isinstance(given, Defect) else "",
)
def test_what_is_wrong_with_a_package_is_found(
    made: Made, tmp_path: Path, defect: Defect, finding: str
) -> None:
    altered = made.altered(tmp_path, *defect)
    found = inspection.findings(altered, TARGET, ["/here/where"])
    assert [words for words in found if finding in words]


def test_what_lacks_its_parts_is_found(tmp_path: Path) -> None:
    control = tmp_path / "root/DEBIAN/control"
    control.parent.mkdir(parents=True)
    control.write_text(
        "Package: x\nVersion: 1\nArchitecture: arm64\nMaintainer: x\nDescription: x\n"
    )
    ran("dpkg-deb", "--root-owner-group", "--build", tmp_path / "root", tmp_path / "x.deb")
    found = inspection.findings(tmp_path / "x.deb", TARGET)
    assert "./opt/ugw/.venv/bin/ugw is missing" in found
    assert "preinst is missing, or cannot be run" in found


def test_a_wheel_that_was_changed_meanwhile_is_not_installed(tmp_path: Path) -> None:
    gathered = tmp_path / "wheels"
    gathered.mkdir()
    wheel(gathered)
    requirements = tmp_path / "requirements.txt"
    requirements.write_text(wheels.requirements(gathered))
    wheel(gathered, files={"tiny/more.py": b""})
    with pytest.raises(UgwError, match="pip install failed: "):
        environment.make(tmp_path / "root", requirements, gathered, TARGET)


def test_a_wheelhouse_is_equal_twice_and_says_what_it_is_for(made: Made, tmp_path: Path) -> None:
    first, second = (tmp_path / each / "house.tar" for each in ("first", "second"))
    for path in (first, second):
        path.parent.mkdir()
        wheelhouse.build(made.wheels, ROOT, TARGET, EPOCH_S, path)
    assert first.read_bytes() == second.read_bytes()
    with tarfile.open(first) as archive:
        names = {Path(name).name for name in archive.getnames()}
        archive.extractall(tmp_path, filter="data")
    installer = tmp_path / "house/install"
    assert {"install", "requirements.txt", "ugw.service", "ugw", "LICENSE"} < names
    assert "python=3.13\nmachine=aarch64\n" in installer.read_text()
    assert installer.stat().st_mode & 0o111
    ran("sh", "-n", installer)
