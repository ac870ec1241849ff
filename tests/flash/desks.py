"""A desk of city IT, as tests need it: profiles, configurations, certificates, a package."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import trustme

from ugw_flash.batch.desk import Desk
from ugw_flash.profile import Opened, open_profile

NOW_S: Final = 1_795_000_000
KEY: Final = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIa6 admin@desk"
SHA256: Final = "0" * 64

PI: Final = f"""\
profile_version: 1
kind: pi
image: {{path: pi.img, sha256: "{SHA256}"}}
package: ugw.deb
user: {{ssh_keys: ["{KEY}"]}}
time: {{zone: Europe/Berlin, servers: [ntp.example]}}
"""
BOARD: Final = f"""\
profile_version: 1
kind: esp32
firmware: {{path: firmware.bin, sha256: "{SHA256}"}}
config: board.yaml
"""
GATEWAY_YAML: Final = """\
config_version: 1

# Who this gateway is; the sheet says.
gateway:
  org: kiel
  id: gw-template   # replaced

mqtt:
  host: broker.example
  tls:
    ca: /etc/ugw/ca.pem
    cert: /etc/ugw/gw.pem
    key: /etc/ugw/gw.key
devices:
  - {address: "C0:FF:EE:00:00:01", driver: ruuvi-rawv2}
"""
BOARD_YAML: Final = """\
config_version: 1
gateway: {org: kiel, id: gw-template}
mqtt: {host: broker.example, tls: {ca: /etc/ugw/ca.pem}}
esp32:
  ethernet: {phy: lan8720}
  time_servers: [ntp.example]
"""


def desk(environ: Mapping[str, str] | None = None, *, rehearsal: bool = False) -> Desk:
    """Return a desk at a known time, with nothing in its environment."""
    return Desk(NOW_S, environ or {}, rehearsal)


def write(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    """Write files that nobody else can read."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        path.chmod(0o600)
    return folder


def profile(folder: Path, text: str = PI, **files: str | bytes) -> Opened:
    """Make a profile with a certificate for gw-1 beside it, and open it.

    Files are named with __ for a slash and with _ for a dot: `etc__gw_key`.
    """
    authority = trustme.CA()
    identity = authority.issue_cert("gw-1")
    given = {name.replace("__", "/").replace("_", "."): content for name, content in files.items()}
    defaults: dict[str, str | bytes] = {
        "profile.yaml": text,
        "gateway.yaml": GATEWAY_YAML,
        "board.yaml": BOARD_YAML,
        "ugw.deb": b"!<arch>\n",
        "etc/ca.pem": authority.cert_pem.bytes(),
        "etc/gw-1/gw.pem": identity.cert_chain_pems[0].bytes(),
        "etc/gw-1/gw.key": identity.private_key_pem.bytes(),
    }
    write(folder, {**defaults, **given})
    return open_profile(folder)
