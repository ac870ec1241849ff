"""Whether there is a network: a link, an address, a way out. The kernel is asked, nothing sent."""

from collections.abc import Iterator
from typing import Final, TypeVar

import msgspec

from gateway.cli.doctor.finding import Finding, Light, Link, Value
from gateway.cli.doctor.machine import Machine

_ADDRESSES: Final = ("ip", "-json", "address")
_ROUTES: Final = (
    ("ip", "-json", "route", "show", "default"),
    ("ip", "-json", "-6", "route", "show", "default"),
)
_WIRELESS: Final = "/proc/net/wireless"
_LEVEL_COLUMN: Final = 3
_GLOBAL: Final = "global"
_OWN: Final = ("169.254.", "fe80:")  # RFC 3927, RFC 4291: for want of anybody who gives one
_WEAK_DBM: Final = -75  # below it Wi-Fi falls back to its slowest rates, and then away

Kind = TypeVar("Kind")


class _Address(msgspec.Struct, frozen=True):
    local: str = ""
    scope: str = ""
    family: str = ""


class _Interface(msgspec.Struct, frozen=True):
    ifname: str
    flags: list[str] = []
    addr_info: list[_Address] = []

    @property
    def has_link(self) -> bool:
        return "LOWER_UP" in self.flags

    @property
    def addresses(self) -> list[str]:
        """Those that lead beyond the cable; one that a machine gave itself does not."""
        given = (each.local for each in self.addr_info if each.scope == _GLOBAL)
        return [each for each in given if each and not each.startswith(_OWN)]


class _Route(msgspec.Struct, frozen=True):
    dev: str = ""
    gateway: str = ""
    metric: int = 0


class Picture(msgspec.Struct, frozen=True):
    """What there is of a network; the routes are the ways out, the best first."""

    interfaces: list[_Interface]
    routes: list[_Route]
    levels_dbm: dict[str, int]


def look(machine: Machine, *, reached: bool) -> Iterator[Finding]:
    """Say how the network is; `reached`: the broker answers, so no way out is missing."""
    yield judge(read(machine), reached=reached)


def read(machine: Machine) -> Picture | None:
    """Ask; None where there is no `ip` to ask."""
    interfaces = _decoded(machine.run(*_ADDRESSES), list[_Interface])
    if interfaces is None:
        return None
    found = [each for ask in _ROUTES for each in _decoded(machine.run(*ask), list[_Route]) or []]
    usable = [each for each in interfaces if "LOOPBACK" not in each.flags]
    routes = sorted((each for each in found if each.dev), key=lambda each: each.metric)
    return Picture(usable, routes, _levels(machine.read(_WIRELESS) or ""))


def judge(picture: Picture | None, *, reached: bool) -> Finding:
    """Say what is missing first: interface, link, address, way out."""
    if picture is None:
        return _finding(Light.UNKNOWN, "network.unknown")
    linked = [each for each in picture.interfaces if each.has_link]
    addressed = [each for each in linked if each.addresses]
    if addressed:
        return _way_out(picture, addressed, reached=reached)
    light = Light.YELLOW if reached else Light.RED  # a broker on this very machine needs none
    if not picture.interfaces:
        return _finding(light, "network.no_interface")
    names = ", ".join(each.ifname for each in linked or picture.interfaces)
    return _finding(light, "network.no_address" if linked else "network.no_link", names=names)


def _way_out(picture: Picture, addressed: list[_Interface], *, reached: bool) -> Finding:
    by_name = {each.ifname: each for each in addressed}
    route = next((each for each in picture.routes if each.dev in by_name), None)
    used = addressed[0] if route is None else by_name[route.dev]
    values: dict[str, Value] = {"interface": used.ifname, "address": used.addresses[0]}
    level_dbm = picture.levels_dbm.get(used.ifname)
    if route is None:
        light = Light.GREEN if reached else Light.YELLOW
        return _finding(light, "network.local" if reached else "network.no_route", **values)
    if level_dbm is not None and level_dbm < _WEAK_DBM:
        return _finding(Light.YELLOW, "network.weak", level_dbm=level_dbm, **values)
    return _finding(Light.GREEN, "network.good", router=route.gateway or "-", **values)


def _finding(light: Light, name: str, **values: Value) -> Finding:
    return Finding(link=Link.NETWORK, light=light, id=name, values=values)


def _decoded(text: str | None, kind: type[Kind]) -> Kind | None:
    """Read what `ip` says; without any such interface or route it says nothing at all."""
    try:
        return None if text is None else msgspec.json.decode(text or "[]", type=kind)
    except msgspec.DecodeError:
        return None


def _levels(text: str) -> dict[str, int]:
    """Read the kernel's table of Wi-Fi: interface -> signal in dBm."""
    found: dict[str, int] = {}
    for line in text.splitlines():
        name, colon, rest = line.strip().partition(":")
        fields = rest.split()
        if colon and len(fields) >= _LEVEL_COLUMN:
            level = fields[_LEVEL_COLUMN - 1].rstrip(".")
            if level.lstrip("-").isdecimal():
                found[name] = int(level)
    return found
