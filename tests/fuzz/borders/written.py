"""What people write: configurations, scenarios, profiles, sheets, environment variables.

Promised: settings, or an InvalidConfigError each of whose findings stands within the file and can
be printed on a terminal; never another error, however deep, large or damaged; the same bytes find
the same again; and never a secret in it, where the secret stands behind a key that says so.
"""

import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

from gateway.config import Finding, InvalidConfigError, load
from gateway.sim.scenario.loading import load_scenario
from tests.fuzz.borders.advertisements import REGISTRY
from tests.fuzz.target import Target
from ugw_flash.batch.sheet import read_sheet
from ugw_flash.profile import open_profile

_ROOT: Final = Path(__file__).parents[3]
_CONFIG: Final = _ROOT / "config"
_SECRET: Final = "hunter2Zq"  # noqa: S105 - nobody's
# Where it may be told that this is a secret: on a line of its own, behind a key that says so.
_HIDDEN: Final = re.compile(
    rf"^ *(password|key|token|app_key|network_key|username): *{_SECRET} *$", re.MULTILINE
)
Read = Callable[[Path], object]


@cache
def _file(name: str) -> Path:
    return Path(mkdtemp(prefix="ugw-fuzz-")) / name


def reads(name: str, read: Read) -> Callable[[bytes], None]:
    """Return a target that has a file of this name read."""

    def run(data: bytes) -> None:
        path = _file(name)
        path.write_bytes(data)
        first = _told(read, path)
        if len(data) % 8 == 0:  # now and then: it takes as long again
            assert _told(read, path) == first
        text = data.decode(errors="replace")
        lines = len(re.split("\r\n|[\n\r\x85\u2028\u2029]", text))
        for found in first:
            _stands_within(found, lines)
        _no_secret_told(text, "\n".join(map(str, first)))

    return run


def _told(read: Read, path: Path) -> tuple[Finding, ...]:
    try:
        read(path)
    except InvalidConfigError as error:
        assert error.findings
        str(error).encode()
        return error.findings
    return ()


def _stands_within(found: Finding, lines: int) -> None:
    assert 0 <= found.line <= lines + 1, found
    assert found.column >= 0, found
    assert found.message
    assert found.headline.isprintable()
    assert all(line.isprintable() for line in found.quotation.split("\n"))


def _no_secret_told(text: str, told: str) -> None:
    if len(_HIDDEN.findall(text)) == text.count(_SECRET):
        assert _SECRET not in told, told


# ------------------------------------------------------------------------------------------- yaml
def _gateway(path: Path) -> object:
    modems = {model: REGISTRY.modem(model).check for model in REGISTRY.modems()}
    return load(
        path,
        drivers=REGISTRY.models(),
        modems=modems,
        pollers=REGISTRY.pollers(),
        environ={},
    )


def _overridden(data: bytes) -> None:
    """Override a small configuration: `NAME=value` in lines."""
    path = _file("overridden.yaml")
    path.write_text(_SMALL)
    text = data.decode("utf-8", errors="surrogateescape").replace("\0", "")
    environ = {
        f"UGW__{name}": value
        for name, found, value in (line.partition("=") for line in text.split("\n"))
        if found
    }
    try:
        load(path, drivers=REGISTRY.models(), environ=environ)
    except InvalidConfigError as error:
        for found in error.findings:
            assert found.headline.isprintable()


