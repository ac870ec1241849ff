"""HOST:PORT on the command line."""

import typer


def host_and_port(broker: str) -> tuple[str, int]:
    """Split HOST:PORT. Raises typer.BadParameter for anything else."""
    host, _, port = broker.rpartition(":")
    if not host or not port.isdecimal():
        cause = "HOST:PORT is needed, e.g. 127.0.0.1:1883"
        raise typer.BadParameter(cause, param_hint="--broker")
    return host.strip("[]"), int(port)
