"""A search: each target its share of the time, in a process of its own, and what came of it.

What is found is reduced to the shortest input that still shows it, and said with the command that
shows it again. What a search has learnt stays in its folder, for the next one and for `merge`.
"""

import os
import re
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from hashlib import sha1
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from typing import Final, NamedTuple

from tests.fuzz import corpus
from tests.fuzz.target import Target

_ROOT: Final = Path(__file__).parents[2]
_LIMITS: Final = (
    "-rss_limit_mb=1024",
    "-timeout=20",
    "-print_final_stats=0",
    "-use_value_profile=1",
)
_LEAST_S: Final = 5
_GRACE_S: Final = 120  # to import, to read the corpus, to end
_PULSE: Final = re.compile(
    r"#(?P<tried>\d+)\s.*?(?:cov: (?P<cov>\d+) )?ft: (?P<features>\d+)(?: corp: (?P<kept>\d+))?"
)
_TABLE: Final = "{:<28} {:>10} {:>8} {:>8} {:>9} {:>7}  {}"
_LEAVES: Final = ("crash-*", "timeout-*", "oom-*")


def say(line: str) -> None:
    """Tell who waits, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


class Turn(NamedTuple):
    """What came of a target's turn."""

    target: str
    tried: int
    seconds: float
    edges: int
    features: int
    kept: int
    findings: Sequence[Path]
    trouble: str = ""  # the search itself has failed

    def row(self) -> str:
        """Return its line of the table."""
        rate = f"{self.tried / max(self.seconds, 1):.0f}/s"
        verdict = self.trouble or (f"{len(self.findings)} FOUND" if self.findings else "nothing")
        return _TABLE.format(
            self.target, self.tried, rate, self.edges, self.features, self.kept, verdict
        )


def search(targets: Sequence[Target], folder: Path, *, minutes: float, jobs: int) -> int:
    """Search them all; the exit status."""
    shares = sum(target.share for target in targets)
    total_s = minutes * 60 * jobs
    say(_TABLE.format("border", "inputs", "speed", "edges", "features", "corpus", "found"))
    with ThreadPoolExecutor(jobs) as pool:
        turns = [
            pool.submit(turn, target, folder, int(max(_LEAST_S, total_s * target.share / shares)))
            for target in targets
        ]
        ended = list[Turn]()
        for waiting in turns:
            ended.append(waiting.result())
            say(ended[-1].row())
    return _verdict(ended)


def turn(target: Target, folder: Path, seconds: int) -> Turn:
    """Search one target for so long, or until something is found."""
    if missing := target.missing():
        return Turn(target.name, 0, 0, 0, 0, 0, (), missing)
    known, findings = prepared(target, folder)
    begun = time.monotonic()
    options = (*_LIMITS, f"-max_total_time={seconds}", f"-max_len={target.most_bytes}")
    done = started(
        target, folder, *options, f"-artifact_prefix={findings}/", str(known), within_s=seconds
    )
    left = [path for pattern in _LEAVES for path in sorted(findings.glob(pattern))]
    pulses = list(_PULSE.finditer(done))
    last = pulses[-1] if pulses else None
    return Turn(
        target=target.name,
        tried=int(last["tried"]) if last else 0,
        seconds=time.monotonic() - begun,
        edges=int(last["cov"] or 0) if last else 0,
        features=int(last["features"]) if last else 0,
        kept=int(last["kept"] or 0) if last else 0,
        findings=[_short(target, path) for path in left],
        trouble="" if last or left else f"DID NOT RUN: {done[-300:]}",
    )


def prepared(target: Target, folder: Path) -> tuple[Path, Path]:
    """Fill a target's folder with what is known; return where inputs and findings stand."""
    known, findings = folder / target.name / "inputs", folder / target.name / "findings"
    known.mkdir(parents=True, exist_ok=True)
    findings.mkdir(exist_ok=True)
    for path in findings.iterdir():  # of an earlier search: mended, or it is found again
        path.unlink()
    for data in (*target.seeds(), *corpus.kept(target.name), *_found(target)):
        (known / sha1(data, usedforsecurity=False).hexdigest()).write_bytes(data)
    return known, findings


def _found(target: Target) -> Iterator[bytes]:
    return (path.read_bytes() for path in corpus.found(target.name))


def started(target: Target, folder: Path, *options: str, within_s: int) -> str:
    """Run libFuzzer on a target; return all it has said, or where it hung."""
    launcher = folder / target.name / "worker"
    command = [sys.executable, "-m", "tests.fuzz.worker", target.name, ",".join(target.code)]
    quoted = " ".join(f"'{word}'" for word in (*command, launcher))
    launcher.write_text(f'#!/bin/sh\ncd "{_ROOT}" && exec {quoted} "$@"\n')
    launcher.chmod(0o755)
    words = folder / target.name / "words"
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in target.words))
    try:
        ended = subprocess.run(
            [launcher, *([f"-dict={words}"] if target.words else []), *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(_ROOT / "tools" / "flash")},
            timeout=within_s + _GRACE_S,
            check=False,
        )
    except subprocess.TimeoutExpired as hung:
        return f"it hung: {(hung.stderr or b'').decode(errors='replace')}"
    log = ended.stderr.decode(errors="replace")
    (folder / target.name / "log").write_text(log)
    return log


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)


def _verdict(turns: Sequence[Turn]) -> int:
    found = [(turn.target, path) for turn in turns for path in turn.findings]
    troubled = [turn for turn in turns if turn.trouble]
    for target, path in found:
        say(f"\nFOUND: {path.stem} of {target}; it is seen again with")
        say(f"    {_python()} -m tests.fuzz replay '{path}' --target {target}")
        say(f"    (in base64: {b64encode(path.read_bytes()).decode():.300})")
    used, tried = getrusage(RUSAGE_CHILDREN), sum(turn.tried for turn in turns)
    minutes = (used.ru_utime + used.ru_stime) / 60
    say(f"\n{tried:,} inputs in {minutes:.1f} minutes of processor time.")
    if not found and not troubled:
        say("Nothing was found.")
    return 1 if found or troubled else 0


def _python() -> str:
    shown = Path(sys.executable)
    return str(shown.relative_to(_ROOT)) if shown.is_relative_to(_ROOT) else str(shown)


def _short(target: Target, path: Path) -> Path:
    """Have a finding shortened, in a process that it may hang; return the file of what is left."""
    command = (sys.executable, "-m", "tests.fuzz", "shorten", path, "--target", target.name)
    with suppress(subprocess.TimeoutExpired):
        subprocess.run(command, cwd=_ROOT, capture_output=True, timeout=_GRACE_S, check=False)
    short = path.with_suffix(".short")
    return short if short.exists() else path
