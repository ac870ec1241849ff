"""A stand-in service manager: a real datagram socket, on which it hears what services tell it."""

import asyncio
import contextlib
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from tests.brokers import HANG_S


class Manager:
    """Listens on `address`, as NOTIFY_SOCKET names it; by default on a path."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.settimeout(0)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self._heard: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    @property
    def heard(self) -> list[str]:
        """All messages so far, each with its lines."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self._heard.append(self._socket.recv(65_536).decode())
        return self._heard

    def count(self, assignment: str) -> int:
        """How many messages consist of just this assignment."""
        return self.heard.count(assignment)

    async def hears(self, assignment: str, times: int = 1) -> None:
        """Return when so many such messages have come."""
        async with asyncio.timeout(HANG_S):
            while self.count(assignment) < times:  # noqa: ASYNC110 - it comes from a process
                await asyncio.sleep(0.01)


@contextlib.contextmanager
def manager_on_a_path() -> Iterator[Manager]:
    """Listen on a path short enough for a socket, whatever a test's own folder is called."""
    with (
        tempfile.TemporaryDirectory(prefix="ugw-") as folder,
        Manager(str(Path(folder) / "notify")) as manager,
    ):
        yield manager


def abstract_address() -> str:
    """Return a name of the abstract namespace that nobody else has."""
    return f"@ugw-test-{os.getpid()}-{os.urandom(4).hex()}"
