"""The key of a wireless network, as it goes onto a card: never the password itself.

WPA's pre-shared key is derived of password and name (IEEE 802.11, J.4.1); it opens this network
and no other. An SSID is bytes; people write it as text.
"""

import hashlib
import re
from typing import Final

from ugw_flash.seed.model import Wifi

_KEY: Final = re.compile(r"[0-9a-fA-F]{64}")
_ROUNDS, _KEY_BYTES = 4096, 32
_SSID_BYTES: Final = 32
_PASSWORD: Final = re.compile(r"[\x20-\x7e]{8,63}")


def faults(wifi: Wifi) -> list[str]:
    """Say what no wireless network has."""
    found: list[str] = []
    if not 1 <= len(wifi.ssid.encode()) <= _SSID_BYTES or not wifi.ssid.isprintable():
        found.append(f"ssid: the name of a network has 1 to {_SSID_BYTES} printable bytes")
    if not re.fullmatch(r"[A-Z]{2}", wifi.country):
        found.append("country: a country is needed by its two letters, as DE")
    password = wifi.password
    if password is not None and not (
        _PASSWORD.fullmatch(password.reveal()) or _KEY.fullmatch(password.reveal())
    ):
        found.append(
            f"password ({password.reference}): 8 to 63 characters without accents are needed, or "
            "the key itself, 64 hexadecimal digits"
        )
    return found


def key(wifi: Wifi) -> str | None:
    """Return the pre-shared key as 64 hexadecimal digits; None for an open network."""
    if wifi.password is None:
        return None
    password = wifi.password.reveal()
    if _KEY.fullmatch(password):
        return password.lower()
    derived = hashlib.pbkdf2_hmac(
        "sha1", password.encode(), wifi.ssid.encode(), _ROUNDS, _KEY_BYTES
    )
    return derived.hex()
