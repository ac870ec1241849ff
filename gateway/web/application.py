"""What is served, by path; everything else is 404. Nothing is changed by asking."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from gateway.app import Agent
from gateway.config import HttpSettings
from gateway.reload import Reloader
from gateway.web import page
from gateway.web.gate import Gate, Refusal
from gateway.web.inside import Inside, Json
from gateway.web.server import HttpServer

_OK: Final = 200
_UNAVAILABLE: Final = 503

T = TypeVar("T")
Endpoint = Callable[[Request], Awaitable[Response]]


def server(agent: Agent, reloader: Reloader) -> HttpServer:
    """Return the server that shows an agent, as its settings say."""
    inside = Inside(agent, reloader)
    return HttpServer(agent.settings.http, lambda settings: application(inside, settings))


def application(inside: Inside, settings: HttpSettings) -> ASGIApp:
    """Return the gate with all that lies behind it."""
    turns = _Turns()
    routes = [
        Route("/", _page(inside, turns)),
        Route("/healthz", _json(inside.healthz)),
        Route("/readyz", _json(inside.readyz)),
        Route("/metrics", _metrics(inside, turns)),
        Route("/status", _json(inside.status)),
        Route("/sensors", _json(inside.sensors, turns)),
    ]
    behind = Starlette(routes=routes, exception_handlers={404: _not_found})
    behind.router.redirect_slashes = False
    return Gate(behind, settings)


class _Turns:
    """What takes long with thousands of sensors is made one at a time, with as long a rest behind.

    So whoever asks again and again has half of the event loop at most, and never twice in a row.
    """

    def __init__(self) -> None:
        self._turn = asyncio.Lock()

    async def make(self, read: Callable[[], T]) -> T:
        """Return what `read` returns, when it is its turn."""
        loop = asyncio.get_running_loop()
        async with self._turn:
            began_s = loop.time()
            made = read()
            await asyncio.sleep(loop.time() - began_s)
        return made


def _json(read: Callable[[], Json], turns: _Turns | None = None) -> Endpoint:
    """Serve what `read` returns; where it says `ok`, the status says it too."""

    async def endpoint(_request: Request) -> Response:
        content = read() if turns is None else await turns.make(read)
        status = _OK if content.get("ok", True) else _UNAVAILABLE
        return Response(msgspec.json.encode(content), status, media_type="application/json")

    return endpoint


def _page(inside: Inside, turns: _Turns) -> Endpoint:
    async def endpoint(_request: Request) -> Response:
        headers = {"Content-Security-Policy": page.POLICY}
        rendered = await turns.make(lambda: page.render(inside))
        return HTMLResponse(rendered, headers=headers)

    return endpoint


def _metrics(inside: Inside, turns: _Turns) -> Endpoint:
    async def endpoint(_request: Request) -> Response:
        # prometheus_client is loaded by the first who wants metrics: most gateways have nobody.
        from gateway.web import exposition  # noqa: PLC0415

        text = await turns.make(lambda: exposition.text(inside))
        return Response(text, media_type=exposition.CONTENT_TYPE)

    return endpoint


async def _not_found(_request: Request, _error: Exception) -> Response:
    return Refusal(404, "there is nothing here", "see /").response()
