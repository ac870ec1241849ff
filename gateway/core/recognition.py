"""What of an advertisement a driver reads, that was found by one of its structures."""

from gateway.core.advertisement import MANUFACTURER

_APPLE = 0x004C
_IBEACON = b"\x02\x15"  # type and length of what follows


def payload_of(
    form: str,
    found: "tuple[int, int, bytes]",
    structures: "tuple[tuple[int, int, bytes], ...]",
    before: "tuple[tuple[int, int, bytes], ...]",
) -> "bytes | tuple[tuple[int, int, bytes], ...]":
    """Return what is read by a driver whose PAYLOAD is `form`; see driver-interface.md.

    `before` are the structures of the device's last advertisement. Nothing is read where it wants
    manufacturer data and there is none.
    """
    if form == "structure":
        return found[2]
    if form == "advertisement":
        return structures
    maker = _manufacturer_data(structures, before)
    return b"" if maker is None else maker[1].to_bytes(2, "little") + maker[2]


def _manufacturer_data(
    structures: "tuple[tuple[int, int, bytes], ...]",
    before: "tuple[tuple[int, int, bytes], ...]",
) -> "tuple[int, int, bytes] | None":
    """Return of several manufacturer data the last that is not as before.

    Makers that keep values in the company id leave one structure for each value, and BlueZ
    collects them. An iBeacon is never what is meant: some send one beside their values.
    """
    stale: tuple[int, int, bytes] | None = None
    for structure in reversed(structures):
        ad_type, company, data = structure
        is_beacon = company == _APPLE and data.startswith(_IBEACON)
        if ad_type == MANUFACTURER and not is_beacon:
            if structure not in before:
                return structure
            stale = stale or structure
    return stale
