"""The same seed gives the same bytes: in another process, whatever Python hashes by, and when."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

# Every radio, encrypted and polled sensors, strangers, and faults of every part.
RUN = """
import hashlib, sys
from gateway.sim.bench import BenchOptions
from gateway.sim.inside.bench import InsideBench
from gateway.sim.inside.loop import run
from gateway.sim.models import MODELS
from gateway.sim.sensors import Phone, SensorOptions
from gateway.sim.verbs import begin_fault

FAULTS = (
    ("broker.down", {}), ("disk.eio", {}), ("ble.crash", {}), ("serial.unplug", {}),
    ("clock.step", {"forward": "3h"}), ("broker.drop_puback", {}), ("power.cut", {}),
    ("net.slow", {}), ("proc.stall", {}), ("serial.garbage", {}), ("proc.sigkill", {}),
)

def sensors():
    for number, (name, model) in enumerate(MODELS.items(), start=1):
        is_lora = model.medium == "lora"
        yield SensorOptions(
            model=name,
            address=f"lora:{number}" if is_lora else f"C0:FF:EE:00:01:{number:02X}",
            key=bytes(range(16)) if model.encrypted else b"",
            every_s=60,
            loss=0.1,
        )

async def main(seed):
    options = BenchOptions(
        seed=seed, sensors=list(sensors()), modems={"usb-lora": "reyax-rylr998"}, scan="passive"
    )
    async with InsideBench(options) as bench:
        bench.air.noise += [Phone(n, every_s=5, rotate=3, seed=seed) for n in range(3)]
        await bench.gateway.start()
        for name, arguments in FAULTS:
            await bench.run(15)
            async with begin_fault(bench, name, **arguments):
                await bench.run(30)
        await bench.run(60)
        await bench.gateway.stop()
        seen = [bench.gateway.log, repr(bench.messages_at_s), repr(bench.messages)]
        print(len(bench.messages), hashlib.sha256("".join(seen).encode()).hexdigest())

for seed in sys.argv[1:]:
    run(main(int(seed)))
"""


def said(*seeds: str, hash_seed: int) -> list[str]:
    """Return, for each seed, the sum of all that is said and logged in a run, and when."""
    environment = {**os.environ, "PYTHONHASHSEED": str(hash_seed)}
    done = subprocess.run(
        [sys.executable, "-c", RUN, *seeds],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert all(int(line.split()[0]) > 500 for line in lines), "too little to prove anything"
    return lines


def test_the_same_seed_gives_the_same_bytes_in_another_process() -> None:
    first, other = said("1", "2", hash_seed=1)
    assert first != other
    assert said("1", hash_seed=4_000_000_000) == [first]
