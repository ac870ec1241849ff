"""Cut the power at every erase and program of a history of the store, on MicroPython's littlefs.

    vm_power.py undone|torn|full SEED BLOCKS CAP

A history keeps batches of both classes, leases, settles, drops, keeps the journal, restarts and
goes on. It is played once for each operation of the flash, up to which the power stays. Then the
board starts again, and each batch whose append had returned has to be there to the byte, or
settled, or in a loss range that is noted. Prints what went wrong, and the cuts tried.

`full` cuts nothing: others leave the file system 0, 1, 2... blocks, and the store takes them all.
"""

import gc
import io
import os
import sys

import vfs
from flash import Flash

from gateway.esp32 import overlay
from gateway.esp32.segments import Segments

ROOT = "/flash"
STORE = ROOT + "/store"
RUNS = 3
STEPS = 14


class Clock:
    """A clock that nobody synchronised, of a boot with a number."""

    offset_ms = None

    def __init__(self, boot):
        self.boot = f"{boot:032x}"

    def now(self):
        return 1000


class Chance:
    """Numbers that look like chance and are the same each time."""

    def __init__(self, seed):
        self._state = seed

    def below(self, limit):
        self._state = (self._state * 1103515245 + 12345) & 0x3FFFFFFF
        return (self._state >> 8) % limit


class Ledger:
    """What the store has promised, kept apart from it."""

    def __init__(self):
        self.kept = {}  # (stream, first) -> the batch, its append returned, unsettled
        self.trying = None  # its append had not returned
        self.settling = {}  # settled by us: may come again after a restart
        self.sessions = -1
        self.ends = {}


def stream_of(klass, run):
    return (f"{run:02d}{klass}" + "0" * 26)[:26]


def batch(klass, run, first, count, chance):
    entries = []
    known = chance.below(2)
    for number in range(first, first + count):
        tail = "é" * 3 + "x" * chance.below(300)
        entries.append((number * 7, f'{{"seq":{number}', f',"results":[{tail}]'))
    offset, quality = (-5000 - run, "exact") if known else (None, "")
    return klass, stream_of(klass, run), first, f"{run:032x}", offset, quality, entries


def same(one, other):
    return one[:6] == other[:6] and list(one[6]) == list(other[6])


class Run:
    """The agent, as far as the store sees it."""

    def __init__(self, flash, number, ledger, cap, reserve=12 * 4096):
        self.flash = flash
        self.number = number
        self.ledger = ledger
        self.numbers = {"routine": 0, "event": 0}
        self.store = Segments(ROOT, cap, Clock(number), reserve)
        kept = self.store.open()
        streams = {klass: stream_of(klass, number) for klass in self.numbers}
        begun = overlay.run("journal", "begin", ROOT, streams, kept)
        if flash.is_dead:
            raise OSError(5)
        assert begun[0] > ledger.sessions, "a session came again"
        ledger.sessions = begun[0]
        self.losses = begun[2]
        self.leased = []
        self.refused = 0

    def step(self, chance):
        what = chance.below(16)
        if what < 9:
            self.keep(chance)
        elif what < 11:
            self.lease(1 + chance.below(4))
        elif what < 13:
            while self.leased:
                self.settle(self.leased.pop(chance.below(len(self.leased))))
        elif what < 14:
            self.store.leased.clear()
            self.store.give_back()
            self.leased = []
        elif what < 15:
            overlay.run("journal", "keep_counters", ROOT, {"lora:17": chance.below(1000)})
        else:
            self.drop()

    def keep(self, chance):
        klass = "event" if chance.below(4) == 0 else "routine"
        first = self.numbers[klass]
        count = 1 + chance.below(6)
        self.numbers[klass] = first + count + chance.below(2)
        made = batch(klass, self.number, first, count, chance)
        key = made[1], first
        self.ledger.trying = key, made
        try:
            handle = self.store.append(made)
        except OSError as error:
            if error.errno == 28:
                self.refused += 1
                self.ledger.trying = None
                self.drop()
            return
        self.ledger.kept[key] = made
        self.ledger.trying = None
        if chance.below(2):
            self.store.give_back(handle)
        else:
            self.leased.append(handle)

    def lease(self, most):
        while most and (handle := self.store.lease()):
            self.leased.append(handle)
            most -= 1

    def settle(self, handle):
        try:
            read = self.store.read(handle)
        except OSError:
            assert self.flash.is_dead or not self.store.settle(handle), "settled what is not there"
            return
        key = read[1], read[2]
        self.ledger.settling[key] = self.ledger.kept.pop(key, None) or self.ledger.settling.get(
            key
        )
        self.store.settle(handle)

    def drop(self):
        losses = self.store.drop_oldest()
        for loss in losses:
            self.forget(loss)

    def forget(self, loss):
        kept = self.ledger.kept
        for key in [key for key in kept if lost(key, kept[key], [loss])]:
            kept.pop(key)


def lost(key, made, losses):
    last = key[1] + len(made[6]) - 1
    return any(each[0] == key[0] and each[1] <= key[1] and last <= each[2] for each in losses)


