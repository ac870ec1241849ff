"""What surrounds a search: findings are made short, the corpus small, what is kept comes back."""

from pathlib import Path

import pytest

from tests.fuzz import corpus, reach
from tests.fuzz.catalogue import TARGETS
from tests.fuzz.shorten import shortened, shown
from tests.fuzz.target import Target


def _fragile(data: bytes) -> None:
    assert b"<" not in data or b">" not in data


def _nothing() -> tuple[bytes, ...]:
    return ()


FRAGILE = Target("fragile", "nobody's", _fragile, _nothing, ())


def test_a_finding_is_cut_down_to_what_shows_it() -> None:
    assert shortened(FRAGILE, b"much before <and between> and much behind") == b"<>"
    assert shown(FRAGILE, b"<>") == shown(FRAGILE, b"a < b > c")


def test_of_inputs_that_reach_the_same_the_shortest_is_kept() -> None:
    plain = TARGETS["esp32-names"]._replace(seeds=_nothing)
    asked = b"\1" + bytes.fromhex("81800001000100000000")
    record = bytes.fromhex("c00c000100010000003c0004c0000207")
    kept = reach.fewest(plain, [asked + record, b"\0", asked + record + b"more", b"\0\0", b"\0"])
    assert kept == [b"\0", asked + record]


def test_what_is_kept_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus, "CORPUS", tmp_path)
    corpus.keep("fragile", [b"longer", b"\0\xff", b"\0\xff", b""])
    assert corpus.kept("fragile") == [b"\0\xff", b"longer"]
    assert corpus.kept("another") == []


def test_each_border_has_a_name_a_description_and_inputs_that_are_short_enough() -> None:
    for target in TARGETS.values():
        assert target.border
        assert target.code
        assert all(len(seed) <= target.most_bytes for seed in target.seeds()), target.name
