"""Why an adapter cannot scan, and what a person does about it.

Pure: from what was seen to one sentence, the remedy in it.
"""

import msgspec

from gateway.errors import TransportError

IN_PROGRESS = "org.bluez.Error.InProgress"
_ACCESS_DENIED = "org.freedesktop.DBus.Error.AccessDenied"

_NO_REPLY = "org.freedesktop.DBus.Error.NoReply"
NOT_ANSWERING = "bluetoothd does not answer: systemctl restart bluetooth"

# What BlueZ answers when it cannot scan, in an installer's words.
_REFUSALS = {
    _NO_REPLY: NOT_ANSWERING,
    IN_PROGRESS: "BlueZ is busy with an earlier scan: if it stays so, systemctl restart bluetooth",
    "org.bluez.Error.NotReady": "the adapter is not ready: bluetoothctl power on",
    _ACCESS_DENIED: "D-Bus forbids this user to use BlueZ: add the user to group bluetooth",
}


class Adapter(msgspec.Struct, frozen=True, kw_only=True):
    """One adapter as BlueZ shows it on D-Bus; by default what is known without a connection."""

    name: str = ""  # as BlueZ numbers it now; "": it is not there
    connected: bool = False  # to D-Bus
    owned: bool = False  # bluetoothd has its name on the bus
    present: bool = False
    powered: bool = False
    discovering: bool = False
    monitors: bool = False  # offers passive scanning (AdvertisementMonitorManager1)
    finds_service_data: bool = True  # in it, by its UUID
    refusal: str = ""  # D-Bus error name where BlueZ would not tell


def obstacle(adapter: Adapter, name: str, bus_address: str) -> str:
    """Return why a scan cannot be started, "" when nothing stands in the way."""
    if not adapter.connected:
        return (
            f"no D-Bus at {bus_address}: systemctl start dbus (in a container: mount its socket)"
        )
    if not adapter.owned:
        return "bluetoothd is not running: systemctl start bluetooth"
    if adapter.refusal:
        return refused(adapter.refusal, "")
    if not adapter.present:
        return f"no adapter {name}: plug it in, or choose one that bluetoothctl list shows"
    if not adapter.powered:
        return f"adapter {name} is powered off: rfkill unblock bluetooth; bluetoothctl power on"
    return ""


def silent(seconds: float, *, is_hopeless: bool) -> str:
    """Return the sentence for an adapter that hears nothing; hopeless: all was tried."""
    if is_hopeless:
        return (
            f"no advertisement for {seconds:g} s, though scan and adapter were restarted: is a"
            " sensor in range, the antenna on? If so: unplug the adapter, or restart the gateway"
        )
    return (
        f"no advertisement for {seconds:g} s, the scan is restarted: is a sensor in range, the"
        " antenna on? If so: systemctl restart bluetooth"
    )


def refused(error_name: str, text: str) -> str:
    """Return the sentence for a D-Bus error that BlueZ answered with."""
    known = _REFUSALS.get(error_name)
    return known or f"BlueZ refuses to scan: {error_name} {text}".rstrip()


class ScanError(TransportError):
    """A scan did not start; `stuck` when BlueZ may still hold one of ours."""

    def __init__(self, cause: str, *, stuck: bool = False) -> None:
        super().__init__(cause)
        self.stuck = stuck
