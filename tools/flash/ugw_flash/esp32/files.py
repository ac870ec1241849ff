"""All that a board is given, as files: its file system in a folder, its secrets beside that.

The folder is copied to the board as it is. The secrets go into the chip's own memory (NVS) and
nowhere else: their file lies outside of the folder, says what it is by its name, and only its
owner reads it.
"""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from gateway.errors import UgwError
from ugw_flash.esp32.compile import Compiled, boot_source, compile_tree
from ugw_flash.updates.release import MANIFEST, manifest_of, read_tree

BOOT: Final = "main.py"
SLOTS: Final = "slots.json"
FIRST: Final = "a"  # the slot of what is flashed; the first update goes into the other
NAMESPACE: Final = "ugw"

_OWNERS_ALONE: Final = 0o600
_REMEDY: Final = "nothing is ever replaced: remove it, or name another place"


class FilesError(UgwError):
    """The files of a board cannot be written."""


def version(
    drivers: tuple[str, ...], number: int, software: str
) -> tuple[dict[str, bytes], list[Compiled]]:
    """Return the files of a board's first version, with what starts it, and their sizes."""
    with tempfile.TemporaryDirectory() as folder:
        compiled = compile_tree(Path(folder), drivers)
        files = read_tree(Path(folder), compiled)
    made = {f"{FIRST}/{path}": content for path, content in files.items()}
    made[f"{FIRST}/{MANIFEST}"] = manifest_of(files, number, software)
    made[BOOT] = boot_source()
    made[SLOTS] = b'{"slot": "%s"}\n' % FIRST.encode()
    return made, compiled


def secrets_beside(directory: Path) -> Path:
    """Return where the secrets of a board go whose files go into `directory`."""
    return directory.with_name(directory.name + ".secrets.csv")


def refuse_taken(*places: Path | None) -> None:
    """Raise FilesError where something is there already, before anything is written."""
    for place in places:
        if place is not None and os.path.lexists(place):
            cause = f"{place} is there already"
            raise FilesError(cause, _REMEDY)


def write(files: Mapping[str, bytes | str], directory: Path) -> None:
    """Write files into a folder that is not there yet. Raises FilesError."""
    _make(directory)
    for name, content in sorted(files.items()):
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def write_secrets(secrets: Mapping[str, bytes], path: Path) -> None:
    """Write what nvs_partition_gen makes an NVS partition of. Raises FilesError."""
    lines = ["key,type,encoding,value", f"{NAMESPACE},namespace,,"]
    lines += [f"{name},data,hex2bin,{value.hex()}" for name, value in sorted(secrets.items())]
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNERS_ALONE)
    except OSError as error:
        raise _in_the_way(path, error) from None
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write("\n".join(lines) + "\n")


def _make(directory: Path) -> None:
    try:
        directory.mkdir(parents=True)
    except OSError as error:
        raise _in_the_way(directory, error) from None


def _in_the_way(path: Path, error: OSError) -> FilesError:
    cause = f"{path} cannot be made: {error.strerror}"
    return FilesError(cause, _REMEDY)
