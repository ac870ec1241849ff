"""What tells one release of BlueZ from another, as far as a client on D-Bus can see it.

Read from BlueZ's sources at each release; each field names the commit that made the difference.
What is not here is alike in all of them.
"""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from gateway.errors import SimulatorError


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """One release. What a release brought is true in all later ones."""

    version: tuple[int, int]  # as an adapter's Modalias has it
    # 5.69, cda5549f2: GATT objects say their handle.
    handles: bool = False
    # 5.69, 67a26abe5: the UUIDs of service data stand in a device's UUIDs too.
    service_data_in_uuids: bool = False
    # 5.71, f2677c015: an adapter says its manufacturer and the version of its link layer.
    adapter_version: bool = False
    # 5.73, d3aeae79d: PowerState without --experimental.
    power_state: bool = False
    # 5.71, b0656c2cf: bluetoothd compares patterns with what it has taken apart.
    parsed_patterns: bool = False
    # 5.78, c315b42e0: AdvertisingFlags without --experimental.
    advertising_flags: bool = False
    # 5.78, f863d0116: AcquireNotify takes characteristics that only indicate.
    acquires_indications: bool = False
    # 5.79, 17f485f20: an adapter's Connectable.
    connectable: bool = False
    # 5.83, 20ea34e72: a device's CablePairing.
    cable_pairing: bool = False
    # 5.83, 53db78000: the end of a connection is signalled with its reason.
    disconnected_signal: bool = False
    # 5.84, fdfaeddc9: with --experimental a device shows its bearer as an interface.
    bearer: bool = False
    # After 5.87, e004414a1: each report is told for its strength only to filters by strength.
    rssi_needs_change: bool = False


USUAL_PROFILE = "5.87"
_BOOKWORM = Profile(version=(5, 66))
_TRIXIE = Profile(
    version=(5, 82),
    handles=True,
    service_data_in_uuids=True,
    adapter_version=True,
    parsed_patterns=True,
    power_state=True,
    advertising_flags=True,
    acquires_indications=True,
    connectable=True,
)
_SUMMER_2026 = msgspec.structs.replace(
    _TRIXIE, version=(5, 87), cable_pairing=True, disconnected_signal=True, bearer=True
)
PROFILES: Mapping[str, Profile] = MappingProxyType(
    {
        "5.66": _BOOKWORM,  # Debian 12, Raspberry Pi OS Bookworm
        "5.82": _TRIXIE,  # Debian 13, Raspberry Pi OS Trixie
        "5.87": _SUMMER_2026,
        # The development tree of 31 July 2026, which calls itself 5.87 still.
        "5.88": msgspec.structs.replace(_SUMMER_2026, rssi_needs_change=True),
    }
)


def profile(version: str) -> Profile:
    """Return a release's profile. Raises SimulatorError for one that is not known."""
    if version not in PROFILES:
        cause = f"there is no simulated BlueZ {version}"
        raise SimulatorError(cause, f"choose one of {', '.join(PROFILES)}")
    return PROFILES[version]
