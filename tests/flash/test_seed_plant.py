"""A seed put onto a boot partition and read back: complete, or called bad, whatever happens."""

import hashlib
import json
import re
from pathlib import Path

import pytest

from gateway.errors import UgwError
from tests.flash.cards import MemoryCard
from tests.flash.seeds import (
    ADDRESS,
    ENROLMENT,
    IMAGE,
    MB,
    WIFI,
    boot_content,
    boot_partition,
    fsck,
    ran,
    seed_of,
)
from ugw_flash.card.medium import FileMedium
from ugw_flash.fat import BootPartition
from ugw_flash.outcome import BadMaterialError, NotWrittenError
from ugw_flash.progress import Silence
from ugw_flash.seed.checks import SeedError
from ugw_flash.seed.flavour import Flavour
from ugw_flash.seed.model import Seed
from ugw_flash.seed.plant import plant
from ugw_flash.seed.read_back import read_back

BOTH = tuple(Flavour)


@pytest.fixture(params=BOTH)
def flavour(request: pytest.FixtureRequest) -> Flavour:
    return Flavour(request.param)


@pytest.fixture
def seed(site: Path) -> Seed:
    return seed_of(site, network="wifi", wifi=WIFI, address=ADDRESS)


def card(flavour: Flavour = Flavour.CLOUD_INIT) -> MemoryCard:
    content = boot_content(flavour)
    return MemoryCard(len(content), content)


def planted(seed: Seed, flavour: Flavour = Flavour.CLOUD_INIT) -> MemoryCard:
    medium = card(flavour)
    plant(medium, seed, IMAGE, Silence())
    return medium


def change(medium: MemoryCard, name: str, content: bytes | None) -> None:
    with BootPartition(medium) as partition:
        if content is None:
            partition.remove(name)
        else:
            partition.write(name, content)


def test_what_was_planted_is_read_back_from_the_card_alone(
    tmp_path: Path, seed: Seed, flavour: Flavour
) -> None:
    image = boot_partition(tmp_path / "boot.img", flavour)
    with FileMedium(image, writable=True) as medium:
        plant(medium, seed, IMAGE, Silence())
    fsck(image)
    with FileMedium(image) as medium:
        found = read_back(medium)
    assert (found.gateway, found.org, found.flavour) == ("gw-kiel-0042", "kiel", flavour)
    assert (found.image, found.made_by) == (IMAGE, "ugw 0.1.0")
    assert found.package == seed.package.name
    assert (found.enrols, found.first_boot) == (False, None)
    told = json.loads(ran("mtype", "-i", str(image), "::ugw/seed.json"))
    assert told["gateway"] == "gw-kiel-0042"
    assert ran("mtype", "-i", str(image), "::ugw/gateway.yaml") == seed.configuration
    assert ran("mtype", "-i", str(image), "::kernel8.img") == "x" * 9999


def test_a_second_seed_leaves_nothing_of_the_first(
    tmp_path: Path, seed: Seed, flavour: Flavour
) -> None:
    first = seed._replace(
        enrolment=ENROLMENT, etc={**seed.etc, "keys/of-the-first": b"secret of the first"}
    )
    medium = planted(first, flavour)
    change(medium, "ugw/first-boot.log", b"of the first")
    second = seed._replace(network="ethernet", wifi=None, address=None)
    plant(medium, second, IMAGE, Silence())
    found = read_back(medium)
    assert (found.enrols, found.first_boot) == (False, None)
    with BootPartition(medium) as partition:
        listed = {name for name, is_folder in partition.walk("ugw") if not is_folder}
        line = partition.read("cmdline.txt")
    assert listed == {name for name in found.files if name.startswith("ugw/")} | {"ugw/seed.json"}
    assert b"ieee80211_regdom" not in line
    (tmp_path / "again.img").write_bytes(medium.content)
    fsck(tmp_path / "again.img")


