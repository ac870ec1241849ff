"""A pipeline with both ends in the test's hands."""

import asyncio
from collections.abc import Sequence

from gateway.admission import Device, Limits
from gateway.crypto import CcmKey, seal_ccm
from gateway.health import Health
from gateway.model import Frame, Observation, Structure
from gateway.pipeline import Pipeline
from gateway.registry import discover
from tests.fakes import FakeClock, streams

REGISTRY = discover()
PLAIN = "C0:FF:EE:00:00:01"
SEALED = "C0:FF:EE:00:00:02"
NODE = "lora:17"
KEY = bytes.fromhex("231d39c1d7cc1ab1aee224cd096db932")


class Shelf:
    """A sink that has room until it is told otherwise."""

    def __init__(self) -> None:
        self.taken: list[Observation] = []
        self.has_room = True
        self.wait_s = 0.0  # until it lets more go
        self.asked = asyncio.Event()
        self.opened = asyncio.Event()
        self.offered = asyncio.Event()

    async def room(self) -> None:
        self.asked.set()
        await self.opened.wait()

    def offer(self, observation: Observation) -> None:
        self.taken.append(observation)
        self.offered.set()

    def flush(self) -> float:
        return self.wait_s


class Bench:
    """A pipeline of three devices: BTHome in clear, BTHome encrypted, a LoRa node."""

    def __init__(self, limits: Limits | None = None) -> None:
        limits = limits or Limits(burst=1_000)
        self.clock = FakeClock()
        self.health = Health(self.clock)
        self.shelf = Shelf()
        self.plain = Device(address=PLAIN, urn="urn:dev:mac:c0ffeefffe000001", limits=limits)
        self.sealed = Device(address=SEALED, urn="ugw:kiel:s", key=CcmKey(KEY), limits=limits)
        self.node = Device(
            address=NODE,
            urn="ugw:kiel:bin-07",
            klass="event",
            driver=REGISTRY.by_model("cayenne-lpp"),
            payload_hex=True,
            limits=limits,
        )
        self.pipeline = Pipeline(
            [self.plain, self.sealed, self.node],
            registry=REGISTRY,
            streams={stream.klass: stream for stream in streams()},
            sink=self.shelf,
            health=self.health,
        )

    def advertise(self, data: str | bytes, address: str = PLAIN, uuid: int = 0xFCD2) -> None:
        """Let a BLE device send service data, and the pipeline work."""
        payload = bytes.fromhex(data) if isinstance(data, str) else data
        self.hear(address, ((0x16, uuid, payload),))
        self.work()

    def hear(self, address: str, structures: tuple[Structure, ...]) -> None:
        """Hand a BLE frame over as a transport does."""
        at_ns = self.pipeline.admits(address, structures, -71)
        if at_ns is not None:
            frame = Frame(
                medium="ble",
                source="ble:hci0",
                address=address,
                heard_at_ns=at_ns,
                content=structures,
                structures=structures,
                rssi_dbm=-71,
            )
            self.pipeline.hear(frame)
        assert self.health.frames_law() == 0

    def receive(self, payload: bytes) -> None:
        """Let the LoRa node send."""
        at_ns = self.pipeline.admits(NODE, payload, -99)
        if at_ns is not None:
            frame = Frame(
                medium="lora",
                source="serial:usb",
                address=NODE,
                heard_at_ns=at_ns,
                content=payload,
                payload=payload,
                rssi_dbm=-99,
                snr_db=7.0,
            )
            self.pipeline.hear(frame)
        assert self.health.frames_law() == 0

    def work(self) -> None:
        """Decode all that waits."""
        self.pipeline.work(self.pipeline.waiting())
        assert self.health.frames_law() == 0

    @property
    def values(self) -> Sequence[tuple[str, object, int]]:
        """Property, value and scale of all results taken."""
        return [result[:3] for taken in self.shelf.taken for result in taken.results]


def sealed(counter: int, objects: str = "02ca0903bf13") -> bytes:
    """Encrypt BTHome objects as the device SEALED does."""
    count = counter.to_bytes(4, "little")
    info = b"\x41"
    nonce = bytes.fromhex(SEALED.replace(":", "")) + b"\xd2\xfc" + info + count
    box = seal_ccm(key=KEY, nonce=nonce, clear=bytes.fromhex(objects), tag_length=4)
    return info + box[:-4] + count + box[-4:]
