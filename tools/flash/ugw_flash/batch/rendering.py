"""A gateway's own configuration and files, made of the profile's: all of it, proved by the agent.

What comes out was read by the model that the agent reads it with, its files in their places. A
name or a place that is another gateway's is refused, rather than told of this one.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

import msgspec

from gateway.certification import new_key, placeholder
from gateway.config import InvalidConfigError, read_file
from gateway.config.document import Data, Document, read_document
from gateway.config.findings import Finding
from gateway.config.findings import Path as Place
from gateway.config.places import finding_at
from ugw_flash.batch.editing import Edited, edited
from ugw_flash.batch.material import CERTIFICATE, HOME, KEY, Brought, Shelf, below_home, brought
from ugw_flash.batch.model import Row
from ugw_flash.profile import Opened
from ugw_flash.seed.model import Wifi

Outcome = TypeVar("Outcome")
Check = Callable[[Path, Path, Mapping[str, str]], Outcome]  # gateway.yaml, etc, the environment

_WIFI_PASSWORD: Final = "wifi-password"  # noqa: S105 - a file's name
_OF_ANOTHER: Final = "of another gateway ({}): give each its own in the sheet, and remove it here"


class Template(NamedTuple):
    """The configuration that gateways of a kind share."""

    path: Path
    text: str
    document: Document

    @property
    def org(self) -> str:
        """Whose gateways they are, as it is written."""
        return str(self._at(("gateway", "org")) or "")

    def names(self) -> tuple[str, str]:
        """Return the names below /etc/ugw of certificate and key; empty: they are elsewhere."""
        found = [str(self._at(place) or "") for place in (CERTIFICATE, KEY)]
        return below_home(found[0]), below_home(found[1])

    def finding(self, place: Place, why: str) -> Finding:
        """Return a finding at a place of the file."""
        return finding_at(self.document, place, why)

    def has(self, *place: str | int) -> bool:
        """Whether something stands there."""
        return self._at(place) is not None

    def _at(self, place: Place) -> Data:
        return self.document.at(place) if place in self.document.values else None


class Rendered(NamedTuple):
    """A gateway's own."""

    text: str  # gateway.yaml
    files: Mapping[str, bytes]  # by their names below /etc/ugw
    org: str

    def __repr__(self) -> str:
        return f"Rendered({sorted(self.files)})"


def template_of(opened: Opened) -> Template:
    """Read the configuration of a profile. Raises InvalidConfigError."""
    path = opened.place(opened.profile.config)
    text = read_file(path, remedy="the profile names it: config")
    document = read_document(text, str(path))
    if document.findings:
        raise InvalidConfigError(document.findings)
    return Template(path, text, document)


