"""A seed's configuration read as the gateway's agent will read it: by the agent's own model.

What is read is what lies on the card, or is about to: /etc/ugw is made of the seed's files in a
private folder that is gone afterwards. No driver of a card's is run: that is the gateway's affair.
"""

import tempfile
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, cast

from gateway.certification import new_key, placeholder
from gateway.config import Finding, InvalidConfigError, Settings, load
from gateway.config.document import read_document
from gateway.config.places import finding_at
from gateway.registry import Registry, discover
from ugw_flash.seed.checks import SeedError
from ugw_flash.seed.environment import variables
from ugw_flash.seed.files import CONFIGURATION, ENROLMENT, ENVIRONMENT, ETC

_GATEWAY_ETC: Final = "/etc/ugw"
_OF_THE_GATEWAY: Final = ("/etc/ugw/", "/etc/ssl/", "/usr/")  # a seed brings the first
_WHERE: Final = "put it into the profile's folder etc, and write /etc/ugw here"
_PATHS: Final = (("ca",), ("cert",), ("key",), ("file",))  # keys whose value is a file to read
_MODE: Final = 0o600
_REMEDY: Final = "correct the configuration, then make the seed anew"


def read_configuration(files: Mapping[str, bytes], gateway: str, org: str) -> Settings:
    """Parse gateway.yaml of a seed. Raises SeedError with every finding, by file, line, column.

    Where the gateway makes its own key at its first boot, key and certificate may be missing.
    """
    with tempfile.TemporaryDirectory() as folder:  # mode 700
        etc = Path(folder) / "etc"
        _lay_out(files, etc)
        strangers = tuple(_strangers(files[CONFIGURATION]))
        try:
            settings = _load(etc, variables(files.get(ENVIRONMENT, b"")))
        except InvalidConfigError as error:
            raise _as_on_the_gateway((*error.findings, *strangers), str(etc)) from None
        if strangers:
            raise _as_on_the_gateway(strangers, str(etc))
    return _of(settings, gateway, org)


def _lay_out(files: Mapping[str, bytes], etc: Path) -> None:
    placed = {name.removeprefix(ETC): files[name] for name in files if name.startswith(ETC)}
    if ENROLMENT in files:
        placed = {**_stand_ins(files[CONFIGURATION]), **placed}
    for name, content in {**placed, "gateway.yaml": files[CONFIGURATION]}.items():
        path = etc / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=_MODE)
        path.write_bytes(content)


def _stand_ins(configuration: bytes) -> dict[str, bytes]:
    """Return a key and a certificate for where the gateway will have its own."""
    data: Any = read_document(configuration.decode(errors="replace"), CONFIGURATION).data
    for section in ("mqtt", "tls"):
        data = cast("dict[str, Any]", data).get(section) if isinstance(data, dict) else None
    tls = cast("dict[str, object]", data) if isinstance(data, dict) else {}
    key = new_key()
    made = {"key": key, "cert": placeholder(key, "gateway")}
    return {
        str(tls[name]).removeprefix(f"{_GATEWAY_ETC}/"): content
        for name, content in made.items()
        if str(tls.get(name, "")).startswith(f"{_GATEWAY_ETC}/") and ".." not in str(tls[name])
    }


def _strangers(configuration: bytes) -> Iterator[Finding]:
    """Find files that may lie on the desk by chance, and do not on the gateway."""
    document = read_document(
        configuration.decode(errors="replace"), f"{_GATEWAY_ETC}/gateway.yaml"
    )
    for place in document.values:
        value = document.at(place)
        if isinstance(value, str) and (value.startswith("file:") or place[-1:] in _PATHS):
            path = value.removeprefix("file:")
            if not path.startswith(_OF_THE_GATEWAY) or ".." in path:
                yield finding_at(document, place, f"{path}: no seed brings it; {_WHERE}")


@cache
def _drivers() -> Registry:
    return discover()


def _load(etc: Path, environ: Mapping[str, str]) -> Settings:
    registry = _drivers()
    return load(
        etc / "gateway.yaml",
        drivers=(*registry.models(), *registry.missing),
        modems={name: registry.modem(name).check for name in registry.modems()},
        pollers=registry.pollers(),
        environ=environ,
        etc=etc,
    )


def _as_on_the_gateway(findings: tuple[Finding, ...], folder: str) -> SeedError:
    """Name files as they are named on the gateway, not as in our folder."""
    said = "\n".join(str(each) for each in findings).replace(folder, _GATEWAY_ETC)
    return SeedError(f"the agent would refuse its configuration:\n{said}", remedy=_REMEDY)


def _of(settings: Settings, gateway: str, org: str) -> Settings:
    found = settings.gateway
    if (found.id, found.org) != (gateway, org):
        theirs, ours = f"{found.id} ({found.org})", f"{gateway} ({org})"
        cause = f"gateway.yaml is that of {theirs}, the seed that of {ours}"
        raise SeedError(cause, remedy=_REMEDY)
    return settings
