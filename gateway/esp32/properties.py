"""The vocabulary on the flash: a property's line, found in small pieces of the file.

As gateway/core/properties.py has it, which would take 7 kB of memory (`vocabulary.source`).
"""

_PIECE = 256
_LONGEST = 160  # bytes of a line, and more

_path = [""]


def use(path: str) -> None:
    """Say where the table is from now on."""
    _path[0] = path


def line(name: str) -> str:
    """Return a property's line of the table, nothing for a name that is in none."""
    wanted = b"\n%s " % name.encode()
    held = b"\n"
    with open(_path[0], "rb") as file:
        while True:
            piece = file.read(_PIECE)
            held += piece
            start = held.find(wanted)
            end = held.find(b"\n", start + 1)
            if start >= 0 and (end > 0 or not piece):
                return held[start + 1 : end if end > 0 else None].decode()
            if not piece:
                return ""
            held = held[-_LONGEST:]
