"""Where file systems are mounted, and what that says about the disk below.

Three kinds of places: those of the running system, those where a desktop puts what was plugged
in, and all others. What is not known to be harmless counts as one of the others.
"""

import re
from typing import Final

SWAP: Final = "[SWAP]"

# Whatever else is mounted below these belongs to the system too: /var/lib/docker, /snap/core/1.
# /media/root-ro and -rw: where overlayroot keeps the card of a Pi that is protected from writing.
_SYSTEM: Final = re.compile(
    r"/|/(bin|boot|cdrom|dev|efi|esp|etc|home|isodevice|lib\w*|nix|opt|ostree|overlay|private|proc"
    r"|root|rofs|run(?!/media/)|sbin|snap|srv|sys|sysroot|System|tmp|Users|usr|var|Library"
    r"|Applications|media/root-r[ow])(/.*)?"
)
_PLUGGED_IN: Final = re.compile(r"(/run)?/media/.+|/Volumes/.+|[A-Z]:\\?")


def is_of_system(mount: str) -> bool:
    """Say whether the system runs from what is mounted there, or keeps its memory or homes."""
    return mount == SWAP or _SYSTEM.fullmatch(mount) is not None


def is_of_desktop(mount: str) -> bool:
    """Say whether it is where a desktop puts what was plugged in: /media/me/BOOT, a drive."""
    return not is_of_system(mount) and _PLUGGED_IN.fullmatch(mount) is not None
