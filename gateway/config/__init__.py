"""The configuration: YAML in, validated settings out, every fault at once with its place."""

from gateway.config.announced import LocationSettings, PropertySettings
from gateway.config.devices import DeviceSettings, PollSettings, RateSettings
from gateway.config.esp32 import Esp32Settings, EthernetSettings, UartSettings, WifiSettings
from gateway.config.findings import Finding, InvalidConfigError
from gateway.config.loading import DEFAULT_PATH, load, load_model, read_file
from gateway.config.lorawan import ForwarderSettings, NetworkServerSettings, SessionSettings
from gateway.config.mqtt import MqttSettings, TlsSettings
from gateway.config.quantities import Duration, Frequency, Size, duration_ns, size_bytes
from gateway.config.schema import schema_text
from gateway.config.secrets import Key, Secret
from gateway.config.section import Section
from gateway.config.settings import (
    ClockSettings,
    DeliverySettings,
    GatewaySettings,
    HttpSettings,
    IntakeSettings,
    LogSettings,
    Settings,
    StoreSettings,
)
from gateway.config.transports import BleSettings, SerialSettings, TransportSettings
from gateway.config.whereabouts import Whereabouts, whereabouts

__all__ = [
    "DEFAULT_PATH",
    "BleSettings",
    "ClockSettings",
    "DeliverySettings",
    "DeviceSettings",
    "Duration",
    "Esp32Settings",
    "EthernetSettings",
    "Finding",
    "ForwarderSettings",
    "Frequency",
    "GatewaySettings",
    "HttpSettings",
    "IntakeSettings",
    "InvalidConfigError",
    "Key",
    "LocationSettings",
    "LogSettings",
    "MqttSettings",
    "NetworkServerSettings",
    "PollSettings",
    "PropertySettings",
    "RateSettings",
    "Secret",
    "Section",
    "SerialSettings",
    "SessionSettings",
    "Settings",
    "Size",
    "StoreSettings",
    "TlsSettings",
    "TransportSettings",
    "UartSettings",
    "Whereabouts",
    "WifiSettings",
    "duration_ns",
    "load",
    "load_model",
    "read_file",
    "schema_text",
    "size_bytes",
    "whereabouts",
]
