"""`python -m gateway.sim.fleet.worker`: some gateways of a fleet in a process of their own.

Started by gateway.sim.fleet.crews, which see for what is said.
"""

import asyncio
import logging
import os
import signal
import sys
from typing import Final

import msgspec

from gateway.errors import UgwError
from gateway.sim.fleet.crews import END, REST, Order, Word
from gateway.sim.fleet.group import Group

_EVERY_S: Final = 0.5


async def main() -> None:
    """Read an order, carry it out, say how it stands."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    order = msgspec.json.decode(await reader.readline(), type=Order)
    group = Group(order.plan, range(order.first, order.last + 1))
    async with asyncio.TaskGroup() as tasks:
        company = (
            tasks.create_task(_obey(reader, group), name="fleet.obey"),
            tasks.create_task(_tell(group), name="fleet.tell"),
        )
        await group.run()
        for task in company:
            task.cancel()
    _say(Word(final=group.snapshot(final=True)))


async def _obey(reader: asyncio.StreamReader, group: Group) -> None:
    while line := await reader.readline():
        if line == REST:
            group.rest()
        elif line == END:
            break
    group.end()


async def _tell(group: Group) -> None:
    while True:
        _say(Word(now=group.snapshot()))
        await asyncio.sleep(_EVERY_S)


def _say(word: Word) -> None:
    # It is read at once, and nothing else of ours goes there.
    os.write(sys.stdout.fileno(), msgspec.json.encode(word) + b"\n")


def run() -> None:
    """Run it; what cannot work is said where the fleet reads it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal means the fleet: it tells us
    logging.getLogger("gateway").addHandler(logging.NullHandler())
    failed: BaseException | None = None
    try:
        asyncio.run(main())
    except* UgwError as group:
        failed = group
    while isinstance(failed, BaseExceptionGroup):
        failed = failed.exceptions[0]
    if isinstance(failed, UgwError):
        _say(Word(error=str(failed), remedy=failed.remedy))


if __name__ == "__main__":
    run()
