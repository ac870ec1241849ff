"""Where a running agent is asked can be read of a configuration that is broken elsewhere."""

from pathlib import Path

import pytest

from gateway.config import StoreSettings, whereabouts

DEFAULT = "127.0.0.1:8080"


def written(directory: Path, text: str) -> Path:
    path = directory / "gateway.yaml"
    path.write_text(text)
    return path


def test_what_is_wrong_elsewhere_is_nobodys_business(tmp_path: Path) -> None:
    text = (
        f"hpptp: 1\nhttp: {{listen: '127.0.0.1:9', oops: 1}}\nstore: {{path: {tmp_path}}}\nlog: 7"
    )
    found = whereabouts(written(tmp_path, text), environ={})
    assert (found.http.listen, found.store.path, found.notes) == ("127.0.0.1:9", tmp_path, ())


@pytest.mark.parametrize("text", ["", "http:\n  listen: [\n", "- a list", "http: 7\nstore: []"])
def test_what_cannot_be_read_is_where_agents_are_by_default(tmp_path: Path, text: str) -> None:
    found = whereabouts(written(tmp_path, text), environ={})
    assert (found.http.listen, found.store.path) == (DEFAULT, StoreSettings().path)


def test_a_file_that_is_no_yaml_is_told_with_the_place_and_the_address_that_is_asked(
    tmp_path: Path,
) -> None:
    path = written(tmp_path, "http: {listen: '127.0.0.1:9'}\nlog: [\n")
    (note,) = whereabouts(path, environ={}).notes
    assert note.startswith(f"{path}:")
    assert DEFAULT in note
    (note,) = whereabouts(tmp_path / "gone.yaml", environ={}).notes
    assert "No such file" in note


def test_the_environment_says_it_even_when_the_file_cannot(tmp_path: Path) -> None:
    environ = {"UGW__HTTP__LISTEN": "127.0.0.1:17"}
    assert whereabouts(tmp_path / "gone.yaml", environ=environ).http.listen == "127.0.0.1:17"


def test_a_token_that_cannot_be_had_leaves_the_address(tmp_path: Path) -> None:
    text = "http: {listen: '192.0.2.1:9', token: 'file:/nowhere/token'}"
    found = whereabouts(written(tmp_path, text), environ={})
    assert (found.http.listen, found.http.token) == ("192.0.2.1:9", None)
    assert "http.token" in found.notes[0]
    assert "/nowhere/token" in found.notes[0]


def test_a_token_written_into_the_file_is_not_repeated(tmp_path: Path) -> None:
    text = "http: {token: correct-horse-battery}"
    found = whereabouts(written(tmp_path, text), environ={})
    assert "correct-horse" not in "".join(found.notes)
    assert "write a reference" in found.notes[0]
