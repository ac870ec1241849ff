"""Secrets come by reference, are resolved once, and stand in nothing that is shown."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.config import Finding, InvalidConfigError, Settings

FindingsIn = Callable[..., list[Finding]]
Load = Callable[..., Settings]

SECRET = "correct-horse-battery"  # noqa: S105 - a test's
KEY = "231d39c1d7cc1ab1aee224cd096db932"
HEAD = "config_version: 1\ngateway: {org: kiel, id: gw-1}\n"


def with_password(reference: str) -> str:
    return f"{HEAD}mqtt:\n  host: localhost\n  username: env:USER_NAME\n  password: {reference}\n"


def with_key(reference: str) -> str:
    device = f"{{address: 'C0:FF:EE:00:00:01', key: {reference}}}"
    return f"{HEAD}mqtt: {{host: localhost}}\ndevices:\n  - {device}\n"


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text(SECRET + "\n")
    path.chmod(0o600)
    return path


def test_a_secret_is_read_from_a_file_without_its_line_end(
    load_text: Load, secret_file: Path
) -> None:
    settings = load_text(with_password(f"file:{secret_file}"), USER_NAME="gw")

    assert settings.mqtt.password is not None
    assert settings.mqtt.password.reveal() == SECRET
    assert settings.mqtt.username is not None
    assert settings.mqtt.username.reveal() == "gw"


def test_a_key_is_sixteen_bytes(load_text: Load, secret_file: Path) -> None:
    secret_file.write_text(f" {KEY.upper()}\n")
    (device,) = load_text(with_key(f"file:{secret_file}")).devices

    assert device.key is not None
    assert device.key.key_bytes == bytes.fromhex(KEY)


def test_settings_show_the_reference_and_not_the_secret(
    load_text: Load, secret_file: Path
) -> None:
    settings = load_text(with_password(f"file:{secret_file}"), USER_NAME=SECRET)
    shown = [repr(settings), str(settings), settings.model_dump_json(by_alias=True)]
    shown += [str(settings.model_dump()), repr(settings.mqtt.password)]

    assert SECRET not in "".join(shown)
    assert all(f"file:{secret_file}" in each for each in shown)


def test_a_missing_file_is_a_fault_at_the_reference(findings_in: FindingsIn) -> None:
    (finding,) = findings_in(with_key("file:/nowhere/key"))

    assert (finding.line, finding.column, finding.path) == (5, 41, "devices[0].key")
    assert finding.message == "/nowhere/key cannot be read: No such file or directory"
    assert "file:/nowhere/key" in finding.source


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is empty"),
        ("\n \n", "is empty"),
        (KEY[:-1], "does not hold a key: 32 hexadecimal digits"),
        (KEY + "00", "does not hold a key"),
        ("x" * 32, "does not hold a key"),
        ("0" * 5000, "longer than 4096 bytes"),
    ],
)
def test_what_is_no_key_is_refused_without_being_shown(
    findings_in: FindingsIn, secret_file: Path, content: str, words: str
) -> None:
    secret_file.write_text(content)
    (finding,) = findings_in(with_key(f"file:{secret_file}"))

    assert words in finding.message
    assert not content.strip() or content not in str(finding)


def test_a_file_of_bytes_that_are_no_text_is_refused(
    findings_in: FindingsIn, secret_file: Path
) -> None:
    secret_file.write_bytes(b"\xff\xfe")

    assert "is not text" in findings_in(with_key(f"file:{secret_file}"))[0].message


def test_a_file_that_everybody_can_read_is_refused_with_the_remedy(
    findings_in: FindingsIn, secret_file: Path
) -> None:
    secret_file.chmod(0o644)

    (finding,) = findings_in(with_key(f"file:{secret_file}"))
    assert f"chmod o-rwx {secret_file}" in finding.message


def test_a_named_pipe_is_refused_and_not_waited_for(
    findings_in: FindingsIn, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)

    (finding,) = findings_in(with_key(f"file:{tmp_path / 'pipe'}"))
    assert "is not a file" in finding.message


def test_a_variable_that_is_not_set_or_empty_is_a_fault(findings_in: FindingsIn) -> None:
    for environ in ({}, {"BROKER_PASSWORD": ""}):
        text = with_password("env:BROKER_PASSWORD")
        (finding,) = findings_in(text, USER_NAME="gw", **environ)

        assert finding.message == "the environment variable BROKER_PASSWORD is not set"


# Ways to write a secret where it does not belong, or to be near it when something else is wrong.
LEAKS = [
    with_password(SECRET),
    with_password(f"'{SECRET}'"),
    with_password(f'"{SECRET}"'),
    with_password(f"[{SECRET}]"),
    with_password(f"{{value: {SECRET}}}"),
    with_password(f"|\n    {SECRET}"),
    with_password(f">-\n    one\n    {SECRET}"),
    with_password(f"\n    {SECRET}"),
    with_password(f"*{SECRET}"),
    with_password(f"&{SECRET} x"),
    with_password(f"!{SECRET}!x y"),
    with_password(f"!{SECRET} y"),
    with_password(f"'{SECRET}"),
    with_password(f"{SECRET}: x"),
    with_password(f"|\n    one: two\n   {SECRET}: x"),
    with_password(f"file:{SECRET}"),
    with_password(f"env:{SECRET}"),
    with_password(SECRET).replace("password", "pasword"),
    with_password(SECRET).replace("password", "broker_secret"),
    with_password(SECRET).replace("password", "broker_login"),
    with_password(f"x\n  kye: {SECRET}: y"),
    with_key(SECRET),
    with_key(SECRET).replace("key:", "kye:"),
    HEAD + f"mqtt: {{host: localhost, password: {SECRET}, prot: 1}}\n",
    HEAD + f"mqtt: {{host: localhost, password: '{SECRET}', port: x}}\n",
    HEAD + f'mqtt: {{host: localhost, "password": "{SECRET}", port: x}}\n',
    HEAD + f"mqtt: {{host: localhost, password: {SECRET}\n",
    HEAD + f"mqtt: {{password: file:/x, username: {SECRET}, port: x}}\n",
    HEAD + f"mqtt:\n  host: localhost\n  port: x\n  password: {SECRET}\n\tx\n",
    HEAD + f"mqtt:\n  host: localhost\n  ? password\n  : {SECRET}\n  port: x\n",
    HEAD + f"mqtt:\n  host: localhost\n  password: {SECRET}\n  password: {SECRET}\n",
]


@pytest.mark.parametrize("text", LEAKS)
def test_no_finding_repeats_a_secret(findings_in: FindingsIn, text: str) -> None:
    shown = "\n".join(str(finding) for finding in findings_in(text, USER_NAME="gw"))

    assert SECRET not in shown, shown


def test_a_literal_secret_is_told_how_to_be_written(findings_in: FindingsIn) -> None:
    (finding,) = findings_in(with_password(SECRET), USER_NAME="gw")

    assert "write a reference, file:/path/to/it or env:NAME" in finding.message
    assert finding.quotation.splitlines()[0] == "    6 |   password: …"


def test_a_secret_in_an_overriding_variable_is_not_repeated(findings_in: FindingsIn) -> None:
    text = HEAD + "mqtt: {host: localhost}\n"
    findings = findings_in(text, UGW__MQTT__PASSWORD=SECRET, UGW__MQTT__PASWORD=SECRET)

    assert SECRET not in "\n".join(map(str, findings))
    assert {finding.file for finding in findings} == {
        "environment variable UGW__MQTT__PASSWORD",
        "environment variable UGW__MQTT__PASWORD",
    }


TLS = HEAD + "mqtt:\n  host: broker.example\n  tls:\n"


def test_tls_files_are_loaded_at_once(load_text: Load, site: Path) -> None:
    text = TLS + f"    {{ca: {site}/ca.pem, cert: {site}/gw.pem, key: {site}/gw.key}}\n"
    settings = load_text(text)

    assert settings.mqtt.tls is not None
    assert settings.mqtt.tls.ca == site / "ca.pem"
    assert settings.mqtt.port == 8883


@pytest.mark.parametrize(
    ("files", "path", "words"),
    [
        ("ca: {site}/none.pem", "mqtt.tls.ca", "none.pem cannot be read"),
        ("ca: {site}/gw.key", "mqtt.tls.ca", "is not a PEM file of certificates"),
        ("ca: {site}", "mqtt.tls.ca", "directory"),
        ("cert: {site}/gw.pem, key: {site}/other.key", "mqtt.tls.cert", "its unencrypted key"),
        ("cert: {site}/ca.pem, key: {site}/gw.key", "mqtt.tls.cert", "its unencrypted key"),
        ("cert: {site}/gw.key, key: {site}/gw.key", "mqtt.tls.cert", "its unencrypted key"),
        ("cert: {site}/gw.pem, key: {site}/open.key", "mqtt.tls.key", "chmod o-rwx"),
        ("key: {site}/gw.key", "mqtt.tls.cert", "key needs cert"),
    ],
)
def test_tls_files_that_will_not_do_are_noticed_at_load(
    findings_in: FindingsIn, site: Path, files: str, path: str, words: str
) -> None:
    (site / "other.key").write_text((site / "gw.key").read_text().replace("BEGIN", "BEGIN X"))
    (site / "other.key").chmod(0o600)
    (site / "open.key").write_text((site / "gw.key").read_text())
    (site / "open.key").chmod(0o644)

    findings = findings_in(f"{TLS}    {{{files.format(site=site)}}}\n")
    assert [each.path for each in findings if words in each.message] == [path], findings


def test_an_error_about_a_secret_can_be_logged() -> None:
    error = InvalidConfigError([Finding(file="f", message="m")])

    assert str(error) == "f: m"
