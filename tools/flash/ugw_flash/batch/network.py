"""How one gateway reaches the platform: what its row says, else its profile.

A password belongs to the network it was written beside: a row that names its own network never
gets the profile's password.
"""

from collections.abc import Mapping
from typing import Final

from gateway.config.findings import Finding, InvalidConfigError
from gateway.config.secrets import Secret
from ugw_flash.batch.model import Row
from ugw_flash.profile import Opened, reveal
from ugw_flash.seed.model import Address, Wifi

_PASSWORD: Final = range(8, 64)  # characters of a WPA passphrase


def kind_of(row: Row, opened: Opened) -> str:
    """Return ethernet or wifi."""
    return row.network or opened.profile.network.kind


def wifi_of(
    row: Row, opened: Opened, environ: Mapping[str, str], findings: list[Finding]
) -> Wifi | None:
    """Return the wireless network, if it is one; what it lacks goes to `findings`."""
    network = opened.profile.network
    if kind_of(row, opened) != "wifi":
        findings += [
            row.finding(column, "of no use: its network is ethernet")
            for column, text in (("ssid", row.ssid), ("wifi_password", row.wifi_password))
            if text
        ]
        return None
    ssid = row.ssid or network.ssid
    if not ssid:
        findings.append(row.finding("ssid", "required when network is wifi"))
    if not network.country and opened.profile.kind == "pi":
        why = "the profile says not where it hangs (network.country): radios stay off without it"
        findings.append(row.finding("network", why))
    if row.wifi_password and not row.ssid:
        findings.append(row.finding("ssid", "required with wifi_password: a password of which?"))
    password = _password(row, opened, environ, findings)
    return Wifi(ssid or "", password, network.country or "")


def _password(
    row: Row, opened: Opened, environ: Mapping[str, str], findings: list[Finding]
) -> Secret | None:
    profile = opened.profile.network
    column = "wifi_password"
    try:
        if row.wifi_password:
            secret = reveal(row.wifi_password, opened.path.parent, environ)
        elif profile.password and not row.ssid:
            column = "network"
            secret = opened.reveal(profile.password, environ)
        else:
            return None
    except InvalidConfigError as error:
        findings += [
            row.finding(column, f"{found.file}: {found.message}") for found in error.findings
        ]
        return None
    text = secret.reveal()
    if len(text) not in _PASSWORD or not text.isascii() or not text.isprintable():
        why = f"{secret.reference} holds no password of a network: 8 to 63 ASCII characters"
        findings.append(row.finding(column, why))
    return secret


def address_of(row: Row) -> Address | None:
    """Return the fixed address; None: it comes by DHCP."""
    return Address(row.address, row.gateway_ip, row.dns) if row.address else None
