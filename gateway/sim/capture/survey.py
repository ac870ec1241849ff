"""What a capture needs of a world to be heard in it: which devices send, through which modems.

Bounded: of more than MOST_DEVICES devices the rest plays, and is not listed for an agent.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec

from gateway.errors import SimulatorError
from gateway.model import Structure
from gateway.registry import Registry
from gateway.sim.capture.file import Heard
from gateway.sim.capture.format import AddressType, Record
from gateway.sim.capture.words import LORAWAN, USUAL_SENDER
from gateway.sim.modems import MODEMS

MOST_DEVICES: Final = 10_000  # as many as a configuration may list
_MOST_PORTS: Final = 16  # as many transports as a configuration may have
_LINES: Final = "reyax-rylr998"  # says who sends; its packets end before a NUL
_LINE_BYTES: Final = 240
_BYTES: Final = "rn2483"  # takes any bytes, and does not say who sends
_Key = tuple[str, bool, str]  # of a port: source, whether uplinks come there, whose words
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class Port(msgspec.Struct):
    """A serial port in the world, for what one modem heard."""

    name: str
    kind: str  # MODEL of the modem's driver
    sender: str = ""  # as a configuration has it, where the modem does not say who sends


class Device(msgspec.Struct):
    """A device that was heard."""

    address: str
    address_type: AddressType
    frames: int = 0
    model: str = ""  # of the driver that recognises it; of LoRa nodes nobody can tell

    @property
    def entry(self) -> dict[str, Any]:
        """What a configuration says to list it."""
        if self.address_type != "random":
            return {"address": self.address}
        digest = hashlib.blake2s(self.address.encode(), digest_size=4).hexdigest()
        return {"address": self.address, "address_type": "random", "id": f"sensor-{digest}"}


class Survey:
    """The whole of a capture, looked through once.

    `modem` is to hear the LoRa frames; `senders` says of modems' drivers how they tell who sends.
    Raises SimulatorError for a modem that nobody can simulate, and for too many.
    """

    def __init__(
        self,
        heards: Iterable[Heard],
        registry: Registry,
        modem: str = "",
        senders: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.devices: dict[str, Device] = {}
        self.ports: dict[_Key, Port] = {}
        self.frames = 0
        self.last_us = 0  # since the first session began
        self.hears_ble = False
        self.silent = 0  # frames that no simulated hardware can send: see `is_playable`
        self._registry = registry
        self._modem = modem
        self._senders = senders
        first_us: int | None = None
        for heard in heards:
            first_us = heard.unix_us if first_us is None else first_us
            self.last_us = max(self.last_us, heard.unix_us - first_us)
            self._take(heard.record)

    def listed(self) -> list[dict[str, Any]]:
        """Return entries for the devices that a driver recognises by what they send."""
        return [device.entry for device in self.devices.values() if device.model]

    @property
    def nodes(self) -> list[str]:
        """LoRa nodes: which driver reads them, only a configuration can say."""
        return [one.address for one in self.devices.values() if one.address[2:3] != ":"]

    def port_of(self, record: Record) -> Port | None:
        """Return where a record is heard; None for Bluetooth LE."""
        return self.ports.get(_key(record))

    def _take(self, record: Record) -> None:
        self.frames += 1
        if not is_playable(record):
            self.silent += 1
        elif record.medium == "ble":
            self.hears_ble = True
        else:
            self._connect(record)
        if record.medium != "serial":
            self._know(record)

    def _know(self, record: Record) -> None:
        device = self.devices.get(record.address)
        if device is None:
            if len(self.devices) >= MOST_DEVICES:
                return
            device = Device(record.address, record.address_type)
            self.devices[record.address] = device
        device.frames += 1
        if record.structures and not device.model:
            device.model = self._recognised(record.structures)

    def _recognised(self, structures: tuple[Structure, ...]) -> str:
        driver, _ = self._registry.recognise(structures, None)
        return driver.model if driver is not None else ""

    def _connect(self, record: Record) -> None:
        """See that there is a port for a record, with a modem that can hear it."""
        port = self.ports.get(_key(record))
        if port is None:
            if len(self.ports) >= _MOST_PORTS:
                cause = f"the capture needs more than {_MOST_PORTS} serial ports"
                raise SimulatorError(cause)
            port = self.ports[_key(record)] = Port(self._name(record), _LINES)
        elif port.kind != _LINES:  # no packet makes it need less
            return
        kind = self._kind(record)
        if kind not in MODEMS:
            cause = f"there is no simulated modem {kind!r:.80}"
            raise SimulatorError(cause, "known are " + ", ".join(sorted(MODEMS)))
        port.kind, port.sender = kind, self._sender(record, kind)

    def _kind(self, record: Record) -> str:
        if record.modem or self._modem:
            return record.modem or self._modem
        payload = record.payload
        fits = len(payload) <= _LINE_BYTES and b"\0" not in payload and not record.is_uplink
        return _LINES if fits else _BYTES

    def _sender(self, record: Record, kind: str) -> str:
        """Return how an agent is to tell who sends; nothing where the modem does."""
        if record.is_uplink:
            return LORAWAN
        return "" if MODEMS[kind]().addresses else self._senders.get(kind, USUAL_SENDER)

    def _name(self, record: Record) -> str:
        """Return the name of a port: what comes behind `serial:`, where that can be one."""
        wanted = record.source.partition(":")[2]
        taken = {port.name for port in self.ports.values()}
        if _NAME.fullmatch(wanted) and wanted not in taken:
            return wanted
        return f"modem-{len(self.ports) + 1}"


def _key(record: Record) -> _Key:
    return (record.source, record.is_uplink, record.modem)


def is_playable(record: Record) -> bool:
    """Whether simulated hardware can send it.

    Not the answer to a poll, which nobody asks for again, nor what a network server has decrypted.
    """
    if record.polled:
        return False
    return record.medium != "lora" or record.is_uplink or record.address.startswith("lora:")
