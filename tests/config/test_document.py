"""What is YAML for us, what is refused, and that nothing else comes of hostile text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config import InvalidConfigError
from gateway.config.document import read_document


def refusal(text: str) -> str:
    try:
        error = InvalidConfigError(read_document(text, "f").findings)
    except InvalidConfigError as fatal:
        error = fatal
    assert error.findings
    return str(error)


def test_scalars_are_those_of_yaml_1_2() -> None:
    text = (
        "[1, -2, 0o17, 0x1f, 1.5, 1e3, true, ~, null,"
        " yes, on, 11:22:33, 007, '1', 1_000, 2026-11-22]"
    )

    assert read_document(text, "f").data == [
        *(1, -2, 15, 31, 1.5, 1000.0, True, None, None),
        *("yes", "on", "11:22:33", 7, "1", "1_000", "2026-11-22"),
    ]


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("a:\n\tb: 1\n", "f:2:1", "a tab; YAML is indented with spaces"),
        ("a: b: c\n", "f:1:5", "a ':' too many"),
        ("a: [1, 2\nb: 3\n", "f:1:4", "this '[' a ',' or the ']' is missing; noticed in line 2"),
        ("a: [1, {b: 2]\n", "f:1:8", "behind this '{' a ',' or the '}' is missing"),
        ("a: [\n", "f:2:1", "a ']' or '}' is missing"),
        ("a: 'x\n", "f:1:4", "the quote that begins here is not closed; noticed in line 2"),
        ("a: \x00\n", "f:1:4", "U+0000 is not allowed"),
        ("a: `x`\n", "f:1:4", "cannot start any token"),
        ("a: 1\n---\nb: 2\n", "f:2:1", "a second document"),
        ("? [a]\n: 1\n", "f:1:3", "a key must be text"),
        ("a: &x 1\n", "f:1:4", "anchors (&) are not supported"),
        ("a: *x\n", "f:1:4", "aliases (*) are not supported"),
        ("a: {<<: {b: 1}}\n", "f:1:5", "merge keys"),
        ("a: !!python/object:os.system x\n", "f:1:4", "tags (!) are not supported"),
        ("a: !secret x\n", "f:1:4", "file:/path or env:NAME"),
        ("a: 1\nb: 2\na: 3\n", "f:3:1", "the key 'a' stands twice, first in line 1"),
        ('a: "\\uD800"\n', "f:1:4", "surrogate"),
        ("[" * 100 + "]" * 100, "f:1:34", "nested deeper than 32"),
        ("a: " + "{b: " * 100 + "}" * 100, "f:1:132", "nested deeper than 32"),
    ],
)
def test_what_is_refused_is_refused_at_its_place(text: str, place: str, words: str) -> None:
    (first, *_) = refusal(text).splitlines()

    assert first.startswith(place + ": ")
    assert words in first


def test_a_billion_laughs_is_only_a_list_of_refusals() -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30)
    )

    assert "aliases" in refusal(bomb)


def test_what_follows_a_repeated_key_is_read_for_its_own_faults() -> None:
    text = refusal("a: 1\na: {b: 1, b: 2}\nc: &x 1\n")

    assert [line.split(": ")[0] for line in text.splitlines() if line.startswith("f:")] == [
        "f:2:1",
        "f:2:11",
        "f:3:4",
    ]


def test_nothing_is_said_about_a_value_that_was_refused_already() -> None:
    assert len(read_document("a: *x", "f").findings) == 1


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        read_document(text, "f")
    except InvalidConfigError as error:
        assert error.findings


@given(st.text(alphabet="ab:-?[]{}#&*!|>'\"%@`, \n\t\\<", max_size=60))
def test_any_text_of_yaml_s_own_characters_is_read_or_refused(text: str) -> None:
    try:
        read_document(text, "f")
    except InvalidConfigError as error:
        assert error.findings
