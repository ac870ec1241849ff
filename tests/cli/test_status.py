"""`ugw status` and `ugw sensors` ask the agent that runs, and say what a person needs first."""

import asyncio
import http.server
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rich.console import Console

from gateway.cli.local_agent import Status
from gateway.cli.status_page import page
from gateway.exit_codes import ExitCode
from gateway.sim.agent_config import AgentOptions
from gateway.sim.sensors import SensorOptions
from gateway.sim.world import World
from tests.brokers import POLL_S, Mosquitto, free_port, strict_run
from tests.cli.calling import end_of
from tests.cli.places import Ended, ugw
from tests.scenarios.agents import AgentProcess

LAMP = "C0:FF:EE:00:00:01"
TOKEN = "correct-horse-battery"  # noqa: S105 - a test's

Json = dict[str, Any]


def some_status(**parts: Any) -> Json:  # noqa: ANN401 - whatever a test wants otherwise
    """Return what an agent answers that is well; parts are put into it."""
    answer: Json = {
        "schema": "ugw.local-status/1",
        "status": {
            "org": "kiel",
            "gateway": "gw-1",
            "software": "ugw 1",
            "clock": {"state": "synced"},
            "level": "normal",
            "storeState": "ok",
            "guarantee": "full",
            "backlog": {"bundles": 0, "observations": 0, "bytes": 8192},
            "setAside": {"bundles": 0, "bytes": 0},
            "dropped": [],
            "counters": {
                "heard": 12,
                "unlisted": 5,
                "refused.bad_mic": 1,
                "decoded": 6,
                "recovered": 0,
                "observed": 6,
                "delivered": 4,
                "setAside": 0,
                "inMemory": 2,
                "inBacklog": 0,
                "unheard": 0,
            },
        },
        "uplink": {
            "connected": True,
            "sinceS": 300,
            "cause": "",
            "remedy": "",
            "host": "broker.example",
            "port": 8883,
            "tls": True,
            "version": "5",
            "inFlight": 2,
            "window": 8,
            "lastAckAgoS": 3,
        },
        "configuration": {"path": "/etc/ugw/gateway.yaml", "loadedAgoS": 9, "lastReload": None},
        "transports": [{"name": "ble:hci0", "state": "up", "sinceS": 300, "cause": ""}],
        "laws": {"frames": 0, "observations": 0},
        "light": "green",
        "troubles": [],
        "process": {"pid": 1, "startedAgoS": 300, "memoryBytes": 55_000_000},
    }
    for path, value in parts.items():
        *way, last = path.split("__")
        part = answer
        for name in way:
            part = part[name]
        part[last] = value
    return answer


