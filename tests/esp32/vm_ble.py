"""gateway.esp32.ble on MicroPython, on a radio like NimBLE's: runs the scenario that is named.

Time is the test's: whoever sleeps lets it pass. The radio reuses its buffers, forgets a handler
that raises, and refuses a scan while it scans, as extmod/modbluetooth.c does.
"""

import asyncio
import sys

DEVICE, DOOR = b"\xc0\xff\xee\x00\x00\x01", b"\xc0\xff\xee\x00\x00\x02"  # routine, event
STALE = b"\xdb"
real_sleep_ms = asyncio.sleep_ms


class World:
    """What time it is, and what happens when."""

    def __init__(self):
        self.ms = 0
        self.haste = 1
        self.beats = 0
        self.due = []  # (ms, what)

    def now(self):
        return self.ms

    def beat(self):
        self.beats += 1

    async def sleep_ms(self, ms):
        self.ms += ms * self.haste
        radio.tick()
        for event in [each for each in self.due if each[0] <= self.ms]:
            self.due.remove(event)
            event[1]()
        await real_sleep_ms(0)


class Radio:
    """The one radio, as bluetooth.BLE() returns it."""

    def __init__(self):
        self.calls = []
        self.refusals = []
        self.on = self.dead = self.loses_ends = False
        self.handler = self.ends = None
        self.memory = bytearray(300)

    def active(self, *on):
        if on:
            self.calls.append("on" if on[0] else "off")
            self.on = on[0]
            self.ends = None
            if on[0]:
                self.dead = False
        return self.on

    def irq(self, handler):
        self.handler = handler

    def gap_scan(self, ms, interval=1280000, window=11250, active=0):
        if ms is None:
            if self.ends is not None:
                self.ends = None
                self.call(6, ())
            return
        self.calls.append((ms, interval, window, active))
        if self.refusals:
            raise OSError(self.refusals.pop())
        if not self.on or self.ends is not None:
            raise OSError(114)  # EALREADY
        self.ends = world.ms + ms

    def tick(self):
        if self.ends is not None and world.ms >= self.ends and not self.loses_ends:
            self.ends = None
            self.call(6, ())

    def call(self, event, data):
        try:
            if self.handler:
                self.handler(event, data)
        except Exception as error:  # noqa: BLE001 - as the firmware does
            sys.print_exception(error)
            self.handler = None

    def say(self, address, data, rssi=-60, kind=3, kind_of_address=1):
        if self.ends is None or self.dead:
            return
        size = len(data)
        self.memory[:6] = address
        self.memory[6 : 6 + size] = data
        view = memoryview(self.memory)
        self.call(5, (kind_of_address, view[:6], kind, rssi, view[6 : 6 + size]))
        self.memory[:] = STALE * len(self.memory)


class Counts:
    """Where frames ended."""

    def __init__(self):
        self.heard = self.unlisted = self.limited = self.coalesced = 0
        self.refused = {}

    def refuse(self, reason):
        self.refused[reason] = self.refused.get(reason, 0) + 1


class Intake:
    """Keeps what it is given."""

    def __init__(self):
        self.counts = Counts()
        self.frames = []
        self.full = False

    def lists(self, address):
        if self.full:
            raise MemoryError
        return address in (DEVICE, DOOR)

    def coalesces(self, address):
        return address != DOOR

    def heard_ble(self, address, rssi, data, at_ms):
        assert type(address) is type(data) is bytes
        self.frames.append((address, rssi, data, at_ms))


class Module:
    """The module `bluetooth`."""

    @staticmethod
    def BLE():  # noqa: N802 - its name
        return radio


world, radio, intake = World(), Radio(), Intake()
running = []
sys.modules["bluetooth"] = Module
asyncio.sleep_ms = world.sleep_ms

from gateway.esp32.ble import Scanner

scanner = Scanner({"scan": "active", "window_ms": 10000}, intake, world, world.beat)


def law():
    """Every frame heard has ended in one place, or waits."""
    counts = intake.counts
    ended = counts.unlisted + counts.limited + counts.coalesced + sum(counts.refused.values())
    assert counts.heard == ended + scanner.waiting() + len(intake.frames), vars_of(counts)


def vars_of(counts):
    return counts.heard, counts.unlisted, counts.limited, counts.coalesced, counts.refused


async def until(condition, most_ms=10000000):
    end = world.ms + most_ms
    while not condition():
        assert world.ms < end, (scanner.state, scanner.cause, radio.calls[-5:])
        assert not any(task.done() for task in running), "the scanner has ended"
        await real_sleep_ms(0)


async def scanning():
    running.append(asyncio.create_task(scanner.run()))
    await until(lambda: radio.ends is not None)


