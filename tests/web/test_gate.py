"""Who may ask: hosts, tokens, methods, and what every answer carries."""

import asyncio
from base64 import b64encode
from pathlib import Path

import pytest

from tests.web.places import Place, place

TOKEN = "correct-horse-battery-staple"  # noqa: S105 - a test's
PATHS = ("/", "/healthz", "/readyz", "/metrics", "/status", "/sensors", "/nothing")


@pytest.fixture
def token(tmp_path: Path) -> str:
    """Write a token; return what the configuration says of it."""
    file = tmp_path / "token"
    file.write_text(TOKEN + "\n")
    file.chmod(0o600)
    return f', token: "file:{file}"'


def basic(text: str) -> str:
    return "Basic " + b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "host",
    ["localhost", "127.0.0.1", "[::1]", "LOCALHOST:9", "gw-17.example", "GW-17.example:8080"],
)
def test_names_that_are_ours_are_answered(tmp_path: Path, host: str) -> None:
    async def scene() -> None:
        async with place(tmp_path, http=", allowed_hosts: [gw-17.example]") as here:
            assert (await here.ask("/healthz", host=host)).status == 200

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("evil.example", 421),
        ("localhost.evil.example", 421),
        ("evil.example:8080", 421),
        ("127.0.0.2", 421),
        ("127.1", 421),
        ("2130706433", 421),  # 127.0.0.1, as some resolvers read it
        ("[::2]:8080", 421),
        ("localhost@evil.example", 400),
        ("localhost evil.example", 400),
        ("localhost:80:80", 400),
        ("local_host", 400),
        ("", 400),
    ],
)
def test_other_names_are_not(tmp_path: Path, host: str, status: int) -> None:
    async def scene() -> None:
        async with place(tmp_path, http=", allowed_hosts: [gw-17.example]") as here:
            for path in PATHS:
                answer = await here.ask(path, host=host)
                assert answer.status == status
                assert b"ugw." not in answer.body

    asyncio.run(scene())


@pytest.mark.parametrize(
    "request_head",
    [
        b"GET /status HTTP/1.1\r\n\r\n",
        b"GET /status HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
        b"GET /status HTTP/1.0\r\n\r\n",
        b"GET /st\xc3\xa4tus HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
def test_a_request_without_one_host_is_refused(tmp_path: Path, request_head: bytes) -> None:
    async def scene() -> None:
        async with place(tmp_path) as here:
            assert (await here.say(request_head)).split()[1] == b"400"

    asyncio.run(scene())


@pytest.mark.parametrize("given", [f"Bearer {TOKEN}", f"bearer {TOKEN}", basic(f"me:{TOKEN}")])
def test_the_token_opens_as_a_bearers_and_as_a_browsers_password(
    tmp_path: Path, token: str, given: str
) -> None:
    async def scene() -> None:
        async with place(tmp_path, http=token) as here:
            for path in PATHS[1:6]:
                answer = await here.ask(path, Authorization=given)
                assert answer.status in {200, 503}

    asyncio.run(scene())


@pytest.mark.parametrize(
    "given",
    [
        "",
        TOKEN,
        "Bearer",
        "Bearer ",
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN.upper()}",
        basic(TOKEN),
        basic(f"{TOKEN}:"),
        "Basic ???",
        "Bearer \xff\xfe",
    ],
)
def test_without_the_token_nobody_is_answered_not_even_this_machine(
    tmp_path: Path, token: str, given: str
) -> None:
    async def scene() -> None:
        async with place(tmp_path, http=token) as here:
            for path in PATHS:
                answer = await here.ask(path, **({"Authorization": given} if given else {}))
                assert answer.status == 401
                assert "Bearer" in answer.headers["www-authenticate"]
                assert "Basic" in answer.headers["www-authenticate"]
                assert TOKEN.encode() not in answer.body

    asyncio.run(scene())


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "X"])
def test_nothing_can_be_done_but_looking(tmp_path: Path, method: str) -> None:
    async def scene() -> None:
        async with place(tmp_path) as here:
            for path in PATHS:
                answer = await here.ask(path, method=method)
                assert answer.status == 405
                assert answer.headers["allow"] == "GET, HEAD"

    asyncio.run(scene())


def test_head_tells_what_get_would(tmp_path: Path) -> None:
    async def scene() -> None:
        async with place(tmp_path) as here:
            answer = await here.ask("/healthz", method="HEAD")
            assert answer.status == 200
            assert answer.body == b""
            assert answer.headers["content-type"] == "application/json"

    asyncio.run(scene())


@pytest.mark.parametrize("path", PATHS)
def test_no_answer_is_stored_framed_or_given_to_another_site(tmp_path: Path, path: str) -> None:
    async def hardened(here: Place, host: str) -> None:
        headers = (await here.ask(path, host=host)).headers
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none';")
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert "access-control-allow-origin" not in headers

    async def scene() -> None:
        async with place(tmp_path) as here:
            await hardened(here, "localhost")
            await hardened(here, "evil.example")

    asyncio.run(scene())


@pytest.mark.parametrize("path", ["/nothing", "/status/", "//", "/../etc/passwd", "/metrics.json"])
def test_everything_else_is_not_there(tmp_path: Path, path: str) -> None:
    async def scene() -> None:
        async with place(tmp_path) as here:
            answer = await here.ask(path)
            assert answer.status == 404
            assert answer.json["error"]

    asyncio.run(scene())
