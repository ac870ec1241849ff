"""gateway.esp32.poll beside the scan, on the simulator's board, twenty times as fast as the clock.

Devices are those of site/devices.jsonl. Each observation is a line; commands come on the console.
"""

import asyncio
import json
import sys
import time

import board

HASTE = 20
real_sleep_ms = asyncio.sleep_ms
asyncio.sleep_ms = lambda ms: real_sleep_ms(ms and max(1, ms // HASTE))

from gateway.core import gatt, vocabulary
from gateway.core.refusal import BAD_VALUE, DecodeError
from gateway.esp32 import overlay, properties, roster, settings
from gateway.esp32.ble import Scanner
from gateway.esp32.pipeline import Counts, Intake

SERVICE, CONTROL, ANSWER = (
    gatt.uuid(0xFFE0),
    gatt.uuid(0xFFE1),
    "b42e2a68-ade7-11e4-89d3-123b93f75cba",
)


class Talker:
    """A driver whose device answers by notifying; "drivers.ble.talker"."""

    MODEL = "talker"

    def poll(context):  # noqa: N805 - a module's function
        assert len(context.address) == 6
        yield gatt.listen(SERVICE, ANSWER)
        absent = yield gatt.read(SERVICE, ANSWER)
        assert absent is None  # it cannot be read
        assert (yield gatt.write(SERVICE, gatt.uuid(0xFFE9), b"")) is None
        assert (yield gatt.write(SERVICE, CONTROL, b"ask")) == b""
        first = yield gatt.wait(SERVICE, ANSWER)
        second = yield gatt.wait(SERVICE, ANSWER)
        long = yield gatt.read(SERVICE, CONTROL)
        return first + second + long

    def decode(payload, _context):  # noqa: N805 - a module's function
        return [("firmware_version", payload.decode(), 0, "")]


class Broken:
    """Drivers that are no good: by what `how` says."""

    MODEL = "broken"
    DRIVERS = ()

    def __init__(self, how):
        self.how = how
        self.DRIVERS = (self,)

    def poll(self, _context):
        if self.how == "refuses":
            raise DecodeError(BAD_VALUE)
        if self.how == "raises":
            raise KeyError(1)
        while self.how == "endless":
            yield gatt.read(SERVICE, CONTROL)
        if self.how == "odd":
            yield 5
        if self.how == "text":
            yield gatt.read("no UUID", "at all")


class Clock:
    """The chip's uptime."""

    def __init__(self):
        self.last = time.ticks_ms()
        self.ms = 0

    def now(self):
        now = time.ticks_ms()
        self.ms += time.ticks_diff(now, self.last)
        self.last = now
        return self.ms * HASTE


class Shelf:
    """Delivery that says what it takes."""

    has_room = True
    level = "normal"

    def offer(self, _klass, urn, _heard_ms, tail):
        print("took " + json.dumps([urn, "{" + tail.split(",", 1)[1]]))


class Radio(Scanner):
    """The scan, which says what becomes of it."""

    def _turn(self, state, cause):
        print("turned", state, cause)
        Scanner._turn(self, state, cause)


class Agent:
    """What a poll looks at."""

    beats = 0

    def __init__(self, root):
        self.counts, self.clock, self.delivery, self.vitals = Counts(), Clock(), Shelf(), self
        lines = settings.devices(root, None)
        listed = roster.listed(lines, {"burst": 99, "per_minute": 999, "repeat_window_ms": 60000})
        self.intake = Intake(listed, self.clock, self.counts, self.delivery, {})
        self.scanner = Radio({"scan": "passive", "window_ms": 10000}, self.intake, self.clock, int)
        self.radios = [self.scanner]

    def devices(self):
        return self.intake.devices.values()

    def beat(self, number):
        assert number == 1
        self.beats += 1

    async def poll(self):
        while True:
            now = self.clock.now()
            if [each for each in self.devices() if each.poll_s and each.poll_ms <= now]:
                before = self.beats
                await overlay.arun("poll", "work", self)
                assert self.scanner.listener is None
                assert not self.scanner.is_held
                assert "gateway.esp32.poll" not in sys.modules
                was_seen = self.beats > before or self.clock.now() - now < 1000
                print("polled", was_seen)
            await asyncio.sleep_ms(100)

    def law(self):
        counts = self.counts
        ended = counts.unlisted + counts.duplicate + counts.limited + counts.thinned
        ended += counts.unknown + counts.empty + counts.decoded + sum(counts.refused.values())
        print("law", counts.heard == ended + self.scanner.waiting() + self.intake.waiting)
        print("state", self.scanner.state, board.radio is not None, sorted(counts.refused.items()))


async def main(root):
    agent = Agent(root)
    tasks = [asyncio.create_task(agent.scanner.run()), asyncio.create_task(agent.poll())]
    print("started")
    reader = asyncio.StreamReader(sys.stdin.buffer)
    while True:
        name, *arguments = (await reader.readline()).decode().split()
        assert not [task for task in tasks if task.done()]
        if name == "law":
            agent.law()
        elif name == "unread":
            told = [[device.urn, device.unread] for device in agent.devices()]
            print("cannot " + json.dumps(told))
        elif name == "room":
            agent.delivery.has_room = arguments[0] == "yes"
        elif name == "level":
            agent.delivery.level = arguments[0]
        print("did", name)


def run(root):
    sys.modules["drivers.ble.talker"] = Talker
    for how in ("refuses", "raises", "endless", "odd", "text", "silent"):
        sys.modules["drivers.ble." + how] = Broken(how)
    vocabulary.source[0] = properties.line
    properties.use(root + "/a/properties.txt")
    asyncio.run(main(root))
