"""The way to the broker in memory, as bad as one likes: the face `Way`, on virtual time.

A packet arrives when its last byte would, on a `Proxy` of the same line. Nothing is lost, changed
or overtaken while the line passes it on; the end of a connection passes even a line that swallows,
as it does there. Not modelled: the buffers of sockets (a sender never waits), TLS.
"""

import asyncio
import errno
import os
from collections import deque
from collections.abc import Callable
from contextvars import Context, copy_context
from typing import Protocol

from gateway.errors import UplinkError
from gateway.sim.broker_packets import Connect, Publish
from gateway.sim.broker_script import Offer
from gateway.sim.proxy import Line

Act = Callable[[], object]

_CLEAR = Line()


class Client(Protocol):
    """The gateway's end of a connection; what comes too late it does not mind."""

    def accepted(self, offer: Offer) -> None:
        """Hear a CONNACK that lets it in."""
        ...

    def refused(self, code: int) -> None:
        """Hear one that does not, with a reason code of version 5."""
        ...

    def acknowledged(self, packet_id: int, code: int) -> None:
        """Hear a PUBACK."""
        ...

    def answered(self) -> None:
        """Hear a PINGRESP."""
        ...

    def dismissed(self, code: int) -> None:
        """Hear a DISCONNECT."""
        ...

    def broken(self, error: OSError | None) -> None:
        """Hear that the connection has ended: by a reset, or with None in order."""
        ...

    def stirred(self) -> None:
        """Hear that the way has changed."""
        ...


class Server(Protocol):
    """The broker's end of a connection: what arrives is `arrive(a packet)`."""

    @property
    def awake(self) -> bool:
        """Whether what comes is read at once."""
        ...

    def arrive(self, act: Act) -> None:
        """Read what has come: one of those below."""
        ...

    def greet(self, client: Client, connect: Connect) -> None:
        """Take a CONNECT."""
        ...

    def publish(self, message: Publish) -> None:
        """Take a PUBLISH."""
        ...

    def ping(self) -> None:
        """Take a PINGREQ."""
        ...

    def leave(self) -> None:
        """Take a DISCONNECT."""
        ...

    def ended(self) -> None:
        """Hear that the client has gone."""
        ...


class Pipe:
    """One direction of a connection. What was put in comes out in order, `act` by `act`."""

    def __init__(self, way: "MemoryWay", context: Context, *, up: bool) -> None:
        self._way = way
        self._context = context  # of who reads at the other end
        self._up = up
        self._leaving: deque[tuple[int, Act]] = deque()
        self._arriving: deque[tuple[float, Act]] = deque()
        self._departure: asyncio.TimerHandle | None = None
        self._arrival: asyncio.Handle | None = None
        self._loop = asyncio.get_running_loop()
        self.held = False  # nobody reads at the other end

    def put(self, size: int, act: Act) -> None:
        """Send something of so many bytes; 0: the end, which no line swallows."""
        self._leaving.append((size, act))
        if self._departure is None:
            self._depart()

    def clear(self) -> None:
        """Lose all that is on the way."""
        self._leaving.clear()
        self._arriving.clear()
        for handle in (self._departure, self._arrival):
            if handle is not None:
                handle.cancel()
        self._departure = self._arrival = None

    def changed(self) -> None:
        """Go on by another line: what waits for a slow one does not wait any more."""
        if self._departure is not None:
            self._departure.cancel()
            self._let_go()

    def hold(self, *, is_held: bool) -> None:
        """Let nothing come out, or let it again."""
        self.held = is_held
        self._arm()

    def _depart(self) -> None:
        """Put on the line what it takes now."""
        while self._leaving and self._departure is None:
            line, size = self._way.line, self._leaving[0][0]
            rate = line.up_bytes_per_s if self._up else line.down_bytes_per_s
            if line.swallows and size:
                self._leaving.popleft()
            elif rate and size:
                self._departure = self._loop.call_later(
                    size / rate, self._let_go, context=self._way.context
                )
            else:
                self._take_off()

    def _let_go(self) -> None:
        self._departure = None
        if self._way.line.swallows and self._leaving[0][0]:
            self._leaving.popleft()
        else:
            self._take_off()
        self._depart()

    def _take_off(self) -> None:
        size, act = self._leaving.popleft()
        self._way.passed(size, up=self._up)
        due_s = self._loop.time() + self._way.line.latency_s
        if self._arriving:
            due_s = max(due_s, self._arriving[-1][0])
        self._arriving.append((due_s, act))
        self._arm()

    def _arm(self) -> None:
        if self._arriving and self._arrival is None and not self.held:
            due_s = self._arriving[0][0]
            if due_s > self._loop.time():
                self._arrival = self._loop.call_at(due_s, self._arrive, context=self._context)
            else:
                self._arrival = self._loop.call_soon(self._arrive, context=self._context)

    def _arrive(self) -> None:
        self._arrival = None
        now_s = self._loop.time()
        while self._arriving and self._arriving[0][0] <= now_s and not self.held:
            self._arriving.popleft()[1]()
        self._arm()


