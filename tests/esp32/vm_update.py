"""On the VM: an update on littlefs, with the power cut in the midst of every single write.

All writes are recorded, then played again: at each of them the flash is looked at as a start would
find it. It has to start a version that is whole; from some of them the update is begun anew.
"""

import asyncio
import hashlib
import json
import os
import sys
from binascii import hexlify

import vfs

from gateway.esp32 import boot, offer, slots, update

BLOCK, BLOCKS = 4096, 80
ROOT = "/flash"
HERE = sys.argv[1]


class Flash:
    """NOR flash in memory that remembers what was done to it."""

    def __init__(self, image):
        self.image, self.log = image, []

    def readblocks(self, block, buffer, offset=0):
        at = block * BLOCK + offset
        buffer[:] = memoryview(self.image)[at : at + len(buffer)]

    def writeblocks(self, block, buffer, offset=0):
        self.do((block * BLOCK + offset, bytes(buffer)))

    def ioctl(self, request, argument):
        if request == 4:
            return BLOCKS
        if request == 5:
            return BLOCK
        if request == 6:
            self.do((argument * BLOCK, None))
        return 0

    def do(self, entry, half=False):  # noqa: FBT002
        self.log.append(entry)
        at, data = entry
        if data is None:
            size = BLOCK // 2 if half else BLOCK
            self.image[at : at + size] = b"\xff" * size
        else:
            size = len(data) // 2 if half else len(data)
            self.image[at : at + size] = data[:size]


def mount(image):
    flash = Flash(image)
    vfs.mount(vfs.VfsLfs2(flash), ROOT)
    return flash


class Uplink:
    """A connection on which pieces come as soon as they are asked for."""

    can_send = True
    pid = 65530

    def write(self, packet):
        at = 3 if packet[1] & 0x80 else 2
        topic = packet[at + 4 :]
        if packet[0] == 0x82:
            topic = topic[:-1]
            with open(HERE + "/pieces/" + topic.decode().rsplit("/", 1)[1], "rb") as file:
                self.mail[False] = (topic, file.read())


class Part:
    """Something with attributes."""


def agent():
    made = Part()
    made.root, made.update, made.mail = ROOT, None, {}
    made.site, made.clock, made.uplink = Part(), Part(), Uplink()
    made.site.root = "ugw/v1/kiel/gw-1"
    made.clock.now = lambda: 0
    made.uplink.mail = made.mail
    with open(HERE + "/offer", "rb") as file:
        made.mail[True] = (b"", file.read())
    return made


async def installed():
    made = agent()
    said = await offer.work(made) or await update.work(made)
    assert said == "installed", said


def is_whole(slot):
    """Whether each file of a version is what its manifest says."""
    folder = ROOT + "/" + slot + "/"
    with open(folder + "manifest") as file:
        file.readline()
        for line in file:
            digest, size, path = line.rstrip("\n").split(" ")
            with open(folder + path, "rb") as content:
                data = content.read()
            if len(data) != int(size) or hexlify(hashlib.sha256(data).digest()).decode() != digest:
                return False
    return True


def started():
    """Do as a start does; return which version it is and what is left to prove."""
    state = boot.load(ROOT)
    state = boot.due(state)
    assert boot.is_whole(ROOT, state["slot"]), "not whole"
    assert is_whole(state["slot"]), "not what was signed"
    return slots.software(ROOT, state["slot"])[0], state.get("tries")


def life():
    """Go through an update, two starts on trial, the proof."""
    asyncio.run(installed())
    marks = [len(flash.log)]
    for _ in range(2):
        boot.store(ROOT, boot.due(boot.load(ROOT)))
        marks.append(len(flash.log))
    assert slots.judge(ROOT, True, 1000) == "confirmed"  # noqa: FBT003
    marks.append(len(flash.log))
    return marks


def copied(folder, to):
    for name in os.listdir(folder):
        if os.stat(folder + "/" + name)[0] & 0x4000:
            os.mkdir(to + "/" + name)
            copied(folder + "/" + name, to + "/" + name)
        else:
            with open(folder + "/" + name, "rb") as old, open(to + "/" + name, "wb") as new:
                new.write(old.read())


image = bytearray(BLOCK * BLOCKS)
first = Flash(image)
vfs.VfsLfs2.mkfs(first)
flash = mount(image)
copied(HERE + "/chip", ROOT)
with open(HERE + "/planted.py") as file:  # to see whether this notices
    exec(file.read())  # noqa: S102
before = bytes(image)
flash.log.clear()
marks = life()
log = flash.log
vfs.umount(ROOT)

seen = {}
current = Flash(bytearray(before))
for number, entry in enumerate(log):
    cut = bytearray(current.image)
    Flash(cut).do(entry, half=True)
    mount(cut)
    try:
        what = started()
        if number % 40 == 0 and number < marks[0]:
            asyncio.run(installed())
            assert started() == (2, 2)
            what = (1, None)
    except (AssertionError, OSError, ValueError) as error:
        print("cut at write", number, "of", len(log), marks, error)
        sys.exit(1)
    finally:
        vfs.umount(ROOT)
    seen[what] = seen.get(what, 0) + 1
    current.do(entry)
mount(current.image)
what = started()
seen[what] = seen.get(what, 0) + 1
print(json.dumps([list(key) + [seen[key]] for key in sorted(seen, key=str)]))  # noqa: RUF005
