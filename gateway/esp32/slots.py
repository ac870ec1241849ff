"""Which version runs, and whether it has proved itself: what /slots.json says, and changes in it.

An overlay. What a start does with it is in boot.py, which no update replaces: what is written here
is what every boot.py ever flashed understands.
"""

import json
import os

TYPE_CHECKING = False  # MicroPython has no typing; the build leaves all of this out
if TYPE_CHECKING:
    from typing import Any

    State = dict[str, Any]

_TRIES = 3
_TRIAL_MS = 600000  # within that a message has to be acknowledged


def load(root: str) -> "State":
    """Read the state. Without one, what runs is what boot.py found: the first that is whole."""
    try:
        with open(root + "/slots.json") as file:
            text = file.read()
        state = json.loads(text)
        # MicroPython's parser takes {"slot": "b" for whole
        if text[-1:] == "\n" and state["slot"] in ("a", "b"):
            return state
    except (OSError, ValueError, LookupError, TypeError):
        pass  # never flashed whole, or damaged
    return {"slot": "ab"[not _is_whole(root, "a") and _is_whole(root, "b")]}


def _is_whole(root: str, slot: str) -> bool:
    """Whether boot.py takes a slot for a version: by the same test, or this runs in another."""
    try:
        os.stat(root + "/" + slot + "/manifest")
    except OSError:
        return False
    return True


def store(root: str, state: "State") -> None:
    """Replace the state, at once or not at all."""
    path = root + "/slots.json"
    with open(path + ".new", "w") as file:
        file.write(json.dumps(state) + "\n")
    os.rename(path + ".new", path)


def judge(root: str, acknowledged: bool, now_ms: int) -> str:
    """Return what becomes of a version on trial: "trial", "confirmed", or "failed": start anew."""
    state = load(root)
    if "tries" not in state:
        return "confirmed"
    after = judged(state, acknowledged, now_ms)
    if after != state:
        store(root, after)
    return "failed" if after.get("tries") == 0 else "trial" if "tries" in after else "confirmed"


def judged(state: "State", acknowledged: bool, now_ms: int) -> "State":
    """Return the state of a version on trial after `now_ms` of it."""
    if acknowledged:
        return {"slot": state["slot"], "failed": state.get("failed", [])}
    return dict(state, tries=0) if now_ms >= _TRIAL_MS else state


def try_out(root: str, slot: str, release: str) -> None:
    """Have a version that is whole started next."""
    failed = load(root).get("failed", [])
    store(root, {"slot": slot, "tries": _TRIES, "release": release, "failed": failed})


def software(root: str, slot: str = "") -> "tuple[int, str] | None":
    """Return the number and the name of a version, by default of what runs; None: it is not whole.

    A manifest's first line is `ugw-release 1 <number> <name>`.
    """
    try:
        with open(root + "/" + (slot or load(root)["slot"]) + "/manifest") as file:
            words = file.readline().split(" ", 3)
        return int(words[2]), words[3].strip()
    except (OSError, ValueError, IndexError):
        return None
