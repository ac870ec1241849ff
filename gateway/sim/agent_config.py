"""The configuration of an agent that fits a world: its transports, its devices, their keys."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from gateway.config.mqtt import is_loopback
from gateway.core.identity import eui64_urn, node_urn
from gateway.sim.models import MODELS
from gateway.sim.sensors import SensorOptions
from gateway.sim.serial_modem import SerialModem

_SHORTEST_POLL_S = 10  # that a configuration allows


class AgentOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What the world cannot know: where the agent is to send, and how it calls itself."""

    org: str = "kiel"
    gateway: str = "gw-sim"
    mqtt_host: str = "127.0.0.1"
    mqtt_port: int = 1883
    scan: str = "passive"
    modem: str = ""  # more of each modem's settings: "band: 868.1MHz, spreading_factor: 9"
    extra: str = ""  # more YAML, at the top level


def device_name(sensor: SensorOptions, agent: AgentOptions) -> str:
    """Return what messages call a sensor that has no id of its own."""
    if sensor.address.startswith("lora:"):
        number = sensor.address.removeprefix("lora:")
        return node_urn(agent.org, f"{agent.gateway}-lora-{number}")
    if sensor.address_type == "random":
        return node_urn(agent.org, _id_of(sensor))
    return eui64_urn(sensor.address)


def write_agent_config(
    directory: Path,
    agent: AgentOptions,
    *,
    adapters: Iterable[str],
    modems: Iterable[SerialModem],
    sensors: Iterable[SensorOptions],
) -> Path:
    """Write gateway.yaml, the key files and an empty store into a directory; return its path."""
    store = directory / "store"
    directory.mkdir(parents=True, exist_ok=True)
    store.mkdir(mode=0o700, exist_ok=True)
    # What simulated sensors say is made up, so it may go to any broker in clear.
    clear = "" if is_loopback(agent.mqtt_host) else ", allow_cleartext: true"
    lines = [
        "config_version: 1",
        f"gateway: {{org: {agent.org}, id: {agent.gateway}}}",
        f"mqtt: {{host: {_text(agent.mqtt_host)}, port: {agent.mqtt_port}{clear}}}",
        f"store: {{path: {_text(store)}}}",
        *_listed(
            "transports",
            *(f"{{kind: ble, adapter: {adapter}, scan: {agent.scan}}}" for adapter in adapters),
            *(_modem(modem, agent.modem) for modem in modems),
        ),
        *_listed("devices", *(_device(directory, sensor) for sensor in sensors)),
        agent.extra,
    ]
    path = directory / "gateway.yaml"
    path.write_text("\n".join(lines))
    return path


def _listed(key: str, *entries: str) -> Sequence[str]:
    return (f"{key}:", *(f"  - {entry}" for entry in entries)) if entries else (f"{key}: []",)


def completed(settings: str, defaults: Mapping[str, str]) -> str:
    """Return top-level YAML with those of the defaults of which it says nothing."""
    said = {line.partition(":")[0].rstrip().strip("\"'") for line in settings.splitlines()}
    missing = [f"{key}: {value}" for key, value in defaults.items() if key not in said]
    return "\n".join((*missing, settings))


def _modem(modem: SerialModem, settings: str) -> str:
    fields = [
        "kind: serial",
        f"device: {_text(modem.uart.link)}",
        f"modem: {modem.kind}",
        f"baud: {modem.model.baud}",
    ]
    if not modem.model.addresses:
        fields.append("sender: word")
    return "{" + ", ".join((*fields, settings) if settings else fields) + "}"


def _device(directory: Path, sensor: SensorOptions) -> str:
    fields = {"address": _text(sensor.address)}
    model = MODELS[sensor.model]
    if sensor.address_type == "random":
        fields |= {"address_type": "random", "id": _id_of(sensor)}
    if sensor.name:
        fields["name"] = _text(sensor.name)
    if model.medium == "gatt":
        every_s = max(_SHORTEST_POLL_S, round(sensor.every_s))
        fields["poll"] = f"{{driver: {model.driver}, every: {every_s}s}}"
    elif model.named:
        fields["driver"] = model.driver
    if model.medium == "lora":
        fields["payload"] = sensor.payload
    if model.encrypted:
        fields["key"] = _text(f"file:{_write_key(directory, sensor)}")
    return "{" + ", ".join(f"{key}: {value}" for key, value in fields.items()) + "}"


def _id_of(sensor: SensorOptions) -> str:
    """Return an id that does not tell the address: random ones are never published."""
    return f"sensor-{hashlib.blake2s(sensor.address.encode(), digest_size=4).hexdigest()}"


def _write_key(directory: Path, sensor: SensorOptions) -> Path:
    path = directory / "keys" / sensor.address.replace(":", "")
    path.parent.mkdir(exist_ok=True, mode=0o700)
    path.touch(mode=0o600)
    path.write_text(sensor.key.hex() + "\n")
    return path


def _text(value: str | Path) -> str:
    """Quote a text: YAML reads JSON's quotes."""
    return json.dumps(str(value), ensure_ascii=False)
