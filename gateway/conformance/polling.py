"""A polled driver's conversation with a device: as its examples have it, and with any device."""

import random
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from gateway.conformance.checks import Finding, LeftOutError, MisbehavedError, called
from gateway.conformance.examples import Example, Examples
from gateway.conformance.frames import SEED
from gateway.core import gatt
from gateway.core.context import Context
from gateway.core.refusal import DecodeError
from gateway.driver import LoadedDriver, Poll, Request

STEPS: Final = {gatt.READ: "read", gatt.WRITE: "write", gatt.WAIT: "wait", gatt.LISTEN: "listen"}
MOST_REQUESTS: Final = 1_000  # of one poll; a generator that asks for more never ends
_ROUNDS: Final = 100
_LONGEST: Final = 40  # bytes of an answer

Answer = Callable[[Request], bytes | None]


def polls(driver: LoadedDriver, document: Examples) -> Iterator[Finding]:
    """Find conversations that go wrong."""
    if driver.poll is None:
        message = "it is heard, not polled"
        raise LeftOutError(message)
    for example in document.examples:
        if example.poll is not None:
            yield from _as_example(driver, driver.poll, example)
    yield from _with_any_device(driver, driver.poll)


def _as_example(driver: LoadedDriver, poll: Poll, example: Example) -> Iterator[Finding]:
    script = iter(example.poll or ())

    def answer(request: Request) -> bytes | None:
        step = next(script, None)
        asked = [STEPS.get(request[0]), *request[1:3]]
        if step is None or asked != step[:3]:
            message = f"asks to {asked}, expected {step}"
            raise MisbehavedError(message)
        given = None if step[3] is None else bytes.fromhex(str(step[3]))
        if request[0] == gatt.WRITE and request[3] != given:
            message = f"writes {request[3].hex()}, expected {step[3]}"
            raise MisbehavedError(message)
        return b"" if request[0] == gatt.WRITE else given

    address = bytes.fromhex(example.address) if example.address else bytes(6)
    try:
        payload = called(lambda: _conversation(poll, Context(address), answer), driver.file)
        if payload.hex() != example.payload:
            yield Finding(example.name, payload.hex(), f"polled, expected {example.payload}")
        left = next(script, None)
        if left is not None:
            yield Finding(example.name, example.payload, f"never asks to {left}")
    except (MisbehavedError, DecodeError) as error:
        yield Finding(example.name, example.payload, str(error))


def _with_any_device(driver: LoadedDriver, poll: Poll) -> Iterator[Finding]:
    chance = random.Random(SEED)  # noqa: S311 - the same noise each time, nothing secret
    for number in range(_ROUNDS):
        said: list[str] = []

        def answer(request: Request, number: int = number, said: list[str] = said) -> bytes | None:
            value = None
            if number and chance.random() < 0.9:  # noqa: PLR2004 - mostly; the first has nothing
                is_write = request[0] == gatt.WRITE
                value = b"" if is_write else chance.randbytes(chance.randrange(_LONGEST))
            said.append("-" if value is None else value.hex())
            return value

        try:
            called(partial(_poll_and_decode, driver, poll, answer), driver.file)
        except DecodeError:
            continue
        except MisbehavedError as error:
            yield Finding("random", " ".join(said), str(error))


def _poll_and_decode(driver: LoadedDriver, poll: Poll, answer: Answer) -> None:
    driver.decode(_conversation(poll, Context(bytes(6)), answer), Context(bytes(6)))


def _conversation(poll: Poll, context: Context, answer: Answer) -> bytes:
    """Perform a poll with a device that answers so; return what it returns."""
    generator = poll(context)
    given: bytes | None = None
    for number in range(MOST_REQUESTS):
        try:
            request = generator.send(given) if number else next(generator)
        except StopIteration as end:
            if not isinstance(end.value, bytes):
                message = f"returns {end.value!r}, and bytes are needed"
                raise MisbehavedError(message) from None
            return end.value
        given = answer(request)
    message = f"asks {MOST_REQUESTS} times and does not end"
    raise MisbehavedError(message)
