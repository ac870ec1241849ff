"""Serves the page, ESP Web Tools and the parts of boards, to browsers of this machine alone.

What it serves has secrets in it. It listens on the loopback interface, answers only who asks for
it by a name of this machine and knows the random path, and keeps nothing in a cache.
"""

import os
import secrets
import sys
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final, NamedTuple, Self

from gateway.errors import UgwError
from ugw_flash.outcome import NoDeviceError
from ugw_flash.web.page import POLICY, Entry, Part, manifest, page

HOST: Final = "127.0.0.1"
PORT: Final = 8066

_TOOLS: Final = "esp-web-tools"
_TYPES: Final = {"js": "text/javascript", "json": "application/json", "css": "text/css"}
_STRIPPED: Final = 2  # the path begins with a slash and the token
_WAIT_S: Final = 30.0  # for a browser that has connected and says nothing


class Image(NamedTuple):
    """All that is written to one board."""

    chip: str
    software: str
    parts: tuple[Part, ...]


class Answer(NamedTuple):
    """What is sent."""

    status: HTTPStatus
    kind: str
    body: bytes


Images = Callable[[str], Image]  # by gateway; raises UgwError when it cannot be made


class Site:
    """What there is to ask for, whoever carries the question."""

    def __init__(
        self, entries: Mapping[str, Entry], tools: Mapping[str, bytes], of: Images
    ) -> None:
        self._entries = entries
        self._tools = tools
        self._of = of
        self._made: dict[str, Image] = {}
        self._making = threading.Lock()

    def answer(self, path: str) -> Answer:
        """Return what is at a path, from the token on."""
        match path.split("/"):
            case [""]:
                body = page(self._entries.values(), f"{_TOOLS}/install-button.js")
                return Answer(HTTPStatus.OK, "text/html; charset=utf-8", body)
            case [folder, name] if folder == _TOOLS and name in self._tools:
                kind = _TYPES.get(name.rpartition(".")[2], "application/octet-stream")
                return Answer(HTTPStatus.OK, kind, self._tools[name])
            case [gateway, name] if gateway in self._entries:
                return self._of_board(gateway, name)
            case _:
                return _nothing()

    def _of_board(self, gateway: str, name: str) -> Answer:
        image = self._image(gateway)
        if isinstance(image, Answer):
            return image
        if name == "manifest.json":
            body = manifest(gateway, image.software, image.chip, image.parts)
            return Answer(HTTPStatus.OK, "application/json", body)
        number = name.removesuffix(".bin")
        if not number.isdecimal() or int(number) >= len(image.parts):
            return _nothing()
        content = image.parts[int(number)].content
        return Answer(HTTPStatus.OK, "application/octet-stream", content)

    def _image(self, gateway: str) -> Image | Answer:
        """Return a board's image, made once: a claim serves once."""
        with self._making:
            if gateway not in self._made:
                try:
                    self._made[gateway] = self._of(gateway)
                except UgwError as error:
                    text = f"{error}\n{error.remedy}\n".encode()
                    return Answer(HTTPStatus.CONFLICT, "text/plain; charset=utf-8", text)
            return self._made[gateway]


class Server:
    """The site on a port of this machine, while it is entered."""

    def __init__(self, site: Site, port: int = PORT, *, say: Callable[[str], None]) -> None:
        """Listen. Raises NoDeviceError where the port is taken."""
        self.token = secrets.token_urlsafe(16)
        self.handler = _handler(site, self.token, say)
        try:
            self._http = _Http((HOST, port), self.handler)
        except OSError as error:
            cause = f"cannot listen on {HOST}:{port}: {error.strerror}"
            raise NoDeviceError(cause, "name another with --listen-port") from None

    @property
    def url(self) -> str:
        """Return where the page is: browsers allow serial ports to this address without HTTPS.

        Not localhost, which may be ::1 too: there another program could listen for the token.
        """
        return f"http://{HOST}:{self._http.server_port}/{self.token}/"

    def serve(self) -> None:
        """Answer until `close`, or Ctrl-C."""
        self._http.serve_forever(poll_interval=0.1)

    def close(self) -> None:
        """End `serve`, from another thread."""
        self._http.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._http.server_close()


class _Http(ThreadingHTTPServer):
    """A server that has its port for itself, and says nothing of browsers that hang up."""

    # On Windows it would let another program listen on the very same port.
    allow_reuse_address = os.name == "posix"

    def handle_error(self, request: object, client_address: object) -> None:
        """Show what is our own fault; not that a browser went away in the middle."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


def _nothing() -> Answer:
    return Answer(HTTPStatus.NOT_FOUND, "text/plain", b"there is nothing here\n")


def _handler(site: Site, token: str, say: Callable[[str], None]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = _WAIT_S

        def do_GET(self) -> None:
            answer = self._answer()
            if answer.status is not HTTPStatus.NOT_FOUND and self.path.endswith("/manifest.json"):
                # Nothing else is said: paths have the token in them, or whatever a stranger sent.
                gateway = self.path.split("/")[-2]
                refused = answer.status is HTTPStatus.CONFLICT  # a browser does not show why
                why = " ".join(answer.body.decode().splitlines()) if refused else ""
                say(f"{gateway}: {why or 'asked for by a browser'}")
            self.send_response(answer.status)
            for name, value in _headers(answer):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.body)

        def _answer(self) -> Answer:
            # Another name for this address is how a foreign page reaches into this machine.
            name = self.headers.get("Host", "").rpartition(":")[0]
            before, given, *rest = [*self.path.split("/", _STRIPPED), ""]
            known = secrets.compare_digest(given.encode(), token.encode())
            if name not in ("localhost", HOST) or before or not known or len(rest) < _STRIPPED:
                return _nothing()
            return site.answer(rest[0])

        def log_message(self, format: str, *_: object) -> None:  # noqa: A002 - the library's
            """Say nothing."""

    return Handler


def _headers(answer: Answer) -> list[tuple[str, str]]:
    return [
        ("Content-Type", answer.kind),
        ("Content-Length", str(len(answer.body))),
        ("Content-Security-Policy", POLICY),
        ("Cache-Control", "no-store"),
        ("Referrer-Policy", "no-referrer"),
        ("X-Content-Type-Options", "nosniff"),
    ]
