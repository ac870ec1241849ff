"""`make bench-esp32`: what the agent takes of an ESP32 without PSRAM, and whether all arrives.

    python -m tests.benchmarks.esp32 [--minutes N] [--json FILE]

The board has 56 kB of heap, the agent in its firmware, and a broker behind TLS that wants its
certificate and starts anew now and then. On the air are 50 advertisements a second of 200
addresses, five of them listed RuuviTags, and a LoRa node. The scenario's judge looks on: nothing
lost, nothing twice, both laws exact, else there is no result. What is a ratio holds on any
machine; milliseconds are this one's, which is some ten times as fast as the chip.
"""

import argparse
import asyncio
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
import pytest

from gateway.sim.esp32_image import HEAP_BYTES, allowance
from gateway.sim.esp32_wire import Vitals
from gateway.sim.sensors import Emission, Sensor, SensorOptions
from tests.authorities import Authority
from tests.benchmarks.rows import Row, at_most, cannot_run
from tests.brokers import ServerTls
from tests.esp32.boards import programs
from tests.esp32.machines import BOARD, ROOT, command, environment
from tests.scenarios.stage import Setting, Stage
from ugw_flash.esp32.compile import Compiled, compile_tree

_MINUTES: Final = 3.0
_QUICK_MINUTES: Final = 0.5
_LISTED: Final = 5
_ADDRESSES: Final = 200
_PER_SECOND: Final = 50
_LOOK_S: Final = 5.0
_RESTARTS: Final = 3
_ARRIVAL_GUARD_S: Final = 120.0
_WEAR_GUARD_S: Final = 900.0
_DRIVERS: Final = ("ble.ruuvi_rawv2", "lora.cayenne_lpp", "modem.reyax_rylr998")
_FROZEN: Final = (
    ROOT / ".cache/micropython-frozen/tree/source/ports/unix/build-standard/frozen_content.o"
)
_WEAR: Final = re.compile(r"^ +(\d+) +[\d.]+ +([\d.]+) ", re.MULTILINE)


class Look(msgspec.Struct, frozen=True):
    """The heap at a moment, in bytes; what the fakes take is in `used`, and not the agent's."""

    at_s: float
    used: int
    free: int
    largest_free: int
    stall_ms: int


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What `--json` writes. `start`, `middle` and `end` are after a collection of garbage."""

    minutes: float
    heap_bytes: int
    fakes_bytes: int
    start: Look
    middle: Look
    end: Look
    fullest: Look  # of all looks, garbage and all: the one with the least free
    least_largest_free: int
    starts: int  # of the board: 1, if it never started anew
    heard: int
    observations: int
    restarts_of_broker: int
    worst_stall_ms: int
    cpu_us_per_observation: float
    files_bytes: int
    frozen_bytes: int
    erases_per_observation: dict[str, float]  # by observations in a batch


class Passer:
    """A RuuviTag that nobody lists."""

    def __init__(self, number: int, every_s: float) -> None:
        address = f"D2:00:00:00:{number >> 8:02X}:{number & 255:02X}"
        options = SensorOptions(model="ruuvi-rawv2", address=address, every_s=every_s)
        self._sensor = Sensor(options, seed=number)
        self.first_s, self.gap_s = self._sensor.first_s, self._sensor.gap_s

    def emit(self) -> Emission:
        """Send; nobody follows it."""
        sent = self._sensor.emit()
        return Emission(address=sent.address, serial=None, copies=sent.copies)


def main() -> int:
    """Measure, and say it; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.esp32", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0, help="how long (5)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result there too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ugw-esp32-") as folder:
        result = asyncio.run(_measure(Path(folder), options.minutes))
    for name, value in _rows(result):
        sys.stdout.write(f"{name:46} {value}\n")
    if options.json:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(result)) + b"\n")
    return 0


def measure(*, quick: bool) -> list[Row]:
    """Return the row of the budget."""
    name = "ESP32: fullest Python heap with BLE, LoRa and TLS uplink"
    with tempfile.TemporaryDirectory(prefix="ugw-esp32-") as folder:
        try:
            result = asyncio.run(_measure(Path(folder), _QUICK_MINUTES if quick else _MINUTES))
        except pytest.skip.Exception as missing:  # an interpreter is
            return [cannot_run(name, str(missing))]
    own = result.fullest.used - result.fakes_bytes
    note = f"a hard limit; {result.observations} observations, all delivered; in firmware"
    return [at_most(name, 56, own / 1000, "KB", note)]


