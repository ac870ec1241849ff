"""What customises an image from before cloud-init: cmdline.txt runs firstrun.sh at the first boot.

The script is the same for all (firstrun.sh beside this); what differs stands in ugw/settings,
quoted for a shell, and in a connection for NetworkManager. cmdline.txt stays one line.
"""

import ipaddress
import re
import shlex
import uuid
from collections.abc import Iterator
from typing import Final

from ugw_flash.outcome import BadMaterialError
from ugw_flash.seed import wireless
from ugw_flash.seed.cloud_init import BOOT
from ugw_flash.seed.model import Seed

# With /boot/firmware, and not /boot as Imager has it: for that the initramfs of Debian 12 rewrites
# script and line, and starts anew (raspberrypi-sys-mods, imager_fixup). A failure starts anew too:
# by default it would shut down.
TRIGGER: Final = (
    f"systemd.run={BOOT}/firstrun.sh",
    "systemd.run_success_action=reboot",
    "systemd.run_failure_action=reboot",
    "systemd.unit=kernel-command-line.target",
)
REGULATORY_DOMAIN: Final = "cfg80211.ieee80211_regdom="
# What an earlier customisation left: a trigger, or an instance for cloud-init that beats ours.
_EARLIER: Final = re.compile(
    r"systemd\.(run|unit)\S*|ds=nocloud\S*|cfg80211\.ieee80211_regdom=\S*"
)
_MOST: Final = 1024  # bytes of the kernel's command line that the firmware takes for certain
_PLAIN: Final = re.compile(r"[A-Za-z0-9_.-]([A-Za-z0-9 _.-]*[A-Za-z0-9_.-])?")


def command_line(seed: Seed, written: bytes, *, script: bool) -> bytes:
    """Return cmdline.txt for this gateway. `script`: with the trigger of firstrun.sh.

    Raises BadMaterialError when what is written there is no kernel's command line.
    """
    try:
        words = written.decode("ascii").split()
    except UnicodeDecodeError:
        words = []
    if not any(word.startswith("root=") for word in words):
        cause = "cmdline.txt on the boot partition does not say where the system is (root=)"
        raise BadMaterialError(cause, remedy="take an image of Raspberry Pi OS, as published")
    words = [word for word in words if not _EARLIER.fullmatch(word)]
    words += [REGULATORY_DOMAIN + seed.wifi.country] if seed.wifi else []
    words += TRIGGER if script else ()
    line = " ".join(words).encode() + b"\n"
    if len(line) > _MOST:
        cause = f"cmdline.txt would have {len(line)} bytes; the kernel takes {_MOST}"
        raise BadMaterialError(cause, remedy="take an image of Raspberry Pi OS, as published")
    return line


def settings(seed: Seed) -> bytes:
    """Return ugw/settings, which the scripts read: variables of a shell, none of them secret."""
    values = {
        "UGW_HOSTNAME": seed.gateway,
        "UGW_USER": seed.user,
        "UGW_SSH_KEYS": "\n".join(seed.ssh_keys),
        "UGW_TIME_ZONE": seed.time_zone,
        "UGW_TIME_SERVERS": " ".join(seed.time_servers),
        "UGW_COUNTRY": seed.wifi.country if seed.wifi else "",
        "UGW_MADE_AT_S": str(seed.made_at_s),
    }
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items()).encode()


def connection(seed: Seed) -> bytes | None:
    """Return a connection for NetworkManager; None where its own, DHCP over a cable, is right."""
    if seed.wifi is None and seed.address is None:
        return None
    return "".join(f"{line}\n" for line in _connection(seed)).encode()


def _connection(seed: Seed) -> Iterator[str]:
    yield from ("[connection]", "id=ugw", f"uuid={uuid.uuid5(uuid.NAMESPACE_DNS, seed.gateway)}")
    yield f"type={'wifi' if seed.wifi else 'ethernet'}"
    yield f"interface-name={'wlan0' if seed.wifi else 'eth0'}"
    if seed.wifi is not None:
        yield from ("[wifi]", "mode=infrastructure", f"ssid={_ssid(seed.wifi.ssid)}")
        key = wireless.key(seed.wifi)
        if key is not None:
            yield from ("[wifi-security]", "key-mgmt=wpa-psk", f"psk={key}")
    yield from _addresses(seed)


def _addresses(seed: Seed) -> Iterator[str]:
    fixed = ipaddress.ip_interface(seed.address.cidr).version if seed.address else 0
    for version in (4, 6):
        yield f"[ipv{version}]"
        if seed.address is None or version != fixed:
            yield "method=auto"
            continue
        yield from ("method=manual", f"address1={seed.address.cidr},{seed.address.gateway}")
        if seed.address.nameservers:
            yield f"dns={';'.join(seed.address.nameservers)};"


def _ssid(name: str) -> str:
    """Write a name as NetworkManager reads it whatever is in it: as text, or byte by byte."""
    return name if _PLAIN.fullmatch(name) else "".join(f"{byte};" for byte in name.encode())
