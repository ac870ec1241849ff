"""Why the board started: what the chip says, and what the agent noted before it went down.

An overlay. The note lies in the memory that outlives a reset, but not a loss of power.
"""

import machine

from gateway.esp32.console import say

_MARK = b"ugw:"  # the memory may be somebody else's
_MOST = 120
# What the chip tells (ports/esp32/modmachine.c): not a brown-out from power coming on, nor a crash
# from a restart that was asked for.
_CAUSES = {
    machine.PWRON_RESET: "power came on, or had dipped",
    machine.HARD_RESET: "restart, asked for or after a crash",
    machine.WDT_RESET: "watchdog: the agent stood still",
    machine.DEEPSLEEP_RESET: "woken from deep sleep",
    machine.SOFT_RESET: "restart of Python alone",
}


def cause() -> str:
    """Return in words why the board started, and forget the note."""
    words = _CAUSES.get(machine.reset_cause(), "unknown")
    memory = machine.RTC().memory()
    if memory.startswith(_MARK):
        machine.RTC().memory(b"")
        words += " (" + str(memory[len(_MARK) :], "utf-8") + ")"
    return words


def note(text: str) -> None:
    """Say what is wrong, and keep it for the next start."""
    say("trouble", cause=text)
    machine.RTC().memory(_MARK + text[:_MOST].encode())
