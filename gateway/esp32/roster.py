"""The listed devices made of their lines, and whose replay counter is whose.

An overlay: run when the agent starts, and when counters are kept. In what is kept the counters
stand as in the Pi's store (gateway/roster.py): under the address; under the address and a mark
where a sensor has begun anew, the highest; and what tells the key they were counted under.
"""

import hashlib

from gateway.esp32.devices import Device

TYPE_CHECKING = False  # MicroPython has no typing; the build leaves all of this out
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

_TOKEN = 60000


def listed(lines: "Iterable[dict[str, Any]]", intake: "dict[str, int]") -> "list[Device]":
    """Return the devices of the lines of devices.jsonl; `intake` has the limits of all."""
    rate = intake["burst"], intake["per_minute"]
    same: dict[object, object] = {}
    return [_device(line, intake["repeat_window_ms"], rate, same) for line in lines]


def _device(
    line: "dict[str, Any]", window_ms: int, rate: "tuple[int, int]", same: "dict[Any, Any]"
) -> Device:
    """Make one; `same` has what is said of several, so that it stands in memory once."""
    device = Device(window_ms)
    device.rate, device.tokens = rate, rate[0] * _TOKEN
    text = line["address"]
    device.address = text.encode()
    if text.startswith("lora:"):
        device.medium = "lora"
    else:
        device.address = bytes.fromhex(text.replace(":", ""))
    device.urn = line["urn"]
    drivers = line.get("driver") or tuple(line.get("drivers") or ())
    device.drivers = same.setdefault(drivers, drivers)
    if line.get("class") == "event":
        device.klass = "event"
    device.expected_s = line.get("expected_interval_s") or 0
    for name in ("about", "hex", "key", "poll"):
        if line.get(name):
            setattr(device, name, line[name])
    device.about = same.setdefault(device.about, device.about)
    if device.poll:
        device.poll_s = line.get("poll_s", 0)
    if line.get("properties"):
        device.properties = [((name, channel), more) for name, channel, more in line["properties"]]
    return device


def restore(devices: "list[Device]", counters: "dict[str, int]", unclean: bool) -> None:
    """Take the counters up that were counted under the keys there are now."""
    for device in devices:
        name = _name(device)
        if device.key and counters.get(name + " key") == _mark(device.key):
            device.counter = counters.get(name)
            device.highest = counters.get(name + " highest", device.counter)
            device.restored = unclean


def kept(devices: "list[Device]") -> "dict[str, int]":
    """Return the counters worth keeping."""
    counters: dict[str, int] = {}
    for device in devices:
        if device.key and device.counter is not None:
            name = _name(device)
            counters[name] = device.counter
            counters[name + " key"] = _mark(device.key)
            if device.highest is not None and device.highest > device.counter:
                counters[name + " highest"] = device.highest
    return counters


def _name(device: Device) -> str:
    return device.address.decode() if device.medium == "lora" else device.address.hex()


def _mark(key: bytes) -> int:
    """Return what tells a key from another and tells nothing of it: 48 bits of a hash."""
    return int.from_bytes(hashlib.sha256(b"ugw mark" + key).digest()[:6], "big")
