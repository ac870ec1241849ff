"""An older configuration is rewritten for this version, and stays its writer's own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config import InvalidConfigError, load_model
from gateway.config.migration import VERSION, migrate
from gateway.config.settings import Settings

DRAFT = """\
# The park, by the river

mqtt:
  host: localhost
  keepalive_s: 45   # seconds
gateway: {org: kiel, id: gw-1}

sensors:
  # by the gate
  -   address: "C0:FF:EE:00:00:01"
      decoder: 'bthome'
      expected_interval_s: 600
  - {address: "C0:FF:EE:00:00:02",   "decoder": ruuvi, expected_interval_s: 2.5}   # the pond
"""
RENEWED = """\
# The park, by the river

config_version: 1
mqtt:
  host: localhost
  keepalive: 45s   # seconds
gateway: {org: kiel, id: gw-1}

devices:
  # by the gate
  -   address: "C0:FF:EE:00:00:01"
      driver: bthome-v2
      expected_interval: 600s
  - {address: "C0:FF:EE:00:00:02",   driver: ruuvi-rawv2, expected_interval: 2.5s}   # the pond
"""


def test_only_what_is_called_otherwise_is_written_otherwise() -> None:
    migrated = migrate(DRAFT, "f")

    assert (migrated.version, migrated.changed) == (0, True)
    assert migrated.text == RENEWED
    settings = load_model(migrated.text, "f", Settings)
    assert settings.devices[1].expected_interval_ns == 2_500_000_000


def test_line_ends_stay_what_they_are() -> None:
    crlf = migrate(DRAFT.replace("\n", "\r\n"), "f").text
    assert crlf == RENEWED.replace("\n", "\r\n")


def test_what_is_renewed_is_not_renewed_again() -> None:
    again = migrate(RENEWED, "f")
    assert (again.text, again.version, again.changed) == (RENEWED, VERSION, False)


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("config_version: 2\n", "f:1:17", "version 2 is of a later ugw"),
        ("config_version: one\n", "f:1:17", "a version is a whole number"),
        ("config_version: true\n", "f:1:17", "a version is a whole number"),
        ("- a\n", "f:1:1", "keys and values are needed"),
        ("sensors: [1\n", "f:1:10", "']' is missing"),
        ("{mqtt: {host: localhost}}\n", "f:1:2", "in lines of their own"),
    ],
)
def test_what_cannot_be_renewed_is_refused_at_its_place(text: str, place: str, words: str) -> None:
    with pytest.raises(InvalidConfigError) as refused:
        migrate(text, "f")
    (finding,) = refused.value.findings
    assert finding.place == place
    assert words in finding.message


def test_a_number_that_is_none_is_left_to_its_writer() -> None:
    text = migrate("mqtt: {host: a, keepalive_s: soon}\n", "f").text
    assert "keepalive_s: soon" in text


@given(
    st.lists(st.sampled_from(["# a comment", "", "mqtt:\n  host: x\n  keepalive_s: 7", "log: {}"]))
)
def test_a_step_keeps_every_line_that_it_does_not_mean(lines: list[str]) -> None:
    if lines.count("log: {}") > 1 or sum("mqtt" in line for line in lines) > 1:
        return
    text = "\n".join([*lines, "gateway: {org: a, id: b}", ""])
    before = [line for line in text.splitlines() if "keepalive" not in line]
    after = migrate(text, "f").text.splitlines()
    assert [line for line in after if line in before] == before
