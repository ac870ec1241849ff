"""What modems said, read by their drivers as the agent does: words in, LoRa frames out.

Frames pass through as they are. A packet whose sender cannot be told is counted as `nameless`.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec

from gateway.config import SerialSettings, Settings
from gateway.driver import Modem, Packet
from gateway.model import Intake
from gateway.registry import Registry
from gateway.sim.capture.file import Heard
from gateway.sim.capture.format import Record
from gateway.transport.serial import SENDERS

# How a configuration says who sends where the modem does not: of nodes that begin each packet with
# their number, as simulated ones do, and of LoRaWAN.
USUAL_SENDER: Final = "word"
LORAWAN: Final = "lorawan"
_US_PER_S: Final = 1e6


def senders(settings: Settings) -> dict[str, str]:
    """Return how modems' drivers tell who sends, where a configuration says so."""
    serial = [each for each in settings.transports if isinstance(each, SerialSettings)]
    return {each.modem: each.sender for each in serial if each.sender is not None}


class _Talk(msgspec.Struct):
    """One modem: its driver, and the last it said."""

    driver: Modem
    idle_us: float
    last: Heard


class Words:
    """The modems in one capture. `intake` knows whose LoRaWAN uplinks are whose."""

    def __init__(self, registry: Registry, senders: Mapping[str, str], intake: Intake) -> None:
        self.nameless = 0
        self._registry = registry
        self._senders = senders
        self._intake = intake
        self._talks: dict[str, _Talk] = {}

    def frames(self, heard: Heard) -> Iterator[Heard]:
        """Yield the frames that are complete by now. Raises DriverError."""
        for talk in self._talks.values():
            if heard.unix_us - talk.last.unix_us >= talk.idle_us:
                yield from self._named(talk.last, talk.driver.idle())
        record = heard.record
        if record.medium != "serial":
            yield heard
            return
        talk = self._talk(heard)
        yield from self._named(heard, talk.driver.feed(record.payload))

    def end(self) -> Iterator[Heard]:
        """Yield what is complete because nothing comes any more."""
        for talk in self._talks.values():
            yield from self._named(talk.last, talk.driver.idle())

    def _talk(self, heard: Heard) -> _Talk:
        name = heard.record.modem
        talk = self._talks.get(name)
        if talk is None:
            modem = self._registry.modem(name)
            talk = _Talk(modem.connect(), modem.idle_s * _US_PER_S, heard)
            self._talks[name] = talk
        talk.last = heard
        return talk

    def _named(self, heard: Heard, packets: Iterable[Packet]) -> Iterator[Heard]:
        for packet in packets:
            frame = self._frame(heard.record, packet)
            if frame is None:
                self.nameless += 1
            else:
                yield Heard(heard.header, frame)

    def _frame(self, record: Record, packet: Packet) -> Record | None:
        address, payload, rssi_dbm, snr_db = packet
        is_uplink = False
        if not address:
            sender = SENDERS[self._senders.get(record.modem, USUAL_SENDER)]
            found = sender.read(payload, self._intake)
            if found is None or not found[0]:
                return None
            address, payload = found
            is_uplink = sender.is_uplink
        return msgspec.structs.replace(
            record,
            medium="lora",
            modem="",
            address=address,
            payload=payload,
            rssi_dbm=rssi_dbm,
            snr_db=snr_db,
            is_uplink=is_uplink,
        )
