"""Overlays: in memory only while they run, one at a time, whatever becomes of them."""

from pathlib import Path

from tests.esp32.machines import ROOT, run_on

SAMPLE = """
import asyncio
from gateway.esp32 import overlay
TABLE = [b"x" * 100 for _ in range(20)]
def plain(x):
    return 2 * x + len(TABLE) - 19
def fail():
    raise ValueError("sample")
def nested():
    return overlay.run("sample", "plain", 1)
async def later(x):
    await asyncio.sleep_ms(0)
    return 2 * x + 1
async def slow(trace, name):
    trace.append("+" + name)
    await asyncio.sleep_ms(5)
    trace.append("-" + name)
async def fail_late():
    await asyncio.sleep_ms(0)
    raise ValueError("sample")
async def nested_late():
    await overlay.arun("sample", "later", 1)
"""


def test_an_overlay_is_forgotten_and_its_memory_free_whatever_became_of_it(tmp_path: Path) -> None:
    package = tmp_path / "gateway" / "esp32"
    package.mkdir(parents=True)
    for empty in (package / "__init__.py", package.parent / "__init__.py"):
        empty.touch()
    (package / "overlay.py").write_text((ROOT / "gateway/esp32/overlay.py").read_text())
    (package / "sample.py").write_text(SAMPLE)
    ended = run_on("32", "tests/esp32/vm_overlay.py", heap="56k", folders=(tmp_path,))
    assert ended.text.endswith("held\n"), ended.text
