"""The two files a board is given, read and checked, with the secrets they speak of.

An overlay of the start. What cannot be used is told by file, key and remedy, never with its value:
that may be a secret. Secrets come out of the chip's own memory (NVS) and stay bytes.
"""

import io
import json

TYPE_CHECKING = False  # MicroPython has no typing; the build leaves all of this out
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Protocol

    class NVS(Protocol):
        """The chip's own memory, as its firmware has it."""

        def get_blob(self, name: str, buffer: bytearray) -> int:
            """Copy what stands under a name; OSError: nothing does."""


_SITE_BYTES = 8192
_LINE_BYTES = 2048  # one device at most
_MOST_DEVICES = 256
_SECRET_BYTES = 128  # the longest that stays in memory; a TLS key is read when it is needed

# Key, kind, least, most (of a text, list or group: its length), and what is assumed, as JSON;
# without that it has to be there. A kind may be the words allowed. What stands in a group that is
# null is not looked at.
_SITE = """\
org str 1 64
gateway str 1 64
root str 1 256
client_id str 1 128
software str 1 128
about str 0 8192 ""
session int 0 9007199254740991 0
mqtt dict 1 16
mqtt.host str 1 253
mqtt.port int 1 65535
mqtt.user str 0 128 ""
mqtt.keepalive_s int 5 3600 30
mqtt.tls bool 0 1 true
network dict 1 8
network.ssid str 0 32 ""
network.hostname str 1 32 "ugw"
network.ethernet dict 1 24 null
time dict 0 8 {}
time.servers list 1 4 ["pool.ntp.org"]
time.port int 1 65535 123
time.trust_rtc bool 0 1 false
ble dict 0 8 null
ble.name str 1 64 "ble"
ble.scan active|passive 0 0 "passive"
ble.window_ms int 1000 60000 10000
uarts list 0 3 []
delivery dict 0 16 {}
delivery.commit_after_ms int 100 60000 700
delivery.live_max_age_ms int 1000 86400000 60000
delivery.pace_ms int 0 10000 20
delivery.window int 1 20 8
delivery.ack_timeout_ms int 1000 120000 10000
delivery.min_rate int 10 1000000 500
delivery.store_bytes int 16384 268435456 524288
intake dict 0 8 {}
intake.repeat_window_ms int 0 3600000 60000
intake.burst int 1 1000 10
intake.per_minute int 1 60000 60
led_pin int 0 48 null
watchdog_s int 10 3600 60
update bool 0 1 false
"""
_UART = """\
name str 1 64
modem str 1 64
uart int 0 4
tx int 0 54
rx int 0 54
baud int 300 921600 115200
settings dict 0 32 {}
sender byte|word 0 0 null
"""
_DEVICE = """\
address str 6 64
urn str 1 256
class routine|event 0 0 "routine"
driver str 1 64 null
drivers list 1 32 null
key str 1 15 null
expected_interval_s int 1 31536000 null
poll str 1 64 null
poll_s int 10 2678400 3600
"""


class SettingsError(ValueError):
    """What is wrong where, and what to do about it."""


class Site:
    """What site.json says, by its keys, with what it leaves out filled in; `path`: where it is."""


def load(root: str, nvs: "NVS") -> Site:
    """Read site.json below `root`."""
    name = "site.json"
    try:
        with open(root + "/site/" + name, "rb") as file:
            text = file.read(_SITE_BYTES)
    except OSError:
        raise _wrong(name, "is not on the board") from None
    tree = _parsed(name, text)
    _check(name, tree, _SITE)
    for number, uart in enumerate(tree["uarts"]):
        _check(f"{name}: uarts[{number}]", uart, _UART)
    network, mqtt = tree["network"], tree["mqtt"]
    if not network["ssid"] and not network["ethernet"]:
        raise _wrong(name + ": network.ssid", "is missing, and so is network.ethernet")
    network["psk"] = _secret(nvs, "wifi_psk") if network["ssid"] else b""
    mqtt["password"] = _secret(nvs, "mqtt_pass") if mqtt["user"] else b""
    site = Site()
    site.path = root
    for key in tree:
        setattr(site, key, tree[key])
    return site


def devices(root: str, nvs: "NVS") -> "Iterator[dict[str, Any]]":
    """Yield each device of devices.jsonl, its key as bytes; one line is in memory at a time."""
    name = "devices.jsonl"
    try:
        file = open(root + "/site/" + name, "rb")  # noqa: SIM115
    except OSError:
        raise _wrong(name, "is not on the board") from None
    with file:
        for number in range(1, _MOST_DEVICES + 1):
            line = file.readline(_LINE_BYTES)
            if not line:
                return
            yield _device(f"{name} line {number}", line, nvs)
        if file.readline(1):
            raise _wrong(name, f"lists more than {_MOST_DEVICES} devices")


def _device(where: str, line: bytes, nvs: "NVS") -> "dict[str, Any]":
    device = _parsed(where, line)
    _check(where, device, _DEVICE)
    if device["key"]:
        key = _secret(nvs, device["key"])
        if not key:
            raise _wrong(where + ": key", "names nothing in the chip's memory")
        device["key"] = key
    return device


def _parsed(where: str, text: bytes) -> "Any":  # noqa: ANN401 - JSON
    """Parse JSON. MicroPython's takes what ends too early too: then a brace more is no error."""
    try:
        tree = json.loads(text)
    except ValueError:
        raise _wrong(where, "is damaged") from None
    try:
        json.loads(text + b"}")
    except ValueError:
        return tree
    raise _wrong(where, "is damaged: it ends too early")


def _secret(nvs: "NVS", name: str) -> bytes:
    """Return a secret, empty if the chip holds none of that name."""
    buffer = bytearray(_SECRET_BYTES)
    try:
        return bytes(buffer[: nvs.get_blob(name, buffer)])
    except OSError:
        return b""


def _check(where: str, tree: object, table: str) -> None:
    """Hold a tree against a table, and fill in what is left out."""
    if not isinstance(tree, dict):
        raise _wrong(where, "must be a group of keys")
    for row in io.StringIO(table):
        path, kind, least, most, *assumed = row.split()
        group: dict[str, Any] | None = tree
        key = path
        if "." in path:
            above, key = path.split(".")
            group = tree[above]
        if group is None:
            continue
        if group.get(key) is not None:
            if not _fits(group[key], kind, int(least), int(most)):
                raise _wrong(where + ": " + path, _wanted(kind, least, most))
        elif assumed:
            group[key] = json.loads(assumed[0])
        else:
            raise _wrong(where + ": " + path, "is missing")


def _fits(value: "int | str", kind: str, least: int, most: int) -> bool:
    if "|" in kind:
        return value in kind.split("|")
    if type(value).__name__ != kind:
        return False
    return least <= (value if isinstance(value, (int, bool)) else len(value)) <= most


def _wanted(kind: str, least: str, most: str) -> str:
    if "|" in kind:
        return "must be " + kind.replace("|", " or ")
    names = {"int": "a whole number", "str": "a text", "list": "a list", "dict": "a group of keys"}
    if kind not in names:
        return "must be true or false"
    return (
        f"must be {names[kind]}" + (" of " if kind != "int" else " from ") + f"{least} to {most}"
    )


def _wrong(where: str, what: str) -> SettingsError:
    return SettingsError(f"{where} {what}; correct gateway.yaml and write the board again")
