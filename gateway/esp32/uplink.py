"""The connection to the broker: MQTT 3.1.1 by umqtt.simple, in which no call ever waits.

umqtt reads packets and answers them, and is given whole ones only. What it would wait for is done
here: one write per packet, packet ids that wrap and skip those in flight, a peer that is silent is
left, a connection that is lost comes back. How one begins and ends is in dial.py, an overlay.
"""

import asyncio

from umqtt.simple import MQTTClient

from gateway.esp32 import overlay

TYPE_CHECKING = False  # MicroPython has no typing; the build leaves all of this out
if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.esp32.clock import Clock
    from gateway.esp32.link import Link
    from gateway.esp32.settings import Site

_PACKET = 1536  # bytes of one that goes out, unless more room is asked for
_HEAD = 4  # of these: its type, and up to three bytes of length, which end where the topic begins
_INCOMING = 768  # bytes of one that comes in; of longer ones nobody is told
_ANSWERS = 128  # of one that comes where nothing but answers is expected
_MOST_IN_FLIGHT = 64
_STEADY_MS = 60_000  # as on the Pi: who lets us in for a moment only gets no storm of attempts
_TICK_MS = 50
_AGAIN = 11  # EAGAIN
_RESET = 104  # ECONNRESET


def _nobody(*_: object) -> None:
    """Do not want to know."""


