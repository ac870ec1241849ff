"""A codec tried out by hand: what it says, what could be made of it, and never a traceback."""

import hashlib
from collections.abc import Generator
from decimal import Decimal
from pathlib import Path

import pytest

from gateway import codecs
from gateway.codecs.proposals import as_written
from gateway.codecs.rules import Rule
from gateway.codecs.trial import Trial, Tried, digest
from gateway.errors import ConfigError
from tests.codecs.vendors import CLIMATE, FATAL, HARMFUL


@pytest.fixture
def trial() -> Generator[Trial]:
    """Have a trial, seen to its end."""
    with Trial() as trial:
        yield trial


def written(folder: Path, source: str | bytes) -> Path:
    """Write a codec."""
    file = folder / f"{hashlib.sha256(repr(source).encode()).hexdigest()[:8]}.js"
    file.write_bytes(source.encode() if isinstance(source, str) else source)
    return file


def test_a_payload_shows_what_the_codec_says_and_what_could_be_made_of_it(
    trial: Trial, tmp_path: Path
) -> None:
    file = written(tmp_path, CLIMATE)
    tried = trial.decode(file, bytes.fromhex("00d66d65"), port=85)
    assert bytes(tried.decoded or b"") == (
        b'{"temperature":21.400000000000002,"air":{"humidity":54.5},"battery":3701,"door":"open"}'
    )
    assert {path: as_written(rule) for path, rule in tried.proposed.items()} == {
        "temperature": "air_temperature",
        "air.humidity": "relative_humidity",
        "battery": "{property: battery_voltage, scale: 0.001}",
    }
    assert tried.readings == (
        ("air_temperature", 214, 1, ""),
        ("relative_humidity", 545, 1, ""),
        ("battery_voltage", 3701, 3, ""),
    )
    assert (tried.unmapped, tried.warnings) == (("door",), ("battery low",))
    assert (tried.driver, tried.refused, tried.cause) == ("javascript", None, "")


def test_where_a_map_is_given_nothing_is_guessed(trial: Trial, tmp_path: Path) -> None:
    rules = {"temperature": Rule("water_temperature", factor=Decimal(1))}
    file = written(tmp_path, CLIMATE)
    tried = trial.decode(file, bytes.fromhex("00d66d65"), port=85, rules=rules)
    assert tried.readings == (("water_temperature", 214, 1, ""),)


def test_what_a_codec_does_wrong_is_an_answer(trial: Trial, tmp_path: Path) -> None:
    wrong = trial.decode(written(tmp_path, CLIMATE), b"\0")
    assert wrong == Tried(refused="codec_error", cause="unknown port 1")
    endless = trial.decode(written(tmp_path, HARMFUL["an endless loop"][0]), b"\0")
    assert endless == Tried(refused="codec_limit", cause="InternalError: interrupted")
    fatal = trial.decode(written(tmp_path, FATAL), b"\0")
    assert fatal == Tried(refused="codec_limit", cause="the worker was lost over it: it has ended")
    again = trial.decode(written(tmp_path, CLIMATE), b"\0\0\0\0", port=85)
    assert again.refused is None


def test_a_codecs_own_words_drive_no_terminal(trial: Trial, tmp_path: Path) -> None:
    source = "function Decoder() { throw '\\u001b[31m' + 'x'.repeat(1e4) }"
    tried = trial.decode(written(tmp_path, source), b"")
    assert tried.cause.isprintable()
    assert len(tried.cause) <= 300


@pytest.mark.parametrize(
    ("source", "cause"), [(b"\xff", "not UTF-8"), (b" " * 1_000_001, "longer than")]
)
def test_a_file_that_is_no_codec_is_said_to_be_none(
    trial: Trial, tmp_path: Path, source: bytes, cause: str
) -> None:
    with pytest.raises(ConfigError, match=cause):
        trial.decode(written(tmp_path, source), b"")
    with pytest.raises(ConfigError, match="cannot be read"):
        trial.decode(tmp_path / "absent.js", b"")


def test_without_the_engine_the_remedy_is_told(
    trial: Trial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(codecs, "ENGINE", "no_such_engine")
    with pytest.raises(ConfigError) as caught:
        trial.decode(written(tmp_path, CLIMATE), b"")
    assert caught.value.remedy.endswith("-m pip install --no-build-isolation '.[codecs]'")


def test_the_hash_is_what_sha256sum_says(tmp_path: Path) -> None:
    file = written(tmp_path, CLIMATE)
    assert digest(file) == hashlib.sha256(CLIMATE.encode()).hexdigest()
