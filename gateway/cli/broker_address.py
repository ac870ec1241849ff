"""HOST:PORT on the command line."""

import typer

_HIGHEST = 65535


def host_and_port(broker: str) -> tuple[str, int]:
    """Split HOST:PORT, or [IPv6]:PORT. Raises typer.BadParameter for anything else."""
    host, _, port = broker.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not (port.isascii() and port.isdecimal()) or not 0 < int(port) <= _HIGHEST:
        cause = f"{broker!r} is not HOST:PORT, e.g. 127.0.0.1:1883"
        raise typer.BadParameter(cause, param_hint="--broker")
    return host, int(port)
