"""A fleet delivers what it accepts, or says that it did not."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import typer
from typer.testing import CliRunner, Result

from gateway.cli.simulate_fleet import fleet
from gateway.errors import SimulatorError
from gateway.mqtt import Connection, MqttSettings
from gateway.sim.broker import Answer, Offer, ScriptedBroker
from gateway.sim.fleet import fleet as fleets
from gateway.sim.fleet import words
from gateway.sim.fleet.fleet import Fleet, Report, Sample
from gateway.sim.fleet.listener import Listener
from gateway.sim.fleet.plan import LISTENER, Plan, gateway_id
from gateway.sim.proxy import Proxy
from tests.authorities import Authority
from tests.brokers import Mosquitto, ServerTls, free_port, strict_run

ACL = f"""pattern write ugw/v1/fleet/%u/#
user {LISTENER}
topic read ugw/v1/fleet/+/obs/+
"""
OBSERVATIONS = "+/+/+/+/obs/+"


def plan(*ports: int, processes: int = 1) -> Plan:
    return Plan(
        gateways=3,
        brokers=tuple(("127.0.0.1", port) for port in ports),
        sensors=2,
        every_s=1.0,
        lasts_s=10_000.0,
        ramp_s=0.1,
        drain_s=20.0,
        processes=processes,
    )


def all_spoke(sample: Sample) -> bool:
    return sample.sent >= 3 * 2


async def run(wanted: Plan, enough: Callable[[Sample], bool] = all_spoke) -> Report:
    """Run a fleet until it is enough."""
    fleets: list[Fleet] = []

    def look(sample: Sample) -> None:
        if enough(sample):
            fleets[0].rest()

    fleets.append(Fleet(wanted, look))
    return await fleets[0].run()


async def on_scripted(broker: ScriptedBroker, *, drain_s: float = 20.0) -> Report:
    async with broker:
        return await run(msgspec.structs.replace(plan(broker.port), drain_s=drain_s))


@pytest.fixture(autouse=True)
def attentive(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look more often."""
    monkeypatch.setattr(fleets, "_LOOK_S", 0.1)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for nothing that never comes."""
    monkeypatch.setattr(fleets, "_ARRIVES_S", 0.1)
    monkeypatch.setattr(fleets, "_SUBSCRIBES_S", 0.2)


# ---------------------------------------------------------------------------------------- in order
def test_all_that_was_sent_arrives_and_nothing_stays_behind() -> None:
    broker = ScriptedBroker()
    report = strict_run(on_scripted(broker))
    assert report.is_whole
    assert 0 < report.sent == report.observed == report.delivered == report.arrived
    assert (report.connects, report.reconnects, report.versions) == (3, 0, {"5": 3})
    assert report.left_retained == 0
    assert not any(broker._retained.values())  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    assert broker.violations == []


def test_a_broker_of_the_old_version_will_do() -> None:
    report = strict_run(on_scripted(ScriptedBroker(Offer(versions=(4,)))))
    assert report.is_whole
    assert report.versions == {"3.1.1": 3}
    assert report.left_retained == 0


def test_several_processes_are_one_fleet(mosquitto: Callable[..., Mosquitto]) -> None:
    broker = mosquitto(
        lines=("max_inflight_messages 1",)
    )  # who does not acknowledge, gets no more
    wanted = plan(broker.port, processes=2)
    report = strict_run(run(wanted))
    assert report.is_whole
    assert (report.gateways, report.connects) == (3, 3)
    assert report.sent == report.arrived


def test_each_client_may_have_a_certificate_of_its_own(
    mosquitto: Callable[..., Mosquitto], tmp_path: Path
) -> None:
    authority = Authority(tmp_path / "certificates")
    tls = ServerTls(*authority.issue("127.0.0.1"), client_ca=authority.pem)
    lines = ("use_identity_as_username true",)
    broker = mosquitto(tls=tls, lines=lines, acl=ACL)
    for number in (1, 2, 3):
        authority.issue(gateway_id(number), common_name=gateway_id(number))
    cert, key = authority.issue(LISTENER, common_name=LISTENER)
    wanted = msgspec.structs.replace(
        plan(broker.port),
        tls=True,
        tls_ca=str(authority.pem),
        tls_cert=str(cert).replace(LISTENER, "{id}"),
        tls_key=str(key).replace(LISTENER, "{id}"),
    )
    report = strict_run(run(wanted))
    assert report.is_whole
    assert report.sent == report.arrived
    assert report.left_retained == 0


def test_a_user_and_a_password_let_them_in(
    mosquitto: Callable[..., Mosquitto], tmp_path: Path
) -> None:
    (tmp_path / "password").touch(mode=0o600)
    (tmp_path / "password").write_text("secret\n")
    broker = mosquitto(password=("all", "secret"))
    wanted = msgspec.structs.replace(
        plan(broker.port), username="all", password_file=str(tmp_path / "password")
    )
    assert strict_run(run(wanted)).is_whole


# ------------------------------------------------------------------------------------- in disorder
@pytest.mark.usefixtures("impatient")
def test_a_broker_that_acknowledges_and_forgets_is_found_out() -> None:
    broker = ScriptedBroker()
    broker.script.on(OBSERVATIONS, Answer(hands_out=False), times=1)
    report = strict_run(on_scripted(broker))
    assert not report.is_whole
    assert report.missing is not None
    assert report.missing > 0
    assert report.owed == 0


def test_what_the_broker_never_takes_is_told_as_waiting() -> None:
    broker = ScriptedBroker()
    broker.script.on(OBSERVATIONS, Answer(times=0))
    report = strict_run(on_scripted(broker, drain_s=0.1))
    assert not report.is_whole
    assert report.delivered == 0
    assert report.owed == report.observed > 0


def test_what_waits_while_the_broker_is_away_arrives_when_it_is_back(
    mosquitto: Callable[..., Mosquitto],
) -> None:
    broker = mosquitto()

    def away(sample: Sample) -> bool:
        samples.append(sample)
        if broker.runs and sample.phase == "steady" and sample.sent and not sample.owed:
            broker.stop()
        elif not broker.runs and sample.phase == "drain":
            broker.start()
        return not broker.runs and sample.owed >= 3

    samples: list[Sample] = []
    report = strict_run(run(plan(broker.port), away))
    assert report.is_whole
    assert report.reconnects > 0
    (sent,) = {sample.sent for sample in samples if sample.phase == "drain"}
    assert sent == report.sent


def test_what_the_listener_misses_it_is_given_later(mosquitto: Callable[..., Mosquitto]) -> None:
    async def run() -> str:
        got: asyncio.Queue[str] = asyncio.Queue()

        def take(topic: str, _payload: bytes, _at_s: float) -> None:
            got.put_nowait(topic)

        async with Proxy(mosquitto().port) as way, asyncio.TaskGroup() as group:
            settings = MqttSettings(host="127.0.0.1", port=way.port, client_id="ear")
            ear = Listener(settings, [("127.0.0.1", way.port)], "a/+", take)
            listening = group.create_task(ear.run())
            await ear.subscribed.wait()
            way.cut()
            await say("a/b", msgspec.structs.replace(settings, client_id="mouth"))
            topic = await got.get()
            listening.cancel()
        return topic

    assert strict_run(run()) == "a/b"


async def say(topic: str, settings: MqttSettings) -> None:
    async with Connection(settings, None) as connection:
        done = asyncio.get_running_loop().create_future()
        connection.publish(topic, b"", done=done.set_result)
        assert (await done).reason_code == 0


def test_of_several_brokers_the_one_that_is_there_is_used() -> None:
    async def beside_one_that_is_away() -> Report:
        async with ScriptedBroker() as broker:
            return await run(plan(free_port(), broker.port))

    report = strict_run(beside_one_that_is_away())
    assert report.is_whole
    assert report.failed_attempts > 0


def test_a_broker_that_lets_nobody_listen_is_loaded_unchecked(
    mosquitto: Callable[..., Mosquitto],
) -> None:
    broker = mosquitto(lines=("clientid_prefixes fleet-0",))
    report = strict_run(run(plan(broker.port)))
    assert report.is_whole
    assert (report.arrived, report.missing) == (None, None)
    assert "does not let the listener in" in report.unchecked
    assert any("not checked" in line for line in words.page(report))


@pytest.mark.usefixtures("impatient")
def test_rights_that_are_too_narrow_are_told(mosquitto: Callable[..., Mosquitto]) -> None:
    broker = mosquitto(acl="pattern write ugw/v1/fleet/%c/#\n")
    report = strict_run(run(plan(broker.port)))
    assert report.missing == report.delivered > 0
    assert "may this user read it?" in "\n".join(words.page(report))


def test_what_cannot_be_taken_away_again_is_told() -> None:
    broker = ScriptedBroker()
    broker.script.on("#", Answer(reason_code=0x87), where=lambda message: not message.payload)
    report = strict_run(on_scripted(broker))
    assert report.left_retained > 0
    assert "left behind" in "\n".join(words.page(report))


@pytest.mark.usefixtures("impatient")
def test_where_no_broker_is_the_reason_is_told() -> None:
    with pytest.raises(
        SimulatorError, match=r"no broker answers at 127.*: connections are refused"
    ):
        strict_run(run(plan(free_port())))


def test_stopped_it_waits_for_nothing_more() -> None:
    def stop(sample: Sample) -> None:
        if all_spoke(sample):
            running[0].stop()

    async def stopped() -> Report:
        async with ScriptedBroker() as broker:
            broker.script.on(OBSERVATIONS, Answer(times=0))
            running.append(Fleet(plan(broker.port), stop))
            return await running[0].run()

    running: list[Fleet] = []
    report = strict_run(stopped())
    assert report.owed == report.observed > 0
    assert report.unbalanced == 0


# ------------------------------------------------------------------------------------- the command
def invoke(*arguments: str | Path) -> Result:
    app = typer.Typer()
    app.command()(fleet)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_the_command_tells_how_it_went(mosquitto: Callable[..., Mosquitto]) -> None:
    broker = f"127.0.0.1:{mosquitto().port}"
    result = invoke("2", "--broker", broker, "--rate", "10", "--for", "2s", "--ramp", "0s")
    assert result.exit_code == 0, result.output
    assert "2 gateways with 10 sensors each, 10.0 readings a second" in result.stderr
    assert "verdict       all that was accepted was delivered" in result.stdout


def test_a_fleet_that_accepted_nothing_has_failed(mosquitto: Callable[..., Mosquitto]) -> None:
    broker = f"127.0.0.1:{mosquitto().port}"
    result = invoke(
        "1", "--broker", broker, "--every", "1h", "--for", "0s", "--ramp", "0s", "--json"
    )
    assert result.exit_code == 1
    assert msgspec.json.decode(result.stdout)["observed"] == 0


def test_nobody_elses_broker_is_loaded_by_accident() -> None:
    result = invoke("2", "--broker", "broker.example:1883")
    assert isinstance(result.exception, SimulatorError)
    assert "load test" in str(result.exception)
    assert "--yes" in result.exception.remedy


@pytest.mark.parametrize(
    ("option", "value"), [("--every", "soon"), ("--for", "10"), ("--broker", "here")]
)
def test_an_option_that_makes_no_sense_is_refused(option: str, value: str) -> None:
    result = invoke("2", option, value)
    assert result.exit_code == 2
    assert option in result.stderr


def test_no_task_is_left_behind() -> None:
    async def left() -> set[str]:
        await on_scripted(ScriptedBroker())
        return {task.get_name() for task in asyncio.all_tasks()}

    assert not {name for name in strict_run(left()) if name.startswith("fleet")}
