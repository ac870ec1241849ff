"""What a polled driver asks of a connection: requests, which the transport performs one by one.

A driver's `poll(context)` is a generator. It yields requests and is sent their results; what it
returns is the payload that its `decode` reads, as if the device had advertised it:

    value = yield read(SERVICE, CHARACTERISTIC)           # bytes, or None: the device has it not
    yield write(SERVICE, CHARACTERISTIC, b"...")
    value = yield wait(SERVICE, CHARACTERISTIC)           # its next notification

UUIDs are texts as BlueZ writes them; `uuid` makes one of a number.
"""

READ = 0
WRITE = 1
WAIT = 2

_BASE = "-0000-1000-8000-00805f9b34fb"  # Core Specification, Vol 3, Part B, 2.5.1


def uuid(number: int) -> str:
    """Return the UUID of a 16-bit or 32-bit number."""
    return f"{number:08x}{_BASE}"


def read(service: str, characteristic: str) -> tuple[int, str, str, bytes]:
    """Ask for a value."""
    return (READ, service, characteristic, b"")


def write(service: str, characteristic: str, data: bytes) -> tuple[int, str, str, bytes]:
    """Set a value and have it confirmed."""
    return (WRITE, service, characteristic, data)


def wait(service: str, characteristic: str) -> tuple[int, str, str, bytes]:
    """Subscribe, and wait for one notification."""
    return (WAIT, service, characteristic, b"")
