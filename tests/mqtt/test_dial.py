"""Whichever address answers first is dialled, and nobody is held up by those that do not."""

import asyncio
import socket
import threading
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import cast

import pytest

from gateway import reach as reaching
from gateway.dial import TlsSettings, dial
from gateway.errors import UplinkError
from gateway.reach import Address, reach, resolve
from tests.brokers import HANG_S, free_port, strict_run

PORT = 1883
DESCRIPTORS = Path("/proc/self/fd")


@contextmanager
def black_holes(count: int) -> Generator[list[Address]]:
    """Yield addresses that answer no SYN: the queues of their listeners are full."""
    with ExitStack() as stack:
        holes: list[Address] = []
        for _ in range(count):
            hole, first = (stack.enter_context(socket.socket()) for _ in range(2))
            hole.bind(("127.0.0.1", 0))
            hole.listen(0)
            first.connect(hole.getsockname())
            holes.append(Address(socket.AF_INET, hole.getsockname()))
        yield holes


@pytest.fixture
def listener() -> Iterator[Address]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield Address(socket.AF_INET, server.getsockname())


def refusing() -> Address:
    return Address(socket.AF_INET, ("127.0.0.1", free_port()))


def local(path: Path) -> Address:
    return Address(socket.AF_UNIX, cast("tuple[str, int]", str(path)))


def reached(addresses: list[Address], timeout_s: float = HANG_S) -> socket.socket:
    return strict_run(reach(addresses, timeout_s=timeout_s))


def descriptors() -> int:
    return len(list(DESCRIPTORS.iterdir()))


# ---------------------------------------------------------------------------------------- given up
def test_a_handshake_that_comes_about_after_it_was_given_up_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    class Late:
        """Stands for an SSLContext whose peer takes its time."""

        def wrap_socket(self, sock: socket.socket, **_: object) -> socket.socket:
            begun.set()
            assert go_on.wait(HANG_S)
            return sock

    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.settimeout(HANG_S)
            port = server.getsockname()[1]
            dialling = asyncio.create_task(
                dial("127.0.0.1", port, tls=TlsSettings(), timeout_s=HANG_S)
            )
            assert await asyncio.to_thread(begun.wait, HANG_S)
            dialling.cancel()
            with pytest.raises(asyncio.CancelledError):
                await dialling
            go_on.set()
            peer, _ = await asyncio.to_thread(server.accept)
            with peer:
                peer.settimeout(HANG_S)
                assert await asyncio.to_thread(peer.recv, 1) == b""

    def context(_tls: TlsSettings) -> Late:
        return Late()

    monkeypatch.setattr("gateway.dial.client_context", context)
    strict_run(main())


