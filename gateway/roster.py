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
_HIGHEST: Final = " highest"  # no address ends like that
_OF_KEY: Final = " key"


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
        self._former: dict[str, tuple[Secret, int, int | None]] = {}  # of devices taken off
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
        for gone in before.values():
            self._keep(gone)
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
        if known.device == device:
            return known
        changed = known.reconfigured(device)
        if known.device.secret != device.secret:
            changed.counter, changed.highest = self._former_counter(device)
            self._keep(known)
        return changed

    def _keep(self, gone: Listed) -> None:
        """Keep a counter that its secret may come back for."""
        if gone.counter is not None:
            former = (gone.device.secret, gone.counter, gone.highest)
            self._former[gone.device.address] = former

    def _former_counter(self, device: Device) -> tuple[int | None, int | None]:
        """Return counter and highest when the device last had this secret."""
        secret, counter, highest = self._former.get(device.address, (None, None, None))
        return (counter, highest) if secret == device.secret else (None, None)

    def _new(self, device: Device) -> Listed:
        counter, highest = self._former_counter(device)
        restored = counter is None and self._recovery.unclean
        if counter is None and self._counts_for(device):
            known = self._recovery.counters
            counter = known.get(device.address)
            highest = known.get(device.address + _HIGHEST, counter)
        return Listed(device, counter, highest=highest, restored=restored)

    def _counts_for(self, device: Device) -> bool:
        """Whether what the store has of a device was counted under the keys it has now."""
        known = self._recovery.counters.get(device.address + _OF_KEY)
        return known is None or device.secret is None or known == device.secret.mark

    def to_keep(self) -> dict[str, int]:
        """Return the counters worth keeping, and under which keys they were counted."""
        kept = self.counters()
        secrets = {address: secret for address, (secret, *_) in self._former.items()}
        secrets |= {address: one.device.secret for address, one in self.by_address.items()}
        for address, secret in secrets.items():
            if secret is not None and address in kept:
                kept[address + _OF_KEY] = secret.mark
        return kept

    def counters(self) -> dict[str, int]:
        """Return all replay counters worth keeping; what a store has besides may go.

        Those of devices that a reload took off the list, or gave other keys, are kept to the end
        of the run: a slip in a configuration opens no door to recordings. The store gets no
        counter of keys that a listed device no longer has. Where a sensor has begun anew, the
        highest counter stands there too, under its address and a mark.
        """
        kept: dict[str, int] = {}
        for address, (_, counter, highest) in self._former.items():
            if address not in self.by_address:
                _note(kept, address, counter, highest)
        for address, listed in self.by_address.items():
            _note(kept, address, listed.counter, listed.highest)
        return kept

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


def _note(kept: dict[str, int], address: str, counter: int | None, highest: int | None) -> None:
    if counter is not None:
        kept[address] = counter
    if counter is not None and highest is not None and highest > counter:
        kept[address + _HIGHEST] = highest
