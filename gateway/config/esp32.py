"""What only a gateway on an ESP32 has: its network, its pins, its flash.

With this section a configuration describes a board. A Raspberry Pi ignores it, with a note; `ugw
flash` says at once what else in the configuration no ESP32 can do.
"""

import re
from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal, cast

from pydantic import AfterValidator, Field

from gateway.config.quantities import Duration, Size, duration_ns, size_bytes
from gateway.config.secrets import Secret
from gateway.config.section import (
    AbsolutePath,
    Fault,
    Label,
    Section,
    Slug,
    Whole,
    Written,
    fault,
)

_HOST: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_SSID_BYTES: Final = 32
# Pins that are wired to flash or PSRAM, and the first of those that are inputs only (datasheets).
_TAKEN_PINS: Final = {
    "esp32": (range(6, 12), 34),
    "esp32-wrover": ((*range(6, 12), 16, 17), 34),
    "esp32-s3": (range(26, 33), 49),
}
_CONSOLE: Final = 0  # the UART an installer reads

Pin = Annotated[Whole, Field(ge=0, le=48)]


def _ssid(name: str) -> str:
    if not 0 < len(name.encode()) <= _SSID_BYTES:
        message = f"the name of a network has 1 to {_SSID_BYTES} bytes"
        raise fault(message)
    return name


def _time_server(name: str) -> str:
    if not _HOST.fullmatch(name):
        message = "a host name or an IPv4 address is needed, without port"
        raise fault(message)
    return name


class WifiSettings(Section):
    """The wireless network."""

    ssid: Annotated[Label, AfterValidator(_ssid)]
    """Its name; 2.4 GHz, for an ESP32 has no other."""
    password: Secret | None = None
    """Its password, by reference; without it the network is an open one."""


class EthernetSettings(Section):
    """The wired network of boards that have one, with the pins of the chip's own interface."""

    phy: Literal["lan8710", "lan8720", "ip101", "rtl8201", "dp83848", "ksz8041", "ksz8081"]
    """The transceiver on the board."""
    phy_addr: Whole = Field(default=1, ge=0, le=31)
    """Its address."""
    mdc: Pin = 23
    """Pin of its clock line."""
    mdio: Pin = 18
    """Pin of its data line."""
    power: Pin | None = None
    """Pin that switches it on, where there is one."""
    ref_clk: Pin | None = None
    """Pin of the 50 MHz clock, where it is not the usual one."""
    ref_clk_mode: Literal["in", "out"] | None = None
    """Whether the clock comes from the board or from the chip."""


class UartSettings(Section):
    """The UART and the pins of a serial transport."""

    device: AbsolutePath
    """The `device` of the transport it is for, whatever it is called there."""
    uart: Whole = Field(default=1, ge=0, le=2)
    """The chip's UART; 0 is the console's."""
    tx: Pin
    """Pin that sends: to the modem's RX."""
    rx: Pin
    """Pin that receives: from the modem's TX."""

    @classmethod
    def faults_across(cls, written: Written) -> Iterator[Fault]:
        """Refuse the console's UART, and one pin for two."""
        if written.get("uart") == _CONSOLE:
            yield ("uart",), "UART 0 is the console: use 1 or 2"
        tx = written.get("tx")
        if tx is not None and tx == written.get("rx"):
            yield ("rx",), "sends and receives on one pin"


class Esp32Settings(Section):
    """A gateway on an ESP32; ignored on a Raspberry Pi."""

    chip: Literal["esp32", "esp32-wrover", "esp32-s3"] = "esp32"
    """The module: a WROVER is an ESP32 with PSRAM. It tells which pins are free."""
    wifi: WifiSettings | None = None
    """The wireless network; either this or ethernet."""
    ethernet: EthernetSettings | None = None
    """The wired network."""
    hostname: Slug | None = None
    """What the network calls the board; by default the gateway's id."""
    time_servers: list[Annotated[str, AfterValidator(_time_server)]] = Field(
        min_length=1, max_length=4
    )
    """Whom it asks for the time (SNTP): without it, what it sends has no date."""
    uarts: list[UartSettings] = Field(default_factory=list[UartSettings], max_length=2)
    """Where the modems of the serial transports are connected."""
    drivers: list[Label] = Field(default_factory=list[Label], max_length=8)
    """Drivers that are put on the board for Bluetooth LE devices that name none: among these it is
    found by what a device sends. Each takes memory."""
    store_bytes: Annotated[int, Size("32kB", "8MB")] = Field(
        default=size_bytes("512KiB"), alias="store"
    )
    """The most that what waits may take of the flash; it stands for `store.max_size`."""
    led_pin: Pin | None = None
    """Pin of a status LED."""
    watchdog_ns: Annotated[int, Duration("10s", "10min")] = Field(
        default=duration_ns("60s"), alias="watchdog"
    )
    """A part that hangs for longer restarts the board."""
    update_key: AbsolutePath | None = None
    """PEM file of the public key that vouches for updates over the air (`ugw flash keygen`);
    without it the board takes none. Only for boards with PSRAM: they have the agent as files."""

    @classmethod
    def faults_across(cls, written: Written) -> Iterator[Fault]:
        """Refuse a board without a network, and one UART or pin for two."""
        given = [key for key in ("wifi", "ethernet") if written.get(key) is not None]
        if not given:
            yield ("wifi",), "wifi or ethernet is needed"
        if len(given) > 1:
            yield ("ethernet",), "either wifi or ethernet, not both"
        uarts = [*_listed(written.get("uarts"))]
        yield from _taken_twice(uarts)
        yield from _wired(uarts, str(written.get("chip", "esp32")))


def _listed(uarts: Any) -> Iterator[tuple[int, dict[str, object]]]:  # noqa: ANN401 - whatever stands in the document
    for number, item in enumerate(cast("list[object]", uarts) if isinstance(uarts, list) else ()):
        if isinstance(item, dict):
            yield number, cast("dict[str, object]", item)


def _wired(uarts: list[tuple[int, dict[str, object]]], chip: str) -> Iterator[Fault]:
    """Find pins that a modem cannot have on this chip."""
    wired, inputs = _TAKEN_PINS.get(chip, ((), 49))
    for number, each in uarts:
        for key in ("tx", "rx"):
            if each.get(key) in wired:
                why = f"pin {each[key]} of an {chip} is wired to its flash or PSRAM"
                yield ("uarts", number, key), why
        tx = each.get("tx")
        if isinstance(tx, int) and tx >= inputs:
            yield ("uarts", number, "tx"), f"pins from {inputs} on are inputs only"


def _taken_twice(uarts: list[tuple[int, dict[str, object]]]) -> Iterator[Fault]:
    first: dict[tuple[str, object], int] = {}
    for number, each in uarts:
        for key, kind in (("device", "device"), ("uart", "uart"), ("tx", "pin"), ("rx", "pin")):
            value = each.get(key, 1 if key == "uart" else None)
            before = first.setdefault((kind, str(value)), number)
            if before != number and value is not None:
                yield ("uarts", number, key), f"taken already, by item {before + 1}"
