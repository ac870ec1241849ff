"""Packets from a modem on a serial port: the port (pyserial), and what keeps it open."""

from gateway.transport.serial.port import (
    LineErrors,
    Open,
    OpenPort,
    PortError,
    Received,
    why_failed,
)
from gateway.transport.serial.senders import SENDERS, Sender
from gateway.transport.serial.supervisor import SerialSettings, SerialTransport

__all__ = [
    "SENDERS",
    "LineErrors",
    "Open",
    "OpenPort",
    "PortError",
    "Received",
    "Sender",
    "SerialSettings",
    "SerialTransport",
    "why_failed",
]
