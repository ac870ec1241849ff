"""Joining a network: one attempt, and in words what became of it.

An overlay of the link. Nothing here waits longer than the chip takes to switch its radio on.
Facts are of ports/esp32/network_wlan.c and network_lan.c: `reconnects` bounds the station's own
tries, which know no pause; `status` tells the reason of the last failure once they are used up.
The chip sends where the access point's country allows: there is no country to be set.
"""

import network
from machine import Pin

from gateway.esp32.console import say

TYPE_CHECKING = False  # MicroPython has no typing; the build leaves all of this out
if TYPE_CHECKING:
    from typing import Any

    from gateway.esp32.link import Link

_TRIES = 2  # of the station's own
_WRONG_PASSWORD = (
    15,
    202,
    204,
    205,
)  # reasons of the IDF: the handshake fails in one way or other
_NOT_FOUND = (201, 210, 211, 212)
_SILENT = 200
_NO_ADDRESS = "joined, but the network gives no address (DHCP)"
_PINS = ("mdc", "mdio", "reset", "power", "ref_clk", "cs", "int")


def begin(link: "Link") -> None:
    """Begin an attempt. What the chip refuses at once is kept for `end` to tell."""
    settings = link.site.network
    network.hostname(settings["hostname"])
    link.refusal = ""
    if not link.nic:
        link.nic = network.WLAN()
    try:
        if settings["ethernet"]:
            _wire(link, settings["ethernet"])
        else:
            _station(link, settings["ssid"], settings["psk"])
    except (OSError, ValueError, TypeError, AttributeError) as error:
        link.refusal = f"the chip refuses what the network's settings ask for ({error})"


def _station(link: "Link", ssid: str, psk: bytes) -> None:
    nic = link.nic
    nic.active(False)  # to connect while it still tries is an error
    nic.active(True)
    nic.config(reconnects=_TRIES)
    if not link.site.ble:  # where Bluetooth is on too, a Wi-Fi that never sleeps aborts the chip
        nic.config(pm=nic.PM_NONE)
    nic.connect(ssid, psk)


def _wire(link: "Link", settings: "dict[str, Any]") -> None:
    if _is_station(link):  # which stood there until now
        wiring = {key: _part(key, value) for key, value in settings.items()}
        link.nic = network.LAN(**wiring)
    link.nic.active(True)


def _part(key: str, value: "Any") -> object:  # noqa: ANN401 - whatever stands in site.json
    """Make of a number or a name what the chip's network.LAN wants to be given."""
    if key == "spi":
        from machine import SPI

        pins = {name: Pin(value[name]) for name in ("sck", "mosi", "miso") if name in value}
        return SPI(value["id"], **pins)
    if key in _PINS:
        return Pin(value)
    return getattr(network, value) if key == "phy_type" and isinstance(value, str) else value


def came(link: "Link") -> None:
    """Say that there is an address."""
    link.up, link.cause = True, ""
    say("network up", address=link.nic.ifconfig()[0])


def end(link: "Link") -> None:
    """Say why there is no network, or no more, and leave the air to others."""
    cause = link.refusal or (_why_station(link) if _is_station(link) else _why_wired(link))
    if cause != link.cause:
        say("network down", cause=cause)
    link.up, link.cause = False, cause
    if _is_station(link):
        link.nic.active(False)


def _is_station(link: "Link") -> bool:
    return hasattr(link.nic, "connect")


def _why_station(link: "Link") -> str:
    status = link.nic.status()
    if status in _NOT_FOUND:
        return f"no Wi-Fi named {link.site.network['ssid']} that this board can join is in reach"
    if status in _WRONG_PASSWORD:
        return "the Wi-Fi does not take the password"
    if status == _SILENT:
        return "the access point fell silent"
    try:
        link.nic.status("rssi")  # an error unless associated
    except OSError:
        return f"the access point does not let us in (reason {status})"
    return _NO_ADDRESS


def _why_wired(link: "Link") -> str:
    if link.nic.status() == network.ETH_CONNECTED:
        return _NO_ADDRESS
    return "the cable is not plugged in, or nothing is at its other end"
