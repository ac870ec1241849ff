"""Configurations for commands, and the real command."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Command = Callable[..., "subprocess.CompletedProcess[str]"]

GOOD = """\
config_version: 1
gateway: {org: kiel, id: gw-1}
mqtt: {host: localhost, username: "file:FOLDER/user", password: "env:BROKER_PASSWORD"}
transports:
  - {kind: ble}
  - {kind: serial, device: /dev/ttyUSB0, modem: reyax-rylr998}
devices:
  - {address: "C0:FF:EE:00:00:01", key: "file:FOLDER/key"}
  - {address: "lora:17", driver: cayenne-lpp}
"""
SECRETS = {"user": "who-we-are", "key": "231d39c1d7cc1ab1aee224cd096db932"}
BROKER_PASSWORD = "correct-horse-battery"  # noqa: S105 - a test's


@pytest.fixture
def good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a configuration that can be used, and its secrets."""
    for name, secret in SECRETS.items():
        (tmp_path / name).write_text(secret)
        (tmp_path / name).chmod(0o600)
    monkeypatch.setenv("BROKER_PASSWORD", BROKER_PASSWORD)
    path = tmp_path / "gateway.yaml"
    path.write_text(GOOD.replace("FOLDER", str(tmp_path)))
    return path


@pytest.fixture
def bad(good: Path) -> Path:
    """Write a configuration with two faults."""
    path = good.with_name("bad.yaml")
    path.write_text(good.read_text() + "hpptp: {}\nlog: {level: loud}\n")
    return path


@pytest.fixture
def ugw() -> Command:
    """Run the real command in a process of its own."""

    def run(*words: str, **environ: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "gateway", *words],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **environ},
        )

    return run
