"""A release on a real broker: all of it, for those it is for, nothing left of the one before."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import aiomqtt
import pytest
from typer.testing import CliRunner

from gateway.mqtt import MqttSettings
from tests.brokers import Mosquitto
from tests.esp32.upgraded import board, whole, work
from tests.flash.releases import FILES, key, release
from ugw_flash.commands import app
from ugw_flash.updates import publish
from ugw_flash.updates import release as releases
from ugw_flash.updates.publish import PublishError, Targets

HANG_S = 20.0
SECRET = "secret"  # noqa: S105 - of a broker on this machine
ROOT = "ugw/v1/{org}/{id}"
ACL = "user desk\ntopic read #\ntopic write ugw/v1/kiel/+/update\n"


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish, "_QUIET_S", 0.3)  # on this machine what is kept comes in no time


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    running = Mosquitto(tmp_path / "broker")
    running.start()
    yield running
    running.stop()


def settings(broker: Mosquitto) -> MqttSettings:
    return MqttSettings(host="127.0.0.1", port=broker.port, client_id="desk")


def targets(*gateways: str) -> Targets:
    return Targets(ROOT, "kiel", gateways)


def published(broker: Mosquitto, number: int, *gateways: str) -> int:
    steps: list[tuple[int, int]] = []
    made = release(number)
    removed = asyncio.run(
        publish.publish(
            settings(broker), made, targets(*gateways), lambda *step: steps.append(step)
        )
    )
    assert steps[-1] == (len(steps), len(list(made.pieces())))
    return removed


def kept(broker: Mosquitto) -> dict[str, bytes]:
    return asyncio.run(publish._kept(settings(broker), ["#"]))  # noqa: SLF001 - what is retained


def on_broker(broker: Mosquitto) -> set[str]:
    return {topic.split("/")[4] for topic in kept(broker) if "_software" in topic}


def test_the_pieces_and_an_offer_for_each_are_on_the_broker(broker: Mosquitto) -> None:
    published(broker, 2, "gw-1", "gw-2")

    found = kept(broker)
    offers = {topic for topic in found if topic.endswith("/update")}
    assert offers == {"ugw/v1/kiel/gw-1/update", "ugw/v1/kiel/gw-2/update"}
    assert {found[topic] for topic in offers} == {release(2).offer}
    place = f"ugw/v1/kiel/_software/{release(2).digest}/"
    assert [found[f"{place}{n}"] for n in range(len(found) - 2)] == list(release(2).pieces())


def test_what_is_there_is_what_a_board_takes(
    broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def sleep_ms(_ms: int) -> None:
        await asyncio.sleep(0)

    monkeypatch.setattr(asyncio, "sleep_ms", sleep_ms, raising=False)
    published(broker, 2, "gw-1")
    (tmp_path / "flash").mkdir()
    board_ = board(tmp_path / "flash", release(1, {"gateway/old.mpy": b"old"}))
    board_.uplink.retained = kept(broker)
    board_.mail[True] = (b"", board_.uplink.retained["ugw/v1/kiel/gw-1/update"])

    assert work(board_) == "installed"
    assert whole(tmp_path / "flash", "b") == FILES


def test_the_release_before_is_removed_once_nobody_is_offered_it(broker: Mosquitto) -> None:
    published(broker, 2, "gw-1", "gw-2")
    assert published(broker, 3, "gw-1") == 0
    assert on_broker(broker) == {release(2).digest, release(3).digest}
    assert published(broker, 3, "gw-2") == len(list(release(2).pieces()))
    assert on_broker(broker) == {release(3).digest}


def test_a_broker_that_takes_nothing_is_told_and_nothing_is_offered(tmp_path: Path) -> None:
    strict = Mosquitto(tmp_path / "broker", acl=ACL, password=("desk", SECRET))
    strict.start()
    try:
        known = MqttSettings(
            host="127.0.0.1", port=strict.port, client_id="d", username="desk", password=SECRET
        )
        with pytest.raises(PublishError, match="does not take ugw/v1/kiel/_software"):
            asyncio.run(publish.publish(known, release(2), targets("gw-1"), lambda *_: None))
        assert asyncio.run(publish._kept(known, ["#"])) == {}  # noqa: SLF001
    finally:
        strict.stop()


def status(gateway: str, software: str, state: str = "online") -> str:
    return json.dumps({"gateway": gateway, "software": software, "state": state})


async def _confirmed(broker: Mosquitto, within_s: float) -> tuple[set[str], list[str]]:
    said: list[str] = []
    told = asyncio.Event()

    def say(text: str) -> None:
        said.append(text)
        told.set()

    async with aiomqtt.Client("127.0.0.1", broker.port) as client:
        before = {"gw-1": "ugw 0.1", "gw-2": "ugw 0.1"}
        for gateway, software in before.items():
            topic = f"ugw/v1/kiel/{gateway}/status"
            await client.publish(topic, status(gateway, software), qos=1, retain=True)
        waiting = asyncio.create_task(
            publish.confirmations(
                settings(broker), release(2), targets("gw-1", "gw-2"), within_s, say
            )
        )
        async with asyncio.timeout(HANG_S):
            while len(said) < 2:
                told.clear()
                await told.wait()
            for payload in (b"", b"{", b"[]", status("gw-2", "ugw 0.2", "offline").encode()):
                await client.publish("ugw/v1/kiel/gw-2/status", payload, qos=1)
            await client.publish("ugw/v1/kiel/gw-1/status", status("gw-1", "ugw 0.2"), qos=1)
            if within_s > 1:
                await client.publish("ugw/v1/kiel/gw-2/status", status("gw-2", "ugw 0.2"), qos=1)
            return await waiting, said


def test_a_gateway_has_confirmed_when_its_status_names_the_release(broker: Mosquitto) -> None:
    missing, said = asyncio.run(_confirmed(broker, HANG_S))
    assert missing == set()
    assert said[2:] == ["gw-1: runs ugw 0.2", "gw-2: runs ugw 0.2"]


def test_one_that_has_not_in_time_is_named(broker: Mosquitto) -> None:
    missing, _ = asyncio.run(_confirmed(broker, 0.9))
    assert "gw-2" in missing


# ------------------------------------------------------------------------------------ the command
def test_the_command_makes_shows_and_publishes_a_release(
    broker: Mosquitto, etc: Path, tmp_path: Path
) -> None:
    run = CliRunner().invoke
    private = str(tmp_path / "update.key")
    assert run(app, ["keygen", private]).exit_code == 0
    out = str(tmp_path / "r.ugw")
    config = str(etc / "esp32.example.yaml")
    made = run(app, ["release", out, "--key", private, "-c", config, "--number", "7", "--report"])
    assert made.exit_code == 0, made.output
    assert "gateway/esp32/main.mpy" in made.output
    shown = run(app, ["show", out])
    assert "number 7" in shown.output
    where = ["--org", "kiel", "--broker", f"127.0.0.1:{broker.port}", "--cleartext"]
    done = run(app, ["publish", out, "gw-1", *where, "--wait", "0"])
    assert done.exit_code == 0, done.output
    assert kept(broker)["ugw/v1/kiel/gw-1/update"] == releases.read(tmp_path / "r.ugw").offer
    late = run(app, ["publish", out, "gw-1", *where, "--wait", "0.2"])
    assert late.exit_code == 1
    assert "gw-1: has not confirmed" in late.output


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["publish", "r", "GW 1", "--org", "kiel", "--broker", "b", "--cleartext"], 2),
        (["publish", "r", "gw-1", "--org", "kiel", "--broker", "b:x", "--cleartext"], 2),
        (["publish", "r", "gw-1", "--org", "k", "--broker", "b", "--root", "a/{id}/b"], 2),
        (["publish", "r", "gw-1", "--org", "k", "--broker", "b", "--version", "4"], 2),
        (["release"], 2),
        (["show", "nowhere"], 1),
    ],
)
def test_a_wrong_command_line_is_refused(tmp_path: Path, words: list[str], code: int) -> None:
    releases.write(releases.make(FILES, 1, "ugw 0.1", key()), tmp_path / "r")
    given = [str(tmp_path / "r") if word == "r" else word for word in words]
    assert CliRunner().invoke(app, given).exit_code == code
