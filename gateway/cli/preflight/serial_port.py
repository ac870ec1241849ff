"""A LoRa modem on a serial port: whether it is there, may be opened, is free, and answers.

The modem is asked for a sign of life, which changes nothing in it.
"""

import asyncio
import grp
import os
import pwd
import stat
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Final

from gateway.aside import aside
from gateway.cli.preflight.verdict import Verdict
from gateway.config import SerialSettings
from gateway.driver import Command, LoadedModem, Modem
from gateway.registry import Registry
from gateway.transport.serial.port import Port, PortError
from gateway.transport.serial.speeds import Speeds

_TRIES: Final = 3  # modems answer a command with a stray error now and then
_ANSWER_S: Final = 1.0
_BY_ID: Final = Path("/dev/serial/by-id")


async def look(
    settings: SerialSettings, registry: Registry, *, agent_runs: bool
) -> AsyncGenerator[Verdict]:
    """Say how the port and its modem stand."""
    refusal = _refusal(settings.name, settings.device)
    if refusal is not None:
        yield refusal
    elif agent_runs:
        yield Verdict.skipped(settings.name, "may be opened; an agent is running and has it")
    else:
        yield await _ask(settings, registry.modem(settings.modem))


# ----------------------------------------------------------------------------------- the device
def _refusal(name: str, device: Path) -> Verdict | None:
    """Say why this user cannot open the device, None if nothing is in the way."""
    try:
        status = device.stat()
    except PermissionError:
        return Verdict.warning(name, f"{device}: its folder is closed to this user")
    except OSError:
        return Verdict.warning(name, f"{device} is not there", _plugged_in())
    if not stat.S_ISCHR(status.st_mode):
        return Verdict.warning(name, f"{device} is not a serial port")
    if not os.access(device, os.R_OK | os.W_OK, effective_ids=True):
        group = _group(status.st_gid)
        return Verdict.warning(name, f"{device} is for the group {group}", _join(group, status))
    return None


def _plugged_in() -> str:
    names = sorted(path.name for path in _BY_ID.glob("*"))
    return f"in {_BY_ID} there is {', '.join(names)}" if names else "plug the modem in"


def _group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def _join(group: str, status: os.stat_result) -> str:
    """Say how this user gets into the group that may use the port."""
    try:
        user = pwd.getpwuid(os.geteuid())
    except KeyError:  # a user without an entry, as in some containers
        return f"run ugw in the group {group}"
    if status.st_gid in os.getgrouplist(user.pw_name, user.pw_gid):
        return (
            f"{user.pw_name} is in it since the last login: log in again, or restart the service"
        )
    return f"sudo usermod --append --groups {group} {user.pw_name}, then log in again"


# ------------------------------------------------------------------------------------ the modem
class _Conversation:
    """One question to a modem."""

    def __init__(self, modem: Modem) -> None:
        self._modem = modem
        self._heard = asyncio.Event()

    def take(self, data: bytes) -> None:
        """Take what the port delivered; packets among it are not ours to keep."""
        self._modem.feed(data)
        if self._modem.answer is not None or not data:
            self._heard.set()

    async def answers(self, port: Port, probe: Command, tries: int) -> bool:
        """Whether the modem gives a sign of life. Raises PortError."""
        for _ in range(tries):
            self._heard.clear()
            port.write(self._modem.ask(probe))
            try:
                async with asyncio.timeout(_ANSWER_S):
                    await self._heard.wait()
            except TimeoutError:
                continue
            if port.ended.is_set():
                raise PortError(port.cause)
            return True
        return False


async def _ask(settings: SerialSettings, loaded: LoadedModem) -> Verdict:
    """Ask it at each of its baud rates, the configured one first."""
    speeds = Speeds(settings.baud or loaded.baud, loaded.bauds)
    tries = _TRIES
    for baud in speeds.all:
        try:
            answers = await _answers(settings, baud, loaded.connect(), tries)
        except PortError as error:
            return await _not_opened(settings, error)
        if answers is None:
            return Verdict.ok(settings.name, f"may be opened; no {settings.modem} can be asked")
        if answers:
            return Verdict.ok(settings.name, f"{settings.modem} answers at {baud} baud")
        tries = 1  # a wrong rate is more likely than a stray error at the right one
    cause = f"{settings.device} is open, but no {settings.modem} answers at {speeds.tried} baud"
    return Verdict.warning(settings.name, cause, "check baud and wiring, else cut its power")


async def _answers(settings: SerialSettings, baud: int, modem: Modem, tries: int) -> bool | None:
    """Whether the modem answers, None if it cannot be asked. Raises PortError."""
    probe = modem.probe()
    conversation = _Conversation(modem)
    port = await Port.open(str(settings.device), baud, conversation.take)
    try:
        return await conversation.answers(port, probe, tries) if probe else None
    finally:
        await port.close()


async def _not_opened(settings: SerialSettings, error: PortError) -> Verdict:
    users = await aside(lambda: _users(settings.device), name="users of the port")
    if not users:
        return _told(settings.name, error)
    cause = f"{settings.device} is used by {', '.join(users)}"
    return Verdict.warning(settings.name, cause, "stop that, or give the agent another port")


def _told(name: str, error: PortError) -> Verdict:
    """Return what a PortError says: path, cause and remedy, with a colon between them."""
    path, _, rest = str(error).partition(": ")
    cause, _, remedy = rest.partition(": ")
    return Verdict.warning(name, f"{path}: {cause}", remedy)


def _users(device: Path) -> list[str]:
    """Return the programs that have a device open, as far as this user may see that."""
    wanted = device.resolve()
    users: list[str] = []
    for process in Path("/proc").glob("[0-9]*"):
        if int(process.name) == os.getpid():
            continue
        try:
            held = any(link.readlink() == wanted for link in (process / "fd").iterdir())
            if held:
                users.append(f"{(process / 'comm').read_text().strip()} (pid {process.name})")
        except OSError:
            continue  # another user's, or it has ended
    return users
