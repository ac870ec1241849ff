"""One gateway, from its row and its profile: all that its card or its board is given.

Everything is made anew from these two; nothing is kept from one row to the next, so that no
gateway gets what was meant for another. What cannot be made is refused with every finding, at its
place in the sheet or in the file that is wrong.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from gateway.certification import new_key, request
from gateway.config import Settings, load
from gateway.config.findings import Finding
from gateway.crypto import validity_of
from gateway.enrolment import Authority as Server
from gateway.enrolment import enrol
from gateway.registry import discover
from gateway.version import __version__
from ugw_flash.authority import open_authority
from ugw_flash.batch.desk import Desk
from ugw_flash.batch.model import Row
from ugw_flash.batch.network import address_of, kind_of, wifi_of
from ugw_flash.batch.rendering import Check, Maker, Outcome, Rendered, Template
from ugw_flash.esp32.board_work import BoardOrder
from ugw_flash.esp32.site import Board, read_site
from ugw_flash.identity import Claim
from ugw_flash.outcome import BadMaterialError
from ugw_flash.profile import Opened
from ugw_flash.seed.model import Enrolment, Seed, Wifi

__all__ = ["Row", "board_of", "claim_of", "files_of", "order_of", "seed_of"]

_END: Final = b"-----END CERTIFICATE-----\n"
_NS: Final = 1_000_000_000


def claim_of(opened: Opened, desk: Desk) -> Claim | None:
    """Make the claim that a gateway of this kind needs; None: it needs none."""
    identity = opened.profile.identity
    if identity.enrol is None and identity.claim_url is None:
        return None
    return Claim.new(desk.now_s + identity.claim_valid_ns // _NS)


def seed_of(row: Row, opened: Opened, claim: Claim | None, desk: Desk) -> Seed:
    """Return what a card is given beside its image.

    Raises InvalidConfigError with every finding, BadMaterialError for a package or a certificate
    that is not to be had.
    """
    profile = opened.profile
    if profile.kind != "pi" or profile.package is None or profile.user is None:
        raise _of_other_kind(opened, "card", "ugw flash esp32")
    making = _Making(row, opened, claim, desk)
    rendered, wifi = making.card()
    return Seed(
        gateway=row.gateway,
        org=rendered.org,
        configuration=rendered.text,
        etc=rendered.files,
        package=_there(opened.place(profile.package), "`make package` makes it"),
        user=profile.user.name,
        ssh_keys=tuple(profile.user.ssh_keys),
        time_zone=profile.time.zone,
        time_servers=profile.time.servers,
        network="wifi" if kind_of(row, opened) == "wifi" else "ethernet",
        wifi=wifi,
        address=address_of(row),
        enrolment=making.enrolment(),
        made_by=f"ugw {__version__}",
        made_at_s=desk.now_s,
    )


def board_of(row: Row, opened: Opened, claim: Claim | None, desk: Desk) -> Board:
    """Return the site's files and secrets for a board. Raises as `seed_of` does."""
    if opened.profile.kind != "esp32":
        raise _of_other_kind(opened, "board", "ugw flash pi")
    return _Making(row, opened, claim, desk).board()[1]


def files_of(row: Row, opened: Opened, claim: Claim | None, desk: Desk) -> Mapping[str, bytes]:
    """Return all that a gateway of either kind is given below /etc/ugw, by name.

    Raises as `seed_of` does.
    """
    making = _Making(row, opened, claim, desk)
    made = making.card() if opened.profile.kind == "pi" else making.board()
    return made[0].files


def order_of(row: Row, opened: Opened, claim: Claim | None, desk: Desk) -> BoardOrder:
    """Return what a board is to become. Raises as `seed_of` does."""
    board = board_of(row, opened, claim, desk)
    profile = opened.profile
    if profile.firmware is None:
        raise _of_other_kind(opened, "board", "ugw flash pi")
    return BoardOrder(
        firmware=opened.place(profile.firmware.path),
        sha256=profile.firmware.sha256,
        board=board,
        frozen=profile.frozen,
        number=desk.now_s,
        mac=row.mac,
    )


