"""`ugw demo` does the main job, adds up, and leaves nothing behind when it ends."""

import asyncio
import os
import pty
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import typer

from gateway.cli.broker_address import host_and_port
from gateway.cli.main import main
from gateway.errors import BacklogError, SimulatorError
from gateway.exit_codes import ExitCode
from gateway.sim.demo_broker import DemoBroker
from tests.brokers import HANG_S, Mosquitto, Subscriber, free_port, strict_run
from tests.cli.calling import read_until

SENSORS = 25
LAW = re.compile(r"^(frames|observations) +(\S) (.*)$", re.MULTILINE)

Demo = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    """Return the folder that a demo has for its files."""
    folder = tmp_path / "t"
    folder.mkdir()
    return folder


@pytest.fixture
def demo(temporary: Path) -> Iterator[Demo]:
    """Start demos that end with the test."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*words: str, stdout: int = subprocess.PIPE) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(
            [sys.executable, "-m", "gateway", "demo", *words],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.STDOUT,
            env={**os.environ, "TMPDIR": str(temporary), "TERM": "xterm"},
            process_group=0,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def children(of: int) -> list[int]:
    """Return the processes whose parent it is."""
    found: list[int] = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            after_name = stat.read_text().rpartition(")")[2]
        except OSError:  # ended meanwhile
            continue
        if int(after_name.split()[1]) == of:
            found.append(int(stat.parent.name))
    return found


def gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def verdicts(printed: str) -> dict[str, tuple[str, str]]:
    """Return the laws of the last page: mark and sum."""
    return {name: (mark, sum_) for name, mark, sum_ in LAW.findall(printed)}


def test_without_a_terminal_it_reports_adds_up_and_ends(demo: Demo, temporary: Path) -> None:
    process = demo("--duration", "6")
    printed, _ = process.communicate(timeout=HANG_S)

    text = printed.decode()
    laws = verdicts(text)
    assert process.returncode == 0, text
    assert re.match(r"\d+ of 25 sensors heard", text)
    assert "\x1b" not in text
    assert laws["frames"][0] == laws["observations"][0] == "✓"
    assert re.match(r"heard \d+ = unlisted \d+ \+ ", laws["frames"][1])  # strangers, too
    assert re.match(r"observed (\d+) = delivered \1\s*$", laws["observations"][1])
    assert not list(temporary.iterdir())


async def all_heard_by(broker: Mosquitto) -> set[str]:
    """Return the devices in the messages, once there are as many as sensors."""
    devices = set[str]()
    async with Subscriber(broker.port, topic="ugw/v1/kiel/gw-demo/obs/live") as platform:

        def complete(_: object) -> bool:
            for message in platform.messages:
                devices.update(each["device"] for each in message.json()["observations"])
            return len(devices) >= SENSORS

        await platform.until(complete)
    return devices


def test_every_sensor_arrives_at_a_broker_of_yours_and_sigint_leaves_nothing(
    demo: Demo, temporary: Path, mosquitto: Callable[..., Mosquitto]
) -> None:
    broker = mosquitto()
    process = demo("--broker", f"127.0.0.1:{broker.port}")
    devices = strict_run(all_heard_by(broker))
    (born,) = children(process.pid)  # the D-Bus daemon

    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=HANG_S)

    assert len(devices) == SENSORS
    assert process.returncode == 0, printed.decode()
    assert {mark for mark, _ in verdicts(printed.decode()).values()} == {"✓"}
    assert gone(born)
    assert not list(temporary.iterdir())


def test_on_a_terminal_it_is_a_live_page_and_ctrl_c_ends_it(demo: Demo) -> None:
    ours, theirs = pty.openpty()
    process = demo(stdout=theirs)
    os.close(theirs)
    read_until(ours, "\x1b[?1049h")  # a screen of its own
    page = read_until(ours, "both add up")
    (born,) = children(process.pid)  # the D-Bus daemon
    group = os.getpgid(born)
    os.killpg(process.pid, signal.SIGINT)  # as the terminal does, to the whole group
    last = read_until(ours, "stopped clean in_backlog=0")
    code = process.wait(HANG_S)
    os.close(ours)

    assert "Ctrl-C ends it" in page
    assert "\x1b[?1049l" in last
    assert code == 0
    assert group != process.pid  # Ctrl-C must not end the world before the agent
    assert gone(born)


def test_without_its_broker_it_says_that_all_waits_in_the_store(demo: Demo) -> None:
    process = demo("--broker", f"127.0.0.1:{free_port()}", "--duration", "6")
    printed, _ = process.communicate(timeout=HANG_S)

    text = printed.decode()
    assert process.returncode == 0, text
    page = " ".join(text.split())
    assert re.search(r"broker ○ not connected to \S+: what is heard waits in the store", page)
    assert re.search(r"backlog ● \d+ observations in \d+ bundles wait on disk", page)
    assert "in clear" not in text  # nobody stands between this machine and itself


def test_a_broker_elsewhere_is_sent_to_in_clear_and_that_is_said(demo: Demo) -> None:
    process = demo("--broker", "broker.invalid:1883", "--duration", "6")
    printed, _ = process.communicate(timeout=HANG_S)

    text = printed.decode()
    first = text.splitlines()[0]
    assert first.startswith("note: what the demo's sensors say goes to broker.invalid in clear:")
    page = " ".join(text.split())
    assert "(in clear: anybody on the way can read and change it)" in page


# ------------------------------------------------------------------------------- what can be wrong
def test_without_a_dbus_daemon_it_says_what_to_install(
    demo: Demo, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    process = demo()
    said, _ = process.communicate(timeout=HANG_S)
    assert process.returncode == ExitCode.FAILED
    assert "apt install dbus-daemon" in said.decode()
    assert "Traceback" not in said.decode()


def test_what_the_agent_cannot_do_is_said_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    async def fail(*_: object) -> None:
        cause = "the disk is full"
        raise BacklogError(cause, "make room")

    def leave_alone(_: object) -> None:
        """Leave the log to pytest."""

    monkeypatch.setattr("gateway.cli.demo.serve", fail)
    monkeypatch.setattr("gateway.cli.onlooker.Messages.take_over", leave_alone)
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", "")  # the demo sets it for its process
    with pytest.raises(SystemExit) as ended:
        main(["demo", "--outage"])
    assert ended.value.code == ExitCode.FAILED
    assert capfd.readouterr().err == "error: the disk is full\nmake room\n"


def test_without_amqtt_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "amqtt", None)
    with pytest.raises(SimulatorError) as raised:
        DemoBroker()
    assert "--broker" in raised.value.remedy


def test_a_broker_whose_port_is_taken_says_so_and_can_start_later() -> None:
    async def scene() -> None:
        broker = DemoBroker()
        with socket.socket() as other:
            other.bind((broker.host, broker.port))
            other.listen()
            with pytest.raises(SimulatorError, match="address already in use"):
                await broker.start()
        async with broker:
            with socket.socket() as other, pytest.raises(OSError, match="already in use"):
                other.bind((broker.host, broker.port))

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:1883", ("127.0.0.1", 1883)),
        ("broker.example:65535", ("broker.example", 65535)),
        ("[::1]:1883", ("::1", 1883)),
    ],
)
def test_an_address_is_a_host_and_a_port(text: str, address: tuple[str, int]) -> None:
    assert host_and_port(text) == address


@pytest.mark.parametrize("text", ["", "localhost", ":1883", "a:", "a:0", "a:65536", "a:mqtt"])
def test_anything_else_is_no_address(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="is not HOST:PORT"):
        host_and_port(text)
