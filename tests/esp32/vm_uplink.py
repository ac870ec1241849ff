"""gateway.esp32.uplink as a small agent uses it: publishes numbers until all are acknowledged.

    vm_uplink.py SETTINGS        as JSON: the site's, and those of `asked` below

Says one JSON object a line: what happens, and how it went at the end.
"""

import asyncio
import gc
import io
import json
import socket
import sys
import time

asked = {
    "count": 100,
    "window": 8,
    "size": 20,  # bytes of a payload
    "first_pid": 1,
    "pause_ms": 0,  # between two publishes
    "chip": False,  # sockets behave as an ESP32's
    "trickle": 0,  # of those: as many bytes at a time, and then there is no room
    "unmodified": False,  # umqtt itself publishes
    "tick": False,  # says so, again and again, while the loop runs
    "leave": True,
    "topics": [],
    "password": "",
    "key": "",  # of a file
    "stay_ms": 0,  # after the last acknowledgement
}
asked.update(json.loads(sys.argv[1]))


def say(**fields):
    print(json.dumps(fields))


# ----------------------------------------------------------------------------- the ESP32's sockets
writes = [0, 0]  # that took something, bytes
real_socket = socket.socket


class Chip(io.IOBase):
    """A socket with the semantics of ports/esp32/modsocket.c: blocking means without a limit."""

    def __init__(self, *args):
        self.raw = real_socket(*args)
        self.full = True

    def setblocking(self, flag):
        self.raw.settimeout(None if flag else 0)

    def connect(self, address):
        self.raw.connect(address)

    def read(self, count):
        return self.raw.read(count)

    def readinto(self, buffer):
        return self.raw.readinto(buffer)

    def write(self, data, *length):
        if asked["trickle"]:
            self.full = not self.full
            if self.full:
                return None
            data = data[: asked["trickle"]]
        count = self.raw.write(data, *length)
        if count:
            writes[0] += 1
            writes[1] += count
        return count

    def close(self):
        self.raw.close()

    def ioctl(self, request, _):
        return self.raw.fileno() if request == 10 else 0  # MP_STREAM_GET_FILENO, for poll


class Sockets:
    """The module, with these."""

    getaddrinfo = socket.getaddrinfo
    socket = Chip


class Nvs:
    """Where the key is."""

    def __init__(self, namespace):
        assert namespace == "ugw"

    def get_blob(self, name, buffer):
        if name != "tls_key" or not asked["key"]:
            raise OSError(-0x1102)
        with open(asked["key"], "rb") as file:
            return file.readinto(buffer)


class Esp32:
    """The module."""

    NVS = Nvs


class Site:
    """A site's settings."""

    client_id = asked.get("client_id", "gw")
    root = "ugw"
    update = asked.get("update", True)
    path = asked.get("path", "")
    mqtt = {
        "host": asked["host"],
        "port": asked["port"],
        "user": asked.get("user", ""),
        "password": asked["password"],
        "keepalive_s": asked.get("keepalive_s", 30),
        "tls": asked.get("tls", False),
    }


class Link:
    """Always up."""

    up = True

    def dns(self):
        return ()


class Sender:
    """A delivery of the simplest kind: a window, and DUP after a loss."""

    def __init__(self, uplink):
        self.uplink = uplink
        self.next = 0
        self.waiting = {}  # packet id -> number
        self.again = []
        self.acked = self.resent = 0
        uplink.on_up, uplink.on_down, uplink.on_ack = self.on_up, self.on_down, self.on_ack

    def on_up(self):
        say(event="up")
        self.again = sorted(self.waiting, key=self.waiting.get)

    def on_down(self):
        say(event="down", cause=self.uplink.cause)

    def on_ack(self, pid):
        if pid in self.waiting:
            del self.waiting[pid]
            self.acked += 1
            if self.acked == asked.get("tell", 1):
                say(event="acked", count=self.acked)

    def publish(self, number, pid=0):
        uplink = self.uplink
        uplink.begin(asked.get("topic", "ugw/obs/live"), asked["size"])
        text = str(number)
        uplink.add(text + " " * (asked["size"] - len(text)))
        pid = uplink.send(pid=pid)
        assert 0 < pid < 65536
        assert self.waiting.get(pid, number) == number, pid
        self.waiting[pid] = number

    async def run(self):
        while self.acked < asked["count"]:
            while self.uplink.can_send and self.again:
                pid = self.again.pop(0)
                if pid in self.waiting:
                    self.resent += 1
                    self.publish(self.waiting[pid], pid)
            while self.uplink.can_send and len(self.waiting) < asked["window"] and not self.again:
                if self.next == asked["count"]:
                    break
                self.publish(self.next)
                self.next += 1
                if asked["pause_ms"]:
                    await asyncio.sleep_ms(asked["pause_ms"])
            await asyncio.sleep_ms(0)


worst = [0]


async def beat():
    """Measure for how long the loop stands still: a task that wants to run every 10 ms."""
    before = time.ticks_ms()
    while True:
        await asyncio.sleep_ms(10)
        now = time.ticks_ms()
        worst[0] = max(worst[0], time.ticks_diff(now, before) - 10)
        before = now


def unmodified():
    """Show what umqtt does by itself."""
    from umqtt import simple

    simple.socket = Sockets
    client = simple.MQTTClient("unmodified", asked["host"], asked["port"], keepalive=30)
    client.connect()
    client.publish("ugw/obs/live", "0", qos=1)
    say(event="acked", count=1)
    sys.stdin.readline()
    began = time.ticks_ms()
    client.publish("ugw/obs/live", "1", qos=1)
    say(event="end", stalled_ms=time.ticks_diff(time.ticks_ms(), began))


def on_message(topic, payload):
    say(event="message", topic=topic.decode(), payload=payload.decode())


async def main():
    from gateway.esp32.clock import Clock
    from gateway.esp32.uplink import Uplink

    sys.modules["esp32"] = Esp32
    if asked["chip"]:
        sys.modules["socket"] = Sockets
    uplink = Uplink(Site, Clock(), Link())
    uplink.pid = asked["first_pid"] - 1
    uplink.set_last_will("ugw/status", "lost", retain=True, qos=1)
    uplink.set_callback(on_message)
    uplink.topics = asked["topics"]
    sender = Sender(uplink)
    beating = asyncio.create_task(beat())
    running = asyncio.create_task(uplink.run())
    telling = asyncio.create_task(tell(uplink))
    await sender.run()
    await asyncio.sleep_ms(asked["stay_ms"])
    telling.cancel()
    beating.cancel()
    gc.collect()
    live = gc.mem_alloc()
    if asked["leave"]:
        await uplink.close(b"left")
        await running
    say(
        event="end",
        acked=sender.acked,
        resent=sender.resent,
        worst_ms=worst[0],
        last_pid=uplink.pid,
        skipped=uplink.skipped,
        left=len(uplink.in_flight),
        writes=writes,
        live=live,
    )


async def tell(uplink):
    cause = ""
    while True:
        if uplink.cause != cause:
            cause = uplink.cause
            say(event="cause", cause=cause)
        if asked["tick"]:
            say(event="tick")
        await asyncio.sleep_ms(20)


if asked["unmodified"]:
    unmodified()
else:
    asyncio.run(main())
