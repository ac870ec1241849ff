"""Profiles: what a kind of gateways is made of, every fault at once with its line."""

from pathlib import Path

import pytest

from gateway.config import InvalidConfigError
from tests.flash.desks import BOARD, PI, write
from ugw_flash.profile import Opened, open_profile, reveal


def opened(folder: Path, text: str) -> Opened:
    return open_profile(write(folder, {"profile.yaml": text}))


def faults(folder: Path, text: str) -> list[str]:
    with pytest.raises(InvalidConfigError) as caught:
        opened(folder, text)
    return [each.headline.replace(f"{folder}/", "") for each in caught.value.findings]


def test_a_profile_is_found_by_its_folder_or_its_file(tmp_path: Path) -> None:
    first = opened(tmp_path, PI)
    assert open_profile(tmp_path / "profile.yaml").profile == first.profile
    assert first.place("gateway.yaml") == tmp_path / "gateway.yaml"
    assert first.place("/elsewhere/ca.pem") == Path("/elsewhere/ca.pem")
    assert first.profile.identity.key == "given"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (PI.replace("package: ugw.deb\n", ""), "package: kind pi needs it"),
        (BOARD.split("firmware")[0], "firmware: kind esp32 needs it"),
        (BOARD + "package: x\n", "package: of no use to kind esp32"),
        (PI.replace("kind: pi", "kind: pj"), "kind: "),
        (PI.replace('"ssh-ed25519', '"'), "an SSH public key is needed"),
        (PI.replace("0" * 64, "0" * 63), "a SHA-256 is needed"),
        (PI + "network: {kind: wifi, password: hunter2, ssid: a}\n", "write a reference"),
        (PI + "network: {kind: wifi, password: env:A}\n", "network.ssid: a password belongs"),
        (PI + "network: {kind: wifi, country: Germany}\n", "as DE"),
        (PI + "identity: {key: gateway}\n", "identity.key: a key made on the gateway needs"),
        (PI + "identity: {key: desk}\n", "identity.key: a key made here needs"),
        (PI + "identity: {authority: fleet}\n", "identity.authority: it issues only for"),
        (PI + "identity: {enrol: http://est.example}\n", "begins with https://"),
        (PI + "identity: {claim_valid: 1s}\n", "identity.claim_valid"),
        (PI + "packages: x\n", "did you mean 'package'?"),
        (
            BOARD + "identity: {key: gateway, enrol: https://est.example}\n",
            "identity.key: a board cannot enrol",
        ),
    ],
)
def test_what_cannot_work_is_refused_where_it_stands(tmp_path: Path, text: str, why: str) -> None:
    found = faults(tmp_path, text)
    assert any(why in each for each in found), found
    assert all(each.startswith("profile.yaml:") for each in found)
    assert "hunter2" not in "".join(found)


def test_several_faults_are_told_at_once(tmp_path: Path) -> None:
    text = PI.replace("package: ugw.deb\n", "") + "network: {kind: modem}\nidentity: {key: x}\n"
    assert [each.split(": ")[1] for each in faults(tmp_path, text)] == [
        "package",
        "network.kind",
        "identity.key",
    ]


def test_a_secret_is_read_from_the_folder_of_who_names_it(tmp_path: Path) -> None:
    made = write(tmp_path, {"profile.yaml": PI, "psk": "correct horse\n"})
    first = open_profile(made)
    assert first.reveal("file:psk").reveal() == "correct horse"
    assert first.reveal("env:PSK", {"PSK": "battery staple"}).reveal() == "battery staple"
    assert reveal(f"file:{tmp_path / 'psk'}", Path("/")).reveal() == "correct horse"


@pytest.mark.parametrize("reference", ["file:none", "env:NONE", "file:open"])
def test_a_secret_that_cannot_be_had_is_named_by_its_reference(
    tmp_path: Path, reference: str
) -> None:
    write(tmp_path, {"open": "hunter2"})
    (tmp_path / "open").chmod(0o644)
    with pytest.raises(InvalidConfigError) as caught:
        reveal(reference, tmp_path, {})
    assert reference in str(caught.value)
    assert "hunter2" not in str(caught.value)
