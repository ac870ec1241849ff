"""Names of gateways and devices as topics and messages carry them; `urn:dev:mac` is RFC 9039's."""

_SLUG = "abcdefghijklmnopqrstuvwxyz0123456789-"
_MAX_SLUG = 64
_HEX = "0123456789abcdef"
_EUI48 = 12
_EUI64 = 16


def is_slug(text: str) -> bool:
    """Whether the text is a topic level of ours: `[a-z0-9-]{1,64}`."""
    return 0 < len(text) <= _MAX_SLUG and not text.strip(_SLUG)


def eui64_urn(address: str) -> str:
    """Return the URN of a MAC address or an EUI-64, written with colons, hyphens or neither.

    An EUI-48 is widened by fffe in its middle. Raises ValueError for anything else.
    """
    digits = address.lower().replace(":", "").replace("-", "")
    if digits.strip(_HEX) or len(digits) not in (_EUI48, _EUI64):
        message = f"{address!r} is neither an EUI-48 nor an EUI-64"
        raise ValueError(message)
    if len(digits) == _EUI48:
        digits = digits[:6] + "fffe" + digits[6:]
    return "urn:dev:mac:" + digits


def node_urn(org: str, name: str) -> str:
    """Return the URN of a device that has no EUI: its configured id within the organisation."""
    return f"ugw:{org}:{name}"


def topic_level(device: str) -> str:
    """Return a device's level in a topic: its id without the scheme, `:` replaced by `-`.

    `urn:dev:mac:a4c138fffe1b2c3d` is `mac-a4c138fffe1b2c3d`, `ugw:kiel:bin-07` is `bin-07`.
    """
    scheme = "urn:dev:" if device.startswith("urn:dev:") else device[: device.find(":", 4) + 1]
    return device[len(scheme) :].replace(":", "-")
