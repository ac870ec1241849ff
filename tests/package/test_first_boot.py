"""The first boot, on a gateway that is a folder; in a real Debian: test_debian.py."""

import hashlib
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from gateway.config.secrets import Secret
from tests.flash.seeds import ENROLMENT, seed_of
from tests.package.pretended import HANG_S, Gateway
from ugw_flash.seed.model import Seed

PASSWORD = "correct horse"  # noqa: S105 - of the example
MADE_AT_S = 1_795_368_000
EVERY = 16  # of the places to cut one in so many; all of them: make first-boot


def few(site: Path) -> Seed:
    """Return the example's seed, with one file of each kind."""
    whole = seed_of(site)
    etc = {name: whole.etc[name] for name in ("environment", "ca.pem", "keys/2")}
    return whole._replace(etc=etc)


@pytest.fixture
def seed(site: Path) -> Seed:
    return few(site)


@pytest.fixture
def gateway(tmp_path: Path, seed: Seed) -> Gateway:
    """Return a gateway with a seeded card, before its first boot."""
    made = Gateway(tmp_path / "gateway")
    made.plant(seed)
    return made


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, site: Path) -> Gateway:
    """Return a gateway after its first boot, to look at."""
    gateway = Gateway(tmp_path_factory.mktemp("made") / "gateway")
    gateway.plant(few(site))
    ended = gateway.run()
    assert ended.status == 0, ended.said
    return gateway


def test_a_seeded_card_becomes_a_gateway(made: Gateway, seed: Seed) -> None:
    placed = made.files(made.root / "etc/ugw")
    assert placed == {**seed.etc, "gateway.yaml": seed.configuration.encode()}
    assert made.read("installed").strip() == str(made.boot / "ugw" / seed.package.name)
    assert made.read("managed").splitlines() == ["enable ugw"]
    assert made.state == {
        "schema": "ugw.first-boot/1",
        "gateway": "gw-kiel-0042",
        "seed": hashlib.sha256((made.boot / "ugw/seed.json").read_bytes()).hexdigest(),
        "step": "done",
        "ok": True,
        "cause": "",
        "at_s": MADE_AT_S,
    }


def test_the_configuration_is_checked_as_the_agent_will_read_it(made: Gateway) -> None:
    asked = ["as ugw", f"check --offline {PASSWORD}"]
    assert made.read("asked").splitlines() == asked


def test_only_root_and_the_agent_read_what_was_placed(made: Gateway, seed: Seed) -> None:
    folders = {"": "root:ugw", "/keys": "root:ugw"}
    files = {f"/{name}": "root:ugw" for name in [*seed.etc, "gateway.yaml"]}
    assert made.owners == {**folders, **files}
    assert {made.mode(f"etc/ugw{name}") for name in files} == {0o640}
    assert {made.mode(f"etc/ugw{name}") for name in folders} == {0o750}


def test_nobody_reads_it_while_it_is_placed(made: Gateway) -> None:
    on_the_way = re.findall(r"^\S+ (\d+) \S+\.new$", made.read("owners"), re.MULTILINE)
    assert on_the_way
    assert set(on_the_way) == {"600"}, "before it had its owner"


def test_no_secret_stays_on_the_card_or_gets_into_its_log(made: Gateway, seed: Seed) -> None:
    left = made.files(made.boot)
    assert not {"ugw/environment", "ugw/gateway.yaml"} & set(left)
    assert not [name for name in left if name.startswith("ugw/etc/")]
    secrets = [
        PASSWORD.encode(),
        *(content for name, content in seed.etc.items() if "key" in name),
    ]
    assert not [name for name, content in left.items() for each in secrets if each in content]


def test_what_cloud_init_knows_the_card_by_stays(gateway: Gateway) -> None:
    before = gateway.files(gateway.boot)
    record = gateway.boot / "ugw/seed.json"
    record.write_text(
        record.read_text().replace('"wipe": []', '"wipe": ["user-data", "../x", "meta-data"]')
    )
    (gateway.folder / "x").touch()
    gateway.run()
    after = gateway.files(gateway.boot)
    for name in ("user-data", "meta-data"):
        assert after[name] == before[name]
    assert (gateway.folder / "x").exists(), "not of the boot partition"


def test_what_the_seed_names_is_wiped_too(gateway: Gateway) -> None:
    record = gateway.boot / "ugw/seed.json"
    record.write_text(record.read_text().replace('"wipe": []', '"wipe": ["firstrun.sh"]'))
    (gateway.boot / "firstrun.sh").write_text("psk=correct horse")
    gateway.run()
    assert not (gateway.boot / "firstrun.sh").exists()


def test_a_second_run_changes_nothing(gateway: Gateway) -> None:
    gateway.run()
    before = gateway.files(gateway.folder)
    ended = gateway.run()
    assert (ended.status, ended.changes) == (0, 0)
    assert gateway.files(gateway.folder) == {**before, "count": b"0\n"}


