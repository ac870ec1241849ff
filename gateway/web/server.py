"""The HTTP server, in the agent's own event loop: few connections, short ones, small requests.

The agent does not need it: a port that cannot be had is logged with cause and remedy and tried
again. uvicorn's protocol is used without its `Server`, which would take over the signals, wake up
ten times a second and end the process when it cannot listen.
"""

import asyncio
import errno
import ipaddress
import logging
import os
import random
from collections.abc import Callable
from typing import Final

import msgspec
from starlette.types import ASGIApp
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from gateway.config import HttpSettings
from gateway.core.backoff import delay_s
from gateway.transport.waiting import set_within

log = logging.getLogger(__name__)

CONNECTIONS: Final = 16  # at once; more are refused
CONNECTION_S: Final = 15.0  # after it a connection is cut, whatever it is at
KEEP_ALIVE_S: Final = 5
REQUEST_BYTES: Final = 8_192  # of the head; a body is never read
ENDING_S: Final = 0.5  # for answers under way
_FIRST_RETRY_S: Final = 1.0
_MOST_RETRY_S: Final = 60.0

Application = Callable[[HttpSettings], ASGIApp]
_REMEDY: Final = {
    errno.EADDRINUSE: "another program listens there: end it, or change http.listen",
    errno.EADDRNOTAVAIL: "this machine has no such address: change http.listen",
    errno.EACCES: "ports below 1024 are not for everybody: change http.listen",
}
_OTHER_REMEDY: Final = "check http.listen"


class Address(msgspec.Struct, frozen=True):
    """Where it listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def address(listen: str) -> Address:
    """Split what `http.listen` says, which was checked when it was loaded."""
    host, _, port = listen.rpartition(":")
    return Address(host.strip("[]"), int(port))


class HttpServer:
    """Listens as configured, as long as `run` runs. `change` gives it another configuration."""

    def __init__(
        self,
        settings: HttpSettings,
        application: Application,
        *,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._settings = settings
        self._application = application
        self._chance = chance
        self._changed = asyncio.Event()
        self._trouble = ""
        self.listening = asyncio.Event()

    def change(self, settings: HttpSettings) -> None:
        """Listen as these say from now on; answers under way are finished."""
        self._settings = settings
        self._changed.set()

    async def run(self) -> None:
        """Serve until cancelled."""
        attempt = 0
        while True:
            self._changed.clear()
            if not self._settings.enabled:
                await self._changed.wait()
            elif await self._serve():
                attempt = 0
            else:
                wait_s = delay_s(
                    attempt, self._chance(), first_s=_FIRST_RETRY_S, most_s=_MOST_RETRY_S
                )
                await set_within(self._changed, wait_s)
                attempt += 1

    async def _serve(self) -> bool:
        """Serve until the configuration changes; False at once when it cannot listen."""
        settings, state = self._settings, ServerState()
        where = address(settings.listen)
        try:
            protocols = _protocols(self._application(settings), state)
            listener = await _listen(where, protocols, alone=settings.token is None)
        except OSError as error:
            self._log(where, error)
            return False
        log.info("http listens address=%s token=%s", where, settings.token is not None)
        self._trouble = ""
        self.listening.set()
        try:
            await self._changed.wait()
        finally:
            self.listening.clear()
            listener.close()
            await _end(state)
        return True

    def _log(self, where: Address, error: OSError) -> None:
        trouble = f"cannot listen on {where}: {os.strerror(error.errno or 0)}"
        if error.errno is None or error.errno < 0:  # a name that cannot be resolved
            trouble = f"cannot listen on {where}: {error.strerror or error}"
        if trouble != self._trouble:
            self._trouble = trouble
            remedy = _REMEDY.get(error.errno or 0, _OTHER_REMEDY)
            log.error("http not served cause=%r remedy=%r", trouble, remedy)


# ------------------------------------------------------------------------------------- connections
Protocols = Callable[[], asyncio.Protocol]


async def _listen(where: Address, protocols: Protocols, *, alone: bool) -> asyncio.Server:
    """Listen; `alone`: for this machine only, whatever a name turns out to mean."""
    loop = asyncio.get_running_loop()
    listener = await loop.create_server(
        protocols, where.host, where.port, backlog=CONNECTIONS, start_serving=False
    )
    bound = [sock.getsockname()[0] for sock in listener.sockets]
    if alone and not all(ipaddress.ip_address(host).is_loopback for host in bound):
        listener.close()
        raise OSError(None, "others can reach that address, and there is no http.token")
    await listener.start_serving()
    return listener


def _protocols(application: ASGIApp, state: ServerState) -> Protocols:
    config = Config(
        application,
        http=_Connection,
        ws="none",
        lifespan="off",
        loop="none",
        interface="asgi3",
        log_config=None,
        log_level="error",  # what a client does wrong is not worth a line
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        h11_max_incomplete_event_size=REQUEST_BYTES,
    )
    config.load()

    def protocol() -> asyncio.Protocol:
        if len(state.connections) >= CONNECTIONS:
            return _Refusal()
        return _Connection(config, state, {})

    return protocol


class _Connection(H11Protocol):
    """A connection with an end: neither silence nor a trickle keeps it open."""

    _limit: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._limit = self.loop.call_later(CONNECTION_S, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._limit is not None:
            self._limit.cancel()
        super().connection_lost(exc)


class _Refusal(asyncio.Protocol):
    """A connection too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


async def _end(state: ServerState) -> None:
    """Let answers under way be finished, within a bound, and cut what is left."""
    for connection in list(state.connections):
        connection.shutdown()
    if state.tasks:
        await asyncio.wait(state.tasks, timeout=ENDING_S)
    for task in state.tasks:
        task.cancel()
    for connection in list(state.connections):
        connection.transport.abort()
