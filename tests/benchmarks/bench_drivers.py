"""What drivers cost: decoding against the parser libraries, recognising, codecs, modems.

Decoding is compared in the libraries' own environment (make differential), where both run in one
process; what misses is named, with what it took. A frame nobody knows is looked up among all
drivers there are and among three hundred more: the ratio says whether their number matters.
Vendors' codecs are called as the agent calls them, through the worker. A modem's parser is fed a
minute of its traffic in pieces.
"""

import json
import subprocess
import tempfile
import time
import timeit
from functools import partial
from pathlib import Path
from statistics import median
from types import ModuleType
from typing import Any, Final

from gateway.codecs.trial import Trial
from gateway.conformance import examples
from gateway.driver import MANUFACTURER_DATA, SERVICE_DATA
from gateway.registry import Registry, discover
from tests.benchmarks.rows import Row, at_least, at_most, cannot_run

ROOT: Final = Path(__file__).resolve().parents[2]
INTERPRETER: Final = ROOT / ".venv-differential" / "bin" / "python"
LIBRARY_PART: Final = 0.2
DISPATCH_US: Final = 2.0
MORE_DRIVERS: Final = 300
LINE_BYTES_PER_S: Final = 11_520  # of 115200 baud
CODEC_US: Final = 1_000.0  # a frame a second of a thousand such nodes is a core
_CODEC: Final = """
function decodeUplink(input) {
  var data = {}, bytes = input.bytes;
  for (var i = 0; i + 3 < bytes.length; i += 4) {
    var value = bytes[i + 2] | bytes[i + 3] << 8;
    if (value > 0x7fff) value -= 0x10000;
    data["value_" + bytes[i] + "_" + bytes[i + 1]] = value / 10;
  }
  return {data: data};
}
"""
_CODEC_PAYLOAD: Final = bytes.fromhex("0367d600046871000375640001670801")
_UNKNOWN: Final = (
    (MANUFACTURER_DATA, 0x004C, b"\x10\x06\x11\x1e"),
    (SERVICE_DATA, 0xFEED, b"\x02\x00"),
    (0x09, 0, b"Living room TV"),
    (0x03, 0x180A, b""),
)


def measure(*, quick: bool) -> list[Row]:
    """Return the rows of decoding, of recognising and of the modems' parsers."""
    rounds = 5 if quick else 25
    return [*_decoding(), *_dispatch(rounds), *_codecs(rounds), *_parsers(rounds)]


def _decoding() -> list[Row]:
    name = "native decode, part of the library's time, median of the drivers"
    if not INTERPRETER.exists():
        return [cannot_run(name, "the libraries' environment is missing: make differential")]
    told = subprocess.run(
        [INTERPRETER, "-m", "tests.differential.speed"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
    )
    rows = json.loads(told.stdout)
    slow = [row for row in rows if row["native_us"] > LIBRARY_PART * row["library_us"]]
    part = median(row["native_us"] / row["library_us"] for row in rows)
    return [
        at_most(name, LIBRARY_PART, part, "x", _told(rows)),
        at_most(f"drivers of {len(rows)} that take more than that", 0, len(slow), "", _told(slow)),
    ]


def _told(rows: list[dict[str, Any]]) -> str:
    return ", ".join(
        f"{row['driver']} {row['native_us']:.1f} of {row['library_us']:.0f} us" for row in rows
    )


def _dispatch(rounds: int) -> list[Row]:
    registry, larger = discover(), discover()
    for number in range(MORE_DRIVERS):
        larger.add(_made_up(number))
    now, then = [], []
    for _ in range(rounds):
        now.append(_dispatch_us(registry))
        then.append(_dispatch_us(larger))
    ratio = median(then) / median(now)
    count = len(registry.models())
    note = f"{count} drivers; with {MORE_DRIVERS} more {ratio:.2f} times as long"
    us = median(now)
    return [at_most("recognising a frame that no driver knows", DISPATCH_US, us, "us", note)]


def _dispatch_us(registry: Registry) -> float:
    """Return what an advertisement of four structures costs."""
    calls = 5_000
    look = partial(registry.recognise, _UNKNOWN, None)
    return timeit.timeit(look, timer=time.process_time, number=calls) / calls * 1e6


def _made_up(number: int) -> ModuleType:
    made = ModuleType(f"made-up-{number}")
    made.__file__ = __file__
    vars(made).update(
        API=1,
        MODEL=made.__name__,
        MATCH=({"manufacturer_id": 0x8000 + number}, {"local_name": b"MU%03d" % number}),
        STRENGTH=1,
        decode=lambda _payload, _context: [],
    )
    return made


def _codecs(rounds: int) -> list[Row]:
    """Return what a call of a vendor's codec takes once it is loaded, and what its first takes."""
    name = "a vendor's codec: one call through the worker, p50"
    with tempfile.TemporaryDirectory() as folder, Trial() as trial:
        first: list[float] = []
        warm: list[float] = []
        for number in range(rounds):
            file = Path(folder) / f"{number}.js"
            file.write_text(f"{_CODEC}// {number}")
            first.append(_call_us(trial, file))
            warm += [_call_us(trial, file) for _ in range(100)]
    note = f"first call of a codec {median(first):,.0f} us, the worker already there"
    return [at_most(name, CODEC_US, median(warm), "us", note)]


def _call_us(trial: Trial, file: Path) -> float:
    began_s = time.perf_counter()
    tried = trial.decode(file, _CODEC_PAYLOAD, port=2)
    took_us = (time.perf_counter() - began_s) * 1e6
    if tried.refused is not None:
        raise RuntimeError(tried.cause)
    return took_us


def _parsers(rounds: int) -> list[Row]:
    """Return the slowest modem's parser, and all in the note."""
    registry = discover()
    speeds: dict[str, float] = {}
    for model in registry.modems():
        loaded = registry.modem(model)
        stream = b"".join(example.data for example in examples.of_modem(loaded).examples)
        data = stream * (60_000 // len(stream) + 1)
        pieces = [data[at : at + 64] for at in range(0, len(data), 64)]
        taken: list[float] = []
        for _ in range(min(rounds, 5)):
            modem = loaded.connect()
            began_s = timeit.default_timer()
            for piece in pieces:
                modem.feed(piece)
            taken.append(timeit.default_timer() - began_s)
        speeds[model] = len(data) / median(taken)
    note = ", ".join(f"{model} {speed / 1e6:.1f} MB/s" for model, speed in speeds.items())
    name = "bytes/s of a modem's parser, the slowest, on its examples"
    return [at_least(name, LINE_BYTES_PER_S, min(speeds.values()), "B/s", note)]
