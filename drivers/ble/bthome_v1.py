"""BTHome v1, plain: service data of UUID 0x181C, little-endian. Version 2 has followed it in 2022.

    (LL OO VV...)...

    L  bits 0-4: bytes of O and V, bits 5-7: type of V: 0 unsigned, 1 signed, 2 float
    O  object id; V its value: see gateway.core.bthome_v1

An object of an unknown id is passed over by its length. Several objects of one property are
channels in the order they are sent: "", "2", "3".
Source: https://bthome.io/v1; floats as bthome-ble reads them.
"""

from gateway.core.bthome_v1 import readings
from gateway.core.context import Context

API = 1
MODEL = "bthome-v1"
DEVICES = ("whatever is built with BTHome v1",)
MATCH = {"service_uuid": 0x181C}
STRENGTH = 1

_PACKET_ID = b"\x02\x00"  # length 2, unsigned, object 0


def decode(payload: bytes, _context: Context) -> list[tuple[str, int | str | None, int, str]]:
    """Return the readings of all objects that are known."""
    return readings(payload)


def packet_counter(payload: bytes) -> int | None:
    """Return the packet id, where it is first."""
    return payload[2] if len(payload) > 2 and payload[:2] == _PACKET_ID else None
