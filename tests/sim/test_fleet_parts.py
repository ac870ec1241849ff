"""The parts of a fleet: what it counts, what it says to a broker, what its gateways hear."""

import asyncio
import resource
from types import SimpleNamespace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ConfigError, SimulatorError, UgwError
from gateway.model import Recovery
from gateway.mqtt import MqttSettings
from gateway.registry import discover
from gateway.sim import broker_packets as packets
from gateway.sim.fleet import listener_packets as ours
from gateway.sim.fleet import member
from gateway.sim.fleet.group import Group
from gateway.sim.fleet.histogram import Histogram
from gateway.sim.fleet.listener import Listener, RefusedError
from gateway.sim.fleet.plan import Plan, check, gateway_id, settings_of
from gateway.sim.fleet.tally import Numbers, Tally
from gateway.sim.fleet.ways import Books
from tests.brokers import strict_run

LOCAL = (("127.0.0.1", 1883),)
REMOTE = (("broker.example", 1883),)
NOW_S = 1_767_225_600.0  # 2026-01-01T00:00:00Z


# --------------------------------------------------------------------------------------- histogram
@given(st.lists(st.floats(0, 1e5), min_size=1), st.sampled_from([0.0, 50.0, 99.0, 100.0]))
def test_a_percentile_is_never_told_better_than_it_was(
    took_s: list[float], percent: float
) -> None:
    seen = Histogram()
    for each in took_s:
        seen.add(each)
    told_ms = seen.percentile_ms(percent)
    assert told_ms is not None
    within = sum(round(each * 1e6) <= told_ms * 1000 for each in took_s)
    assert within * 100 >= len(took_s) * percent
    assert told_ms <= max(took_s) * 1000 * 1.01 + 0.001


def test_a_histogram_does_not_grow_with_what_it_has_seen() -> None:
    seen = Histogram()
    for micros in range(200_000):
        seen.add(micros / 1e6)
    assert len(seen.counts) < 3_000


def test_of_nothing_there_is_no_percentile() -> None:
    assert Histogram().percentile_ms(50) is None


def test_a_histogram_tells_what_came_since() -> None:
    seen = Histogram()
    seen.add(1.0)
    before = seen.copy()
    seen.add(2.0)
    assert seen.since(before).percentile_ms(0) == 2000.0


# ------------------------------------------------------------------------------------------- tally
@given(st.lists(st.integers(0, 30)), st.integers(0, 32))
def test_numbers_are_a_set(added: list[int], end: int) -> None:
    numbers, model = Numbers(), set[int]()
    for number in added:
        assert numbers.add(number) is (number not in model)
        model.add(number)
    assert len(numbers) == len(model)
    assert numbers.missing_below(end) == len(set(range(end)) - model)
    assert numbers.from_on(end) == len([number for number in model if number >= end])


def bundle(stream: str, *numbers: int, gateway: str = "fleet-00001") -> bytes:
    told = [{"seq": each, "phenomenonTime": "2026-01-01T00:00:00.000Z"} for each in numbers]
    return msgspec.json.encode({"gateway": gateway, "stream": stream, "observations": told})


def take(tally: Tally, payload: bytes, *, lane: str = "live") -> None:
    tally.take(f"ugw/v1/fleet/fleet-00001/obs/{lane}", payload, NOW_S + 0.25)


def test_what_the_broker_has_taken_and_nobody_got_is_missing() -> None:
    tally = Tally(["fleet-00001"])
    take(tally, bundle("a", 0, 2))
    verdict = tally.judge({"a": 4, "b": 1})
    assert (verdict.missing, verdict.invented) == (3, 0)


def test_what_no_gateway_has_made_is_invented() -> None:
    tally = Tally(["fleet-00001"])
    take(tally, bundle("a", 0, 1))
    take(tally, bundle("b", 0))
    verdict = tally.judge({"a": 1})
    assert (verdict.missing, verdict.invented) == (0, 2)


def test_what_comes_again_is_counted_once_and_told() -> None:
    tally = Tally(["fleet-00001"])
    take(tally, bundle("a", 0))
    take(tally, bundle("a", 0, 1), lane="replay")
    assert (tally.arrived, tally.late, tally.repeated) == (2, 1, 1)
    assert tally.live.percentile_ms(50) == 250.0
    assert tally.replay.percentile_ms(50) == 250.0


def test_messages_of_others_are_left_alone() -> None:
    tally = Tally(["fleet-00001"])
    take(tally, bundle("a", 0, gateway="gw-kiel-0042"))
    take(tally, b"no JSON")
    assert (tally.arrived, tally.strangers, tally.unreadable) == (0, 1, 1)
    assert tally.judge({}).invented == 0


# ----------------------------------------------------------------------------------------- packets
@pytest.mark.parametrize("version", [packets.VERSION_3_1_1, packets.VERSION_5])
def test_a_broker_reads_what_the_listener_writes(version: int) -> None:
    greeting = ours.Greeting(
        client_id="ear",
        clean=False,
        keepalive_s=30,
        session_s=60,
        username="u",
        password="p",  # noqa: S106 - nobody's
    )
    ((kind, _, body),) = ours.Splitter().feed(ours.connect(version, greeting))
    assert kind == packets.CONNECT
    read = packets.connect(body)
    assert (read.version, read.client_id, read.username) == (version, "ear", "u")
    ((kind, _, body),) = ours.Splitter().feed(ours.subscribe(version, 7, "ugw/+/x"))
    assert kind == packets.SUBSCRIBE
    assert packets.subscribe(body, version, options=True) == (7, ["ugw/+/x"])


