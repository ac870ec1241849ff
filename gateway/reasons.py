"""What a broker's reason codes mean (MQTT 5, 2.4), in its standard's words and with our remedies.

Pure: from a code to an Outcome or to the UplinkError that tells of it.
"""

from typing import Final

from gateway.errors import UplinkError
from gateway.model import Outcome

UNSUPPORTED_VERSION: Final = 0x84

# Reason codes of PUBACK (MQTT 5, 3.4.2.1).
_PUBACK: Final = {
    0x10: "No matching subscribers",
    0x80: "Unspecified error",
    0x83: "Implementation specific error",
    0x87: "Not authorized",
    0x90: "Topic Name invalid",
    0x91: "Packet identifier in use",
    0x97: "Quota exceeded",
    0x99: "Payload format invalid",
}

# Reason codes of CONNACK (MQTT 5, 3.2.2.2) and of DISCONNECT (3.14.2.1) as brokers send it.
_ENDS: Final = {
    0x00: "Normal disconnection",
    0x04: "Disconnect with will message",
    0x80: "Unspecified error",
    0x81: "Malformed packet",
    0x82: "Protocol error",
    0x83: "Implementation specific error",
    UNSUPPORTED_VERSION: "Unsupported protocol version",
    0x85: "Client identifier not valid",
    0x86: "Bad user name or password",
    0x87: "Not authorized",
    0x88: "Server unavailable",
    0x89: "Server busy",
    0x8A: "Banned",
    0x8B: "Server shutting down",
    0x8C: "Bad authentication method",
    0x8D: "Keep alive timeout",
    0x8E: "Session taken over",
    0x8F: "Topic filter invalid",
    0x90: "Topic name invalid",
    0x93: "Receive maximum exceeded",
    0x94: "Topic alias invalid",
    0x95: "Packet too large",
    0x96: "Message rate too high",
    0x97: "Quota exceeded",
    0x98: "Administrative action",
    0x99: "Payload format invalid",
    0x9A: "Retain not supported",
    0x9B: "QoS not supported",
    0x9C: "Use another server",
    0x9D: "Server moved",
    0x9E: "Shared subscription not supported",
    0x9F: "Connection rate exceeded",
    0xA0: "Maximum connect time",
    0xA1: "Subscription identifiers not supported",
    0xA2: "Wildcard subscription not supported",
}

_REMEDY: Final = {
    0x85: "choose another mqtt.client_id",
    0x86: "check mqtt.username and mqtt.password",
    0x87: "check mqtt.username and mqtt.password; or the broker does not admit this client id",
    0x8A: "the broker has banned this gateway",
    0x8E: "another client uses the same mqtt.client_id: give each gateway its own",
    0x9A: "the broker must allow retained messages: status is one",
}

_TLS_ALERT: Final = 0x15  # of a record (RFC 8446, 5.1): what we said was no TLS to them
_TWICE: Final = "if it comes back: is mqtt.client_id used twice?"


class VersionRefusedError(UplinkError):
    """The broker says in so many words that it does not speak MQTT 5."""


def outcome(code: int) -> Outcome:
    """Return what a PUBACK says."""
    return Outcome(code, _PUBACK.get(code) or _nameless(code) if code else "")


def _nameless(code: int) -> str:
    return f"reason code 0x{code:02x}"


def refused(where: str, code: int) -> UplinkError:
    """Return what a CONNACK says that lets nobody in."""
    cause = f"{where} refused the connection: {_ENDS.get(code) or _nameless(code)}"
    if code == UNSUPPORTED_VERSION:
        return VersionRefusedError(cause, "set mqtt.version to 3.1.1")
    return UplinkError(cause, _REMEDY.get(code, ""))


def disconnected(code: int) -> UplinkError:
    """Return what a broker's DISCONNECT says."""
    cause = f"the broker disconnected: {_ENDS.get(code) or _nameless(code)}"
    return UplinkError(cause, _REMEDY.get(code, ""))


def hint(*, accepted: bool, tls: bool) -> str:
    """Return what to look into when a connection ends without a word, before CONNACK or after."""
    if accepted:
        return _TWICE
    wanted = "a certificate (mqtt.tls.cert)" if tls else "TLS (mqtt.tls)"
    return f"does the broker want {wanted}, or another mqtt.version?"


def no_answer(where: str) -> UplinkError:
    """Return what there is to say of a broker that never sends CONNACK."""
    return UplinkError(
        f"{where} does not answer", "is it an MQTT broker, and is the way to it open?"
    )


def no_mqtt(where: str, first: int) -> UplinkError:
    """Return what there is to say where something else came for CONNACK, by its first byte."""
    remedy = "is it the broker's port? or does the network want a login first (captive portal)?"
    if first == _TLS_ALERT:
        remedy = hint(accepted=False, tls=False)
    return UplinkError(f"{where} answers, but not with MQTT", remedy)


def too_silent(*, tls: bool) -> UplinkError:
    """Return what there is to say of a broker that gives no sign of life any more."""
    return UplinkError("the connection ended: Keep alive timeout", hint(accepted=True, tls=tls))
