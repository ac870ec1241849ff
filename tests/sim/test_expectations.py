"""An expectation holds of a good run, and fails of the same run with one thing wrong in it."""

import base64
import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Final, cast

import pytest

from gateway.errors import SimulatorError
from gateway.sim.bench import Bench, Delivered
from gateway.sim.benches import open_bench
from gateway.sim.expectations import EXPECTATIONS, Judge, Verdict, check_expectation
from gateway.sim.expectations.leaks import Addresses
from gateway.sim.inside.loop import run
from gateway.sim.scenario import read_scenario

Json = Any
Given = dict[str, Any]  # arguments as in YAML

STRANGER: Final = "D0:0D:AD:00:00:01"
KEY: Final = bytes(range(16))
SCENARIO: Final = f"""
seed: 3
modems: [{{name: usb-lora}}]
sensors:
  - {{model: bthome-v2, address: "C0:FF:EE:00:00:01", every: 5s}}
  - {{model: bthome-v2-encrypted, address: "C0:FF:EE:00:01:01", every: 5s, key: {KEY.hex()}}}
  - {{model: cayenne-lpp, address: "lora:17", every: 5s}}
noise: {{neighbours: 1, every: 5s}}
"""
ARGUMENTS: Final[dict[str, Given]] = {
    "duplicates": {"at_most": 0},
    "reconnects": {"at_most": 1},
    "delivered": {"at_least": 10},
    "latency_p99": {"below": "2s"},
    "status_says": {"state": "offline", "clean": True, "store": "ok", "clock": "synced"},
    "log_contains": {"text": "stopped clean"},
    "log_lacks": {"text": "ERROR"},
    "rss_below": {"below": "1GB"},
}
TOLD_INSIDE: Final = [name for name, one in EXPECTATIONS.items() if "inside" in one.levels]


