"""`ugw check` says whether the store can be used, or made, and leaves no trace of it."""

import os
from pathlib import Path

import pytest

from gateway.exit_codes import ExitCode
from tests.brokers import strict_run
from tests.cli.places import Ended, configuration, ugw


def test_a_store_that_cannot_be_one_keeps_the_agent_from_starting(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    path = configuration(tmp_path)
    (tmp_path / "store").rmdir()
    (tmp_path / "store").write_text("a file")

    ended = strict_run(ugw("check", "-c", str(path)))
    assert ended.code == ExitCode.CANNOT_START
    assert f"failed   store       {tmp_path}/store cannot be written: Not a directory" in ended.out
    assert ended.out.endswith("\nThe agent cannot start: store.\n")


def store_at(directory: Path, place: str) -> Ended:
    """Check a configuration whose store is to be made there."""
    path = configuration(directory)
    path.write_text(path.read_text().replace(f"path: {directory}/store,", f"path: {place},"))
    return strict_run(ugw("check", "-c", str(path)))


def test_a_store_that_leads_through_a_file_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "plain").touch(mode=0o755)
    ended = store_at(tmp_path, f"{tmp_path}/plain/ugw")
    assert ended.code == ExitCode.CANNOT_START
    assert f"failed   store       {tmp_path}/plain is not a directory" in ended.out


def test_a_store_that_not_even_root_can_make_is_not_promised(tmp_path: Path) -> None:
    ended = store_at(tmp_path, "/proc/ugw")
    assert ended.code == ExitCode.CANNOT_START
    assert "cannot make it in /proc" in ended.out


def test_a_store_that_is_still_to_be_made_leaves_no_trace_of_the_check(tmp_path: Path) -> None:
    ended = store_at(tmp_path, f"{tmp_path}/var/lib/ugw")
    assert ended.code == ExitCode.OK, ended.out
    assert "/var/lib/ugw will be made by the agent" in ended.out
    assert {path.name for path in tmp_path.iterdir()} == {"gateway.yaml", "store"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_files_of_the_store_that_belong_to_another_are_named(tmp_path: Path) -> None:
    path = configuration(tmp_path)
    (tmp_path / "store" / "backlog.db").touch()
    os.chown(tmp_path / "store", 65_534, -1)

    ended = strict_run(ugw("check", "-c", str(path)))
    assert ended.code == ExitCode.CANNOT_START
    assert "backlog.db belongs to root, its folder to nobody" in ended.out
    assert f"chown --recursive nobody: {tmp_path}/store" in ended.out


def test_a_medium_with_less_room_than_the_store_wants_is_a_warning(tmp_path: Path) -> None:
    path = configuration(tmp_path)
    path.write_text(path.read_text().replace("8MB", "1024GB"))

    ended = strict_run(ugw("check", "--strict", "-c", str(path)))
    assert ended.code == ExitCode.FAILED
    assert "store.max_size" in ended.out
