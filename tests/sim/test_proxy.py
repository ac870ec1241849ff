"""The proxy between two ends that only echo."""

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

import pytest

from gateway.sim.proxy import Line, Proxy
from tests.brokers import free_port, strict_run

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Echo:
    """A server that sends back what it gets, and knows how its connections ended."""

    def __init__(self) -> None:
        self.port = 0
        self.ended: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(4096):
                writer.write(data)
                await writer.drain()
            self.ended.append("end")
        except ConnectionError:
            self.ended.append("reset")
        finally:
            writer.close()


@asynccontextmanager
async def through(line: Line | None = None) -> AsyncGenerator[tuple[Echo, Proxy, Ends]]:
    """Connect to an echo by way of a proxy."""
    echo = Echo()
    server = await asyncio.start_server(echo.serve, "127.0.0.1", 0)
    echo.port = server.sockets[0].getsockname()[1]
    async with server, Proxy(echo.port, line) as proxy:
        ends = await asyncio.open_connection("127.0.0.1", proxy.port)
        yield echo, proxy, ends
        ends[1].close()


async def eventually(echo: Echo) -> str:
    while not echo.ended:  # noqa: ASYNC110 - strict_run ends a hopeless wait
        await asyncio.sleep(0.005)
    return echo.ended[0]


def test_what_is_sent_arrives_whole_and_in_order() -> None:
    data = bytes(range(256)) * 2000

    async def main() -> None:
        async with through(Line(latency_s=0.01)) as (_, proxy, (reader, writer)):
            writer.write(data)
            assert await reader.readexactly(len(data)) == data
            assert proxy.passed_up == proxy.passed_down == len(data)

    strict_run(main())


@pytest.mark.parametrize(
    ("line", "least_s"),
    [
        (Line(up_bytes_per_s=20_000), 0.2),
        (Line(down_bytes_per_s=20_000), 0.2),
        (Line(latency_s=0.1), 0.2),
    ],
)
def test_a_line_is_as_slow_as_it_says(line: Line, least_s: float) -> None:
    """That it is no faster; how much slower is the machine's affair."""

    async def main() -> None:
        clock_s = asyncio.get_running_loop().time
        async with through(line) as (_, _, (reader, writer)):
            began_s = clock_s()
            writer.write(b"x" * 4096)
            await reader.readexactly(4096)
            assert clock_s() - began_s >= least_s

    strict_run(main())


def test_what_a_slow_line_does_not_take_holds_up_the_sender() -> None:
    async def main() -> None:
        async with through(Line(up_bytes_per_s=1000)) as (_, proxy, (_, writer)):
            writer.transport.set_write_buffer_limits(high=0)
            writer.write(b"x" * 20_000_000)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(writer.drain(), 0.2)
            assert proxy.passed_up <= 4096
            writer.transport.abort()

    strict_run(main())


def test_a_line_that_swallows_says_nothing_of_it_and_can_be_repaired() -> None:
    async def main() -> None:
        async with through(Line(swallows=True)) as (_, proxy, (reader, writer)):
            writer.write(b"lost")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(reader.read(1), 0.1)
            proxy.line = Line()
            writer.write(b"heard")
            assert await reader.readexactly(5) == b"heard"

    strict_run(main())


def test_what_is_on_a_line_goes_on_as_the_line_now_is() -> None:
    async def main() -> None:
        async with through(Line(up_bytes_per_s=1)) as (_, proxy, (reader, writer)):
            writer.write(b"x" * 1000)  # a quarter of an hour, as it is
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(reader.read(1), 0.1)
            proxy.line = Line()
            assert await reader.readexactly(1000) == b"x" * 1000

    strict_run(main())


def test_a_cut_is_seen_by_both_sides() -> None:
    async def main() -> None:
        async with through() as (echo, proxy, (reader, writer)):
            writer.write(b"x")
            await reader.readexactly(1)
            proxy.cut()
            with suppress(ConnectionError):
                assert await reader.read() == b""
            assert await eventually(echo) == "reset"

    strict_run(main())


def test_a_client_forgotten_leaves_the_brokers_side_half_open() -> None:
    async def main() -> None:
        async with through() as (echo, proxy, (reader, writer)):
            writer.write(b"x")
            await reader.readexactly(1)
            proxy.forget_clients()
            with pytest.raises(ConnectionResetError):
                await reader.read()
            again, other = await asyncio.open_connection("127.0.0.1", proxy.port)
            other.write(b"y")
            assert await again.readexactly(1) == b"y"
            assert not echo.ended
            proxy.cut()
            assert await eventually(echo) == "reset"
            other.close()

    strict_run(main())


def test_without_a_broker_behind_it_the_client_is_reset() -> None:
    async def main() -> None:
        async with Proxy(free_port()) as proxy:
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            with suppress(ConnectionError):
                assert await reader.read() == b""
            writer.close()

    strict_run(main())


def test_while_refused_nobody_gets_in_and_who_is_in_stays() -> None:
    async def main() -> None:
        async with through() as (_, proxy, (reader, writer)):
            proxy.refused = True
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", proxy.port)
            writer.write(b"still here")
            assert await reader.readexactly(10) == b"still here"
            proxy.refused = False
            assert not proxy.refused
            _, another = await asyncio.open_connection("127.0.0.1", proxy.port)
            another.close()

    strict_run(main())


def test_the_port_stays_its_own_while_it_refuses() -> None:
    async def main() -> None:
        async with Proxy(free_port()) as proxy:
            proxy.refused = True
            with socket.socket() as thief, pytest.raises(OSError, match="in use"):
                thief.bind(("127.0.0.1", proxy.port))

    strict_run(main())
