"""`ugw config validate`, `diff` and `migrate`: what they say, how they end, what they leave."""

import json
import os
import stat
from pathlib import Path

import pytest

from gateway.exit_codes import ExitCode
from tests.cli.calling import end_of
from tests.cli.conftest import Command

HEAD = "config_version: 1\ngateway: {org: kiel, id: gw-1}\nmqtt: {host: localhost}\n"
DRAFT = "# ours\ngateway: {org: kiel, id: gw-1}\nmqtt: {host: localhost, keepalive_s: 45}\n"


@pytest.fixture
def pair(tmp_path: Path) -> tuple[str, str]:
    old, new = tmp_path / "old.yaml", tmp_path / "new.yaml"
    old.write_text(HEAD)
    new.write_text(HEAD + "log: {level: debug}\n")
    return str(old), str(new)


def test_a_configuration_is_validated_and_nothing_is_tried(ugw: Command, good: Path) -> None:
    done = ugw("config", "validate", str(good))
    assert (done.returncode, done.stdout, done.stderr) == (ExitCode.OK, f"{good}: ok\n", "")


def test_findings_are_there_for_people_and_for_programs(
    bad: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert end_of("config", "validate", str(bad)) == ExitCode.CONFIGURATION
    said = capsys.readouterr()
    assert (said.out, said.err.splitlines()[-1]) == ("", "2 errors")
    assert end_of("config", "validate", str(bad), "--json") == ExitCode.CONFIGURATION
    report = json.loads(capsys.readouterr().out)
    assert (report["ok"], [each["line"] for each in report["findings"]]) == (False, [10, 11])


def test_a_change_that_a_reload_applies_says_so(
    pair: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert end_of("config", "diff", *pair) == ExitCode.OK
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["~", "log.level", "info", "debug", "reload"]
    assert lines[-1] == "To apply it: systemctl reload ugw"


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ("store: {max_size: 1GB}\n", "store.max_size"),
        ("clock: {source: system}\n", "clock.source"),
    ],
)
def test_a_change_that_needs_a_restart_says_so(
    pair: tuple[str, str], capsys: pytest.CaptureFixture[str], more: str, path: str
) -> None:
    Path(pair[1]).write_text(HEAD + more)
    assert end_of("config", "diff", *pair) == ExitCode.OK
    assert capsys.readouterr().out.endswith("To apply it: systemctl restart ugw\n")
    assert end_of("config", "diff", *pair, "--json") == ExitCode.OK
    report = json.loads(capsys.readouterr().out)
    assert report["restart"] is True
    assert [(each["path"], each["restart"]) for each in report["changes"]] == [(path, True)]


def test_one_file_is_compared_with_the_defaults(
    pair: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert end_of("config", "diff", pair[1]) == ExitCode.OK
    assert "~  log.level    info     debug\n" in capsys.readouterr().out


def test_the_same_is_no_difference(
    pair: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert end_of("config", "diff", pair[0], pair[0]) == ExitCode.OK
    assert capsys.readouterr().out == "no difference\n"


def test_what_stands_in_a_file_is_shown_as_it_is(
    pair: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    Path(pair[1]).write_text(HEAD.replace("gw-1}", 'gw-1, name: "[red]x[/red]"}'))
    end_of("config", "diff", *pair)
    assert "[red]x[/red]" in capsys.readouterr().out


# ----------------------------------------------------------------------------------------- migrate
def test_a_dry_run_shows_the_change_and_makes_none(ugw: Command, tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(DRAFT)
    done = ugw("config", "migrate", "--dry-run", str(path))

    assert done.returncode == ExitCode.OK
    assert "\n+config_version: 1\n" in done.stdout
    assert "\n-mqtt: {host: localhost, keepalive_s: 45}\n" in done.stdout
    assert "the result would be valid" in done.stderr
    assert path.read_text() == DRAFT
    assert list(tmp_path.iterdir()) == [path]

    path.write_text(f"{DRAFT}hpptp: {{}}\n")
    again = ugw("config", "migrate", "--dry-run", str(path))
    assert "the result would not be valid yet" in again.stderr
    assert "hpptp" in again.stderr


def test_migrating_keeps_the_old_file_and_what_belongs_to_the_file(
    ugw: Command, tmp_path: Path
) -> None:
    path, link = tmp_path / "gateway.yaml", tmp_path / "link.yaml"
    path.write_text(DRAFT)
    path.chmod(0o640)
    link.symlink_to(path)
    (tmp_path / "gateway.yaml.v0").write_text("an earlier one")
    if os.geteuid() == 0:
        os.chown(path, 65_534, 65_534)
    done = ugw("config", "migrate", str(link))

    assert done.returncode == ExitCode.OK
    assert path.read_text() == (
        "# ours\nconfig_version: 1\ngateway: {org: kiel, id: gw-1}\n"
        "mqtt: {host: localhost, keepalive: 45s}\n"
    )
    assert link.is_symlink()
    assert (tmp_path / "gateway.yaml.v0").read_text() == "an earlier one"
    kept = tmp_path / "gateway.yaml.v0-2"
    assert kept.read_text() == DRAFT
    assert str(kept) in done.stdout
    for each in (path, kept):
        assert stat.S_IMODE(each.stat().st_mode) == 0o640
        assert each.stat().st_uid == (65_534 if os.geteuid() == 0 else os.geteuid())
    assert len(list(tmp_path.iterdir())) == 4
    again = ugw("config", "migrate", str(link))
    assert again.stdout == f"{link}: version 1 already\n"