class _Making:
    """Renders a row, and has its key certified once everything else is known to be right."""

    def __init__(self, row: Row, opened: Opened, claim: Claim | None, desk: Desk) -> None:
        self._row = row
        self._opened = opened
        self._claim = claim
        self._desk = desk

    def card(self) -> tuple[Rendered, Wifi | None]:
        """Return what a card is given, and its wireless network."""
        findings: list[Finding] = []
        wifi = wifi_of(self._row, self._opened, self._desk.environ, findings)
        rendered, _ = self._render(wifi, findings, _as_the_agent)
        return rendered, wifi

    def board(self) -> tuple[Rendered, Board]:
        """Return what a board is given, and what becomes of it."""
        row, profile, findings = self._row, self._opened.profile, list[Finding]()
        # Without a word of it, the network of the configuration stands.
        asked = row.network or "network" in profile.model_fields_set
        wifi = wifi_of(row, self._opened, self._desk.environ, findings) if asked else None
        if row.address:
            findings.append(row.finding("address", "a board takes its address by DHCP"))

        def check(path: Path, etc: Path, environ: Mapping[str, str]) -> Board:
            made_ms = self._desk.now_s * 1000
            frozen = profile.frozen
            return read_site(path, environ=environ, made_ms=made_ms, frozen=frozen, etc=etc)

        return self._render(wifi, findings, check)

    def _render(
        self, wifi: Wifi | None, findings: list[Finding], check: Check[Outcome]
    ) -> tuple[Rendered, Outcome]:
        maker = self._maker()
        maker.findings += findings
        made = maker.render({}, wifi, check)
        if self._opened.profile.identity.key != "desk" or self._desk.rehearsal:
            return made
        return self._maker().render(self._certified(maker.template), wifi, check)

    def enrolment(self) -> Enrolment | None:
        """Return how the gateway comes by its certificate; None: it has it, or needs none."""
        identity, claim = self._opened.profile.identity, self._claim
        if identity.key != "gateway" or identity.enrol is None:
            return None
        if claim is None:
            message = "a gateway that enrols needs a claim: claim_of makes it"
            raise ValueError(message)
        ca = self._enrol_ca()
        pem = None if ca is None else _certificates(ca)
        return Enrolment(identity.enrol, pem, claim.secret, claim.expires_s)

    def _maker(self) -> Maker:
        return Maker(self._row, self._opened, self._desk.environ)

    def _certified(self, template: Template) -> dict[str, bytes]:
        """Return a key made now and the certificate for it, by where the gateway has them."""
        identity, gateway = self._opened.profile.identity, self._row.gateway
        certificate, key = template.names()
        pem = new_key()
        if identity.authority is not None:
            authority = open_authority(self._opened.place(identity.authority))
            issued = authority.issue(request(pem, gateway), gateway, self._desk.now_s)
        else:
            ca = self._enrol_ca()
            server = Server(url=str(identity.enrol), ca=None if ca is None else str(ca))
            claim = "" if self._claim is None else self._claim.secret.reveal()
            issued = enrol(server, gateway, claim, pem)
        if self._opened.profile.kind == "esp32":
            issued = issued.partition(_END)[0] + _END  # it presents one; those above are known
        return {certificate: issued, key: pem}

    def _enrol_ca(self) -> Path | None:
        ca = self._opened.profile.identity.enrol_ca
        return None if ca is None else _there(self._opened.place(ca), "the profile names it")


def _as_the_agent(path: Path, etc: Path, environ: Mapping[str, str]) -> Settings:
    registry = discover()
    return load(
        path,
        drivers=(*registry.models(), *registry.missing),
        modems={name: registry.modem(name).check for name in registry.modems()},
        pollers=registry.pollers(),
        environ=environ,
        etc=etc,
    )


def _of_other_kind(opened: Opened, made: str, command: str) -> BadMaterialError:
    cause = f"{opened.path} is for kind {opened.profile.kind}: no {made} is made of it"
    return BadMaterialError(cause, f"`{command}` does")


def _there(path: Path, remedy: str) -> Path:
    if not path.is_file():
        cause = f"{path} is not there"
        raise BadMaterialError(cause, remedy)
    return path


def _certificates(path: Path) -> bytes:
    """Return a PEM file of certificates as it is."""
    try:
        pem = path.read_bytes()
        validity_of(pem)
    except (OSError, ValueError):
        cause = f"{path} is no PEM file of certificates"
        raise BadMaterialError(cause, "identity.enrol_ca names it") from None
    return pem
