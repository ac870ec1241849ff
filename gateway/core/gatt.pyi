# The types of gateway.core.gatt and of polled drivers, for which MicroPython has no words.
# Checkers alone read this; an annotation that names one of them is quoted.

from collections.abc import Callable, Generator
from typing import TypeAlias

READ: int
WRITE: int
WAIT: int
LISTEN: int

# What to do, service, characteristic, data, which of several of one UUID.
Request: TypeAlias = tuple[int, str, str, bytes, int]
Poll: TypeAlias = Generator[Request, bytes | None, bytes]

# A field of a characteristic (gateway.core.gatt_table): a mantissa and its exponent.
Read: TypeAlias = Callable[[bytes, int], tuple[int | str | None, int]]
Integer: TypeAlias = Callable[[bytes, int], int]
Row: TypeAlias = tuple[str, str, int, int, Read, int, int, str, str]

def uuid(number: int) -> str: ...
def read(service: str, characteristic: str, number: int = 0) -> Request: ...
def write(service: str, characteristic: str, data: bytes) -> Request: ...
def listen(service: str, characteristic: str) -> Request: ...
def wait(service: str, characteristic: str) -> Request: ...
