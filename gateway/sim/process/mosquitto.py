"""A real mosquitto of our own on 127.0.0.1, with its files in a directory of its own.

It holds none of our pipes and dies with us. Raises SimulatorError where mosquitto is not installed
or does not start, with what it said.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Final, NamedTuple

from gateway.errors import SimulatorError
from gateway.sim import lifeline

HOST: Final = "127.0.0.1"

_LIMIT_S: Final = 30.0  # to start or to end: no promise, only the end of a hopeless wait
_POLL_S: Final = 0.01
_SERVERS: Final = "/usr/sbin"  # where Debian puts it, and not into everybody's PATH


def free_port() -> int:
    """Return a loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


class ServerTls(NamedTuple):
    """PEM files of a TLS listener.

    With `client_ca` it wants a certificate from its clients, none of the list `revoked`.
    """

    cert: Path
    key: Path
    client_ca: Path | None = None
    revoked: Path | None = None


class Mosquitto:
    """A mosquitto of our own on 127.0.0.1.

    `acl` is the text of an ACL file, `password` a user and a password without which nobody comes
    in, `lines` are further lines of its configuration. Sessions and retained messages survive
    `stop` and `start`, not `kill`.
    """

    def __init__(
        self,
        directory: Path,
        *,
        acl: str = "",
        password: tuple[str, str] | None = None,
        tls: ServerTls | None = None,
        lines: tuple[str, ...] = (),
    ) -> None:
        self.host = HOST
        self.port = free_port()
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        directory.mkdir(parents=True, exist_ok=True)
        configuration = [
            f"listener {self.port} {HOST}",
            "persistence true",
            f"persistence_location {directory}/",
            # Not 0, no limit: then 2.0.11 hangs up after each message that it denies.
            "max_queued_messages 1000000",
            f"log_dest file {directory / 'mosquitto.log'}",
            "user root",  # only to be what we are; never to change
            *_admission(directory, acl, password),
            *_encryption(tls),
            *lines,
        ]
        self._configuration = directory / "mosquitto.conf"
        self._configuration.write_text("\n".join(configuration) + "\n")

    @property
    def pid(self) -> int:
        """The process id; it must be running."""
        return self._running().pid

    @property
    def runs(self) -> bool:
        """Whether there is such a process."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start and return when the port answers."""
        self.launch()
        while not self.answers():
            time.sleep(_POLL_S)

    def launch(self) -> None:
        """Start it, and do not wait."""
        self._process = subprocess.Popen(  # noqa: S603 - ours
            [program("mosquitto"), "-c", str(self._configuration)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            process_group=0,  # Ctrl-C on a terminal is not meant for it
            preexec_fn=lifeline.die_with_parent,  # noqa: PLW1509 - one call
        )

    def answers(self) -> bool:
        """Whether the port answers. Raises SimulatorError when it has ended instead."""
        if not self.runs:
            code = self._running().returncode
            cause = f"mosquitto ended with {code}: {self.log().strip() or 'it said nothing'}"
            raise SimulatorError(cause, f"try by hand: mosquitto -c {self._configuration}")
        with socket.socket() as probe:
            return probe.connect_ex((HOST, self.port)) == 0

    def stop(self) -> None:
        """End it in order: it stores sessions and retained messages."""
        self._end(signal.SIGTERM)

    def terminate(self) -> None:
        """Ask it to end in order, and do not wait; a frozen one goes on for that."""
        self._running().send_signal(signal.SIGTERM)
        self.thaw()

    def kill(self) -> None:
        """End it at once, frozen or not; nothing happens when it does not run."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stop, and start on the same port."""
        self.stop()
        self.start()

    def freeze(self) -> None:
        """Stop it from doing anything: the kernel goes on answering for it."""
        self._running().send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._running().send_signal(signal.SIGCONT)

    def log(self) -> str:
        """Return what it has logged."""
        path = self._directory / "mosquitto.log"
        return path.read_text() if path.exists() else ""

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            cause = "this mosquitto does not run"
            raise SimulatorError(cause, "start it first")
        return self._process

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(_LIMIT_S)
            self._process = None


def program(name: str) -> str:
    """Return where a program of the mosquitto packages is. Raises SimulatorError."""
    found = shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", ""), _SERVERS)))
    if found is None:
        cause = f"{name} is not installed, and this needs a real broker"
        raise SimulatorError(cause, "install it: apt-get install mosquitto")
    return found


def _admission(directory: Path, acl: str, password: tuple[str, str] | None) -> list[str]:
    lines = [f"allow_anonymous {'false' if password else 'true'}"]
    if password is not None:
        path = directory / "passwords"
        path.touch(mode=0o600)
        path.write_text(":".join(password) + "\n")  # not in the arguments, which everybody sees
        subprocess.run([program("mosquitto_passwd"), "-U", path], check=True)  # noqa: S603 - ours
        lines.append(f"password_file {path}")
    if acl:
        path = directory / "acl"
        path.write_text(acl)
        path.chmod(0o600)
        lines.append(f"acl_file {path}")
    return lines


def _encryption(tls: ServerTls | None) -> list[str]:
    if tls is None:
        return []
    lines = [f"certfile {tls.cert}", f"keyfile {tls.key}"]
    if tls.client_ca is not None:
        lines += [f"cafile {tls.client_ca}", "require_certificate true"]
    if tls.revoked is not None:
        lines.append(f"crlfile {tls.revoked}")
    return lines
