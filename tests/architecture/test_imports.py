"""Imports point down: every contract of .importlinter is kept, and none of them is asleep.

A contract whose pattern matches nothing is kept for ever, so each is shown a copy of the source
that breaks it.
"""

import configparser
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")

# Of each contract a breach: in this file, this import.
BREACHES = {
    "layers": [
        ("gateway/model.py", "import gateway.delivery"),
        ("gateway/pipeline.py", "import gateway.delivery"),
        ("gateway/backlog/memory.py", "import gateway.registry"),
        ("gateway/core/wire.py", "import gateway.errors"),
        ("gateway/in_no_layer.py", "import gateway.model"),
    ],
    "drivers-know-only-core": [("drivers/ble/ruuvi_rawv2.py", "import gateway.errors")],
    "drivers-are-strangers": [
        ("drivers/ble/ruuvi_rawv2.py", "import drivers.ble.bthome_v2"),
        ("drivers/modem/reyax_rylr998.py", "import drivers.lora.cayenne_lpp"),
    ],
    "drivers-come-by-the-registry": [("gateway/pipeline.py", "import drivers.ble.bthome_v2")],
    "core-runs-on-the-esp32": [
        ("gateway/core/wire.py", "import typing"),
        ("drivers/lora/cayenne_lpp.py", "from collections import deque"),
        ("drivers/modem/reyax_rylr998.py", "import re"),
    ],
    "esp32-is-small": [("gateway/esp32/main.py", "import gateway.model")],
    "flash-knows-the-configuration": [("ugw_flash/esp32/site.py", "import gateway.delivery")],
    "one-adapter-per-library": [
        ("gateway/pipeline.py", "import sqlite3"),
        ("gateway/uplink/mqtt.py", "import aiomqtt"),
        ("gateway/dial.py", "import aiohappyeyeballs"),
        ("gateway/sim/bluez.py", "import bleak.backends"),
    ],
}


def _contracts() -> list[str]:
    parser = configparser.ConfigParser()
    parser.read(ROOT / ".importlinter")
    return [name.rpartition(":")[2] for name in parser.sections() if ":" in name]


def _lint(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [LINT_IMPORTS, "--no-cache", "--no-logo", *options],
        cwd=folder,
        env={**os.environ, "COLUMNS": "200"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Copy what the contracts are about, to be spoilt."""
    shutil.copy(ROOT / ".importlinter", tmp_path)
    for package in ("gateway", "drivers", "tools/flash/ugw_flash"):
        ignored = shutil.ignore_patterns("__pycache__")
        copy = tmp_path / Path(package).name
        shutil.copytree(ROOT / package, copy, ignore=ignored)
    return tmp_path


def test_every_contract_is_kept() -> None:
    done = _lint(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_contract_has_a_breach_to_notice() -> None:
    assert list(BREACHES) == _contracts()


@pytest.mark.parametrize(
    ("contract", "file", "line"),
    [(contract, *breach) for contract, breaches in BREACHES.items() for breach in breaches],
)
def test_a_contract_notices_its_breach(source: Path, contract: str, file: str, line: str) -> None:
    path = source / file
    if not path.parent.exists():
        path.parent.mkdir()
        (path.parent / "__init__.py").touch()
    with path.open("a") as stream:
        stream.write(f"\n{line}\n")
    done = _lint(source, "--contract", contract)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "1 broken" in done.stdout
