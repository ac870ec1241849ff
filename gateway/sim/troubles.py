"""What a disk may do to a store. Known to both ends: who causes it, and who suffers it."""

from typing import Final, Literal, get_args

DiskTrouble = Literal["full", "eio", "fsync_eio", "readonly", "slow", "hang"]
TROUBLES: Final[tuple[DiskTrouble, ...]] = get_args(DiskTrouble)
