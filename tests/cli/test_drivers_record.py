"""`ugw drivers record`: what one listed device sends becomes examples, of nobody else anything."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.recorder import MOST, Recorder, merged, text_of
from gateway.clock import SystemClock
from gateway.exit_codes import ExitCode
from gateway.model import Frame
from tests.brokers import strict_run
from tests.cli.places import Ended, configuration, radios, ugw
from tests.cli.test_radio import LAMP, NODE, PARK, SCHOOL, a_world, sending

OURS = Path(__file__).parents[2] / "drivers/ble"
FOR = "3s"  # every sensor speaks several times a second


def recorded(directory: Path, device: str, *, devices: str, drivers: Path | None = None) -> Ended:
    """Record in a world; no stranger's address may be found in what is said or written."""
    world = a_world(modems=("usb-lora",))
    file = directory / "examples.json"
    where = ("--output", str(file)) if drivers is None else ()

    async def scene() -> Ended:
        async with sending(world):
            path = configuration(directory, transports=radios(world), devices=devices)
            options = ("--config", str(path), "--for", FOR, *where)
            environ = {**world.environment(), "UGW_DRIVERS": str(drivers or directory / "none")}
            return await ugw("drivers", "record", device, *options, environ=environ)

    ended = strict_run(scene())
    assert "Traceback" not in ended.err
    written = file.read_text() if file.exists() else ""
    assert not world.ledger.leaks([ended.out, ended.err, written])
    assert world.ledger.strangers, "no stranger passed by"
    return ended


def document(directory: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((directory / "examples.json").read_text())
    return found


def test_frames_of_a_listed_device_become_examples_of_its_driver(tmp_path: Path) -> None:
    listed = f"[{{address: '{LAMP}', name: Lamp}}, {{address: '{PARK}'}}]"
    ended = recorded(tmp_path, "Lamp", devices=listed)

    assert ended.code == ExitCode.OK, ended.err
    written = document(tmp_path)
    assert written["model"] == "bthome-v2"
    assert written["examples"]
    for example in written["examples"]:
        assert "air_temperature" in {reading[0] for reading in example["readings"]}
        assert "address" not in example  # nothing in it depends on whose it is
    assert PARK not in (tmp_path / "examples.json").read_text()
    assert "check them" in ended.out


def test_packets_of_a_lora_node_are_recorded_too(tmp_path: Path) -> None:
    ended = recorded(tmp_path, "lora:17", devices=f"[{NODE}]")
    assert ended.code == ExitCode.OK, ended.err
    assert document(tmp_path)["model"] == "cayenne-lpp"


def test_of_a_driver_of_the_users_they_stand_beside_it_and_hold(tmp_path: Path) -> None:
    """The user's copy of a driver wins over ours; what is added to its examples passes."""
    folder = tmp_path / "drivers"
    folder.mkdir()
    for name in ("bthome_v2.py", "bthome_v2.json"):
        shutil.copy(OURS / name, folder / name)
    file = folder / "bthome_v2.json"
    before = json.loads(file.read_text())

    ended = recorded(tmp_path, LAMP, devices=f"[{{address: '{LAMP}'}}]", drivers=folder)
    assert ended.code == ExitCode.OK, ended.err
    after = json.loads(file.read_text())
    added = len(after["examples"]) - len(before["examples"])
    assert added > 0
    assert after["examples"][:-added] == before["examples"]
    assert f"{added} added to {file}" in ended.out
    tested = strict_run(ugw("drivers", "test", str(folder / "bthome_v2.py")))
    assert tested.code == ExitCode.OK, tested.out


def test_what_is_not_listed_is_not_recorded(tmp_path: Path) -> None:
    ended = recorded(tmp_path, PARK, devices=f"[{{address: '{LAMP}'}}]")
    assert ended.code == ExitCode.FAILED
    assert "is not listed" in ended.err
    assert not (tmp_path / "examples.json").exists()


def test_of_an_encrypted_device_nothing_is_written(tmp_path: Path) -> None:
    ended = recorded(tmp_path, SCHOOL, devices=f"[{{address: '{SCHOOL}'}}]")
    assert ended.code == ExitCode.FAILED
    assert "encrypted frames are left out" in ended.err
    assert not (tmp_path / "examples.json").exists()


# ------------------------------------------------------------------------------ by themselves
def a_frame(address: str, content: bytes) -> Frame:
    return Frame(medium="ble", source="ble:hci0", address=address, heard_at_ns=1, content=content)


def test_no_other_device_is_looked_at_and_no_frame_is_kept_twice_or_without_bound() -> None:
    recorder = Recorder(LAMP, SystemClock())
    assert not recorder.lists(PARK)
    assert recorder.admits(PARK, b"x") is None
    assert recorder.heard == 0
    for number in range(2 * MOST):
        content = number.to_bytes(2)
        assert recorder.is_full or recorder.admits(LAMP, content) is not None
        assert recorder.admits(LAMP, content) is None
        if not recorder.is_full:
            recorder.hear(a_frame(LAMP, content))
    assert len(recorder.frames) == MOST
    assert not recorder.wants(LAMP)


@pytest.mark.parametrize("path", sorted(OURS.parent.glob("*/*.json")), ids=lambda path: path.stem)
def test_a_file_that_is_added_to_keeps_what_was_in_it(path: Path) -> None:
    before = json.loads(path.read_text())
    documents = before if isinstance(before, list) else [before]
    assert json.loads(text_of(documents)) == before
    first = documents[0]
    if "refused" in first:
        same, added = merged(first, [])
        assert (same, added) == (first, 0)
