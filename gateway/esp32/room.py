"""Room for another version on the flash, before the first file of it is fetched.

An overlay within update.py. What the idle slot has and the new version has not is removed; whether
the rest has room is known before anything is written.
"""

import asyncio
import os

TYPE_CHECKING = False  # MicroPython has no typing; the build leaves all of this out
if TYPE_CHECKING:
    from typing import Any

    State = dict[str, Any]

_BLOCK = 4096  # of the file system: a file takes whole ones
_SPARE = 32768  # for folders, and for what waits


async def make(root: str, state: "State") -> None:
    """Make room. Raises ValueError where there is none, or the version is not for this board."""
    listed = state["to"] + "manifest.new"
    for path in _files(state["from"], "drivers/"):
        if path.endswith(".mpy") and not _names(listed, path):
            why = "it lacks " + path + ", which this board has: it is for others"
            raise ValueError(why)
        await asyncio.sleep(0)
    for path in _files(state["to"], ""):
        if path != "manifest.new" and not _names(listed, path):
            os.remove(state["to"] + path)
        await asyncio.sleep(0)
    need = _SPARE
    with open(listed) as file:
        file.readline()
        for line in file:
            words = line.split(" ")
            if _size(state["to"] + words[2].rstrip("\n")) != int(words[1]):
                need += (int(words[1]) // _BLOCK + 1) * _BLOCK
    room = os.statvfs(root or "/")
    free = room[0] * room[4]
    if free < need:
        why = f"{free} bytes of the flash are free, {need} needed"
        raise ValueError(why)


def _names(manifest: str, path: str) -> bool:
    with open(manifest) as file:
        for line in file:
            if line.endswith(" " + path + "\n"):
                return True
    return False


def _files(folder: str, below: str) -> "list[str]":
    """Return the paths of all files below a folder, without the folder's own."""
    found: list[str] = []
    try:
        names = os.listdir(folder + below)
    except OSError:
        return found
    for name in names:
        if os.stat(folder + below + name)[0] & 0x4000:
            found += _files(folder, below + name + "/")
        else:
            found.append(below + name)
    return found


def _size(path: str) -> int:
    try:
        return os.stat(path)[6]
    except OSError:
        return -1
