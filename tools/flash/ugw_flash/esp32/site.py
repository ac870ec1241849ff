"""A gateway's configuration as a board gets it: files for /site, secrets for NVS, its drivers.

The same gateway.yaml that configures a Raspberry Pi, with the section `esp32`. What no ESP32 can
do is refused, all of it at once, each with its line: a board never runs with less than was asked
of it. Secrets are read here and appear in no file; the name of an MQTT user, which a broker logs
anyway, stands in site.json.
"""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from gateway.config import Esp32Settings, InvalidConfigError, MqttSettings, Settings, load
from gateway.config.document import read_document
from gateway.config.files import read_regular
from gateway.config.findings import Path as Place
from gateway.config.loading import read_file
from gateway.config.overrides import apply_overrides
from gateway.config.places import finding_at
from gateway.registry import Registry, discover
from gateway.uplink import meta
from gateway.version import __version__
from ugw_flash.esp32.certificates import Credentials, credentials
from ugw_flash.esp32.devices import DeviceLines
from ugw_flash.esp32.rehearsal import rehearse
from ugw_flash.esp32.transports import ble, uarts
from ugw_flash.updates.signing import SigningError, modulus

SOFTWARE: Final = f"ugw {__version__}"
SITE: Final = "site/site.json"
DEVICES: Final = "site/devices.jsonl"
CA: Final = "site/ca.der"
CERTIFICATE: Final = "site/client.der"
SIGNER: Final = "site/update.key"

_MS: Final = 1_000_000  # in nanoseconds
_S: Final = 1_000_000_000
_WINDOW: Final = 8  # messages in flight for which it has memory
_ROOT_BYTES: Final = 120  # of a topic: one has to fit into the smallest packet it takes in
_MOST_PEM_BYTES: Final = 20_000
_WIFI_PASSWORD: Final = range(8, 64)
_HOSTNAME: Final = 32
_LOGIN_BYTES: Final = 128
_NO_FILES: Final = "updates over the air replace files: an agent frozen into a firmware takes none"

Fault = tuple[Place, str]

# What a board takes of what may be more, or less, on a Raspberry Pi (gateway/esp32/settings.py).
_RANGES: Final = (
    (("mqtt", "keepalive"), ("mqtt", "keepalive_s"), 5, 3600),
    (("delivery", "commit_after"), ("delivery", "commit_after_ms"), 100, 60_000),
    (("delivery", "ack_timeout"), ("delivery", "ack_timeout_ms"), 1000, 120_000),
    (("delivery", "min_rate"), ("delivery", "min_rate"), 10, 1_000_000),
    (("intake", "repeat_window"), ("intake", "repeat_window_ms"), 0, 3_600_000),
    (("intake", "burst"), ("intake", "burst"), 1, 1000),
    (("intake", "per_second"), ("intake", "per_minute"), 1, 60_000),
)


class Board(NamedTuple):
    """What one board is given beside the software."""

    gateway: str
    root: str  # what its topics begin with
    files: dict[str, bytes]
    secrets: dict[str, bytes]  # of the NVS namespace "ugw", as blobs
    drivers: tuple[str, ...]  # modules below drivers
    notes: tuple[str, ...]  # what works, but not as on a Raspberry Pi

    def __repr__(self) -> str:
        return f"Board({self.gateway!r})"  # the rest has secrets in it


def read_site(
    path: Path,
    *,
    environ: Mapping[str, str] | None = None,
    made_ms: int = 0,
    frozen: bool = False,
    etc: Path | None = None,
) -> Board:
    """Read a configuration for a board. Raises InvalidConfigError with every finding.

    `made_ms` is the Unix time: sessions are numbered from there on, so that a board put in
    another's place goes on above it. `frozen`: the agent is part of the board's firmware. `etc`: a
    folder that stands for /etc/ugw.
    """
    environ = os.environ if environ is None else environ
    registry = discover()
    settings = load(path, environ=environ, etc=etc)
    maker = _Maker(settings, registry, made_ms)
    board = maker.board()
    if frozen and SIGNER in board.files:
        maker.faults.append((("esp32", "update_key"), _NO_FILES))
    if maker.faults:
        document = read_document(read_file(path), str(path))
        apply_overrides(document, environ)
        findings = [finding_at(document, place, why) for place, why in maker.faults]
        raise InvalidConfigError(findings, "config/esp32.example.yaml shows what a board can do")
    rehearse(board.files, board.secrets)
    return board


