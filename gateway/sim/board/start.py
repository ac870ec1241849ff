"""What runs on the VM first: the fakes, the flash, then the agent as the chip's boot starts it.

    start.py STREAM CHIP ROOT CAUSE ENTRY [UART=DESCRIPTOR...]

STREAM is a descriptor of the world's. ROOT is a folder, or "lfs:BLOCKS": then the flash is
CHIP/flash.img, mounted at /flash, and empty flash is filled from CHIP/root. ENTRY is a module
with `run(root)`; the folders of MICROPYPATH say where it is.
"""

import gc
import os
import sys


def _mount(chip: str, blocks: int) -> str:
    import board
    import vfs
    from flash import Flash

    cells = open(chip + "/flash.img", "r+b")  # noqa: SIM115 - for good
    device = board.flash = Flash(cells, blocks, lambda: board.end(board.BROWN_OUT))
    try:
        vfs.mount(vfs.VfsLfs2(device), "/flash")
    except OSError:
        vfs.VfsLfs2.mkfs(device)
        vfs.mount(vfs.VfsLfs2(device), "/flash")
        _copy(chip + "/root", "/flash")
    return "/flash"


def _copy(there: str, here: str) -> None:
    for name in os.listdir(there):
        if os.stat(there + "/" + name)[0] & 0x4000:
            os.mkdir(here + "/" + name)
            _copy(there + "/" + name, here + "/" + name)
        else:
            with open(there + "/" + name, "rb") as old, open(here + "/" + name, "wb") as new:
                while part := old.read(256):
                    new.write(part)


def main(stream: str, chip: str, root: str, cause: str, entry: str, *uarts: str) -> None:
    gc.collect()
    before = gc.mem_alloc()
    import board

    # Loaded here, so that the agent pays for none of it: on the chip they are in the firmware.
    for name in ("bluetooth", "esp32", "machine", "network", "umqtt.simple"):
        __import__(name)
    board.chip = chip
    board.cause = int(cause)
    for uart in uarts:
        number, descriptor = uart.split("=")
        board.uarts[int(number)] = int(descriptor)
    if root.startswith("lfs:"):
        root = _mount(chip, int(root[4:]))
    sys.modules["bluetooth"].BLE()
    board.start(open(int(stream), "r+b"), before)  # noqa: SIM115 - for good
    __import__(entry)
    sys.modules[entry].run(root)


if __name__ == "__main__":
    main(*sys.argv[1:])
