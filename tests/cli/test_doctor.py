"""`ugw doctor` on a gateway that runs: a real agent, simulated radios, a real broker."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme

from gateway.cli.doctor import command
from gateway.cli.doctor.examination import Examination, Patience, Site
from gateway.cli.doctor.finding import Light, overall
from gateway.cli.local_agent import AgentAwayError, Sensor, Status
from gateway.cli.preflight.store import agent_runs
from gateway.clock import ClockReading, ClockState
from gateway.config import whereabouts
from gateway.exit_codes import ExitCode
from gateway.sim.agent_config import AgentOptions
from gateway.sim.sensors import SensorOptions
from gateway.sim.world import World
from tests.authorities import in_days
from tests.brokers import POLL_S, Mosquitto, Subscriber, free_port, strict_run
from tests.cli.calling import end_of
from tests.cli.places import Ended, configuration, ugw
from tests.cli.sites import ON_THE_NETWORK, FakeMachine, sensor, status
from tests.cli.test_preflight import issued
from tests.scenarios.agents import AgentProcess
from tests.schema.published import STRICT, schema_faults

Start = Callable[..., Mosquitto]
LAMP = "C0:FF:EE:00:00:01"
DENY = "topic deny ugw/v1/+/+/obs/#\ntopic readwrite #\n"
AWAY = "an agent is running, but does not answer at 127.0.0.1:8080"
Json = dict[str, Any]


class Gateway:
    """An agent that runs in a world, and the doctor beside it."""

    def __init__(self, world: World, config: Path, agent: AgentProcess) -> None:
        self.world = world
        self.config = config
        self.agent = agent

    async def doctor(self, *words: str) -> Ended:
        """Call the doctor while the lamp goes on sending."""
        sending = asyncio.create_task(self._send(), name="lamp")
        try:
            return await ugw(
                "doctor", *words, "-c", str(self.config), environ=self.world.environment()
            )
        finally:
            sending.cancel()

    async def _send(self) -> None:
        lamp = self.world.sensors[0]
        while True:
            self.world.transmit(lamp.emit())
            await asyncio.sleep(POLL_S)


@asynccontextmanager
async def a_gateway(folder: Path, broker_port: int) -> AsyncGenerator[Gateway]:
    async with World() as world:
        world.add_sensor(SensorOptions(model="bthome-v2", address=LAMP, name="Lamp"))
        extra = f"http: {{listen: '127.0.0.1:{free_port()}'}}\nclock: {{source: system}}\n"
        options = AgentOptions(mqtt_host="localhost", mqtt_port=broker_port, extra=extra)
        config = world.agent_config(folder / "agent", options)
        agent = AgentProcess(config, folder / "log", world.environment())
        try:
            while not agent_runs(config.parent / "store"):
                assert agent.code is None, agent.log
                await asyncio.sleep(POLL_S)
            yield Gateway(world, config, agent)
        finally:
            agent.kill()


def on_a_gateway(
    folder: Path, broker_port: int, scene: Callable[[Gateway], Coroutine[Any, Any, Ended]]
) -> Ended:
    async def play() -> Ended:
        async with a_gateway(folder, broker_port) as gateway:
            return await scene(gateway)

    return strict_run(play())


def checks_of(ended: Ended) -> dict[str, Json]:
    """Return the checks of a report by link, which is valid by its published schema."""
    found = ended.json()
    assert list(schema_faults(STRICT, "site-report", found)) == []
    return {check["link"]: check for check in found["checks"]}


# ------------------------------------------------------------------------------------- green light
def test_it_waits_for_an_acknowledged_observation_and_then_it_is_green(
    mosquitto: Start, tmp_path: Path
) -> None:
    broker = mosquitto()

    async def scene(gateway: Gateway) -> Ended:
        async with Subscriber(broker.port):
            return await gateway.doctor("--json")  # the agent has hardly started

    ended = on_a_gateway(tmp_path, broker.port, scene)
    found, checks = ended.json(), checks_of(ended)
    assert checks["acknowledgement"]["id"] == "acknowledgement.good"
    assert checks["acknowledgement"]["values"]["count"] > 0
    others = {link: each["light"] for link, each in checks.items() if link != "network"}
    assert set(others.values()) <= {"green", "unknown"}, checks
    if checks["network"]["light"] in ("green", "unknown"):  # of the machine the test runs on
        assert ended.code == ExitCode.OK
        assert (found["light"], found["acknowledged"]) == ("green", True)
    (lamp,) = found["sensors"]
    assert (lamp["name"], lamp["light"], lamp["signal"]) == ("Lamp", "green", "good")
    assert found["backlog"]["observations"] == 0


def test_it_speaks_german_and_leaves_the_report_as_json_and_pdf(
    mosquitto: Start, tmp_path: Path
) -> None:
    broker = mosquitto()
    as_json, as_pdf = tmp_path / "site.json", tmp_path / "site.pdf"

    async def scene(gateway: Gateway) -> Ended:
        async with Subscriber(broker.port):
            files = ("--report", str(as_json), "--pdf", str(as_pdf))
            return await gateway.doctor("--lang", "de", *files)

    ended = on_a_gateway(tmp_path, broker.port, scene)
    assert "Messungen dieses Laufs sind quittiert" in ended.out
    assert "Lamp: Vor " in ended.out
    assert json.loads(as_json.read_text())["language"] == "de"
    assert as_pdf.read_bytes().startswith(b"%PDF-")


# ---------------------------------------------------------------------------------- no green light
def test_a_broker_that_denies_what_it_gets_keeps_the_light_away(
    mosquitto: Start, tmp_path: Path
) -> None:
    broker = mosquitto(acl=DENY)

    async def scene(gateway: Gateway) -> Ended:
        return await gateway.doctor("--wait", "1s", "--json")

    ended = on_a_gateway(tmp_path, broker.port, scene)
    assert ended.code == ExitCode.FAILED
    assert ended.json()["light"] == "red"
    assert checks_of(ended)["broker"]["light"] == "green"  # that it is connected proves nothing
    assert checks_of(ended)["acknowledgement"]["id"] == "acknowledgement.none"


def test_that_nobody_subscribes_is_no_green_light(mosquitto: Start, tmp_path: Path) -> None:
    broker = mosquitto()
    ended = on_a_gateway(tmp_path, broker.port, lambda gateway: gateway.doctor("--json"))
    assert ended.code == ExitCode.FAILED
    assert checks_of(ended)["acknowledgement"]["id"] == "acknowledgement.nobody"
    assert checks_of(ended)["acknowledgement"]["light"] == "yellow"


def test_a_broker_that_is_away_is_told_with_cause_and_remedy(tmp_path: Path) -> None:
    async def scene(gateway: Gateway) -> Ended:
        return await gateway.doctor("--wait", "1s", "--lang", "de")

    ended = on_a_gateway(tmp_path, free_port(), scene)
    assert ended.code == ExitCode.FAILED
    assert "Zum Broker kommt keine Verbindung zustande." in ended.out
    assert "nimmt keine Verbindungen an" in ended.out
    assert "→ läuft der Broker, auf diesem Port?" in ended.out
    assert "Kein grünes Licht" in ended.out


def test_without_an_agent_it_starts_none_and_says_so(tmp_path: Path) -> None:
    path = configuration(tmp_path)
    ended = strict_run(ugw("doctor", "--json", "-c", str(path)))
    assert ended.code == ExitCode.FAILED
    checks = checks_of(ended)
    assert checks["agent"]["id"] == "agent.away"
    assert checks["acknowledgement"]["id"] == "acknowledgement.no_agent"
    assert "backlog" not in ended.json()
    assert list((tmp_path / "store").iterdir()) == []


@pytest.mark.parametrize(
    ("days", "light", "said"),
    [
        (90, "green", "TLSv1.3; sein Zertifikat gilt noch 89 Tage"),
        (12, "yellow", "Das Zertifikat des Gateways läuft bald ab."),
    ],
)
def test_without_an_agent_the_way_is_tried_as_by_check(
    mosquitto: Start, tmp_path: Path, days: int, light: str, said: str
) -> None:
    files = issued(trustme.CA(), tmp_path, not_after=in_days(days))
    broker = mosquitto(tls=files["listener"])
    mqtt = f"{{host: localhost, port: {broker.port}, tls: {files['tls']}}}"
    path = configuration(tmp_path, mqtt=mqtt)
    words = ("doctor", "--lang", "de", "-c", str(path))
    ended = strict_run(ugw(*words, "--report", str(tmp_path / "site.json")))
    found = json.loads((tmp_path / "site.json").read_text())["checks"]
    assert {each["light"] for each in found if each["link"] == "tls"} == {light}
    assert said in ended.out
    assert "Der Broker lässt gw-1 mit MQTT 5 herein und lässt es senden." in ended.out
    assert ended.code == ExitCode.FAILED  # a way that is open is no observation


def test_a_configuration_that_cannot_be_used_is_a_finding_and_the_machine_is_looked_at(
    tmp_path: Path,
) -> None:
    path = configuration(tmp_path)
    path.write_text(path.read_text() + "hpptp: {}\nlog: {level: loud}\n")
    ended = strict_run(ugw("doctor", "-c", str(path)))
    assert ended.code == ExitCode.FAILED
    assert "faults in it: 2" in ended.out
    assert "gateway.yaml:9:1: hpptp" in ended.out
    assert "power" in ended.out


@pytest.mark.parametrize("option", ["--report", "--pdf"])
def test_a_folder_that_is_not_there_is_told_before_anything_is_looked_at(
    tmp_path: Path, option: str
) -> None:
    file = tmp_path / "none" / "site"
    ended = strict_run(ugw("doctor", "-c", str(configuration(tmp_path)), option, str(file)))
    assert ended.code == ExitCode.FAILED
    assert f"{file} cannot be written: its folder is not there" in ended.err.replace("\n", "")
    assert ended.out == ""


# ------------------------------------------------------------------------------------ its patience
class Answers:
    """An agent that gives one answer after another, the last for ever; None: none that time."""

    def __init__(self, *answers: Status | None, runs: bool = True) -> None:
        self._answers = list(answers)
        self._runs = runs

    def status(self) -> Status:
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if answer is None:
            raise AgentAwayError(AWAY, "see its log")
        return answer

    def sensors(self) -> list[Sensor]:
        return [sensor()]

    def runs(self) -> bool:
        return self._runs


class Synced:
    """A clock that is right."""

    def reading(self) -> ClockReading:
        return ClockReading(ClockState.SYNCED)


HEARD = {"heard": 9, "observed": 6, "delivered": 0}
UNACKNOWLEDGED = status(status__counters=HEARD)
ACKNOWLEDGED = status(status__counters={**HEARD, "delivered": 6})


def examined(
    folder: Path, answers: Answers, wait_s: float = 120.0, *, http: bool = True
) -> tuple[Light, float]:
    """Return what an examination ends with, and how long it waited by its own clock."""
    config = configuration(folder)
    if http:
        config.write_text(config.read_text().replace("enabled: false", "enabled: true"))
    now_s = [0.0]

    async def pause(seconds: float) -> None:
        now_s[0] += seconds

    site = Site(
        machine=FakeMachine(folder, {}, ON_THE_NETWORK),
        clock=Synced(),
        wall_s=time.time,
        where=whereabouts(config),
        settings=None,
        invalid=None,
        probes=[],
        asked=answers,
    )
    patience = Patience(wait_s, lambda: now_s[0], pause, lambda _: None)
    examination = Examination(site, patience)

    async def walk() -> None:
        async for _ in examination.walk():
            pass

    asyncio.run(walk())
    return overall(examination.findings), now_s[0]


def test_what_is_acknowledged_already_is_not_waited_for(tmp_path: Path) -> None:
    assert examined(tmp_path, Answers(ACKNOWLEDGED)) == (Light.GREEN, 0.0)


def test_it_waits_until_there_is_an_acknowledgement_and_no_longer(tmp_path: Path) -> None:
    answers = Answers(UNACKNOWLEDGED, None, UNACKNOWLEDGED, ACKNOWLEDGED)
    assert examined(tmp_path, answers) == (Light.GREEN, 3.0)


def test_an_agent_that_answers_is_waited_for_though_its_store_is_closed_to_this_user(
    tmp_path: Path,
) -> None:
    answers = Answers(UNACKNOWLEDGED, ACKNOWLEDGED, runs=False)
    assert examined(tmp_path, answers) == (Light.GREEN, 1.0)


def test_it_gives_up_after_its_time(tmp_path: Path) -> None:
    assert examined(tmp_path, Answers(UNACKNOWLEDGED), 5.5) == (Light.RED, 5.5)


def test_where_no_agent_runs_nothing_is_waited_for(tmp_path: Path) -> None:
    assert examined(tmp_path, Answers(None, runs=False)) == (Light.RED, 0.0)


def test_an_agent_that_is_to_answer_nobody_is_not_waited_for(tmp_path: Path) -> None:
    assert examined(tmp_path, Answers(None), http=False) == (Light.RED, 0.0)


# ------------------------------------------------------------------------------------- its options
def test_a_time_that_is_none_is_refused(good: Path) -> None:
    assert end_of("doctor", "-c", str(good), "--wait", "soon") == ExitCode.USAGE


def test_json_and_pdf_do_not_share_the_output(good: Path) -> None:
    assert end_of("doctor", "-c", str(good), "--json", "--pdf", "-") == ExitCode.USAGE


def test_without_what_draws_a_pdf_it_says_how_to_get_it_before_anybody_waits(
    good: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(name, name="reportlab")

    monkeypatch.setattr(command, "import_module", missing)
    assert end_of("doctor", "-c", str(good), "--pdf", "site.pdf") == ExitCode.FAILED
    said = capsys.readouterr()
    assert "pip install 'urban-gateway[report]'" in said.err
    assert said.out == ""


def test_a_report_that_cannot_be_written_says_where_else(tmp_path: Path) -> None:
    path = configuration(tmp_path)
    taken = tmp_path / "site.json"
    taken.mkdir()
    ended = strict_run(ugw("doctor", "-c", str(path), "--report", str(taken)))
    assert ended.code == ExitCode.FAILED
    assert "No green light" in ended.out
    assert f"{taken} cannot be written: Is a directory" in ended.err
    assert "name a folder this user may write" in ended.err
