"""A bundle: what is made from it equals what the office would make; altered, it makes nothing."""

import io
import json
import re
import shutil
import stat
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from gateway.config import InvalidConfigError
from gateway.exit_codes import ExitCode
from tests.flash.desks import BOARD, NOW_S, PI, desk, profile, write
from tests.flash.releases import key as signing_key
from ugw_flash.batch.claims import Claims
from ugw_flash.batch.desk import Desk
from ugw_flash.batch.results import MADE, Result, Results
from ugw_flash.batch.row import claim_of, files_of, seed_of
from ugw_flash.batch.sheet import Sheet, read_sheet
from ugw_flash.bundle.contents import CLAIMS, Contents, check, missing
from ugw_flash.bundle.packing import Packed, pack
from ugw_flash.bundle.sources import esptool_source
from ugw_flash.commands import bundle as command
from ugw_flash.commands.label import label
from ugw_flash.outcome import BadMaterialError
from ugw_flash.profile import open_profile
from ugw_flash.seed.model import Seed, Wifi
from ugw_flash.updates import signing
from ugw_flash.web.esp_web_tools import read_package

CERTIFICATES = Path(__file__).parents[2] / "config/mosquitto/certificates"
PSK = "correct horse battery"
MQTT = "s3cret-of-mqtt"
WITH_VARIABLE = """\
config_version: 1
gateway: {org: kiel, id: gw-template}
mqtt:
  host: broker.example
  username: env:MQTT_USER
  password: env:MQTT_PASSWORD
  tls: {ca: /etc/ugw/ca.pem, cert: /etc/ugw/gw.pem, key: /etc/ugw/gw.key}
"""
ENVIRON = {"MQTT_USER": "gw", "MQTT_PASSWORD": MQTT, "PSK": PSK}
WIFI = "network: {kind: wifi, ssid: city, password: env:PSK, country: DE}\n"


def office(tmp_path: Path, text: str = PI + WIFI, **files: str | bytes) -> Sheet:
    """Return a sheet of two gateways that share a profile."""
    profile(tmp_path / "north", text, gateway_yaml=WITH_VARIABLE, **files)
    for name in ("gw.pem", "gw.key"):
        content = (tmp_path / "north/etc/gw-1" / name).read_bytes()
        write(tmp_path / "north", {f"etc/gw-2/{name}": content})
    path = tmp_path / "kiel.csv"
    path.write_text(
        "gateway;profile;name;ssid;wifi_password\ngw-1;north;Süd;;\ngw-2;north;;port;env:OTHER\n"
    )
    return read_sheet(path)


def packed(sheet: Sheet, environ: dict[str, str] | None = None) -> Packed:
    given = {**ENVIRON, "OTHER": "another horse"} if environ is None else environ
    return pack(sheet, None, desk(given), Claims.beside(sheet), Results.beside(sheet))


def laid_out(made: Packed, folder: Path) -> Sheet:
    write(folder, made.files)
    return read_sheet(folder / "sites.csv")


def seeds(sheet: Sheet, environ: dict[str, str]) -> list[Seed]:
    return [
        seed_of(row, open_profile(Path(row.profile)), None, desk(environ)) for row in sheet.rows
    ]


def test_what_is_made_from_it_is_what_the_office_would_make(tmp_path: Path) -> None:
    sheet, environ = office(tmp_path), {**ENVIRON, "OTHER": "another horse"}
    meant = seeds(sheet, environ)
    package = meant[0].package.read_bytes()
    there = laid_out(packed(sheet, environ), tmp_path / "bundle")
    shutil.rmtree(tmp_path / "north")  # no path leads back into the office, and no variable

    for made, wanted in zip(seeds(there, {}), meant, strict=True):
        assert revealed(made.wifi) == revealed(wanted.wifi)
        assert made.package.read_bytes() == package
        alike = made._replace(wifi=wanted.wifi, package=wanted.package)
        assert alike == wanted


def revealed(wifi: Wifi | None) -> tuple[str, str]:
    assert wifi is not None
    assert wifi.password is not None
    return wifi.ssid, wifi.password.reveal()


def test_every_finding_of_every_row_is_told_at_once(tmp_path: Path) -> None:
    sheet = office(tmp_path)
    (tmp_path / "north/etc/gw-2/gw.key").unlink()

    with pytest.raises(InvalidConfigError) as caught:
        packed(sheet, {"OTHER": "another horse", "PSK": PSK})

    said = " ".join(str(each) for each in caught.value.findings)
    assert "MQTT_PASSWORD" in said
    assert "gw.key is not there" in said


