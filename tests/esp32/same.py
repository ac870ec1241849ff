"""The same frames through the Pi's pipeline and the ESP32's intake, and what came of them."""

import json
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import drivers.ble
import drivers.lora
from gateway.admission import Device, Limits
from gateway.bundle import pack
from gateway.core import wire
from gateway.core.properties import TABLE
from gateway.crypto import CcmKey
from gateway.driver import LISTED_SERVICE, LOCAL_NAME, MANUFACTURER_DATA, LoadedDriver
from gateway.health import Health
from gateway.model import Frame, Level, Observation, Recovery, Structure
from gateway.pipeline import Pipeline
from gateway.registry import Registry
from tests.esp32 import machines
from tests.fakes import EPOCH_NS, FakeClock, streams

Case = dict[str, Any]
Outcome = dict[str, Any]

MS = 1_000_000
INTAKE: Mapping[str, int] = {"repeat_window_ms": 60_000, "burst": 10, "per_minute": 60}
SCRIPT = machines.ROOT / "tests/esp32/vm_intake.py"
_COUNTED = (
    "heard",
    "unlisted",
    "duplicate",
    "limited",
    "coalesced",
    "thinned",
    "unknown",
    "empty",
)
_PATHS = [
    f"{package.__name__.removeprefix('drivers.')}.{module.name}"
    for package in (drivers.ble, drivers.lora)
    for module in iter_modules(package.__path__)
]


def _registry() -> Registry:
    """Return the drivers that are shared, and no others."""
    registry = Registry()
    for path in _PATHS:
        registry.add(import_module(f"drivers.{path}"))
    return registry


REGISTRY = _registry()
DRIVERS = [REGISTRY.by_model(model) for model in REGISTRY.models()]


def path_of(driver: LoadedDriver) -> str:
    """Return where an ESP32 imports it from."""
    file = Path(driver.file)
    return f"{file.parent.name}.{file.stem}"


BY_PATH = {path_of(driver): driver for driver in DRIVERS}
ALL_BLE = [path_of(driver) for driver in DRIVERS if driver.matches]


# ----------------------------------------------------------------------------------- on the air
def advertisement(structures: Iterable[Structure]) -> str:
    """Return structures as they are on the air, hexadecimal."""
    return b"".join(map(_encoded, structures)).hex()


def _encoded(structure: Structure) -> bytes:
    kind, identifier, data = structure
    size = 0 if kind == LOCAL_NAME else 2
    if kind not in (LOCAL_NAME, MANUFACTURER_DATA):
        size = 2 if identifier < 1 << 16 else 4 if identifier < 1 << 32 else 16
        listed = {2: 0x03, 4: 0x05, 16: 0x07}
        kind = (listed if kind == LISTED_SERVICE else {2: 0x16, 4: 0x20, 16: 0x21})[size]
    content = bytes((kind,)) + identifier.to_bytes(size, "little") + data
    return bytes((len(content),)) + content


