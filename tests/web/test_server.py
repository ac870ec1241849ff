"""The HTTP server's bounds: few connections, short ones, small requests; a port that is taken."""

import asyncio
import logging
import socket
from contextlib import suppress
from pathlib import Path

import pytest
from starlette.types import Receive, Scope, Send

from gateway.config import HttpSettings, Secret
from gateway.web import server as web_server
from gateway.web.server import CONNECTIONS, REQUEST_BYTES, HttpServer
from tests.brokers import HANG_S, free_port, strict_run
from tests.web.places import Place, place, settings_at, shown

QUESTION = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


async def until_closed(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(HANG_S):
        with suppress(ConnectionResetError):
            return await reader.read()
    return b""


def test_a_connection_too_many_is_refused_and_room_is_made_by_one_that_ends(
    tmp_path: Path,
) -> None:
    async def scene() -> None:
        async with place(tmp_path) as here:
            silent = [await asyncio.open_connection("127.0.0.1", here.port)]
            silent += [
                await asyncio.open_connection("127.0.0.1", here.port)
                for _ in range(CONNECTIONS - 1)
            ]
            reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
            writer.write(QUESTION)  # one that would be answered
            assert await until_closed(reader) == b""
            writer.close()
            silent.pop()[1].close()
            await answers(here)
            for _, mine in silent:
                mine.close()

    strict_run(scene())


async def answers(here: Place) -> None:
    """Return when the server answers."""
    async with asyncio.timeout(HANG_S):
        while True:
            with suppress(ConnectionResetError, IndexError):
                if (await here.ask("/healthz")).status == 200:
                    return
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("said", [b"", b"GET /sta", b"GET /status HTTP/1.1\r\nHost: localh"])
def test_whoever_is_silent_or_trickles_is_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    monkeypatch.setattr(web_server, "CONNECTION_S", 0.2)

    async def scene() -> None:
        async with place(tmp_path) as here:
            reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
            writer.write(said)
            assert await until_closed(reader) == b""
            writer.close()

    strict_run(scene())


def test_a_head_that_does_not_end_is_refused(tmp_path: Path) -> None:
    async def scene() -> None:
        async with place(tmp_path) as here:
            answer = await here.say(b"GET / HTTP/1.1\r\nX: " + b"y" * (REQUEST_BYTES + 1))
            assert answer.split()[1] == b"400"

    strict_run(scene())


def test_one_connection_may_ask_several_times(tmp_path: Path) -> None:
    async def scene() -> None:
        async with place(tmp_path) as here:
            once = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
            last = once.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
            assert (await here.say(once + once + last)).count(b"HTTP/1.1 200") == 3

    strict_run(scene())


def test_a_port_that_is_taken_is_said_with_its_remedy_and_had_as_soon_as_it_is_free(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="gateway")

    async def scene() -> None:
        port = free_port()
        with socket.socket() as other:
            other.bind(("127.0.0.1", port))
            other.listen()
            settings = settings_at(tmp_path, port)
            entering = shown(settings)
            started = asyncio.create_task(entering.__aenter__())
            async with asyncio.timeout(HANG_S):
                while not caplog.records:  # noqa: ASYNC110 - a log sets no event
                    await asyncio.sleep(0.01)
            record = caplog.records[0]
            assert record.levelname == "ERROR"
            assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in caplog.text
            assert "change http.listen" in caplog.text
        here = await started
        assert (await here.ask("/healthz")).status == 200
        await entering.__aexit__(None, None, None)

    asyncio.run(scene())
    assert sum(record.levelname == "ERROR" for record in caplog.records) == 1


def test_a_name_that_means_more_than_this_machine_is_not_listened_on_without_a_token(
    caplog: pytest.LogCaptureFixture,
) -> None:
    # The configuration refuses an address; what a name means shows only when it is resolved.
    settings = HttpSettings.model_construct(listen=f"0.0.0.0:{free_port()}")

    async def scene() -> None:
        server = HttpServer(settings, lambda _: unused)
        task = asyncio.create_task(server.run())
        async with asyncio.timeout(HANG_S):
            while not caplog.records:  # noqa: ASYNC110 - a log sets no event
                await asyncio.sleep(0.01)
        assert not server.listening.is_set()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    asyncio.run(scene())
    assert "there is no http.token" in caplog.text


async def unused(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise AssertionError


def test_other_settings_are_served_from_now_on(tmp_path: Path) -> None:
    token = Secret("env:TOKEN", "another")

    async def scene() -> None:
        async with place(tmp_path) as here:
            assert (await here.ask("/healthz")).status == 200
            here.server.change(
                here.agent.settings.http.model_copy(
                    update={"listen": f"127.0.0.1:{(port := free_port())}", "token": token}
                )
            )
            moved = here._replace(port=port)
            async with asyncio.timeout(HANG_S):
                while True:
                    with suppress(ConnectionRefusedError):
                        assert (await moved.ask("/healthz")).status == 401
                        break
                    await asyncio.sleep(0.01)
            assert (await moved.ask("/healthz", Authorization="Bearer another")).status == 200
            with pytest.raises(ConnectionRefusedError):
                await here.ask("/healthz")

    strict_run(scene())
