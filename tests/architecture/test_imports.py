"""Imports point down: every contract of .importlinter is kept, and none of them is asleep.

A contract whose pattern matches nothing is kept for ever, so they are shown a copy of the source
that breaks each: all breaches at once, of which each is told where its contract is.
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


def _contracts() -> dict[str, str]:
    """Return what each contract is called in a report."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / ".importlinter")
    sections = [section for section in parser.sections() if ":" in section]
    return {section.rpartition(":")[2]: parser[section]["name"] for section in sections}


def _lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [LINT_IMPORTS, "--no-cache", "--no-logo"],
        cwd=folder,
        env={**os.environ, "COLUMNS": "200"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def _told(file: str, line: str) -> str:
    """Say how a report names a breach: a library by its first name, a stray module alone."""
    module = file.removesuffix(".py").replace("/", ".")
    if not (ROOT / file).exists() and module.startswith("gateway."):
        return f"- {module} (Since"
    imported = line.split()[1]
    ours = imported.startswith(("gateway", "drivers"))
    return f"- {module} -> {imported if ours else imported.partition('.')[0]} (l."


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Spoil a copy of what the contracts are about; return what is told of each, on one line."""
    source = tmp_path_factory.mktemp("source")
    shutil.copy(ROOT / ".importlinter", source)
    for package in ("gateway", "drivers", "tools/flash/ugw_flash"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, source / Path(package).name, ignore=ignored)
    for file, line in (breach for breaches in BREACHES.values() for breach in breaches):
        with (source / file).open("a") as stream:
            stream.write(f"\n{line}\n")
    done = _lint(source)
    assert done.returncode == 1, done.stdout + done.stderr
    told = done.stdout.partition("Broken contracts")[2]
    headings = {name: f"\n{title}\n{'-' * len(title)}\n" for name, title in _contracts().items()}
    for heading in headings.values():
        told = told.replace(heading, f"\0{heading}")
    return {
        name: " ".join(part.removeprefix(heading).split())
        for name, heading in headings.items()
        for part in told.split("\0")
        if part.startswith(heading)
    }


def test_every_contract_is_kept() -> None:
    done = _lint(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_contract_has_a_breach_to_notice() -> None:
    assert list(BREACHES) == list(_contracts())


@pytest.mark.parametrize(
    ("contract", "file", "line"),
    [(contract, *breach) for contract, breaches in BREACHES.items() for breach in breaches],
)
def test_a_contract_notices_its_breach(
    reports: dict[str, str], contract: str, file: str, line: str
) -> None:
    assert _told(file, line) in reports[contract]
