"""Who may ask, and for what: the Host header, the token and the method, before anything is read.

A web page anywhere could make a browser on this machine ask us (DNS rebinding), so a name that is
not ours is refused although nothing can be changed here. Where a token is configured, everybody
needs it, this machine too: a proxy on it would speak for the whole world.
"""

import base64
import hmac
import ipaddress
import re
from typing import Final

import msgspec
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.config import HttpSettings
from gateway.web.server import address

METHODS: Final = ("GET", "HEAD")
_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::[0-9]{1,5})?")
_OURS: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_CHALLENGES: Final = ('Bearer realm="ugw"', 'Basic realm="ugw", charset="UTF-8"')
_TO_EVERY_ANSWER: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Refusal(msgspec.Struct, frozen=True):
    """Why somebody gets no answer, as an HTTP status, and what would help."""

    status: int
    error: str
    remedy: str
    headers: tuple[tuple[str, str], ...] = ()

    def response(self) -> Response:
        """Return it as an answer."""
        response = JSONResponse({"error": self.error, "remedy": self.remedy}, self.status)
        for name, value in self.headers:
            response.headers.append(name, value)
        return response


class Gate:
    """Stands before the application."""

    def __init__(self, application: ASGIApp, settings: HttpSettings) -> None:
        self._application = application
        self._token = settings.token.reveal().encode() if settings.token else None
        self._hosts = {*_OURS, address(settings.listen).host.lower(), *settings.allowed_hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or have it answered."""
        refusal = self._refusal(scope)
        answer = self._application if refusal is None else refusal.response()
        await answer(scope, receive, _hardened(send))

    def _refusal(self, scope: Scope) -> Refusal | None:
        headers = Headers(scope=scope)
        return (
            self._wrong_host(headers.get("host", ""), scope)
            or self._no_token(headers.get("authorization", ""))
            or _wrong_method(scope["method"])
        )

    def _wrong_host(self, given: str, scope: Scope) -> Refusal | None:
        match = _HOST.fullmatch(given)
        if match is None:
            return Refusal(400, "the Host header names no host", "")
        host = match[1].strip("[]").lower()
        if host in self._hosts or _same_address(host, (scope.get("server") or ("",))[0]):
            return None
        return Refusal(421, "this gateway is not known by that name", "see http.allowed_hosts")

    def _no_token(self, given: str) -> Refusal | None:
        # In constant time: how long it takes must not tell how much of it was right.
        if self._token is None or hmac.compare_digest(_credential(given), self._token):
            return None
        headers = tuple(("WWW-Authenticate", challenge) for challenge in _CHALLENGES)
        return Refusal(401, "a token is needed", "see http.token", headers)


def _wrong_method(method: str) -> Refusal | None:
    if method in METHODS:
        return None
    return Refusal(405, "nothing can be changed here", "", (("Allow", ", ".join(METHODS)),))


def _same_address(given: str, ours: str) -> bool:
    """Whether somebody asks for the very address that his connection came in on."""
    try:
        return ipaddress.ip_address(given) == ipaddress.ip_address(ours)
    except ValueError:
        return False


def _credential(given: str) -> bytes:
    """Return the token presented: as a bearer's, or as a browser's password of any user."""
    scheme, _, value = given.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip().encode()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value, validate=True).partition(b":")[2]
        except ValueError:  # binascii's is one, and so is what a letter outside ASCII raises
            return b""
    return b""


def _hardened(send: Send) -> Send:
    async def answer(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _TO_EVERY_ANSWER.items():
                headers.setdefault(name, value)
        await send(message)

    return answer
