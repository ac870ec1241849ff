"""What a board says until it is ready, and why it is not: explained to who stands before it."""

from collections.abc import Callable
from itertools import count

import pytest

from gateway.sim.esp_rom.cable import plugged_in
from gateway.sim.esp_rom.chip import SimulatedChip
from tests.flash.boards import Watched
from ugw_flash.esp32 import ready
from ugw_flash.esp32.ready import Heard, SerialConsole, explained, wait

READY = "ugw READY gateway=gw-1 session=1795359600000 software='ugw 0.1.0'"


class Line:
    """A console that says what it is given, piece by piece; an OSError is raised."""

    def __init__(self, *pieces: bytes | OSError, answer: bytes = b"") -> None:
        self._pieces = list(pieces)
        self._answer = answer
        self.closed = 0

    def open(self) -> "Line":
        return self

    def read(self) -> bytes:
        if not self._pieces:
            return b""
        piece = self._pieces.pop(0)
        if isinstance(piece, OSError):
            raise piece
        return piece

    def write(self, data: bytes) -> None:
        assert data == b"\r"
        self._pieces.append(self._answer)

    def close(self) -> None:
        self.closed += 1


def heard(line: Line, limit_s: int = 50, watcher: Watched | None = None) -> Heard:
    """Listen with a clock that goes on by a second at each look."""
    seconds = count()
    return wait(line.open, limit_s, watcher or Watched(), lambda: float(next(seconds)))


def test_ready_is_heard_with_the_gateway_that_says_it() -> None:
    line = Line(
        b"ets Jul 29 2019\r\nugw starts because='power came on'\r\n", READY.encode() + b"\r\n"
    )
    found = heard(line)
    assert (found.gateway, found.why) == ("gw-1", None)
    assert line.closed == 1


def test_it_is_heard_in_pieces_between_noise_and_behind_a_prompt() -> None:
    text = b"\xff\xfe\x80noise\r\n\r\x1b[Kugw READY gate", b"way=gw-1 session=1\n"
    assert heard(Line(*text)).gateway == "gw-1"


def test_only_a_line_of_its_own_counts() -> None:
    assert heard(Line(f"3 s ago: {READY}\n".encode())).gateway is None


def test_a_port_that_goes_at_the_reset_and_comes_again_is_opened_again() -> None:
    line = Line(b"ugw star", OSError(5, "gone"), b"ugw starts because=x\n", READY.encode() + b"\n")
    assert heard(line).gateway == "gw-1"
    assert line.closed == 2


def test_each_change_of_state_is_told_as_it_comes() -> None:
    watcher = Watched()
    heard(
        Line(b"rst:0x1\nwaiting for download\nugw network up address=192.0.2.5\n"), watcher=watcher
    )
    assert watcher.said == [
        "The board waits in download mode: let BOOT go, and tap RESET (EN).",
        "The board: network up address=192.0.2.5",
    ]


def test_an_agent_that_is_not_ready_in_time_is_asked_why() -> None:
    answer = (
        b"\nThis is the gateway gw-1 of kiel.\n"
        b"! There is no network: the Wi-Fi does not take the password.\n"
        b"  Correct esp32.wifi.password in gateway.yaml and write the board again.\n"
    )
    found = heard(Line(b"ugw starts because=x\n", answer=answer))
    assert found.why is not None
    assert found.why.cause == "There is no network: the Wi-Fi does not take the password"
    assert found.why.remedy.startswith("Correct esp32.wifi.password")


@pytest.mark.parametrize(
    "text",
    [
        "invalid header: 0xffffffff\ninvalid header: 0xffffffff\n",
        "SettingsError: site.json: mqtt.host is missing\n",
        "ValueError: incompatible .mpy file\n",
        'Type "help()" for more information.\n',
        "Checksum failed. Calculated 0x5 read 0x6\n",
    ],
)
def test_nobody_waits_for_what_will_not_come(text: str) -> None:
    seconds = iter(range(20))  # a longer wait runs out of it
    found = wait(Line(text.encode()).open, 1000, Watched(), lambda: float(next(seconds)))
    assert found.why is not None
    assert found.why.is_final


SAID = [
    ("Brownout detector was triggered", "supply breaks down"),
    ("SettingsError: site.json: mqtt.host is missing", "mqtt.host is missing"),
    ("MemoryError: memory allocation failed, allocating 4096 bytes", "does not fit"),
    ("ImportError: no module named 'gateway'", "no module named 'gateway'"),
    ("Guru Meditation Error: Core  0 panic'ed (LoadProhibited)", "LoadProhibited"),
    ("ugw trouble cause='uplink: OSError(28,)'", "OSError(28,)"),
    ("ugw network down cause='no Wi-Fi named city'", "no Wi-Fi named city"),
    ("ugw broker gone cause='it has expired'", "it has expired"),
    ("ugw broker connected session=1", "acknowledges nothing"),
    ("ugw time is known", "broker is not connected"),
    ("ugw network up address=192.0.2.5", "no time server"),
    ("ugw starts because='power came on'", "no network"),
    ("waiting for download", "waits for a new program"),
    ("something nobody knows", "it last said 'something nobody knows'"),
]


@pytest.mark.parametrize(("line", "cause"), SAID)
def test_what_a_board_said_is_explained_with_a_remedy(line: str, cause: str) -> None:
    why = explained([line])
    assert cause in why.cause
    assert why.remedy


def test_of_what_the_agent_told_the_last_counts() -> None:
    lines = [
        "ugw network down cause=away",
        "ugw network up address=192.0.2.5",
        "ugw time is known",
    ]
    assert "broker is not connected" in explained(lines).cause


def test_silence_is_explained_too() -> None:
    assert explained([]).cause == "it says nothing at all"


def test_a_line_that_never_ends_takes_no_memory() -> None:
    found = heard(Line(*[b"x" * 5000] * 40, b"\n" + READY.encode() + b"\n"), limit_s=500)
    assert found.gateway == "gw-1"
    assert max(map(len, found.lines)) <= 1000


class Answers:
    """An application that says READY when a key is pressed."""

    def start(self, _flash: object, say: Callable[[bytes], None]) -> None:
        self._say = say

    def hear(self, _data: bytes) -> None:
        self._say(READY.encode() + b"\r\n")

    def stop(self) -> None:
        """Stop."""

    async def ended(self) -> None:
        """Have ended."""


# pyserial's client of RFC 2217 warns; a board at USB has nothing to do with it.
@pytest.mark.filterwarnings(r"ignore:set(Daemon|Name)\(\):DeprecationWarning")
def test_listening_at_a_real_port_neither_holds_the_board_nor_sends_it_to_its_loader() -> None:
    # RFC 2217 carries both lines: RTS left on would hold it in reset, DTR would at the next one.
    chip = SimulatedChip(runs=Answers())
    chip.flash.load(0x1000, b"\xe9")
    with plugged_in(chip, "rfc2217") as plug:
        assert wait(lambda: SerialConsole(plug.port), 0.2, Watched()).gateway == "gw-1"
        console = SerialConsole(plug.port)
        plug.reset(boot_held=False)
        assert plug.do(lambda: plug.chip.running) == "application"
        console.close()


def test_a_port_that_is_not_there_is_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ready, "_READ_S", 0.0)
    seconds = count()
    found = wait(
        lambda: SerialConsole("/dev/ttyUSB99"), 3, Watched(), lambda: float(next(seconds))
    )
    assert found.why == explained([])
