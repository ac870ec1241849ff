"""On the VM: a good signature, a bad one, and how often the loop had its turn meanwhile."""

import asyncio
import sys

from gateway.esp32 import signature

with open(sys.argv[1], "rb") as file:
    modulus, good, bad, text = file.read(384), file.read(384), file.read(384), file.read()
turns = 0


async def count():
    global turns  # noqa: PLW0603
    while True:
        turns += 1
        await asyncio.sleep(0)


async def main():
    task = asyncio.create_task(count())
    print(await signature.is_signed(text, good, modulus))
    once = turns + 1
    print(await signature.is_signed(text, bad, modulus))
    task.cancel()
    print(once)


asyncio.run(main())
