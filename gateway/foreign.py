"""Somebody else's driver: what it may return, and how its bugs are kept from whoever calls it.

A bug costs the device a refusal, `driver_fault`, and the log a line, once; nobody else anything.
"""

import logging
import traceback
from collections.abc import Callable, Generator
from functools import wraps
from typing import Annotated, Any, Final, Literal, ParamSpec, TypeVar

import msgspec

from gateway.core import refusal
from gateway.core.context import Context
from gateway.core.refusal import DecodeError
from gateway.driver import InterfaceError, LoadedDriver, Poll, Request
from gateway.model import Value

# What a driver may return (docs/reference/driver-interface.md). A float among it, the
# likeliest mistake, would be found only when the message is written.
_Name = Annotated[str, msgspec.Meta(pattern="^[a-z][a-z0-9_]*$", max_length=64)]
_Scale = Annotated[int, msgspec.Meta(ge=-18, le=18)]
_Channel = Annotated[str, msgspec.Meta(pattern="^[a-z0-9-]*$", max_length=64)]
READINGS: Final = Annotated[
    list[tuple[_Name, Value, _Scale, _Channel]], msgspec.Meta(max_length=64)
]
_Nonce = Annotated[bytes, msgspec.Meta(min_length=7, max_length=13)]  # RFC 3610, 2.1
_TagLength = Literal[4, 6, 8, 10, 12, 14, 16]  # the same
_Counter = Annotated[int, msgspec.Meta(ge=0)]
SEALED: Final = tuple[_Nonce, bytes, _TagLength, bytes, _Counter | None] | None

P = ParamSpec("P")
T = TypeVar("T")

log = logging.getLogger(__name__)


def guarded(driver: LoadedDriver) -> LoadedDriver:
    """Keep who uses it alive through a driver's bugs: `driver_fault`. What it is stays in it."""
    return msgspec.structs.replace(
        driver,
        decode=_guard(driver.decode, READINGS, driver),
        sealed=_guard(driver.sealed, SEALED, driver) if driver.sealed else None,
        packet_counter=_guard(driver.packet_counter, int | None, driver)
        if driver.packet_counter
        else None,
        poll=_guard_poll(driver.poll, driver) if driver.poll else None,
    )


def bare(driver: LoadedDriver) -> LoadedDriver:
    """Return a driver as it was before `guarded`: with its bugs, for who looks for them."""
    if not driver.foreign:
        return driver
    functions = ("decode", "sealed", "packet_counter", "poll")
    found = {name: getattr(driver, name) for name in functions}
    return msgspec.structs.replace(
        driver, **{name: getattr(one, "__wrapped__", one) for name, one in found.items()}
    )


def _guard(
    function: Callable[P, T],
    returned: Any,  # noqa: ANN401 - a type, and one of several forms
    driver: LoadedDriver,
) -> Callable[P, T]:
    told = False

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        nonlocal told
        try:
            checked: T = msgspec.convert(function(*args, **kwargs), returned)
        except DecodeError:
            raise
        except Exception as error:  # noqa: BLE001 - somebody else's code, and they are told
            is_wrong_answer = isinstance(error, msgspec.ValidationError)
            file, line = (driver.file, 1) if is_wrong_answer else place_of(error)
            if not told:  # each frame of that device will do it again
                told = True
                line_of_log = "driver %s has a fault: %s:%d: %r"
                log.error(line_of_log, driver.model, file, line, error)  # noqa: TRY400 - its place, not ours
            raise DecodeError(refusal.DRIVER_FAULT) from None
        return checked

    return call


def _guard_poll(poll: Poll, driver: LoadedDriver) -> Poll:
    """Do the same for a generator, from each of its requests to the next."""
    begin = _guard(poll, Any, driver)
    go_on = _guard(_next_request, tuple[Request | None, bytes], driver)

    @wraps(poll)
    def call(context: Context) -> Generator[Request, bytes | None, bytes]:
        requests = begin(context)
        request, payload = go_on(requests, None)
        while request is not None:
            request, payload = go_on(requests, (yield request))
        return payload

    return call


def _next_request(
    requests: Generator[Request, bytes | None, bytes], answer: bytes | None
) -> tuple[Request | None, bytes]:
    """Return what a driver asks for next; None and its payload when it is done."""
    try:
        return requests.send(answer), b""
    except StopIteration as end:
        if not isinstance(end.value, bytes):  # a text would be taken for base64
            message = f"poll returned {end.value!r}, but bytes are needed"
            raise TypeError(message) from None
        return None, end.value


def place_of(error: BaseException) -> tuple[str, int]:
    """Return file and line an error is about."""
    if isinstance(error, InterfaceError):
        return error.file, error.line
    if isinstance(error, SyntaxError):
        return error.filename or "", error.lineno or 0
    last = traceback.extract_tb(error.__traceback__)[-1]
    return last.filename, last.lineno or 0
