"""The serial console: a line for each change of state, and answers to whoever types.

Nothing here waits for the line: a key is read when it is there. What is said is bounded in length
and in rate, so that no fault can fill the line; nothing said holds a secret. Ctrl-C is the chip's
own way to the Python prompt. The answers are in
the overlays `explain` and `details`.
"""

import asyncio
import sys
import time

from gateway.esp32 import overlay

TYPE_CHECKING = False  # MicroPython has no typing; the build leaves all of this out
if TYPE_CHECKING:
    from gateway.esp32.main import Agent

_WIDTH = 120  # characters of a line: 10 ms at 115,200 baud
_KEPT = 8  # lines at once; then one a second
_TYPED = 24  # characters of a command
_PROMPT = "ugw> "
_AGAIN_MS = 5000  # until a console that is not there is looked at again

said: list[tuple[int, str]] = []  # the last lines: when, in ticks, and what
_typed = [""]  # the prompt and what was typed behind it; nothing until somebody types


def say(event: str, **fields: object) -> None:
    """Say one line: what happened, and its circumstances. Too many at once are left out."""
    now = time.ticks_ms()
    line = "ugw " + event
    for name in sorted(fields):
        quoted = repr(str(fields[name]))  # no control character reaches a terminal
        line += f" {name}={quoted if ' ' in quoted else quoted[1:-1]}"
    if len(said) == _KEPT:
        if 0 <= time.ticks_diff(now, said[0][0]) < _KEPT * 1000:
            return
        said.pop(0)
    line = line[:_WIDTH]
    said.append((now, line))
    sys.stdout.write(f"\r\x1b[K{line}\n{_typed[0]}" if _typed[0] else line + "\n")


async def run(agent: "Agent") -> None:
    """Answer whoever types. Bytes are read, for half a character would be waited for."""
    keys = asyncio.StreamReader(sys.stdin.buffer)  # type: ignore[arg-type]
    write = sys.stdout.write
    while True:
        key = await keys.read(1)
        if not key:
            await asyncio.sleep_ms(_AGAIN_MS)
            continue
        code = key[0]
        typed = _typed[0]
        if not typed or code in (10, 13):
            _typed[0] = ""
            write("\n")
            try:
                if typed != _PROMPT:
                    name = "explain" if typed[5:] in ("", "help", "status") else "details"
                    await overlay.arun(name, "answer", agent, typed[5:])
            except (MemoryError, OSError):  # the chip may refuse what it is asked
                write("There is no answer to that just now: try again.\n")
            typed = _PROMPT
            write(typed)
        if code in (8, 127) and typed != _PROMPT:
            typed = typed[:-1]
            write("\b \b")
        elif 32 <= code < 127 and len(typed) < _TYPED:
            typed += chr(code)
            write(chr(code))
        _typed[0] = typed