class _Maker:
    """Puts a board's files together, and collects what it cannot do."""

    def __init__(self, settings: Settings, registry: Registry, made_ms: int) -> None:
        self.faults: list[Fault] = []
        self._made_ms = made_ms
        self._settings = settings
        self._registry = registry

    def board(self) -> Board:
        """Return what there is; it counts only where `faults` is empty."""
        settings = self._settings
        lines = DeviceLines(settings, self._registry)
        ports, modems = uarts(settings, self._registry, self.faults)
        tls = credentials(settings.mqtt.tls, self.faults)
        signer = self._signer()
        self.faults += [*lines.faults, *self._not_on_a_board()]
        site = self._site(ports)
        self.faults += _out_of_range(site)
        files = {SITE: _json(site), DEVICES: lines.content}
        files |= {CA: tls.ca} if tls.ca else {}
        files |= {CERTIFICATE: tls.certificate} if tls.certificate else {}
        files |= {SIGNER: signer} if signer else {}
        return Board(
            gateway=settings.gateway.id,
            root=settings.topic_root,
            files=files,
            secrets={**lines.keys, **self._secrets(tls)},
            drivers=tuple(sorted({*lines.modules, *(f"modem.{name}" for name in modems)})),
            notes=tuple(self._notes()),
        )

    def _secrets(self, tls: Credentials) -> dict[str, bytes]:
        board, mqtt = self._settings.esp32, self._settings.mqtt
        secrets = {"tls_key": tls.key} if tls.key else {}
        if mqtt.password is not None:
            secrets["mqtt_pass"] = mqtt.password.reveal().encode()
        wifi = None if board is None else board.wifi
        if wifi is not None and wifi.password is not None:
            secrets["wifi_psk"] = wifi.password.reveal().encode()
            if len(secrets["wifi_psk"]) not in _WIFI_PASSWORD:
                self.faults.append((("esp32", "wifi", "password"), "it has 8 to 63 characters"))
        return secrets

    def _signer(self) -> bytes:
        """Return the modulus of the key that signs updates; empty: there is none."""
        board = self._settings.esp32
        if board is None or board.update_key is None:
            return b""
        try:
            return modulus(read_regular(board.update_key, _MOST_PEM_BYTES))
        except (ValueError, SigningError) as error:
            self.faults.append((("esp32", "update_key"), str(error)))
            return b""

    def _site(self, ports: list[dict[str, Any]]) -> dict[str, Any]:
        settings = self._settings
        gateway, board = settings.gateway, settings.esp32
        site: dict[str, Any] = {
            "org": gateway.org,
            "gateway": gateway.id,
            "root": settings.topic_root,
            "client_id": settings.client_id,
            "software": SOFTWARE,
            "session": self._made_ms,
            "about": meta.gateway(settings, SOFTWARE).decode(),
            "mqtt": self._mqtt(),
            "time": {"servers": [], "port": 123, "trust_rtc": settings.clock.source == "system"},
            "ble": ble(settings, self.faults),
            "uarts": ports,
            "delivery": self._delivery(board),
            "intake": self._intake(),
            "watchdog_s": 60,
            "update": False,
        }
        if board is not None:
            site["network"] = _network(board, gateway.id)
            site["time"]["servers"] = board.time_servers
            site["led_pin"] = board.led_pin
            site["watchdog_s"] = board.watchdog_ns // _S
            site["update"] = board.update_key is not None
        return _given(site)

    def _mqtt(self) -> dict[str, Any]:
        mqtt = self._settings.mqtt
        return _given(
            {
                "host": mqtt.host,
                "port": mqtt.port,
                "user": None if mqtt.username is None else mqtt.username.reveal(),
                "keepalive_s": mqtt.keepalive_ns // _S,
                "tls": mqtt.tls is not None,
            }
        )

    def _delivery(self, board: Esp32Settings | None) -> dict[str, int]:
        delivery = self._settings.delivery
        return {
            "commit_after_ms": delivery.commit_after_ns // _MS,
            "live_max_age_ms": delivery.live_max_age_ns // _MS,
            "pace_ms": delivery.pace_ns // _MS,
            "window": delivery.in_flight_window,
            "ack_timeout_ms": delivery.ack_timeout_ns // _MS,
            "min_rate": delivery.min_rate_bytes_per_s,
            "store_bytes": 0 if board is None else board.store_bytes,
        }

    def _intake(self) -> dict[str, int]:
        intake = self._settings.intake
        return {
            "repeat_window_ms": intake.repeat_window_ns // _MS,
            "burst": intake.burst,
            "per_minute": round(intake.per_second * 60),
        }

    def _not_on_a_board(self) -> Iterator[Fault]:
        settings = self._settings
        delivery = settings.delivery
        if settings.esp32 is None:
            yield ("esp32",), "the section esp32 is needed: the board's network and pins"
        elif len(settings.esp32.hostname or "") > _HOSTNAME:
            yield ("esp32", "hostname"), f"an ESP32 takes up to {_HOSTNAME} characters"
        yield from _not_spoken(settings.mqtt)
        if len(settings.topic_root) > _ROOT_BYTES:
            yield ("mqtt", "topic_root"), f"an ESP32 has memory for {_ROOT_BYTES} characters"
        if delivery.durability == "strict":
            yield ("delivery", "durability"), "its flash would not last: only write-behind"
        if delivery.in_flight_window > _WINDOW:
            yield ("delivery", "in_flight_window"), f"an ESP32 has memory for {_WINDOW}"

    def _notes(self) -> Iterator[str]:
        settings = self._settings
        if settings.mqtt.version == "5":
            yield "mqtt.version: an ESP32 speaks 3.1.1, so status says guarantee: reduced"
        for key in ("store", "http", "log"):
            if key in settings.model_fields_set:
                yield f"{key}: an ESP32 has nothing of it"
        if "memory_bytes" in settings.delivery.model_fields_set:
            yield "delivery.memory: an ESP32 has a fixed amount"
        if not settings.devices:
            yield "devices: none is listed, so everything heard is counted and forgotten"


