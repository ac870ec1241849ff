"""What docs/how-to/simulate-for-another-gateway.md shows is so: its scenario, its program."""

import asyncio
import os
import re
import sys
from pathlib import Path

from gateway.sim.scenario import load_scenario
from gateway.sim.sensors import SensorOptions
from gateway.sim.world import World
from tests.sim.worlds import ADDRESS, InWorld

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "simulate-for-another-gateway.md"
REPORTS = 3


def block(language: str) -> str:
    """Return the first block of code in that language on the page."""
    found = re.search(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found is not None, f"there is no {language} on the page any more"
    return found[1]


def test_its_scenario_is_one(tmp_path: Path) -> None:
    file = tmp_path / "site.yaml"
    file.write_text(block("yaml"))
    assert len(load_scenario(file).sensors) == 2


def test_its_program_hears_a_sensor(in_world: InWorld) -> None:
    async def body(world: World) -> None:
        world.add_sensor(SensorOptions(model="ruuvi-rawv2", address=ADDRESS, every_s=0.05))
        program = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", block("python"), str(REPORTS)),
            env={**os.environ, **world.environment()},
            stdout=asyncio.subprocess.PIPE,
        )
        sending = asyncio.create_task(world.run())
        try:
            said, _ = await program.communicate()
        finally:
            sending.cancel()
            await asyncio.wait([sending])
        assert program.returncode == 0
        lines = said.decode().splitlines()
        assert len(lines) == REPORTS
        form = re.compile(re.escape(ADDRESS) + r" -?\d+\.\d\d C -\d+ dBm")
        assert all(form.fullmatch(line) for line in lines), lines

    in_world(body)
