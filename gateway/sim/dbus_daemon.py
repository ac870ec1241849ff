"""A dbus-daemon of our own, in a directory of its own.

It never touches the machine's own bus, never outlives this process, holds none of its pipes.
"""

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.errors import SimulatorError
from gateway.sim import lifeline

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_START_LIMIT_S = 10.0
_STOP_LIMIT_S = 5.0
MAX_SOCKET_PATH = 107  # sun_path of struct sockaddr_un, without its final NUL

# Session type, for it lets everybody own every name; the limits are those of a session bus, so a
# burst of thousands of advertisements is the reader's business and not the daemon's.
_CONFIGURATION = """<!DOCTYPE busconfig PUBLIC
 "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <keep_umask/>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
  <limit name="max_incoming_bytes">1000000000</limit>
  <limit name="max_outgoing_bytes">1000000000</limit>
  <limit name="max_message_size">1000000000</limit>
  <limit name="max_completed_connections">100000</limit>
  <limit name="max_connections_per_user">100000</limit>
  <limit name="max_match_rules_per_connection">50000</limit>
  <limit name="max_replies_per_connection">50000</limit>
</busconfig>
"""


async def _nothing() -> None:
    """Do nothing."""


class DbusDaemon:
    """A private bus; `address` goes to a program as DBUS_SYSTEM_BUS_ADDRESS."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._socket = directory / "bus"
        self._process: asyncio.subprocess.Process | None = None
        # What else is on the bus whenever it is there.
        self.on_start: Callable[[], Awaitable[None]] = _nothing
        self.on_stop: Callable[[], Awaitable[None]] = _nothing

    @property
    def address(self) -> str:
        """The D-Bus address, the same before, during and after a restart."""
        return f"unix:path={self._socket}"

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process else None

    async def start(self) -> None:
        """Start and return once connections are accepted. Raises SimulatorError."""
        if len(os.fsencode(self._socket)) > MAX_SOCKET_PATH:
            cause = f"the path of the simulated bus is too long for a socket: {self._socket}"
            raise SimulatorError(cause, "set TMPDIR to a shorter path")
        configuration = self._directory / "bus.conf"
        configuration.write_text(_CONFIGURATION.format(socket=self._socket))
        self._socket.unlink(missing_ok=True)
        ready, announce = os.pipe()
        try:
            self._process = await self._spawn(configuration, announce)
        except FileNotFoundError:
            os.close(ready)
            cause = "dbus-daemon is not installed, and the simulated Bluetooth needs one"
            raise SimulatorError(cause, "install it: apt install dbus-daemon") from None
        finally:
            os.close(announce)
        await self._wait_until_ready(ready)
        await self.on_start()

    async def _spawn(self, configuration: Path, announce: int) -> asyncio.subprocess.Process:
        with (self._directory / "bus.err").open("wb") as errors:
            return await asyncio.create_subprocess_exec(
                "dbus-daemon",
                "--nofork",
                "--nopidfile",
                "--nosyslog",
                f"--config-file={configuration}",
                f"--print-address={announce}",
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=errors,
                pass_fds=(announce,),
                process_group=0,  # Ctrl-C on a terminal is not meant for it
                preexec_fn=lifeline.die_with_parent,
            )

    async def _wait_until_ready(self, ready: int) -> None:
        # The daemon prints its address when it listens; where it fails, the pipe ends instead.
        loop = asyncio.get_running_loop()
        readable = asyncio.Event()
        loop.add_reader(ready, readable.set)
        try:
            async with asyncio.timeout(_START_LIMIT_S):
                await readable.wait()
            announced = os.read(ready, 4096)
        except TimeoutError:
            announced = b""
        finally:
            loop.remove_reader(ready)
            os.close(ready)
        if not announced:
            await self.stop()
            said = (self._directory / "bus.err").read_text(errors="replace").strip()
            cause = f"dbus-daemon did not start: {said or 'it said nothing'}"
            remedy = f"try by hand: dbus-daemon --nofork --config-file={self._directory}/bus.conf"
            raise SimulatorError(cause, remedy)

    async def stop(self) -> None:
        """End it; every connection is closed by that. Without effect when it does not run."""
        process, self._process = self._process, None
        if process is None:
            return
        await self.on_stop()
        await lifeline.end(process, limit_s=_STOP_LIMIT_S)
        self._socket.unlink(missing_ok=True)

    async def restart(self) -> None:
        """Stop and start under the same address, as `systemctl restart dbus` does."""
        await self.stop()
        await self.start()
