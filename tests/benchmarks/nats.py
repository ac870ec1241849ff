"""A cluster of real NATS servers on loopback, with MQTT and JetStream; nodes can be killed."""

import contextlib
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final
from urllib.error import URLError
from urllib.request import urlopen

from gateway.sim import lifeline

_HOST: Final = "127.0.0.1"
_READY_S: Final = 60.0
_POLL_S: Final = 0.1


class Node:
    """One server. Its store survives `kill`, as a disk survives a power cut."""

    def __init__(self, name: str, directory: Path, ports: tuple[int, int, int, int]) -> None:
        self.name = name
        self.mqtt, self.route, self._clients, self._monitor = ports
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> tuple[str, int]:
        """Where it speaks MQTT."""
        return _HOST, self.mqtt

    def configure(self, routes: list[int]) -> None:
        """Write its configuration: `routes` are the ports of all nodes."""
        self._directory.mkdir()
        others = ", ".join(f"nats://{_HOST}:{port}" for port in routes)
        self._config.write_text(
            f"server_name: {self.name}\n"
            f"listen: {_HOST}:{self._clients}\n"
            f"http: {_HOST}:{self._monitor}\n"
            f'jetstream {{ store_dir: "{self._directory}", max_file_store: 2GB }}\n'
            f"cluster {{ name: fleet, listen: {_HOST}:{self.route}, routes: [{others}] }}\n"
            f'mqtt {{ listen: "{_HOST}:{self.mqtt}" }}\n'
        )

    @property
    def _config(self) -> Path:
        return self._directory / "nats.conf"

    def start(self) -> None:
        """Start it; it is not ready yet."""
        with (self._directory / "nats.log").open("ab") as log:
            self._process = subprocess.Popen(
                ["nats-server", "-c", self._config],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=lifeline.die_with_parent,  # noqa: PLW1509 - one call
            )

    def kill(self) -> None:
        """End it as a power cut does."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    @property
    def is_ready(self) -> bool:
        """Whether it says that it is healthy: JetStream has a leader, and it has caught up."""
        with contextlib.suppress(URLError, OSError):
            url = f"http://{_HOST}:{self._monitor}/healthz"
            with urlopen(url, timeout=1):  # anything but OK is a HTTPError, an URLError
                return True
        return False


@contextmanager
def cluster(directory: Path, *, size: int = 3) -> Generator[list[Node]]:
    """Run a cluster; its nodes are ready."""
    nodes = [Node(f"node-{n}", directory / f"node-{n}", _ports()) for n in range(1, size + 1)]
    with ExitStack() as stack:
        for node in nodes:
            node.configure([each.route for each in nodes])
            stack.callback(node.kill)
            node.start()
        until_s = time.monotonic() + _READY_S
        while not all(node.is_ready for node in nodes):
            assert time.monotonic() < until_s, f"not ready: {directory}/*/nats.log says why"
            time.sleep(_POLL_S)
        yield nodes


def version() -> str:
    """Return the server's version; empty where there is none."""
    if shutil.which("nats-server") is None:
        return ""
    said = subprocess.run(["nats-server", "--version"], capture_output=True, text=True, check=True)
    return said.stdout.strip().removeprefix("nats-server: v")


def _ports() -> tuple[int, int, int, int]:
    """Return ports that were free a moment ago."""
    with ExitStack() as stack:
        found = [stack.enter_context(socket.create_server((_HOST, 0))) for _ in range(4)]
        first, second, third, fourth = (each.getsockname()[1] for each in found)
    return first, second, third, fourth