@contextmanager
def answering(
    answer: Callable[[http.server.BaseHTTPRequestHandler], tuple[int, Any]],
) -> Iterator[int]:
    """Answer on a port of this machine, as an agent would or would not."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = answer(self)
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@pytest.fixture
def config(tmp_path: Path) -> Callable[..., str]:
    """Write a configuration whose agent would answer on a port."""

    def write(port: int, more: str = "") -> str:
        path = tmp_path / "gateway.yaml"
        path.write_text(
            "config_version: 1\ngateway: {org: kiel, id: gw-1}\nmqtt: {host: localhost}\n"
            f"store: {{path: {tmp_path / 'store'}}}\n"
            f"http: {{listen: '127.0.0.1:{port}'{more}}}\n"
        )
        return str(path)

    return write


# ------------------------------------------------------------------------------------ a real agent
def test_a_real_agent_tells_how_it_is_and_what_its_sensors_say(
    tmp_path: Path, mosquitto: Callable[..., Mosquitto]
) -> None:
    broker, port = mosquitto(), free_port()

    async def scene() -> tuple[Ended, Ended, Ended, Ended]:
        async with World() as world:
            sensor = world.add_sensor(
                SensorOptions(model="bthome-v2", address=LAMP, every_s=0.2, name="Lamp")
            )
            extra = f"http: {{listen: '127.0.0.1:{port}'}}\nclock: {{source: system}}\n"
            options = AgentOptions(mqtt_port=broker.port, extra=extra)
            path = str(world.agent_config(tmp_path / "agent", options))
            agent = AgentProcess(Path(path), tmp_path / "log", world.environment())
            try:
                while True:
                    world.transmit(sensor.emit())
                    listed = await ugw("sensors", "list", "--json", "-c", path)
                    if listed.code == 0 and listed.json()["sensors"][0]["observations"]:
                        break
                    assert agent.code is None, agent.log
                    await asyncio.sleep(POLL_S)
                return (
                    await ugw("status", "-c", path),
                    await ugw("sensors", "list", "-c", path),
                    await ugw("sensors", "show", "lamp", "-c", path),
                    await ugw("backlog", "stats", "--json", "-c", path),
                )
            finally:
                agent.kill()

    status, listed, shown, backlog = strict_run(scene())
    assert status.code == ExitCode.OK, status.out
    assert status.out.startswith(
        "● kiel/gw-sim works, but\n  the broker has nobody for what is sent on obs/live\n"
    )
    assert f"connected to 127.0.0.1:{broker.port}" in status.out
    assert "✓ heard" in status.out
    row = next(line for line in listed.out.splitlines() if line.startswith("Lamp "))
    assert "air temperature: " in row
    assert "1 sensors, 0 silent, 0 not heard yet" in listed.out
    assert "in messages   urn:dev:mac:c0ffeefffe000001" in shown.out
    assert backlog.json()["from"] == "the running agent"


def test_an_agent_that_refused_a_broken_file_can_be_asked_about_it(tmp_path: Path) -> None:
    port = free_port()

    async def scene() -> tuple[Ended, Ended, Ended]:
        async with World() as world:
            extra = f"http: {{listen: '127.0.0.1:{port}'}}\nclock: {{source: system}}\n"
            world.add_sensor(SensorOptions(model="bthome-v2", address=LAMP))
            options = AgentOptions(mqtt_port=free_port(), extra=extra)
            path = world.agent_config(tmp_path / "agent", options)
            agent = AgentProcess(path, tmp_path / "log", world.environment())
            try:
                while (await ugw("status", "--json", "-c", str(path))).out == "":
                    assert agent.code is None, agent.log
                with path.open("a") as file:
                    file.write("log: {level: loud}\n")
                agent.hang_up()
                while True:
                    status = await ugw("status", "-c", str(path))
                    if "loud" in status.out:
                        break
                    assert agent.code is None, agent.log
                return (
                    status,
                    await ugw("sensors", "list", "-c", str(path)),
                    await ugw("backlog", "stats", "-c", str(path)),
                )
            finally:
                agent.kill()

    status, sensors, backlog = strict_run(scene())
    assert status.code == ExitCode.FAILED
    assert "the last reload was refused" in status.out
    assert sensors.code == ExitCode.OK, sensors.err
    assert backlog.code == ExitCode.OK, backlog.err
    assert "the running agent" in backlog.out


# ----------------------------------------------------------------------------------- how it is put
def of(answer: Json) -> Status:
    return msgspec.convert(answer, Status)


def test_trouble_ends_with_its_code_and_is_shown_with_its_remedy(
    config: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    uplink = {
        **some_status()["uplink"],
        "connected": False,
        "cause": "broker.example is away",
        "remedy": "is it running?",
    }
    troubles = [
        {"colour": "red", "cause": "nothing is heard", "remedy": "ugw check"},
        {"colour": "yellow", "cause": "gateway.yaml:3:1: a\x1b[2J\n:9:4: b", "remedy": ""},
    ]
    answer = some_status(uplink=uplink, light="red", troubles=troubles)
    with answering(lambda _: (200, answer)) as port:
        assert end_of("status", "-c", config(port)) == ExitCode.FAILED
        shown = capsys.readouterr().out.splitlines()
        assert shown[:6] == [
            "● kiel/gw-1 is in trouble",
            "  nothing is heard",
            "    ugw check",
            "  gateway.yaml:3:1: a\ufffd[2J",
            "  :9:4: b",
            "",
        ]
        after = [line.strip() for line in shown]
        at = after.index("broker        ○ not connected to broker.example:8883 for 5 min")
        assert after[at + 1 : at + 3] == ["broker.example is away", "is it running?"]
        assert end_of("status", "--json", "-c", config(port)) == ExitCode.FAILED
        assert json.loads(capsys.readouterr().out) == answer


def test_what_works_although_not_as_it_should_ends_with_0(
    config: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    troubles = [{"colour": "yellow", "cause": "lamp is silent", "remedy": "its battery?"}]
    with answering(lambda _: (200, some_status(light="yellow", troubles=troubles))) as port:
        assert end_of("status", "-c", config(port)) == ExitCode.OK
    assert capsys.readouterr().out.startswith(
        "● kiel/gw-1 works, but\n  lamp is silent\n    its battery?\n\n"
    )


def test_what_an_agent_says_cannot_drive_the_terminal(
    config: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    sensor = {
        "device": "ugw:kiel:a",
        "name": "\x1b]0;owned\x07[bold]x",
        "address": "lora:1",
        "driver": None,
        "medium": "lora",
        "class": "routine",
        "values": [
            {"observedProperty": "text", "channel": "", "result": "\x1b[2J", "unit": "1"}
            | {"quality": "good", "flags": []}
        ],
    }
    with answering(lambda _: (200, {"sensors": [sensor]})) as port:
        assert end_of("sensors", "list", "-c", config(port)) == ExitCode.OK
        assert end_of("sensors", "show", "lora:1", "-c", config(port)) == ExitCode.OK
    said = capsys.readouterr().out
    assert "\x1b" not in said
    assert "[bold]x" in said


def test_both_laws_are_written_out() -> None:
    out = StringIO()
    Console(file=out, width=100).print(page(of(some_status())))
    assert "✓ heard 12 = unlisted 5 + refused.bad_mic 1 + decoded 6" in out.getvalue()
    assert "✓ observed 6 = delivered 4 + in memory 2" in out.getvalue()


@pytest.mark.parametrize(("connected", "told"), [(True, "is told"), (False, "will be told")])
def test_a_loss_is_not_called_declared_while_nobody_can_be_told(
    connected: bool,  # noqa: FBT001 - a parameter of pytest's
    told: str,
) -> None:
    out = StringIO()
    answer = some_status(status__dropped=[{}, {}], uplink__connected=connected)
    Console(file=out, width=100).print(page(of(answer)))
    assert f"2 loss ranges; the platform {told}" in out.getvalue()


# -------------------------------------------------------------------------- what can be in the way
def test_no_agent_is_said_with_the_next_step(
    config: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (["status"], ["sensors", "list"]):
        assert end_of(*words, "-c", config(free_port())) == ExitCode.FAILED
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err.startswith("error: no agent is running")
        assert "systemctl start ugw" in said.err


def test_an_agent_that_answers_nobody_is_told_apart(
    config: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert end_of("status", "-c", config(8080, ", enabled: false")) == ExitCode.FAILED
    assert "http.enabled is false" in capsys.readouterr().err


def test_the_token_is_presented_and_a_wrong_one_is_named(
    config: Callable[..., str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = tmp_path / "token"
    secret.touch(mode=0o600)
    secret.write_text(TOKEN)
    presented: list[str | None] = []

    def answer(request: http.server.BaseHTTPRequestHandler) -> tuple[int, Any]:
        presented.append(request.headers["Authorization"])
        if len(presented) == 1:
            return 200, some_status()
        return 401, {"error": "no", "remedy": ""}

    with answering(answer) as port:
        path = config(port, f", token: 'file:{secret}'")
        assert end_of("status", "-c", path) == ExitCode.OK
        assert end_of("status", "-c", path) == ExitCode.FAILED
    said = capsys.readouterr()
    assert presented[0] == f"Bearer {TOKEN}"
    assert "refuses the token" in said.err
    assert TOKEN not in said.err + said.out


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (200, b"<html>", "is no agent of this version"),
        (200, {"status": {}}, "is no agent of this version"),
        (404, b"not here", "is no agent: HTTP status 404"),
        (421, {"error": "not my name", "remedy": "use mine"}, "refuses: not my name\nuse mine"),
    ],
)
def test_what_else_answers_there_is_not_taken_for_an_agent(
    config: Callable[..., str],
    capsys: pytest.CaptureFixture[str],
    status: int,
    body: Any,  # noqa: ANN401 - bytes or data
    words: str,
) -> None:
    with answering(lambda _: (status, body)) as port:
        assert end_of("status", "-c", config(port)) == ExitCode.FAILED
    assert words in capsys.readouterr().err


def test_a_sensor_is_found_by_each_of_its_names_and_guessed_otherwise(
    config: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    def sensor(number: int) -> Json:
        named = {"device": f"ugw:kiel:bin-0{number}", "name": "Bin", "address": f"lora:{number}"}
        return {**named, "driver": "x", "medium": "lora", "class": "event", "values": []}

    with answering(lambda _: (200, {"sensors": [sensor(1), sensor(2)]})) as port:
        path = config(port)
        for called in ("lora:2", "ugw:kiel:bin-02", "bin-02", "BIN-02"):
            assert end_of("sensors", "show", called, "--json", "-c", path) == ExitCode.OK
            assert json.loads(capsys.readouterr().out)["address"] == "lora:2"
        assert end_of("sensors", "show", "Bin", "-c", path) == ExitCode.FAILED
        assert "'Bin' are 2 sensors" in capsys.readouterr().err
        assert end_of("sensors", "show", "lora:22", "-c", path) == ExitCode.FAILED
        assert "did you mean 'lora:2'?" in capsys.readouterr().err
