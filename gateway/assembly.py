"""Settings -> the parts of the agent, each with just what it needs to know."""

import secrets
from collections.abc import Iterator
from functools import partial

import msgspec

from gateway import credentials, delivery, keeper, lorawan_sources, sender
from gateway.admission import Device, Limits
from gateway.codecs import MODEL
from gateway.codecs.reader import Reader
from gateway.codecs.workshop import Codec, Desk, Workshop
from gateway.config import (
    BleSettings,
    DeviceSettings,
    ForwarderSettings,
    NetworkServerSettings,
    SerialSettings,
    Settings,
)
from gateway.crypto import CcmKey
from gateway.errors import ConfigError
from gateway.health import Health
from gateway.hearing import Plan, Source
from gateway.model import CLASSES, Intake, Stream
from gateway.mqtt import MqttSettings
from gateway.registry import LoadedDriver, LoadedModem, Registry
from gateway.transport import ble, serial

_NS_PER_S = 1_000_000_000
_SHORTEST_POLL_NS = 10 * _NS_PER_S
# Flags of devices that can be connected to and know Bluetooth LE alone (Core Specification
# Supplement, Part A, 1.3): whoever is to be polled has to be found, whatever else it advertises.
_CONNECTABLE = tuple((0x01, 0, bytes((flags,))) for flags in (0x04, 0x05, 0x06))
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_STREAM_CHARACTERS = 26  # of 5 bits: 130 bits, never the same twice


def mint_streams() -> list[Stream]:
    """Return the streams of a new run, one per class; their ids are opaque and unique."""
    return [Stream(id=_stream_id(), klass=klass) for klass in CLASSES]


def _stream_id() -> str:
    return "".join(secrets.choice(_CROCKFORD) for _ in range(_STREAM_CHARACTERS))


def devices(settings: Settings, registry: Registry, workshop: Workshop) -> Iterator[Device]:
    """Yield the listed devices, their drivers looked up and their keys ready."""
    for device in settings.devices:
        yield Device(
            address=device.address,
            urn=settings.urn(device),
            name=device.name or "",
            klass=device.klass,
            driver=_codec(device, workshop) or _driver(device, registry),
            poll=_poll_driver(device, registry),
            key=CcmKey(device.key.key_bytes) if device.key else None,
            session=lorawan_sources.session(device),
            payload_hex=device.payload == "hex",
            limits=_limits(settings, device),
        )


def _codec(device: DeviceSettings, workshop: Workshop) -> LoadedDriver | None:
    """Return what reads a device with a vendor's codec, None for others."""
    given = device.codec
    if given is None:
        return None
    codec = Codec(str(given.file), given.source, given.variables, given.port)
    return LoadedDriver(
        model=MODEL,
        offload=Desk(workshop, codec),
        decode=Reader(device.address, given.rules),
        strength=0,
        file=str(given.file),
    )


def _driver(device: DeviceSettings, registry: Registry) -> LoadedDriver | None:
    """Return the driver that a device names. Raises ConfigError for one that only polls."""
    driver = registry.by_model(device.driver) if device.driver else None
    if driver is not None and driver.poll is not None and not driver.matches:
        cause = f"{device.address}: the driver {driver.model} polls: it belongs in poll"
        raise ConfigError(cause)
    return driver


def _poll_driver(device: DeviceSettings, registry: Registry) -> LoadedDriver | None:
    return registry.by_model(device.poll.driver) if device.poll else None


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
    return MqttSettings(
        host=given.host,
        port=given.port,
        client_id=settings.client_id,
        username=credentials.revealed(given.username),
        password=credentials.revealed(given.password),
        keepalive_s=given.keepalive_ns // _NS_PER_S,
        version=given.version,
        tls=credentials.tls(given.tls),
    )


def patterns(settings: Settings, registry: Registry) -> tuple[tuple[int, int, bytes], ...]:
    """Return what a passive scan has to let through: all that can be recognised.

    Where each Bluetooth device names its driver, what these match is enough. One that is polled
    also has to be found.
    """
    wanted = _recognisable(settings, registry)
    is_found = not wanted or all(device.poll is None for device in settings.devices)
    return wanted if is_found else tuple(sorted({*wanted, *_CONNECTABLE}))


def _recognisable(settings: Settings, registry: Registry) -> tuple[tuple[int, int, bytes], ...]:
    named = [_driver(d, registry) for d in settings.devices if d.medium == "ble"]
    drivers = [driver for driver in named if driver is not None]
    if len(drivers) < len(named) or not drivers:
        return registry.patterns(drivers)
    return Registry().patterns(drivers)


def polls(settings: Settings, registry: Registry, adapter: str) -> ble.Polls:
    """Return what an adapter is to poll: the first that is configured polls all."""
    adapters = [one.adapter for one in settings.transports if isinstance(one, BleSettings)]
    if adapter != adapters[0]:
        return ble.Polls()
    return ble.Polls(each=tuple(_polls(settings, registry)))


def _polls(settings: Settings, registry: Registry) -> Iterator[ble.Poll]:
    for device in settings.devices:
        driver = _poll_driver(device, registry)
        if driver is not None and driver.poll is not None and device.poll is not None:
            every_ns = device.poll.every_ns or driver.interval_s * _NS_PER_S
            yield ble.Poll(
                address=device.address,
                device=settings.urn(device),
                ask=driver.poll,
                every_ns=max(every_ns, _SHORTEST_POLL_NS),
            )


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
    settings: Settings,
    registry: Registry,
    intake: Intake,
    health: Health,
    words: ble.Words | None = None,
) -> Iterator[Source]:
    """Yield the sources of frames as configured. Raises ConfigError for what a modem refuses.

    `words`: what a transport has the next run know; None where there is none.
    """
    radio = ble.Radio(words=words or ble.NoWords())
    for source in settings.transports:
        if isinstance(source, SerialSettings):
            plan = _serial_plan(source, registry)
            make = partial(_serial, plan, intake, health)
            yield Source(source.name, plan, make)
        elif isinstance(source, ForwarderSettings):
            yield lorawan_sources.forwarders(source, intake, health)
        elif isinstance(source, NetworkServerSettings):
            yield lorawan_sources.server(source, settings, intake, health)
        else:
            scan = ble.BleSettings(
                adapter=source.adapter,
                scan=source.scan,
                rungs=ble.RUNGS[source.recovery],
                patterns=patterns(settings, registry),
                polls=polls(settings, registry, source.adapter),
            )
            listen = partial(ble.BleTransport, scan, intake, health, radio=radio)
            yield Source(source.name, BlePlan(scan), listen)


def _serial_plan(source: SerialSettings, registry: Registry) -> SerialPlan:
    modem = registry.modem(source.modem)
    try:
        modem.check(source.modem_settings, source.sender)
    except ValueError as error:  # a radio setting that this modem does not take
        cause = f"{source.name}: {source.modem}: {error}"
        raise ConfigError(cause) from None
    port = serial.SerialSettings(
        device=str(source.device),
        baud=source.baud or modem.baud,
        bauds=modem.bauds,
        modem=source.modem_settings,
        sender=None if source.sender is None else serial.SENDERS[source.sender],
        probe_after_s=source.probe_after_ns / _NS_PER_S,
        answer_limit_s=modem.answer_s,
        idle_s=modem.idle_s,
    )
    return SerialPlan(port, modem)


def _serial(plan: SerialPlan, intake: Intake, health: Health) -> serial.SerialTransport:
    return serial.SerialTransport(plan.settings, plan.modem.connect(), intake, health)