@pytest.mark.parametrize("turns", range(20))
def test_given_up_at_any_moment_it_ends_as_given_up_and_leaves_no_socket(
    turns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also in the moment in which one has won and the others are being sent away."""
    monkeypatch.setattr(reaching, "STAGGER_S", 1e-6)

    async def main() -> None:
        with black_holes(2) as holes, socket.create_server(("127.0.0.1", 0)) as server:
            found = Address(socket.AF_INET, server.getsockname())
            before = descriptors()
            task = asyncio.create_task(reach([*holes, found, refusing()], timeout_s=HANG_S))
            for _ in range(turns):
                await asyncio.sleep(0)
            if task.cancel():
                with pytest.raises(asyncio.CancelledError):
                    await task
            else:
                task.result().close()
            assert descriptors() == before

    strict_run(main())


# ------------------------------------------------------------------------------- several addresses
def test_addresses_that_lead_nowhere_hold_up_the_one_that_answers_by_moments_only(
    listener: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight of them, as of a broker in a cloud: one after the other they would take a minute."""
    monkeypatch.setattr(reaching, "STAGGER_S", 0.02)
    with black_holes(8) as holes, reached([*holes, listener], HANG_S / 3) as sock:
        assert sock.getpeername() == listener.sockaddr
        assert sock.gettimeout() is None, "blocking, as it was promised"


def test_addresses_that_refuse_or_cannot_be_had_hold_up_nobody(
    listener: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reaching, "STAGGER_S", HANG_S)
    dead = [Address(99, ("127.0.0.1", PORT)), refusing(), refusing()]
    with reached([*dead, listener]) as sock:
        assert sock.getpeername() == listener.sockaddr


def test_who_comes_first_is_taken_and_the_others_are_closed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, black_holes(2) as holes:
        found = Address(socket.AF_INET, server.getsockname())
        before = descriptors()
        with reached([holes[0], found, holes[1]]) as sock:
            server.settimeout(HANG_S)
            peer, name = server.accept()
            with peer:
                assert name == sock.getsockname()
        assert descriptors() == before


def test_where_nobody_answers_the_cause_is_told_in_the_words_of_the_system() -> None:
    """The library tells several in one text, of numbers and addresses."""
    nowhere = Address(99, ("127.0.0.1", PORT))
    with pytest.raises(ConnectionRefusedError, match=r"\] Connection refused$"):
        reached([nowhere, refusing(), refusing()])
    with pytest.raises(OSError, match=r"\] Address family not supported by protocol$"):
        reached([nowhere, nowhere])
    with black_holes(1) as holes, pytest.raises(TimeoutError):
        reached([*holes, refusing()], 0.6)


def test_a_host_all_of_whose_addresses_refuse_is_said_to_refuse(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    both = [refusing(), Address(99, ("127.0.0.1", PORT))]
    monkeypatch.setattr("gateway.dial.resolve", partial(answer, both))
    with pytest.raises(UplinkError, match=r"^broker\.example:1883 refuses connections$") as caught:
        strict_run(dial("broker.example", PORT, tls=None, timeout_s=HANG_S))
    assert "is the broker running" in caught.value.remedy


@pytest.mark.parametrize("first", [socket.AF_INET, socket.AF_UNIX])
def test_the_families_take_turns(
    first: socket.AddressFamily,
    listener: Address,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of two listeners that of the other family is tried before the second of the first.

    Sockets of the file system stand for IPv6, which not every machine has.
    """
    monkeypatch.setattr(reaching, "STAGGER_S", HANG_S)
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(tmp_path / "other"))
        other.listen()
        four = [refusing(), listener]
        unix = [local(tmp_path / "nobody"), local(tmp_path / "other")]
        one, two = (four, unix) if first == socket.AF_INET else (unix, four)
        with reached([*one, two[1]]) as sock:
            assert sock.family == two[1].family


def test_one_that_takes_connections_and_is_no_broker_any_more_is_not_first_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The family that the machine prefers stays in front."""
    four = [(socket.AF_INET, 1, 6, "", (f"192.0.2.{n}", PORT)) for n in range(1, 4)]
    six = [(socket.AF_INET6, 1, 6, "", ("2001:db8::1", PORT, 0, 0))]

    def answer(*_: object, **__: object) -> list[object]:
        return [*four, *six]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    found = [resolve("broker.example", PORT) for _ in range(200)]
    assert {each[0].sockaddr[0] for each in found} == {"192.0.2.1", "192.0.2.2", "192.0.2.3"}
    assert {each[3].family for each in found} == {socket.AF_INET6}
    assert {len(each) for each in found} == {4}


# ------------------------------------------------------------------------------------------- names
def test_a_name_server_that_does_not_answer_is_named_and_the_loop_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Patched here; tests/scenarios/test_names.py has a name server and glibc's own resolver."""
    answer = threading.Event()

    def slow(host: str, port: int) -> list[Address]:
        answer.wait(HANG_S)
        return [Address(socket.AF_INET, (host, port))]

    async def main() -> None:
        dialling = asyncio.create_task(dial("broker.example", 8883, tls=None, timeout_s=0.2))
        turns = 0
        while not dialling.done():
            await asyncio.sleep(0.001)
            turns += 1
        assert turns > 5, "the loop stood still"
        with pytest.raises(UplinkError, match="name server did not answer for broker") as caught:
            await dialling
        assert "resolv.conf" in caught.value.remedy
        answer.set()

    monkeypatch.setattr("gateway.dial.resolve", slow)
    strict_run(main())


def answer(found: list[Address], _host: str, _port: int) -> list[Address]:
    """Answer as a name server."""
    return found


def test_the_name_is_asked_for_with_every_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the last answer was is kept nowhere: the host may have moved."""

    async def main() -> None:
        for _ in range(2):
            with socket.create_server(("127.0.0.1", 0)) as server:
                found = Address(socket.AF_INET, server.getsockname())
                monkeypatch.setattr("gateway.dial.resolve", partial(answer, [found]))
                with await dial("broker.example", 8883, tls=None, timeout_s=HANG_S) as sock:
                    assert sock.getpeername() == found.sockaddr

    strict_run(main())
