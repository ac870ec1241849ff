"""The tutorial of the broken world: what it shows is typed here, and says what the page says."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
PAGE: Final = (ROOT / "docs/tutorial/broken-world.md").read_text("utf-8")
HANG_S: Final = 200
SCENARIO: Final = """
from gateway.sim.scenario import load_scenario
from gateway.sim.theatre import perform
from pathlib import Path

def test_the_scenario_holds():
    outcome = perform(load_scenario(Path("bed.yaml")), "inside")
    assert outcome.ok, outcome.report()
"""


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """Write what the page has its reader write, installed as far as Python can tell."""
    driver, model, *tests, _, recorded = _blocks("python")
    (toml,) = _blocks("toml")
    (tmp_path / "soil_probe.py").write_text(driver)
    (tmp_path / "soil_probe_model.py").write_text(model)
    (tmp_path / "test_soil_probe.py").write_text("\n\n".join(tests))
    (tmp_path / "test_recorded.py").write_text(recorded)
    (tmp_path / "bed.yaml").write_text(_blocks("yaml")[0])
    (tmp_path / "bed.jsonl").write_text(_blocks("json")[0])
    installed = tmp_path / "soil_probe-1.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: soil-probe\nVersion: 1\n")
    groups = tomllib.loads(toml)["project"]["entry-points"]
    lines = [
        f"[{group}]\n{name} = {value}\n"
        for group in groups
        for name, value in groups[group].items()
    ]
    (installed / "entry_points.txt").write_text("".join(lines))
    return tmp_path


def _pytest(package: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    done = subprocess.run(
        command, cwd=package, capture_output=True, text=True, timeout=HANG_S, check=False
    )
    return done.stdout


def _mend(package: Path) -> None:
    """Do what section 7 says."""
    driver = package / "soil_probe.py"
    text, mended = driver.read_text(), _blocks("python")[-2]
    begin, _, rest = text.partition("def decode(")
    rest = rest.partition("# some probes leave out the end\n")[2]
    driver.write_text(
        begin.replace("import BAD_TYPE", "import BAD_LENGTH, BAD_TYPE") + mended + rest
    )


def _timeline(text: str) -> str:
    """Return the first report of a failure in it, without the messages."""
    return text[text.index("level inside, seed 1") : text.index("frames sent; the last:")]


def test_the_broken_world_shows_what_is_wrong_with_the_driver(package: Path) -> None:
    said = _pytest(package, "test_soil_probe.py")
    assert "nothing_invented: 3 frames were never sent" in said
    assert re.search(r"^1 failed, 7 passed in", said, re.MULTILINE), said
    assert _timeline(said) == _timeline(PAGE)


def test_the_mended_driver_stands_it_and_reads_the_capture(package: Path) -> None:
    _mend(package)
    (package / "test_scenario.py").write_text(SCENARIO)
    said = _pytest(package, "-k", "cut_off or november or scenario")
    assert re.search(r"^3 passed, 7 deselected in", said, re.MULTILINE), said
