"""A sheet and its profiles -> everything that its gateways need, as files of one folder.

All of it is proved as it will be used: every row is rendered before a file is written, and every
finding is told at once. What only the office has (variables, an authority's key) is put to use
here and stays here.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

from gateway.config.document import read_document
from gateway.config.findings import Finding, InvalidConfigError
from gateway.config.loading import read_file
from ugw_flash.batch.cells import parse, render
from ugw_flash.batch.claims import COLUMNS, Claims, cells_of
from ugw_flash.batch.desk import Desk
from ugw_flash.batch.model import Row
from ugw_flash.batch.results import Results
from ugw_flash.batch.row import claim_of, files_of
from ugw_flash.batch.sheet import Sheet
from ugw_flash.bundle.contents import CLAIMS, MATERIALS, RESULTS, SHEET, Material
from ugw_flash.identity import Claim
from ugw_flash.outcome import BadMaterialError
from ugw_flash.profile import NAME as PROFILE
from ugw_flash.profile import Opened, open_profile, reveal

_HEAD: Final = "# Made by `ugw flash bundle`: paths lead to files of the bundle.\n"


class Packed(NamedTuple):
    """What goes into a bundle."""

    gateways: tuple[str, ...]
    files: dict[str, bytes]
    materials: tuple[Material, ...]
    claims: dict[str, Claim]  # of those gateways that need one

    def __repr__(self) -> str:
        return f"Packed({sorted(self.files)})"


def pack(
    sheet: Sheet, default: Path | None, desk: Desk, claims: Claims, results: Results
) -> Packed:
    """Return everything that the gateways of a sheet need.

    `default` is the profile of rows that name none. What was made already is known on site too.
    Raises InvalidConfigError with every finding of every row, BadMaterialError and OSError for
    what cannot be had.
    """
    packer = _Packer(desk)
    findings: list[Finding] = []
    for row in sheet.rows:
        try:
            claim = packer.add(row, default)
        except InvalidConfigError as error:
            findings += [each for each in error.findings if each not in findings]
            continue
        if claim is not None and results.made(row.gateway) is None:
            known = claims.usable(row.gateway, desk.now_s, results.has_used)
            packer.claims[row.gateway] = known or claim
    if findings:
        raise InvalidConfigError(findings)
    packer.files[SHEET] = packer.sheet(sheet)
    if packer.claims:
        packer.files[CLAIMS] = _claims(packer.claims, sheet.separator)
    if results.lines:
        packer.files[RESULTS] = results.path.read_bytes()
    gateways = tuple(row.gateway for row in sheet.rows)
    return Packed(gateways, packer.files, tuple(packer.materials), packer.claims)


class _Packer:
    """Adds row after row; what rows share is there once."""

    def __init__(self, desk: Desk) -> None:
        self.files: dict[str, bytes] = {}
        self.materials: list[Material] = []
        self.claims: dict[str, Claim] = {}
        self._desk = desk
        self._profiles: dict[Path, tuple[str, Opened]] = {}
        self._of: dict[str, str] = {}  # a gateway's profile, by its name in the bundle
        self._wifi: dict[str, str] = {}  # a gateway's reference in the bundle

    def add(self, row: Row, default: Path | None) -> Claim | None:
        """Add what one gateway needs; return a claim where it takes one.

        Raises InvalidConfigError.
        """
        name, opened = self._profile(row, default)
        claim = claim_of(opened, self._desk)
        for path, content in files_of(row, opened, claim, self._desk).items():
            self.files[f"profiles/{name}/etc/{row.gateway}/{path}"] = content
        self._of[row.gateway] = name
        if row.wifi_password:
            folder = Path(row.sheet).parent
            self._wifi[row.gateway] = self._secret(row.wifi_password, folder, "")
        return claim

    def sheet(self, sheet: Sheet) -> bytes:
        """Return the sheet as the bundle has it: profiles and secrets are files beside it."""
        table = parse(read_file(sheet.path))
        header = [cell.text.lower() for cell in table.lines[0]]
        names = header if "profile" in header else [*header, "profile"]
        lines = [render(names, table.separator)]
        for cells in table.lines[1:]:
            texts = dict(zip(header, (cell.text for cell in cells), strict=False))
            gateway = texts["gateway"]
            texts["profile"] = f"profiles/{self._of[gateway]}"
            if gateway in self._wifi:
                texts["wifi_password"] = self._wifi[gateway]
            lines.append(render((texts.get(each, "") for each in names), table.separator))
        return "".join(lines).encode("utf-8-sig")

    # ------------------------------------------------------------------------------ the profiles
    def _profile(self, row: Row, default: Path | None) -> tuple[str, Opened]:
        if not row.profile and default is None:
            finding = row.finding("profile", "it needs one, here or by --profile")
            raise InvalidConfigError([finding])
        opened = open_profile(Path(row.profile) if row.profile else cast("Path", default))
        key = opened.path.resolve()
        if key not in self._profiles:
            name = self._new_name(opened)
            self._profiles[key] = (name, opened)
            self._add_profile(name, opened)
        return self._profiles[key]

    def _new_name(self, opened: Opened) -> str:
        stem = (
            opened.path.absolute().parent.name if opened.path.name == PROFILE else opened.path.stem
        )
        taken = {name for name, _ in self._profiles.values()}
        number, name = 2, stem
        while name in taken:
            name, number = f"{stem}-{number}", number + 1
        return name

    def _add_profile(self, name: str, opened: Opened) -> None:
        here, profile = f"profiles/{name}", opened.profile
        self.files[f"{here}/gateway.yaml"] = opened.place(profile.config).read_bytes()
        data = cast("dict[str, Any]", read_document(read_file(opened.path), PROFILE).data)
        data |= {"config": "gateway.yaml", "etc": "etc"}
        for key in ("image", "firmware"):
            if key in data:
                data[key] = self._material(name, data[key])
        if profile.package is not None:
            package = opened.place(profile.package)
            self.files[f"{here}/{package.name}"] = package.read_bytes()
            data["package"] = package.name
        network: dict[str, Any] = data.get("network") or {}
        if "password" in network:
            network["password"] = self._secret(network["password"], opened.path.parent, "../../")
        self._add_identity(here, opened, data)
        written = json.dumps(data, indent=2, ensure_ascii=False)
        self.files[f"{here}/{PROFILE}"] = f"{_HEAD}{written}\n".encode()

    def _add_identity(self, here: str, opened: Opened, data: Mapping[str, Any]) -> None:
        """Keys that an authority of the office certifies are made here: it does not travel."""
        identity = opened.profile.identity
        written: dict[str, Any] = data.get("identity") or {}
        if written.pop("authority", None) is not None:
            written["key"] = "given"
        if identity.enrol_ca is not None:
            self.files[f"{here}/enrol-ca.pem"] = opened.place(identity.enrol_ca).read_bytes()
            written["enrol_ca"] = "enrol-ca.pem"

    def _material(self, profile: str, written: Mapping[str, str]) -> dict[str, str]:
        name = Path(written["path"]).name
        for known in self.materials:
            if known.name == name and known.sha256 != written["sha256"]:
                cause = f"the profiles {known.profile} and {profile} name two files {name}"
                raise BadMaterialError(cause, "give one of them another name")
        self.materials.append(Material(name=name, sha256=written["sha256"], profile=profile))
        return {**written, "path": f"../../{MATERIALS}/{name}"}

    def _secret(self, reference: str, folder: Path, up: str) -> str:
        """Add a secret as a file, once; return the reference to it, from `up` on."""
        content = reveal(reference, folder, self._desk.environ).reveal().encode()
        for name, known in self.files.items():
            if name.startswith("secrets/") and known == content:
                return f"file:{up}{name}"
        name = f"secrets/{1 + sum(each.startswith('secrets/') for each in self.files)}"
        self.files[name] = content
        return f"file:{up}{name}"


def _claims(claims: Mapping[str, Claim], separator: str) -> bytes:
    lines = [render(COLUMNS, separator)]
    lines += [render(cells_of(gateway, claim), separator) for gateway, claim in claims.items()]
    return "".join(lines).encode("utf-8-sig")
