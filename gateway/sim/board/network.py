"""Wi-Fi and Ethernet, as connected as the world says; sockets are the world's proxy's business.

Like the chip's, a station that was told to connect goes on trying by itself, and telling it again
meanwhile is an error.
"""

import board

STA_IF = 0
AP_IF = 1
STAT_IDLE = 1000
STAT_CONNECTING = 1001
STAT_GOT_IP = 1010
STAT_BEACON_TIMEOUT = 200
STAT_NO_AP_FOUND = 201
STAT_WRONG_PASSWORD = 202
STAT_ASSOC_FAIL = 203
STAT_HANDSHAKE_TIMEOUT = 204
ETH_INITIALIZED = 0
ETH_STARTED = 1
ETH_STOPPED = 2
ETH_CONNECTED = 3
ETH_DISCONNECTED = 4
ETH_GOT_IP = 5
PHY_LAN8710 = 0
PHY_LAN8720 = 1
PHY_IP101 = 2
PHY_RTL8201 = 3

_NOT_STARTED = "Wifi Not Started"
_STATE = "Wifi Internal State Error"
_NO_ADDRESS = "0.0.0.0"  # noqa: S104 - nothing is bound

_names = ["mpy-esp32"]
_reasons = (STAT_NO_AP_FOUND, STAT_GOT_IP, STAT_WRONG_PASSWORD)


def hostname(*name):
    if name:
        _names[0] = name[0]
    return _names[0]


def country(*code):
    return code[0] if code else "XX"


class _Interface:
    _active = False

    def active(self, *wanted):
        if wanted:
            self._active = bool(wanted[0])
            if not self._active:
                self._wanted = False
        return self._active

    def ifconfig(self, *given):
        if self.isconnected():
            return ("127.0.0.1", "255.0.0.0", "127.0.0.1", "127.0.0.1")
        return (_NO_ADDRESS,) * 4

    def config(self, *names, **settings):
        return b"\x24\x0a\xc4\x00\x00\x01" if names else None  # "mac"


class WLAN(_Interface):
    """The station; one, whoever asks for it."""

    IF_STA = 0
    IF_AP = 1
    PM_NONE = 0
    PM_PERFORMANCE = 1
    PM_POWERSAVE = 2
    _one = None
    _wanted = False

    def __new__(cls, interface: int = 0):
        if cls._one is None:
            cls._one = object.__new__(cls)
        return cls._one

    def __init__(self, interface: int = 0) -> None:
        """Leave it as it is."""

    def connect(self, *credentials, bssid=None) -> None:
        if not self._active:
            raise OSError(_NOT_STARTED)
        if self._wanted and not self.isconnected():
            raise OSError(_STATE)
        self._wanted = True

    def disconnect(self) -> None:
        self._wanted = False

    def isconnected(self) -> bool:
        return self._active and self._wanted and board.wifi == 1

    def status(self, *what):
        if what:
            return -55  # "rssi"
        if not self._active or not self._wanted:
            return STAT_IDLE
        return _reasons[board.wifi]


class LAN(_Interface):
    """The wired interface."""

    def __init__(self, id: int = 0, **wiring) -> None:
        if "phy_addr" not in wiring or "phy_type" not in wiring:
            raise TypeError(wiring)

    def isconnected(self) -> bool:
        return self._active and board.ethernet == 1

    def status(self) -> int:
        if not self._active:
            return ETH_INITIALIZED
        return ETH_GOT_IP if board.ethernet else ETH_DISCONNECTED
