"""Advertisements from BlueZ: scanner (bleak), watcher (dbus-fast), and a policy for both."""

from gateway.transport.ble.supervisor import BleSettings, BleTransport

__all__ = ["BleSettings", "BleTransport"]
