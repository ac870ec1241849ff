"""The pytest plugin where it is installed and run as a stranger would: `make soak`."""

import os
import signal
import subprocess
import sys
import time
import venv
from collections.abc import Callable
from pathlib import Path
from sysconfig import get_path

import pytest

from gateway.sim.fixtures.reference import FIXTURES
from tests.sim.suites import ARGUMENTS, Suite

pytestmark = pytest.mark.long

HANG_GUARD_S = 60.0

_ROOT = Path(__file__).parents[2]


def test_ctrl_c_ends_everything_in_order(pytester: pytest.Pytester, tmp_path: Path) -> None:
    pytester.makepyfile(
        """
        from pathlib import Path

        def test_theirs(ble, lora, broker):
            Path("bus").write_text(str(ble.air.bus.pid))
            ble.run("1h")
        """
    )
    bus = pytester.path / "bus"
    suite = subprocess.Popen(
        [sys.executable, "-m", "pytest", *ARGUMENTS],
        cwd=pytester.path,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
    )
    try:
        wait_for(lambda: bus.exists() and bus.read_text() != "")
        suite.send_signal(signal.SIGINT)
        said, _ = suite.communicate(timeout=HANG_GUARD_S)
    finally:
        suite.kill()
    assert suite.returncode == pytest.ExitCode.INTERRUPTED, said
    assert not Path(f"/proc/{bus.read_text()}").exists()
    assert list(tmp_path.iterdir()) == []


def test_tests_beside_each_other_do_not_meet(suite: Suite, pytester: pytest.Pytester) -> None:
    result = suite(
        """
        @pytest.mark.parametrize("number", range(8))
        def test_theirs(number, ble, broker, lora, worker_id):
            assert worker_id != "master"
            mine = {os.environ["DBUS_SYSTEM_BUS_ADDRESS"], str(broker.port), str(lora.port)}
            with open("places", "a") as places:
                places.write("".join(f"{place}\\n" for place in mine))
            ble.sensor("ruuvi-rawv2", every="10ms")
            ble.run("100ms")
        """,
        *("-n", "2"),
    )
    result.assert_outcomes(passed=8)
    buses = [line for line in (pytester.path / "places").read_text().split() if "unix" in line]
    assert len(set(buses)) == 8


def test_the_wheel_with_its_extra_brings_the_fixtures(tmp_path: Path) -> None:
    """Into an environment of its own, in which nothing of this checkout is to be seen."""
    python = _environment(tmp_path / "venv")
    build = (sys.executable, "-m", "hatchling", "build", "--target", "wheel")
    subprocess.run([*build, "--directory", tmp_path], cwd=_ROOT, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    pip: list[str | Path] = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        python,
        "install",
        "--no-index",
    ]
    subprocess.run([*pip, f"{wheel}[sim]"], check=True)
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    head = "import pytest, gateway\n\ndef test_whose(): assert 'venv' in gateway.__file__\n\n"
    (theirs / "test_theirs.py").write_text(head + FIXTURES["sim"].example)
    ran = subprocess.run(
        [python, "-m", "pytest", "-p", "no:cacheprovider", "-W", "error"],
        cwd=theirs,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "2 passed" in ran.stdout, ran.stdout


def _environment(folder: Path) -> Path:
    """Make one that sees the libraries of this one, but not the gateway; return its Python."""
    venv.create(folder, with_pip=False)
    libraries = folder / "libraries"
    libraries.mkdir()
    for one in Path(get_path("purelib")).iterdir():
        if "urban_gateway" not in one.name and one.suffix != ".pth":
            (libraries / one.name).symlink_to(one)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "libraries.pth").write_text(f"{libraries}\n")
    return folder / "bin" / "python"


def wait_for(condition: Callable[[], bool]) -> None:
    """Return once it holds. Raises TimeoutError for what never does."""
    end_s = time.monotonic() + HANG_GUARD_S
    while not condition():
        if time.monotonic() > end_s:
            raise TimeoutError
        time.sleep(0.01)
