"""The listed devices: what is known of each, whose counter is whose, who is told apart how.

What the configuration lists may change while the agent runs; of a device listed before and after
nothing is lost, and its replay counter is kept even while it is not listed.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from gateway.admission import Device, Listed, Secret
from gateway.lorawan import parse
from gateway.model import Observation, ObservationClass, Recovery

_NOTHING: Final = Recovery()


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """A listed device and what has been heard of it in this run, for people to look at."""

    address: str
    urn: str
    name: str
    klass: ObservationClass
    model: str  # of its driver; "" until one has recognised it
    heard_at_ns: int | None  # boot time of the last frame, repeats too
    rssi_dbm: int | None  # of that frame
    observations: int
    last: Observation | None


class Roster:
    """The devices, in the order of the configuration."""

    def __init__(self, devices: Iterable[Device]) -> None:
        self.by_address: Final[dict[str, Listed]] = {}  # one dict for ever: the hot path holds it
        self._recovery = _NOTHING
        self._former: dict[str, tuple[Secret, int]] = {}  # counters of devices taken off
        self._nodes: dict[int, list[Listed]] = {}  # by device address: whose keys are known here
        self._list(self._new(device) for device in devices)

    def restore(self, recovery: Recovery) -> None:
        """Take the replay counters up where the store has them; before anything is heard."""
        self._recovery = recovery
        self._list([self._new(listed.device) for listed in self.by_address.values()])

    def relist(self, devices: Iterable[Device]) -> Iterable[str]:
        """List other devices from now on; return the addresses that are listed no more."""
        before = dict(self.by_address)
        self._list([self._relisted(before.pop(one.address, None), one) for one in devices])
        for address, gone in before.items():
            if gone.counter is not None:
                self._former[address] = (gone.device.secret, gone.counter)
        return before

    def _list(self, devices: Iterable[Listed]) -> None:
        listed = {one.device.address: one for one in devices}
        self.by_address.clear()
        self.by_address.update(listed)
        self._nodes.clear()
        for one in listed.values():
            if one.device.session is not None:
                self._nodes.setdefault(one.device.session.dev_addr, []).append(one)

    def _relisted(self, known: Listed | None, device: Device) -> Listed:
        if known is None:
            return self._new(device)
        return known if known.device == device else known.reconfigured(device)

    def _new(self, device: Device) -> Listed:
        secret, counter = self._former.pop(device.address, (None, None))
        if counter is not None and secret == device.secret:
            return Listed(device, counter, restored=False)
        counter = self._recovery.counters.get(device.address)
        return Listed(device, counter, restored=self._recovery.unclean)

    def counters(self) -> dict[str, int]:
        """Return all replay counters worth keeping; what a store has besides may go.

        Those of devices that a reload took off the list are kept to the end of the run: a slip in
        a configuration opens no door to recordings.
        """
        former = {address: counter for address, (_, counter) in self._former.items()}
        listed = {a: one.counter for a, one in self.by_address.items() if one.counter is not None}
        return {**former, **listed}

    def last_heard(self, address: str) -> int | None:
        """Return when a listed device was last heard (boot time, ns), repeats too; or None.

        One that is polled may advertise and say nothing by it: there only what was read counts.
        """
        listed = self.by_address.get(address)
        if listed is None or listed.device.poll is None:
            return None if listed is None else listed.heard_at_ns
        return None if listed.last is None else listed.last.heard_at_ns

    def listings(self) -> Iterator[Listing]:
        """Yield every listed device."""
        for listed in self.by_address.values():
            device = listed.device
            yield Listing(
                address=device.address,
                urn=device.urn,
                name=device.name,
                klass=device.klass,
                model=listed.model,
                heard_at_ns=listed.heard_at_ns,
                rssi_dbm=listed.rssi_dbm,
                observations=listed.observations,
                last=listed.last,
            )

    def sender(self, uplink: bytes) -> str:
        """Return the address whose LoRaWAN uplink this is.

        Nodes may share a device address: then it is the one whose MIC fits. Where none fits it is
        one of them, so that the uplink is refused, not unlisted.
        """
        heard = parse(uplink)
        if heard is None:
            return ""
        nodes = self._nodes.get(heard.dev_addr, ())
        if not nodes:
            return heard.name
        fitting = (one for one in nodes[1:] if one.sent(heard))
        return next(fitting, nodes[0]).device.address
