"""What other machines answer or ask: certificates over EST, requests to the status page; rows.

Promised: of an answer a certificate or an EnrolmentError that holds no claim; every request has
one answer and never a 500; of a row of the store the bundle that was written, or nothing.
"""

import asyncio
import base64
import zlib
from collections.abc import Iterator, MutableMapping
from functools import cache
from typing import Any, Final

import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509 import load_pem_x509_certificate
from starlette.applications import Starlette

from gateway.backlog.sqlite.schema import packed, unpacked
from gateway.certification import issued
from gateway.config import HttpSettings
from gateway.enrolment import EnrolmentError, certificates
from gateway.model import Bundle, Entry
from gateway.web.gate import Gate
from tests.fuzz.target import Target

_CLAIM: Final = "claim-hunter2Zq"
_NAME: Final = "gw-1"


# --------------------------------------------------------------------------------------------- EST
# One key for ever, else no input would mean the same twice. It is nobody's.
_KEY_PEM: Final = b"""\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgvGU3X6ds492t/st3
WGDV2H+Nc4KBCelVAdCtNYBd3KShRANCAARl3AIHbryemhqlduqd1wqJ/419acde
AkXP7ZIQZtHDbapakq5YolSMaPPgkZAL0J6oedBYpt2tmddvTq8M2Pza
-----END PRIVATE KEY-----
"""
_CERTIFICATE_PEM: Final = b"""\
-----BEGIN CERTIFICATE-----
MIIBCjCBsaADAgECAgEBMAoGCCqGSM49BAMCMA8xDTALBgNVBAMMBGd3LTEwHhcN
MjYwMTAxMDAwMDAwWhcNMzYwMTAxMDAwMDAwWjAPMQ0wCwYDVQQDDARndy0xMFkw
EwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEZdwCB268npoapXbqndcKif+NfWnHXgJF
z+2SEGbRw22qWpKuWKJUjGjz4JGQC9CeqHnQWKbdrZnXb06vDNj82jAKBggqhkjO
PQQDAgNIADBFAiEAvoRobygMyRb9bW9rnS3FzSGPnzrxQr7xjPX84Bz1BloCICKo
HPbFuazrD/xdoNnUZSP2V/TjYJ2fQPlu/p124KFl
-----END CERTIFICATE-----
"""


def est(data: bytes) -> None:
    """Be answered: `F` bit 0 base64 already, bits 1 to 3 the status; Retry-After, the body."""
    number = int.from_bytes(data[:1])
    after, _, body = data[1:].partition(b"\n")
    status = (200, 202, 401, 403, 200, 500, 200, 302)[number >> 1 & 7]
    if not number & 1:
        body = base64.encodebytes(body)
    try:
        der = certificates(status, body, "est.example:443", after.decode("latin-1"))
        pem = issued(der, _KEY_PEM, _NAME)
    except (EnrolmentError, ValueError) as error:
        assert _CLAIM not in str(error)
    else:
        assert status == 200
        assert load_pem_x509_certificate(pem).subject


def _est_seeds() -> Iterator[bytes]:
    certificate = load_pem_x509_certificate(_CERTIFICATE_PEM)
    der = pkcs7.serialize_certificates([certificate], serialization.Encoding.DER)
    yield b"\0\n" + der
    yield b"\1\n" + base64.encodebytes(der)
    yield b"\x02120\n"
    yield b"\x02Sun, 22 Nov 2026 10:00:00 GMT\n"
    yield b"\x04\n"
    # Enveloped data instead of signed, as other servers' answers may be.
    yield b"\0\n" + bytes.fromhex("301406092a864886f70d010703a00730050201003100")


