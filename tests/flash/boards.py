"""A board to be made, as tests need it: a firmware, a configuration, a bench with a chip on it."""

import hashlib
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from gateway.sim.esp_rom.cable import Plugged, plugged_in
from gateway.sim.esp_rom.chip import Application, SimulatedChip
from gateway.sim.esp_rom.faults import Faults
from gateway.sim.esp_rom.firmware_image import PLAIN, Recipe, firmware
from gateway.sim.esp_rom.silicon import Silicon
from tests.flash.esptools import esptool
from ugw_flash.esp32.board_work import Bench, BoardOrder
from ugw_flash.esp32.esptool import SLOW, find
from ugw_flash.esp32.site import Board, read_site

NUMBER: Final = 1_795_000_000
PASSWORD: Final = "only-for-nvs"  # noqa: S105 - nobody's
ENVIRON: Final = {"USER": "gw-1", "SECRET": PASSWORD}
CONFIGURATION: Final = """\
config_version: 1
gateway: {org: kiel, id: gw-1}
mqtt: {host: localhost, username: "env:USER", password: "env:SECRET"}
transports: [{kind: ble}]
devices: [{address: "C0:FF:EE:00:00:01", driver: ruuvi-rawv2}]
esp32: {wifi: {ssid: city, password: "env:SECRET"}, time_servers: [ntp.example]}
"""


class Watched:
    """Remembers what was said; `at` a phase something may happen."""

    def __init__(self) -> None:
        self.phases: list[tuple[str, int | None]] = []
        self.steps: list[int] = []
        self.said: list[str] = []

    def phase(self, name: str, total_bytes: int | None = None) -> None:
        self.phases.append((name, total_bytes))

    def done(self, done_bytes: int) -> None:
        self.steps.append(done_bytes)

    def say(self, text: str) -> None:
        self.said.append(text)


def site(folder: Path, text: str = CONFIGURATION) -> Board:
    """Read a configuration for a board."""
    path = folder / "gateway.yaml"
    path.write_text(text)
    return read_site(path, environ=ENVIRON)


def firmware_file(folder: Path, recipe: Recipe = PLAIN) -> tuple[Path, str]:
    """Write a firmware; where, and its SHA-256."""
    path = folder / "firmware.bin"
    path.write_bytes(firmware(recipe))
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


def order(folder: Path, recipe: Recipe = PLAIN, text: str = CONFIGURATION) -> BoardOrder:
    """Return what a board is to become."""
    path, sha256 = firmware_file(folder, recipe)
    return BoardOrder(path, sha256, site(folder, text), number=NUMBER)


@contextmanager
def chip(
    faults: Faults | None = None,
    runs: Application | None = None,
    **made: Any,  # noqa: ANN401 - fields of Silicon
) -> Generator[Plugged]:
    """Plug a chip in, at a pty: fast, and its buttons are the only way to reset it."""
    with plugged_in(SimulatedChip(Silicon(**made), faults=faults, runs=runs), "pty") as plug:
        yield plug


def bench(plug: Plugged, wait_s: float = 0.0) -> Bench:
    """Return a bench with the real esptool; the port keeps its speed, for nothing resets it."""
    return Bench(plug.port, find(esptool())._replace(baud=SLOW), wait_s)
