"""The section of a board: what of it is refused, and that a Raspberry Pi only takes note of it."""

from collections.abc import Callable

import pytest

from gateway.config import Finding, Settings

Load = Callable[..., Settings]
FindingsIn = Callable[..., list[Finding]]
HEAD = "config_version: 1\ngateway: {org: kiel, id: gw-1}\nmqtt: {host: localhost}\n"
NETWORK = "wifi: {ssid: city-iot}, time_servers: [ntp.example]"


def test_the_example_of_an_esp32_loads_as_it_is(load_text: Load, esp32_example: str) -> None:
    settings = load_text(esp32_example)

    assert settings.esp32 is not None
    assert settings.esp32.wifi is not None
    assert settings.esp32.wifi.password is not None
    assert "correct horse" not in repr(settings)
    assert [uart.uart for uart in settings.esp32.uarts] == [1]


def test_a_raspberry_pi_ignores_the_section_and_says_so(load_text: Load) -> None:
    assert not any("esp32" in note for note in load_text(HEAD).notes())
    settings = load_text(HEAD + f"esp32: {{{NETWORK}}}\n")
    assert any("this machine ignores it" in note for note in settings.notes())


@pytest.mark.parametrize(
    ("section", "path", "said"),
    [
        ("time_servers: [ntp.example]", "esp32.wifi", "wifi or ethernet is needed"),
        (f"{NETWORK}, ethernet: {{phy: lan8720}}", "esp32.ethernet", "not both"),
        ("wifi: {ssid: city-iot}", "esp32.time_servers", "missing"),
        ("wifi: {ssid: c}, time_servers: []", "esp32.time_servers", "1 items at least"),
        ("wifi: {ssid: c}, time_servers: ['a:123']", "esp32.time_servers[0]", "without port"),
        ('wifi: {ssid: "äöüäöüäöüäöüäöüäöü"}, time_servers: [a]', "esp32.wifi.ssid", "32 bytes"),
        (
            f"{NETWORK}, uarts: [{{device: /dev/u, tx: 9, rx: 16}}]",
            "esp32.uarts[0].tx",
            "flash or PSRAM",
        ),
        (f"{NETWORK}, uarts: [{{device: /dev/u, tx: 34, rx: 16}}]", "esp32.uarts[0].tx", "inputs"),
        (
            f"{NETWORK}, chip: esp32-wrover, uarts: [{{device: /dev/u, tx: 4, rx: 16}}]",
            "esp32.uarts[0].rx",
            "PSRAM",
        ),
        (
            f"{NETWORK}, chip: esp32-s3, uarts: [{{device: /dev/u, tx: 26, rx: 16}}]",
            "esp32.uarts[0].tx",
            "flash",
        ),
        (
            f"{NETWORK}, uarts: [{{device: /dev/u, tx: 16, rx: 16}}]",
            "esp32.uarts[0].rx",
            "one pin",
        ),
        (
            f"{NETWORK}, uarts: [{{device: /dev/u, uart: 0, tx: 17, rx: 16}}]",
            "esp32.uarts[0].uart",
            "console",
        ),
        (
            f"{NETWORK}, uarts: [{{device: /u, tx: 17, rx: 16}}, {{device: /v, tx: 4, rx: 17}}]",
            "esp32.uarts[1].rx",
            "taken already, by item 1",
        ),
    ],
)
def test_a_board_that_cannot_be_is_refused(
    findings_in: FindingsIn, section: str, path: str, said: str
) -> None:
    found = findings_in(HEAD + f"esp32: {{{section}}}\n")

    assert any(each.path == path and said in each.message for each in found), found