class Maker:
    """Renders one row, and collects what is wrong with it."""

    def __init__(self, row: Row, opened: Opened, environ: Mapping[str, str]) -> None:
        self.findings: list[Finding] = []
        self.template = template_of(opened)
        self._row = row
        self._opened = opened
        self._environ = environ

    def render(
        self, made: Mapping[str, bytes], wifi: Wifi | None, check: Check[Outcome]
    ) -> tuple[Rendered, Outcome]:
        """Return what the gateway is given, and what `check` makes of it.

        `made` is what was made for it and lies on no shelf. Raises InvalidConfigError with every
        finding.
        """
        template = self.template
        text = edited(template.document, template.text, self._changes(wifi))
        document = read_document(text.text, str(template.path))
        shelf = Shelf(self._opened.place(self._opened.profile.etc), self._row.gateway)
        stand_ins = self._stand_ins(made)
        found = brought(document, shelf, self._environ, {**made, **self._psk(wifi), **stand_ins})
        home = text.at_home(InvalidConfigError(found.findings), str(template.path))
        self.findings += home.findings
        outcome = self._checked(text, found, check)
        files = {name: data for name, data in found.files.items() if name not in stand_ins}
        return Rendered(text.text, files, template.org), outcome

    def _psk(self, wifi: Wifi | None) -> dict[str, bytes]:
        """Return the password's file: a board's configuration names its network, a card's not."""
        if wifi is None or wifi.password is None or self._opened.profile.kind != "esp32":
            return {}
        return {_WIFI_PASSWORD: wifi.password.reveal().encode()}

    def _stand_ins(self, made: Mapping[str, bytes]) -> dict[str, bytes]:
        """Return key and certificate that are still to come, so that the rest can be proved."""
        kind = self._opened.profile.identity.key
        if kind == "given":
            return {}
        certificate, key = self.template.names()
        if not certificate or not key:
            why = f"identity.key is {kind}: say here where cert and key go, below {HOME}"
            self.findings.append(self.template.finding(("mqtt", "tls"), why))
            return {}
        if key in made:
            return {}
        pem = new_key()
        return {certificate: placeholder(pem, self._row.gateway), key: pem}

    def _checked(self, text: Edited, found: Brought, check: Check[Outcome]) -> Outcome:
        with tempfile.TemporaryDirectory() as folder:  # readable by its owner alone
            path, etc = Path(folder) / "gateway.yaml", Path(folder) / "etc"
            path.write_text(text.text, encoding="utf-8", newline="")
            lay_out(found.files, etc)
            try:
                outcome = check(path, etc, found.variables)
            except InvalidConfigError as error:
                self._take(text.at_home(error, str(self.template.path)), str(etc))
                raise InvalidConfigError(self.findings, error.remedy) from None
        if self.findings:
            raise InvalidConfigError(self.findings)
        return outcome

    def _take(self, error: InvalidConfigError, etc: str) -> None:
        """Take the findings of the check that say something new."""
        told = {(each.file, each.line, each.path) for each in self.findings}
        self.findings += [
            msgspec.structs.replace(each, message=each.message.replace(etc, str(HOME)))
            for each in error.findings
            if (each.file, each.line, each.path) not in told
        ]

    # --------------------------------------------------------------------- what the row changes
    def _changes(self, wifi: Wifi | None) -> dict[Place, Data]:
        row, template = self._row, self.template
        changes: dict[Place, Data] = {("gateway", "id"): row.gateway}
        if row.name:
            changes["gateway", "name"] = row.name
        changes |= self._location()
        if wifi is not None and self._opened.profile.kind == "esp32":
            changes |= self._wifi(wifi)
        self.findings += self._of_another(changes)
        return {place: value for place, value in changes.items() if template.has(place[0])}

    def _location(self) -> dict[Place, Data]:
        row = self._row
        if row.lat is None or row.lon is None:
            return {}
        where = ("gateway", "location")
        if self.template.has(*where):
            return {(*where, "lat"): row.lat, (*where, "lon"): row.lon}
        return {where: {"lat": row.lat, "lon": row.lon}}

    def _wifi(self, wifi: Wifi) -> dict[Place, Data]:
        where = ("esp32", "wifi")
        reference = f"file:{HOME / _WIFI_PASSWORD}"
        given: dict[str, Data] = {"ssid": wifi.ssid}
        given |= {"password": reference} if wifi.password else {}
        if not self.template.has(*where):
            return {where: given}
        if wifi.password is None and self.template.has(*where, "password"):
            why = "its network is an open one: remove it here, or name the row's wifi_password"
            self.findings.append(self.template.finding((*where, "password"), why))
        return {(*where, key): value for key, value in given.items()}

    def _of_another(self, changes: Mapping[Place, Data]) -> Iterator[Finding]:
        """Find what the shared configuration says of one gateway that is not this one."""
        template = self.template
        whose = ("gateway", "id")
        written = template.document.at(whose) if template.has(*whose) else self._row.gateway
        if written == self._row.gateway:
            return
        why = _OF_ANOTHER.format(written)
        known = {place[:2] for place in changes}
        for key in ("name", "location"):
            if template.has("gateway", key) and ("gateway", key) not in known:
                yield template.finding(("gateway", key), why)
        for key in ("alt_m", "height_above_ground_m"):
            if ("gateway", "location") in known and template.has("gateway", "location", key):
                yield template.finding(("gateway", "location", key), why)


def lay_out(files: Mapping[str, bytes], folder: Path) -> None:
    """Write files as /etc/ugw has them, readable by their owner alone."""
    folder.mkdir(mode=0o700)
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_bytes(content)
