"""What the board starts: the version that is due, and the one before where a new one fails.

It is the flash's /main.py, as text, and no update ever replaces it. A version is a folder, /a or
/b, that is whole if its manifest is there. /slots.json says which: {"slot": "b"}, and while that
one is on trial how often it may still be started: {"slot": "b", "tries": 2, "release": ...}.
Whoever has a message acknowledged takes "tries" away (gateway/esp32/slots.py).
"""

import json
import os
import sys
import time

TYPE_CHECKING = False  # MicroPython has no typing
if TYPE_CHECKING:
    from typing import Any

    State = dict[str, Any]

FAILED = 4  # releases remembered that are not to be tried again
TRIAL_MS = 660000  # a version on trial that is neither confirmed nor given up by then: start anew
PATIENCE_MS = 120000  # from here until the version feeds the watchdog itself
PAUSE_MS = 5000  # for Ctrl-C
END = "\n"  # is written last: MicroPython's parser takes {"slot": "b" for whole
SPENT = ("due", "fallen_back", "store", "is_whole", "run", "agent", "watch")


def due(state: "State") -> "State":
    """Return the state to start in."""
    tries = state.get("tries")
    if tries is None:
        return state
    return fallen_back(state) if tries < 1 else dict(state, tries=tries - 1)


def fallen_back(state: "State") -> "State":
    """Return the state after a version has failed: the other one, and this one never again."""
    failed = state.get("failed", []) + [state.get("release", "")]  # noqa: RUF005 - MicroPython
    return {"slot": "ab"[state["slot"] == "a"], "failed": failed[-FAILED:]}


def load(root: str) -> "State":
    """Read the state; without one that can be read it is the first version that is whole."""
    try:
        with open(root + "/slots.json") as file:
            text = file.read()
        state = json.loads(text)
        if text[-1] == END and state["slot"] in ("a", "b"):
            return state
    except (OSError, ValueError, LookupError, TypeError):
        pass  # never flashed whole, or damaged
    return {"slot": "ab"[not is_whole(root, "a") and is_whole(root, "b")]}


def store(root: str, state: "State") -> None:
    """Replace the state, at once or not at all."""
    path = root + "/slots.json"
    with open(path + ".new", "w") as file:
        file.write(json.dumps(state) + END)
    os.rename(path + ".new", path)


def is_whole(root: str, slot: str) -> bool:
    """Whether there is all of a version."""
    try:
        os.stat(root + "/" + slot + "/manifest")
    except OSError:
        return False
    return True


def run(root: str = "") -> None:
    """Start what is due; never return."""
    import machine

    before = load(root)
    state = due(before)
    if state != before:
        store(root, state)
    if "tries" in state:
        watch(machine, root)
    sys.path.insert(0, root + "/" + state["slot"])
    try:
        start = agent(root, state)
        for name in SPENT:
            globals().pop(name, None)  # what is left of memory is the agent's
        start(root)
    except Exception as error:  # noqa: BLE001 - whatever it is, the board starts anew
        sys.print_exception(error)
    time.sleep_ms(PAUSE_MS)
    machine.reset()


def agent(root: str, state: "State"):  # type: ignore[no-untyped-def]  # noqa: ANN201
    """Import the version that is due; where that fails, the other one is due from now on."""
    try:
        from gateway.esp32 import main

        return main.run  # noqa: TRY300 - an AttributeError is one more way not to be a version
    except Exception:
        other = fallen_back(state)
        if is_whole(root, other["slot"]):
            store(root, other)
        raise


def watch(machine: object, root: str) -> None:
    """Start anew if a version on trial hangs, or forgets that it is on trial."""
    machine.WDT(timeout=PATIENCE_MS)
    if hasattr(machine, "Timer"):  # the simulator's board has none
        machine.Timer(0).init(
            mode=machine.Timer.ONE_SHOT,
            period=TRIAL_MS,
            callback=lambda _: "tries" in load(root) and machine.reset(),
        )


if __name__ == "__main__":
    run()
