"""A connection nobody waits for any more is closed when it comes about."""

import asyncio
import socket

import pytest

from gateway.dial import dial
from tests.brokers import HANG_S, strict_run


def test_a_connection_that_comes_about_after_it_was_given_up_is_closed() -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.settimeout(HANG_S)
            port = server.getsockname()[1]
            dialling = asyncio.create_task(dial("127.0.0.1", port, tls=None, timeout_s=HANG_S))
            await asyncio.sleep(0)
            dialling.cancel()
            with pytest.raises(asyncio.CancelledError):
                await dialling
            peer, _ = await asyncio.to_thread(server.accept)
            with peer:
                peer.settimeout(HANG_S)
                assert await asyncio.to_thread(peer.recv, 1) == b""

    strict_run(main())
