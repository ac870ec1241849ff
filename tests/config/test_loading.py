"""Every fault of a configuration is found at once, each where it was written."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import BaseModel

from gateway.config import Finding, InvalidConfigError, Settings, load, load_model
from gateway.errors import ConfigError

FindingsIn = Callable[..., list[Finding]]
Load = Callable[..., Settings]

GOOD = """\
config_version: 1
gateway: {org: kiel, id: gw-1}
mqtt: {host: localhost}
"""

# What is added to GOOD from line 4 on; place and path; words of the message.
FAULTY = [
    # Keys.
    ("hpptp: {}", "4:1", "hpptp", "unknown key 'hpptp', did you mean 'http'?"),
    ("store: {pth: /x}", "4:9", "store.pth", "did you mean 'path'?"),
    # Candidates come from the very level: `devices` is known above, not here.
    ("store: {devices: 1}", "4:9", "store.devices", "known here: ballast, keep_free, max_size"),
    ("store: {max_size: 1GB, max_size: 2GB}", "4:24", "store.max_size", "first in line 4"),
    ("store: {path: 7}", "4:15", "store.path", "a text is needed, not a number"),
    ("store: [1]", "4:1", "store", "a mapping (key: value) is needed, not a list"),
    ("devices: {}", "4:1", "devices", "a list is needed, not keys and values"),
    ("devices: [{name: x}]", "4:11", "devices[0].address", "the key 'address' is missing"),
    ("devices: [x]", "4:11", "devices[0]", "a mapping (key: value) is needed, not a text"),
    # Choices.
    ("log: {level: 1}", "4:14", "log.level", "must be debug, info, warning or error"),
    ("log: {level: wraning}", "4:14", "log.level", "not 'wraning', did you mean 'warning'?"),
    ("clock: {source: 3}", "4:17", "clock.source", "must be kernel or system"),
    ("transports: [{kind: bel}]", "4:21", "transports[0].kind", "did you mean 'ble'?"),
    ("transports: [{adapter: hci0}]", "4:14", "transports[0].kind", "'kind' is missing"),
    # Numbers and quantities.
    ("delivery: {in_flight_window: 0}", "4:30", "delivery.in_flight_window", "1 or more"),
    ("delivery: {in_flight_window: true}", "4:30", "delivery.in_flight_window", "not true"),
    ("delivery: {in_flight_window: 2.5}", "4:30", "delivery.in_flight_window", "whole number"),
    ("delivery: {pace: 20}", "4:18", "delivery.pace", "a unit is missing"),
    ("delivery: {pace: 20MB}", "4:18", "delivery.pace", "one of ms, s, min, h, d"),
    ("delivery: {pace: 11s}", "4:18", "delivery.pace", "must be from 0ms to 10s"),
    ("store: {max_size: [1]}", "4:9", "store.max_size", "a quantity is needed"),
    ("intake: {per_second: .inf}", "4:22", "intake.per_second", "a number is needed"),
    # Transports.
    ("transports: [{kind: ble, adapter: usb0}]", "4:35", "transports[0].adapter", "hci0"),
    (
        "transports: [{kind: serial, device: ttyUSB0, modem: reyax-rylr998}]",
        "4:37",
        "transports[0].device",
        "an absolute path",
    ),
    (
        "transports: [{kind: serial, device: /dev/tty1, modem: rylr998}]",
        "4:55",
        "transports[0].modem",
        "there is no modem driver 'rylr998', did you mean 'reyax-rylr998'?",
    ),
    ("transports: [{kind: ble}, {kind: ble}]", "4:27", "transports[1].adapter", "listed twice"),
    # Devices.
    ("devices: [{address: C0FFEE000001}]", "4:21", "devices[0].address", "an address is needed"),
    ("devices: [{address: 'lora:65536'}]", "4:21", "devices[0].address", "lora:65535"),
    ("devices: [{address: 17}]", "4:21", "devices[0].address", "put it in quotes"),
    ("devices: [{address: 'lora:1'}]", "4:11", "devices[0].driver", "needs a driver"),
    (
        "devices: [{address: 'lora:1', driver: cayene-lpp}]",
        "4:39",
        "devices[0].driver",
        "there is no driver 'cayene-lpp', did you mean 'cayenne-lpp'?",
    ),
    (
        "devices: [{address: 'C0:FF:EE:00:00:01', payload: hex}]",
        "4:51",
        "devices[0].payload",
        "only LoRa devices",
    ),
    (
        "devices: [{address: 'C0:FF:EE:00:00:01', address_type: random}]",
        "4:11",
        "devices[0].id",
        "needs an id",
    ),
    (
        "devices: [{address: 'lora:1', driver: cayenne-lpp, address_type: random}]",
        "4:66",
        "devices[0].address_type",
        "only Bluetooth LE",
    ),
    (
        "devices:\n  - address: 'C0:FF:EE:00:00:01'\n  - address: 'c0:ff:ee:00:00:01'",
        "6:14",
        "devices[1].address",
        "C0:FF:EE:00:00:01 is listed twice, first as item 1",
    ),
    (
        """devices:
  - {address: 'C0:FF:EE:00:00:01', id: a}
  - {address: 'C0:FF:EE:00:00:02', id: a}""",
        "6:40",
        "devices[1].id",
        "a is listed twice, first as item 1",
    ),
    (
        """devices:
  - {address: 'lora:1', driver: cayenne-lpp}
  - {address: 'lora:2', driver: cayenne-lpp, id: gw-1-lora-1}""",
        "6:50",
        "devices[1].id",
        "the same topic, gw-1-lora-1, as item 1",
    ),
    ("devices: [{address: 'lora:1', class: evnt}]", "4:38", "devices[0].class", "'event'"),
]


@pytest.mark.parametrize(("lines", "place", "path", "words"), FAULTY)
def test_a_fault_is_reported_where_it_was_written(
    findings_in: FindingsIn, lines: str, place: str, path: str, words: str
) -> None:
    findings = findings_in(GOOD + lines + "\n")

    found = [(f"{each.line}:{each.column}", each.path, each.message) for each in findings]
    assert [(p, q) for p, q, message in found if words in message] == [(place, path)], found


HEADS = [
    ("gateway: {org: Kiel, id: gw-1}", "2:16", "gateway.org", "a-z, 0-9 and -"),
    ("gateway: {org: kiel}", "2:1", "gateway.id", "is missing"),
    ("gateway: {org: kiel, id: 42}", "2:26", "gateway.id", "put it in quotes"),
    ("mqtt: {host: broker.example}", "2:14", "mqtt.host", "mqtt.allow_cleartext: true"),
    ("mqtt: {host: broker.example}", "2:14", "mqtt.host", "mqtt.tls"),
    ("mqtt: {host: 'mqtt://localhost'}", "2:14", "mqtt.host", "without scheme"),
    ("mqtt: {host: 'localhost:1883'}", "2:14", "mqtt.host", "its port is a key beside it"),
    ("mqtt: {host: localhost, port: 65536}", "2:31", "mqtt.port", "65535 or less"),
    ("mqtt: {host: localhost, version: 4}", "2:34", "mqtt.version", "5 or 3.1.1"),
    ("mqtt: {host: localhost, topic_root: a/#}", "2:37", "mqtt.topic_root", "without + and #"),
    ("mqtt: {host: localhost, topic_root: 'a/{x}'}", "2:37", "mqtt.topic_root", "{org}"),
    ("mqtt: {host: localhost, tls: {key: x}}", "2:36", "mqtt.tls.key", "an absolute path"),
    ("mqtt: {host: localhost, tls: {cert: /x}}", "2:25", "mqtt.tls.key", "cert needs key"),
    ("config_version: 2", "2:17", "config_version", "must be 1"),
]


@pytest.mark.parametrize(("line", "place", "path", "words"), HEADS)
def test_a_fault_in_what_every_gateway_has_is_reported_where_it_was_written(
    findings_in: FindingsIn, line: str, place: str, path: str, words: str
) -> None:
    key = line.partition(":")[0]
    rest = [each for each in GOOD.splitlines() if not each.startswith(f"{key}:")]
    findings = findings_in("\n".join([rest[0], line, *rest[1:]]))

    found = [(f"{each.line}:{each.column}", each.path, each.message) for each in findings]
    assert [(p, q) for p, q, message in found if words in message] == [(place, path)], found


def test_all_faults_are_reported_at_once_and_in_the_order_of_the_file(
    findings_in: FindingsIn,
) -> None:
    findings = findings_in(
        "config_version: 1\n"
        "gateway: {org: Kiel, id: gw-1}\n"
        "mqtt: {host: broker.example, prot: 1}\n"
        "store: {}\n"
        "store: {}\n"
        "devices:\n"
        "  - {address: 'lora:1', class: evnt}\n"
        "  - {address: 'lora:1', driver: cayenne-lpp, payload: hax}\n"
    )

    assert [(each.line, each.path) for each in findings] == [
        (2, "gateway.org"),
        (3, "mqtt.host"),
        (3, "mqtt.prot"),
        (5, "store"),
        (7, "devices[0].driver"),
        (7, "devices[0].class"),
        (8, "devices[1].address"),
        (8, "devices[1].payload"),
    ]


def test_a_finding_shows_the_line_with_a_caret_below_the_place(findings_in: FindingsIn) -> None:
    (finding,) = findings_in(GOOD + "log: {level: loud}\n")

    assert str(finding).splitlines()[1:] == [
        "    4 | log: {level: loud}",
        "      |              ^",
    ]
    assert finding.headline.endswith(
        "gateway.yaml:4:14: log.level: must be debug, info, warning or error, not 'loud'"
    )


def test_a_long_line_is_cut_around_the_caret(findings_in: FindingsIn) -> None:
    (finding,) = findings_in(GOOD + f"log: {{{' ' * 5000}level: loud}}\n")

    line, caret = finding.quotation.splitlines()
    assert len(line) < 120
    assert line[caret.index("^") :].startswith("loud")


def test_a_missing_file_names_the_next_step(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file") as caught:
        load(tmp_path / "gateway.yaml")

    assert "gateway.example.yaml" in caught.value.remedy


def test_a_folder_and_a_named_pipe_are_no_configuration(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    for path in (tmp_path, pipe):
        with pytest.raises(InvalidConfigError, match=r"directory|not a file"):
            load(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read everything")
def test_an_unreadable_file_says_so(tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(GOOD)
    path.chmod(0)

    with pytest.raises(InvalidConfigError, match="Permission denied"):
        load(path)


def test_a_file_that_is_not_utf_8_is_refused_at_the_byte(findings_in: FindingsIn) -> None:
    (finding,) = findings_in(GOOD.encode() + "log: {}  # für\n".encode("latin-1"))

    assert (finding.line, finding.column) == (4, 13)
    assert "not UTF-8: the byte 0xfc" in finding.message


def test_a_byte_order_mark_is_no_fault(load_text: Load) -> None:
    assert load_text(b"\xef\xbb\xbf" + GOOD.encode()).gateway.id == "gw-1"


def test_a_file_beyond_the_limit_is_refused_before_it_is_parsed(findings_in: FindingsIn) -> None:
    (finding,) = findings_in(GOOD + "#" * 1_000_000)

    assert "no configuration needs more" in finding.message


class Scenario(BaseModel, extra="forbid"):
    """A model of somebody else's."""

    seed: int
    names: dict[str, int] = {}


def test_any_model_is_loaded_with_the_same_findings() -> None:
    assert load_model("seed: 3", "s.yaml", Scenario) == Scenario(seed=3)

    with pytest.raises(InvalidConfigError) as caught:
        load_model("sede: 3\nnames: {a: x}\n", "s.yaml", Scenario)

    assert [each.headline for each in caught.value.findings] == [
        "s.yaml:1:1: seed: the key 'seed' is missing",
        "s.yaml:1:1: sede: unknown key 'sede', did you mean 'seed'?",
        "s.yaml:2:12: names.a: a whole number is needed, not a text",
    ]
