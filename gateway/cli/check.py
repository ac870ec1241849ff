"""`ugw check`: whether the configuration can be used, and what it amounts to."""

from collections import Counter
from collections.abc import Iterator

import msgspec
import typer

from gateway.cli.configuration import DEFAULT, ConfigOption, JsonOption, load_settings, notes
from gateway.cli.exit_codes import ExitCode
from gateway.cli.terminal import note, print_json
from gateway.config import BleSettings, InvalidConfigError, Settings, TransportSettings


def check(config: ConfigOption = DEFAULT, *, as_json: JsonOption = False) -> None:
    """Check the configuration, and sum it up.

    Every error is shown at once, with its place. Ends with 0 if the configuration can be used,
    with 3 if not. Nothing is opened, sent or changed.

    [bold]Examples[/bold]

      ugw check
      ugw check --config config/gateway.example.yaml
      UGW__MQTT__HOST=localhost ugw check
    """
    try:
        settings, registry = load_settings(config)
    except InvalidConfigError as error:
        if not as_json:
            raise
        print_json({"file": str(config), "ok": False, "findings": _as_data(error)})
        raise typer.Exit(ExitCode.CONFIGURATION) from None
    remarks = list(notes(settings, registry))
    if as_json:
        summary = {title: list(lines) for title, lines in _summary(settings)}
        print_json({"file": str(config), "ok": True, "summary": summary, "notes": remarks})
        return
    print(f"{config}: ok")
    for title, lines in _summary(settings):
        for number, line in enumerate(lines):
            print(f"  {'' if number else title:<11} {line}")
    for remark in remarks:
        note(remark)


def _as_data(error: InvalidConfigError) -> list[object]:
    return [msgspec.to_builtins(finding) for finding in error.findings]


def _summary(settings: Settings) -> Iterator[tuple[str, list[str]]]:
    """Say what the configuration amounts to: title, lines."""
    gateway, store = settings.gateway, settings.store
    yield (
        "gateway",
        [f"{gateway.org}/{gateway.id}" + (f", {gateway.name}" if gateway.name else "")],
    )
    yield "broker", [_broker(settings)]
    yield "topics", [f"{settings.topic_root}/..."]
    yield "store", [f"{store.path}, at most {store.max_size_bytes // 1_000_000} MB"]
    yield "transports", [_transport(each) for each in settings.transports] or ["none"]
    yield "devices", _devices(settings) or ["none"]


def _broker(settings: Settings) -> str:
    mqtt = settings.mqtt
    security = "in clear"
    if mqtt.tls is not None:
        security = "TLS with a client certificate" if mqtt.tls.cert else "TLS"
    user = ", with user name" if mqtt.username else ""
    return f"{mqtt.host}:{mqtt.port}, MQTT {mqtt.version}, {security}{user}"


def _transport(transport: TransportSettings) -> str:
    if isinstance(transport, BleSettings):
        return f"{transport.name}, {transport.scan} scan"
    return f"{transport.name}, {transport.modem} at {transport.baud} baud"


def _devices(settings: Settings) -> list[str]:
    """Count devices by what will decode them."""
    counts = Counter(
        (device.medium, device.driver or "recognised by what they send")
        for device in settings.devices
    )
    names = {"ble": "Bluetooth LE", "lora": "LoRa"}
    return [f"{count} {names[medium]}, {by}" for (medium, by), count in counts.items()]