_SMALL: Final = """\
config_version: 1
gateway: {org: kiel, id: gw-1}
mqtt: {host: localhost, port: 1883}
transports:
  - kind: ble
devices:
  - {address: "C0:FF:EE:00:00:01", driver: ruuvi-rawv2}
"""
_MORE: Final = """\
config_version: 1
gateway:
  org: kiel
  id: gw-1
  location: {lat: 54.3, lon: 10.1}
mqtt:
  host: broker.example
  port: 8883
  tls: {}
http: {listen: 127.0.0.1:8080}
store: {max_size: 512MB}
delivery: {commit_after: 700ms}
transports:
  - kind: serial
    device: /dev/ttyUSB0
    modem: reyax-rylr998
    band: 868.1MHz
  - kind: semtech-udp
    listen: 127.0.0.1:1700
  - kind: chirpstack
    host: chirpstack.example
    tls: {}
devices:
  - address: "C0:FF:EE:00:00:01"
    class: event
  - address: "lora:17"
    driver: cayenne-lpp
    rate: {burst: 3, per_second: 2}
"""
_SYNTAX: Final = (
    *(b": ", b"- ", b"\n", b"\n  ", b"\n    - ", b"[", b"]", b"{", b"}", b", ", b"#", b"'", b'"'),
    *(b"&a", b"*a", b"<<: ", b"!!", b"!", b"|", b">", b"? ", b"---\n", b"...\n", b"%YAML 1.2\n"),
    *(b"~", b"null", b"true", b"0x7f", b"0o17", b"1e999", b".inf", b".nan", b"-0", b"9" * 40),
    *(b"2026-11-22", b"12:30:45", b"\xef\xbb\xbf", b"\xff\xfe", b"\xc2\x85", b"\xe2\x80\xa8"),
    *(
        b"\\ud800",
        b"\\x00",
        b"\t",
        b"\r\n",
        b"env:",
        b"file:",
        b"15min",
        b"868.1MHz",
        b"hunter2Zq",
    ),
)


def _keys(*sources: str) -> tuple[bytes, ...]:
    found = {key for text in sources for key in re.findall(r"([a-z_0-9]{2,30}): ", text)}
    return tuple(f"{key}: ".encode() for key in sorted(found))


def _gateway_seeds() -> Iterator[bytes]:
    yield _SMALL.encode()
    yield _MORE.encode()
    yield _MORE.replace("tls: {}", "tls: {}\n  username: env:U\n  password: hunter2Zq").encode()
    whole = (_CONFIG / "gateway.example.yaml").read_text()
    short = "\n".join(line for line in whole.split("\n") if not line.lstrip().startswith("#"))
    yield re.sub(r"\n\n+", "\n", short).encode()


def _scenario_seeds() -> Iterator[bytes]:
    for path in sorted((_CONFIG / "scenarios").glob("*.yaml")):
        lines = [line for line in path.read_text().split("\n") if not line.startswith("#")]
        yield re.sub(r"\n\n+", "\n", "\n".join(lines)).encode()


def _override_seeds() -> Iterator[bytes]:
    yield b"MQTT__HOST=broker\nTRANSPORTS__0__ADAPTER=hci1\nDEVICES__0__KEY=00"
    yield b"TRANSPORTS__9=a\nMQTT=x\n__=1\nGATEWAY__LOCATION__LAT=1e999\nDEVICES__x__ID=\xff"


# ---------------------------------------------------------------------------------------- secrets
def secret(data: bytes) -> None:
    """Load a configuration whose password and key are in a file with these bytes."""
    path, held = _file("secret.yaml"), _file("held")
    held.write_bytes(data)
    held.chmod(0o600)
    mine = _SMALL.replace("port: 1883", f"port: 1883, username: u, password: file:{held}")
    path.write_text(f'{mine}  - {{address: "C0:FF:EE:00:00:02", key: file:{held}}}\n')
    try:
        told = repr(load(path, drivers=REGISTRY.models(), environ={}))
    except InvalidConfigError as error:
        told = f"{error} {error.remedy}"
    text = data.decode(errors="replace").strip()
    assert len(text) < _TELLING or text not in told


def _secret_seeds() -> Iterator[bytes]:
    yield b"231d39c1d7cc1ab1aee224cd096db932\n"
    yield b"pass word\r\n"
    yield b"\xffpassword"


_TELLING: Final = 12  # characters of a secret that stand nowhere by chance


# ------------------------------------------------------------------------------------- on the desk
def _profile(path: Path) -> object:
    return open_profile(path)


def _sheet(path: Path) -> object:
    return read_sheet(path)


