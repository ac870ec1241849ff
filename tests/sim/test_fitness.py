"""What the simulator needs of a computer is named, with what to do about it."""

import tempfile
from collections.abc import Mapping

import pytest

from gateway.sim.fitness import Check, Place, State, examine

GOOD = {
    "which": lambda name: f"/usr/bin/{name}",
    "has_module": lambda _: True,
    "version": lambda _: "version 1",
    "temporary": tempfile.gettempdir,
    "open_pty": lambda: None,
    "max_files": lambda: 65_536,
    "system": lambda: "Linux",
}


def raises_no_pty() -> None:
    raise OSError(2, "No such file or directory")


def checks(**other: object) -> Mapping[str, Check]:
    given = {**GOOD, **other}
    return {check.name: check for check in examine(Place(**given))}  # type: ignore[arg-type]


def test_where_everything_is_there_nothing_is_wrong() -> None:
    assert {check.state for check in checks().values()} == {State.GOOD}


@pytest.mark.parametrize(
    ("name", "other", "state", "remedy"),
    [
        ("dbus-daemon", {"which": lambda _: None}, State.BAD, "apt-get install dbus-daemon"),
        ("mosquitto", {"which": lambda _: None}, State.WARNING, "apt-get install mosquitto"),
        ("pytest", {"has_module": lambda _: False}, State.WARNING, "urban-gateway[sim]"),
        ("serial ports", {"open_pty": raises_no_pty}, State.BAD, "devpts"),
        ("temporary files", {"temporary": lambda: "/" + 110 * "x"}, State.BAD, "TMPDIR"),
        ("temporary files", {"temporary": lambda: "/no/such/folder"}, State.BAD, "TMPDIR"),
        ("open files", {"max_files": lambda: 1024}, State.WARNING, "ulimit -n"),
        ("system", {"system": lambda: "Darwin"}, State.WARNING, "Linux"),
    ],
)
def test_what_is_missing_is_named_with_its_remedy(
    name: str, other: Mapping[str, object], state: State, remedy: str
) -> None:
    check = checks(**other)[name]
    assert check.state is state
    assert remedy in check.remedy


def test_it_looks_at_this_computer_and_finds_what_tests_need() -> None:
    found = {check.name: check for check in examine(Place())}
    assert found["dbus-daemon"].state is State.GOOD
    assert any(letter.isdigit() for letter in found["dbus-daemon"].says)
    assert found["serial ports"].state is State.GOOD
