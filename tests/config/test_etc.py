"""A gateway's configuration read on the desk: a folder stands for /etc/ugw."""

from pathlib import Path

import pytest

from gateway.config import InvalidConfigError, Settings, load
from tests.config.conftest import DRIVERS, EXAMPLE, MODEMS, takes_all

ENVIRONMENT = {"UGW_MQTT_PASSWORD": "correct horse"}


def read(path: Path, etc: Path | None) -> Settings:
    modems = dict.fromkeys(MODEMS, takes_all)
    return load(path, drivers=DRIVERS, modems=modems, environ=ENVIRONMENT, etc=etc)


def test_certificates_secrets_and_codecs_are_found_in_the_folder(site: Path) -> None:
    settings = read(EXAMPLE, site)
    assert settings.mqtt.tls is not None
    assert settings.mqtt.tls.ca == site / "ca.pem"
    assert settings.mqtt.username is not None
    assert settings.mqtt.username.reveal() == "gw-kiel-0042"
    assert settings.mqtt.username.reference == "file:/etc/ugw/mqtt-user"
    assert any(device.codec for device in settings.devices)


def test_what_runs_codecs_need_not_be_installed_on_the_desk(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.config.codec.engine_installed", lambda: False)
    assert any(device.codec for device in read(EXAMPLE, site).devices)


def test_what_is_not_below_it_stays_where_it_is_written(site: Path) -> None:
    settings = read(EXAMPLE, site)
    assert settings.store.path == Path("/var/lib/ugw")


def test_a_way_out_of_the_folder_is_no_way_into_the_desk(site: Path, tmp_path: Path) -> None:
    text = EXAMPLE.read_text().replace("file:/etc/ugw/mqtt-user", "file:/etc/ugw/../outside")
    written = tmp_path / "gateway.yaml"
    written.write_text(text)
    (site.parent / "outside").write_text("secret")
    (site.parent / "outside").chmod(0o600)
    with pytest.raises(InvalidConfigError, match="cannot be read"):
        read(written, site)


def test_a_missing_file_is_found_with_line_and_column(site: Path, tmp_path: Path) -> None:
    text = EXAMPLE.read_text().replace("/etc/ugw/gw.key", "/etc/ugw/other.key")
    written = tmp_path / "gateway.yaml"
    written.write_text(text)
    with pytest.raises(InvalidConfigError) as caught:
        read(written, site)
    (finding,) = caught.value.findings
    assert finding.path == "mqtt.tls.key"
    assert finding.line == 1 + text.splitlines().index("    key: /etc/ugw/other.key")
    assert str(site / "other.key") in finding.message


def test_without_the_folder_nothing_is_elsewhere() -> None:
    with pytest.raises(InvalidConfigError, match=r"/etc/ugw/ca\.pem cannot be read"):
        read(EXAMPLE, None)
