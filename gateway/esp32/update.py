"""A new version over the connection there is: written beside the one that runs, then tried.

An overlay, called every few seconds; what is to be remembered in between is in `agent.update`,
which offer.py began. The offer names the manifest by its hash, the manifest names every file by
its hash, and all of it comes in pieces, each retained on a topic of its own and asked for one at a
time. Nothing is believed that is not in that chain. Files that are here already are taken from
here. The manifest is put in place behind the last file and /slots.json written behind that: until
then the old version starts, whatever happens.
"""

import asyncio
import hashlib
import os
from binascii import hexlify

from gateway.esp32 import overlay

TYPE_CHECKING = False  # MicroPython has no typing; the build leaves all of this out
if TYPE_CHECKING:
    from typing import Any

    from gateway.esp32.main import Agent

    State = dict[str, Any]

_PIECE = 512
_TURN_MS = 1000  # at work before others have their turn
_LOOK_MS = 20
_ASK_MS = 10000  # without an answer
_ASKED = 30  # times; a broker that has lost a piece is not asked for ever
_PATH = "abcdefghijklmnopqrstuvwxyz0123456789_/."


async def work(agent: "Agent") -> str:
    """Go on for a second. Returns what there is to say, and "installed" when it is to be tried."""
    state = agent.update
    if state is None:
        agent.mail.clear()  # a piece nobody asked for
        return ""
    said = ""
    try:
        until = agent.clock.now() + _TURN_MS
        while not said and agent.clock.now() < until:
            if await _step(agent, state):
                said = "installed"
            await asyncio.sleep_ms(_LOOK_MS)
    except (OSError, ValueError) as error:
        said = "update: " + str(error)
    if said:
        _leave(agent, state)
    return said


# --------------------------------------------------------------------------------- file by file
async def _step(agent: "Agent", state: "State") -> bool:
    """Do the next thing; whether all is done."""
    if state["file"] is None:
        if state["at"] == 0 and state["path"] == "":
            await overlay.run("room", "make", agent.root, state)
        if state["path"] == "" and not _next_file(state):
            _finish(agent, state)
            return True
        if await _is_right(state["to"] + state["path"], state):
            _done(state)
        elif state["at"] >= 0 and await _is_right(state["from"] + state["path"], state):
            await _copy(state)
        else:
            _folders(state["to"] + state["path"])
            state["file"] = open(state["to"] + state["path"], "wb")  # noqa: SIM115
            state["next"] = state["first"]
        return False
    mail = agent.mail.pop(False, None)
    if mail is not None and mail[0].decode() == state["topic"] + str(state["next"]):
        await _take(state, mail[1])
    if state["file"] is not None:
        _ask(agent, state)
    return False


async def _take(state: "State", piece: bytes) -> None:
    """Write a piece; a file that is whole is read back."""
    left = state["size"] - (state["next"] - state["first"]) * _PIECE
    if len(piece) != min(left, _PIECE):
        return  # it is asked for again
    state["file"].write(piece)
    state["next"] += 1
    state["asked"] = 0
    state["asked_ms"] = -_ASK_MS
    if left > _PIECE:
        return
    state["file"].close()
    state["file"] = None
    await _accept(state)


async def _accept(state: "State") -> None:
    """Read a file back that was written."""
    if not await _is_right(state["to"] + state["path"], state):
        raise ValueError(state["path"] + " is not what was signed")
    _done(state)


def _done(state: "State") -> None:
    """Go on behind the file that is right."""
    state["first"] += (state["size"] + _PIECE - 1) // _PIECE
    state["path"] = ""
    state["at"] = max(state["at"], 0)


def _next_file(state: "State") -> bool:
    """Read the next line of the manifest; whether there is one."""
    with open(state["to"] + "manifest.new") as file:
        file.seek(state["at"])
        line = file.readline()
        if state["at"] == 0:
            line = file.readline()
        state["at"] = file.tell()
    if not line:
        return False
    state["hash"], size, path = line.rstrip("\n").split(" ")
    if ".." in path or path[:1] == "/" or path[:8] == "manifest" or path.strip(_PATH):
        raise ValueError("the manifest names " + path)
    state["size"] = int(size)
    state["path"] = path
    return True


async def _is_right(path: str, state: "State") -> bool:
    """Whether a file is there and what the manifest says."""
    try:
        if os.stat(path)[6] != state["size"]:
            return False
        digest = hashlib.sha256()
        with open(path, "rb") as file:
            while True:
                piece = file.read(_PIECE)
                if not piece:
                    break
                digest.update(piece)
                await asyncio.sleep(0)
    except OSError:
        return False
    return hexlify(digest.digest()).decode() == state["hash"]


async def _copy(state: "State") -> None:
    _folders(state["to"] + state["path"])
    with open(state["from"] + state["path"], "rb") as old:  # noqa: SIM117 - MicroPython
        with open(state["to"] + state["path"], "wb") as new:
            while True:
                piece = old.read(_PIECE)
                if not piece:
                    break
                new.write(piece)
                await asyncio.sleep(0)
    await _accept(state)


def _finish(agent: "Agent", state: "State") -> None:
    """All files are in place: now the version is whole, and then it is due."""
    os.rename(state["to"] + "manifest.new", state["to"] + "manifest")
    overlay.run("slots", "try_out", agent.root, state["slot"], state["release"])


def _folders(path: str) -> None:
    at = path.find("/", 1)
    while at > 0:
        try:
            os.mkdir(path[:at])
        except OSError:
            pass  # it is there; where it cannot be made, what comes next says so
        at = path.find("/", at + 1)


# ------------------------------------------------------------------------------------ the broker
def _ask(agent: "Agent", state: "State") -> None:
    """Ask for the piece that is due, where it was not, or not answered."""
    now = agent.clock.now()
    if now - state["asked_ms"] < _ASK_MS or not agent.uplink.can_send:
        return
    if state["asked"] >= _ASKED:
        raise ValueError("the broker has no piece " + str(state["next"]))
    state["asked"] += 1
    state["asked_ms"] = now
    topic = state["topic"] + str(state["next"])
    # A topic asked for once more is answered once more (MQTT 3.1.1, 3.8.4).
    _wire(agent, 0x82, topic, b"\0")
    if state["held"] not in ("", topic):  # the session would keep it
        _wire(agent, 0xA2, state["held"], b"")
    state["held"] = topic


def _leave(agent: "Agent", state: "State") -> None:
    """Forget what is under way."""
    agent.update = None
    if state["file"] is not None:
        state["file"].close()
    if state["held"] and agent.uplink.can_send:
        _wire(agent, 0xA2, state["held"], b"")


def _wire(agent: "Agent", kind: int, topic: str, end: bytes) -> None:
    uplink = agent.uplink
    uplink.pid = pid = uplink.pid % 65535 + 1
    body = pid.to_bytes(2, "big") + len(topic).to_bytes(2, "big") + topic.encode() + end
    size = len(body)
    head = bytes((kind, size)) if size < 128 else bytes((kind, size & 127 | 128, size >> 7))
    uplink.write(head + body)
