"""Packets from a modem on a serial port: the port (pyserial), and what keeps it open."""

from gateway.transport.serial.supervisor import Modem, SerialSettings, SerialTransport

__all__ = ["Modem", "SerialSettings", "SerialTransport"]
