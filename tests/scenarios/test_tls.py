"""Certificates go wrong and are repaired: each fault is named, collection goes on, all arrives."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.authorities import Authority, expired, not_yet_valid
from tests.brokers import ServerTls
from tests.scenarios.agents import AgentProcess
from tests.scenarios.stage import Setting, Stage

Play = Callable[..., None]
Pair = tuple[Path, Path]


class Site:
    """The certificates of a broker and of a gateway, in files that are written over."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory / "tls"
        self.authority = Authority(self._directory / "authority")
        self.other = Authority(self._directory / "other")
        self.broker = self._place("broker")
        self.gateway = self._place("gateway")
        self.ca = self._directory / "ca.pem"
        self.repair()

    def _place(self, name: str) -> Pair:
        return self._directory / f"{name}.pem", self._directory / f"{name}.key"

    def repair(self) -> None:
        """Put everything where it belongs, as it should be."""
        self.give_broker(self.authority.issue("127.0.0.1"))
        self.give_gateway(self.authority.issue("gw"))
        self.touch_ca()

    def give_broker(self, pair: Pair) -> None:
        """Let the broker have this certificate when it starts next."""
        _replace(pair, self.broker)

    def give_gateway(self, pair: Pair) -> None:
        """Let the gateway find this certificate in place of its own."""
        _replace(pair, self.gateway)

    def touch_ca(self) -> None:
        """Write the same authority again: the gateway tries again at once."""
        shutil.copyfile(self.authority.pem, self.ca)

    @property
    def listener(self) -> ServerTls:
        """The broker's files."""
        return ServerTls(*self.broker, client_ca=self.authority.pem)

    @property
    def environment(self) -> dict[str, str]:
        """The gateway's, as its configuration names them."""
        cert, key = self.gateway
        named = {"CA": self.ca, "CERT": cert, "KEY": key}
        return {f"UGW__MQTT__TLS__{name}": str(path) for name, path in named.items()}


def _replace(pair: Pair, place: Pair) -> None:
    for source, target in zip(pair, place, strict=True):
        target.touch(mode=0o600)
        target.write_bytes(source.read_bytes())


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def said(agent: AgentProcess, cause: str, remedy: str) -> Callable[[], bool]:
    """Whether the agent has given cause and remedy in one line of its log."""
    return lambda: any(
        cause in line and remedy in line
        for line in agent.log.splitlines()
        if "uplink down" in line
    )


async def keeps_hearing(stage: Stage) -> None:
    """Return when more was heard and kept while nothing can be sent."""
    before = len(stage.read().arrivals)
    await stage.sent(20)
    assert len(stage.read().arrivals) == before


@pytest.mark.slow
def test_whatever_is_wrong_with_the_brokers_certificate_is_named_while_collection_goes_on(
    play: Play, site: Site
) -> None:
    good, other, host = site.authority, site.other, "127.0.0.1"

    async def scenario(stage: Stage) -> None:
        stage.environment = site.environment
        await stage.start_agent()
        async with stage.sending():
            await stage.arrived(20)
            for authority, name, validity, cause, remedy in (
                (good, "elsewhere.example", {}, "for another host", "mqtt.host must be the name"),
                (other, host, {}, "an unknown authority", "mqtt.tls.ca must name"),
                (good, host, expired(), "its certificate has expired", "renew it"),
                (good, host, not_yet_valid(), "is not valid yet", "clock right?"),
            ):
                stage.broker.stop()
                site.give_broker(authority.issue(name, **validity))
                stage.broker.start()
                site.touch_ca()
                await stage.until(said(stage.agent, cause, remedy))
                await keeps_hearing(stage)
            stage.broker.stop()
            site.repair()
            stage.broker.start()
            await stage.all_arrived()
        await stage.all_arrived()
        await stage.end_agent()

    play(scenario, Setting(tls=site.listener))


@pytest.mark.slow
def test_whatever_is_wrong_with_our_certificate_is_named_and_a_repair_is_taken_up_at_once(
    play: Play, site: Site
) -> None:
    good, other = site.authority, site.other

    async def scenario(stage: Stage) -> None:
        stage.environment = site.environment
        await stage.start_agent()
        async with stage.sending():
            await stage.arrived(20)
            for authority, validity, cause, remedy in (
                (good, expired(), "our certificate has expired", "renew"),
                (other, {}, "know the authority of our certificate", "mqtt.tls.cert"),
                (good, not_yet_valid(), "does not accept our", "clock"),
            ):
                site.give_gateway(authority.issue("gw", **validity))
                await stage.until(said(stage.agent, cause, remedy))
                await keeps_hearing(stage)
            site.repair()
            await stage.all_arrived()
            await stage.arrived(20)
            assert "certificate expired" in stage.agent.log
        await stage.all_arrived()
        await stage.end_agent()

    play(scenario, Setting(tls=site.listener))


@pytest.mark.slow
def test_a_gateway_whose_certificate_is_missing_or_revoked_says_so_and_keeps_all_it_hears(
    play: Play, site: Site
) -> None:
    async def scenario(stage: Stage) -> None:
        given = site.environment
        stage.environment = {"UGW__MQTT__TLS__CA": given["UGW__MQTT__TLS__CA"]}
        await stage.start_agent()
        async with stage.sending():
            await stage.logged("wants a certificate from us", "mqtt.tls.cert and mqtt.tls.key")
            await keeps_hearing(stage)
        stage.agent.terminate()
        await stage.until(lambda: stage.agent.code is not None)
        stage.environment = given
        with stage.unheard():
            await stage.start_agent()
        async with stage.sending():
            await stage.logged("says our certificate has been revoked", "mqtt.tls.cert")
            await keeps_hearing(stage)
            site.repair()
            await stage.all_arrived()
        await stage.all_arrived()
        await stage.end_agent()

    revoked = site.authority.revoke(site.gateway[0])
    play(scenario, Setting(tls=site.listener._replace(revoked=revoked)))


@pytest.mark.slow
def test_a_renewal_costs_no_observation_and_no_alarm(play: Play, site: Site) -> None:
    async def scenario(stage: Stage) -> None:
        stage.environment = site.environment
        await stage.start_agent()
        async with stage.sending():
            await stage.arrived(20)
            site.give_gateway(site.authority.issue("gw"))
            await stage.logged("uplink down cause='certificates renewed'")
            await stage.arrived(40)
        await stage.all_arrived()
        await stage.end_agent()
        states = [
            message.json()["state"]
            for message in stage.platform.messages
            if message.topic.endswith("/status")
        ]
        assert "offline" not in states[:-1]

    play(scenario, Setting(tls=site.listener))
