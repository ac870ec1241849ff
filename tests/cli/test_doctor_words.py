"""What the doctor says: every sentence in both languages, made of the same values."""

import ast
import re
import string
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.doctor.finding import Finding, Light, Link
from gateway.cli.doctor.language import halves, is_known, of_locale, said, tell
from gateway.cli.doctor.words import CATALOGUE
from gateway.cli.doctor.words.causes import CAUSES
from gateway.cli.doctor.words.labels import HEADINGS, LIGHTS, LINKS, SIGNALS
from gateway.cli.doctor.words.remedies import REMEDIES
from gateway.cli.doctor.words.text import Language, Text
from tests.docs import said as source

EN, DE = Language.EN, Language.DE
DOCTOR = Path(__file__).resolve().parents[2] / "gateway/cli/doctor"
TABLES: dict[str, Mapping[Any, Mapping[Language, str]]] = {
    "links": LINKS,
    "lights": LIGHTS,
    "signals": SIGNALS,
    "headings": HEADINGS,
}
COMMANDS = {form for form, german in REMEDIES.items() if form == german}


def placeholders(text: str) -> list[tuple[str, str]]:
    """Return what is put into a text, and how."""
    parts = string.Formatter().parse(text)
    return sorted((name, how or "") for _, name, how, _ in parts if name is not None)


# ----------------------------------------------------------------------------------- its own words
@pytest.mark.parametrize("name", CATALOGUE)
def test_a_sentence_has_the_same_parts_and_values_in_both_languages(name: str) -> None:
    both = CATALOGUE[name]
    for part in Text._fields:
        english, german = getattr(both.en, part), getattr(both.de, part)
        assert bool(english) == bool(german), part
        assert placeholders(english) == placeholders(german), part


@pytest.mark.parametrize("name", CATALOGUE)
def test_what_is_amiss_has_a_cause_and_a_remedy_and_what_is_well_has_neither(name: str) -> None:
    text = CATALOGUE[name].en
    assert text.says.endswith(".")
    assert bool(text.cause) == bool(text.remedy)


@pytest.mark.parametrize("table", TABLES)
def test_a_label_is_there_in_both_languages(table: str) -> None:
    for both in TABLES[table].values():
        assert set(both) == {EN, DE}
        assert placeholders(both[EN]) == placeholders(both[DE])


def test_there_is_a_label_for_each_link_and_light() -> None:
    assert set(LINKS) == set(Link)
    assert set(LIGHTS) == set(Light)


def ids_in_the_source() -> set[str]:
    """Return every id that the links' modules name, whole or by its beginning."""
    trees = (ast.parse(path.read_text()) for path in DOCTOR.glob("*.py"))
    found = {text for tree in trees for text in source.texts(tree)}
    return {text for text in found if re.fullmatch(r"[a-z]+\.[a-z_]+", text)}


def test_what_the_links_name_is_in_the_catalogue() -> None:
    named = {each for each in ids_in_the_source() if each.partition(".")[0] in heads()}
    assert len(named) > 40
    assert named - set(CATALOGUE) == set()


def heads() -> set[str]:
    return {name.partition(".")[0] for name in CATALOGUE}


def test_numbers_are_written_as_people_of_the_language_do() -> None:
    values: dict[str, Any] = {"path": "/var/lib/ugw", "free_bytes": 1_250_000_000}
    finding = Finding(link=Link.DISK, light=Light.GREEN, id="disk.good", values=values)
    assert "1.2 GB" in tell(finding, EN).says
    assert "1,2 GB" in tell(finding, DE).says


def test_what_others_have_said_cannot_drive_the_terminal() -> None:
    values = {"host": "a\x1b[2J", "cause": "b\x07", "remedy": "c\n"}
    finding = Finding(link=Link.NAME, light=Light.RED, id="name.bad", values=values)
    for language in Language:
        assert all(part.isprintable() for part in tell(finding, language))


@pytest.mark.parametrize(
    ("environ", "language"),
    [
        ({"LANG": "de_DE.UTF-8"}, DE),
        ({"LANG": "de_AT.UTF-8", "LC_ALL": "en_GB.UTF-8"}, EN),
        ({"LANG": "en_GB.UTF-8", "LC_MESSAGES": "de_DE"}, DE),
        ({"LANG": "de_DE.UTF-8", "LC_ALL": ""}, DE),
        ({"LANG": "C"}, EN),
        ({}, EN),
    ],
)
def test_the_terminals_language_is_the_default(
    environ: dict[str, str], language: Language
) -> None:
    assert of_locale(environ) is language


# ----------------------------------------------------------------------------------- others' words
@pytest.mark.parametrize(("english", "german"), [*CAUSES.items(), *REMEDIES.items()])
def test_a_form_is_recognised_and_keeps_what_is_put_in(english: str, german: str) -> None:
    assert placeholders(english) == placeholders(german)
    given = {name: f"<{number}>" for number, (name, _) in enumerate(placeholders(english))}
    assert said(english.format(**given), DE) == german.format(**given)
    assert said(english.format(**given), EN) == english.format(**given)


@pytest.mark.parametrize("form", [*CAUSES, *REMEDIES])
def test_a_form_has_enough_of_its_own_to_be_known_by(form: str) -> None:
    assert len(re.sub(r"\{\w+\}|[^a-z]", "", form)) >= 6


