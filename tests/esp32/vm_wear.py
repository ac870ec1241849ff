"""Measure how the store wears the flash, on MicroPython's littlefs and a model of flash.

    vm_wear.py [PERCENT]

Prints, for batches of 1, 5 and 20 observations, how often a block is erased and programmed while
the store is full and drops its oldest; then how long 2 MB of flash would last if the broker were
away all day, every day:

    years = blocks that rotate * cycles * evenness / (erases a day * 365)

Blocks of files that nobody writes (the agent's own) do not rotate: littlefs levels what is free.
`evenness` is the mean of those that rotate over the worst of them, measured on a small flash so
that each is erased often. A drained store is deleted: that costs next to nothing. PERCENT of the
work is done; less is faster and says less of evenness.
"""

import gc
import io
import os
import sys

import vfs
from flash import Flash

from gateway.esp32.segments import Segments

ROOT = "/flash"
BLOCKS = 96  # of the model
STATIC = 20  # of them with files that nobody writes
CAP = 98304
RESERVE = 65536
REAL_BLOCKS = 512
REAL_STATIC = 200  # two versions of the agent, its settings
CYCLES = 100000
TAIL = 260  # characters of an observation after its time: four results and a link
DAY_S = 86400


class Clock:
    """A clock that nobody synchronised."""

    boot = "b" * 32
    offset_ms = None

    def now(self):
        return 1000


def mounted():
    flash = Flash(io.BytesIO(b"\xff" * (4096 * BLOCKS)), BLOCKS)
    vfs.VfsLfs2.mkfs(flash)
    vfs.mount(vfs.VfsLfs2(flash), ROOT)
    os.mkdir(ROOT + "/state")
    with open(ROOT + "/agent", "wb") as file:
        left = STATIC
        while left := left - 1:
            file.write(bytes(4080))
    return flash


def batch(first, count):
    tail = "x" * TAIL
    entries = [
        (number, f'{{"seq":{number},"device":"urn:dev:mac:a4c138fffe1b2c3d"', tail)
        for number in range(first, first + count)
    ]
    return "routine", "R" * 26, first, "b" * 32, None, "", entries


def keep(store, first, count):
    while True:
        try:
            return store.give_back(store.append(batch(first, count)))
        except OSError as error:
            if error.errno != 28:
                raise
            store.drop_oldest()


def drain(store):
    while handle := store.lease():
        store.settle(handle)


def measure(count, appends):
    """Return erases per append once it is full and drops, evenness, erases per batch to drain."""
    flash = mounted()
    store = Segments(ROOT, CAP, Clock(), RESERVE)
    store.open()
    for number in range(appends):
        keep(store, number * count, count)
    half, _, programs = flash.worn()
    for number in range(appends, 2 * appends):
        keep(store, number * count, count)
    full, worst, programs_after = flash.worn()
    batches = store.batches
    drain(store)
    drained = flash.worn()[0] - full
    vfs.umount(ROOT)
    evenness = full / (BLOCKS - STATIC) / worst
    return (
        (full - half) / appends,
        (programs_after - programs) / appends,
        evenness,
        drained / batches,
    )


def main(percent=100):
    print("observations  erases/batch  erases/obs.  programs/obs.  evenness  drain erases/batch")
    measured = {}
    for count, appends in ((1, 3000), (5, 2500), (20, 1200)):
        measured[count] = measure(count, appends * int(percent) // 100)
        erases, programs, even, drained = measured[count]
        row = count, erases, erases / count, programs / count, even, drained
        print("{:12d}  {:12.2f}  {:11.3f}  {:13.1f}  {:8.2f}  {:18.2f}".format(*row))
        gc.collect()
    print()
    print("away all day             batches/day  erases/day  years")
    for rate, count, every_s in ((1, 1, 1), (10, 5, 0.5), (1, 20, 20), (10, 20, 2)):
        erases, _, even, drained = measured[count]
        batches = DAY_S / every_s
        a_day = batches * (erases + drained)
        years = (REAL_BLOCKS - REAL_STATIC) * CYCLES * even / (a_day * 365)
        case = f"{rate:2d}/s in batches of {count:2d}"
        print(f"{case}     {int(batches):11d}  {int(a_day):10d}  {years:5.2f}")


main(*sys.argv[1:])
