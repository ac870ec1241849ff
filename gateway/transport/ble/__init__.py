"""Bluetooth LE from BlueZ: scanner and connection (bleak), watcher (dbus-fast), their policies."""

from gateway.transport.ble.connection import Limits
from gateway.transport.ble.poller import Poll, Polls
from gateway.transport.ble.scanner import Scan
from gateway.transport.ble.supervisor import BleSettings, BleTransport, Radio

__all__ = ["BleSettings", "BleTransport", "Limits", "Poll", "Polls", "Radio", "Scan"]
