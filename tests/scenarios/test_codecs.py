"""Vendors' codecs in the agent: exact for those that work, harmless in those that mean harm."""

import hashlib
import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import pytest

from gateway.sim.sensors import SensorOptions
from tests.codecs.vendors import FATAL, HARMFUL
from tests.scenarios.stage import Setting, Stage

Play = Callable[..., None]

# What the simulated LoRa nodes send, as a vendor would decode it: noise of doubles included.
NODES: Final = """
function decodeUplink(input) {
  const view = Buffer.from(input.bytes);
  return {
    data: {
      temperature: view.readInt16BE(2) * 0.1,
      humidity: view.readUInt8(6) / 2,
      analog: { raw: view.readInt16BE(9) },
      counters: [view.readUInt32BE(13)],
      firmware: "1.4",
    },
  };
}
"""
NODES_MAP: Final = """{temperature: {property: air_temperature, channel: "1"},
 humidity: {property: relative_humidity, channel: "2"},
 analog.raw: {property: analog_input, channel: "3", scale: 0.01},
 "counters[0]": {property: generic_value, channel: "4"}}"""
ANY_MAP: Final = "{x: x_any}"

HOSTILE: Final = {900 + number: source for number, (source, _) in enumerate(HARMFUL.values())}
CROWD: Final = tuple(
    SensorOptions(model="cayenne-lpp", address=f"lora:{number}") for number in HOSTILE
)


def write_codec(stage: Stage, number: int, source: str) -> Path:
    """Write the codec of a node beside the agent's configuration."""
    file = Path(stage.config.parent, f"codec-{number}.js")
    file.write_text(source)
    return file


def give_codecs(stage: Stage, codecs: Mapping[int, tuple[str, str]]) -> None:
    """Have LoRa nodes decoded by a codec (source, map) instead of a driver."""
    text = stage.config.read_text()
    for number, (source, codec_map) in codecs.items():
        file = write_codec(stage, number, source)
        digest = hashlib.sha256(source.encode()).hexdigest()
        entry = f'{{address: "lora:{number}", driver: cayenne-lpp'
        assert text.count(entry) == 1
        text = text.replace(
            entry,
            f'{{address: "lora:{number}", codec: '
            f"{{file: {file}, sha256: {digest}, map: {codec_map}}}",
        )
    stage.config.write_text(text)


def refusals(stage: Stage) -> dict[str, int]:
    """Return what codecs were refused for, by the newest status."""
    counters: dict[str, int] = stage.read().last["counters"]
    return {key: value for key, value in counters.items() if key.startswith("refused.codec")}


def worker_pids(stage: Stage) -> list[int]:
    """Return the workers of the agent."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                status = (entry / "status").read_text()
                command = (entry / "cmdline").read_text()
            except OSError:
                continue  # it has just ended
            if f"PPid:\t{stage.agent.pid}\n" in status and "codecs/worker.py" in command:
                found.append(int(entry.name))
    return found


def test_what_codecs_decode_arrives_to_the_digit_while_others_mean_harm(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        give_codecs(stage, {1: (NODES, NODES_MAP)})
        give_codecs(stage, {number: (source, ANY_MAP) for number, source in HOSTILE.items()})
        await stage.start_agent()
        async with stage.sending():
            for _ in range(2):
                for number in HOSTILE:
                    stage.world.lora(number, b"010203")
                    await stage.passed(0.05)
            await stage.arrived(more=30)
        await stage.all_arrived()
        await stage.end_agent()
        counters = stage.read().last["counters"]
        assert set(refusals(stage)) == {"refused.codec_error", "refused.codec_limit"}
        assert sum(refusals(stage).values()) <= 2 * len(HOSTILE)
        assert counters["waiting"] == 0
        assert counters["heard"] == stage.world.audible

    play(scenario, Setting(crowd=CROWD, lora=2))


def test_a_worker_that_dies_again_and_again_costs_no_frame_of_a_codec_that_works(
    play: Play,
) -> None:
    async def scenario(stage: Stage) -> None:
        give_codecs(stage, {1: (NODES, NODES_MAP), 900: (FATAL, ANY_MAP)})
        await stage.start_agent()
        assert not worker_pids(stage), "no frame needed it yet"
        async with stage.sending():
            await stage.until(lambda: bool(worker_pids(stage)))
            first = worker_pids(stage)
            stage.world.lora(900, b"010203")
            await stage.until(lambda: bool(worker_pids(stage)) and worker_pids(stage) != first)
            for pid in worker_pids(stage):
                os.kill(pid, signal.SIGKILL)
            await stage.arrived(more=20)
        await stage.all_arrived()
        (pid,) = worker_pids(stage)
        await stage.end_agent()
        assert refusals(stage) == {"refused.codec_limit": 1}
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)

    play(scenario, Setting(crowd=(SensorOptions(model="cayenne-lpp", address="lora:900"),)))


def test_another_codec_comes_with_a_reload_and_a_changed_file_does_not(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.start_agent()
        async with stage.sending():
            await stage.arrived(more=5)
            give_codecs(stage, {1: (NODES, NODES_MAP)})
            stage.agent.hang_up()
            await stage.logged("configuration reloaded changed=devices")
            await stage.until(lambda: bool(worker_pids(stage)))
            write_codec(stage, 1, NODES.replace("0.1", "0.2"))
            stage.agent.hang_up()
            await stage.logged(f"configuration not reloaded, nothing has changed: {stage.config}")
            assert "sha256sum" in stage.agent.log
            await stage.arrived(more=10)
        await stage.all_arrived()
        await stage.end_agent()
        assert not refusals(stage)

    play(scenario, Setting(lora=1))
