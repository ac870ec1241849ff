"""Every border keeps its promises for what searches have found, and for what was a fault once.

The search itself is `make soak-fuzz`; here its corpus is replayed, without a fuzzer.
"""

from base64 import b64decode
from pathlib import Path

import pytest

from tests.fuzz import corpus
from tests.fuzz.catalogue import TARGETS
from tests.fuzz.changes import changed
from tests.fuzz.target import Target

_MOST_BYTES = 1_500_000  # of the whole corpus, as it is committed
_MOST_INPUTS = 2_500
_EACH = pytest.mark.parametrize("target", TARGETS.values(), ids=list(TARGETS))


@_EACH
def test_a_border_keeps_its_promises_for_what_searches_have_found(target: Target) -> None:
    _skip_without_what_it_needs(target)
    for data in (*target.seeds(), *corpus.kept(target.name)):
        target.run(data)


@_EACH
def test_a_border_keeps_its_promises_for_what_is_nearly_right(target: Target) -> None:
    _skip_without_what_it_needs(target)
    for data in changed(target, [*target.seeds(), *corpus.kept(target.name)]):
        target.run(data)


_FAULTS = [(name, path) for name in TARGETS for path in corpus.found(name)]


@pytest.mark.parametrize(("name", "path"), _FAULTS, ids=[path.name for _, path in _FAULTS])
def test_what_was_a_fault_once_is_none_any_more(name: str, path: Path) -> None:
    _skip_without_what_it_needs(TARGETS[name])
    TARGETS[name].run(path.read_bytes())


def test_the_corpus_is_small_and_every_input_belongs_to_a_border() -> None:
    files = sorted(corpus.CORPUS.glob("*"))
    assert [path.stem for path in files if path.stem not in TARGETS] == []
    assert {path.name for path in corpus.FOUND.glob("*")} <= TARGETS.keys()
    lines = [line for path in files for line in path.read_text().split()]
    assert sum(path.stat().st_size for path in files) <= _MOST_BYTES
    assert 0 < len(lines) <= _MOST_INPUTS
    assert all(b64decode(line, validate=True) for line in lines)


def _skip_without_what_it_needs(target: Target) -> None:
    if missing := target.missing():
        pytest.skip(missing)