def history(flash, seed, ledger, cap):
    """Play until the power goes; return the operations that making the file system took."""
    chance = Chance(seed)
    vfs.VfsLfs2.mkfs(flash)
    first = flash.operations
    try:
        for number in range(RUNS):
            vfs.mount(vfs.VfsLfs2(flash), ROOT)
            run = Run(flash, number, ledger, cap)
            for _ in range(STEPS):
                run.step(chance)
                if flash.is_dead:
                    return first
            if chance.below(2):
                overlay.run("journal", "close", ROOT, {}, {})
            vfs.umount(ROOT)
    except OSError:
        if not flash.is_dead:
            raise
    return first


def judge(cells, blocks, ledger, cap):
    """Start again on what the cells hold; return what is wrong."""
    flash = Flash(cells, blocks)
    vfs.mount(vfs.VfsLfs2(flash), ROOT)
    again = Ledger()
    again.sessions = ledger.sessions
    run = Run(flash, 90, again, cap)
    store = run.store
    total = store.observations, store.batches
    found = {}
    while handle := store.lease():
        run.leased.append(handle)
        read = store.read(handle)
        found[read[1], read[2]] = read[:6] + (list(read[6]),)  # noqa: RUF005 - not on MicroPython
    wrong = promised(ledger, found, run.losses) + explained(ledger, found, run.losses)
    if store.lost:
        wrong.append(f"damaged {store.lost}")
    if total != (sum([len(each[6]) for each in found.values()]), len(run.leased)):
        wrong.append(f"counted {total}, found {len(found)}, leased {len(run.leased)}")
    run.keep(Chance(5))  # and it goes on
    for handle in run.leased:
        store.settle(handle)
    if (store.observations, store.batches, store.bytes) != (0, 0, 0) or os.listdir(STORE):
        wrong.append(f"left {store.observations} {store.batches} {store.bytes}")
    if flash.misuses:
        wrong.append("a program had to set a bit")
    vfs.umount(ROOT)
    return wrong


def promised(ledger, found, losses):
    """Return what was kept and is not there, to the byte or in a loss range."""
    wrong = []
    for key, made in ledger.kept.items():
        if key in found:
            if not same(found[key], made):
                wrong.append(f"not the same {key}")
        elif not lost(key, made, losses):
            wrong.append(f"missing {key}")
    return wrong


def explained(ledger, found, losses):
    """Return what is there and was never kept, or is not what was."""
    wrong = []
    tried = dict([ledger.trying] if ledger.trying else [])
    for key, read in found.items():
        made = ledger.kept.get(key) or ledger.settling.get(key) or tried.get(key)
        if made and not same(read, made):
            wrong.append(f"not what it was {key}")
        if not made and not any(each[0] == key[0] for each in losses):
            wrong.append(f"from nowhere {key}")
    return wrong


def fill(free, blocks, cap):
    """Play on a file system of which others leave some blocks; return what is wrong."""
    cells = io.BytesIO(b"\xff" * (4096 * blocks))
    flash = Flash(cells, blocks)
    vfs.VfsLfs2.mkfs(flash)
    vfs.mount(vfs.VfsLfs2(flash), ROOT)
    ledger = Ledger()
    run = Run(flash, 0, ledger, cap, 0)
    with open(ROOT + "/others", "wb") as file:
        left = os.statvfs(ROOT)[3] - free
        while left := left - 1:
            file.write(bytes(4096 - 12))
    chance = Chance(free)
    for _ in range(150):
        try:
            run.keep(chance)
        except OSError as error:  # its loss could not be noted either
            if error.errno != 28:
                raise
    wrong = [] if run.refused else ["never full"]
    if run.store.observations != sum([len(made[6]) for made in ledger.kept.values()]):
        wrong.append(f"counted {run.store.observations}")
    while run.leased:
        run.settle(run.leased.pop())
    os.remove(ROOT + "/others")
    vfs.umount(ROOT)
    return wrong + judge(cells, blocks, ledger, cap)


def fills(seed, blocks, cap):
    for free in range(seed, 24):
        for line in fill(free, blocks, cap):
            print("free", free, line)
    print("fills", 24 - seed)


def cuts(seed, blocks, cap, is_torn):
    cut = tried = 0
    while True:
        cells = io.BytesIO(b"\xff" * (4096 * blocks))
        flash = Flash(cells, blocks)
        flash.is_torn = is_torn
        flash.cut_at = cut
        ledger = Ledger()
        first = history(flash, seed, ledger, cap)
        if flash.is_dead:
            vfs.umount(ROOT)
            for line in judge(cells, blocks, ledger, cap):
                print("cut at", cut, line)
            tried += 1
        elif cut:
            break
        cut = max(cut, first) + 1
        gc.collect()
    print("cuts", tried)


def main(mode, *numbers):
    numbers = [int(number) for number in numbers]
    if mode == "full":
        fills(*numbers)
    else:
        cuts(*numbers, mode == "torn")


main(*sys.argv[1:])