class Uplink(MQTTClient):  # type: ignore[misc]
    """One connection at a time; `run` makes it, loses it and makes it again.

    A packet is begun, added to and sent in one go, while `can_send`. `on_up`, `on_down`, `on_ack`
    and `beat` (every second, whatever happens) are for whoever wants to know; `set_last_will` and
    `set_callback` are inherited. `topics` are subscribed to on each connection.
    """

    on_up: "Callable[[], None]" = _nobody
    on_down: "Callable[[], None]" = _nobody
    on_ack: "Callable[[int], None]" = _nobody
    beat: "Callable[[], None]" = _nobody
    setblocking = _nobody  # what umqtt asks of its socket takes away every time limit on an ESP32
    up = closing = False
    pid = start = end = 0
    cause = ""  # why there is no connection
    skipped = attempt = 0  # packets that came in and were too long; connections that failed
    _rest: bytes | memoryview = b""
    _answers = b""  # what is to be written, and a few bytes that go out behind it

    def __init__(self, site: "Site", clock: "Clock", link: "Link") -> None:
        mqtt = site.mqtt
        super().__init__(site.client_id, mqtt["host"], mqtt["port"], keepalive=mqtt["keepalive_s"])
        self.site = site
        self.clock = clock
        self.link = link
        self.topics: list[str] = []
        self.in_flight: set[int] = set()  # sent on this connection, and not acknowledged
        self.cb = _nobody
        self.sock = self  # umqtt takes us for its socket: it calls `read`, `write`, `setblocking`
        # The packet that came in: read to `start`, up to `end`.
        self.buf = bytearray(_INCOMING if site.update else _ANSWERS)
        self._own = bytearray(_PACKET)

    # ------------------------------------------------------------------------------- what goes out
    @property
    def can_send(self) -> bool:
        """Whether a packet may be begun: connected, and the one before is wholly written."""
        return self.up and not self._rest and len(self.in_flight) < _MOST_IN_FLIGHT

    def begin(self, topic: str, room: int = 0) -> None:
        """Begin a PUBLISH; `room` is for a payload that would not fit into 1.5 kB."""
        if not self.can_send:
            raise OSError(_AGAIN)
        name = topic.encode()
        self._made = size = len(name) + _HEAD + 4  # the packet's id goes in between
        room += size
        self._out = self._own if room <= _PACKET else bytearray(room)
        self._out[_HEAD : size - 2] = len(name).to_bytes(2, "big") + name

    def add(self, text: str | bytes) -> None:
        """Add to the payload."""
        data = text.encode() if isinstance(text, str) else text
        at = self._made
        self._made = end = at + len(data)
        if end > len(self._out):
            raise ValueError(end)
        self._out[at:end] = data

    def send(self, retain: bool = False, pid: int = 0) -> int:
        """Send it with QoS 1 and return its id; with a `pid` it is sent again, under that one."""
        out, self._out = self._out, self._own  # a larger one is only needed until it is written
        kind = 0x3A | retain
        while not pid or (kind < 0x3A and pid in self.in_flight):
            kind = 0x32 | retain
            self.pid = pid = self.pid % 65535 + 1
        self.in_flight.add(pid)
        at = _HEAD + 2 + (out[_HEAD] << 8 | out[_HEAD + 1])
        out[at : at + 2] = pid.to_bytes(2, "big")
        size = self._made - _HEAD
        start = 2 - (size > 127) - (size > 16383)
        out[start] = kind
        for at in range(start + 1, _HEAD):
            out[at] = size & 127 | (at < _HEAD - 1) << 7
            size >>= 7
        self.write(memoryview(out)[start : self._made])
        return pid

    def write(self, data: bytes | memoryview = b"") -> None:
        """Write a packet, or go on with the one before; a few bytes may wait behind it."""
        if self._rest:
            self._answers += data
        else:
            self._rest = data
        try:
            while self._rest:
                count = self._wire.write(self._rest)
                if not count:
                    return
                self._spoke = self.clock.now()
                self._rest = memoryview(self._rest)[count:]
                if not self._rest:
                    self._rest, self._answers = self._answers, b""
        except OSError as error:
            self.drop(str(error))

    # ------------------------------------------------------------------------------- what comes in
    def read(self, count: int) -> bytes:
        """Return the next bytes of the packet; one with less than it says is malformed."""
        at = self.start
        self.start = end = at + count
        if not at <= end <= self.end:
            raise ValueError
        return bytes(memoryview(self.buf)[at:end])

    async def _listen(self) -> None:
        """Take packet by packet, until the connection ends."""
        stream = asyncio.StreamReader(self._wire)
        view = memoryview(self.buf)
        try:
            while True:
                self.start = self.end = size = 0
                while (end := min(size or 2, len(self.buf))) > self.end:
                    count = await stream.readinto(view[self.end : end])
                    if count == 0:
                        raise OSError(_RESET)  # noqa: TRY301 - as if the read had
                    self._heard = self.clock.now()
                    self.end += count or 0
                    size = self._size()
                while self._answers:
                    await asyncio.sleep_ms(_TICK_MS)
                if size > end:
                    await overlay.arun("dial", "skip", self, stream, size)
                else:
                    self._take()
        except (
            OSError,
            ValueError,
            AssertionError,
        ) as error:  # umqtt asserts what brokers must do
            self.drop(str(error) or "malformed")

    def _size(self) -> int:
        """Return the size of the packet that begins in the buffer, as far as it tells."""
        size = 0
        for at in range(1, self.end):
            byte = self.buf[at]
            size |= (byte & 127) << 7 * (at - 1)
            if byte < 128:
                return size + at + 1
        if self.end > 4:
            raise ValueError
        return self.end + 1

    def _take(self) -> None:
        """Let umqtt take a packet; what it leaves is ours."""
        kind = self.wait_msg()
        if kind == 0x40:
            data = self.read(3)
            pid = data[1] << 8 | data[2]
            if data[0] == 2 and pid in self.in_flight:  # a longer one may be a refusal (MQTT 5)
                self.in_flight.remove(pid)
                self.on_ack(pid)
        elif kind in (0x90, 0xB0):  # SUBACK, UNSUBACK
            self.start = self.end
        if self.start != self.end:
            raise ValueError

    # ------------------------------------------------------------------------------ the connection
    def drop(self, cause: str) -> None:
        """End the connection, if there is one; `run` makes another."""
        if self.up:
            self.up = False
            self.cause = cause

    async def run(self) -> None:
        """Connect, and connect again, until it is closed."""
        while not self.closing:
            self.beat()
            if not self.link.up:
                self.cause = "no network"
                await asyncio.sleep_ms(_TICK_MS)
                continue
            try:
                ip = await overlay.arun("names", "resolve", self.server, self.link.dns())
                self._wire = await overlay.arun("dial", "dial", self, ip)
                await self._stand()
            except OSError as error:
                self.cause = str(error)
            for _ in range(overlay.run("dial", "patience", self)):
                self.beat()
                await asyncio.sleep_ms(_TICK_MS)

    async def _stand(self) -> None:
        """Write on and keep alive until the connection ends."""
        self.in_flight.clear()
        self._heard = self._spoke = since = self.clock.now()
        self.up = True
        task = asyncio.create_task(self._listen())
        try:
            self.on_up()
            while self.up and not task.done():
                self.write()
                now = self.clock.now()
                if now - self._heard > self.keepalive * 1500:
                    self.drop("silent")
                elif now - self._spoke > self.keepalive * 500 and not self._rest:
                    self.ping()
                self.beat()
                await asyncio.sleep_ms(_TICK_MS)
        finally:
            self.up = False
            task.cancel()
            self._rest = self._answers = b""
            self._wire.close()
            if self.clock.now() - since > _STEADY_MS:  # it is worth coming back to at once
                self.attempt = 0
            self.on_down()

    async def close(self, farewell: bytes = b"") -> None:
        """Say farewell where the will would stand, wait for what is outstanding, and leave."""
        self.closing = True
        if self.up:
            await overlay.arun("dial", "leave", self, farewell)
