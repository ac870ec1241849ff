"""`ugw enrol` against a simulated city's server: real TLS, real requests, real certificates."""

import base64
import json
import re
import ssl
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway import certification
from gateway.cli.enrol import enrol
from gateway.enrolment import Authority, ClaimRefusedError, EnrolmentError, PendingError
from gateway.enrolment import enrol as ask
from gateway.errors import ConfigError, UgwError
from gateway.exit_codes import ExitCode
from gateway.sim.est import EstServer

CLAIM = "4S7KQ-3VXYZ-8M2NP"
NAME = "gw-kiel-0042"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EstServer]:
    monkeypatch.setattr("gateway.cli.enrol.time.sleep", lambda _s: None)
    with EstServer(tmp_path, {NAME: CLAIM}) as running:
        yield running


@pytest.fixture
def etc(tmp_path: Path, server: EstServer) -> Path:
    """Return what stands for /etc/ugw after a first boot."""
    folder = tmp_path / "etc"
    folder.mkdir()
    (folder / "gateway.yaml").write_text(
        f"config_version: 1\ngateway: {{org: kiel, id: {NAME}}}\n"
        "mqtt:\n  host: broker.example\n"
        f"  tls: {{ca: {server.ca}, cert: {folder}/gw.pem, key: {folder}/gw.key}}\n"
        "transports: [{kind: ble}]\ndevices: []\n"
    )
    claim(folder, server)
    return folder


def claim(folder: Path, server: EstServer, **changed: Any) -> None:  # noqa: ANN401 - JSON
    path = folder / "enrol.json"
    path.touch(mode=0o600)
    given = {"url": server.url, "claim": CLAIM, "ca": str(server.ca)}
    path.write_text(json.dumps({**given, "expires_s": int(time.time()) + 3600, **changed}))


def run(etc: Path, **options: Any) -> None:  # noqa: ANN401 - a command's
    enrol(etc / "gateway.yaml", claim=etc / "enrol.json", **options)


def loads(etc: Path) -> bool:
    """Whether OpenSSL takes certificate and key for a pair."""
    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(etc / "gw.pem", etc / "gw.key")
    return True


def test_the_key_is_made_here_and_the_certificate_is_for_it(etc: Path, server: EstServer) -> None:
    run(etc)

    assert loads(etc)
    pem = (etc / "gw.pem").read_bytes()
    assert pem.startswith(server.issued[NAME])
    assert pem.count(b"BEGIN CERTIFICATE") == 2, "ours, then the authority's"
    assert not certification.is_placeholder(pem)
    assert stat.S_IMODE((etc / "gw.key").stat().st_mode) == 0o640
    assert not (etc / "enrol.json").exists()


def test_without_network_there_is_a_placeholder_with_which_the_agent_starts(etc: Path) -> None:
    run(etc, prepare=True)

    assert loads(etc)
    assert certification.is_placeholder((etc / "gw.pem").read_bytes())
    assert (etc / "enrol.json").exists()


def test_the_key_stays_when_the_certificate_comes(etc: Path) -> None:
    run(etc, prepare=True)
    key = (etc / "gw.key").read_bytes()
    run(etc)

    assert (etc / "gw.key").read_bytes() == key
    assert loads(etc)


def test_a_certificate_that_is_there_is_never_replaced(etc: Path, server: EstServer) -> None:
    run(etc)
    before = (etc / "gw.pem").read_bytes()
    claim(etc, server)
    run(etc)

    assert (etc / "gw.pem").read_bytes() == before
    assert server.asked == 1
    assert not (etc / "enrol.json").exists(), "a claim that is of no use is not kept"


def test_a_card_that_becomes_another_gateway_gets_the_certificate_of_that_one(
    etc: Path, server: EstServer
) -> None:
    run(etc)
    key = (etc / "gw.key").read_bytes()
    server.claims["gw-2"] = CLAIM
    text = (etc / "gateway.yaml").read_text()
    (etc / "gateway.yaml").write_text(text.replace(NAME, "gw-2"))
    claim(etc, server)
    run(etc, prepare=True)
    assert certification.is_placeholder((etc / "gw.pem").read_bytes()), "not that of the earlier"
    run(etc)

    pem = (etc / "gw.pem").read_bytes()
    assert pem.startswith(server.issued["gw-2"])
    assert (etc / "gw.key").read_bytes() == key
    assert not (etc / "enrol.json").exists()


def test_a_certificate_of_a_key_that_is_lost_is_replaced_with_a_claim_alone(
    etc: Path, server: EstServer
) -> None:
    run(etc)
    (etc / "gw.key").unlink()
    with pytest.raises(UgwError, match="is of no use: it is for another key") as caught:
        run(etc)
    assert "ugw flash seed" in caught.value.remedy
    assert server.asked == 1

    server.claims[NAME] = CLAIM
    claim(etc, server)
    run(etc)
    assert loads(etc)
    assert (etc / "gw.pem").read_bytes().startswith(server.issued[NAME])


