"""First boots in a real Debian: the package, the seed and the script, as on a gateway.

Shown without systemd as the first process, and on this machine's kind of processor; not on a Pi.
"""

import time
from pathlib import Path

import pytest

from tests.flash.seeds import ENROLMENT, seed_of
from tests.package.debian import CACHE, Cut, Debian, skip_without

pytestmark = pytest.mark.long

# One after the other, each further than the one before: what the first has left is there.
CUTS = (
    Cut("dpkg-deb", 0),  # unpacking the package
    Cut("usermod", 1),  # within its postinst
    Cut("chown", 3),  # placing the configuration
    Cut("runuser", 1),  # before the check
    Cut("systemctl", 1),  # before the service is enabled
    Cut("shred", 2),  # wiping
)

ENROLLING = """\
config_version: 1
gateway: {org: kiel, id: gw-kiel-0042}
mqtt:
  host: broker.example
  tls: {ca: /etc/ugw/ca.pem, cert: /etc/ugw/gw.pem, key: /etc/ugw/gw.key}
devices: []
transports: [{kind: ble}]
"""
# What systemd does with the unit: starts the agent, waits until it is ready, and ends it.
START = """
import os, shlex, signal, socket, subprocess
manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
manager.bind("/run/notify")
os.chmod("/run/notify", 0o777)
manager.settimeout(60)
given = dict(line.split("=", 1) for line in shlex.split(open("/etc/ugw/environment").read(), True))
user = ["setpriv", "--reuid=ugw", "--regid=ugw", "--init-groups"]
command = [*user, "/opt/ugw/.venv/bin/ugw", "run"]
agent = subprocess.Popen(command, env={**os.environ, **given, "NOTIFY_SOCKET": "/run/notify"})
while "READY=1" not in (told := manager.recv(4096).decode()):
    pass
print(told, flush=True)
agent.terminate()
raise SystemExit(agent.wait(60))
"""


@pytest.fixture(scope="module", params=["bookworm", "trixie"])
def suite(request: pytest.FixtureRequest) -> str:
    """Return a release of Debian that is there to be played in."""
    name: str = request.param
    skip_without(name)
    return name


@pytest.fixture
def debian(tmp_path: Path, site: Path, suite: str) -> Debian:
    """Return a gateway before its first boot; its seed is the example's."""
    # What sets the clock here would set this machine's.
    seed = seed_of(site, made_at_s=int(time.time()) - 3600)
    return Debian(tmp_path, suite, seed)


def test_it_boots_into_a_gateway_without_a_network(debian: Debian) -> None:
    ended = debian.first_boot()
    assert ended.status == 0, ended.said
    check = debian.as_ugw("check", "--offline")
    assert check.status == 0, check.said
    assert "gateway.yaml: ok" in check.said
    assert debian.run("systemctl", "is-enabled", "ugw").said.strip() == "enabled"
    assert debian.owner("/etc/ugw/gateway.yaml") == "root:ugw 640"
    assert debian.owner("/etc/ugw/environment") == "root:ugw 640"
    assert debian.owner("/var/lib/ugw") == "ugw:ugw 700"
    assert "dialout" in debian.run("id", "ugw").said
    assert debian.run("dpkg", "--verify", "urban-gateway").said == ""
    assert str(debian.card().first_boot) == "its first boot is done"


def test_all_that_a_gateway_may_need_can_be_imported(debian: Debian) -> None:
    debian.first_boot()
    modules = "gateway.app, quickjs, reportlab.pdfgen.canvas, PIL.Image, dbus_fast, ugw_flash"
    ended = debian.run("/opt/ugw/.venv/bin/python3", "-c", f"import {modules}")
    assert ended.status == 0, ended.said