async def copies():
    await scanning()
    began = world.ms
    world.due.append(
        (began + 90, lambda: radio.say(DEVICE, b"\x02\x01\x06\x03\xff\x99\x04", -127))
    )
    world.due.append((began + 90, lambda: radio.say(DOOR, bytes(range(31)), 20)))
    world.due.append((began + 300, lambda: radio.say(DEVICE, b"")))
    await until(lambda: len(intake.frames) == 3)
    (first, second, third) = intake.frames
    assert first[:3] == (DEVICE, -127, b"\x02\x01\x06\x03\xff\x99\x04"), first
    assert second[:3] == (DOOR, 20, bytes(range(31))), second
    assert third[2] == b""
    assert began + 90 <= first[3] == second[3] < began + 140, (began, first[3])
    law()


async def strangers():
    import gc

    await scanning()
    await real_sleep_ms(0)

    def crowd(first):
        for number in range(first, first + 1000):
            radio.say(number.to_bytes(6, "big"), b"\x02\x01\x06")

    crowd(0)
    gc.collect()
    before = gc.mem_alloc()
    for first in range(1000, 6000, 1000):
        crowd(first)
    gc.collect()
    assert gc.mem_alloc() - before < 200, gc.mem_alloc() - before
    assert (intake.counts.unlisted, scanner.waiting()) == (6000, 0)
    law()


async def flood():
    await scanning()
    radio.say(DOOR, b"first")
    for number in range(40):
        radio.say(DEVICE, b"%d" % number)
        radio.say(DOOR, b"%d" % number)
        law()
    assert scanner.waiting() == 16
    counts = intake.counts
    assert (counts.heard, counts.coalesced, counts.limited) == (81, 32, 33), vars_of(counts)
    await until(lambda: scanner.waiting() == 0)
    law()
    mine = [data for address, _, data, _ in intake.frames if address == DEVICE]
    doors = [data for address, _, data, _ in intake.frames if address == DOOR]
    assert mine == [b"%d" % number for number in (0, 1, 2, 3, 4, 5, 6, 39)], mine
    assert doors == [b"first"] + [b"%d" % number for number in range(7)], doors
    assert world.beats >= 16


async def odd():
    await scanning()
    radio.say(DEVICE, b"", kind=4)  # nothing to add: no frame
    assert intake.counts.heard == 0
    radio.say(DEVICE, b"x" * 32)
    radio.say(b"\x00\x01\x02\x03\x04\x05", b"x" * 255)
    assert intake.counts.refused == {"bad_length": 1}
    intake.full = True
    radio.say(DEVICE, b"when memory is short")
    assert radio.handler
    assert intake.counts.limited == 1
    intake.full = False
    radio.call(27, (1, 2, 3))  # an event of somebody else
    radio.say(DEVICE, b"heard")
    await until(lambda: intake.frames)
    law()


async def windows():
    await scanning()
    assert (scanner.state, scanner.cause) == ("up", "")
    await until(lambda: len(radio.calls) >= 4)
    assert radio.calls[0] == "on"
    assert set(radio.calls[1:]) == {(10000, 30000, 30000, True)}, radio.calls
    assert world.ms < 31000
    radio.loses_ends = True  # a window whose end nobody tells is ended by us
    await until(lambda: len(radio.calls) >= 7)
    assert "off" not in radio.calls
    assert scanner.state == "up"


async def refusals():
    world.haste = 5
    radio.refusals = [12, 12, 12]
    running.append(asyncio.create_task(scanner.run()))
    await until(lambda: scanner.state == "down" and "12" in scanner.cause)
    await until(lambda: scanner.state == "up", 60000)
    assert radio.calls.count("off") == radio.calls.count("on") - 1 == 3
    assert scanner.since_ms > 0
    radio.say(DEVICE, b"heard")
    await until(lambda: intake.frames)


async def deaf():
    world.haste = 20
    await scanning()
    await until(lambda: world.ms > 400000)
    assert scanner.state == "up"  # who never heard anything is not deaf
    assert radio.calls.count("off") == 0
    radio.say(DEVICE, b"here")
    radio.dead = True
    began = world.ms
    await until(lambda: scanner.state == "deaf")
    assert 60000 <= world.ms - began < 85000, world.ms - began
    assert scanner.since_ms > began
    await until(lambda: radio.calls.count("off") == 1)
    assert not radio.dead
    await until(lambda: radio.ends is not None)
    assert scanner.state == "deaf"
    radio.say(DEVICE, b"again")
    await until(lambda: scanner.state == "up")
    assert [data for _, _, data, _ in intake.frames] == [b"here", b"again"]
    assert radio.calls.count("off") == 1
    law()


async def silence():
    world.haste = 25
    await scanning()
    radio.say(DEVICE, b"here")
    offs = []
    for _ in range(8):
        await until(lambda: radio.calls.count("off") > len(offs))
        offs.append(world.ms)
    for at, least in enumerate((120, 240, 480, 900, 900, 900, 900)):
        gap = (offs[at + 1] - offs[at]) // 1000
        assert least - 30 <= gap <= least + 60, offs


asyncio.run(asyncio.wait_for(globals()[sys.argv[1]](), 30))
print("well")