@given(st.lists(st.binary(max_size=300), max_size=5), st.data())
def test_however_the_network_cuts_it_the_same_messages_come(
    payloads: list[bytes], data: st.DataObject
) -> None:
    sent = b"".join(
        packets.delivery(5, "a/b", payload, packet_id=1, retain=False) for payload in payloads
    )
    splitter, got, rest = ours.Splitter(), list[bytes](), sent
    while rest:
        size = data.draw(st.integers(1, len(rest)))
        got += [
            ours.message(5, flags, body).payload for _, flags, body in splitter.feed(rest[:size])
        ]
        rest = rest[size:]
    assert got == payloads


def test_what_is_no_packet_ends_the_connection() -> None:
    with pytest.raises(packets.MalformedError):
        list(ours.Splitter().feed(b"\x30\xff\xff\xff\xff\x01"))


# ------------------------------------------------------------------------------------------- plans
@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (Plan(gateways=0, brokers=LOCAL), "0 gateways"),
        (Plan(gateways=1, brokers=LOCAL, sensors=5000), "5000 sensors"),
        (Plan(gateways=2, brokers=LOCAL, processes=3), "3 processes"),
        (Plan(gateways=1, brokers=LOCAL, every_s=0.5), "every 0.5 s"),
        (Plan(gateways=1, brokers=REMOTE, password_file="/p"), "in clear"),  # noqa: S106 - a path
        (Plan(gateways=1, brokers=LOCAL, org="Kiel!"), "gateway.org"),
        (Plan(gateways=1, brokers=LOCAL, topic_prefix="a/#"), "mqtt.topic_root"),
        (Plan(gateways=1, brokers=LOCAL, tls=True, tls_ca="/nowhere.pem"), "mqtt.tls.ca"),
        (Plan(gateways=1, brokers=LOCAL, password_file="/nowhere"), "mqtt.password"),  # noqa: S106 - a path
    ],
)
def test_a_plan_that_cannot_work_is_refused_with_the_reason(plan: Plan, said: str) -> None:
    with pytest.raises(UgwError) as refused:
        check(plan)
    assert isinstance(refused.value, SimulatorError | ConfigError)
    assert said in str(refused.value)


def test_no_two_gateways_share_a_name_or_a_sensor() -> None:
    plan = Plan(gateways=3, brokers=LOCAL, sensors=1000, username="user-{id}")
    settings = [settings_of(plan, number) for number in (1, 2, 3)]
    assert len({one.client_id for one in settings}) == 3
    assert len({device.address for one in settings for device in one.devices}) == 3000
    assert settings[2].mqtt.username is not None
    assert settings[2].mqtt.username.reveal() == f"user-{gateway_id(3)}"


# ------------------------------------------------------------------------------------------- group
@pytest.fixture
def few_files(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Allow 64 open files, 4,096 to who asks; what is asked for stands in the list."""
    asked: list[tuple[int, int]] = []

    def limits(_which: int) -> tuple[int, int]:
        return 64, 4096

    def ask(_which: int, wanted: tuple[int, int]) -> None:
        asked.append(wanted)

    monkeypatch.setattr(resource, "getrlimit", limits)
    monkeypatch.setattr(resource, "setrlimit", ask)
    return asked


@pytest.mark.usefixtures("few_files")
def test_more_gateways_than_files_may_be_open_are_refused() -> None:
    with pytest.raises(SimulatorError, match="may have 4,096") as refused:
        Group(Plan(gateways=3000, brokers=LOCAL), range(1, 3001))
    assert "--processes" in refused.value.remedy


def test_files_that_may_be_had_are_asked_for(few_files: list[tuple[int, int]]) -> None:
    Group(Plan(gateways=10, brokers=LOCAL), range(1, 11))
    ((soft, hard),) = few_files
    assert soft > 64
    assert hard == 4096


# ---------------------------------------------------------------------------------------- listener
async def refuse_subscriptions(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    splitter = ours.Splitter()
    answers = {
        packets.CONNECT: packets.connack(5, 0, {}),
        packets.SUBSCRIBE: packets.suback(5, 1, b"\x87"),  # Not authorized
    }
    while data := await reader.read(1024):
        for kind, _, _ in splitter.feed(data):
            writer.write(answers.get(kind, b""))
    writer.close()


def ignore(_topic: str, _payload: bytes, _at_s: float) -> None:
    pass


def test_a_subscription_that_is_refused_is_not_tried_again() -> None:
    async def listen() -> None:
        server = await asyncio.start_server(refuse_subscriptions, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()
        async with server:
            settings = MqttSettings(host=host, port=port, client_id="ear")
            await Listener(settings, [(host, port)], "a/+", ignore).run()

    with pytest.raises(RefusedError, match=r"refuses the subscription of a/\+ \(0x87\)"):
        strict_run(listen())


def test_a_store_with_readings_of_an_earlier_fleet_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    closed = list[object]()

    async def close(*given: object) -> None:
        closed.append(given)

    async def opened(*_: object) -> SimpleNamespace:
        backlog = SimpleNamespace(close=close)
        return SimpleNamespace(recovery=Recovery(observations=78), backlog=backlog, streams=[])

    monkeypatch.setattr(member, "open_agent", opened)
    one = member.Member(1, Plan(gateways=1, brokers=LOCAL), discover(), Books())
    with pytest.raises(SimulatorError, match="fleet-00001 holds 78 readings"):
        strict_run(one.run())
    assert closed