def test_a_gateway_that_enrols_makes_its_own_key_there(
    tmp_path: Path, site: Path, suite: str
) -> None:
    etc = {"ca.pem": (site / "ca.pem").read_bytes()}
    made_at_s = int(time.time()) - 3600
    changed = {"configuration": ENROLLING, "etc": etc, "enrolment": ENROLMENT}
    debian = Debian(tmp_path, suite, seed_of(site, made_at_s=made_at_s, **changed))
    ended = debian.first_boot()
    assert ended.status == 0, ended.said
    assert debian.owner("/etc/ugw/gw.key") == "root:ugw 640"
    assert debian.owner("/etc/ugw/enrol.json") == "root:root 600"
    assert debian.run("systemctl", "is-enabled", "ugw", "ugw-enrol").said.split() == [
        "enabled",
        "enabled",
    ]


def test_the_agent_starts_there_and_says_so_to_systemd(debian: Debian) -> None:
    debian.first_boot()
    (debian.root / "srv/start.py").write_text(START, encoding="utf-8")
    ended = debian.run("python3", "/srv/start.py")
    assert ended.status == 0, ended.said
    assert "READY=1" in ended.said
    assert "stopped clean" in ended.said


def test_a_second_boot_changes_nothing(debian: Debian) -> None:
    debian.first_boot()
    before = debian.files()
    ended = debian.first_boot()
    assert (ended.status, ended.said) == (0, "")
    assert debian.files() == before


def test_the_power_cut_at_every_step_is_finished_by_the_next_boot(debian: Debian) -> None:
    for cut in CUTS:
        ended = debian.first_boot(cut)
        assert ended.cut, (cut, ended.said)
        told = debian.card().first_boot
        assert told is None or told.step != "done", cut
    ended = debian.first_boot()
    assert ended.status == 0, ended.said
    assert str(debian.card().first_boot) == "its first boot is done"
    assert debian.as_ugw("check", "--offline").status == 0
    assert debian.run("dpkg", "--audit").said == ""
    assert debian.run("dpkg", "--verify", "urban-gateway").said == ""


def test_cloud_init_finds_nothing_wrong_with_the_seed(debian: Debian, suite: str) -> None:
    if suite != "trixie":
        pytest.skip("its image knows no cloud-init")
    user_data = debian.run("cloud-init", "schema", "-c", "/boot/firmware/user-data")
    assert user_data.status == 0, user_data.said
    kind = ("-t", "network-config", "-c", "/boot/firmware/network-config")
    network = debian.run("cloud-init", "schema", *kind)
    assert network.status == 0, network.said


def test_purged_it_leaves_nothing_and_removed_it_keeps_what_it_heard(debian: Debian) -> None:
    debian.first_boot()
    assert debian.run("dpkg", "--remove", "urban-gateway").status == 0
    assert not (debian.root / "opt/ugw").exists()
    assert (debian.root / "etc/ugw/gateway.yaml").exists()
    assert (debian.root / "var/lib/ugw").is_dir()
    assert debian.run("dpkg", "--purge", "urban-gateway").status == 0
    left = [debian.root / "etc/ugw", debian.root / "var/lib/ugw"]
    assert not [path for path in left if path.exists()]
    assert not list((debian.root / "etc/systemd/system").rglob("ugw*"))


def test_it_does_not_unpack_over_an_installation_by_hand(debian: Debian) -> None:
    (debian.root / "opt/ugw/.git").mkdir(parents=True)
    assert debian.first_boot().status == 1
    told = debian.card().first_boot
    assert told
    assert told.step == "package"
    assert "made by hand" in told.cause


def test_a_wheelhouse_installs_the_same_without_a_network(debian: Debian, suite: str) -> None:
    (house,) = (CACHE / f"{suite}.made").glob("*.tar")
    (debian.root / "srv" / house.name).write_bytes(house.read_bytes())
    unpacked = debian.run("tar", "-C", "/srv", "-xf", f"/srv/{house.name}")
    assert unpacked.status == 0, unpacked.said
    for _ in range(2):
        ended = debian.run(f"/srv/{house.stem}/install")
        assert ended.status == 0, ended.said
        assert "Installed: ugw " in ended.said
    version = debian.run("runuser", "-u", "ugw", "--", "/opt/ugw/.venv/bin/ugw", "version")
    assert version.status == 0, version.said