def test_an_authority_stays_in_the_office(tmp_path: Path) -> None:
    (tmp_path / "ca").mkdir()
    subprocess.run([CERTIFICATES, "authority"], cwd=tmp_path / "ca", check=True, timeout=60)
    boards = BOARD + "identity: {key: desk, authority: ../ca}\n"
    yaml = (
        "config_version: 1\ngateway: {org: kiel, id: gw-template}\n"
        "mqtt: {host: broker.example, tls: {ca: /etc/ugw/ca.pem, cert: /etc/ugw/gw.pem,"
        " key: /etc/ugw/gw.key}}\n"
        "esp32: {ethernet: {phy: lan8720}, time_servers: [ntp.example]}\n"
    )
    opened = profile(tmp_path / "boards", boards, board_yaml=yaml)
    shutil.rmtree(opened.path.parent / "etc/gw-1")
    path = tmp_path / "kiel.csv"
    path.write_text("gateway;profile\ngw-1;boards\n")
    made = packed(read_sheet(path), {})

    authority = (tmp_path / "ca/authority/ca.key").read_bytes()
    assert not [name for name, content in made.files.items() if authority[40:90] in content]
    (row,) = laid_out(made, tmp_path / "bundle").rows
    there = open_profile(Path(row.profile))
    assert there.profile.identity.key == "given"
    again = files_of(row, there, None, desk({}))
    assert b"PRIVATE KEY" in again["gw.key"]
    assert again["gw.key"] == made.files["profiles/boards/etc/gw-1/gw.key"]


def test_claims_are_made_in_the_office_and_used_on_site(tmp_path: Path) -> None:
    enrol = 'identity: {key: gateway, enrol: "https://est.example/.well-known/est"}\n'
    sheet = office(tmp_path, PI + WIFI + enrol)
    made = packed(sheet)
    there = laid_out(made, tmp_path / "bundle")

    on_site = Claims.beside(there).usable("gw-1", NOW_S, lambda _: False)
    assert on_site is not None
    assert on_site.digest == made.claims["gw-1"].digest != made.claims["gw-2"].digest
    (row, _) = there.rows
    opened = open_profile(Path(row.profile))
    seed = seed_of(row, opened, on_site, desk({}))
    assert seed.enrolment is not None
    assert seed.enrolment.claim == on_site.secret
    assert claim_of(opened, desk()) is not None


def test_what_was_made_already_is_known_on_site_and_gets_no_claim(tmp_path: Path) -> None:
    enrol = 'identity: {key: gateway, enrol: "https://est.example/.well-known/est"}\n'
    sheet = office(tmp_path, PI + WIFI + enrol)
    Results.beside(sheet).add(Result("gw-1", MADE, "2026-11-22T17:20:00Z", "pi"))
    made = packed(sheet)

    there = laid_out(made, tmp_path / "bundle")
    assert Results.beside(there).made("gw-1") is not None
    assert Claims.beside(there).of("gw-1") is None
    assert Claims.beside(there).of("gw-2") is not None


