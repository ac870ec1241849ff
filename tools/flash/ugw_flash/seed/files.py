"""A seed as files on the boot partition. Pure: equal seeds give equal files, down to the byte.

Every file is made anew for every card; no file knows of another card. Secrets are in the files
that need them and in no other; the first boot wipes them from the boot partition, but for the key
of a wireless network in network-config (never its password), which cloud-init reads again.
"""

import json
from collections.abc import Iterator, Mapping
from importlib.resources import files as resources
from typing import Final

from ugw_flash.outcome import BadMaterialError
from ugw_flash.seed import cloud_init, firstrun, record
from ugw_flash.seed.checks import refuse_faults
from ugw_flash.seed.flavour import CMDLINE, Flavour
from ugw_flash.seed.model import Enrolment, ImageFacts, Seed

CONFIGURATION: Final = "ugw/gateway.yaml"
ENVIRONMENT: Final = "ugw/environment"
ETC: Final = "ugw/etc/"
ENROLMENT: Final = "ugw/enrol.json"
ENROLMENT_CA: Final = "ugw/enrol-ca.pem"
CLOUD_INIT_FILES: Final = ("user-data", "network-config", "meta-data")
FIRSTRUN: Final = "firstrun.sh"
CONNECTION: Final = "ugw/network.nmconnection"

_ENVIRONMENT_IN_ETC: Final = "environment"
_PACKAGE_MAGIC: Final = b"!<arch>\ndebian-binary"


def render(
    seed: Seed, flavour: Flavour, image: ImageFacts, cmdline: bytes, others: Mapping[str, str]
) -> dict[str, bytes]:
    """Return the files by name, in the order in which they are to be written: the record last.

    `cmdline` is the image's own cmdline.txt, `others` digests of what else lies there. Raises
    SeedError with all that is wrong with the seed, BadMaterialError when there is no package.
    """
    refuse_faults(seed)
    files = dict(_for_the_agent(seed))
    if flavour is Flavour.CLOUD_INIT:
        files |= _for_cloud_init(seed)
    else:
        files |= _for_firstrun(seed)
    made = record.record_of(seed, flavour, image, files, others)
    # What starts all this is no part of the record: every boot may change its line.
    script = flavour is Flavour.FIRSTRUN
    files[CMDLINE] = firstrun.command_line(seed, cmdline, script=script)
    files[record.NAME] = made.content
    return files


def _for_the_agent(seed: Seed) -> Iterator[tuple[str, bytes]]:
    yield record.FOLDER + seed.package.name, _package(seed)
    yield CONFIGURATION, seed.configuration.encode()
    for name, content in sorted(seed.etc.items()):
        yield (ENVIRONMENT if name == _ENVIRONMENT_IN_ETC else ETC + name), content
    if seed.enrolment is not None:
        yield from _enrolment(seed.enrolment)
    yield "ugw/settings", firstrun.settings(seed)
    yield "ugw/prepare", _resource("prepare.sh")
    yield record.FIRST_BOOT, _resource("first_boot.sh")


def _enrolment(enrolment: Enrolment) -> Iterator[tuple[str, bytes]]:
    note = {
        "url": enrolment.url,
        "claim": enrolment.claim.reveal(),
        "expires_s": enrolment.expires_s,
        "ca": None if enrolment.ca_pem is None else "/etc/ugw/enrol-ca.pem",
    }
    yield ENROLMENT, json.dumps(note, indent=1).encode() + b"\n"
    if enrolment.ca_pem is not None:
        yield ENROLMENT_CA, enrolment.ca_pem


def _for_cloud_init(seed: Seed) -> dict[str, bytes]:
    user_data, network = cloud_init.user_data(seed), cloud_init.network_config(seed)
    digest = record.sha256(user_data + network + firstrun.settings(seed))
    meta_data = cloud_init.meta_data(seed, digest)
    return dict(zip(CLOUD_INIT_FILES, (user_data, network, meta_data), strict=True))


def _for_firstrun(seed: Seed) -> dict[str, bytes]:
    connection = firstrun.connection(seed)
    files = {} if connection is None else {CONNECTION: connection}
    return {**files, FIRSTRUN: _resource("firstrun.sh")}


def _package(seed: Seed) -> bytes:
    try:
        content = seed.package.read_bytes()
    except OSError as error:
        cause = f"the agent's package {seed.package} cannot be read: {error.strerror}"
        raise BadMaterialError(cause, remedy="make it: make package") from None
    if not content.startswith(_PACKAGE_MAGIC):
        cause = f"{seed.package} is no Debian package"
        raise BadMaterialError(cause, remedy="make it: make package")
    return content


def _resource(name: str) -> bytes:
    return (resources("ugw_flash.seed") / name).read_bytes().replace(b"\r\n", b"\n")
