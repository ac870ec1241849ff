"""Reading the files a configuration names: regular ones, bounded, never blocking.

Every trouble is a ValueError whose text says which file and what is wrong with it.
"""

import os
import stat
from pathlib import Path
from typing import Final

# On the desk of who flashes it may be Windows, which has none of these.
_FLAGS: Final = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)


def read_regular(path: Path, limit_bytes: int, *, private: bool = False) -> bytes:
    """Read a file; `private`: refuse one that everybody on the machine can read."""
    try:
        # Somebody may have made a named pipe of it, and opening that would wait for a writer.
        descriptor = os.open(path, _FLAGS)
        with os.fdopen(descriptor, "rb") as file:
            _check(path, os.fstat(descriptor).st_mode, private=private)
            content = file.read(limit_bytes + 1)
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror}"
        raise ValueError(message) from None
    if len(content) > limit_bytes:
        message = f"{path} is longer than {limit_bytes} bytes"
        raise ValueError(message)
    return content


def _check(path: Path, mode: int, *, private: bool) -> None:
    if not stat.S_ISREG(mode):
        message = f"{path} is not a file"
        raise ValueError(message)
    if private and os.name == "posix" and mode & stat.S_IROTH:  # elsewhere the bits say nothing
        message = f"{path} holds a secret and everybody can read it: chmod o-rwx {path}"
        raise ValueError(message)