def _outcome(gateway: Gateway) -> tuple[object, ...]:
    """Return all that a person or the agent would see of it."""
    log = {"ugw/first-boot.log"}
    card = {key: content for key, content in gateway.files(gateway.boot).items() if key not in log}
    enabled = "enable ugw" in gateway.read("managed").splitlines()
    return card, gateway.files(gateway.root), gateway.owners, enabled


@pytest.mark.parametrize(
    "first", [1, *(pytest.param(n, marks=pytest.mark.long) for n in range(2, EVERY + 1))]
)
def test_a_power_cut_anywhere_is_finished_by_the_next_boot(
    tmp_path: Path, gateway: Gateway, seed: Seed, first: int
) -> None:
    whole = gateway.run()
    expected = str(_outcome(gateway)).replace(str(gateway.folder), "")
    assert whole.changes > 5 * EVERY, "there is something to cut"
    for cut in range(first, whole.changes + 1, EVERY):
        other = Gateway(tmp_path / f"cut-{cut}")
        other.plant(seed)
        assert other.run(cut=cut).cut
        ended = other.run()
        assert ended.status == 0, (cut, ended.said)
        assert str(_outcome(other)).replace(str(other.folder), "") == expected, cut


def test_two_power_cuts_are_no_worse_than_one(
    tmp_path: Path, gateway: Gateway, seed: Seed
) -> None:
    whole = gateway.run()
    other = Gateway(tmp_path / "other")
    other.plant(seed)
    for cut in (whole.changes // 2, 1, whole.changes // 4):
        assert other.run(cut=cut).cut
    assert other.run().status == 0
    assert other.state["step"] == "done"


def test_a_card_pulled_out_while_it_is_wiped_has_each_file_whole_or_not_at_all(
    gateway: Gateway,
) -> None:
    before = gateway.files(gateway.boot)
    gateway.write("bin/shred", '#!/bin/sh\n/usr/bin/shred "$@"\nkill -9 0\n')
    assert gateway.run().cut
    left = gateway.files(gateway.boot)
    assert "ugw/wiping" in left
    assert [name for name in before.keys() & left.keys() if left[name] != before[name]] == []


def test_a_damaged_seed_is_not_taken_and_the_file_is_named(gateway: Gateway) -> None:
    (gateway.boot / "ugw/etc/ca.pem").write_bytes(b"\0" * 512)
    assert gateway.run().status == 1
    assert (gateway.state["step"], gateway.state["ok"]) == ("seed", False)
    assert "missing or damaged: etc/ca.pem. Seed the card again." in str(gateway.state["cause"])
    assert not (gateway.root / "etc/ugw").exists()
    assert not gateway.read("installed")


def test_a_package_that_cannot_be_installed_is_said_with_dpkgs_words(gateway: Gateway) -> None:
    gateway.write("refused", 'urban-gateway depends on python3 (<< 3.12) "or"\nso\\so')
    assert gateway.run().status == 1
    assert gateway.state["step"] == "package"
    assert "depends on python3 (<< 3.12) or so" in str(gateway.state["cause"])


def test_what_fails_again_for_the_same_cause_wears_no_card(gateway: Gateway) -> None:
    gateway.write("refused", "no room\n")
    gateway.run()
    before = gateway.files(gateway.boot)
    assert gateway.run().status == 1
    assert gateway.files(gateway.boot) == before
    gateway.write("refused", "no room at all\n")
    gateway.run()
    assert gateway.files(gateway.boot) != before


def test_it_goes_on_by_itself_once_the_cause_is_gone(gateway: Gateway) -> None:
    gateway.write("refused", "dpkg is locked\n")
    gateway.run()
    (gateway.folder / "refused").unlink()
    assert gateway.run().status == 0
    assert gateway.state["step"] == "done"


def test_a_configuration_that_cannot_be_used_is_said_and_nothing_is_wiped(
    gateway: Gateway,
) -> None:
    gateway.write("wrong-check", "/etc/ugw/gateway.yaml:3:1: mqtt: is missing\n")
    assert gateway.run().status == 1
    assert gateway.state["step"] == "check"
    assert "gateway.yaml:3:1: mqtt: is missing" in str(gateway.state["cause"])
    assert (gateway.boot / "ugw/environment").exists()
    assert "enable ugw" not in gateway.read("managed")


def test_a_card_seeded_anew_is_made_anew(gateway: Gateway, seed: Seed) -> None:
    gateway.run()
    gateway.plant(seed._replace(configuration=f"{seed.configuration}# new\n"))
    assert gateway.run().status == 0
    assert (gateway.root / "etc/ugw/gateway.yaml").read_text().endswith("# new\n")
    assert gateway.read("managed").splitlines() == ["enable ugw", "enable ugw"]


def test_nothing_of_an_earlier_seed_speaks_for_the_gateway(gateway: Gateway, seed: Seed) -> None:
    gateway.run()
    (gateway.root / "etc/ugw/enrol.json").write_text("{}")
    etc = {name: content for name, content in seed.etc.items() if name != "environment"}
    gateway.plant(seed._replace(etc=etc, made_at_s=MADE_AT_S + 1))
    assert gateway.run().status == 0
    assert gateway.read("asked").splitlines()[-1] == "check --offline "
    assert not (gateway.root / "etc/ugw/enrol.json").exists()


def test_a_record_that_cannot_be_read_is_said(gateway: Gateway) -> None:
    (gateway.boot / "ugw/seed.json").write_bytes(b"\xff" * 512)
    assert gateway.run().status == 1
    assert gateway.state["cause"] == (
        "seed.json on the boot partition cannot be read. Seed the card again."
    )


def test_a_complaint_about_the_environment_quotes_no_secret(tmp_path: Path, seed: Seed) -> None:
    gateway = Gateway(tmp_path / "unquoted")
    environment = {"environment": b"UGW_MQTT_PASSWORD=correct horse\n"}
    gateway.plant(seed._replace(etc={**seed.etc, **environment}))
    ended = gateway.run()
    assert "/etc/ugw/environment is not understood" in str(gateway.state["cause"])
    assert "horse" not in ended.said
    assert b"horse" not in (gateway.boot / "ugw/first-boot.log").read_bytes()


def test_a_running_system_starts_the_agent_with_what_was_placed(gateway: Gateway) -> None:
    (gateway.root / "run/systemd/system").mkdir(parents=True)
    gateway.run()
    assert gateway.read("managed").splitlines() == ["enable ugw", "restart ugw"]


def test_an_agent_that_does_not_start_is_said(gateway: Gateway) -> None:
    (gateway.root / "run/systemd/system").mkdir(parents=True)
    gateway.write("wrong-start", "")
    assert gateway.run().status == 1
    assert gateway.state["step"] == "service"
    assert "journalctl -u ugw" in str(gateway.state["cause"])
    assert (gateway.boot / "ugw/gateway.yaml").exists(), "wiped before it was of use"


def test_a_clock_behind_is_set_to_when_the_card_was_made(made: Gateway) -> None:
    assert made.read("clock").strip() == str(MADE_AT_S)


def test_a_clock_ahead_is_left_alone(gateway: Gateway) -> None:
    gateway.write("clock", f"{MADE_AT_S + 1}\n")
    gateway.run()
    assert gateway.read("clock").strip() == str(MADE_AT_S + 1)


def test_a_gateway_that_enrols_makes_its_key_before_the_check(tmp_path: Path, seed: Seed) -> None:
    gateway = Gateway(tmp_path / "enrolling")
    gateway.plant(seed._replace(enrolment=ENROLMENT._replace(claim=Secret("claim", "7F2K"))))
    (gateway.root / "run/systemd/system").mkdir(parents=True)
    ended = gateway.run()
    assert ended.status == 0, ended.said
    asked = [line.split()[0] for line in gateway.read("asked").splitlines()]
    assert asked == ["enrol", "as", "check"]
    assert gateway.owners["/enrol.json"] == "root:root"
    assert gateway.mode("etc/ugw/enrol.json") == 0o600
    assert gateway.mode("etc/ugw/enrol-ca.pem") == 0o644
    assert gateway.read("managed").splitlines() == [
        "enable ugw ugw-enrol",
        "start --no-block ugw-enrol",
        "restart ugw",
    ]
    assert not (gateway.boot / "ugw/enrol.json").exists(), "the claim stays on the card"


def test_armed_it_is_run_at_every_boot(gateway: Gateway) -> None:
    (gateway.root / "run/systemd/system").mkdir(parents=True)
    assert gateway.run("arm").status == 0
    unit = (gateway.root / "etc/systemd/system/ugw-first-boot.service").read_text()
    assert f"ExecStart=/bin/sh {gateway.boot}/ugw/first-boot run\n" in unit
    assert gateway.read("managed").splitlines() == [
        "enable ugw-first-boot.service",
        "daemon-reload",
        "start --no-block ugw-first-boot.service",
    ]


@pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed here"
)
def test_systemd_understands_its_unit(gateway: Gateway) -> None:
    gateway.run("arm")
    unit = gateway.root / "etc/systemd/system/ugw-first-boot.service"
    said = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", unit],
        capture_output=True,
        text=True,
        timeout=HANG_S,
        check=False,
    ).stderr
    assert not [line for line in said.splitlines() if unit.name in line]


def test_done_it_is_armed_no_more(gateway: Gateway) -> None:
    gateway.run("arm")
    gateway.run()
    unit = gateway.root / "etc/systemd/system/ugw-first-boot.service"
    assert not unit.exists()
    assert gateway.read("managed").splitlines()[-1] == "disable ugw-first-boot.service"
    before = gateway.files(gateway.folder)
    assert gateway.run("arm").status == 0
    assert gateway.files(gateway.folder) == {**before, "count": b"0\n"}


def test_a_card_without_a_seed_says_so(gateway: Gateway) -> None:
    (gateway.boot / "ugw/seed.json").unlink()
    ended = gateway.run()
    assert ended.status == 1
    assert "there is no seed on this card" in ended.said
