"""Servers of datagrams on this machine, that answer as a test says, also what nobody asked."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# What a server sends for a question: datagrams from where it was asked, and from elsewhere.
Answers = tuple[list[bytes], list[bytes]]
_STOP = b"stop"
_BYTES = 2048


@contextmanager
def server(
    answer: Callable[[bytes], Answers], host: str = "127.0.0.1", port: int = 0
) -> Iterator[int]:
    """Answer at `host` until the block ends; the port."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as here,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as elsewhere,
    ):
        here.bind((host, port))
        elsewhere.bind((host, 0))
        thread = threading.Thread(target=_serve, args=(here, elsewhere, answer))
        thread.start()
        try:
            yield here.getsockname()[1]
        finally:
            elsewhere.sendto(_STOP, here.getsockname())
            thread.join()


def _serve(
    here: socket.socket, elsewhere: socket.socket, answer: Callable[[bytes], Answers]
) -> None:
    while True:
        data, source = here.recvfrom(_BYTES)
        if data == _STOP:
            return
        right, strange = answer(data)
        for each in strange:
            elsewhere.sendto(each, source)
        for each in right:
            here.sendto(each, source)
