"""Misbehaviour: a D-Bus method fails, is late or silent; an adapter hears nothing."""

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Literal

import msgspec

from gateway.sim.bluez_call import Call


class MethodFault(msgspec.Struct, kw_only=True, eq=False):
    """What happens to calls of one method: an error, a delay, silence."""

    member: str  # "StartDiscovery", "Connect", "ReadValue", ...
    error: str = ""  # a D-Bus error name; see bluez_names
    text: str = ""
    delay_s: float = 0.0
    hang: bool = False  # never answer
    takes_effect: bool = False  # although the answer is an error
    path: str = "*"  # object path, shell pattern
    times: int | None = None  # so many calls; None: until it is cleared
    hits: int = 0

    def strikes(self, call: Call) -> bool:
        """Whether this call is hit; counts it."""
        if self.times is not None and self.hits >= self.times:
            return False
        if self.member != call.member or not fnmatchcase(call.path, self.path):
            return False
        self.hits += 1
        return True


class MethodFaults:
    """The faults in force. The first that strikes decides."""

    def __init__(self) -> None:
        self._faults: list[MethodFault] = []

    def add(self, fault: MethodFault) -> MethodFault:
        """Put a fault in force and return it, for its hits."""
        self._faults.append(fault)
        return fault

    def clear(self) -> None:
        """Lift every fault."""
        self._faults.clear()

    def lift(self, fault: MethodFault) -> None:
        """Lift one fault; it may have been lifted already."""
        if fault in self._faults:
            self._faults.remove(fault)

    def striking(self, call: Call) -> MethodFault | None:
        """Return the fault that hits this call."""
        return next((fault for fault in self._faults if fault.strikes(call)), None)


Cure = Literal["scan", "power", "service"]


class Deafness:
    """Adapters that take every command and hear nothing, and what cures each.

    `power`: switching it off and on, or anything that does so too: a new start of bluetoothd, its
    plug. `service`: only a new start. (`scan` needs nobody here: the scan is forgotten.)
    """

    def __init__(self) -> None:
        self._until: dict[str, Cure] = {}

    def begin(self, adapters: Iterable[str], until: Cure) -> None:
        """Let adapters hear nothing more."""
        if until != "scan":
            self._until.update(dict.fromkeys(adapters, until))

    def switched_on(self, adapter: str) -> None:
        """Cure what power cures."""
        if self._until.get(adapter) == "power":
            del self._until[adapter]

    def restarted(self) -> None:
        """Cure all."""
        self._until.clear()

    def strikes(self, adapter: str) -> bool:
        """Whether an adapter hears nothing."""
        return adapter in self._until
