"""On MicroPython: the console of an agent that is made up, in the state the test names."""

import asyncio
import sys

from gateway.esp32 import console
from gateway.esp32.clock import Clock


class Thing:
    """A part of the agent."""

    def __init__(self, **fields):
        for name, value in fields.items():
            setattr(self, name, value)


class Station:
    """The Wi-Fi."""

    def connect(self):
        """Be a station: what it has, a cable has not."""

    def ifconfig(self):
        return ("192.0.2.5", "255.255.255.0", "192.0.2.1", "192.0.2.53")

    def status(self, _):
        return -61


class Agent:
    """What the console looks at."""

    def __init__(self, well):
        self.site = Thing(
            gateway="gw-1",
            org="kiel",
            software="ugw 0.1.0",
            network={"ssid": "Foerde", "psk": b"hunter2-wifi"},
            mqtt={
                "host": "broker.example",
                "port": 8883,
                "tls": True,
                "password": b"hunter2-mqtt",
            },
            time={"servers": ["ntp.example"], "port": 123},
        )
        self.clock = Clock()
        if well:
            self.clock.set(1795352400000, 12)
        cause = "" if well else "the Wi-Fi does not take the password"
        self.link = Thing(up=well, cause=cause, nic=Station(), dns=lambda: ("192.0.2.53",))
        self.uplink = Thing(up=well, cause="" if well else "no network")
        self.delivery = Thing(
            level="normal" if well else "elevated",
            store_state="ok" if well else "memory-only",
            in_memory=lambda: 3,
            backlog=lambda: (2, 40, 8000, 3700) if not well else (0, 0, 0, None),
        )
        self.session = 7
        state = Thing(name="ble", state="up" if well else "deaf", cause="the radio is silent")
        self.transports = lambda: [state]
        self.counters = lambda: [("heard", 1200), ("unlisted", 1100), ("refused", 0), ("sent", 9)]
        listed = [
            Thing(urn="urn:dev:mac:c0ffee", heard_ms=0, rssi=-71, unread="", key=b"hunter2-key"),
            Thing(urn="ugw:kiel:bin-17", heard_ms=None, rssi=None, unread="it is away", key=None),
        ]
        self.devices = lambda: listed

    @property
    def fault(self):
        return ""

    @fault.setter
    def fault(self, cause):
        print("RESTARTED", cause)


async def main():
    agent = Agent(sys.argv[1] == "well")
    console.say("READY", gateway="gw-1", session=7, software="ugw 0.1.0")
    if sys.argv[1] == "chatty":
        for number in range(200):
            console.say("network down", cause="beacon\x1b[2J\nlost " + "x" * 300, number=number)
    task = asyncio.create_task(later())
    await console.run(agent)
    await task


async def later():
    while not console._typed[0].endswith("stat"):  # until the person is in the midst
        await asyncio.sleep_ms(5)
    console.say("broker up", host="broker.example")


try:
    asyncio.run(main())
except KeyboardInterrupt:
    print("to the prompt")
