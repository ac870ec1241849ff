"""Each sensor of the site: whether it is heard, how well, and as often as it should be."""

from collections.abc import Iterator
from typing import Final

from gateway.cli.doctor import signal
from gateway.cli.doctor.finding import Finding, Light, Link, Value
from gateway.cli.doctor.signal import Signal
from gateway.cli.local_agent import Sensor, Status

_LORA: Final = "lora"
_VERDICTS: Final = {
    Signal.GOOD: (Light.GREEN, "sensor.good"),
    Signal.WEAK: (Light.GREEN, "sensor.weak"),
    Signal.BAD: (Light.YELLOW, "sensor.bad"),
    Signal.UNKNOWN: (Light.GREEN, "sensor.heard"),
}


def look(agent: Status | None, sensors: list[Sensor]) -> Iterator[Finding]:
    """Say how each is, in the order of the configuration."""
    if agent is None:
        yield Finding(link=Link.SENSOR, light=Light.UNKNOWN, id="sensor.unknown")
        return
    if not sensors:
        yield Finding(link=Link.SENSOR, light=Light.YELLOW, id="sensor.none")
    unread = {each.device: each.cause for each in agent.unread}
    running_s = int(agent.process.started_ago_s)
    for sensor in sensors:
        yield judge(sensor, unread.get(sensor.device, ""), running_s)


def judge(sensor: Sensor, unread: str, running_s: int) -> Finding:
    """Say it of one; `unread`: why it cannot be connected to, where it should be."""
    values: dict[str, Value] = {"running_s": running_s, "signal": signal_text(sensor)}
    if sensor.last_heard_ago_s is not None:
        values["ago_s"] = int(sensor.last_heard_ago_s)
    if sensor.expected_interval_s is not None:
        values["expected_s"] = sensor.expected_interval_s
    if sensor.silent and sensor.expected_interval_s is not None:
        heard = sensor.last_heard_ago_s is not None
        return _finding(sensor, Light.YELLOW, "sensor.silent" if heard else "sensor.never", values)
    if unread:
        return _finding(sensor, Light.YELLOW, "sensor.unread", {"cause": unread})
    if sensor.last_heard_ago_s is None:
        return _finding(sensor, Light.YELLOW, "sensor.not_yet", values)
    light, which = _VERDICTS[verdict(sensor)]
    return _finding(sensor, light, which, values)


def verdict(sensor: Sensor) -> Signal:
    """Return how well it was heard last."""
    if sensor.medium == _LORA:
        return signal.of_lora(sensor.rssi, sensor.snr, sensor.spreading_factor)
    return signal.of_ble(sensor.rssi)


def signal_text(sensor: Sensor) -> str:
    """Return level and noise, as installers of any language read them."""
    parts = (
        "" if sensor.rssi is None else f"{sensor.rssi} dBm",
        "" if sensor.snr is None else f"SNR {sensor.snr:.0f} dB",
        "" if sensor.spreading_factor is None else f"SF{sensor.spreading_factor}",
    )
    return ", ".join(filter(None, parts))


def label(sensor: Sensor) -> str:
    """Return what people call it."""
    return sensor.name or sensor.address


def _finding(sensor: Sensor, light: Light, which: str, values: dict[str, Value]) -> Finding:
    name = label(sensor)
    return Finding(link=Link.SENSOR, light=light, id=which, about=name, values=values)
