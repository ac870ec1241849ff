"""The serial console as a person has it: on a pty, keystroke by keystroke."""

import os
import select
import subprocess
import termios
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.esp32.machines import HANG_GUARD_S, ROOT, command, environment

PROMPT = "ugw> "
SECRET = "hunter2"  # noqa: S105 - in every secret of the made-up agent
CTRL_C, BACKSPACE, ENTER = "\x03", "\x7f", "\r"


class Person:
    """Somebody at a terminal: types, and reads what stands there."""

    def __init__(self, terminal: int) -> None:
        self._terminal = terminal
        self.all = ""

    def types(self, keys: str | bytes) -> None:
        os.write(self._terminal, keys.encode() if isinstance(keys, str) else keys)

    def reads(self, until: str) -> str:
        """Read on until this stands there; return what came."""
        came = ""
        deadline = time.monotonic() + HANG_GUARD_S
        while until not in came:
            ready, _, _ = select.select([self._terminal], [], [], deadline - time.monotonic())
            assert ready, f"never came: {until!r}, but {came!r}"
            came += os.read(self._terminal, 4096).decode()
        self.all += came
        return came

    def asks(self, line: str) -> list[str]:
        """Type a command; the lines of its answer."""
        self.types(line + ENTER)
        return self.reads("\n" + PROMPT).split("\n")[1:-1]


@contextmanager
def console(state: str) -> Iterator[Person]:
    near, far = os.openpty()
    tty.setraw(far)
    settings = termios.tcgetattr(far)
    settings[3] |= termios.ISIG  # as on the chip, where Ctrl-C interrupts Python
    termios.tcsetattr(far, termios.TCSANOW, settings)
    agent = subprocess.Popen(
        command("32", "tests/esp32/vm_console.py", state, heap="56k"),
        cwd=ROOT,
        env=environment(),
        stdin=far,
        stdout=far,
        stderr=far,
        start_new_session=True,
        preexec_fn=lambda: tty_of(far),  # noqa: PLW1509 - nothing else runs in this process
    )
    try:
        person = Person(near)
        yield person
        assert SECRET not in person.all
    finally:
        agent.kill()
        agent.wait()
        os.close(near)
        os.close(far)


def tty_of(terminal: int) -> None:
    """Make it the terminal of this process, so that Ctrl-C reaches it."""
    import fcntl  # noqa: PLC0415 - in the child

    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)


@pytest.fixture(name="well")
def _well() -> Iterator[Person]:
    with console("well") as person:
        person.reads("ugw READY gateway=gw-1 session=7 software='ugw 0.1.0'\n")
        yield person


def test_any_key_makes_it_say_what_it_is_and_what_can_be_asked(well: Person) -> None:
    well.types("x")
    assert well.reads(PROMPT + "x").split("\n")[1:-1] == [
        "This is the gateway gw-1 of kiel, ugw 0.1.0, up for 0 s.",
        "All is well: what is heard is delivered.",
        "Type a command and press Enter: status, sensors, network, time, log, restart, help.",
    ]


def test_each_command_is_answered(well: Person) -> None:
    well.types(ENTER)
    well.reads(PROMPT)
    assert well.asks("status")[2:] == [
        "Session 7; in memory 3 observations.",
        "heard 1200  unlisted 1100  sent 9  ",
    ]
    heard, never, unread = well.asks("sensors")
    assert heard.startswith("urn:dev:mac:c0ffee was heard ")
    assert heard.endswith(" s ago, -71 dBm")
    assert never == "ugw:kiel:bin-17 has not been heard yet"
    assert unread == "  and cannot be read: it is away"
    assert well.asks("network") == [
        "Joined the Wi-Fi Foerde as 192.0.2.5, name server 192.0.2.53.",
        "Its signal is -61 dBm; below -80 it gets difficult.",
        "The broker broker.example:8883 is connected.",
    ]
    (time_told,) = well.asks("time")
    assert time_told.startswith("It is 2026-11-22T13:00:0")
    assert well.asks("log")[0].endswith(
        "s ago: ugw READY gateway=gw-1 session=7 software='ugw 0.1.0'"
    )
    assert "restart   start anew; what waits to be sent is kept" in well.asks("help")
    assert well.asks("reboot") == ["There is no command reboot. Type help and press Enter."]
    assert well.asks("restart")[-1] == "RESTARTED asked for at the console"


def test_what_is_wrong_is_said_with_what_to_do() -> None:
    with console("unwell") as person:
        person.reads("READY")
        person.types("?")
        assert person.reads(PROMPT).split("\n")[2:-2] == [
            "! There is no network: the Wi-Fi does not take the password.",
            "  Correct esp32.wifi.password in gateway.yaml and write the board again.",
            "! ble is deaf: the radio is silent.",
            "! The store fills up (elevated): sensors are taken less often meanwhile.",
            "! The store is memory-only: without power, what waits is lost.",
        ]
        person.types(BACKSPACE)
        assert "In the store 40 observations, 8000 bytes, the oldest for 61 min." in (
            person.asks("status")
        )
        assert person.asks("time")[0] == "It is not known. Asked are ntp.example."
        assert person.asks("network")[0] == (
            "Not joined the Wi-Fi Foerde: the Wi-Fi does not take the password."
        )


def test_a_line_can_be_corrected_and_what_is_said_meanwhile_stands_above_it(well: Person) -> None:
    well.types(ENTER)
    well.reads(PROMPT)
    well.types("stax" + BACKSPACE + "t")
    above = well.reads(PROMPT + "stat")
    assert above == "stax\b \bt\r\x1b[Kugw broker up host=broker.example\n" + PROMPT + "stat"
    assert well.asks("us")[2] == "Session 7; in memory 3 observations."


def test_noise_on_the_line_stops_nothing(well: Person) -> None:
    well.types(bytes(range(0x80, 0x100)) + b"\x00\x01\xc3")  # half a character at its end
    well.reads(PROMPT)
    well.types("x" * 500)
    well.types(ENTER)
    well.reads("There is no command xxxxxxxxxxxxxxxxxxx. Type help and press Enter.\n" + PROMPT)
    assert well.asks("log")


def test_ctrl_c_leads_to_the_prompt_of_python(well: Person) -> None:
    well.types(CTRL_C)
    assert well.reads("to the prompt\n")


def test_no_fault_can_fill_the_line() -> None:
    with console("chatty") as person:
        person.types("x")
        lines = person.reads(PROMPT).split("\n")
        said = [line for line in lines if line.startswith("ugw ") and "READY" not in line]
        assert 0 < len(said) <= 8
        assert max(map(len, said)) <= 120
        assert not any(character < " " for line in said for character in line)
