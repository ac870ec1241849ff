"""The broker example, with certificates made by the example's own tool, under a real mosquitto."""

import asyncio
import contextlib
import shutil
import ssl
import subprocess
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import aiomqtt
import pytest

from gateway.dial import TlsSettings
from gateway.errors import UplinkError
from gateway.model import Outcome
from gateway.mqtt import Connection, MqttSettings, Will
from tests.brokers import HANG_S, Mosquitto, free_port, strict_run

CONFIG = Path(__file__).parents[2] / "config" / "mosquitto"
ROOT = "ugw/v1/kiel"
NOT_AUTHORISED = 0x87


def certificates(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Call the tool as city IT does."""
    return subprocess.run(
        [CONFIG / "certificates", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=HANG_S,
        check=False,
    )


def made(folder: Path, *words: str) -> None:
    """Call the tool, and see it succeed."""
    done = certificates(folder, *words)
    assert done.returncode == 0, done.stderr


class Example(Mosquitto):
    """The example as it stands, but for its paths, its port and who it runs as."""

    def __init__(self, folder: Path, fleet: Path) -> None:
        super().__init__(folder)
        shutil.copy(CONFIG / "acl", fleet / "acl")
        (fleet / "acl").chmod(0o600)
        shown = (CONFIG / "ugw.conf").read_text()
        text = shown.replace("/etc/mosquitto/ugw/", f"{fleet}/").replace("8883", str(free_port()))
        self.port = int(text.partition("listener ")[2].split()[0])
        more = ("user root", "log_type all", f"log_dest file {folder / 'mosquitto.log'}")
        (folder / "mosquitto.conf").write_text("\n".join([text, *more, ""]))


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make an authority, a broker, the platform, and two gateways of which one was stolen."""
    folder = tmp_path_factory.mktemp("fleet")
    made(folder, "authority")
    made(folder, "broker", "localhost", "127.0.0.1")
    made(folder, "client", "platform", "gw-1", "gw-2")
    shutil.copytree(folder / "clients", folder / "stolen")
    made(folder, "renew", "gw-2")
    made(folder, "revoke", "gw-2")
    made(folder, "client", "gw-2")
    return folder


@pytest.fixture(scope="module")
def broker(fleet: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Example]:
    """Run the example."""
    broker = Example(tmp_path_factory.mktemp("broker"), fleet)
    broker.start()
    yield broker
    broker.kill()


def connection(broker: Example, fleet: Path, name: str, folder: str = "clients") -> Connection:
    """Return a connection as the agent makes it, with a client's certificate."""
    tls = TlsSettings(
        ca=str(fleet / "ca.pem"),
        cert=str(fleet / f"{folder}/{name}.pem"),
        key=str(fleet / f"{folder}/{name}.key"),
    )
    settings = MqttSettings(host="localhost", port=broker.port, client_id=name, tls=tls)
    return Connection(settings, Will(f"{ROOT}/{name}/status", b"{}"))


async def answer(gateway: Connection, topic: str) -> int | None:
    """Publish, and return the reason code."""
    ended = asyncio.Event()
    outcomes: list[Outcome] = []

    def done(outcome: Outcome) -> None:
        outcomes.append(outcome)
        ended.set()

    gateway.publish(topic, b"{}", done=done)
    await asyncio.wait_for(ended.wait(), HANG_S)
    return outcomes[0].reason_code


@contextlib.asynccontextmanager
async def listening(
    broker: Example, fleet: Path, name: str, topic: str
) -> AsyncGenerator[aiomqtt.Client]:
    """Subscribe with a client's certificate."""
    context = ssl.create_default_context(cafile=fleet / "ca.pem")
    context.load_cert_chain(fleet / f"clients/{name}.pem", fleet / f"clients/{name}.key")
    async with aiomqtt.Client("localhost", broker.port, tls_context=context) as client:
        await client.subscribe(topic, qos=1)
        yield client


def test_a_gateway_writes_below_its_own_topic_and_nowhere_else(
    broker: Example, fleet: Path
) -> None:
    async def main() -> None:
        async with (
            listening(broker, fleet, "platform", f"{ROOT}/#") as platform,
            connection(broker, fleet, "gw-1") as gateway,
        ):
            assert await answer(gateway, f"{ROOT}/gw-2/obs/live") == NOT_AUTHORISED
            assert await answer(gateway, f"{ROOT}/gw-1/obs/live") == 0
            message = await anext(aiter(platform.messages))
            assert str(message.topic) == f"{ROOT}/gw-1/obs/live"

    strict_run(main())


def test_a_gateway_reads_nothing(broker: Example, fleet: Path) -> None:
    async def main() -> None:
        async with (
            listening(broker, fleet, "gw-1", f"{ROOT}/#") as curious,
            listening(broker, fleet, "platform", f"{ROOT}/#") as platform,
        ):
            await curious.publish(f"{ROOT}/gw-1/status", b"{}", qos=1)
            await anext(aiter(platform.messages))  # whoever may read has read by now
            await curious.unsubscribe(f"{ROOT}/#")
            assert not len(curious.messages)

    strict_run(main())


@pytest.mark.parametrize("folder", ["stolen", "revoked"])  # before and after it was renewed
def test_a_stolen_gateway_does_not_come_in(broker: Example, fleet: Path, folder: str) -> None:
    async def main() -> None:
        with pytest.raises(UplinkError, match="revoked"):
            async with connection(broker, fleet, "gw-2", folder):
                pass

    strict_run(main())


def test_what_takes_its_place_comes_in_with_a_key_of_its_own(broker: Example, fleet: Path) -> None:
    async def main() -> None:
        async with connection(broker, fleet, "gw-2"):
            pass

    strict_run(main())


def test_nobody_comes_in_without_a_certificate(broker: Example, fleet: Path) -> None:
    async def main() -> None:
        tls = TlsSettings(ca=str(fleet / "ca.pem"))
        settings = MqttSettings(host="localhost", port=broker.port, client_id="x", tls=tls)
        with pytest.raises(UplinkError):
            async with Connection(settings, Will(f"{ROOT}/x/status", b"{}")):
                pass

    strict_run(main())


def test_a_certificate_is_renewed_for_the_same_key(fleet: Path) -> None:
    key, cert = fleet / "clients/gw-1.key", fleet / "clients/gw-1.pem"
    before = key.read_bytes(), cert.read_bytes()
    done = certificates(fleet, "renew", "gw-1")

    assert done.returncode == 0, done.stderr
    assert key.read_bytes() == before[0]
    assert cert.read_bytes() != before[1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("client", "gw-1"), "is there already"),
        (("client", "a+b"), "is not a name"),
        (("client", "../gw"), "is not a name"),
        (("revoke", "nobody"), "there is no clients/nobody.pem"),
        (("authority",), "is there already"),
        ((), "certificates authority"),
    ],
)
def test_the_tool_says_what_is_wrong_and_touches_nothing(
    fleet: Path, words: tuple[str, ...], said: str
) -> None:
    before = {path: path.read_bytes() for path in fleet.rglob("*") if path.is_file()}
    done = certificates(fleet, *words)

    assert done.returncode != 0
    assert said in done.stderr
    assert {path: path.read_bytes() for path in fleet.rglob("*") if path.is_file()} == before


def test_keys_are_their_owners_alone(fleet: Path) -> None:
    keys = list(fleet.rglob("*.key"))
    assert len(keys) == 9  # with those stolen and revoked
    assert not [key for key in keys if key.stat().st_mode & 0o077]