class Wire:
    """One connection: what either end does to it, and what the way does to both."""

    def __init__(self, way: "MemoryWay", client: Client) -> None:
        self._way = way
        self.client: Client | None = client
        self.server: Server | None = None
        self.up = Pipe(way, way.context, up=True)
        self.down = Pipe(way, copy_context(), up=False)

    @property
    def is_clear(self) -> bool:
        """Whether what is sent arrives for certain, at once."""
        return self._way.line == _CLEAR and not self.up.held and not self.down.held

    # --------------------------------------------------------------------------- by the client
    def shut(self) -> None:
        """End it; what was sent still arrives."""
        self.client = None
        self.down.clear()
        self.up.put(0, self._gone)

    def reset(self) -> None:
        """End it at once; what is on the way is lost."""
        self.up.clear()
        self.shut()

    def _gone(self) -> None:
        self._way.forget(self)
        server, self.server = self.server, None
        if server is not None:
            server.ended()

    def vanish(self, after_s: float) -> None:
        """Lose the client without a word, as in a power cut: the broker misses it `after_s`."""
        self.client = None
        self.up.clear()
        self.down.clear()
        loop = asyncio.get_running_loop()
        loop.call_later(after_s, self._gone, context=self._way.context)

    # --------------------------------------------------------------------------- by the broker
    def hang_up(self) -> None:
        """End it; what was sent still arrives."""
        self.server = None
        self.up.clear()
        self._way.forget(self)
        self.down.put(0, self._closed)

    def abort(self) -> None:
        """End it at once; what is on the way is lost."""
        self.down.clear()
        self.hang_up()

    def _closed(self) -> None:
        client, self.client = self.client, None
        if client is not None:
            client.broken(None)

    # ------------------------------------------------------------------------------ by the way
    def cut(self) -> None:
        """Break it: both ends see a reset."""
        self._gone()
        self.forget_client()

    def forget_client(self) -> None:
        """Break the client's side; the broker's stays, and nothing comes from there any more."""
        self.up.clear()
        self.down.clear()
        self.down.put(0, self._broken)

    def _broken(self) -> None:
        client, self.client = self.client, None
        if client is not None:
            client.broken(ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET)))

    def changed(self) -> None:
        """Go on by another line."""
        self.up.changed()
        self.down.changed()
        if self.client is not None and not self.down.held:
            self.client.stirred()


class House(Protocol):
    """The broker as the way sees it."""

    @property
    def listens(self) -> bool:
        """Whether it takes connections."""
        ...

    def take(self, wire: Wire) -> Server:
        """Take a connection, of which the CONNECT is still to come."""
        ...


class MemoryWay:
    """The way from one gateway to a broker."""

    def __init__(self, house: House) -> None:
        self.refused = False
        self.passed_up = 0  # bytes, of all connections
        self.passed_down = 0
        self.context = copy_context()  # of the world around the gateway
        self._house = house
        self._line = _CLEAR
        self._wires: dict[Wire, None] = {}  # in the order they were made

    @property
    def line(self) -> Line:
        """What the line does; a change counts for what is on it already."""
        return self._line

    @line.setter
    def line(self, line: Line) -> None:
        self._line = line
        for wire in list(self._wires):
            wire.changed()

    def dial(self, client: Client, where: str) -> tuple[Wire, Server]:
        """Return a connection. Raises UplinkError when nobody listens there."""
        if self.refused or not self._house.listens:
            cause = f"{where} refuses connections"
            raise UplinkError(cause, "is the broker running, on that port?")
        wire = Wire(self, client)
        self._wires[wire] = None
        wire.server = server = self._house.take(wire)
        return wire, server

    def cut(self) -> None:
        """Break all connections: both sides see a reset."""
        for wire in list(self._wires):
            wire.cut()

    def forget_clients(self) -> None:
        """Break the agent's side of all connections; the broker's stays, half open and silent."""
        for wire in list(self._wires):
            wire.forget_client()

    def hold(self, *, is_held: bool) -> None:
        """Let the gateway read nothing that comes, or let it again."""
        for wire in list(self._wires):
            wire.down.hold(is_held=is_held)
            wire.changed()

    def forget(self, wire: Wire) -> None:
        """Forget a connection that has ended."""
        self._wires.pop(wire, None)

    def passed(self, size: int, *, up: bool) -> None:
        """Count what went over the line."""
        if up:
            self.passed_up += size
        else:
            self.passed_down += size
