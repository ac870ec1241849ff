"""What cloud-init reads on the boot partition: user-data, network-config, meta-data (NoCloud).

It keeps to keys that Debian's cloud-init knows, for one key it does not know makes it say so and
nothing else. What has to survive a power cut is no module's business: modules of cloud-init are
marked as run before they run, and are not run again; `bootcmd` is, at every boot.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from ugw_flash.seed import wireless
from ugw_flash.seed.model import Address, Seed

BOOT: Final = (
    "/boot/firmware"  # where Raspberry Pi OS mounts the boot partition, from Debian 12 on
)

# Those of the first user of Raspberry Pi OS that serve somebody who looks after a gateway.
_GROUPS: Final = ("adm", "dialout", "gpio", "netdev", "spi", "sudo", "systemd-journal", "users")

# What is read as itself without quotes; the name of a network may be one that YAML 1.1, which
# cloud-init reads, takes for a boolean.
_KEY: Final = re.compile(r"[a-z][a-z0-9_-]*")
_NO_KEYS: Final = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})

Node = str | int | bool | Sequence["Node"] | Mapping[str, "Node"]


def user_data(seed: Seed) -> bytes:
    """Return user-data: host name, user, time zone, and what starts the rest."""
    user: dict[str, Node] = {
        "name": seed.user,
        "groups": ", ".join(_GROUPS),
        "shell": "/bin/bash",
        "sudo": "ALL=(ALL) NOPASSWD:ALL",
        "lock_passwd": True,
        "ssh_authorized_keys": list(seed.ssh_keys),
    }
    data: dict[str, Node] = {
        "hostname": seed.gateway,
        "manage_etc_hosts": "localhost",
        "timezone": seed.time_zone,
        "users": [user],
        "ssh_pwauth": False,
        "disable_root": True,
        "bootcmd": [["sh", f"{BOOT}/ugw/prepare"], ["sh", f"{BOOT}/ugw/first-boot", "arm"]],
    }
    return b"#cloud-config\n" + _yaml(data)


def network_config(seed: Seed) -> bytes:
    """Return network-config (version 2, as netplan has it): a cable works beside a radio too."""
    wired: Node = {"optional": True, **_addressed(None if seed.wifi else seed.address)}
    network: dict[str, Node] = {"version": 2, "ethernets": {"eth0": wired}}
    if seed.wifi is not None:
        key = wireless.key(seed.wifi)
        point: Node = {} if key is None else {"password": key}
        network["wifis"] = {
            "wlan0": {
                "optional": True,
                "regulatory-domain": seed.wifi.country,
                "access-points": {seed.wifi.ssid: point},
                **_addressed(seed.address),
            }
        }
    return _yaml({"network": network})


def meta_data(seed: Seed, digest: str) -> bytes:
    """Return meta-data; another seed is another instance, for which all is done anew."""
    return _yaml(
        {
            "dsmode": "local",
            "instance-id": f"ugw-{seed.gateway}-{digest[:16]}",
            "local-hostname": seed.gateway,
        }
    )


def _addressed(address: Address | None) -> dict[str, Node]:
    if address is None:
        return {"dhcp4": True, "dhcp6": True}
    return {
        "dhcp4": False,
        "addresses": [address.cidr],
        "routes": [{"to": "default", "via": address.gateway}],
        **(
            {"nameservers": {"addresses": list(address.nameservers)}}
            if address.nameservers
            else {}
        ),
    }


def _yaml(data: Node) -> bytes:
    """Write YAML whose every text is in quotes: no country is a boolean, no key a number."""
    return "".join(f"{line}\n" for line in _lines(data)).encode()


def _lines(node: Node, indent: str = "") -> Iterator[str]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            name = f"{indent}{_scalar(key, bare=True)}:"
            if isinstance(value, Mapping | list) and value:
                yield name
                yield from _lines(value, indent + "  ")
            else:
                yield f"{name} {_scalar(value)}"
    elif isinstance(node, list):
        for value in node:
            first, *rest = _lines(value, indent + "  ")
            yield f"{indent}- {first.lstrip()}"
            yield from rest
    else:
        yield indent + _scalar(node)


def _scalar(value: Node, *, bare: bool = False) -> str:
    if bare and isinstance(value, str) and _KEY.fullmatch(value) and value not in _NO_KEYS:
        return value
    return json.dumps(value, ensure_ascii=False)
