"""A folder with all files the example names, and ways to load what a test writes."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import trustme

from gateway.config import Finding, InvalidConfigError, Settings, load

EXAMPLE = Path(__file__).parents[2] / "config" / "gateway.example.yaml"
ESP32_EXAMPLE = EXAMPLE.with_name("esp32.example.yaml")
DRIVERS = ("bthome-v2", "cayenne-lpp", "flower-care", "ruuvi-rawv2")
MODEMS = ("ebyte-e22", "rak-rui3", "reyax-rylr998")
# Its hash stands in the example.
CODEC = """\
function decodeUplink(input) {
  return { data: { temperature: input.bytes[0] * 0.5 } };
}
"""

Load = Callable[..., Settings]


def takes_all(_settings: Mapping[str, int | str], _sender: str | None) -> None:
    """Stand in for a modem's driver."""


FindingsIn = Callable[..., list[Finding]]


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with what stands in /etc/ugw on a gateway."""
    folder = tmp_path_factory.mktemp("ugw")
    authority = trustme.CA()
    identity = authority.issue_cert("gw-kiel-0042")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    identity.cert_chain_pems[0].write_to_path(folder / "gw.pem")
    identity.private_key_pem.write_to_path(folder / "gw.key")
    (folder / "keys").mkdir()
    (folder / "keys" / "2").write_text("231d39c1d7cc1ab1aee224cd096db932\n")
    for name in ("lorawan-nwk", "lorawan-app"):
        (folder / "keys" / name).write_text("44024241ed4ce9a68c6a8bc055233fd3\n")
    for name in ("chirpstack-user", "chirpstack-password", "tts-user", "tts-key"):
        (folder / name).write_text(f"{name}\n")
    (folder / "codecs").mkdir()
    (folder / "codecs" / "em300.js").write_text(CODEC)
    (folder / "mqtt-user").write_text("gw-kiel-0042\n")
    (folder / "lora-password").write_text("0A1B2C3D\n")
    (folder / "http-token").write_text("3f9a\n")
    (folder / "wifi-password").write_text("correct horse\n")
    for secret in folder.rglob("*"):
        if secret.is_file() and secret.suffix != ".pem":
            secret.chmod(0o600)
    return folder


@pytest.fixture(scope="session")
def example(site: Path) -> str:
    """Return the example, with its files in the test's folder."""
    return EXAMPLE.read_text().replace("/etc/ugw", str(site))


@pytest.fixture(scope="session")
def esp32_example(site: Path) -> str:
    """Return the example of an ESP32, with its files in the test's folder."""
    return ESP32_EXAMPLE.read_text().replace("/etc/ugw", str(site))


@pytest.fixture
def load_text(tmp_path: Path) -> Load:
    """Load a text as gateway.yaml, in an environment of nothing but the given variables."""

    def load_it(text: str | bytes, **environ: str) -> Settings:
        path = tmp_path / "gateway.yaml"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return load(
            path, drivers=DRIVERS, modems=dict.fromkeys(MODEMS, takes_all), environ=environ
        )

    return load_it


@pytest.fixture
def findings_in(load_text: Load) -> FindingsIn:
    """Return what is wrong with a text; the test fails when nothing is."""

    def find(text: str | bytes, **environ: str) -> list[Finding]:
        with pytest.raises(InvalidConfigError) as caught:
            load_text(text, **environ)
        return list(caught.value.findings)

    return find