# -------------------------------------------------------------------------------------------- HTTP
def request(data: bytes) -> None:
    """Ask the status page: `METHOD PATH` and header lines, as they come over the wire."""
    head, *lines = data.split(b"\r\n")
    method, _, path = head.partition(b" ")
    headers = [(name.lower().strip(), value.strip()) for name, _, value in _split(lines)]
    answers = asyncio.run(_asked(method.decode("latin-1"), path, headers))
    starts = [message for message in answers if message["type"] == "http.response.start"]
    assert len(starts) == 1
    assert starts[0]["status"] in {400, 401, 404, 405, 421}, starts
    names = [name.lower() for name, _ in starts[0]["headers"]]
    assert b"content-security-policy" in names


def _split(lines: list[bytes]) -> Iterator[tuple[bytes, bytes, bytes]]:
    return (line.partition(b":") for line in lines if b":" in line)


async def _asked(
    method: str, path: bytes, headers: list[tuple[bytes, bytes]]
) -> list[MutableMapping[str, Any]]:
    said: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        said.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": path.decode("latin-1"),
        "raw_path": path,
        "query_string": b"",
        "headers": headers,
        "server": ("127.0.0.1", 8080),
        "client": ("127.0.0.1", 40000),
        "scheme": "http",
        "root_path": "",
        "http_version": "1.1",
    }
    await _gate()(scope, receive, send)
    return said


@cache
def _gate() -> Gate:
    settings = HttpSettings.model_validate(
        {"token": "env:T", "allowed_hosts": ["gw.example"]}, context=_surroundings()
    )
    return Gate(Starlette(), settings)


def _surroundings() -> object:
    from gateway.config.section import Surroundings  # noqa: PLC0415 - of no other use here

    return Surroundings(
        environ={"T": "0123456789abcdef0123456789abcdef"},
        drivers=None,
        modems=None,
        pollers=None,
        etc=None,
    )


def _request_seeds() -> Iterator[bytes]:
    token = b"0123456789abcdef0123456789abcdef"
    basic = base64.b64encode(b"anybody:" + token)
    for line in (b"Bearer " + token, b"Basic " + basic, b"Basic a", b"Digest x", b"Bearer \xff"):
        yield b"GET /status\r\nHost: localhost:8080\r\nAuthorization: " + line
    yield b"POST /\r\nHost: [::1]\r\nAuthorization: Bearer " + token
    yield b"GET /\r\nHost: gw.example:99999"


# -------------------------------------------------------------------------------------------- rows
def row(data: bytes) -> None:
    """Read the body of a row: as it is, or (`F` bit 0) packed, its checksum right."""
    body = zlib.compress(data[1:]) if data[:1] == b"\1" else data[1:]
    found = unpacked(body)
    if found is not None:
        assert unpacked(packed(found)) == found


def _row_seeds() -> Iterator[bytes]:
    bundle = Bundle(
        stream="S" * 26,
        klass="routine",
        first_seq=7,
        boot="b" * 36,
        wall_offset_ns=None,
        quality="",
        entries=(Entry(1, '{"seq":7', ',"results":[]}'), Entry(2, '{"seq":8', ',"é":1}')),
        size=400,
    )
    yield b"\0" + packed(bundle)
    yield b"\1" + msgspec.msgpack.encode(bundle)


TARGETS: Final = (
    Target(
        "est-answers",
        "answers of a server for certificates (EST)",
        est,
        _est_seeds,
        ("gateway.enrolment", "gateway.certification"),
        most_bytes=1200,
    ),
    Target(
        "http-requests",
        "requests to the status page, behind uvicorn's parser",
        request,
        _request_seeds,
        ("gateway.web.gate",),
        most_bytes=300,
        words=(
            b"\r\nHost: ",
            b"\r\nAuthorization: ",
            b"Basic ",
            b"Bearer ",
            b"localhost",
            b"[::1]",
        ),
    ),
    Target(
        "store-rows",
        "rows of the store, as a damaged medium gives them back",
        row,
        _row_seeds,
        ("gateway.backlog.sqlite.schema",),
        most_bytes=600,
    ),
)
