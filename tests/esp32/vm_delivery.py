"""A long history of delivery over the real store, within a heap that is given from outside.

    vm_delivery.py FOLDER

Rounds of a healthy link, an outage that overfills the store, a store that cannot be written, and
a recovery. The law is checked at every step, and after each round, when the store has left
memory, as much has to be taken as after the first. Prints what was taken, and what went wrong.
"""

import gc
import os
import sys

from gateway.esp32.delivery import Delivery

ROUNDS = 4
URN = "urn:dev:mac:c0ffee000001"
TAIL = ',"results":[{"observedProperty":"air_temperature","result":21.45,"unit":"Cel"}],"link":{}}'


class Site:
    """What delivery reads of site.json."""

    org = "acme"
    gateway = "site-1"
    root = "ugw/1/acme/site-1"
    path = sys.argv[1]
    delivery = {
        "commit_after_ms": 700,
        "live_max_age_ms": 60000,
        "pace_ms": 20,
        "window": 8,
        "ack_timeout_ms": 10000,
        "min_rate": 500,
        "store_bytes": 40000,
    }


class Clock:
    """Turned by hand."""

    boot = "00000000-0000-4000-a000-000000000001"
    offset_ms = None
    since_ms = 0
    ms = 1 << 31  # uptime no longer fits into a small integer

    def now(self):
        return self.ms

    def state(self):
        return "unsynced" if self.offset_ms is None else "synced"

    def max_error_ms(self):
        return None if self.offset_ms is None else 20


class Counts:
    """As the pipeline has them."""

    observed = delivered = dropped = recovered = resent = 0


class Uplink:
    """Makes packets as the real one, and says that they were sent."""

    up = can_send = False

    def __init__(self):
        self.packet = bytearray(1536)
        self.end = self.pid = 0
        self.open = []
        self.most = 0

    def begin(self, topic, _room=0):
        assert self.can_send
        self.end = len(topic) + 8

    def add(self, text):
        data = text.encode()
        end = self.end + len(data)
        assert end <= 1536
        self.packet[self.end : end] = data
        self.end = end

    def send(self, _retain, pid):
        if not pid:
            self.pid = pid = self.pid % 65535 + 1
        self.open.append(pid)
        self.most = max(self.most, self.end)
        return pid

    def drop(self, _cause):
        self.up = self.can_send = False
        delivery.on_down()


def lost(_stream, first, last, reason):
    told[reason] = told.get(reason, 0) + last - first + 1


def check():
    held = delivery.in_memory() + delivery.in_backlog()
    assert counts.recovered + counts.observed == counts.delivered + counts.dropped + held


def offer(number):
    klass = "event" if number % 7 == 0 else "routine"
    delivery.offer(klass, URN, clock.ms, TAIL)
    counts.observed += 1


def wait(ms):
    end = clock.ms + ms
    while clock.ms < end:
        clock.ms += delivery.tick()
        check()


def acknowledge():
    while uplink.open:
        assert delivery.acknowledged(uplink.open.pop(len(uplink.open) // 2))
        check()


def connect():
    if not uplink.up:
        uplink.open = []
        uplink.up = uplink.can_send = True
        delivery.on_up()


def taken():
    gc.collect()
    gc.collect()
    return gc.mem_alloc()


def one_round():
    connect()
    for number in range(200):  # healthy
        offer(number)
        wait(40)
        acknowledge()
    for number in range(4):  # on their way when the connection ends
        offer(number)
        wait(20)
    uplink.drop("gone")
    for number in range(300):  # an outage that overfills the store
        offer(number)
        wait(60)
    os.rename(Site.path + "/store", Site.path + "/gone")
    for number in range(60):  # a store that is not there
        offer(number)
        wait(60)
    assert delivery.store_state == "memory-only"
    os.rename(Site.path + "/gone", Site.path + "/store")
    wait(130000)
    assert delivery.store_state == "ok"
    clock.offset_ms = 1795000000000
    connect()
    while delivery.in_memory() + delivery.in_backlog():
        acknowledge()
        wait(20)
    assert not os.listdir(Site.path + "/store")
    wait(130000)
    assert delivery.store is None
    assert "gateway.esp32.segments" not in sys.modules
    clock.offset_ms = None


clock = Clock()
counts = Counts()
uplink = Uplink()
told = {}
delivery = Delivery(Site, clock, counts, uplink, {"event": "E" * 26, "routine": "R" * 26})
delivery.on_loss = lost
after = []
for _ in range(ROUNDS):
    one_round()
    after.append(taken())
print("taken", after)
print("told", sorted(told), "resent", counts.resent, "packet", uplink.most)
assert set(told) == {"full", "store"}
assert sum(told.values()) == counts.dropped
assert counts.resent > 0
assert max(after) - after[1] < 200
print("observed", counts.observed)
