"""What a polled driver asks of a connection: requests, which the transport performs one by one.

A driver's `poll(context)` is a generator. It yields requests and is sent their results; what it
returns is the payload that its `decode` reads, as if the device had advertised it:

    value = yield read(SERVICE, CHARACTERISTIC)           # bytes, or None: the device has it not
    yield write(SERVICE, CHARACTERISTIC, b"...")          # b"" once it is confirmed, or None
    yield listen(SERVICE, CHARACTERISTIC)                 # keeps notifications from now on; None
    value = yield wait(SERVICE, CHARACTERISTIC)           # the next of them, after `listen` or not

UUIDs are texts as BlueZ writes them; `uuid` makes one of a number. Where a service has several
characteristics of one UUID, `number` counts them from 0, in the order the device lists them. What
a device lacks is answered without the radio, so asking for it costs nothing.
"""

READ = 0
WRITE = 1
WAIT = 2
LISTEN = 3

_BASE = "-0000-1000-8000-00805f9b34fb"  # Core Specification, Vol 3, Part B, 2.5.1


def uuid(number: int) -> str:
    """Return the UUID of a 16-bit or 32-bit number."""
    return f"{number:08x}{_BASE}"


def read(service: str, characteristic: str, number: int = 0) -> tuple[int, str, str, bytes, int]:
    """Ask for a value."""
    return (READ, service, characteristic, b"", number)


def write(service: str, characteristic: str, data: bytes) -> tuple[int, str, str, bytes, int]:
    """Set a value and have it confirmed."""
    return (WRITE, service, characteristic, data, 0)


def listen(service: str, characteristic: str) -> tuple[int, str, str, bytes, int]:
    """Subscribe: for a device that answers a `write` with a notification."""
    return (LISTEN, service, characteristic, b"", 0)


def wait(service: str, characteristic: str) -> tuple[int, str, str, bytes, int]:
    """Wait for one notification."""
    return (WAIT, service, characteristic, b"", 0)
