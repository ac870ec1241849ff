"""config/ugw, the command for people on a gateway, has the service's user and environment."""

import os
import subprocess
from pathlib import Path

COMMAND = Path(__file__).resolve().parents[1] / "config/ugw"
SUDO = '#!/bin/sh\necho "$1"\nshift 2\nexec "$@"\n'
UGW = '#!/bin/sh\necho "id=$UGW__GATEWAY__ID"\nfor word in "$@"; do echo "$word"; done\n'


def run(root: Path, *words: str) -> list[str]:
    """Run it with /etc and /opt below `root`, and a sudo that only says for whom; its lines."""
    programs = {
        "bin/sudo": SUDO,
        "opt/ugw/.venv/bin/ugw": UGW,
        "usr/ugw": COMMAND.read_text(encoding="utf-8")
        .replace("/etc/ugw", f"{root}/etc/ugw")
        .replace("/opt/ugw", f"{root}/opt/ugw"),
    }
    for name, text in programs.items():
        (root / name).parent.mkdir(parents=True)
        (root / name).write_text(text, encoding="utf-8")
        (root / name).chmod(0o755)
    done = subprocess.run(
        [root / "usr/ugw", *words],
        env={"PATH": f"{root / 'bin'}:{os.environ['PATH']}"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.splitlines()


def test_it_runs_as_the_service_does_and_passes_every_word_on(tmp_path: Path) -> None:
    (tmp_path / "etc/ugw").mkdir(parents=True)
    (tmp_path / "etc/ugw/environment").write_text("UGW__GATEWAY__ID=gw-kiel-0042\n")
    said = run(tmp_path, "sensors", "show", "Waste bin 1")
    assert said == ["--user=ugw", "id=gw-kiel-0042", "sensors", "show", "Waste bin 1"]


def test_it_needs_no_environment(tmp_path: Path) -> None:
    assert run(tmp_path, "status") == ["--user=ugw", "id=", "status"]
