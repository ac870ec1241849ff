"""The names of the org.bluez D-Bus interface and its errors (doc/org.bluez.*.rst of BlueZ)."""

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

DOES_NOT_EXIST = "org.bluez.Error.DoesNotExist"
ALREADY_EXISTS = "org.bluez.Error.AlreadyExists"
FAILED = "org.bluez.Error.Failed"
IN_PROGRESS = "org.bluez.Error.InProgress"
NOT_CONNECTED = "org.bluez.Error.NotConnected"
NOT_PERMITTED = "org.bluez.Error.NotPermitted"
NOT_READY = "org.bluez.Error.NotReady"
NOT_SUPPORTED = "org.bluez.Error.NotSupported"
INVALID_ARGUMENTS = "org.freedesktop.DBus.Error.InvalidArgs"
UNKNOWN_METHOD = "org.freedesktop.DBus.Error.UnknownMethod"
UNKNOWN_OBJECT = "org.freedesktop.DBus.Error.UnknownObject"


def adapter_path(adapter: str) -> str:
    """Return the object path of an adapter: hci0 -> /org/bluez/hci0."""
    return f"{ROOT}/{adapter}"


def device_path(adapter: str, address: str) -> str:
    """Return the object path of a device as one adapter sees it."""
    return f"{ROOT}/{adapter}/dev_{address.upper().replace(':', '_')}"


def adapter_of(path: str) -> str:
    """Return the adapter's name in an object path below it."""
    return path.split("/", 4)[3]
