"""A seed as files: what is in them, what is never, and who else understands them."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

from gateway.config.secrets import Secret
from tests.flash.seeds import ADDRESS, CMDLINE, ENROLMENT, IMAGE, KEYS, WIFI, seed_of
from ugw_flash.outcome import BadMaterialError
from ugw_flash.seed.checks import SeedError
from ugw_flash.seed.files import render
from ugw_flash.seed.flavour import Flavour
from ugw_flash.seed.model import Address, Seed, Wifi

ROOT = Path(__file__).parents[2]
CLOUD_INIT = ROOT / ".cache" / "cloud-init"
BOTH = tuple(Flavour)
OTHERS = {"kernel8.img": "c3" * 32}

needs_cloud_init = pytest.mark.skipif(
    not (CLOUD_INIT / "schema-cloud-config-v1.json").exists(),
    reason="cloud-init's schemas are not in .cache/cloud-init: tools/cloud-init puts them there",
)


def files_of(seed: Seed, flavour: Flavour = Flavour.CLOUD_INIT) -> dict[str, bytes]:
    return render(seed, flavour, IMAGE, f"{CMDLINE}\n".encode(), OTHERS)


def yaml(content: bytes) -> Any:  # noqa: ANN401 - a document
    loader = YAML(typ="safe", pure=True)
    loader.version = "1.1"  # as cloud-init has it, where NO is false
    return loader.load(content.decode())


@pytest.fixture
def wireless(site: Path) -> Seed:
    return seed_of(site, network="wifi", wifi=WIFI, address=ADDRESS, enrolment=ENROLMENT)


# -------------------------------------------------------------------------------------- cloud-init


@needs_cloud_init
@pytest.mark.parametrize("network", ["ethernet", "wifi"])
def test_cloud_init_itself_finds_user_data_in_order(
    site: Path, wireless: Seed, network: str
) -> None:
    files = files_of(wireless if network == "wifi" else seed_of(site))
    schema = json.loads((CLOUD_INIT / "schema-cloud-config-v1.json").read_text())
    checker = jsonschema.validators.validator_for(schema)(schema)
    assert files["user-data"].startswith(b"#cloud-config\n")
    assert [each.message for each in checker.iter_errors(yaml(files["user-data"]))] == []


@needs_cloud_init
def test_the_schema_of_cloud_init_is_one_that_finds_faults() -> None:
    schema = json.loads((CLOUD_INIT / "schema-cloud-config-v1.json").read_text())
    checker = jsonschema.validators.validator_for(schema)(schema)
    assert list(checker.iter_errors({"hostnam": "gw"}))
    assert list(checker.iter_errors({"ssh_pwauth": 3}))


@needs_cloud_init
def test_cloud_init_itself_finds_the_network_in_order(site: Path) -> None:
    schema = json.loads((CLOUD_INIT / "schema-network-config-v2.json").read_text())
    checker = jsonschema.validators.validator_for(schema)(schema)
    network = yaml(files_of(seed_of(site, address=ADDRESS))["network-config"])["network"]
    assert [each.message for each in checker.iter_errors(network)] == []


def connections(network: bytes, folder: Path) -> dict[str, str]:
    """Return what netplan makes of a network for NetworkManager."""
    generate = CLOUD_INIT / "generate"
    netplan = folder / "etc" / "netplan"
    netplan.mkdir(parents=True)
    (netplan / "00.yaml").write_text("network: {version: 2, renderer: NetworkManager}\n")
    (netplan / "50.yaml").write_bytes(network)
    for each in netplan.iterdir():
        each.chmod(0o600)
    environment = {**os.environ, "LD_LIBRARY_PATH": str(CLOUD_INIT)}
    if (
        not generate.exists()
        or subprocess.run(
            [generate, "--help"], env=environment, check=False, capture_output=True
        ).returncode
    ):
        pytest.skip("netplan's generator is not in .cache/cloud-init, or does not run here")
    found = subprocess.run(
        [generate, "--root-dir", folder], env=environment, check=False, capture_output=True
    )
    assert found.returncode == 0, found.stderr.decode()
    made = (folder / "run/NetworkManager/system-connections").iterdir()
    return {each.read_text().split("id=netplan-")[1][:4]: each.read_text() for each in made}


def test_netplan_makes_the_connections_that_were_asked_for(tmp_path: Path, wireless: Seed) -> None:
    made = connections(files_of(wireless)["network-config"], tmp_path)
    assert set(made) == {"eth0", "wlan"}
    radio = made["wlan"]
    assert "address1=192.0.2.17/24\n" in radio
    assert "route1=0.0.0.0/0,192.0.2.1\n" in radio
    assert "dns=192.0.2.53;198.51.100.53;\n" in radio
    assert f"ssid={WIFI.ssid}\n" in radio
    assert "key-mgmt=wpa-psk\n" in radio
    assert made["eth0"].count("method=auto\n") == 2  # IPv4, and IPv6


def test_netplan_makes_an_open_network_an_open_one(tmp_path: Path, site: Path) -> None:
    seed = seed_of(site, network="wifi", wifi=Wifi("no", None, "NO"))
    network = files_of(seed)["network-config"]
    radio = yaml(network)["network"]["wifis"]["wlan0"]
    assert (radio["regulatory-domain"], radio["access-points"]) == ("NO", {"no": {}})
    made = connections(network, tmp_path)
    assert "wifi-security" not in made["wlan"]
    assert "ssid=no\n" in made["wlan"]
    assert made["wlan"].count("method=auto\n") == 2


def test_user_data_says_who_may_log_in_and_how(site: Path) -> None:
    data = yaml(files_of(seed_of(site))["user-data"])
    (user,) = data["users"]
    assert (data["hostname"], data["timezone"]) == ("gw-kiel-0042", "Europe/Berlin")
    assert (user["name"], user["lock_passwd"]) == ("ugwadmin", True)
    assert user["ssh_authorized_keys"] == list(KEYS)
    assert data["ssh_pwauth"] is False


def test_what_must_survive_a_power_cut_is_run_at_every_boot(site: Path) -> None:
    data = yaml(files_of(seed_of(site))["user-data"])
    assert data["bootcmd"] == [
        ["sh", "/boot/firmware/ugw/prepare"],
        ["sh", "/boot/firmware/ugw/first-boot", "arm"],
    ]
    assert not data.keys() & {"runcmd", "packages", "write_files"}  # cloud-init does them once


def test_another_seed_is_another_instance_and_the_same_is_the_same(site: Path) -> None:
    def instance(seed: Seed) -> str:
        return str(yaml(files_of(seed)["meta-data"])["instance-id"])

    seed = seed_of(site)
    assert instance(seed) == instance(seed)
    assert instance(seed).startswith("ugw-gw-kiel-0042-")
    later, elsewhere = seed._replace(made_at_s=1), seed._replace(address=ADDRESS)
    others = (seed, later, elsewhere, seed._replace(user="anna"))
    assert len({instance(each) for each in others}) == 4


# ---------------------------------------------------------------------------------------- firstrun


def test_the_kernel_starts_the_script_once_and_knows_the_country(wireless: Seed) -> None:
    line = files_of(wireless, Flavour.FIRSTRUN)["cmdline.txt"].decode()
    assert line == (
        f"{CMDLINE} cfg80211.ieee80211_regdom=DE systemd.run=/boot/firmware/firstrun.sh "
        "systemd.run_success_action=reboot systemd.run_failure_action=reboot "
        "systemd.unit=kernel-command-line.target\n"
    )


@pytest.mark.parametrize("flavour", BOTH)
def test_what_an_earlier_customisation_left_in_the_command_line_goes(
    site: Path, flavour: Flavour
) -> None:
    once = files_of(seed_of(site), flavour)["cmdline.txt"]
    more = b" ds=nocloud;i=rpi-imager-1 cfg80211.ieee80211_regdom=GB"
    for line in (once, once.rstrip() + more, more + b" " + once):
        assert render(seed_of(site), flavour, IMAGE, line, OTHERS)["cmdline.txt"] == once


@pytest.mark.parametrize("line", [b"", b"quiet\n", b"root=\xff\n", b"root=x " + b"a" * 1100])
def test_a_command_line_that_boots_nothing_is_refused(site: Path, line: bytes) -> None:
    with pytest.raises(BadMaterialError, match=r"cmdline\.txt"):
        render(seed_of(site), Flavour.FIRSTRUN, IMAGE, line, OTHERS)


def test_networkmanager_gets_the_same_network_without_netplan(wireless: Seed) -> None:
    made = files_of(wireless, Flavour.FIRSTRUN)["ugw/network.nmconnection"].decode().splitlines()
    octets = next(line for line in made if line.startswith("ssid="))[5:].rstrip(";").split(";")
    assert bytes(map(int, octets)).decode() == WIFI.ssid
    assert "address1=192.0.2.17/24,192.0.2.1" in made
    assert made[made.index("[ipv6]") + 1] == "method=auto"


def test_a_cable_and_dhcp_need_no_connection(site: Path) -> None:
    files = files_of(seed_of(site), Flavour.FIRSTRUN)
    assert "ugw/network.nmconnection" not in files
    fixed = files_of(seed_of(site, address=ADDRESS), Flavour.FIRSTRUN)
    assert b"type=ethernet\ninterface-name=eth0\n" in fixed["ugw/network.nmconnection"]


# -------------------------------------------------------------------------------------------- both


@pytest.mark.parametrize("flavour", BOTH)
def test_the_key_of_a_network_is_on_the_card_and_its_password_is_not(
    wireless: Seed, flavour: Flavour
) -> None:
    # IEEE 802.11, J.4.2: the test vector.
    vector = Wifi("IEEE", Secret("x", "password"), "DE")
    files = files_of(wireless._replace(wifi=vector), flavour)
    key = b"f42c6fc52df0ebef9ebb4b90b38a5f902e83fe1b135a70e23aed762e9710a12e"
    holds = [name for name, content in files.items() if key in content]
    assert holds == [
        "network-config" if flavour is Flavour.CLOUD_INIT else "ugw/network.nmconnection"
    ]
    alone = files_of(wireless._replace(etc={}), flavour)
    assert not any(b"correct horse" in content for content in alone.values())


@pytest.mark.parametrize("flavour", BOTH)
def test_a_secret_is_in_the_file_that_needs_it_and_in_no_other(
    wireless: Seed, flavour: Flavour
) -> None:
    files = files_of(wireless, flavour)

    def holding(secret: bytes) -> list[str]:
        return [name for name, content in files.items() if secret in content]

    assert holding(b"7F2K-SECRET") == ["ugw/enrol.json"]
    assert holding(b"correct horse") == ["ugw/environment", "ugw/etc/wifi-password"]
    assert holding(wireless.etc["keys/2"].strip()) == ["ugw/etc/keys/2"]
    assert holding(b"PRIVATE KEY") == ["ugw/etc/gw.key"]


@pytest.mark.parametrize("flavour", BOTH)
def test_the_record_comes_last_and_knows_every_other_file(
    wireless: Seed, flavour: Flavour
) -> None:
    files = files_of(wireless, flavour)
    assert list(files)[-1] == "ugw/seed.json"
    told = json.loads(files["ugw/seed.json"])
    package = "ugw/" + told["package"]["name"]
    digests = {**told["boot"], **{f"ugw/{name}": d for name, d in told["files"].items()}}
    digests[package] = told["package"]["sha256"]
    assert digests == {
        name: hashlib.sha256(content).hexdigest()
        for name, content in files.items()
        if name not in ("ugw/seed.json", "cmdline.txt")
    }
    assert (told["gateway"], told["org"], told["flavour"]) == ("gw-kiel-0042", "kiel", flavour)
    assert (told["image"], told["others"]) == (IMAGE._asdict(), OTHERS)
    assert told["made_at"] == "2026-11-22T17:20:00Z"
    assert told["enrolment"] == {"url": ENROLMENT.url, "expires_s": ENROLMENT.expires_s}


def test_what_asks_for_a_certificate_is_as_the_agent_reads_it(wireless: Seed) -> None:
    files = files_of(wireless)
    assert json.loads(files["ugw/enrol.json"]) == {
        "url": ENROLMENT.url,
        "claim": "7F2K-SECRET",
        "expires_s": ENROLMENT.expires_s,
        "ca": "/etc/ugw/enrol-ca.pem",
    }
    assert files["ugw/enrol-ca.pem"] == b"PEM"
    assert ENROLMENT.ca_pem is not None
    trusting = wireless._replace(enrolment=ENROLMENT._replace(ca_pem=None))
    assert json.loads(files_of(trusting)["ugw/enrol.json"])["ca"] is None


_ALL_BYTES = """
import hashlib, sys
from pathlib import Path
from tests.flash.seeds import CMDLINE, IMAGE, WIFI, seed_of
from ugw_flash.seed.files import render
from ugw_flash.seed.flavour import Flavour
for flavour in Flavour:
    seed = seed_of(Path(sys.argv[1]), network="wifi", wifi=WIFI)
    files = render(seed, flavour, IMAGE, CMDLINE.encode(), {})
    print([(name, hashlib.sha256(content).hexdigest()) for name, content in files.items()])
