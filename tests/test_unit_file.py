"""The systemd unit is one that systemd understands, and exposes little.

Only looked at, with systemd-analyze; nothing is started.
"""

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from gateway.vitals import STUCK_AFTER_S

CONFIG = Path(__file__).resolve().parents[1] / "config"
UNIT = CONFIG / "ugw.service"
ENROL = CONFIG / "ugw-enrol.service"
MOST_EXPOSED = {UNIT: 2.0, ENROL: 3.0}  # the latter is root, to write what the agent may only read
units = pytest.mark.parametrize("unit", [UNIT, ENROL], ids=lambda path: path.stem)
SINCE_254 = {"RestartSteps", "RestartMaxDelaySec"}  # Debian 12 has 252, and ignores them

analyzed = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed here"
)


def analyze(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["systemd-analyze", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def settings(section: str) -> dict[str, str]:
    """Return what the unit says; of keys given several times, the last."""
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(UNIT.read_text(encoding="utf-8"))
    return dict(unit[section])


@analyzed
@units
def test_systemd_understands_every_line(unit: Path, tmp_path: Path) -> None:
    installed = tmp_path / unit.name
    here = unit.read_text(encoding="utf-8").replace("/opt/ugw/.venv/bin/ugw", "/bin/true")
    installed.write_text(here, encoding="utf-8")
    said = analyze("verify", "--man=no", str(installed)).stderr
    of_ours = [line for line in said.splitlines() if unit.name in line]
    unknown = {found[1] for line in of_ours if (found := re.search(r"Unknown key '(\w+)'", line))}
    assert unknown <= SINCE_254
    assert not [line for line in of_ours if "Unknown key" not in line]


@analyzed
@units
def test_it_is_exposed_to_little(unit: Path) -> None:
    said = analyze("security", "--offline=true", "--no-pager", str(unit)).stdout
    found = re.search(r"Overall exposure level for [a-z-]+\.service: ([0-9.]+)", said)
    assert found, said
    assert float(found[1]) <= MOST_EXPOSED[unit]


def test_it_never_gives_up_whatever_the_agent_ends_with() -> None:
    service = settings("Service")
    assert service["Restart"] == "always"
    assert settings("Unit")["StartLimitIntervalSec"] == "0"
    assert "RestartPreventExitStatus" not in service, "half a pair of certificate files ends it"


def test_it_is_ready_when_the_agent_says_so_and_watched_with_patience() -> None:
    service = settings("Service")
    assert (service["Type"], service["NotifyAccess"]) == ("notify", "main")
    assert float(service["WatchdogSec"]) > STUCK_AFTER_S, "a wait that is in order would be cut"
    assert service["ExecReload"] == "/bin/kill -HUP $MAINPID"


def test_it_has_no_privileges_and_writes_its_own_folder_alone() -> None:
    service = settings("Service")
    assert service["User"] == "ugw"
    assert service["CapabilityBoundingSet"] == ""
    assert (service["NoNewPrivileges"], service["ProtectSystem"]) == ("yes", "strict")
    assert service["StateDirectory"] == "ugw"
    assert "ReadWritePaths" not in service
    assert set(service["RestrictAddressFamilies"].split()) == {"AF_UNIX", "AF_INET", "AF_INET6"}
