"""Places to try the command at: simulated hardware in this process, the real command beside it."""

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from gateway.sim.lifeline import die_with_parent
from gateway.sim.world import World
from tests.brokers import HANG_S

CONFIGURATION = """\
config_version: 1
gateway: {{org: kiel, id: gw-1}}
mqtt: {mqtt}
store: {{path: {store}, max_size: 8MB, keep_free: 1MB}}
http: {{enabled: false}}
clock: {{source: system}}
transports: {transports}
devices: {devices}
"""


class Ended(msgspec.Struct, frozen=True):
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str

    def json(self) -> Any:  # noqa: ANN401 - whatever it says
        """Return its data."""
        return json.loads(self.out)


async def ugw(*words: str, environ: Mapping[str, str] | None = None) -> Ended:
    """Run the real command while the simulated world goes on."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "gateway",
        *words,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **(environ or {})},
        preexec_fn=die_with_parent,
    )
    out, err = await asyncio.wait_for(process.communicate(), HANG_S)
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())


def configuration(
    directory: Path,
    *,
    mqtt: str = "{host: localhost, port: 1}",
    transports: str = "[]",
    devices: str = "[]",
) -> Path:
    """Write a configuration with a store of its own; each part is YAML."""
    store = directory / "store"
    store.mkdir(mode=0o700, exist_ok=True)
    path = directory / "gateway.yaml"
    parts = {"mqtt": mqtt, "transports": transports, "devices": devices}
    path.write_text(CONFIGURATION.format(store=store, **parts))
    return path


def radios(world: World, *, scan: str = "passive") -> str:
    """Return the transports that hear this world."""
    ble = [f"{{kind: ble, adapter: {adapter}, scan: {scan}}}" for adapter in world.adapters]
    serial = [
        f"{{kind: serial, device: {modem.uart.link}, modem: reyax-rylr998}}"
        for modem in world.modems.values()
    ]
    return f"[{', '.join(ble + serial)}]"
