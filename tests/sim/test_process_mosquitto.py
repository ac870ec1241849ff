"""A mosquitto of our own keeps a password to itself."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from gateway.sim.process.mosquitto import Mosquitto

WORD = "sesame"

pytestmark = pytest.mark.skipif(
    shutil.which("mosquitto_passwd") is None, reason="no mosquitto: apt-get install mosquitto"
)


def test_a_password_stands_neither_in_arguments_nor_readable_in_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []
    call = subprocess.check_call

    def noting(words: list[object], **_: Any) -> None:  # noqa: ANN401 - as run itself
        ran.extend(str(word) for word in words)
        call(ran)

    monkeypatch.setattr(subprocess, "run", noting)
    Mosquitto(tmp_path, password=("gw", WORD))
    assert "mosquitto_passwd" in ran[0]
    assert WORD not in " ".join(ran)
    passwords = tmp_path / "passwords"
    assert passwords.read_text().startswith("gw:$")
    assert WORD not in passwords.read_text()
    assert passwords.stat().st_mode & 0o077 == 0
