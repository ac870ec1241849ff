"""Who is on the air beside the agent's own sensors, and who listens beside the agent."""

from typing import Final

from gateway.sim.bluez_air import Advertisement
from gateway.sim.sensors import Emission, LoraPacket, Sensor, SensorOptions
from gateway.sim.world import World
from tests.scenarios.spoken import Spoken

MODEM: Final = "usb-lora"


class HeardWorld(World):
    """A world that somebody listens to beside the agent."""

    def __init__(self, spoken: Spoken, modem: str) -> None:
        super().__init__(modems={MODEM: modem})
        self.spoken = spoken
        self.packets = 0  # that the modem passed on

    def transmit(self, emission: Emission) -> bool:
        """Send, noting what was said."""
        self.spoken.note(emission)
        return super().transmit(emission)

    def _deliver(self, copy: Advertisement | LoraPacket) -> bool:
        taken = super()._deliver(copy)
        self.packets += taken and isinstance(copy, LoraPacket)
        return taken

    def lora(self, address: int, payload: bytes) -> None:
        """Let a LoRa node say anything, past the ledger."""
        packet = LoraPacket(address=address, payload=payload, rssi_dbm=-80, snr_db=5)
        assert self._deliver(packet), "the port is full"

    @property
    def audible(self) -> int:
        """How many frames the agent could hear: every one, whoever sent it."""
        assert not self.bluez.counters.overrun
        return self.bluez.counters.signalled + self.packets


class Stranger:
    """A sensor like ours that this site does not list: all the agent needs to decode it."""

    def __init__(self, model: str, address: str) -> None:
        self._sensor = Sensor(SensorOptions(model=model, address=address, every_s=0.5), seed=7)
        self.first_s, self.gap_s = self._sensor.first_s, self._sensor.gap_s

    def emit(self) -> Emission:
        """Measure and send; nobody follows its serial."""
        emission = self._sensor.emit()
        return Emission(address=emission.address, serial=None, copies=emission.copies)
