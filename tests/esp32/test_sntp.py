"""The time, asked of servers that are right, wrong, lost or hostile; and the chip's own clock."""

import struct
import time
from collections.abc import Callable
from contextlib import ExitStack
from types import ModuleType, SimpleNamespace

import pytest

from gateway.esp32 import sntp
from tests.esp32.machines import run_on
from tests.esp32.udp import Answers, server

SHIFT_MS = 86_400_000 * 300  # the servers live in the future: the machine's own clock is not meant
_FROM_1900_S = 2208988800


def stamp(shift_ms: int = SHIFT_MS) -> bytes:
    seconds = time.time() + shift_ms / 1000 + _FROM_1900_S
    return struct.pack("!II", int(seconds) % (1 << 32), int(seconds % 1 * (1 << 32)))


def reply(query: bytes, **change: int) -> bytes:
    """Answer as a good server, but for what a test changes."""
    known = {"leap": 0, "version": 4, "mode": 4, "stratum": 2, "delay": 0x100, "dispersion": 0x100}
    known.update(change)
    shift_ms = SHIFT_MS + known.get("off_ms", 0)
    first = known["leap"] << 6 | known["version"] << 3 | known["mode"]
    head = struct.pack("!BBbbIII", first, known["stratum"], 6, -20, known["delay"],
                       known["dispersion"], 0x7F000001)  # fmt: skip
    received, sent = stamp(shift_ms), stamp(shift_ms + known.get("held_ms", 0))
    return head + stamp(shift_ms) + query[40:48] + received + sent


def spoofed(query: bytes) -> bytes:
    return reply(query[:40] + bytes(8), off_ms=3_600_000)


Case = Callable[[bytes], Answers]
CASES: dict[str, Case] = {
    "good": lambda q: ([reply(q)], []),
    "also-good": lambda q: ([reply(q, version=3, stratum=15)], []),
    "unsynchronised": lambda q: ([reply(q, leap=3)], []),
    "go-away": lambda q: ([reply(q, stratum=0)], []),
    "stratum-16": lambda q: ([reply(q, stratum=16)], []),
    "a-question": lambda q: ([reply(q, mode=3)], []),
    "wrong-origin": lambda q: ([spoofed(q)], []),
    "wrong-source": lambda q: ([], [reply(q, off_ms=3_600_000)]),
    "spoofed-first": lambda q: ([spoofed(q), reply(q)], [reply(q, off_ms=3_600_000)]),
    "short": lambda q: ([reply(q)[:47], b"", q], []),
    "far-off": lambda q: ([reply(q, dispersion=0x10000)], []),
    "backwards": lambda q: ([reply(q, held_ms=-2_000)], []),
    "held": lambda q: ([reply(q, held_ms=5_000)], []),
    "long-ago": lambda q: ([reply(q, off_ms=-SHIFT_MS - 86_400_000 * 365 * 20)], []),
    "liar": lambda q: ([reply(q, off_ms=3_600_000)], []),
    "silent": lambda _: ([], []),
}


def asked(*cases: tuple[str, ...]) -> list[str]:
    """Return what a board makes of groups of servers, each in a process of its own."""
    hosts = {name: f"127.0.1.{number}" for number, name in enumerate(CASES, 1)}
    with ExitStack() as stack:
        port = stack.enter_context(server(CASES["silent"], "127.0.1.100"))
        for name, host in hosts.items():
            stack.enter_context(server(CASES[name], host, port))
        groups = [",".join(hosts[name] for name in case) for case in cases]
        ended = run_on("32", "tests/esp32/vm_ask.py", "time", str(port), str(SHIFT_MS),
                       "127.0.1.100", *groups)  # fmt: skip
    assert ended.code == 0, ended.text
    *told, names = [line.split(" ", 1)[1] for line in ended.text.splitlines()]
    assert names == "forgotten"
    return told


def test_a_good_answer_is_believed_and_is_right_to_within_its_error() -> None:
    believed = ("good", "also-good", "spoofed-first")
    assert asked(*[(name,) for name in believed]) == ["synced"] * len(believed)


def test_an_answer_that_is_none_or_not_to_be_believed_changes_nothing() -> None:
    wrong = set(CASES) - {"good", "also-good", "spoofed-first", "liar"}
    assert asked(*[(name,) for name in sorted(wrong)]) == ["unknown"] * len(wrong)


def test_most_of_those_that_answer_have_to_agree() -> None:
    assert asked(
        ("silent", "good"), ("liar", "good", "also-good"), ("liar", "good"), ("good", "go-away")
    ) == ["synced", "synced", "unknown", "synced"]


def _chip(monkeypatch: pytest.MonkeyPatch, epoch_s: int) -> list[tuple[int, ...]]:
    """Put a chip here that counts from `epoch_s`; what its clock was set to."""
    shown: list[tuple[int, ...]] = []

    class Rtc:
        def datetime(self, *moment: tuple[int, ...]) -> tuple[int, ...]:
            shown.extend(moment)
            return shown[-1]

    machine = ModuleType("machine")
    machine.RTC = Rtc  # type: ignore[attr-defined]
    monkeypatch.setitem(__import__("sys").modules, "machine", machine)
    here = SimpleNamespace(
        gmtime=lambda s: time.gmtime(s + epoch_s),
        mktime=lambda moment: int(__import__("calendar").timegm(moment)) - epoch_s,
    )
    monkeypatch.setattr(sntp, "time", here)
    return shown


@pytest.mark.parametrize("epoch_s", [0, 946684800], ids=["1970", "2000, as on the chip"])
def test_the_chips_clock_is_set_whatever_year_it_counts_from(
    epoch_s: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = _chip(monkeypatch, epoch_s)
    sntp.tell_chip(1_795_352_400_123)
    assert shown == [(2026, 11, 22, 6, 13, 0, 0, 123_000)]


@pytest.mark.parametrize("epoch_s", [0, 946684800], ids=["1970", "2000, as on the chip"])
def test_a_clock_with_a_battery_is_believed_where_the_site_says_so(
    epoch_s: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = _chip(monkeypatch, epoch_s)
    told: list[tuple[int, int]] = []
    clock = SimpleNamespace(now=lambda: 5_000, set=lambda *known: told.append(known))
    shown.append((2026, 11, 22, 6, 13, 0, 0, 0))
    assert sntp.trust_chip(clock)  # type: ignore[arg-type]
    assert told == [(1_795_352_400_000 - 5_000, 500)]
    shown.append((2000, 1, 1, 5, 0, 3, 0, 0))
    assert not sntp.trust_chip(clock)  # type: ignore[arg-type]
    assert len(told) == 1


def test_the_time_goes_on_where_ntp_counts_anew() -> None:
    after_2036 = struct.pack("!II", 5, 1 << 31)
    assert sntp._unix_ms(after_2036, 0) == 2_085_978_501_500  # noqa: SLF001