def test_what_is_put_into_a_sentence_is_put_into_german_too() -> None:
    english = "the broker is not connected: host:1 is not trusted: its certificate has expired"
    assert said(f"{english}. What is heard is kept meanwhile", DE) == (
        "der Broker ist nicht verbunden: host:1 wird nicht vertraut: "
        "sein Zertifikat ist abgelaufen. Was gehört wird, wird solange behalten"
    )


def test_a_sentence_that_nobody_knows_stays_as_it_is() -> None:
    assert said("the moon is in the way", DE) == "the moon is in the way"


@pytest.mark.parametrize(
    ("text", "cause", "remedy"),
    [
        (
            "adapter hci0 is powered off: rfkill unblock bluetooth; bluetoothctl power on",
            "adapter hci0 is powered off",
            "rfkill unblock bluetooth; bluetoothctl power on",
        ),
        (
            "/dev/ttyUSB0: not there: plug the modem in (ls -l /dev/serial/by-id)",
            "/dev/ttyUSB0: not there",
            "plug the modem in (ls -l /dev/serial/by-id)",
        ),
        ("BlueZ has ended the scan", "BlueZ has ended the scan", ""),
        ("", "", ""),
    ],
)
def test_a_remedy_behind_a_cause_is_told_from_it(text: str, cause: str, remedy: str) -> None:
    assert halves(text) == (cause, remedy)


# What the doctor may be handed, and whose sentences these are.
SPEAKERS = (
    "gateway/cli/local_agent.py",
    "gateway/cli/preflight/bluetooth.py",
    "gateway/cli/preflight/lorawan.py",
    "gateway/cli/preflight/network.py",
    "gateway/cli/preflight/serial_port.py",
    "gateway/cli/preflight/store.py",
    "gateway/dial.py",
    "gateway/mqtt.py",
    "gateway/sender.py",
    "gateway/subscription.py",
    "gateway/transport/ble/causes.py",
    "gateway/transport/ble/connection.py",
    "gateway/transport/ble/poller.py",
    "gateway/transport/ble/supervisor.py",
    "gateway/transport/semtech/forwarder.py",
    "gateway/transport/serial/port.py",
    "gateway/transport/serial/speeds.py",
    "gateway/transport/serial/supervisor.py",
    "gateway/uplink/certificates.py",
    "gateway/uplink/mqtt.py",
    "gateway/backlog/sqlite/connection.py",
    "gateway/backlog/sqlite/file.py",
    "gateway/web/inside.py",
    "gateway/web/troubles.py",
)
FEW_WORDS = 3
# Said only where all is well or was not tried, which the doctor says in its own words; parts of a
# sentence, which stand whole in the table; and what goes to the log or is a name.
NOT_HANDED_ON = re.compile(
    r"""
      \0\ is\ (\0|an\ address\ already)
    | \0\ (will\ be\ made|can\ be\ written;\ it\ belongs)\ .*
    | cannot\ be\ opened | there\ is\ (none\ yet|no\ folder) | nothing\ there\ yet
    | not\ tried,.* | an\ agent\ is\ running\ and\ has\ it.* | may\ be\ opened;\ an\ agent.*
    | cannot\ be\ known:.* | allowed\ on\ .* | ;\ nobody\ subscribes\ to\ it
    | \0\ holds\ for\ .* | \0\ has\ expired\ on\ \0 | \0,\ \0;\ its\ certificate
    | the\ broker\ is\ not\ connected:\ \0 | \0\.\ What\ is\ heard.* | \0\ or\ \0
    | our\ certificate\ is\ not\ valid\ before\ \0
    | the\ gateway's\ (own|certificate),?\ \0,? | (expires\ in|has\ expired)\ \0\ days.*
    | its\ certificate | .*(%s|%d|%r|=).* | users\ of\ the\ port
    | ;\ \0\ called,\ and\ allow.* | gateway\ \0\ at\ \0 | \0\ (poller|supervisor|watcher)
    | (No|Packet|Payload|Topic|Implementation|Unspecified|Quota|Not)\ .*
    | MqttSettings.* | a\ certificate\ \(mqtt.* | \0\ and\ \0 | \0\ \(pid\ \0\)
    | does\ not\ .* | says\ our\ .* | speaks\ no\ .* | wants\ a\ .* | refuses\ the\ TLS\ .*
    | \0\ is\ \0:\ \0 | Bearer\ \0 | reason\ code\ .* | \0\ with\ \0
    """,
    re.VERBOSE,
)


def sentences() -> Iterator[tuple[str, str]]:
    for file in SPEAKERS:
        for text in sorted(source.texts(source.module(file))):
            if len(text.split()) >= FEW_WORDS and not NOT_HANDED_ON.fullmatch(text):
                yield file, text


@pytest.mark.parametrize(("file", "text"), list(sentences()))
def test_what_another_part_may_say_has_its_german(file: str, text: str) -> None:
    shown = re.sub(source.VALUE, "X1", text)
    cause, remedy = halves(shown)
    missing = f"{file} says {shown!r}: words/causes.py, words/remedies.py"
    assert is_known(shown) or (remedy and is_known(cause)) or is_known(f"X: {cause}"), missing
