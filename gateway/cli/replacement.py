"""Putting new content into a file: all of it or nothing, and the old one kept beside it."""

import os
import shutil
import tempfile
from pathlib import Path

from gateway.errors import UgwError


def replace(path: Path, text: str, *, backup: str) -> Path:
    """Write `text` in the place of a file; return where the old content is now.

    That is beside it, named with `backup`, never in the place of an earlier one. Owner and mode
    stay. Raises UgwError, and then the file is as it was.
    """
    target = path.resolve()  # a link stays a link
    try:
        kept = _keep(target, backup)
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        new = Path(name)
        try:
            _fill(descriptor, new, target, text)
        except BaseException:
            new.unlink(missing_ok=True)
            raise
    except OSError as error:
        cause = f"{target} cannot be replaced: {error.strerror}"
        raise UgwError(cause, "run it as the owner of the file, e.g. with sudo") from error
    return kept


def _keep(target: Path, ending: str) -> Path:
    number, kept = 1, target.with_name(f"{target.name}.{ending}")
    while kept.exists():
        number += 1
        kept = target.with_name(f"{target.name}.{ending}-{number}")
    shutil.copy2(target, kept)
    _own(kept, target)
    return kept


def _fill(descriptor: int, new: Path, target: Path, text: str) -> None:
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    shutil.copymode(target, new)
    _own(new, target)
    new.replace(target)


def _own(path: Path, like: Path) -> None:
    status = like.stat()
    if (path.stat().st_uid, path.stat().st_gid) != (status.st_uid, status.st_gid):
        os.chown(path, status.st_uid, status.st_gid)
