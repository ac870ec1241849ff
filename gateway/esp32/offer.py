"""Another version is offered: whether it is signed by who may, and is for this board now.

An overlay. An offer is retained on {root}/update: a signature, then the line it signs. What
follows from it is in update.py; what is to be remembered meanwhile is in `agent.update`.
"""

import hashlib
import os
import sys
from binascii import hexlify

from gateway.esp32 import overlay

TYPE_CHECKING = False  # MicroPython has no typing; the build leaves all of this out
if TYPE_CHECKING:
    from typing import Any

    from gateway.esp32.main import Agent

    State = dict[str, Any]

_SIGNATURE = 384
_PRODUCT = "esp32"
_MOST_MANIFEST = 20000  # bytes
_ASK_MS = 10000


async def work(agent: "Agent") -> str:
    """Take the offer that came. Returns what there is to say."""
    _, offer = agent.mail.pop(True)
    try:
        await _consider(agent, offer)
    except (OSError, ValueError) as error:
        return "update: " + str(error)
    return ""


async def _consider(agent: "Agent", offer: bytes) -> None:
    """Begin with what is offered, unless it runs already or is under way."""
    text = offer[_SIGNATURE:]
    release = hexlify(hashlib.sha256(text).digest()).decode()[:32]
    if agent.update is not None and agent.update["release"] == release:
        return
    with open(agent.root + "/site/update.key", "rb") as file:
        modulus = file.read()
    if not await overlay.run("signature", "is_signed", text, offer[:_SIGNATURE], modulus):
        why = "the offer is not signed by who may"
        raise ValueError(why)
    words = text.decode().split(" ", 7)
    state = overlay.run("slots", "load", agent.root)
    running = overlay.run("slots", "software", agent.root, state["slot"])
    number = running[0] if running is not None else 0
    why = objection(words, release, state, number)
    if why:
        raise ValueError(why)
    if int(words[4]) != number:
        agent.update = _begun(agent, words, release, state["slot"])


def objection(words: "list[str]", release: str, state: "State", running: int) -> str:
    """Return why a release that is signed is not for this board now; empty: it is."""
    why = ""
    if words[:3] != ["ugw-update", "1", _PRODUCT] or len(words) != 8:
        why = "the offer is for another product"
    elif int(words[3]) != getattr(sys.implementation, "_mpy", 6) & 255:
        why = "the offer is for another MicroPython"
    elif int(words[4]) < running:
        why = "the offer is older than what runs"
    elif int(words[5]) > _MOST_MANIFEST:
        why = "the offer is too large"
    elif "tries" in state:
        why = "what runs has to prove itself first"
    elif release in state.get("failed", ()):
        why = "the offer was tried and failed"
    return why


def _begun(agent: "Agent", words: "list[str]", release: str, running: str) -> "State":
    """Give up the idle slot's version: from here on it is not whole."""
    held = ""
    if agent.update is not None:
        held = agent.update["held"]
        if agent.update["file"] is not None:
            agent.update["file"].close()
    slot = "b" if running == "a" else "a"
    folder = agent.root + "/" + slot
    for change, path in ((os.mkdir, folder), (os.remove, folder + "/manifest")):
        try:
            change(path)
        except OSError:
            pass  # the folder is there, the manifest is not
    return {
        "release": release,
        "slot": slot,
        "to": folder + "/",
        "from": agent.root + "/" + running + "/",
        "topic": agent.site.root.rpartition("/")[0] + "/_software/" + release + "/",
        "at": -1,  # in the manifest: behind the line of the file that is due; -1: itself
        "path": "manifest.new",
        "size": int(words[5]),
        "hash": words[6],
        "first": 0,  # piece of the file that is due
        "next": 0,  # piece that is due
        "file": None,  # open while it is written
        "held": held,  # topic that is subscribed to
        "asked": 0,
        "asked_ms": -_ASK_MS,
    }