class Seen:
    """What is to be seen of a bench, to be tampered with."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self.level = bench.level
        self.options = bench.options
        self.config = bench.config
        self.air = bench.air
        self.clock = bench.clock
        self.messages = list(bench.messages)
        self.messages_at_s = list(bench.messages_at_s)
        self.broker = SimpleNamespace(connects=list(bench.broker.connects))
        self.files = dict(bench.gateway.files())
        self.gateway = SimpleNamespace(
            log=bench.gateway.log, code=0, running=True, files=lambda: self.files
        )

    @property
    def at_s(self) -> float:
        """The time goes on."""
        return self._bench.at_s

    def index(self, topic: str, *, last: bool = False) -> int:
        """Return where a message on a topic is: the second one, or the last."""
        found = [at for at, one in enumerate(self.messages) if one.topic.endswith(topic)]
        return found[-1] if last else found[1]

    def change(self, topic: str, alter: Callable[[Json], None], *, last: bool = False) -> None:
        """Alter what one message says."""
        at = self.index(topic, last=last)
        body = json.loads(self.messages[at].payload)
        alter(body)
        payload = json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
        self.messages[at] = self.messages[at]._replace(payload=payload)

    def add(self, topic: str, body: Json) -> None:
        """Add a message at the end."""
        payload = json.dumps(body, separators=(",", ":")).encode()
        self.messages.append(Delivered(f"ugw/v1/kiel/gw-sim/{topic}", payload, retain=False))
        self.messages_at_s.append(self.at_s)


async def judged(
    name: str, alter: Callable[[Seen], None], since_s: float, arguments: Given
) -> Verdict:
    scenario = read_scenario(SCENARIO)
    async with open_bench("inside", scenario.benches()[0]) as bench:
        scenario.furnish(bench)
        judge = Judge(bench)
        await bench.gateway.start()
        await bench.run(30)
        await bench.gateway.stop()
        seen = Seen(bench)
        alter(seen)
        judge.bench = cast("Bench", seen)
        given: Given = {**ARGUMENTS.get(name, {}), **arguments}
        if EXPECTATIONS[name].waits:
            given["within"] = "1ms"
        return await check_expectation(judge, name, since_s=since_s, **given)


def judge_of(
    name: str,
    alter: Callable[[Seen], None] = lambda _: None,
    *,
    since_s: float = 0.0,
    arguments: Given | None = None,
) -> Verdict:
    """Return how an expectation comes out of a run that was tampered with."""
    return run(judged(name, alter, since_s, arguments or {}))


@pytest.mark.parametrize("name", TOLD_INSIDE)
def test_a_good_run_is_as_expected(name: str) -> None:
    verdict = judge_of(name)
    assert verdict.ok, verdict.why


# ----------------------------------------------------------------------------------- tampered with
def drop_a_bundle(seen: Seen) -> None:
    at = seen.index("obs/live")
    del seen.messages[at], seen.messages_at_s[at]


def invent_a_frame(seen: Seen) -> None:
    def alter(body: Json) -> None:
        for one in body["observations"]:
            for result in one["results"]:
                if result["observedProperty"] in {"count", "generic_value"}:
                    result["result"] = 77_777

    seen.change("obs/live", alter)


def say_again_under_another_number(seen: Seen) -> None:
    body = json.loads(seen.messages[seen.index("obs/live")].payload)
    for one in body["observations"]:
        one["seq"] += 1000
    seen.add("obs/replay", body)


def say_again_otherwise(seen: Seen) -> None:
    body = json.loads(seen.messages[seen.index("obs/live")].payload)
    body["observations"][0]["results"][0]["result"] = -1
    seen.add("obs/replay", body)


def say_again(seen: Seen) -> None:
    at = seen.index("obs/live")
    seen.messages.append(seen.messages[at])
    seen.messages_at_s.append(seen.at_s)


def count_one_too_many(counter: str) -> Callable[[Seen], None]:
    def alter(body: Json) -> None:
        body["counters"][counter] += 1

    return lambda seen: seen.change("status", alter, last=True)


def give_a_number_too_many(seen: Seen) -> None:
    def alter(body: Json) -> None:
        body["streams"][0]["nextSeq"] += 1

    seen.change("status", alter, last=True)


def send_no_status(seen: Seen) -> None:
    kept = [at for at, one in enumerate(seen.messages) if not one.topic.endswith("status")]
    seen.messages = [seen.messages[at] for at in kept]
    seen.messages_at_s = [seen.messages_at_s[at] for at in kept]


def send_nonsense(seen: Seen) -> None:
    seen.add("status", {"state": "online"})


def declare_a_loss(seen: Seen) -> None:
    stream = json.loads(seen.messages[seen.index("obs/live")].payload)["stream"]
    seen.add("event", {"kind": "loss", "stream": stream, "from": 0, "to": 3, "reason": "full"})


def turn_the_order(seen: Seen) -> None:
    live = [at for at, one in enumerate(seen.messages) if one.topic.endswith("obs/live")]
    one, other = live[1], live[-1]
    seen.messages[one], seen.messages[other] = seen.messages[other], seen.messages[one]


def come_late(seen: Seen) -> None:
    seen.messages_at_s = [at_s + 100 for at_s in seen.messages_at_s]


def log(text: str) -> Callable[[Seen], None]:
    def alter(seen: Seen) -> None:
        seen.gateway.log += f"{text}\n"

    return alter


def speak_of(text: str) -> Callable[[Seen], None]:
    return lambda seen: seen.add("event", {"kind": text})


def store(content: bytes) -> Callable[[Seen], None]:
    def alter(seen: Seen) -> None:
        seen.files["backlog.db"] = b"\0\1" + content + b"\2\3"

    return alter


def end_with(code: int) -> Callable[[Seen], None]:
    def alter(seen: Seen) -> None:
        seen.gateway.code = code

    return alter


def not_run(seen: Seen) -> None:
    seen.gateway.running = False


def wait_in_the_store(seen: Seen) -> None:
    def alter(body: Json) -> None:
        body["counters"]["inBacklog"] += 1

    seen.change("status", alter, last=True)


def leave_rows_in_the_store(seen: Seen) -> None:
    def alter(body: Json) -> None:
        body["backlog"]["bundles"] = 2

    seen.change("status", alter, last=True)


def add_a_field(seen: Seen) -> None:
    def alter(body: Json) -> None:
        body["mood"] = "good"

    seen.change("obs/live", alter)


def connect_again(seen: Seen) -> None:
    seen.broker.connects *= 2


LEAK: Final = "no_address_leaked"
SECRET: Final = "no_secret_logged"  # noqa: S105 - a name


@pytest.mark.parametrize(
    ("name", "alter", "told"),
    [
        ("every_accepted_observation_delivered", drop_a_bundle, "did not arrive"),
        ("declared_losses_only", drop_a_bundle, "did not arrive"),
        ("nothing_lost", declare_a_loss, "4 observations were declared lost"),
        ("nothing_invented", invent_a_frame, "were never sent"),
        ("nothing_twice_under_two_keys", say_again_under_another_number, "under two keys"),
        ("nothing_twice_under_two_keys", say_again_otherwise, "with two contents"),
        ("duplicates", say_again, "came again; 0 are allowed"),
        ("reconnects", connect_again, "2 connections were made; 1 are allowed"),
        ("order_kept", turn_the_order, "out of order"),
        ("latency_p99", come_late, "99 % of the frames took up to 100"),
        ("laws_hold", count_one_too_many("heard"), "the law of frames"),
        ("laws_hold", count_one_too_many("delivered"), "the law of observations"),
        ("laws_hold", count_one_too_many("inBacklog"), "the law of observations"),
        ("laws_hold", give_a_number_too_many, "18 were observed, 19 numbers were given"),
        ("laws_hold", drop_a_bundle, "are said to be settled, and never came"),
        ("laws_hold", send_no_status, "no status has come"),
        ("laws_hold", send_nonsense, "not a message of ours"),
        ("recovers", not_run, "the agent does not run"),
        ("backlog_empty", wait_in_the_store, "1 observations wait in the store"),
        ("backlog_empty", leave_rows_in_the_store, "2 rows stand in the store"),
        ("backlog_empty", send_no_status, "no status has come"),
        ("status_says", send_no_status, "no status has come"),
        ("schema_valid", add_a_field, "1 messages break the schema"),
        (LEAK, log(f"heard {STRANGER}"), "in the log"),
        (LEAK, log(STRANGER.lower().replace(":", "")), "in the log"),
        (LEAK, log("d00dadfffe000001"), "in the log"),
        (LEAK, log("payload 00d00dad00000100"), "in the log"),
        (LEAK, store(bytes.fromhex("d00dad000001")), "in backlog.db"),
        (LEAK, store(bytes.fromhex("010000ad0dd0")), "in backlog.db"),
        (LEAK, speak_of(STRANGER), "in a message"),
        (SECRET, log(KEY.hex()), "the secret of C0:FF:EE:00:01:01 in the log"),
        (SECRET, log(base64.b64encode(KEY).decode()), "in the log"),
        (SECRET, speak_of(KEY.hex()), "gw-sim/event"),
        ("log_lacks", log("an ERROR"), "logged: an ERROR"),
        ("no_crash", end_with(4), "the agent ended with code 4"),
        ("no_crash", log("Traceback (most recent call last):"), "logged: Traceback"),
    ],
)
def test_one_thing_wrong_is_found_and_told(
    name: str, alter: Callable[[Seen], None], told: str
) -> None:
    verdict = judge_of(name, alter)
    assert not verdict.ok
    assert told in verdict.why


@pytest.mark.parametrize(
    ("name", "arguments", "told"),
    [
        ("delivered", {"at_least": 10_000}, "observations arrived; at least 10000 are expected"),
        ("status_says", {"state": "online"}, "state is offline, not online"),
        ("status_says", {"transports": {"ble:hci9": "up"}}, "transport ble:hci9 is not said"),
        ("log_contains", {"text": "stopped clean", "times": 2}, "was logged 1 times, not 2"),
    ],
)
def test_what_is_asked_for_is_looked_at(name: str, arguments: Given, told: str) -> None:
    assert told in judge_of(name, arguments=arguments).why


def test_the_slowest_frames_are_named() -> None:
    verdict = judge_of("latency_p99", come_late, arguments={"below": "50s", "quantile": 0.5})
    assert "50 % of the frames took up to 100.0" in verdict.why
    assert verdict.frames[0].startswith("100.0")
    assert 0 < verdict.about_s[0] < 30


def test_recovery_is_of_each_radio_and_of_what_was_sent_since() -> None:
    assert "nothing of ble, lora that was sent after" in judge_of("recovers", since_s=31).why
    assert judge_of("recovers", since_s=1).ok


def test_the_frames_of_a_failure_are_named_with_their_times() -> None:
    verdict = judge_of("every_accepted_observation_delivered", drop_a_bundle)
    assert verdict.frames[0].split(" #")[0] in {
        "C0:FF:EE:00:00:01",
        "C0:FF:EE:00:01:01",
        "lora:17",
    }
    assert " sent at " in verdict.frames[0]
    assert 0 < verdict.about_s[0] < 30


def test_what_was_invented_is_named_with_the_time_when_it_arrived() -> None:
    verdict = judge_of("nothing_invented", invent_a_frame)
    assert "#77777 arrived at " in verdict.frames[0]
    assert 0 < verdict.about_s[0] < 60


def test_what_was_counted_as_not_let_in_is_not_missing() -> None:
    def alter(seen: Seen) -> None:
        drop_a_bundle(seen)
        at = seen.index("status", last=True)
        body = json.loads(seen.messages[at].payload)
        body["counters"]["limited"] += 5
        seen.messages[at] = seen.messages[at]._replace(payload=json.dumps(body).encode())

    verdict = judge_of("every_accepted_observation_delivered", alter)
    assert "numbers were given and did not arrive" in verdict.why  # they were let in after all


def test_with_nothing_on_the_air_nothing_is_said_to_be_delivered() -> None:
    async def body() -> None:
        async with open_bench("inside", read_scenario(SCENARIO).benches()[0]) as bench:
            judge = Judge(bench)
            for name in ("every_accepted_observation_delivered", "latency_p99", "laws_hold"):
                given: Given = {"within": "1ms"} if EXPECTATIONS[name].waits else {}
                given |= {"below": "1h"} if name == "latency_p99" else {}
                verdict = await check_expectation(judge, name, **given)
                assert not verdict.ok, name

    run(body())


def test_what_cannot_be_expected_is_refused_in_plain_words() -> None:
    refused: list[tuple[str, Given, str]] = [
        ("lawshold", {}, "did you mean 'laws_hold'"),
        ("latency_p99", {}, "the key 'below' is missing"),
        ("rss_below", {"below": "1GB"}, "cannot be told on the level inside"),
    ]
    for name, given, told in refused:
        with pytest.raises(SimulatorError, match=told):
            run(asked(name, given))


async def asked(name: str, given: Given) -> None:
    async with open_bench("inside", read_scenario(SCENARIO).benches()[0]) as bench:
        await check_expectation(Judge(bench), name, **given)


def test_every_expectation_says_what_it_is_in_a_sentence() -> None:
    for name, one in EXPECTATIONS.items():
        assert one.name == name
        assert one.title.endswith("."), name
        assert one.title[0].isupper(), name
        assert len(one.title) < 100, name
        for field in one.Arguments.model_fields.values():
            assert field.description, name


def test_addresses_are_found_wherever_and_however_they_stand() -> None:
    looked_for = Addresses([STRANGER, "lora:17"])
    for text in ("d0-0d-ad-00-00-01", "D0_0D_AD_00_00_01", "xd00dad000001x", "fd00dad000001"):
        assert list(looked_for.in_text(text.encode())) == [STRANGER], text
    assert list(looked_for.in_text(b"ff010000ad0dd0")) == [STRANGER]
    for text in ("d0:0d:ad:00:00:02", "0000d00dad0000", ""):
        assert not list(looked_for.in_text(text.encode())), text


@pytest.mark.parametrize("count", [1, 200])
def test_addresses_are_found_as_bytes_among_few_and_among_many(count: int) -> None:
    looked_for = Addresses([STRANGER, *(f"D0:0D:AE:00:00:{n:02X}" for n in range(1, count))])
    for octets in (b"\xd0\x0d\xad\0\0\1", b"\1\0\0\xad\x0d\xd0"):
        assert list(looked_for.in_bytes(b"\xff" + octets + b"\xff")) == [STRANGER]
    assert not list(looked_for.in_bytes(b"\xd0\x0d\xad\0\0\2"))
