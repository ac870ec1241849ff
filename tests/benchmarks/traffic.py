"""What the benchmarks' sensors say: thermometers with three readings, as most on the market are.

BTHome v2 in clear: packet id, battery, temperature, humidity. One observation of it is 310 bytes
of JSON, whose length decides how many fit into a bundle.
"""

import struct
from typing import Final

from gateway.core.advertisement import SERVICE_DATA
from gateway.model import Frame, Structure
from gateway.sim.models.bthome import BTHOME_UUID

RSSI_DBM: Final = -71
_GOLDEN: Final = 2_654_435_761  # Knuth, The Art of Computer Programming, 6.4

# Nothing is held back by the rate of a device: it is the rest that is measured.
OPEN_INTAKE: Final = "intake: {burst: 10000, per_second: 1000}"


def address(number: int) -> str:
    """Return the address of a listed device, 0..65535."""
    return f"A4:C1:38:00:{number >> 8:02X}:{number & 0xFF:02X}"


def readings(serial: int) -> tuple[int, int, int]:
    """Return percent, hundredths of a degree, hundredths of a percent; scattered, repeatable."""
    scattered = serial * _GOLDEN & 0xFFFF_FFFF
    return 50 + scattered % 50, 1500 + (scattered >> 8) % 1000, 4000 + (scattered >> 16) % 2000


def payload(serial: int) -> bytes:
    """Return the `serial`th thing a device says; its packet id differs from the one before."""
    battery, temperature, humidity = readings(serial)
    packet_id = serial & 0xFF
    return struct.pack(
        "<BBBBBBhBH", 0x40, 0x00, packet_id, 0x01, battery, 0x02, temperature, 0x03, humidity
    )


def structures(serial: int) -> tuple[Structure, ...]:
    """Return the same as a transport hands it over."""
    return ((SERVICE_DATA, BTHOME_UUID, payload(serial)),)


def heard(address: str, content: tuple[Structure, ...], at_ns: int) -> Frame:
    """Return the frame a transport makes of it."""
    return Frame(
        medium="ble",
        source="ble:hci0",
        address=address,
        heard_at_ns=at_ns,
        content=content,
        structures=content,
        rssi_dbm=RSSI_DBM,
    )
