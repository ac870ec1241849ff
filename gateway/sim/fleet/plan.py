"""What a fleet is: how many gateways, what they hear, where they send, and for how long.

A plan is plain data: a worker process is handed it as it is. Secrets are not in it, only where
they stand.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from gateway.config import Secret, Settings, load_model
from gateway.config.mqtt import is_loopback
from gateway.errors import SimulatorError
from gateway.sim.sensors import SensorOptions

LISTENER = "fleet-listener"  # the client id of who checks what arrives
MOST_GATEWAYS = 10_000
MOST_SENSORS = 1_000  # of one gateway
SHORTEST_S = 1.0  # between two readings of a sensor
_MODELS = ("bthome-v2", "ruuvi-rawv2")
_ADDRESSES_PER_GATEWAY = 4_096
_FIRST_ADDRESS = 0xC0_FF_EE_00_00_00  # what it says is no sensor's that anybody bought
_OPEN_INTAKE = {"burst": 10_000, "per_second": 1000}


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A fleet. Durations are in seconds; `brokers` are tried in turn, (host, port) each.

    In `username`, `tls_cert` and `tls_key` {id} stands for the client id. `tls`: encrypted, by the
    authorities in the file `tls_ca` or, where it is empty, by the machine's own.
    """

    gateways: int
    brokers: tuple[tuple[str, int], ...]
    sensors: int = 10
    every_s: float = 60.0
    lasts_s: float = 600.0
    ramp_s: float = 30.0  # the gateways start spread over so long
    drain_s: float = 120.0  # what still waits at the end gets so long
    seed: int = 1
    org: str = "fleet"
    topic_prefix: str = "ugw/v1"
    version: str = "5"  # of MQTT; 3.1.1 for brokers that do not even refuse the newer one
    username: str = ""
    password_file: str = ""
    tls: bool = False
    tls_ca: str = ""
    tls_cert: str = ""
    tls_key: str = ""
    store: str = ""  # a folder: each gateway keeps on disk there; empty: in memory
    processes: int = 1

    @property
    def is_remote(self) -> bool:
        """Whether a broker is on another machine."""
        return not all(is_loopback(host) for host, _ in self.brokers)

    @property
    def per_s(self) -> float:
        """How many observations a second all of them make."""
        return self.gateways * self.sensors / self.every_s

    @property
    def filter(self) -> str:
        """Return the topics on which observations of all gateways come."""
        return f"{self.topic_prefix}/{self.org}/+/obs/+"


def check(plan: Plan) -> None:
    """Refuse what cannot work: SimulatorError, or ConfigError with the key that is wrong."""
    limits = (
        (plan.gateways, MOST_GATEWAYS, "gateways"),
        (plan.sensors, MOST_SENSORS, "sensors of a gateway"),
        (plan.processes, plan.gateways, "processes"),
    )
    for number, most, what in limits:
        if not 1 <= number <= most:
            cause = f"{number} {what} cannot be: 1 to {most}"
            raise SimulatorError(cause)
    if plan.every_s < SHORTEST_S:
        cause = f"a sensor cannot speak every {plan.every_s:g} s: {SHORTEST_S:g} s at the least"
        raise SimulatorError(cause, "use more gateways or more sensors (--sensors)")
    if plan.password_file and plan.is_remote and not plan.tls:
        cause = "the password would travel in clear"
        raise SimulatorError(cause, "use --tls or --tls-ca")
    text = json.dumps(_document(plan, gateway_id(1), ()), indent=1)  # YAML reads JSON
    load_model(text, "the fleet's configuration", Settings)


def gateway_id(number: int) -> str:
    """Return what a gateway is called; the first is 1."""
    return f"fleet-{number:05d}"


def sensors_of(plan: Plan, number: int) -> list[SensorOptions]:
    """Return the sensors a gateway hears, and no other does."""
    first = _FIRST_ADDRESS + (number - 1) * _ADDRESSES_PER_GATEWAY
    return [
        SensorOptions(
            model=_MODELS[index % len(_MODELS)],
            address=(first + index).to_bytes(6, "big").hex(":").upper(),
            every_s=plan.every_s,
        )
        for index in range(plan.sensors)
    ]


def settings_of(plan: Plan, number: int) -> Settings:
    """Return the configuration of one gateway."""
    return _settings(plan, _document(plan, gateway_id(number), sensors_of(plan, number)))


def listener_settings(plan: Plan) -> Settings:
    """Return the configuration of who checks what arrives: as a gateway's, without sensors."""
    return _settings(plan, _document(plan, LISTENER, []))


def _settings(plan: Plan, document: dict[str, Any]) -> Settings:
    if plan.username:
        name = plan.username.replace("{id}", document["gateway"]["id"])
        document["mqtt"]["username"] = Secret("--username", name)
    return Settings.model_validate(document)


def _document(plan: Plan, name: str, sensors: Sequence[SensorOptions]) -> dict[str, Any]:
    return {
        "config_version": 1,
        "gateway": {"org": plan.org, "id": name},
        "mqtt": _mqtt(plan, name),
        "store": {"path": str(Path(plan.store or "/nowhere") / name)},
        "clock": {"source": "system"},  # whether this machine's is right is beside the point
        "intake": _OPEN_INTAKE,  # it is the broker that is tried
        "transports": [{"kind": "ble"}],
        "devices": [{"address": sensor.address} for sensor in sensors],
    }


def _mqtt(plan: Plan, name: str) -> dict[str, Any]:
    host, port = plan.brokers[0]
    mqtt: dict[str, Any] = {
        "host": host,
        "port": port,
        "version": plan.version,
        # What simulated sensors say is made up, so it may go to any broker in clear.
        "allow_cleartext": True,
        "topic_root": f"{plan.topic_prefix}/{{org}}/{{id}}",
    }
    if plan.tls:
        files = {"ca": plan.tls_ca, "cert": plan.tls_cert, "key": plan.tls_key}
        mqtt["tls"] = {key: path.replace("{id}", name) for key, path in files.items() if path}
    if plan.password_file:
        mqtt["password"] = f"file:{plan.password_file}"
    return mqtt
