"""Plays frames through the ESP32's Intake, on whichever interpreter runs it.

    micropython tests/esp32/vm_intake.py TABLE < CASES > OUTCOMES

A case is a line of JSON: the lines of devices, the limits, steps. Its outcome is a line too: the
observations as they would be sent, the counters, the replay counters kept.
"""

import json
import sys

from gateway.core import vocabulary, wire
from gateway.esp32 import properties, roster
from gateway.esp32.pipeline import Counts, Intake

EPOCH_MS = 1_795_305_600_000  # 2026-11-22T00:00:00Z, at boot


class Recorder:
    """Delivery that takes what there is room for, and renders it."""

    def __init__(self):
        self.has_room = True
        self.level = "normal"
        self.taken = []
        self.numbers = {"routine": 0, "event": 0}

    def offer(self, klass, urn, heard_ms, tail):
        """Take an observation over."""
        head = wire.observation_head(self.numbers[klass], urn)
        self.numbers[klass] += 1
        self.taken.append(head + wire.time_exact(heard_ms + EPOCH_MS, "exact") + tail)


class Play:
    """One case."""

    def __init__(self, case):
        for line in case["devices"]:
            if "key" in line:
                line["key"] = unhex(line["key"])
        self.case = case
        self.delivery = Recorder()
        self.counts = Counts()
        self.begin()

    def begin(self):
        """Make the devices, of which nothing is known."""
        self.devices = roster.listed(self.case["devices"], self.case["intake"])
        self.intake = Intake(self.devices, None, self.counts, self.delivery, None)

    def restart(self, unclean):
        """Begin anew with the counters that were kept."""
        kept = roster.kept(self.devices)
        self.begin()
        roster.restore(self.devices, kept, unclean)

    def step(self, what, *arguments):
        """Do one step."""
        getattr(self, what)(*arguments)

    def ble(self, address, rssi, data, at):
        """Hear an advertisement; the radio counts."""
        self.counts.heard += 1
        self.intake.heard_ble(unhex(address), rssi, unhex(data), at)

    def lora(self, address, rssi, data, at, snr):
        """Hear a packet."""
        self.intake.heard_lora(address, unhex(data), rssi, snr, at)

    def poll(self, address, rssi, data, at):
        """Take what a poll has read."""
        self.counts.heard += 1
        self.intake.admit(unhex(address), None, (at, rssi, None, unhex(data)))

    def level(self, name):
        """Let the backlog fill."""
        self.delivery.level = name

    def outcome(self):
        """Return what came of it."""
        names = ("heard", "unlisted", "duplicate", "limited", "coalesced", "thinned", "unknown")
        names += ("empty", "decoded", "observed")
        return {
            "observations": self.delivery.taken,
            "counts": [[name, getattr(self.counts, name)] for name in names],
            "refused": sorted([list(pair) for pair in self.counts.refused.items()]),
            "counters": sorted([[d.counter, d.highest] for d in self.devices if d.key]),
        }


def unhex(text):
    """Return the bytes of hexadecimal digits; MicroPython wants some."""
    return bytes.fromhex(text) if text else b""


def main():
    """Play every case."""
    properties.use(sys.argv[1])
    vocabulary.source[0] = properties.line
    for line in sys.stdin:
        case = json.loads(line)
        play = Play(case)
        for step in case["steps"]:
            play.step(*step)
        print(json.dumps(play.outcome()))


if __name__ == "__main__":
    main()
