"""Settings -> the parts of the agent, each with just what it needs to know."""

import secrets
from collections.abc import Iterator
from functools import partial

import msgspec

from gateway import delivery, keeper, sender
from gateway.admission import Device, Limits
from gateway.config import DeviceSettings, SerialSettings, Settings
from gateway.crypto import CcmKey
from gateway.dial import TlsSettings
from gateway.errors import ConfigError
from gateway.health import Health
from gateway.hearing import Plan, Source
from gateway.model import CLASSES, Intake, Stream
from gateway.mqtt import MqttSettings
from gateway.registry import LoadedDriver, LoadedModem, Registry
from gateway.transport import ble, serial

_NS_PER_S = 1_000_000_000
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_STREAM_CHARACTERS = 26  # of 5 bits: 130 bits, never the same twice


def mint_streams() -> list[Stream]:
    """Return the streams of a new run, one per class; their ids are opaque and unique."""
    return [Stream(id=_stream_id(), klass=klass) for klass in CLASSES]


def _stream_id() -> str:
    return "".join(secrets.choice(_CROCKFORD) for _ in range(_STREAM_CHARACTERS))


def devices(settings: Settings, registry: Registry) -> Iterator[Device]:
    """Yield the listed devices, their drivers looked up and their keys ready."""
    for device in settings.devices:
        yield Device(
            address=device.address,
            urn=settings.urn(device),
            name=device.name or "",
            klass=device.klass,
            driver=_driver(device, registry),
            key=CcmKey(device.key.key_bytes) if device.key else None,
            payload_hex=device.payload == "hex",
            limits=_limits(settings, device),
        )


def _driver(device: DeviceSettings, registry: Registry) -> LoadedDriver | None:
    return registry.by_model(device.driver) if device.driver else None


def _limits(settings: Settings, device: DeviceSettings) -> Limits:
    intake, rate = settings.intake, device.rate
    return Limits(
        repeat_window_ns=intake.repeat_window_ns,
        burst=intake.burst if rate.burst is None else rate.burst,
        per_second=intake.per_second if rate.per_second is None else rate.per_second,
    )


def delivery_limits(settings: Settings) -> delivery.Limits:
    """Return the numbers delivery works with."""
    given = settings.delivery
    return delivery.Limits(
        pace_ns=given.pace_ns,
        live_max_age_ns=given.live_max_age_ns,
        send=sender.SendLimits(
            window=given.in_flight_window,
            ack_timeout_ns=given.ack_timeout_ns,
            min_rate=given.min_rate_bytes_per_s,
            require_subscriber=settings.mqtt.require_subscriber,
        ),
        keep=keeper.KeepLimits(
            commit_after_ns=given.commit_after_ns,
            memory_bytes=given.memory_bytes,
            strict=given.durability == "strict",
        ),
    )


def mqtt_settings(settings: Settings) -> MqttSettings:
    """Return how to reach the broker."""
    given = settings.mqtt
    tls = given.tls
    return MqttSettings(
        host=given.host,
        port=given.port,
        client_id=settings.client_id,
        username=given.username.reveal() if given.username else None,
        password=given.password.reveal() if given.password else None,
        keepalive_s=given.keepalive_ns // _NS_PER_S,
        version=given.version,
        tls=None
        if tls is None
        else TlsSettings(ca=_s(tls.ca), cert=_s(tls.cert), key=_s(tls.key)),
    )


def _s(path: object | None) -> str | None:
    return None if path is None else str(path)


def patterns(settings: Settings, registry: Registry) -> tuple[tuple[int, int, bytes], ...]:
    """Return what a passive scan has to let through: all that can be recognised.

    Where each Bluetooth device names its driver, what these match is enough.
    """
    named = [_driver(d, registry) for d in settings.devices if d.medium == "ble"]
    drivers = [driver for driver in named if driver is not None]
    if len(drivers) < len(named) or not drivers:
        return registry.patterns(drivers)
    return Registry().patterns(drivers)


class BlePlan(msgspec.Struct, frozen=True):
    """How to hear Bluetooth LE."""

    settings: ble.BleSettings

    def serves(self, wanted: Plan) -> bool:
        """Whether nothing but fewer patterns are wanted: what they would keep out is unlisted."""
        if not isinstance(wanted, BlePlan):
            return False
        mine, theirs = self.settings, wanted.settings
        fits = mine.scan == "active" or set(theirs.patterns) <= set(mine.patterns)
        return fits and msgspec.structs.replace(theirs, patterns=mine.patterns) == mine


class SerialPlan(msgspec.Struct, frozen=True):
    """How to hear through a modem, and which driver speaks to it."""

    settings: serial.SerialSettings
    modem: LoadedModem

    def serves(self, wanted: Plan) -> bool:
        """Whether just this is wanted."""
        return self == wanted


def sources(
    settings: Settings, registry: Registry, intake: Intake, health: Health
) -> Iterator[Source]:
    """Yield the sources of frames as configured. Raises ConfigError for what a modem refuses."""
    for source in settings.transports:
        if isinstance(source, SerialSettings):
            plan = _serial_plan(source, registry)
            make = partial(_serial, plan, intake, health)
            yield Source(source.name, plan, make)
        else:
            scan = ble.BleSettings(
                adapter=source.adapter, scan=source.scan, patterns=patterns(settings, registry)
            )
            yield Source(
                source.name, BlePlan(scan), partial(ble.BleTransport, scan, intake, health)
            )


def _serial_plan(source: SerialSettings, registry: Registry) -> SerialPlan:
    modem = registry.modem(source.modem)
    port = serial.SerialSettings(
        device=str(source.device), baud=source.baud, modem=source.modem_settings
    )
    try:
        modem.connect().setup(source.modem_settings)
    except ValueError as error:  # a radio setting that this modem does not take
        cause = f"{source.name}: {error}"
        raise ConfigError(cause) from None
    return SerialPlan(port, modem)


def _serial(plan: SerialPlan, intake: Intake, health: Health) -> serial.SerialTransport:
    return serial.SerialTransport(plan.settings, plan.modem.connect(), intake, health)