# ------------------------------------------------------------------------------------ on the Pi
class Pi:
    """The Pi's pipeline with both ends in the test's hands."""

    def __init__(self, case: Case) -> None:
        self.has_room = True
        self.clock = FakeClock()
        self.health = Health(self.clock)
        self.taken: list[Observation] = []
        self._case = case
        self._streams = {stream.klass: stream for stream in streams()}
        self.pipeline = self._made()

    def _made(self) -> Pipeline:
        return Pipeline(
            [self._device(line, self._case["intake"]) for line in self._case["devices"]],
            registry=REGISTRY,
            streams=self._streams,
            sink=self,
            health=self.health,
        )

    def restart(self, *, unclean: bool) -> None:
        kept = self.pipeline.to_keep()
        self.pipeline = self._made()
        self.pipeline.restore(Recovery(counters=kept, unclean=unclean))

    async def room(self) -> None:
        """There is always some."""

    def offer(self, observation: Observation) -> None:
        self.taken.append(observation)

    def flush(self) -> float:
        return 0.0

    @staticmethod
    def _device(line: Mapping[str, Any], intake: Mapping[str, int]) -> Device:
        return Device(
            address=line["address"],
            urn=line["urn"],
            klass=line.get("class", "routine"),
            driver=BY_PATH[line["driver"]] if "driver" in line else None,
            poll=BY_PATH[line["poll"]] if "poll" in line else None,
            key=CcmKey.from_text(line["key"]) if "key" in line else None,
            payload_hex=line.get("hex", False),
            limits=Limits(
                repeat_window_ns=intake["repeat_window_ms"] * MS,
                burst=intake["burst"],
                per_second=intake["per_minute"] / 60,
            ),
        )

    def level(self, name: str) -> None:
        self.health.level = Level(name)

    def ble(self, address: str, rssi: int, structures: Sequence[Structure], at_ms: int) -> None:
        found = tuple(structures)
        self._hear(address, rssi, at_ms, {"medium": "ble", "content": found, "structures": found})

    def poll(self, address: str, rssi: int, data: str, at_ms: int) -> None:
        payload = bytes.fromhex(data)
        given = {"medium": "ble", "content": None, "payload": payload, "polled": True}
        self._hear(address, rssi, at_ms, given)

    def lora(self, address: str, rssi: int, data: str, at_ms: int, snr: float) -> None:
        payload = bytes.fromhex(data)
        given = {"medium": "lora", "content": payload, "payload": payload, "snr_db": snr}
        self._hear(address, rssi, at_ms, given)

    def _hear(self, address: str, rssi: int, at_ms: int, given: dict[str, Any]) -> None:
        self.clock.now_ns = at_ms * MS
        at_ns = self.pipeline.admits(address, given["content"], rssi)
        if at_ns is not None:
            frame = Frame(
                source="test", address=address, heard_at_ns=at_ns, rssi_dbm=rssi, **given
            )
            self.pipeline.hear(frame)
            self.pipeline.work(self.pipeline.waiting())

    def outcome(self) -> Outcome:
        frames = self.health.frames
        counts = [[name, getattr(frames, name)] for name in (*_COUNTED, "decoded")]
        kept = self.pipeline.counters()
        keyed = [one.address for one in self.pipeline.listed()]
        counters = [
            [kept.get(address), kept.get(f"{address} highest", kept.get(address))]
            for address in keyed
            if self.pipeline._listed[address].key  # noqa: SLF001 - no other way to tell
        ]
        return {
            "observations": [_rendered(observation) for observation in self.taken],
            "counts": [*counts, ["observed", self.health.observations.observed]],
            "refused": sorted([reason, count] for reason, count in frames.refused.items()),
            "counters": sorted(counters, key=str),
        }


def _rendered(observation: Observation) -> str:
    entry = pack(observation)
    at_ms = (observation.heard_at_ns + EPOCH_NS) // MS
    return entry.head + wire.time_exact(at_ms, "exact") + entry.tail


def on_the_pi(case: Case) -> Outcome:
    """Play a case on the Pi."""
    pi = Pi(case)
    for what, *arguments in case["steps"]:
        if what == "restart":
            pi.restart(unclean=arguments[0])
        else:
            getattr(pi, what)(*arguments)
    return pi.outcome()


# ------------------------------------------------------------------------------- on the ESP32
def _line(case: Case) -> str:
    """Return a case as the script reads it: addresses in bytes, advertisements on the air."""
    steps = [
        ["ble", address.replace(":", ""), rssi, advertisement(given), at_ms]
        if what == "ble"
        else ["poll", address.replace(":", ""), rssi, given, at_ms]
        if what == "poll"
        else [what, *step]
        for what, *step in case["steps"]
        for address, rssi, given, at_ms in [(*step, *[""] * 4)[:4]]
    ]
    return json.dumps({**case, "steps": steps})


def on_the_esp32(kind: str, cases: Iterable[Case], folder: Path) -> list[Outcome]:
    """Play cases on one MicroPython; one process for all."""
    table = folder / "properties.txt"
    table.write_text(TABLE)
    ended = subprocess.run(
        machines.command(kind, SCRIPT, str(table), heap="64m"),
        cwd=machines.ROOT,
        env=machines.environment(),
        input="".join(_line(case) + "\n" for case in cases),
        capture_output=True,
        text=True,
        timeout=machines.HANG_GUARD_S,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr + ended.stdout[-2000:]
    return [json.loads(line) for line in ended.stdout.splitlines() if line.startswith("{")]
