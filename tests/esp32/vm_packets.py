"""gateway.esp32.uplink without a network: which bytes it writes, when, and how it reads them."""

import asyncio
import gc
import io

from gateway.esp32.clock import Clock
from gateway.esp32.uplink import Uplink


class Wire(io.IOBase):
    """Takes `most` bytes in all; gives what is put into `coming`, a few bytes at a time."""

    def __init__(self, most=1 << 20):
        self.most = most
        self.writes = []
        self.coming = b""
        self.piece = 3

    def write(self, data):
        count = min(len(data), self.most)
        self.most -= count
        if not count:
            return None
        self.writes.append(bytes(data[:count]))
        return count

    def readinto(self, buffer):
        part = self.coming[: min(len(buffer), self.piece)]
        if not part:
            return None
        buffer[: len(part)] = part
        self.coming = self.coming[len(part) :]
        return len(part)

    def ioctl(self, request, argument):
        return (1 if self.coming else 0) | 4 & argument if request == 3 else 0


class Site:
    """A site's settings."""

    client_id = "gw"
    update = True
    mqtt = {"host": "127.0.0.1", "port": 1883, "keepalive_s": 30}


def connected(most=1 << 20):
    uplink = Uplink(Site, Clock(), None)
    uplink._wire = Wire(most)
    uplink.up = True
    return uplink, uplink._wire


def publish(uplink, size=10, pid=0, retain=0, room=0):
    uplink.begin("a/b", room)
    uplink.add("x" * size)
    return uplink.send(retain, pid)


def raises(kind, function, *args):
    try:
        function(*args)
    except kind:
        return
    raise AssertionError(kind)


def headers():
    """Show that the length takes as few bytes as it may, and stands right before the topic."""
    for size, head in (
        (120, b"\x32\x7f"),
        (121, b"\x32\x80\x01"),
        (16376, b"\x32\xff\x7f"),
        (16377, b"\x32\x80\x80\x01"),
    ):
        uplink, wire = connected()
        gc.collect()
        publish(uplink, size, room=size)
        gc.collect()
        sent = wire.writes.pop()
        assert not wire.writes
        assert sent[: len(head) + 7] == head + b"\0\3a/b\0\1", size
        assert len(sent) == len(head) + 7 + size
        assert uplink.can_send
        del uplink, wire
    uplink, wire = connected()
    publish(uplink, 5, retain=1)
    publish(uplink, 5, pid=513)
    publish(uplink, 5, pid=514, retain=1)
    assert [each[0] for each in wire.writes] == [0x33, 0x3A, 0x3B]
    assert wire.writes[1][7:9] == b"\x02\x01"


def room():
    """Show that 1.5 kB are there, more is made, and nothing is written behind the end."""
    uplink, _ = connected()
    own = uplink._own
    uplink.begin("a/b", 1536 - 11)
    uplink.add(b"x" * (1536 - 11))
    assert uplink._out is own
    raises(ValueError, uplink.add, "x")
    uplink.begin("a/b", 1536 - 10)
    assert uplink._out is not own
    uplink.add("\u00e9")  # two bytes
    assert len(own) == 1536


def ids():
    """Show that ids wrap and pass over those in flight; what is sent again keeps its own."""
    uplink, _ = connected()
    uplink.pid = 65533
    uplink.in_flight = {65535, 1, 3}
    assert [publish(uplink) for _ in range(3)] == [65534, 2, 4]
    assert publish(uplink, pid=2) == 2
    assert publish(uplink) == 5
    assert uplink.in_flight == {65534, 65535, 1, 2, 3, 4, 5}
    for _ in range(64):
        if uplink.can_send:
            publish(uplink)
    assert len(uplink.in_flight) == 64
    raises(OSError, uplink.begin, "a/b")


def partly():
    """Show that what is not wholly written keeps the next one back; answers wait behind it."""
    uplink, wire = connected(7)
    publish(uplink)
    assert not uplink.can_send
    raises(OSError, uplink.begin, "a/b")
    uplink.write(b"\x40\x02\0\7")
    assert wire.writes == [b"\x32\x11\0\3a/b"]
    wire.most = 3
    uplink.write()
    assert not uplink.can_send
    wire.most = 1000
    uplink.write()
    assert b"".join(wire.writes) == b"\x32\x11\0\3a/b\0\1xxxxxxxxxx\x40\x02\0\7"
    assert uplink.can_send


def broken():
    """Show that a write that fails ends the connection; whoever sends need not know."""
    uplink, wire = connected()

    def write(_):
        raise OSError(104)

    wire.write = write
    assert publish(uplink) == 1
    assert not uplink.up
    assert "ECONNRESET" in uplink.cause


async def reading():
    """Show that packets in pieces of any size are each taken once, and answered."""
    for piece in (1, 2, 3, 5, 1000):
        uplink, wire = connected()
        wire.piece = piece
        got, acked = [], []
        uplink.set_callback(lambda *message, got=got: got.append(message))
        uplink.on_ack = acked.append
        uplink.in_flight = {1, 2}
        wire.coming = (
            b"\x40\2\0\1"
            b"\x30\5\0\1tp1"
            b"\xd0\0"
            b"\x90\3\0\4\1"
            b"\xb0\2\0\5"
            b"\x32\x07\0\1t\1\2p2"
            b"\x32\x87\x05\0\2tt\0\7" + b"y" * 641 + b"\x32\x85\x06\0\2tt\0\7" + b"z" * 767
        )
        wire.coming += b"\x40\2\0\2"
        task = asyncio.create_task(uplink._listen())
        while 2 in uplink.in_flight and uplink.up:
            await asyncio.sleep_ms(1)
        assert uplink.up, uplink.cause
        assert acked == [1, 2], acked
        assert got == [(b"t", b"p1"), (b"t", b"p2"), (b"tt", b"y" * 641)], got
        assert wire.writes == [b"\x40\2\1\2", b"\x40\2\0\7", b"\x40\2\0\7"], wire.writes
        assert uplink.skipped == 1
        task.cancel()


headers()
room()
ids()
partly()
broken()
asyncio.run(reading())
print("all well")
