"""The chip's own memory (NVS) as one complete image: every secret of a board, and nothing older.

Written whole or not at all: an image of some keys would silently take the others away. Secrets
stand in no argument of a program and in no file that others can read, and none is left behind.
Espressif's generator is run as a program.
"""

import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from gateway.errors import UgwError
from ugw_flash.esp32.files import write_secrets
from ugw_flash.outcome import BadMaterialError

_MODULE: Final = "esp_idf_nvs_partition_gen"
_KEY_CHARACTERS: Final = 15
_LIMIT_S: Final = 60.0


def image(secrets: Mapping[str, bytes], size: int) -> bytes:
    """Return the NVS partition of `size` bytes. Raises BadMaterialError where they do not fit."""
    for name in secrets:
        if len(name) > _KEY_CHARACTERS:
            cause = f"{name!r} is no name for NVS: it has up to {_KEY_CHARACTERS} characters"
            raise BadMaterialError(cause, "shorten it")
    with tempfile.TemporaryDirectory() as name:  # mode 700
        folder = Path(name)
        write_secrets(secrets, folder / "secrets.csv")
        _generate(folder, size)
        made = (folder / "nvs.bin").read_bytes()
    if len(made) != size:
        cause = f"NVS came out {len(made)} bytes long instead of {size}"
        raise BadMaterialError(cause, f"install another version of {_MODULE}")
    return made


def _generate(folder: Path, size: int) -> None:
    command = [sys.executable, "-m", _MODULE, "generate", "secrets.csv", "nvs.bin", hex(size)]
    ended = subprocess.run(  # noqa: S603 - our own interpreter
        command, cwd=folder, capture_output=True, text=True, timeout=_LIMIT_S, check=False
    )
    if ended.returncode == 0:
        return
    if f"No module named {_MODULE}" in ended.stderr:
        cause = "esp-idf-nvs-partition-gen is not installed"
        raise UgwError(cause, "pip install 'urban-gateway[flash]'")
    # What it says may hold what it was given.
    cause = f"the secrets of this board do not fit into the {size:,} bytes of its NVS"
    raise BadMaterialError(
        cause, "shorten certificates' keys (P-256 instead of RSA), or use fewer"
    )
