"""The seed's own scripts, run by the system's shell on a folder that stands for a gateway.

What only a gateway has (systemd, its radio, its users, its clock) is a program that writes down
how it was called. On a Pi they are untried.
"""

import os
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from tests.flash.seeds import ADDRESS, CMDLINE, IMAGE, KEYS, WIFI, seed_of
from ugw_flash.seed.files import render
from ugw_flash.seed.flavour import Flavour

PROGRAMS: Final = ("systemctl", "rfkill", "chown", "date", "getent", "useradd", "sync")
MADE_AT_S: Final = 1_795_368_000


class Gateway(NamedTuple):
    """A boot partition, what stands for /, and what stands for the system's programs."""

    boot: Path
    root: Path
    programs: Path

    def run(self, script: str, **environ: str) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": f"{self.programs}:{os.environ['PATH']}",
            "UGW_ROOT": str(self.root),
            "CALLS": str(self.programs / "calls"),
            **environ,
        }
        return subprocess.run(
            ["sh", str(self.boot / script)],
            env=environment,
            check=False,
            capture_output=True,
            text=True,
        )

    def calls(self) -> list[str]:
        """Return how the system's programs were called since the last time."""
        calls = self.programs / "calls"
        found = calls.read_text().splitlines() if calls.exists() else []
        calls.unlink(missing_ok=True)
        return found

    def program(self, name: str, does: str = "exit 0") -> None:
        path = self.programs / name
        path.write_text(f'#!/bin/sh\necho "{name} $*" >>"$CALLS"\n{does}\n')
        path.chmod(0o755)


def gateway(site: Path, folder: Path, flavour: Flavour) -> Gateway:
    seed = seed_of(site, network="wifi", wifi=WIFI, address=ADDRESS)
    made = Gateway(folder / "boot", folder / "root", folder / "programs")
    for name, content in render(seed, flavour, IMAGE, CMDLINE.encode(), {}).items():
        (made.boot / name).parent.mkdir(parents=True, exist_ok=True)
        (made.boot / name).write_bytes(content)
    for place in ("etc/sudoers.d", "etc/NetworkManager/system-connections", "home/ugwadmin"):
        (made.root / place).mkdir(parents=True)
    (made.root / "etc/hostname").write_text("raspberrypi\n")
    (made.root / "etc/hosts").write_text("127.0.0.1\tlocalhost\n127.0.1.1\traspberrypi\n")
    (made.root / "usr/share/zoneinfo/Europe").mkdir(parents=True)
    (made.root / "usr/share/zoneinfo/Europe/Berlin").touch()
    (made.root / "var/lib/systemd/rfkill").mkdir(parents=True)
    (made.root / "var/lib/systemd/rfkill/platform-fe300000.mmc:wlan").write_text("1\n")
    made.programs.mkdir()
    for name in PROGRAMS:
        made.program(name)
    made.program("getent", "echo ugwadmin:x:1000:1000::/home/ugwadmin:/bin/bash")
    made.program("date", f'case $* in *+%s*) echo "${{NOW:-{MADE_AT_S + 9}}}" ;; esac')
    made.program("systemctl", 'case $* in *is-enabled*) exit "${SSH:-0}" ;; esac')
    # Of the first boot only that it is armed: what it does is tests/package's business.
    (made.boot / "ugw/first-boot").write_text('echo "first-boot $*" >>"$CALLS"\n')
    return made


@pytest.fixture
def old(site: Path, tmp_path: Path) -> Gateway:
    """Return a gateway whose image is from before cloud-init."""
    return gateway(site, tmp_path, Flavour.FIRSTRUN)


@pytest.fixture
def new(site: Path, tmp_path: Path) -> Gateway:
    return gateway(site, tmp_path, Flavour.CLOUD_INIT)


def tree(folder: Path) -> dict[str, bytes]:
    files = (each for each in folder.rglob("*") if each.is_file())
    return {str(each.relative_to(folder)): each.read_bytes() for each in files}


@pytest.mark.parametrize("name", ["ugw/prepare", "firstrun.sh"])
def test_shells_that_are_no_bash_understand_them(old: Gateway, name: str) -> None:
    for shell in filter(shutil.which, ("dash", "bash")):
        assert subprocess.run([shell, "-n", old.boot / name], check=False).returncode == 0
    text = (old.boot / name).read_text()
    assert text.startswith("#!/bin/sh\n")
    assert "\r" not in text


def test_the_clock_is_set_to_when_the_card_was_made(new: Gateway) -> None:
    assert new.run("ugw/prepare", NOW=str(MADE_AT_S - 1)).returncode == 0
    assert f"date -u -s @{MADE_AT_S}" in new.calls()


def test_a_clock_that_is_later_is_left_alone(new: Gateway) -> None:
    new.run("ugw/prepare", NOW=str(MADE_AT_S))
    assert not [call for call in new.calls() if " -s " in call]


def test_time_servers_radio_and_ssh_are_as_the_seed_has_them(new: Gateway) -> None:
    new.run("ugw/prepare", SSH="1")
    etc = new.root / "etc"
    assert (etc / "systemd/timesyncd.conf.d/50-ugw.conf").read_text().splitlines()[1:] == [
        "[Time]",
        "NTP=ptbtime1.ptb.example 192.0.2.123",
    ]
    switch = new.root / "var/lib/systemd/rfkill/platform-fe300000.mmc:wlan"
    assert switch.read_text() == "0\n"
    assert "PasswordAuthentication no" in (etc / "ssh/sshd_config.d/10-ugw.conf").read_text()
    calls = new.calls()
    assert "rfkill unblock wifi" in calls
    assert "systemctl --no-block enable --now ssh.service" in calls
    assert "systemctl --no-block try-restart systemd-timesyncd.service" in calls