def test_a_certificate_that_has_expired_stays_until_the_next_is_there(
    etc: Path, server: EstServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(etc)
    first = (etc / "gw.pem").read_bytes()
    server.claims[NAME] = CLAIM
    in_a_year = time.time() + 365 * 86_400
    monkeypatch.setattr("gateway.cli.enrol.time.time", lambda: in_a_year)
    claim(etc, server)
    run(etc, prepare=True)
    assert (etc / "gw.pem").read_bytes() == first
    run(etc)

    assert (etc / "gw.pem").read_bytes().startswith(server.issued[NAME])
    assert (etc / "gw.pem").read_bytes() != first
    assert server.asked == 2


def test_a_server_that_says_come_back_at_once_is_not_asked_without_a_pause(
    server: EstServer,
) -> None:
    server.waits = 1
    authority = Authority(url=server.url, ca=str(server.ca))
    with pytest.raises(PendingError) as caught:
        ask(authority, NAME, CLAIM, certification.new_key())
    assert caught.value.after_s >= 1.0


def test_a_claim_serves_once(etc: Path, server: EstServer) -> None:
    run(etc)
    for name in ("gw.pem", "gw.key"):
        (etc / name).unlink()
    claim(etc, server)

    with pytest.raises(ClaimRefusedError, match="refuses the claim") as caught:
        run(etc)
    assert caught.value.exit_code is ExitCode.BAD_MATERIAL
    assert (etc / "enrol.json").exists()


def test_an_expired_claim_asks_nobody(etc: Path, server: EstServer) -> None:
    claim(etc, server, expires_s=1_700_000_000)

    with pytest.raises(ClaimRefusedError, match="expired on 2023-11-14"):
        run(etc)
    assert server.asked == 0


def test_what_has_to_be_approved_is_asked_for_again(etc: Path, server: EstServer) -> None:
    server.waits = 2
    run(etc)

    assert server.asked == 3
    assert loads(etc)


def test_a_server_that_is_out_of_order_is_told_and_the_claim_kept(
    etc: Path, server: EstServer
) -> None:
    server.status = 503
    with pytest.raises(EnrolmentError, match="HTTP status 503"):
        run(etc, once=True)

    assert (etc / "enrol.json").exists()
    server.status = None
    run(etc, once=True)
    assert loads(etc)


def test_the_claim_is_sent_to_nobody_who_is_not_vouched_for(etc: Path, server: EstServer) -> None:
    claim(etc, server, ca=None)
    with pytest.raises(EnrolmentError, match="not trusted"):
        run(etc, once=True)
    claim(etc, server, url=server.url.replace("https", "http"))
    with pytest.raises(EnrolmentError, match="never sent in clear"):
        run(etc, once=True)

    assert server.asked == 0


def test_a_certificate_for_another_key_or_name_is_refused(
    server: EstServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(url=server.url, ca=str(server.ca))
    other = certification.request(certification.new_key(), NAME)
    with monkeypatch.context() as patch:
        patch.setattr("gateway.enrolment.request", lambda *_: other)
        with pytest.raises(EnrolmentError, match="for another key"):
            ask(authority, NAME, CLAIM, certification.new_key())

    server.claims["gw-2"] = CLAIM
    key = certification.new_key()
    wrong = certification.request(key, "gw-2")
    login = "Basic " + base64.b64encode(f"gw-2:{CLAIM}".encode()).decode()
    _, _, answer = server.answer("/simpleenroll", login, base64.b64encode(wrong))
    monkeypatch.setattr("gateway.enrolment._ask", lambda *_: base64.b64decode(answer))
    with pytest.raises(EnrolmentError, match="for 'gw-2', and this gateway is 'gw-kiel-0042'"):
        ask(authority, NAME, CLAIM, key)


def test_neither_key_nor_claim_is_in_any_message(
    etc: Path, server: EstServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.waits = 1
    run(etc)
    claim(etc, server)
    for name in ("gw.pem", "gw.key"):
        (etc / name).unlink()
    with pytest.raises(UgwError) as caught:
        run(etc)

    said = "".join(capsys.readouterr()) + str(caught.value) + caught.value.remedy
    assert "approve" in said
    assert CLAIM not in said
    assert "PRIVATE KEY" not in said


def test_a_configuration_without_certificate_has_nothing_to_enrol_for(etc: Path) -> None:
    text = (etc / "gateway.yaml").read_text()
    (etc / "gateway.yaml").write_text(re.sub(r"  tls: .*\n", "  allow_cleartext: true\n", text))

    with pytest.raises(ConfigError, match="names no key"):
        run(etc)
