"""A package that dpkg would refuse on site is refused at the desk."""

import pytest

from tests.flash.seeds import IMAGE
from ugw_flash.outcome import BadMaterialError
from ugw_flash.seed.fitting import refuse_misfit
from ugw_flash.seed.flavour import Flavour


@pytest.mark.parametrize(
    ("image", "kind", "package", "cause"),
    [
        ("raspios-bookworm-arm64.img.xz", Flavour.FIRSTRUN, "a_1+deb13_arm64.deb", "Debian 12$"),
        ("raspios-trixie-arm64.img.xz", Flavour.CLOUD_INIT, "a_1+deb12_arm64.deb", "Debian 13$"),
        ("raspios-trixie-armhf.img.xz", Flavour.CLOUD_INIT, "a_1+deb13_arm64.deb", "armhf$"),
        ("pi.img", Flavour.CLOUD_INIT, "a_1+deb12_arm64.deb", "pi.img is Debian 13$"),
    ],
)
def test_a_package_for_another_debian_or_processor_is_refused(
    image: str, kind: Flavour, package: str, cause: str
) -> None:
    with pytest.raises(BadMaterialError, match=cause):
        refuse_misfit(package, IMAGE._replace(name=image), kind)


@pytest.mark.parametrize(
    ("image", "kind", "package"),
    [
        ("2026-10-01-raspios-trixie-arm64-lite.img.xz", Flavour.CLOUD_INIT, "a_1+deb13_arm64.deb"),
        ("raspios-trixie-armhf.img.xz", Flavour.FIRSTRUN, "a_1+deb13_armhf.deb"),
        ("raspios-bookworm-arm64.img.xz", Flavour.FIRSTRUN, "a_1~dev0+deb12_arm64.deb"),
        ("pi.img", Flavour.FIRSTRUN, "a_1+deb13_arm64.deb"),
        ("raspios-bookworm-arm64.img.xz", Flavour.FIRSTRUN, "ours.deb"),
    ],
)
def test_what_fits_or_has_a_name_of_its_own_passes(
    image: str, kind: Flavour, package: str
) -> None:
    refuse_misfit(package, IMAGE._replace(name=image), kind)