"""


def test_equal_seeds_give_equal_files_in_any_process(site: Path) -> None:
    def rendered(seed: str) -> str:
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "tools" / "flash")])
        words = [sys.executable, "-c", _ALL_BYTES, str(site)]
        return subprocess.run(
            words, env=environment, check=True, capture_output=True, text=True
        ).stdout

    assert rendered("1") == rendered("2")


# ------------------------------------------------------------------------------------------ faults


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"gateway": "gw-"}, "host name"),
        ({"gateway": "x" * 64}, "host name"),
        ({"user": "root"}, "user 'root'"),
        ({"user": "ugw"}, "user 'ugw'"),
        ({"user": "a b"}, "user 'a b'"),
        ({"ssh_keys": ()}, "nobody can log in"),
        ({"ssh_keys": ("ssh-ed25519 AAAA\nrm",)}, "no public key"),
        ({"time_zone": "../../etc/passwd"}, "time zone"),
        ({"time_servers": ("a b",)}, "time server"),
        ({"network": "wifi"}, "ssid and country"),
        ({"wifi": WIFI}, "yet there is an ssid"),
        ({"network": "wifi", "wifi": WIFI._replace(ssid="ü" * 17)}, "1 to 32"),
        ({"network": "wifi", "wifi": WIFI._replace(ssid="a\nb")}, "1 to 32"),
        ({"network": "wifi", "wifi": WIFI._replace(country="de")}, "two letters"),
        ({"network": "wifi", "wifi": Wifi("a", Secret("file:x", "short"), "DE")}, "(file:x): 8"),
        ({"address": Address("192.0.2.17", "192.0.2.1", ())}, "as /24"),
        ({"address": Address("192.0.2.17/24", "192.0.3.1", ())}, "not in the network"),
        ({"address": Address("192.0.2.300/24", "192.0.2.1", ())}, "192.0.2.300"),
        ({"address": Address("192.0.2.17/24", "192.0.2.1", ("dns",))}, "'dns'"),
        ({"address": Address("192.0.2.17/24", "192.0.2.1", ("2001:db8::1",))}, "other IP version"),
        ({"configuration": " \n"}, "gateway.yaml: it is empty"),
        ({"package": Path("agent.tar")}, "a Debian package is needed"),
        ({"etc": {"schlüssel": b""}}, "accents"),
        ({"etc": {"../x": b""}}, "FAT has no such name"),
        ({"etc": {"/x": b""}}, "/etc/ugw//x"),
        ({"etc": {"ca.pem": b"", "CA.pem": b""}}, "the same as CA.pem"),
        ({"enrolment": ENROLMENT._replace(url="http://est.example")}, "https://"),
    ],
)
def test_what_would_make_no_gateway_is_refused_in_a_sentence(
    site: Path, changed: dict[str, Any], said: str
) -> None:
    with pytest.raises(SeedError) as caught:
        files_of(seed_of(site, **changed))
    assert said in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_all_faults_are_said_at_once_and_no_secret_with_them(site: Path) -> None:
    wifi = Wifi("", Secret("file:wifi", "geheim"), "Germany")
    with pytest.raises(SeedError) as caught:
        files_of(seed_of(site, user="", time_zone="", network="wifi", wifi=wifi))
    assert len(str(caught.value).splitlines()) == 5
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize("content", [None, b"PK\x03\x04"])
def test_what_is_no_package_is_refused(site: Path, tmp_path: Path, content: bytes | None) -> None:
    package = tmp_path / "agent.deb"
    if content is not None:
        package.write_bytes(content)
    with pytest.raises(BadMaterialError, match=r"agent\.deb") as caught:
        files_of(seed_of(site, package=package))
    assert "make package" in caught.value.remedy


def test_a_seed_does_not_show_what_is_in_it(wireless: Seed) -> None:
    assert repr(wireless) == "Seed('gw-kiel-0042')"