async def _measure(folder: Path, minutes: float) -> Result:
    tls, files = _certificates(folder / "tls")
    setting = Setting(
        agent="frozen", plain=0, encrypted=0, ruuvi=_LISTED, lora=1, every_s=1, tls=tls
    )
    others = _ADDRESSES - _LISTED
    async with Stage(folder / "stage", setting) as stage:
        text = stage.config.read_text()
        stage.config.write_text(re.sub(r"(mqtt: \{.*)\}", rf"\1, tls: {files}}}", text))
        every_s = others / (_PER_SECOND - _LISTED)
        stage.air.noise += [Passer(number, every_s) for number in range(others)]
        await stage.start_agent()
        looks, collected, cpu_s = await _watch(stage, minutes * 60)
        starts, heard = stage.board.board.boots, stage.board.board.heard
        await stage.end_agent()
        stage.judge()
        observations = stage.read().last["counters"]["observed"]
    fullest = min(looks, key=lambda look: look.free)
    return Result(
        minutes=minutes,
        heap_bytes=HEAP_BYTES,
        fakes_bytes=allowance(programs("frozen"), littlefs=False),
        start=collected[0],
        middle=collected[len(collected) // 2],
        end=collected[-1],
        fullest=fullest,
        least_largest_free=min(look.largest_free for look in looks),
        starts=starts,
        heard=heard,
        observations=observations,
        restarts_of_broker=_RESTARTS,
        worst_stall_ms=max(look.stall_ms for look in looks),
        cpu_us_per_observation=1e6 * cpu_s / observations,
        files_bytes=sum(each.mpy_bytes for each in _compiled(folder / "files")),
        frozen_bytes=_frozen_bytes(),
        erases_per_observation=_wear(),
    )


async def _watch(stage: Stage, seconds: float) -> tuple[list[Look], list[Look], float]:
    """Let it run; return looks as it is, looks after collections, the CPU time it took."""
    board = stage.board.board
    before, started = _cpu_s(board.pid), time.monotonic()
    looks: list[Look] = []
    collected: list[Look] = []
    restarts = [seconds * (number + 1) / (_RESTARTS + 1) for number in range(_RESTARTS)]
    async with stage.sending():
        await stage.arrived(4 * _LISTED)
        while (now := time.monotonic() - started) < seconds:
            if restarts and now >= restarts[0]:
                restarts.pop(0)
                await asyncio.to_thread(stage.broker.restart)
            looks.append(_look(now, await board.vitals(collect=False)))
            collected.append(_look(now, await board.vitals(collect=True)))
            stage.read()
            await asyncio.sleep(_LOOK_S)
    await stage.all_arrived(guard_s=_ARRIVAL_GUARD_S)
    return looks + collected, collected, _cpu_s(board.pid) - before


def _look(at_s: float, vitals: Vitals) -> Look:
    return Look(at_s, vitals.used, vitals.free, vitals.largest_free, vitals.stall_ms)


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")  # utime, stime


def _certificates(folder: Path) -> tuple[ServerTls, str]:
    """Return the broker's files, and the gateway's as the configuration names them."""
    authority = Authority(folder)
    cert, key = authority.issue("gw-sim")
    named = f"{{ca: {authority.pem}, cert: {cert}, key: {key}}}"
    return ServerTls(*authority.issue("127.0.0.1"), client_ca=authority.pem), named


def _compiled(folder: Path) -> list[Compiled]:
    return compile_tree(folder, _DRIVERS)


def _frozen_bytes() -> int:
    """Return what all that is frozen takes of a firmware, all drivers and the fakes with it."""
    ended = subprocess.run(["size", _FROZEN], capture_output=True, text=True, check=True)
    text, data, *_ = ended.stdout.splitlines()[1].split()
    return int(text) + int(data)


def _wear() -> dict[str, float]:
    """Return erases per observation while the broker is away and the store is full."""
    ended = subprocess.run(
        command("32", "tests/esp32/vm_wear.py", "100", heap="4m"),
        cwd=ROOT,
        env=environment(BOARD),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_WEAR_GUARD_S,
        check=True,
    )
    return {count: float(erases) for count, erases in _WEAR.findall(ended.stdout)}


def _rows(result: Result) -> Iterator[tuple[str, str]]:
    yield "minutes", f"{result.minutes:g}"
    yield (
        "heap, bytes (and beside it for the fakes)",
        f"{result.heap_bytes} ({result.fakes_bytes})",
    )
    yield "", "used - fakes   free   largest free piece"
    for name in ("start", "middle", "end", "fullest"):
        look: Look = getattr(result, name)
        own = look.used - result.fakes_bytes
        yield (
            f"heap at the {name}" if name != "fullest" else "heap at its fullest",
            (f"{own:12d} {look.free:6d} {look.largest_free:6d}"),
        )
    yield "smallest largest free piece", str(result.least_largest_free)
    yield "starts of the board", str(result.starts)
    yield "advertisements heard", str(result.heard)
    yield "observations, all delivered", str(result.observations)
    yield "restarts of the broker", str(result.restarts_of_broker)
    yield "longest stall of the loop, ms", str(result.worst_stall_ms)
    yield "CPU per observation, us", f"{result.cpu_us_per_observation:.0f}"
    yield "flash, as files, bytes (3 drivers)", str(result.files_bytes)
    yield "flash, frozen, bytes (all drivers, fakes)", str(result.frozen_bytes)
    for count, erases in result.erases_per_observation.items():
        yield f"erases per observation, batches of {count}", f"{erases:g}"


if __name__ == "__main__":
    sys.exit(main())
