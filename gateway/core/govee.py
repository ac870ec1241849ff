"""What the advertisements of one maker, Govee, share: names, packed values, an iBeacon glued on.

Its company ids are not its own and its devices differ by name alone, so each driver of its devices
is found by names and reads the manufacturer data with the company id in front.
"""

from gateway.core.fields import u24be

_MAKERS = (b"GVH", b"GV", b"Govee_H")  # how a name begins, before the number of the model
_BEACON_SIZE = 25  # the structure of an iBeacon: company id, type, UUID, major, minor, power
_BEACON_TEXT = b"INTELLI_ROCKS"  # within its UUID
_COMPANY_SIZE = 2
_SIGN = 0x800000
_LOWEST, _HIGHEST = -400, 1000  # 0.1 Cel; a faulty sensor gives what none of them measures


def names(*models: bytes) -> tuple[dict[str, bytes], ...]:
    """Return the MATCH of devices by the numbers of their models."""
    return tuple([{"local_name": maker + model} for model in models for maker in _MAKERS])


def without_beacon(payload: bytes) -> bytes:
    """Cut off the iBeacon that some receivers leave at the end of the manufacturer data."""
    is_glued = len(payload) > _COMPANY_SIZE + _BEACON_SIZE and _BEACON_TEXT in payload
    return payload[:-_BEACON_SIZE] if is_glued else payload


def company(payload: bytes) -> int:
    """Return the company id manufacturer data begins with; -1 where there is none."""
    return payload[0] | payload[1] << 8 if len(payload) >= _COMPANY_SIZE else -1


def packed(payload: bytes, offset: int, *, is_fault: bool) -> tuple[int | None, int | None]:
    """Return temperature in 0.1 Cel and humidity in 0.1 %, None and None of a faulty sensor.

    Three bytes: a sign, then temperature * 1000 + humidity.
    """
    number = u24be(payload, offset)
    temperature, humidity = divmod(number & ~_SIGN, 1000)
    if number & _SIGN:
        temperature = -temperature
    if is_fault or not _LOWEST <= temperature <= _HIGHEST:
        return None, None
    return temperature, humidity


def channel(probe: int, part: str = "") -> str:
    """Return the channel of a probe, counted from 1, or of a part of it."""
    number = "" if probe == 1 else str(probe)
    return f"{number}-{part}" if number and part else number or part