def test_the_same_seed_twice_gives_the_same_files(seed: Seed, flavour: Flavour) -> None:
    medium = planted(seed, flavour)
    once = _files(medium)
    plant(medium, seed, IMAGE, Silence())
    assert _files(medium) == once


def _files(medium: MemoryCard) -> dict[str, bytes]:
    with BootPartition(medium) as partition:
        return {name: partition.read(name) for name, folder in partition.walk("") if not folder}


class TornCard(MemoryCard):
    """A card as it is when the power goes after some of its writes, in the middle of the last."""

    def __init__(
        self, before: bytes, writes: list[tuple[int, bytes]], *, torn: bool = False
    ) -> None:
        super().__init__(len(before), before)
        for number, (offset, data) in enumerate(writes):
            half = torn and number == len(writes) - 1
            self.write_at(offset, data[: len(data) // 1024 * 512] if half else data)


@pytest.mark.parametrize("cut_at", ["between writes", "within a write"])
@pytest.mark.parametrize("on", ["a new card", "a card with a seed"])
def test_a_power_cut_at_any_write_leaves_a_card_that_is_called_bad(
    seed: Seed, flavour: Flavour, cut_at: str, on: str
) -> None:
    medium, torn = card(flavour), cut_at == "within a write"
    if on == "a card with a seed":
        plant(medium, seed._replace(user="earlier"), IMAGE, Silence())
    before, done = bytes(medium.content), len(medium.writes)
    plant(medium, seed, IMAGE, Silence())
    writes = medium.writes[done:]
    assert len(writes) > 5
    complete = read_back(medium)
    for cut in range(1, len(writes)):
        cut_off = TornCard(before, writes[:cut], torn=torn)
        try:
            found = read_back(cut_off)
        except (BadMaterialError, NotWrittenError):
            continue
        # The directory's last sector may be all that is missing, and be the same as before.
        assert _files(cut_off) in (_files(medium), _files(MemoryCard(len(before), before)))
        assert found == complete or on == "a card with a seed"


def test_the_record_is_written_after_all_else_is_on_the_medium(seed: Seed) -> None:
    medium = planted(seed)
    with_record = next(
        number
        for number in range(len(medium.writes) + 1)
        if _has_record(TornCard(bytes(card().content), medium.writes[:number]))
    )
    assert any(0 < flushed < with_record for flushed in medium.flushed)
    assert medium.flushed[-1] == len(medium.writes)


def _has_record(medium: MemoryCard) -> bool:
    with BootPartition(medium) as partition:
        return partition.exists("ugw/seed.json")


def test_every_file_that_differs_by_one_bit_is_named(seed: Seed, flavour: Flavour) -> None:
    good = planted(seed, flavour)
    names = read_back(good).files
    assert len(names) > 20
    for name in names:
        medium = MemoryCard(good.size, bytes(good.content))
        with BootPartition(medium) as partition:
            content = bytearray(partition.read(name))
            content[len(content) // 2] ^= 4
            partition.write(name, bytes(content))
        with pytest.raises(NotWrittenError, match=f"^{re.escape(name)} is not what was written$"):
            read_back(medium)


def test_what_a_desktop_leaves_on_a_card_that_is_inserted_is_in_nobodys_way(seed: Seed) -> None:
    medium = card()
    for name in (".fseventsd/0", "System Volume Information/WPSettings.dat"):
        change(medium, name, b"1")
    plant(medium, seed, IMAGE, Silence())
    for name in (".fseventsd/0", "System Volume Information/WPSettings.dat", "._kernel8.img"):
        change(medium, name, b"2")
    assert read_back(medium).first_boot is None


def test_a_file_that_somebody_left_with_accents_in_its_name_is_in_nobodys_way(
    tmp_path: Path, seed: Seed
) -> None:
    image = boot_partition(tmp_path / "boot.img")
    (tmp_path / "Übersicht.txt").write_text("of the installer")
    ran("mcopy", "-i", str(image), str(tmp_path / "Übersicht.txt"), "::")
    with FileMedium(image, writable=True) as medium:
        plant(medium, seed, IMAGE, Silence())
        assert read_back(medium).gateway == "gw-kiel-0042"
    fsck(image)


def test_all_that_is_missing_or_changed_is_said_at_once(seed: Seed) -> None:
    medium = planted(seed)
    change(medium, "ugw/etc/ca.pem", None)
    change(medium, "user-data", b"#cloud-config\n")
    with pytest.raises(NotWrittenError) as caught:
        read_back(medium)
    said = "ugw/etc/ca.pem is missing", "user-data is not what was written"
    assert sorted(str(caught.value).splitlines()) == sorted(said)
    assert "anew" in caught.value.remedy


def test_a_configuration_the_agent_would_refuse_is_found_on_the_card_too(seed: Seed) -> None:
    medium = planted(seed)
    text = seed.configuration.replace("port: 8883", "port: 88830").encode()
    record = json.loads(_files(medium)["ugw/seed.json"])
    record["files"]["gateway.yaml"] = hashlib.sha256(text).hexdigest()  # it was written like this
    change(medium, "ugw/gateway.yaml", text)
    change(medium, "ugw/seed.json", json.dumps(record).encode())
    with pytest.raises(SeedError, match=r"gateway\.yaml:\d+:\d+: mqtt\.port"):
        read_back(medium)


@pytest.mark.parametrize(
    "content",
    [
        None,
        b"",
        b'{"schema": "ugw.seed/2"}',
        b'{"schema":',
        b'{"schema": "ugw.seed/1", "gateway": "\xff"}',
    ],
)
def test_a_card_without_a_whole_record_has_no_seed(seed: Seed, content: bytes | None) -> None:
    medium = planted(seed)
    change(medium, "ugw/seed.json", content)
    with pytest.raises(BadMaterialError, match=r"ugw/seed\.json"):
        read_back(medium)


def test_a_package_for_another_debian_is_refused_before_anything_is_written(seed: Seed) -> None:
    medium = card()
    before = bytes(medium.content)
    bookworm = IMAGE._replace(name="raspios-bookworm-arm64-lite.img.xz")
    with pytest.raises(BadMaterialError, match="is made for Debian 13, and raspios-bookworm"):
        plant(medium, seed, bookworm, Silence())
    assert bytes(medium.content) == before


def test_a_script_that_nothing_starts_is_noticed(seed: Seed) -> None:
    medium = planted(seed, Flavour.FIRSTRUN)
    change(medium, "cmdline.txt", b"root=PARTUUID=5e3da3da-02\n")
    with pytest.raises(NotWrittenError, match=r"does not start firstrun\.sh"):
        read_back(medium)


# ------------------------------------------------------------------------------ nothing is written


def refused(medium: MemoryCard, seed: Seed, error: type[UgwError]) -> str:
    """Return what was said when a seed was refused, and the card left as it was."""
    with pytest.raises(error) as caught:
        plant(medium, seed, IMAGE, Silence())
    assert medium.writes == []
    return str(caught.value)


def test_a_configuration_the_agent_would_refuse_is_refused_with_its_line(seed: Seed) -> None:
    text = seed.configuration.replace("port: 8883", "port: 88830").replace("ble", "bel", 1)
    said = refused(card(), seed._replace(configuration=text), SeedError)
    line = text.splitlines().index("  port: 88830") + 1
    assert f"/etc/ugw/gateway.yaml:{line}:9: mqtt.port: " in said
    assert "  port: 88830" in said


@pytest.mark.parametrize("name", ["ca.pem", "gw.key", "keys/2", "codecs/em300.js", "http-token"])
def test_a_file_that_the_configuration_names_and_the_card_lacks_is_refused(
    seed: Seed, name: str
) -> None:
    etc = {each: content for each, content in seed.etc.items() if each != name}
    said = refused(card(), seed._replace(etc=etc), SeedError)
    assert f"/etc/ugw/{name} cannot be read: No such file or directory" in said
    assert re.search(r"/etc/ugw/gateway\.yaml:\d+:\d+: ", said)


@pytest.mark.parametrize("secret", [True, False], ids=["a secret", "a certificate"])
def test_a_file_of_the_desk_that_no_seed_brings_is_refused_though_it_is_there(
    tmp_path: Path, seed: Seed, *, secret: bool
) -> None:
    there = tmp_path / "there"
    there.write_bytes(b"secret" if secret else seed.etc["ca.pem"])
    there.chmod(0o600)
    written = (
        ("file:/etc/ugw/mqtt-user", f"file:{there}") if secret else ("/etc/ugw/ca.pem", str(there))
    )
    changed = seed._replace(configuration=seed.configuration.replace(*written, 1))
    said = refused(card(), changed, SeedError)
    assert f"{there}: no seed brings it" in said
    assert re.search(r"/etc/ugw/gateway\.yaml:\d+:\d+: mqtt\.", said)


def test_a_variable_that_the_configuration_names_comes_from_the_card_alone(
    seed: Seed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UGW_MQTT_PASSWORD", "of the desk")
    monkeypatch.setenv("UGW__MQTT__PORT", "nonsense")
    plant(card(), seed, IMAGE, Silence())
    etc = {each: content for each, content in seed.etc.items() if each != "environment"}
    said = refused(card(), seed._replace(etc=etc), SeedError)
    assert "UGW_MQTT_PASSWORD is not set" in said


def test_overrides_in_the_environment_of_the_gateway_count(seed: Seed) -> None:
    override = seed.etc["environment"] + b"UGW__GATEWAY__ID=gw-kiel-0043\n"
    changed = seed._replace(gateway="gw-kiel-0043", etc={**seed.etc, "environment": override})
    assert read_back(planted(changed)).gateway == "gw-kiel-0043"


def test_the_configuration_of_another_gateway_is_refused(seed: Seed) -> None:
    said = refused(card(), seed._replace(gateway="gw-kiel-0099"), SeedError)
    assert "that of gw-kiel-0042 (kiel), the seed that of gw-kiel-0099 (kiel)" in said


def test_a_package_that_does_not_fit_is_refused_before_anything_is_written(
    tmp_path: Path, seed: Seed
) -> None:
    package = tmp_path / "large.deb"
    package.write_bytes(b"!<arch>\ndebian-binary" + bytes(16 * MB))
    said = refused(card(), seed._replace(package=package), BadMaterialError)
    assert re.search(r"needs \d\d\.\d MB .* room for \d\d\.\d MB", said)


def test_the_room_of_the_seed_before_counts_as_room(tmp_path: Path, seed: Seed) -> None:
    package = tmp_path / "half.deb"
    package.write_bytes(b"!<arch>\ndebian-binary" + bytes(9 * MB))
    medium = planted(seed._replace(package=package))
    plant(medium, seed._replace(package=package), IMAGE, Silence())
    assert read_back(medium).package == "half.deb"


def test_what_no_pi_boots_from_is_refused(seed: Seed) -> None:
    medium = card()
    change(medium, "config.txt", None)
    medium.writes.clear()
    said = refused(medium, seed, BadMaterialError)
    assert "config.txt" in said


# ---------------------------------------------------------------------------------------- identity


def test_a_key_that_the_gateway_makes_itself_may_be_missing_and_no_other(seed: Seed) -> None:
    etc = {name: content for name, content in seed.etc.items() if name not in ("gw.key", "gw.pem")}
    found = read_back(planted(seed._replace(etc=etc, enrolment=ENROLMENT)))
    assert found.enrols
    assert not {"ugw/etc/gw.key", "ugw/etc/gw.pem"} & set(found.files)
    assert "gw.key" in refused(card(), seed._replace(etc=etc), SeedError)
    del etc["ca.pem"]
    asking = seed._replace(etc=etc, enrolment=ENROLMENT)
    assert "ca.pem" in refused(card(), asking, SeedError)