def _profile_seeds() -> Iterator[bytes]:
    yield b"""\
profile_version: 1
kind: pi
image: {path: image.img.xz, sha256: "%b"}
package: ugw.deb
user: {name: ugw, ssh_keys: ["ssh-ed25519 AAAA x"]}
network: {kind: wifi, ssid: city, password: "file:psk", country: DE}
time: {zone: Europe/Berlin, servers: [pool.ntp.org]}
identity: {enrol: https://est.example/.well-known/est, key: gateway}
""" % (b"0" * 64)
    for path in sorted((_ROOT / "docs").glob("**/flash*.md")):
        for block in re.findall(r"```yaml\n(.*?)```", path.read_text(), re.DOTALL):
            yield block.encode()


def _sheet_seeds() -> Iterator[bytes]:
    yield (
        "gateway;profile;name;site;lat;lon;network;ssid;wifi_password;address;gateway_ip;dns;mac\n"
        'gw-1;pi;"Dach; ""Süd""";Kiel;54,3233;-10.1394;wifi;city;file:psk;192.0.2.17/24;192.0.2.1;'
        "192.0.2.1 192.0.2.2;3C-71-BF-00-00-01\n"
    ).encode()
    yield b'sep=\t\r\ngateway\tname\r\ngw-1\t"a,b"\r\n\xef\xbb\xbf'
    yield b"gateway,lat,lon\ngw-1,=1+1,\ngw-1,nan,1e999\n,,\n"


_YAML_CODE: Final = (
    "gateway.config",
    "gateway.core.identity",
    "gateway.codecs.rules",
)
TARGETS: Final = (
    Target(
        "gateway-yaml",
        "the configuration of a gateway, gateway.yaml",
        reads("gateway.yaml", _gateway),
        _gateway_seeds,
        _YAML_CODE,
        most_bytes=4096,
        words=(*_SYNTAX, *_keys(_MORE, (_CONFIG / "gateway.example.yaml").read_text())),
        share=3,
        tries=6,
    ),
    Target(
        "environment",
        "variables of the environment that override it, UGW__...",
        _overridden,
        _override_seeds,
        _YAML_CODE,
        most_bytes=200,
        words=(b"MQTT__", b"GATEWAY__", b"TRANSPORTS__0__", b"DEVICES__0__", b"=", b"\n", b"__"),
    ),
    Target(
        "secret-files",
        "files that hold a password or a key",
        secret,
        _secret_seeds,
        ("gateway.config.secrets", "gateway.config.files"),
        most_bytes=200,
        tries=6,
    ),
    Target(
        "scenario-yaml",
        "scenarios of the simulator",
        reads("scenario.yaml", load_scenario),
        _scenario_seeds,
        (
            "gateway.sim.scenario",
            "gateway.sim.verbs",
            "gateway.sim.expectations",
            "gateway.config",
        ),
        most_bytes=4096,
        words=(*_SYNTAX, b"faults:\n", b"  - {at: ", b"do: ", b"expect:\n", b"within: ", b"for: "),
        share=2,
        tries=6,
    ),
    Target(
        "profile-yaml",
        "profiles of ugw flash",
        reads("profile.yaml", _profile),
        _profile_seeds,
        ("gateway.config", "ugw_flash.profile"),
        most_bytes=2048,
        words=(*_SYNTAX, *_keys("network: identity: image: kind: user: ssid: password: ")),
    ),
    Target(
        "sheet-csv",
        "sheets of gateways, as spreadsheets write them",
        reads("sites.csv", _sheet),
        _sheet_seeds,
        ("ugw_flash.batch.cells", "ugw_flash.batch.sheet", "ugw_flash.batch.values"),
        most_bytes=1024,
        words=(
            b";",
            b",",
            b'"',
            b'""',
            b"\t",
            b"\r\n",
            b"sep=",
            b"=",
            b"gateway",
            b"mac",
            b"lat",
            b"lon",
            b"address",
            b"gateway_ip",
            b"dns",
            b"network",
            b"profile",
            b"192.0.2.1/24",
        ),
    ),
)