def _not_spoken(mqtt: MqttSettings) -> Iterator[Fault]:
    if ":" in mqtt.host:
        yield ("mqtt", "host"), "an ESP32 speaks IPv4 only"
    if mqtt.require_subscriber:
        why = "MQTT 3.1.1, all an ESP32 speaks, does not tell whether anybody subscribes"
        yield ("mqtt", "require_subscriber"), why
    for key, secret in (("username", mqtt.username), ("password", mqtt.password)):
        if secret is not None and len(secret.reveal().encode()) > _LOGIN_BYTES:
            yield ("mqtt", key), f"an ESP32 has memory for {_LOGIN_BYTES} bytes"


def _out_of_range(site: dict[str, Any]) -> Iterator[Fault]:
    for place, (group, key), lowest, highest in _RANGES:
        if not lowest <= site[group][key] <= highest:
            unit = key.rpartition("_")[2]
            unit = f" {unit}" if unit in ("ms", "s") else ""
            yield place, f"an ESP32 takes from {lowest}{unit} to {highest}{unit}"


def _network(board: Esp32Settings, gateway: str) -> dict[str, Any]:
    ethernet = board.ethernet
    return _given(
        {
            "hostname": board.hostname or gateway[:32],
            "ssid": None if board.wifi is None else board.wifi.ssid,
            "ethernet": None if ethernet is None else ethernet.model_dump(exclude_none=True),
        }
    )


def _given(fields: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value is not None}


def _json(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()
