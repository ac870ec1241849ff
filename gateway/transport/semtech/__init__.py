"""LoRaWAN gateways that send what they hear over Semtech's UDP packet forwarder protocol."""

from gateway.transport.semtech.forwarder import ForwarderSettings, ForwarderTransport

__all__ = ["ForwarderSettings", "ForwarderTransport"]