# --------------------------------------------------------------------------------- what is checked
@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a bundle that the command made and signed."""
    office(tmp_path)
    for name, value in {**ENVIRON, "OTHER": "another horse"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("ugw_flash.commands.bundle.private_key", lambda _: signing_key())
    folder = tmp_path / "bundle"
    done = run(tmp_path / "kiel.csv", folder, "--key", tmp_path / "any.key", "--json")
    assert done["signed"] is True
    return folder


def run(*words: object) -> dict[str, object]:
    app = typer.Typer()
    app.command()(command.bundle)
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    found: dict[str, object] = json.loads(done.stdout)
    return found


def checked(folder: Path, *, days: int = 0, signed: bool = False) -> Contents:
    """Check a bundle; `signed`: it has to be by the key of this test."""
    key = folder.with_name("update.key.pub")
    key.write_bytes(signing.public_pem(signing_key()))
    return check(folder, Desk.here().now_s + days * 86_400, key if signed else None)


def test_it_is_for_its_owner_alone_and_says_no_secret_of_itself(made: Path) -> None:
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    files = [each for each in made.rglob("*") if each.is_file()]
    assert {stat.S_IMODE(each.stat().st_mode) for each in files} == {0o600}
    told = (made / "README.txt").read_text() + (made / "bundle.json").read_text()
    assert "pi.img" in told
    for secret in (PSK, MQTT, "another horse", "PRIVATE KEY"):
        assert secret not in told
        assert any(secret.encode() in each.read_bytes() for each in files)


def test_whole_and_signed_it_says_what_is_in_it_and_what_is_missing(made: Path) -> None:
    contents = checked(made, signed=True)

    assert contents.gateways == ("gw-1", "gw-2")
    (wanted,) = missing(made, contents)
    assert (wanted.name, wanted.sha256) == ("pi.img", "0" * 64)
    (made / "materials/pi.img").write_bytes(b"")
    assert missing(made, contents) == []
    assert checked(made).files, "and what is put there, or comes to be, harms nothing"
    (made / "sites.result.csv").write_text("gateway\n")
    checked(made, signed=True)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda path: (path / "profiles/north/etc/gw-1/ca.pem").write_bytes(b""), "was altered"),
        (lambda path: (path / "profiles/north/etc/gw-2/gw.key").unlink(), "is missing"),
        (lambda path: (path / "profiles/north/etc/gw-1/extra").write_bytes(b"x"), "was added"),
        (lambda path: (path / "profiles/link").symlink_to("/"), "was added"),
        (lambda path: (path / "bundle.json").write_text("{}"), "cannot be read"),
    ],
)
def test_what_is_not_as_it_was_packed_is_refused(
    made: Path, spoil: Callable[[Path], object], told: str
) -> None:
    spoil(made)
    with pytest.raises(BadMaterialError, match=told):
        checked(made)


def test_no_label_leads_to_where_somebody_else_has_written(made: Path) -> None:
    with (made / "profiles/north/profile.yaml").open("a") as profile:
        profile.write("\n")
    with pytest.raises(BadMaterialError, match="was altered"):
        label(made / "sites.csv", pdf=made.with_name("labels.pdf"))
    assert not made.with_name("labels.pdf").exists()


def test_who_alters_a_file_and_its_digest_is_found_by_the_signature(made: Path) -> None:
    listed = (made / "bundle.json").read_text()
    (made / "bundle.json").write_text(re.sub(r'"expiresS": ?\d', '"expiresS": 9', listed))

    checked(made)
    with pytest.raises(BadMaterialError, match="not signed by the key"):
        checked(made, signed=True)
    (made / "bundle.sig").unlink()
    with pytest.raises(BadMaterialError, match="is not signed"):
        checked(made, signed=True)


def test_a_file_that_is_no_public_key_is_named(made: Path, tmp_path: Path) -> None:
    private = tmp_path / "city.key"
    private.write_text("-----BEGIN PRIVATE KEY-----\n")
    (made / "bundle.sig").write_bytes(b"x")
    with pytest.raises(BadMaterialError, match=r"city\.key is not the public key"):
        check(made, Desk.here().now_s, private)


def test_it_expires(made: Path) -> None:
    checked(made, days=29)
    with pytest.raises(BadMaterialError, match="has expired on"):
        checked(made, days=31)


def test_a_folder_that_is_there_is_never_replaced(made: Path) -> None:
    before = (made / "bundle.json").read_bytes()
    done = run(made.parent / "kiel.csv", made, "--json")

    assert done["exitCode"] == ExitCode.REFUSED
    assert (made / "bundle.json").read_bytes() == before


def test_a_rehearsal_writes_nothing(made: Path) -> None:
    other = made.parent / "other"
    done = run(made.parent / "kiel.csv", other, "--dry-run", "--json")

    assert done["ok"]
    assert done["gateways"] == ["gw-1", "gw-2"]
    assert not other.exists()
    assert CLAIMS not in str(done)


# ------------------------------------------------------------------------- what is others' in it
def archive(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as made:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            made.addfile(member, io.BytesIO(content))
    return path


def test_esptool_goes_along_with_source_and_licence_or_not_at_all(tmp_path: Path) -> None:
    files = {
        "esptool-5.6.0/LICENSE": b"GPL",
        "esptool-5.6.0/PKG-INFO": b"Name: esptool",
        "esptool-5.6.0/esptool/__init__.py": b"",
    }
    whole = archive(tmp_path / "esptool-5.6.0.tar.gz", files)
    assert esptool_source(whole) == whole.read_bytes()
    del files["esptool-5.6.0/LICENSE"]
    with pytest.raises(BadMaterialError, match="with its licence"):
        esptool_source(archive(whole, files))
    (tmp_path / "esptool-5.6.0-py3-none-any.whl").write_bytes(b"PK")
    with pytest.raises(BadMaterialError, match="no source archive"):
        esptool_source(tmp_path / "esptool-5.6.0-py3-none-any.whl")


def test_of_esp_web_tools_only_what_a_browser_loads_and_the_licence_is_taken(
    tmp_path: Path,
) -> None:
    files = {
        "package/package.json": b'{"name": "esp-web-tools", "license": "Apache-2.0"}',
        "package/LICENSE": b"Apache",
        "package/dist/web/install-button.js": b"export {}",
        "package/dist/web/../../evil.js": b"evil",
        "package/src/index.ts": b"source",
    }
    found = read_package(archive(tmp_path / "tools.tgz", files))
    assert found == {
        "LICENSE": b"Apache",
        "install-button.js": b"export {}",
        "evil.js": b"evil",  # by its plain name: it leads nowhere else
    }
    files["package/package.json"] = b'{"name": "other", "license": "Apache-2.0"}'
    with pytest.raises(BadMaterialError, match="is not esp-web-tools"):
        read_package(archive(tmp_path / "tools.tgz", files))
