"""The names of the org.bluez D-Bus interface and its errors (BlueZ doc, src/error.c)."""

from functools import lru_cache

SERVICE = "org.bluez"
ROOT = "/org/bluez"

OBJECT_MANAGER = "org.freedesktop.DBus.ObjectManager"
PROPERTIES = "org.freedesktop.DBus.Properties"
INTROSPECTABLE = "org.freedesktop.DBus.Introspectable"

ADAPTER = "org.bluez.Adapter1"
DEVICE = "org.bluez.Device1"
GATT_SERVICE = "org.bluez.GattService1"
GATT_CHARACTERISTIC = "org.bluez.GattCharacteristic1"
MONITOR_MANAGER = "org.bluez.AdvertisementMonitorManager1"
MONITOR = "org.bluez.AdvertisementMonitor1"
AGENT_MANAGER = "org.bluez.AgentManager1"
BEARER = "org.bluez.Bearer.LE1"

DOES_NOT_EXIST = "org.bluez.Error.DoesNotExist"
ALREADY_EXISTS = "org.bluez.Error.AlreadyExists"
FAILED = "org.bluez.Error.Failed"
IN_PROGRESS = "org.bluez.Error.InProgress"
NOT_CONNECTED = "org.bluez.Error.NotConnected"
NOT_PERMITTED = "org.bluez.Error.NotPermitted"
NOT_READY = "org.bluez.Error.NotReady"
NOT_SUPPORTED = "org.bluez.Error.NotSupported"
AUTHENTICATION_FAILED = "org.bluez.Error.AuthenticationFailed"
CONNECTION_ATTEMPT_FAILED = "org.bluez.Error.ConnectionAttemptFailed"
INVALID_ARGUMENTS = "org.bluez.Error.InvalidArguments"

INVALID_ARGS = "org.freedesktop.DBus.Error.InvalidArgs"
INVALID_SIGNATURE = "org.freedesktop.DBus.Error.InvalidSignature"
PROPERTY_READ_ONLY = "org.freedesktop.DBus.Error.PropertyReadOnly"
UNKNOWN_METHOD = "org.freedesktop.DBus.Error.UnknownMethod"
UNKNOWN_OBJECT = "org.freedesktop.DBus.Error.UnknownObject"
UNKNOWN_PROPERTY = "org.freedesktop.DBus.Error.UnknownProperty"

_PATHS_KEPT = 16384


def adapter_path(adapter: str) -> str:
    """Return the object path of an adapter: hci0 -> /org/bluez/hci0."""
    return f"{ROOT}/{adapter}"


@lru_cache(_PATHS_KEPT)
def device_path(adapter: str, address: str) -> str:
    """Return the object path of a device as one adapter sees it."""
    return f"{ROOT}/{adapter}/dev_{address.upper().replace(':', '_')}"


def adapter_of(path: str) -> str:
    """Return the adapter's name in an object path below it."""
    return path.split("/", 4)[3]
