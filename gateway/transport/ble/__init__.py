"""Bluetooth LE from BlueZ: scanner and connection (bleak), watcher (dbus-fast), their policies."""

from gateway.transport.ble.connection import Limits
from gateway.transport.ble.ladder import RUNGS, Rung
from gateway.transport.ble.poller import Poll, Polls
from gateway.transport.ble.remedies import Remedies
from gateway.transport.ble.scanner import Scan
from gateway.transport.ble.supervisor import BleSettings, BleTransport, Radio
from gateway.transport.ble.unfinished import NoWords, Words

__all__ = [
    "RUNGS",
    "BleSettings",
    "BleTransport",
    "Limits",
    "NoWords",
    "Poll",
    "Polls",
    "Radio",
    "Remedies",
    "Rung",
    "Scan",
    "Words",
]
