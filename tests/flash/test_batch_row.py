"""A row and a profile make a gateway: complete, its own, proved by the model of the agent."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.certification import is_placeholder
from gateway.config import InvalidConfigError
from gateway.config.document import Data, read_document
from gateway.errors import UgwError
from gateway.sim.est import EstServer
from tests.flash.desks import BOARD, BOARD_YAML, GATEWAY_YAML, NOW_S, PI, desk, profile, write
from ugw_flash.batch.editing import edited
from ugw_flash.batch.row import Row, board_of, claim_of, files_of, order_of, seed_of
from ugw_flash.identity import Claim
from ugw_flash.outcome import BadMaterialError
from ugw_flash.profile import Opened
from ugw_flash.seed.model import Seed, Wifi

CERTIFICATES = Path(__file__).parents[2] / "config" / "mosquitto" / "certificates"
PSK, NONE, SHORT = "env:PSK", "env:NONE", "env:SHORT"
WIFI = "network: {kind: wifi, ssid: city, password: file:psk, country: DE}\n"
ENROL = "identity: {key: gateway, enrol: https://est.example, claim_valid: 7d}\n"


def seed(opened: Opened, row: Row | None = None, **environ: str) -> Seed:
    row = Row("gw-1") if row is None else row
    return seed_of(row, opened, claim_of(opened, desk()), desk(environ))


def refused(opened: Opened, row: Row | None = None, **environ: str) -> list[str]:
    """Return what is wrong, without the folder."""
    with pytest.raises(InvalidConfigError) as caught:
        seed(opened, row, **environ)
    folder = f"{opened.path.parent}/"
    return [each.headline.replace(folder, "") for each in caught.value.findings]


# ------------------------------------------------------------------------------------- cards
def test_a_card_gets_what_row_and_profile_say(tmp_path: Path) -> None:
    row = Row("gw-1", name="Dach Süd", lat=54.3233, lon=-10.0)
    made = seed(profile(tmp_path), row)
    said = read_document(made.configuration, "x").data

    assert isinstance(said, dict)
    assert said["gateway"] == {
        "org": "kiel",
        "id": "gw-1",
        "name": "Dach Süd",
        "location": {"lat": 54.3233, "lon": -10.0},
    }
    assert (made.gateway, made.org) == ("gw-1", "kiel")
    assert made.package == tmp_path / "ugw.deb"
    assert (made.time_zone, made.time_servers) == ("Europe/Berlin", ("ntp.example",))
    assert (made.network, made.wifi, made.address) == ("ethernet", None, None)
    assert made.enrolment is None
    assert made.made_at_s == NOW_S
    assert made.made_by.startswith("ugw ")


def test_comments_and_layout_of_the_configuration_stay(tmp_path: Path) -> None:
    made = seed(profile(tmp_path)).configuration
    assert made == GATEWAY_YAML.replace("id: gw-template   #", 'id: "gw-1"   #')


def test_a_gateway_gets_its_own_key_and_never_anothers(tmp_path: Path) -> None:
    opened = profile(tmp_path)
    strangers = {"gw-2/gw.key": "another's", "gw.key": "another's", "unused.key": "nobody's"}
    write(tmp_path / "etc", strangers)
    made = seed(opened)

    assert sorted(made.etc) == ["ca.pem", "gw.key", "gw.pem"]
    assert made.etc["gw.key"] == (tmp_path / "etc/gw-1/gw.key").read_bytes()
    assert not any(b"another's" in each or b"nobody's" in each for each in made.etc.values())


def test_what_is_missing_is_told_at_the_line_that_names_it(tmp_path: Path) -> None:
    found = refused(profile(tmp_path), Row("gw-2", name="x", lat=1.0, lon=2.0))
    assert [each.split(": ", 2)[:2] for each in found] == [
        ["gateway.yaml:12:11", "mqtt.tls.cert"],
        ["gateway.yaml:13:10", "mqtt.tls.key"],
    ]


def test_faults_of_the_configuration_count_lines_in_the_file_that_a_person_has(
    tmp_path: Path,
) -> None:
    text = GATEWAY_YAML + "store: {max_size: 1kB}\n"
    (found,) = refused(profile(tmp_path, gateway_yaml=text), Row("gw-1", name="x"))
    assert found.startswith("gateway.yaml:16:")
    assert "store.max_size" in found


def test_no_message_names_the_folder_it_was_tried_in(tmp_path: Path) -> None:
    opened = profile(tmp_path, etc__ca_pem="no certificate")
    (found,) = refused(opened)
    assert "/etc/ugw/ca.pem is not a PEM file" in found


def test_name_and_place_of_another_gateway_are_not_told_of_this_one(tmp_path: Path) -> None:
    text = GATEWAY_YAML.replace(
        "  org: kiel\n", "  org: kiel\n  name: Roof\n  location: {lat: 1, lon: 2, alt_m: 3}\n"
    )
    opened = profile(tmp_path, gateway_yaml=text)

    assert [each.split(": ")[1] for each in refused(opened)] == [
        "gateway.name",
        "gateway.location",
    ]
    (found,) = refused(opened, Row("gw-1", name="Mine", lat=4.0, lon=5.0))
    assert "gateway.location.alt_m: of another gateway (gw-template)" in found


def test_a_configuration_of_this_very_gateway_keeps_its_name_and_place(tmp_path: Path) -> None:
    text = GATEWAY_YAML.replace("id: gw-template", "id: gw-1\n  name: Roof")
    made = seed(profile(tmp_path, gateway_yaml=text))
    assert "  name: Roof" in made.configuration


@pytest.mark.parametrize("mode", [0o604, 0o644])
def test_a_key_that_everybody_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    opened = profile(tmp_path)
    (tmp_path / "etc/gw-1/gw.key").chmod(mode)
    assert any("everybody can read it" in each for each in refused(opened))


def test_variables_come_along_and_no_others(tmp_path: Path) -> None:
    text = GATEWAY_YAML.replace("  tls:", "  username: env:USER_NAME\n  password: env:PW\n  tls:")
    opened = profile(tmp_path, gateway_yaml=text, etc__environment="# of all\nUSER_NAME='u'")
    made = seed(opened, PW='a"b\\c', OTHER="x")

    assert made.etc["environment"] == b'# of all\nUSER_NAME=\'u\'\nPW="a\\"b\\\\c"\n'
    (found,) = refused(opened)
    assert "mqtt.password: the variable PW is set neither here nor in" in found


def test_the_desks_own_environment_changes_no_gateway(tmp_path: Path) -> None:
    made = seed(profile(tmp_path), UGW__MQTT__HOST="elsewhere.example")
    assert "elsewhere" not in made.configuration
    assert "environment" not in made.etc


def test_a_secret_outside_of_the_gateways_folder_is_refused(tmp_path: Path) -> None:
    text = GATEWAY_YAML.replace("  tls:", "  username: file:/home/me/user\n  tls:")
    found = refused(profile(tmp_path, gateway_yaml=text))
    assert any("write file:/etc/ugw/..." in each for each in found)


@pytest.mark.parametrize(
    ("row", "wifi"),
    [
        (Row("gw-1"), ("city", "profile's secret")),
        (Row("gw-1", ssid="school"), ("school", None)),
        (Row("gw-1", ssid="school", wifi_password=PSK), ("school", "row's secret")),
    ],
)
def test_a_password_goes_to_the_network_it_belongs_to(
    tmp_path: Path, row: Row, wifi: tuple[str, str | None]
) -> None:
    opened = profile(tmp_path, PI + WIFI, psk="profile's secret\n")
    made = seed(opened, row, PSK="row's secret")

    assert made.network == "wifi"
    assert isinstance(made.wifi, Wifi)
    password = made.wifi.password
    assert (made.wifi.ssid, password.reveal() if password else None) == wifi
    assert made.wifi.country == "DE"
    assert "secret" not in repr(made)


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (Row("gw-1", network="wifi"), "ssid: required when network is wifi"),
        (Row("gw-1", network="wifi", ssid="a"), "network.country"),
        (Row("gw-1", ssid="a"), "ssid: of no use: its network is ethernet"),
        (Row("gw-1", network="wifi", ssid="a", wifi_password=NONE), "NONE is not set"),
        (Row("gw-1", network="wifi", ssid="a", wifi_password=SHORT), "8 to 63"),
    ],
)
def test_a_network_that_cannot_work_is_refused(tmp_path: Path, row: Row, why: str) -> None:
    found = refused(profile(tmp_path), row, SHORT="short")
    assert any(why in each for each in found)


def test_a_fixed_address_comes_along(tmp_path: Path) -> None:
    row = Row("gw-1", address="192.0.2.17/24", gateway_ip="192.0.2.1", dns=("192.0.2.1",))
    assert seed(profile(tmp_path), row).address == ("192.0.2.17/24", "192.0.2.1", ("192.0.2.1",))


def test_nothing_is_kept_from_one_row_to_the_next(tmp_path: Path) -> None:
    opened = profile(tmp_path, PI + WIFI, psk="profile's secret\n")
    address = ("192.0.2.17/24", "192.0.2.1", ("192.0.2.1",))
    full = Row("gw-1", name="Roof", lat=1.0, lon=2.0, ssid="b", wifi_password=PSK)
    full = full._replace(address=address[0], gateway_ip=address[1], dns=address[2])

    before = seed(opened)
    assert seed(opened, full, PSK="row's secret") != before
    assert seed(opened) == before


# ------------------------------------------------------------------------------------- identity
def test_a_gateway_that_enrols_gets_a_claim_and_no_key(tmp_path: Path) -> None:
    opened = profile(tmp_path, PI + ENROL)
    shutil.rmtree(tmp_path / "etc/gw-1")
    claim = claim_of(opened, desk())
    assert claim is not None
    made = seed_of(Row("gw-1"), opened, claim, desk())

    assert sorted(made.etc) == ["ca.pem"]
    assert made.enrolment is not None
    assert made.enrolment.claim == claim.secret
    assert made.enrolment.expires_s == NOW_S + 7 * 86400
    assert made.enrolment.url == "https://est.example"
    assert claim.secret.reveal() not in repr(made) + repr(made.enrolment)


def test_each_claim_is_another(tmp_path: Path) -> None:
    opened = profile(tmp_path, PI + ENROL)
    claims = [claim_of(opened, desk()) for _ in range(20)]
    assert len({each.digest for each in claims if each}) == 20
    assert claim_of(profile(tmp_path / "other"), desk()) is None


def test_where_the_key_goes_has_to_be_said(tmp_path: Path) -> None:
    text = GATEWAY_YAML.replace("    cert: /etc/ugw/gw.pem\n    key: /etc/ugw/gw.key\n", "")
    found = refused(profile(tmp_path, PI + ENROL, gateway_yaml=text))
    why = "identity.key is gateway: say here where cert and key go, below /etc/ugw"
    assert found == [f"gateway.yaml:10:3: mqtt.tls: {why}"]


DESK = "identity: {key: desk, authority: fleet}\n"
TLS = "{ca: /etc/ugw/ca.pem, cert: /etc/ugw/gw.pem, key: /etc/ugw/gw.key}"
WITH_KEY = BOARD_YAML.replace("{ca: /etc/ugw/ca.pem}", TLS)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fleet")
    subprocess.run([CERTIFICATES, "authority"], cwd=folder, check=True)
    return folder


def test_a_boards_key_is_made_here_and_certified_by_the_fleet(tmp_path: Path, fleet: Path) -> None:
    opened = profile(tmp_path, BOARD + DESK, board_yaml=WITH_KEY)
    shutil.copytree(fleet, tmp_path / "fleet")
    first = board_of(Row("gw-7"), opened, None, desk())
    second = board_of(Row("gw-8"), opened, None, desk())

    issued = x509.load_der_x509_certificate(first.files["site/client.der"])
    assert issued.subject.rfc4514_string() == "CN=gw-7"
    assert first.secrets["tls_key"] != second.secrets["tls_key"]
    written = [each.read_bytes() for each in (tmp_path).rglob("*") if each.is_file()]
    assert not any(first.secrets["tls_key"] in each for each in written)
    listed = (tmp_path / "fleet/authority/index.txt").read_text()
    assert ("/CN=gw-7" in listed, "/CN=gw-8" in listed) == (True, True)


def test_a_rehearsal_has_nothing_certified(tmp_path: Path, fleet: Path) -> None:
    opened = profile(tmp_path, BOARD + DESK, board_yaml=WITH_KEY)
    shutil.copytree(fleet, tmp_path / "fleet")
    board = board_of(Row("gw-7"), opened, None, desk(rehearsal=True))

    certificate = x509.load_der_x509_certificate(board.files["site/client.der"])
    assert is_placeholder(certificate.public_bytes(Encoding.PEM))
    assert (tmp_path / "fleet/authority/index.txt").read_text() == ""


def test_nothing_is_certified_for_a_row_that_cannot_be_made(tmp_path: Path, fleet: Path) -> None:
    text = WITH_KEY + "store: {max_size: 1kB}\n"
    opened = profile(tmp_path, BOARD + DESK, board_yaml=text)
    shutil.copytree(fleet, tmp_path / "fleet")
    with pytest.raises(InvalidConfigError):
        board_of(Row("gw-7"), opened, None, desk())
    assert (tmp_path / "fleet/authority/index.txt").read_text() == ""


def test_a_boards_key_is_certified_by_a_server_that_takes_its_claim(tmp_path: Path) -> None:
    claim = Claim.new(NOW_S + 3600)
    (tmp_path / "est").mkdir()
    with EstServer(tmp_path / "est", {"gw-7": claim.secret.reveal()}) as server:
        text = f"identity: {{key: desk, enrol: '{server.url}', enrol_ca: '{server.ca}'}}\n"
        opened = profile(tmp_path, BOARD + text, board_yaml=WITH_KEY)
        board = board_of(Row("gw-7"), opened, claim, desk())
        issued = x509.load_der_x509_certificate(board.files["site/client.der"])
        assert issued.subject.rfc4514_string() == "CN=gw-7"

        with pytest.raises(UgwError) as caught:
            board_of(Row("gw-8"), opened, claim, desk())
        assert claim.secret.reveal() not in str(caught.value) + caught.value.remedy


# ------------------------------------------------------------------------------------- boards
def test_a_board_gets_its_own_site(tmp_path: Path) -> None:
    opened = profile(tmp_path, BOARD)
    order = order_of(Row("gw-7", mac="aa:bb:cc:dd:ee:ff"), opened, None, desk())
    site = json.loads(order.board.files["site/site.json"])

    assert (site["gateway"], site["network"]["hostname"]) == ("gw-7", "gw-7")
    assert (order.firmware, order.mac) == (tmp_path / "firmware.bin", "aa:bb:cc:dd:ee:ff")
    assert (order.number, order.frozen) == (NOW_S, False)


@pytest.mark.parametrize(
    "board",
    ["  wifi: {ssid: old, password: file:/etc/ugw/old}\n", "  wifi: {ssid: old}\n", "  #\n"],
)
def test_a_boards_wireless_network_is_that_of_its_row(tmp_path: Path, board: str) -> None:
    text = BOARD_YAML.replace("  ethernet: {phy: lan8720}\n", board)
    opened = profile(tmp_path, BOARD, board_yaml=text)
    row = Row("gw-7", network="wifi", ssid="Schule Süd", wifi_password=PSK)
    made = board_of(row, opened, None, desk({"PSK": "correct horse"}))

    assert json.loads(made.files["site/site.json"])["network"]["ssid"] == "Schule Süd"
    assert made.secrets == {"wifi_psk": b"correct horse"}


def test_the_files_of_either_kind_are_those_it_is_given(tmp_path: Path) -> None:
    opened = profile(tmp_path)
    assert files_of(Row("gw-1"), opened, None, desk()) == seed(opened).etc

    text = BOARD_YAML.replace("ethernet: {phy: lan8720}", "wifi: {ssid: old}")
    board = profile(tmp_path / "board", BOARD, board_yaml=text)
    row = Row("gw-7", network="wifi", ssid="city", wifi_password=PSK)
    files = files_of(row, board, None, desk({"PSK": "correct horse"}))
    assert sorted(files) == ["ca.pem", "wifi-password"]


def test_a_board_takes_no_fixed_address(tmp_path: Path) -> None:
    row = Row("gw-7", address="192.0.2.17/24")
    with pytest.raises(InvalidConfigError, match="address: a board takes its address by DHCP"):
        board_of(row, profile(tmp_path, BOARD), None, desk())


def test_a_profile_of_the_other_kind_is_refused_with_the_command_for_it(tmp_path: Path) -> None:
    with pytest.raises(BadMaterialError) as caught:
        seed_of(Row("gw-1"), profile(tmp_path, BOARD), None, desk())
    assert "ugw flash esp32" in caught.value.remedy
    with pytest.raises(BadMaterialError) as caught:
        order_of(Row("gw-1"), profile(tmp_path / "pi"), None, desk())
    assert "ugw flash pi" in caught.value.remedy


def test_a_package_that_is_not_there_is_refused(tmp_path: Path) -> None:
    opened = profile(tmp_path)
    (tmp_path / "ugw.deb").unlink()
    with pytest.raises(BadMaterialError) as caught:
        seed(opened)
    assert "make package" in caught.value.remedy


# ------------------------------------------------------------------------------------- editing
def put(text: str, changes: dict[tuple[str | int, ...], Data]) -> str:
    return edited(read_document(text, "x.yaml"), text, changes).text


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("a:\n  b: old # why\n", 'a:\n  b: "new" # why\n'),
        ("a:\n  b: 'it''s' # why\n", 'a:\n  b: "new" # why\n'),
        ('a: {b: "x\\"y", c: 1}\n', 'a: {b: "new", c: 1}\n'),
        ("a: {b: old text, c: 1}\n", 'a: {b: "new", c: 1}\n'),
        ("a: {c: [1]}\n", 'a: {b: "new", c: [1]}\n'),
        ("a:\n  b:\n  c: 1\n", 'a:\n  b: "new"\n  c: 1\n'),
        ("a:\r\n    c: 1\r\n", 'a:\r\n    b: "new"\r\n    c: 1\r\n'),
        ("a:\n  b: one, two#three  \n", 'a:\n  b: "new"  \n'),
    ],
)
def test_a_value_is_put_where_it_belongs(text: str, made: str) -> None:
    assert put(text, {("a", "b"): "new"}) == made


@pytest.mark.parametrize(
    "text", ["a:\n  b: |\n    old\n", 'a:\n  b: "old\n    older"\n', "a: [1]\n", "c: 1\n"]
)
def test_what_cannot_be_edited_is_refused_and_nothing_else_comes_out(text: str) -> None:
    with pytest.raises(InvalidConfigError):
        put(text, {("a", "b"): "new"})


TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=20)


@settings(max_examples=80, deadline=None)
@given(old=TEXT, new=TEXT, flow=st.booleans())
def test_whatever_stands_there_is_replaced_by_just_what_was_asked(
    old: str, new: str, *, flow: bool
) -> None:
    quoted = json.dumps(old, ensure_ascii=False)
    text = f"a: {{b: {quoted}, c: 1}}\n" if flow else f"a:\n  b: {quoted}\n  c: 1\n"
    made = put(text, {("a", "b"): new, ("a", "d"): {"e": new}})
    assert read_document(made, "x").data == {"a": {"b": new, "c": 1, "d": {"e": new}}}
