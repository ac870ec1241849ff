"""Uplinks that a LoRaWAN network server has opened already, read from its MQTT broker."""

from gateway.transport.network_server.events import READERS
from gateway.transport.network_server.listener import (
    NetworkServerSettings,
    NetworkServerTransport,
)

__all__ = ["READERS", "NetworkServerSettings", "NetworkServerTransport"]