def test_a_second_boot_changes_nothing_and_writes_nothing_to_the_card(new: Gateway) -> None:
    new.run("ugw/prepare")
    before, log = tree(new.root), (new.boot / "ugw/prepare.log").read_bytes()
    new.calls()
    assert new.run("ugw/prepare").returncode == 0
    assert (tree(new.root), (new.boot / "ugw/prepare.log").read_bytes()) == (before, log)
    assert not [call for call in new.calls() if "restart" in call or "enable --now" in call]


def test_what_an_interrupted_boot_left_is_finished_by_the_next(new: Gateway) -> None:
    new.run("ugw/prepare")
    whole = tree(new.root)
    drop_in = new.root / "etc/systemd/timesyncd.conf.d/50-ugw.conf"
    drop_in.write_text("# Made by the first")
    drop_in.with_suffix(".conf.new").write_text("[Ti")
    new.run("ugw/prepare")
    assert tree(new.root) == whole


def test_the_first_run_makes_name_user_zone_and_network(old: Gateway) -> None:
    userconf = old.root / "usr/lib/userconf-pi/userconf"
    userconf.parent.mkdir(parents=True)
    userconf.write_text('#!/bin/sh\necho "userconf $*" >>"$CALLS"\n')
    userconf.chmod(0o755)
    done = old.run("firstrun.sh")
    assert done.returncode == 0, done.stderr
    etc, home = old.root / "etc", old.root / "home/ugwadmin"
    assert (etc / "hostname").read_text() == "gw-kiel-0042\n"
    assert (etc / "hosts").read_text() == "127.0.0.1\tlocalhost\n127.0.1.1\tgw-kiel-0042\n"
    assert (etc / "localtime").readlink() == Path("/usr/share/zoneinfo/Europe/Berlin")
    assert (etc / "timezone").read_text() == "Europe/Berlin\n"
    assert (home / ".ssh/authorized_keys").read_text() == "".join(f"{key}\n" for key in KEYS)
    assert stat.S_IMODE((home / ".ssh/authorized_keys").stat().st_mode) == 0o600
    assert (etc / "sudoers.d/010_ugw").read_text() == "ugwadmin ALL=(ALL) NOPASSWD:ALL\n"
    connection = etc / "NetworkManager/system-connections/ugw.nmconnection"
    assert connection.read_bytes() == (old.boot / "ugw/network.nmconnection").read_bytes()
    assert stat.S_IMODE(connection.stat().st_mode) == 0o600
    calls = old.calls()
    assert "userconf ugwadmin *" in calls
    assert "chown -R ugwadmin: " + str(home / ".ssh") in calls
    assert "first-boot arm" in calls
    assert "rfkill unblock wifi" in calls  # of prepare


def test_the_first_run_takes_itself_out_of_the_command_line(old: Gateway) -> None:
    old.run("firstrun.sh")
    line = (old.boot / "cmdline.txt").read_text()
    assert line == f"{CMDLINE} cfg80211.ieee80211_regdom=DE\n"


def test_the_first_run_twice_is_as_once(old: Gateway) -> None:
    trigger = (old.boot / "cmdline.txt").read_text()
    old.run("firstrun.sh")
    once = tree(old.root)
    (old.boot / "cmdline.txt").write_text(trigger)  # the power went before that was done
    old.run("firstrun.sh")
    assert tree(old.root) == once
    assert "systemd.run" not in (old.boot / "cmdline.txt").read_text()


def test_without_the_users_tool_of_the_image_the_user_is_made(old: Gateway) -> None:
    old.program("getent", 'grep -q useradd "$CALLS" && echo u:x:0:0::/home/ugwadmin:')
    old.run("firstrun.sh")
    made = "useradd --create-home --shell /bin/bash --groups adm,dialout,sudo ugwadmin"
    assert made in old.calls()
    assert (old.root / "home/ugwadmin/.ssh/authorized_keys").exists()


def test_no_failure_stops_what_comes_after_it_or_the_boot(old: Gateway) -> None:
    for name in ("systemctl", "rfkill", "date", "getent", "useradd", "chown"):
        old.program(name, "exit 1")
    shutil.rmtree(old.root / "usr")
    done = old.run("firstrun.sh")
    assert done.returncode == 0
    assert (old.root / "etc/hostname").read_text() == "gw-kiel-0042\n"
    assert (old.root / "etc/NetworkManager/system-connections/ugw.nmconnection").exists()
    assert "systemd.run" not in (old.boot / "cmdline.txt").read_text()
    told = (old.boot / "ugw/prepare.log").read_text()
    for said in ("keys: not placed", "time zone: there is no Europe/Berlin", "rfkill"):
        assert said in told


def test_a_command_line_that_cannot_be_written_is_not_made_shorter(old: Gateway) -> None:
    old.program("sed", 'case $* in *hosts*) exec /usr/bin/sed "$@" ;; esac')
    before = (old.boot / "cmdline.txt").read_bytes()
    old.run("firstrun.sh")
    assert (old.boot / "cmdline.txt").read_bytes() == before


def test_nothing_secret_is_said(old: Gateway) -> None:
    done = old.run("firstrun.sh")
    told = done.stdout + done.stderr + (old.boot / "ugw/prepare.log").read_text()
    key = (old.boot / "ugw/network.nmconnection").read_text().split("psk=")[1].split()[0]
    assert key not in told
