"""What makes a start impossible: a number to tell it by, and a sentence that says what to do."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from tests.scenarios.stage import HANG_GUARD_S, Stage

Play = Callable[..., None]
Change = Callable[[Path], None]

CONFIGURATION: Final = 3
CANNOT_START: Final = 4

GOOD: Final = """\
config_version: 1
gateway: {org: kiel, id: gw-1}
mqtt: {host: 127.0.0.1, port: 1}
store: {path: STORE}
transports:
  - {kind: ble, adapter: hci0}
devices:
  - {address: "C0:FF:EE:00:00:01", driver: ruuvi-rawv2}
  - {address: "C0:FF:EE:00:00:02", key: "file:KEY"}
"""


def _replaced(old: str, new: str) -> Change:
    def change(config: Path) -> None:
        assert old in config.read_text()
        config.write_text(config.read_text().replace(old, new))

    return change


def _key_missing(config: Path) -> None:
    (config.parent / "key").unlink()


def _store_is_a_file(config: Path) -> None:
    (config.parent / "store").write_text("not a folder\n")


def _config_missing(config: Path) -> None:
    config.unlink()


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        pytest.param(
            _replaced("{kind: ble, adapter: hci0}", "{kind: ble, adapter: hci0"),
            CONFIGURATION,
            ["gateway.yaml:6:5: not YAML: ", "noticed in line 7"],
            id="malformed YAML",
        ),
        pytest.param(
            _replaced("store: {path", "store: {pathh"),
            CONFIGURATION,
            ["gateway.yaml:4:9: store.pathh: ", "did you mean 'path'?"],
            id="an unknown key",
        ),
        pytest.param(
            _replaced("ruuvi-rawv2", "ruuvi-raw2"),
            CONFIGURATION,
            ["gateway.yaml:8:44: devices[0].driver: ", "did you mean 'ruuvi-rawv2'?"],
            id="an unknown driver",
        ),
        pytest.param(
            _key_missing,
            CONFIGURATION,
            ["gateway.yaml:9:41: devices[1].key: ", "/key"],
            id="no key file",
        ),
        pytest.param(
            _config_missing,
            CONFIGURATION,
            ["gateway.yaml: ", "--config"],
            id="no configuration",
        ),
        pytest.param(
            _store_is_a_file,
            CANNOT_START,
            ["cannot start: the store ", "cannot be used: ", "check store.path"],
            id="a store that is no folder",
        ),
    ],
)
def test_a_start_that_cannot_be_is_refused_with_cause_and_remedy(
    tmp_path: Path, change: Change, code: int, said: list[str]
) -> None:
    config = tmp_path / "gateway.yaml"
    key = tmp_path / "key"
    key.touch(mode=0o600)
    key.write_text("00" * 16)
    config.write_text(
        GOOD.replace("STORE", str(tmp_path / "store")).replace("KEY", str(tmp_path / "key"))
    )
    change(config)
    ended = subprocess.run(
        [sys.executable, "-m", "gateway", "run", "--config", config],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=HANG_GUARD_S,
        check=False,
    )
    assert ended.returncode == code, ended.stderr
    assert ended.stdout == ""
    for text in said:
        assert text in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_second_agent_on_one_store_is_refused_and_the_first_goes_on(play: Play) -> None:
    async def scenario(stage: Stage) -> None:
        first = await stage.start_agent()
        async with stage.sending():
            await stage.arrived(10)
            second = stage.another_agent()
            await stage.until(lambda: second.code is not None)
            assert second.code == CANNOT_START
            assert "another agent is using the store" in second.log
            assert "store.path of its own" in second.log
            await stage.arrived(20)
        assert first.code is None
        await stage.all_arrived()
        await stage.end_agent()

    play(scenario)
