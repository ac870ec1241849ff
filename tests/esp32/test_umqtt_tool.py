"""tools/umqtt fetches what it names, or says in one sentence why not."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.esp32.machines import HANG_GUARD_S, ROOT, umqtt


def run(tree: Path, **more: str) -> subprocess.CompletedProcess[str]:
    (tree / "tools").mkdir(parents=True)
    shutil.copy(ROOT / "tools/umqtt", tree / "tools/umqtt")
    return subprocess.run(
        [tree / "tools/umqtt"],
        env={**os.environ, **more},
        capture_output=True,
        text=True,
        timeout=HANG_GUARD_S,
        check=False,
    )


def test_without_a_network_it_says_so_and_leaves_nothing_behind(tmp_path: Path) -> None:
    ended = run(tmp_path, PYTHON=sys.executable, PIP_NO_INDEX="1")
    assert ended.returncode == 1
    assert "ugw: no umqtt: pip could not fetch micropython-umqtt.simple==1.3.4\n" in ended.stderr
    assert ended.stderr.splitlines()[-1].startswith("Remedy: ")
    assert list((tmp_path / ".cache").iterdir()) == []


def test_without_pip_it_says_so(tmp_path: Path) -> None:
    ended = run(tmp_path, PYTHON="no-such-python")
    assert ended.returncode == 1
    assert ended.stderr.startswith("ugw: no umqtt: there is no pip here to fetch it")


def test_what_is_there_already_is_left_alone(tmp_path: Path) -> None:
    shutil.copytree(umqtt(), tmp_path / ".cache/umqtt")
    ended = run(tmp_path, PYTHON="no-such-python")
    assert (ended.returncode, ended.stderr) == (0, "")
