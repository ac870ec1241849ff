"""A row of a sheet as it was written: one gateway, and where each of its cells stands."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from gateway.config.findings import Finding, Position

_NOWHERE: Final[Mapping[str, Position]] = MappingProxyType({})


class Row(NamedTuple):
    """What makes a gateway differ from the others of its kind; empty: as its profile says."""

    gateway: str
    profile: str = ""  # a path, absolute or from the working folder on
    name: str = ""
    site: str = ""
    lat: float | None = None  # degrees (WGS 84); both or none
    lon: float | None = None
    network: str = ""  # ethernet, wifi
    ssid: str = ""
    wifi_password: str = ""  # a reference, file:/absolute/path or env:NAME
    address: str = ""  # 192.0.2.17/24
    gateway_ip: str = ""
    dns: tuple[str, ...] = ()
    mac: str = ""  # aa:bb:cc:dd:ee:ff
    label: str = ""
    sheet: str = ""  # the file it stands in; empty: the command line
    places: Mapping[str, Position] = _NOWHERE  # line and column of each cell, by its column

    def finding(self, column: str, message: str) -> Finding:
        """Return a finding about one of its cells."""
        if not self.sheet:
            return Finding(file=self.gateway, path=column, message=message)
        line, at = self.places.get(column) or self.places.get("gateway", (0, 0))
        return Finding(file=self.sheet, line=line, column=at, path=column, message=message)
