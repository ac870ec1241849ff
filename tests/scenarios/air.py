"""Who is on the air beside the agent's own sensors, and who listens beside the agent."""

from abc import ABC, abstractmethod
from typing import Final

from gateway.sim.air import Air
from gateway.sim.esp32_world import BoardWorld
from gateway.sim.sensors import Emission, LoraPacket, Sensor, SensorOptions
from gateway.sim.world import World
from tests.esp32.boards import programs
from tests.scenarios.spoken import Spoken

MODEM: Final = "usb-lora"


class HeardAir(Air, ABC):
    """An air that somebody listens to beside the agent."""

    spoken: Spoken

    def transmit(self, emission: Emission) -> bool:
        """Send, noting what was said."""
        self.spoken.note(emission)
        return super().transmit(emission)

    def lora(self, address: int, payload: bytes) -> None:
        """Let a LoRa node say anything, past the ledger."""
        packet = LoraPacket(address=address, payload=payload, rssi_dbm=-80, snr_db=5)
        assert self._deliver(packet), "the port is full"

    @property
    @abstractmethod
    def audible(self) -> int:
        """How many frames the agent could hear: every one, whoever sent it."""


class HeardWorld(HeardAir, World):
    """The world around an agent on Linux."""

    def __init__(self, spoken: Spoken, modem: str) -> None:
        super().__init__(modems={MODEM: modem})
        self.spoken = spoken

    @property
    def audible(self) -> int:
        """How many frames the agent could hear: every one, whoever sent it."""
        assert not self.bluez.counters.overrun
        return self.bluez.counters.signalled + self.packets


class HeardBoard(HeardAir, BoardWorld):
    """The world around an ESP32."""

    def __init__(self, spoken: Spoken, modem: str, agent: str = "files") -> None:
        super().__init__(programs(agent), modem=modem)
        self.spoken = spoken

    @property
    def audible(self) -> int:
        """How many frames the agent could hear: every one, whoever sent it."""
        return self.board.heard + self.packets


class Stranger:
    """A sensor like ours that this site does not list: all the agent needs to decode it."""

    def __init__(self, model: str, address: str) -> None:
        self._sensor = Sensor(SensorOptions(model=model, address=address, every_s=0.5), seed=7)
        self.first_s, self.gap_s = self._sensor.first_s, self._sensor.gap_s

    def emit(self) -> Emission:
        """Measure and send; nobody follows its serial."""
        emission = self._sensor.emit()
        return Emission(address=emission.address, serial=None, copies=emission.copies)
