"""Certificates are renewed under a running gateway, against a real mosquitto that wants one."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.dial import TlsSettings
from tests.authorities import Authority, expired, in_days
from tests.brokers import Mosquitto, strict_run
from tests.uplinks import Site

Start = Callable[..., Mosquitto]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "tls")


def strict(mosquitto: Start, authority: Authority) -> Mosquitto:
    """Start a broker that lets nobody in without a certificate."""
    return mosquitto(tls=authority.server()._replace(client_ca=authority.pem))


def test_a_renewed_certificate_is_used_at_once_and_in_order(
    mosquitto: Start, authority: Authority
) -> None:
    broker = strict(mosquitto, authority)
    tls = authority.client()

    async def main() -> None:
        site = Site(broker.port, tls=tls)
        async with site.running():
            await site.waits_for(60.0)
            first = site.health.uplink.certificate_until_s
            authority.issue("gw", not_after=in_days(77))
            await site.waits_for(60.0, 60.0)
            assert site.told == ["up", "down: certificates renewed", "up"]
            assert site.health.uplink.certificate_until_s not in {None, first}
        assert site.waits == [60.0, 60.0], "there was no back-off"

    strict_run(main())


def test_a_repaired_certificate_ends_the_wait(mosquitto: Start, authority: Authority) -> None:
    broker = strict(mosquitto, authority)
    tls = authority.client(**expired())

    async def main() -> None:
        site = Site(broker.port, tls=tls)
        async with site.running():
            for wait in (0.5, 1.0, 2.0):
                await site.waits_for(wait)
                site.let_time_pass()
            await site.waits_for(4.0)
            assert "says our certificate has expired" in site.health.uplink.cause
            assert "renew it" in site.health.uplink.remedy
            authority.client()
            await site.waits_for(4.0, 60.0)
            assert site.told == ["up"]

    strict_run(main())


def test_half_a_renewal_costs_no_connection_and_a_whole_one_is_no_warning(
    mosquitto: Start, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "gateway.uplink.record")
    broker = strict(mosquitto, authority)
    tls = authority.client()
    key = Path(tls.key or "")
    old = key.read_bytes()

    def exchange(content: bytes) -> bytes:
        """Write the key; return what stood there."""
        before = key.read_bytes()
        key.write_bytes(content)
        return before

    async def main() -> None:
        site = Site(broker.port, tls=tls)
        async with site.running():
            await site.waits_for(60.0)
            authority.issue("gw")
            new = exchange(old)
            looked = site.looks
            while site.looks < looked + 10:
                await site.look(0)
            assert site.told == ["up"]
            exchange(new)
            await site.waits_for(60.0, 60.0)
            assert site.told == ["up", "down: certificates renewed", "up"]

    strict_run(main())
    (level,) = {each.levelname for each in caplog.records if "uplink down" in each.message}
    assert level == "INFO"


def test_another_authority_is_taken_up_when_the_broker_has_moved_to_it(
    mosquitto: Start, authority: Authority, tmp_path: Path
) -> None:
    broker = mosquitto(tls=authority.server())
    ca = tmp_path / "trusted.pem"
    other = Authority(tmp_path / "other")
    ca.write_bytes(other.pem.read_bytes())

    async def main() -> None:
        site = Site(broker.port, tls=TlsSettings(ca=str(ca)))
        async with site.running():
            await site.waits_for(0.5)
            assert "unknown authority" in site.health.uplink.cause
            ca.write_bytes(other.pem.read_bytes() + authority.pem.read_bytes())
            await site.waits_for(0.5, 60.0)
            assert site.told == ["up"]

    strict_run(main())
